"""Lessons: drawn from edits and rejections, stored, and accepted, edited or dropped by people."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hitl_tui.cli import main
from hitl_tui.cli.lessons import markdown
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Json, Lesson, LessonState
from hitl_tui.oversight.lessons import LONGEST, QUOTED, CorrectedCall, RejectedCall, draw_lessons, normalized, quoted, validate_text
from hitl_tui.oversight.statistics import Rates
from hitl_tui.sanitize import spell_out
from hitl_tui.store import lessons
from tests.store.test_search import decided
from tests.support.empty_database import open_store

YES = Answer(DecisionKind.APPROVE)
LONG = "We are sorry for the delay and shall look into it as soon as we can. " * 4


def edit(args: Json) -> Answer:
    return Answer(DecisionKind.EDIT, args)


def no(reason: str) -> Answer:
    return Answer(DecisionKind.REJECT, message=reason)


def corrected(*pairs: tuple[Json, Json]) -> list[CorrectedCall | RejectedCall]:
    return [CorrectedCall(number, before, after) for number, (before, after) in enumerate(pairs, 1)]


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([({}, {"cc": "b@x"}), ({"cc": None}, {"cc": "b@x"}), ({"cc": "c@x"}, {"cc": "b@x"})], 'put "b@x" into `cc`'),
        ([({"cc": ["a"]}, {"cc": ["a", "b"]}), ({"cc": []}, {"cc": ["b"]})], 'put "b" into `cc` too'),
        ([({"cc": ["a", "b"]}, {"cc": ["b"]}), ({"cc": ["a"]}, {"cc": []})], 'keep "a" out of `cc`'),
        ([({"cc": "a"}, {}), ({"cc": "b"}, {})], "leave `cc` out"),
        ([({"n": 1}, {"n": 10}), ({"n": 2}, {"n": 10})], "put 10 into `n`"),
        ([({"t": "Hello Ann"}, {"t": "Hello Ann\nKim"}), ({"t": "Bye"}, {"t": "Bye\nKim"})], 'add "\\nKim" at the end of `t`'),
        ([({"t": "a"}, {"t": "Re: a"}), ({"t": "b c"}, {"t": "Re: b c"})], 'add "Re: " at the beginning of `t`'),
        ([({"t": "Hi Ann, ok"}, {"t": "Dear Ann, ok"}), ({"t": "Hi Bob"}, {"t": "Dear Bob"})], 'write "Dear" instead of "Hi" in `t`'),
        ([({"t": "It is very nice here"}, {"t": "It is nice here"}), ({"t": "a very b"}, {"t": "a b"})], 'do not write "very" in `t`'),
        ([({"t": LONG}, {"t": "Sorry."}), ({"t": LONG + "!"}, {"t": "We shall see."})], "keep `t` short"),
        ([({"t": "a b"}, {"t": "a PS b"}), ({"t": "c d"}, {"t": "c PS d"})], 'put "PS" into `t` too'),
        (
            [({"t": f"{who}, it is done. Kind regards, Ann"}, {"t": f"{who}, it is done. Best wishes, Ann"}) for who in ("Bob", "Cleo")],
            'write "Best wishes," instead of "Kind regards," in `t`',
        ),
        ([("Hi Ann", "Dear Ann"), ("Hi Bob", "Dear Bob")], 'write "Dear" instead of "Hi" in it'),
        ([({"t": "Bye"}, {"t": "Bye, Kim"})] * 2, 'add ", Kim" at the end of `t`'),
        ([({"t": "x"}, {"t": "y"})] * 2, 'write "y" instead of "x" in `t`'),
    ],
)
def test_lesson_states_what_edits_have_in_common(pairs: list[tuple[Json, Json]], said: str) -> None:
    (lesson,) = draw_lessons("send", corrected(*pairs))
    assert lesson.gist == f"When you call send, {said}." or (said.startswith("keep `t` short") and said in lesson.gist)
    assert lesson.text == f"{lesson.gist} People did so in all {len(pairs)} calls they corrected."
    assert lesson.examples == tuple(range(1, len(pairs) + 1))


def test_lesson_needs_two_equal_edits_or_three_of_any_kind() -> None:
    assert draw_lessons("send", corrected(({"t": "a"}, {"t": "b"}))) == []
    assert draw_lessons("send", corrected(({"t": "a"}, {"t": "b"}), ({"t": "c"}, {"t": "d"}))) == []
    (lesson,) = draw_lessons("send", corrected(({"t": "a"}, {"t": "b"}), ({"t": "c"}, {"t": "d"}), ({"u": 1, "t": "e"}, {"u": 2})))
    assert lesson.text == (
        "When you call send, look twice at `t`: people change it. They did in all 3 calls they corrected, last from \"e\" to nothing."
    )  # fmt: skip
    pairs = [({"t": f"{n}"}, {"t": f"{n}!"}) for n in range(3)]
    (lesson,) = draw_lessons("send", corrected(*pairs, ({"t": "x"}, {"t": "y"}), ({"u": 1}, {"u": 2})))
    assert (lesson.examples, lesson.text[-45:]) == ((1, 2, 3), "People did so in 3 of the 5 calls they corrected."[-45:])
    (lesson,) = draw_lessons("send", corrected(*signed("!", "!"), *[({"t": "a"}, {"t": f"b {n}"}) for n in range(3)]))
    assert "look twice" in lesson.gist  # two of five, and not the last


def otherwise(count: int) -> list[tuple[Json, Json]]:
    """Edits that have nothing in common."""
    return [({"t": f"{n} {n}"}, {"t": f"x{n} y{n}"}) for n in range(count)]


def signed(*pieces: str) -> list[tuple[Json, Json]]:
    """Edits that append something to a text."""
    return [({"t": f"mail {number}"}, {"t": f"mail {number}{piece}"}) for number, piece in enumerate(pieces)]


@pytest.mark.parametrize(
    ("pairs", "said", "examples"),
    [
        ([*otherwise(3), *signed(" Kim", " Kim")], 'add " Kim" at the end', (4, 5)),
        ([*otherwise(6), *signed(" Kim", " Kim"), *otherwise(1)], 'add " Kim" at the end', (7, 8)),
        ([*signed(" Kim"), *otherwise(6), *signed(" Kim", " Kim")], 'add " Kim" at the end', (1, 8, 9)),
        ([*signed(" Kim", " Kim", " Lee", " Lee")], 'add " Lee" at the end', (3, 4)),
        ([*signed(*[" Kim"] * 5, " Lee", " Lee")], 'add " Lee" at the end', (6, 7)),
        ([*signed(*[" Kim"] * 5, " Lee", " Lee", " Kim")], 'add " Kim" at the end', (1, 2, 3, 4, 5, 8)),
        ([*signed(" Kim", " Lee", " Kim", " Lee")], 'add " Lee" at the end', (2, 4)),
        ([*signed(*[" Kim"] * 3), *otherwise(2)], 'add " Kim" at the end', (1, 2, 3)),
        ([*signed(" Kim", " Kim"), *otherwise(3)], "look twice", (1, 2, 3, 4, 5)),
    ],
)
def test_lesson_prefers_recent_equal_edits(pairs: list[tuple[Json, Json]], said: str, examples: tuple[int, ...]) -> None:
    (lesson,) = draw_lessons("send", corrected(*pairs))
    assert said in lesson.gist
    assert lesson.examples == examples


def test_lesson_quotes_only_where_texts_differ() -> None:
    letters = [({"t": f"{LONG}{n} {n} end"}, {"t": f"{LONG}{'now ' * n}{n * 2}\nx{n}{LONG}"}) for n in range(3, 6)]
    (lesson,) = draw_lessons("send", corrected(*letters))
    told = lesson.text.removeprefix(lesson.gist)
    assert 'last from "…' in told and '5 5 end" to "…' in told and "now now" in told
    assert "\n" not in told and LONG[:40] not in told and len(told) < 250
    lists = [({"t": [n] * 50}, {"t": [n] * 50 + [{"n": n}] * 50}) for n in range(3)]
    (lesson,) = draw_lessons("send", corrected(*lists))
    assert len(lesson.text) < 300


def test_equal_rejection_reasons_make_a_lesson() -> None:
    calls = [
        RejectedCall(3, "Too long!"),
        RejectedCall(1, " too\nLONG"),
        RejectedCall(2, "Too long!"),
        RejectedCall(4, "no"),
        RejectedCall(5, ""),
        RejectedCall(6, ""),
    ]
    (lesson,) = draw_lessons("send", calls)
    assert (lesson.topic, lesson.examples) == ("reject:too long", (1, 2, 3))
    assert lesson.text == 'Before you call send, think of why people rejected it: "Too long!". They gave that reason 3 times.'


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30), lambda inner: st.lists(inner, max_size=3), max_leaves=4
)
arguments = st.dictionaries(st.sampled_from(["to", "cc", "bo dy", "`x`\n# y"]), values, max_size=3)


@pytest.mark.slow
@given(st.lists(st.tuples(arguments, arguments), max_size=6), st.lists(st.text(max_size=20), max_size=4), st.randoms())
def test_lesson_is_one_short_line_in_any_order_of_examples(pairs: Any, reasons: list[str], chance: Any) -> None:
    calls = [*corrected(*pairs), *(RejectedCall(100 + number, reason) for number, reason in enumerate(reasons))]
    drawn = draw_lessons("se`nd\u202e\n- do", calls)
    shuffled = list(calls)
    chance.shuffle(shuffled)
    assert draw_lessons("se`nd\u202e\n- do", shuffled) == drawn
    for lesson in drawn:
        assert "\n" not in lesson.text
        assert spell_out(lesson.text) == lesson.text
        assert lesson.text.startswith(lesson.gist)
        assert len(lesson.text) <= LONGEST + 3 * QUOTED
        assert set(lesson.examples) <= {call.decision for call in calls}
        assert len(lesson.examples) >= 2


texts = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() and spell_out(text) == text
)


@given(st.lists(texts, min_size=2, max_size=4, unique=True), texts, st.sampled_from(["end", "beginning", "cc", "set"]))
def test_lesson_when_followed_reproduces_the_edits(befores: list[str], piece: str, way: str) -> None:
    """Following the lesson gives each call as the person left it."""

    def pair(text: str) -> tuple[Any, Any]:
        if way == "cc":
            return [text], [text, piece]
        return text, {"end": f"{text}\n{piece}", "beginning": f"{piece}\n{text}", "set": piece}[way]

    pairs = [({"t": before}, {"t": after}) for before, after in map(pair, befores) if before not in (piece, [piece])]
    found = draw_lessons("send", corrected(*pairs))
    if len(pairs) < 2:
        return
    (lesson,) = found
    match = re.fullmatch(r"When you call send, (put|add) (\".*\") (into|at the end of|at the beginning of) `t`( too)?\.", lesson.gist)
    assert match, lesson.gist
    value = json.loads(match[2])
    for proposed, final in pairs:
        was: Any = proposed["t"]
        followed = {
            "into": value, "at the end of": f"{was}{value}", "at the beginning of": f"{value}{was}"
        }[match[3]]  # fmt: skip
        assert ([*was, value] if match[4] else followed) == final["t"]


@given(st.text())
def test_quoted_text_is_short_and_visible(text: str) -> None:
    said = quoted(text)
    assert "\n" not in said
    assert spell_out(said) == said
    assert isinstance(json.loads(said.removesuffix(" (cut)")), str)
    assert normalized(normalized(text)) == normalized(text)


def test_lesson_text_by_people_becomes_one_line() -> None:
    assert validate_text(" Add\r\n# Kim\u202e ") == "Add # Kim⟨U+202E⟩"
    assert validate_text('Add "  Kim".') == 'Add "  Kim".'
    for text in ("", " \n", "x" * (LONGEST + 1)):
        with pytest.raises(Refused):
            validate_text(text)


FAMILY = "👩\u200d👩\u200d👧 ❤\ufe0f\u200d🔥 می\u200cخواهم അവന\u200d"
"""Text that invisible characters join: emoji, Persian and Malayalam."""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FAMILY, FAMILY),
        ("Merci\u00a0! 1\u202f000", "Merci\u00a0! 1\u202f000"),
        ("\u200dx \u200cy.\u200d", "⟨U+200D⟩x ⟨U+200C⟩y.⟨U+200D⟩"),
        ("a\u200d\u200d\u202eb", "a\u200d⟨U+200D⟩⟨U+202E⟩b"),
        ("a\u200b\u200d\x1b[1m", "a⟨U+200B⟩⟨U+200D⟩⟨U+001B⟩[1m"),
        ("❤\ufe0f\ufe0f\ufe01", "❤\ufe0f⟨U+FE0F⟩⟨U+FE01⟩"),
        ("a\U000e0041\ud800", "a⟨U+E0041⟩⟨U+D800⟩"),
    ],
)
def test_spell_out_keeps_joiners_and_shows_other_invisible_characters(text: str, said: str) -> None:
    assert spell_out(text) == spell_out(said) == said


def test_lesson_keeps_emoji_and_other_scripts() -> None:
    (edited,) = draw_lessons("send", corrected(*[({"t": f"{n}"}, {"t": f"{n} {FAMILY}\u202e"}) for n in range(2)]))
    assert f'add " {FAMILY}⟨U+202E⟩" at the end' in edited.text
    (rejected,) = draw_lessons("send", [RejectedCall(n, f"Everything {FAMILY}\u200b \x1b") for n in (1, 2)])
    assert f'"Everything {FAMILY}⟨U+200B⟩ ⟨U+001B⟩"' in rejected.text
    assert rejected.topic == f"reject:everything {FAMILY}"
    assert validate_text(FAMILY) == FAMILY
    for number in range(90, 100):
        (cut,) = draw_lessons("send", [RejectedCall(n, f"{'x' * number}👩\u200d👧\u202e") for n in (1, 2)])
        assert not cut.topic.endswith("\u200d") and "⟨" not in cut.topic
        assert re.search(r'(x|👩|👧|U\+202E⟩)" \(cut\)$', quoted(f"{'x' * (200 + number)}👩\u200d👧\u202e{LONG}"))


# In the store


@pytest.fixture
async def ann(tmp_path: Path) -> AsyncIterator[Inbox]:
    async with open_store(tmp_path / "hitl.db") as store:
        yield Inbox(store, "ann")


async def corrects(ann: Inbox, number: int, piece: str = " Kim") -> int:
    """Add a mail whose end was edited, and return its review's id."""
    text = f"mail {number}"
    return await decided(ann.store, "mail", "send", {"text": text}, ann, edit({"text": text + piece}))


async def proposed(ann: Inbox) -> Lesson:
    for number in range(2):
        await corrects(ann, number)
    (lesson,) = await ann.lessons.find()
    return lesson


async def logged(ann: Inbox) -> list[tuple[str, str]]:
    rows = await ann.store.all("SELECT actor, json_extract(body, '$.state') FROM audit WHERE kind = 'lesson' ORDER BY seq")
    return [(actor, state) for actor, state in rows]


async def test_lesson_is_proposed_and_kept_up_to_date(ann: Inbox) -> None:
    await corrects(ann, 0)
    assert await ann.lessons.find() == []
    first = await proposed(ann)
    assert (first.agent, first.tool, first.topic, first.wording, first.state) == ("mail", "send", "edit:text", "rules", "proposed")
    assert first.text == 'When you call send, add " Kim" at the end of `text`. People did so in all 3 calls they corrected.'
    review = await corrects(ann, 9)
    (now,) = await ann.lessons.find()
    assert (now.id, len(now.examples)) == (first.id, 4)
    await ann.store.write("UPDATE decisions SET superseded = 1 WHERE review = ?", (review,))
    (now,) = await ann.lessons.find()
    assert now.examples == first.examples
    assert [entry.row.decision for entry in await ann.lessons.examples(now)] == [3, 2, 1]
    assert not await lessons.propose(ann.store)


async def test_decisions_by_policy_and_attention_checks_make_no_lesson(ann: Inbox) -> None:
    for number in range(3):
        await corrects(ann, number)
    await ann.store.write("UPDATE decisions SET actor = 'policy:x', actor_kind = 'policy' WHERE id != 1")
    assert await ann.lessons.find() == []


async def test_lesson_edited_by_a_person_is_not_overwritten(ann: Inbox) -> None:
    lesson = await proposed(ann)
    edited = await ann.lessons.edit(lesson.id, "Sign with\nKim.")
    assert (edited.text, edited.wording, edited.state, edited.actor) == ("Sign with Kim.", "person", "proposed", "ann")
    await corrects(ann, 3)
    (now,) = await ann.lessons.find()
    assert (now.text, len(now.examples)) == ("Sign with Kim.", 3)
    accepted = await ann.lessons.accept(lesson.id, now.text)
    assert (accepted.state, accepted.wording, accepted.text) == (LessonState.ACCEPTED, "person", "Sign with Kim.")
    for number in range(8):
        await corrects(ann, number, " Lee")
    (now,) = await ann.lessons.find([LessonState.ACCEPTED])
    assert now == accepted
    again = await ann.lessons.edit(lesson.id, "Sign with Lee.")
    assert (again.state, again.decided_at) == (LessonState.ACCEPTED, accepted.decided_at)
    assert await ann.lessons.accept(lesson.id) == again
    assert await logged(ann) == [("", "proposed"), ("ann", "proposed"), ("ann", "accepted"), ("ann", "accepted")]


async def test_dropped_lesson_returns_with_many_more_examples(ann: Inbox) -> None:
    lesson = await proposed(ann)
    await ann.lessons.drop(lesson.id)
    for number in range(4):
        await corrects(ann, number)
    (now,) = await ann.lessons.find()
    assert now.state is LessonState.DROPPED
    with pytest.raises(Refused, match="dropped"):
        await ann.lessons.edit(lesson.id, "x")
    await corrects(ann, 5)
    (now,) = await ann.lessons.find()
    assert (now.state, now.actor, now.decided_at, len(now.examples)) == (LessonState.PROPOSED, "", None, 7)
    await ann.store.write("UPDATE decisions SET superseded = 1 WHERE id > 1")  # its decisions are undone, and made again
    assert [one.state for one in await ann.lessons.find()] == [LessonState.DROPPED]
    await corrects(ann, 6)
    assert [one.state for one in await ann.lessons.find()] == [LessonState.PROPOSED]


async def test_lesson_effect_compares_before_and_after(ann: Inbox) -> None:
    lesson = await proposed(ann)
    assert await ann.lessons.effects(lesson) is None
    accepted = await ann.lessons.accept(lesson.id)
    assert await ann.lessons.effects(accepted) == (Rates(edited=2), Rates())
    for answer in (YES, YES, no("not now")):
        await decided(ann.store, "mail", "send", {"text": "x"}, ann, answer)
    await decided(ann.store, "mail", "other", {"text": "x"}, ann, YES)
    assert await ann.lessons.effects(accepted) == (Rates(edited=2), Rates(approved=2, rejected=1))


async def test_invalid_lesson_requests_are_refused(ann: Inbox) -> None:
    lesson = await proposed(ann)
    for work in (ann.lessons.accept(99), ann.lessons.edit(99, "x"), ann.lessons.drop(99), ann.lessons.accept(lesson.id, " ")):
        with pytest.raises(Refused):
            await work


async def test_model_wording_is_kept_while_the_lesson_is_unchanged(ann: Inbox) -> None:
    lesson = await proposed(ann)
    agents = ["mail"]
    assert lessons.to_word(ann.store, agents, "m") == lesson
    await lessons.word(ann.store, lesson, "m", "")
    assert lessons.to_word(ann.store, agents, "m") is None
    assert lessons.to_word(ann.store, agents, "n") == lesson
    assert lessons.to_word(ann.store, ["other"], "n") is None
    await lessons.word(ann.store, lesson, "n", "Always sign.")
    await corrects(ann, 3)
    (now,) = await ann.lessons.find()
    assert (now.text, now.wording, len(now.examples)) == ("Always sign.", "n", 3)
    for number in range(8):
        await corrects(ann, number, " Lee")
    (now,) = await ann.lessons.find()
    assert (now.wording, '" Lee"' in now.text) == ("rules", True)
    await lessons.word(ann.store, lesson, "n", "Too late.")
    assert (await ann.lessons.get(lesson.id)).text == now.text


async def test_lessons_are_recomputed_only_when_corrections_changed(ann: Inbox) -> None:
    """The latest edits of a tool are read by an index of edits only, however many calls were approved."""
    values = {"agent": "a", "tool": "t", "before": 9, "limit": 9}
    plan = " ".join(str(row[3]) for row in await ann.store.all(f"EXPLAIN QUERY PLAN {lessons.REFUSED}", values))
    chosen, found, _ = plan.partition("SCAN h")  # what is found is sorted again: a page at most
    assert found and "history_refused" in chosen and "TEMP B-TREE" not in chosen, plan
    rev = -1
    for _ in range(2):
        await proposed(ann)
        new = lessons.changed_since(ann.store, rev)
        assert new and new.rev > rev
        rev = new.rev
    assert lessons.changed_since(ann.store, rev) is None


# On the command line


@given(
    st.text(min_size=1).filter(lambda text: spell_out(text).split())
    | st.sampled_from(["- x", "1. x", "# x", "a_b _c_", "__0__", "*b* <i>", "&lt;", "[x](y)"])
)
def test_lesson_never_becomes_markdown_structure(text: str) -> None:
    lesson = Lesson(1, text, text, "edit:x", text, "rules", (1,), LessonState.ACCEPTED, 1.0, "ann", 2.0)
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse("\n".join(markdown([lesson, lesson])))
    kinds = [token.tag for token in tokens if token.nesting == 1]
    assert kinds == ["h1", "h2", "h3", "ul", "li", "p", "li", "p"]
    said = " ".join(spell_out(text).splitlines()).strip()
    inline = [token.children or [] for token in tokens if token.type == "inline"]
    assert {child.type for children in inline for child in children} == {"text"}
    assert ["".join(child.content for child in children) for children in inline[1:]] == [said] * 4


def test_lessons_commands_accept_drop_and_export(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").prepare()

    def cli(*args: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["lessons", *args, "--home", str(home.path)])
        assert done.exit_code == code, done.output
        return str(done.output)

    async def seed() -> Lesson:
        async with open_store(home.database) as store:
            return await proposed(Inbox(store, "ann"))

    assert "no lessons yet" in cli()
    assert "no lesson is accepted" in cli("export", code=1)
    lesson = asyncio.run(seed())
    (listed,) = json.loads(cli("--json"))
    assert (listed["lesson"], listed["state"], listed["examples"], listed["effect"]) == (lesson.id, "proposed", [1, 2], None)
    assert "there is no lesson 9" in cli("drop", "9", code=1)
    assert "is not a lesson" in cli("accept", "x", code=1)
    assert "needs a text" in cli("edit", "1", " ", code=1)
    cli("accept", "1", "--text", "Sign *all* mails.", "--reviewer", "bob")
    (listed,) = json.loads(cli("--json"))
    none = {"approved": 0, "edited": 0, "rejected": 0, "answered": 0}
    assert (listed["by"], listed["wording"], listed["effect"]) == ("bob", "person", {"before": {**none, "edited": 2}, "since": none})
    assert "before: 2 edited and 0 rejected of 2; since: nothing decided" in cli()
    file = tmp_path / "lessons.md"
    assert "1 lesson is in" in cli("export", "-o", str(file))
    assert file.read_text() == "# Lessons from reviewers\n\n## mail\n\n### send\n\n- Sign \\*all\\* mails.\n"
    assert json.loads(cli("export", "--tools")) == {"mail": {"send": "- Sign *all* mails."}}
    cli("edit", "1", "Sign them.")
    assert "already" in cli("export", "-o", str(file), code=1)
    cli("export", "--force", "-o", str(file))
    assert file.read_text().endswith("- Sign them.\n")
    assert {path.name for path in tmp_path.iterdir()} == {"home", "lessons.md"}
    cli("edit", "1", f"Sign {FAMILY}\u202e.")
    assert f"- Sign {FAMILY}⟨U+202E⟩.\n" in cli("export")
    assert "Sign 👩⟨U+200D⟩👩" in cli() and "\u200d" not in cli()
    assert json.loads(cli("drop", "1", "--json"))["state"] == "dropped"
    assert json.loads(cli("--json")) == []
    assert [one["state"] for one in json.loads(cli("--json", "--all"))] == ["dropped"]
