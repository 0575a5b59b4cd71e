"""Ratings of decisions, messages and runs; their effect on filters and training data; learned reject reasons."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.cli import main
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.feedback import LONGEST_REASON, Ratings
from hitl_tui.model import Answer, DecisionKind, Event, Rating, Subject
from hitl_tui.store import Store, audit, events
from hitl_tui.store.maintenance import prune
from tests.export.test_export import NO, TO_ANN, TO_BOB, YES, ask, export
from tests.support.empty_database import open_store
from tests.support.properties import examples

EDIT = Answer(DecisionKind.EDIT, TO_ANN)


async def fill(opened: Store, grace_s: float = 600) -> None:
    """Ann approved a mail (r1), rejected one (r2), and approved one call of two (r3)."""
    ann = Inbox(opened, "ann", grace_s=grace_s)
    await ask(opened, ann, [("send_mail", TO_ANN)], [YES])
    await ask(opened, ann, [("send_mail", TO_BOB)], [NO])
    await ask(opened, ann, [("send_mail", TO_ANN), ("send_mail", TO_BOB)], [YES, NO])


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "hitl.db") as opened:
        await fill(opened)
        yield opened


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The same home for the command line, with a mail that ann edited (r4)."""
    (tmp_path / "home").mkdir(mode=0o700)

    async def made() -> None:
        async with open_store(tmp_path / "home" / "hitl.db") as opened:
            await fill(opened, 0)
            await ask(opened, Inbox(opened, "ann"), [("send_mail", TO_BOB)], [EDIT])
            await events.append(opened, {1: [Event(2, 0.0, "message", "agent", (), {"text": "I write."})]})

    asyncio.run(made())
    return tmp_path / "home"


def ratings_of(store: Store, who: str = "ann") -> Ratings:
    return Inbox(store, who).feedback


def logged(store: Store) -> list[tuple[str, str]]:
    return [(one["kind"], one["actor"]) for one in audit.entries(store.path) if one["kind"] in ("rated", "unrated")]


async def numbers(store: Store, text: str) -> list[int]:
    return [row.decision for row in await Inbox(store, "ann").history.search(text)]


async def test_rating_is_kept_until_replaced_or_removed(store: Store) -> None:
    subject = Subject(1, 1, 0)
    first = await ratings_of(store).rate(subject, 1, "  kind words ", ["Tone, To  Ann", "tone"])
    assert (first.rating, first.comment, first.tags) == (1, "kind words", ("tone", "to ann"))
    await ratings_of(store, "bob").rate(subject, -1)
    second = await ratings_of(store, "ANN").rate(subject, -1, "the wrong day")
    assert [(one.actor, one.rating) for one in await ratings_of(store).of_review(1)] == [("bob", -1), ("ANN", -1)]
    assert ratings_of(store).mine(subject) == second
    await ratings_of(store).withdraw(subject)
    assert ratings_of(store).mine(subject) is None
    with pytest.raises(Refused, match="you have not rated this"):
        await ratings_of(store).withdraw(subject)
    assert [one.actor for one in await ratings_of(store).of_run(1)] == ["bob"]
    assert logged(store) == [("rated", "ann"), ("rated", "bob"), ("unrated", "ann"), ("rated", "ANN"), ("unrated", "ANN")]


async def test_rating_of_a_message_or_a_finished_run_is_stored(store: Store) -> None:
    await store.write("UPDATE runs SET state = 'done', ended_at = 1 WHERE id = 2")
    await events.append(store, {2: [Event(7, 0.0, "message", "agent", (), {"text": "I write to him."})]})
    before = await Inbox(store, "ann").revision()
    await ratings_of(store).rate(Subject(2), -1)
    await ratings_of(store).rate(Subject(2, event=7), 1)
    assert [(one.subject.event, one.rating) for one in await ratings_of(store).of_run(2)] == [(None, -1), (7, 1)]
    changes = await Inbox(store, "bob").changes(before)
    assert [run.id for run in changes.runs] == [2]  # other consoles see it
    with pytest.raises(Refused, match="has no line 8"):
        await ratings_of(store).rate(Subject(2, event=8), 1)


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        (Subject(9), "there is no run r9"),
        (Subject(1, 9, 0), "there is no review 9"),
        (Subject(2, 1, 0), "there is no review 1"),  # of that run
        (Subject(1, 1, 5), "review 1 has no such call; it has call 1"),
        (Subject(1, 1), "has no such call"),
        (Subject(1, 4, 0), "there is no review 4"),
    ],
)
async def test_rating_of_an_unknown_subject_is_refused(store: Store, subject: Subject, said: str) -> None:
    with pytest.raises(Refused, match=said):
        await ratings_of(store).rate(subject, 1)
    assert logged(store) == []


async def test_rating_belongs_to_the_decision_it_was_given_for(store: Store) -> None:
    ann = Inbox(store, "ann", grace_s=600)
    await ann.feedback.rate(Subject(1, 1, 0), -1)
    await ann.reviews.undo(1)
    with pytest.raises(Refused, match=r"1#1 has no decision yet that could be rated; decide it first"):
        await ann.feedback.rate(Subject(1, 1, 0), 1)
    await ann.reviews.decide(await ann.reviews.get(1), {0: YES})
    rows = {row.decision: row.rating for row in await ann.history.search("review:1")}
    assert rows == {5: None, 1: -1}
    assert await numbers(store, "rating:down") == [1]


async def test_rating_of_an_attention_check_is_refused_once_it_is_decided(store: Store) -> None:
    async def check(caught: int | None) -> None:
        await store.write("INSERT OR REPLACE INTO attention_checks (review, source, wrong, correct, made_at, last, caught) "
                          "VALUES (1, 2, 'it is', '{}', 0, 0, ?)", (caught,))  # fmt: skip

    await store.write("DROP TRIGGER attention_stays")
    await store.write("DROP TRIGGER attention_kept")
    await store.write("UPDATE runs SET attention = 1, state = 'waiting' WHERE id = 1")
    await check(None)
    await ratings_of(store).rate(Subject(1), 1)
    await check(1)
    await store.write("UPDATE runs SET state = 'done' WHERE id = 1")
    for subject in (Subject(1, 1, 0), Subject(1)):
        with pytest.raises(Refused, match="attention check; no agent made it"):
            await ratings_of(store).rate(subject, -1)


async def test_rating_comment_is_limited_and_kept_exactly(store: Store) -> None:
    for comment, tags, said in [
        ("x" * 2001, (), "2,001 characters; at most 2,000"),
        ("", ["a,b,c,d,e,f", "g,h,i,j,k"], "11 tags"),
        ("", ["t" * 41], "too long"),
    ]:
        with pytest.raises(Refused, match=said):
            await ratings_of(store).rate(Subject(1), 1, comment, tags)
    odd = "[red]markup[/] \x1b[31m \u202e Grüße 🙂 \ud83d"
    given = await ratings_of(store).rate(Subject(1), 1, odd, ["Grüße", " ", ","])
    assert given.tags == ("grüße",)
    assert [one.comment for one in await ratings_of(store).of_run(1)] == [odd.replace("\ud83d", "\\ud83d")]
    assert audit.verify(store.path).problem == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rating:up", [3, 1]),
        ("rating:down", [2, 1]),
        ("rating:up,down", [3, 2, 1]),
        ("-rating:down", [4, 3]),
        ("rating:up tool:send_mail decided:approve", [3, 1]),
        ("rating:down hi", [2]),
        ("rating:down -rating:up", [2]),
    ],
)
async def test_ratings_are_found_by_filters(store: Store, text: str, found: list[int]) -> None:
    await ratings_of(store).rate(Subject(1, 1, 0), 1)
    await ratings_of(store, "bob").rate(Subject(1), -1)  # a rating of the whole run applies to all its decisions
    await ratings_of(store).rate(Subject(2, 2, 0), 1)
    await ratings_of(store).rate(Subject(2, 2, 0), -1)
    await ratings_of(store).rate(Subject(3, 3, 0), 1)
    assert await numbers(store, text) == found
    inbox = Inbox(store, "ann")
    marks = {row.decision: row.rating for row in await inbox.history.search()}
    assert marks == {4: None, 3: 1, 2: -1, 1: -1}
    assert (await inbox.history.get(1)).row.rating == -1
    assert [one.actor for one in (await inbox.history.get(1)).feedback] == ["ann", "bob"]


async def test_filter_by_rating_finds_no_open_review(store: Store) -> None:
    inbox = Inbox(store, "ann", grace_s=600)
    await inbox.reviews.undo(3)
    assert list(await inbox.reviews.matching_ids("rating:up")) == []
    assert list(await inbox.reviews.matching_ids("-rating:up")) == [3]
    with pytest.raises(Refused, match="did you mean down"):
        await inbox.history.search("rating:dwon")


Word = tuple[str, bool, Rating | None]
"""Who rates, the whole run or the decision, and the rating; None withdraws it."""


@examples(0.3)
@given(st.lists(st.tuples(st.sampled_from(["ann", "Ann", "bob"]), st.booleans(), st.sampled_from([1, -1, None])), max_size=8))
async def test_rating_is_down_when_any_persons_last_rating_is_down(store: Store, words: list[Word]) -> None:
    await store.write("DELETE FROM feedback")
    given: dict[tuple[str, bool], tuple[int, Rating]] = {}
    for at, (who, whole, rating) in enumerate(words):
        subject, key = Subject(1) if whole else Subject(1, 1, 0), (who.lower(), whole)
        if rating is not None:
            await ratings_of(store, who).rate(subject, rating)
            given[key] = at, rating
        elif given.pop(key, None):
            await ratings_of(store, who).withdraw(subject)
    own = [{whole: said for (name, whole), (_, said) in given.items() if name == who} for who in {who for who, _ in given}]
    last = [said[min(said)] for said in own]  # the rating of the decision itself, otherwise of its run
    [row] = await Inbox(store, "ann").history.search("review:1")
    assert row.rating == (min(last) if last else None)
    assert await numbers(store, "rating:down") == ([1] if -1 in last else [])
    assert await numbers(store, "rating:up") == ([1] if 1 in last else [])


def hitl(home: Path, *args: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*args, "--home", str(home)])
    return done.exit_code, done.output


def told(home: Path, *args: str) -> Any:
    code, out = hitl(home, *args, "--json")
    assert code == 0, out
    return json.loads(out)


def test_export_excludes_decisions_rated_down(home: Path) -> None:
    def rate(who: str, rating: str, what: str) -> None:
        code, out = hitl(home, "rate", rating, what, "--reviewer", who)
        assert code == 0, out

    def come_to() -> tuple[list[tuple[bool, int]], int, int]:
        """Whether the first and third reviews are good examples, of how many calls, and how many examples the others give."""
        found, _ = export(home, "kto", "--filter", "review:1,3")
        labels = [(one["label"], len(one["completion"][0]["tool_calls"])) for one in found]
        return labels, len(export(home, "sft")[0]), len(export(home, "dpo")[0])

    good = [(True, 1), (False, 2), (True, 1)], 3, 1
    assert come_to() == good
    rate("bob", "down", "r1")
    rate("ann", "up", "1#0")  # the only call may have its number of version 0.1.0; her rating is not bob's
    rate("bob", "down", "3#1")
    rate("bob", "down", "4")
    assert come_to() == ([(False, 1), (False, 2)], 0, 0)
    assert [(row["review"], row["slot"]) for row in export(home, "jsonl")[0] if row["disliked"]] == [(1, 0), (3, 0), (4, 0)]
    rate("bob", "up", "1")  # later than the rating of the whole run
    rate("bob", "none", "3#1")
    rate("Bob", "up", "4#1")
    assert come_to() == good
    assert [one["review"] for one in export(home, "jsonl", "--filter", "rating:up")[0]] == [1, 4]


async def test_reject_reasons_are_ranked_by_use_for_the_tool(store: Store) -> None:
    ann, bob = Inbox(store, "ann", grace_s=600), Inbox(store, "bob")

    async def refuse(who: Inbox, message: str, tool: str = "send_mail", **more: Any) -> int:
        return await ask(store, who, [(tool, TO_BOB)], [Answer(DecisionKind.REJECT, message=message, **more)])

    for message in ("Wrong  person", "too long", "WRONG person ", "too early", "x" * (LONGEST_REASON + 1), "two\nlines", "un\u202eseen"):
        await refuse(bob, message)
    await refuse(ann, "another tool's", tool="read_mail")
    await refuse(ann, "do it in another pass", args=TO_ANN)
    await ann.reviews.undo(await refuse(ann, "a slip"))
    by_rule = await refuse(ann, "no mass mails")
    await store.write("UPDATE decisions SET actor = 'policy:masses', actor_kind = 'policy' WHERE review = ?", (by_rule,))
    assert await ann.feedback.reasons("mail", "send_mail") == ["WRONG person", "not him", "two lines", "too early", "too long"]
    assert await ann.feedback.reasons("mail", "read_mail") == ["another tool's"]
    assert await ann.feedback.reasons("nobody", "send_mail") == []
    for number in range(12):
        await refuse(bob, f"reason {number}")
    found = await ann.feedback.reasons("mail", "send_mail")
    assert found[:3] == ["WRONG person", "not him", "reason 11"] and len(found) == 9


async def test_reject_reasons_are_read_by_an_index(store: Store) -> None:
    plan = await store.all(
        "EXPLAIN QUERY PLAN SELECT message FROM decisions WHERE agent = 'a' AND tool = 't' AND kind = 'reject' AND message IS NOT NULL "
        "AND NOT superseded ORDER BY id DESC LIMIT 300"
    )
    assert ["decisions_refused" in row[3] for row in plan] == [True]


async def test_prune_keeps_rated_runs(store: Store) -> None:
    ann = Inbox(store, "ann")
    (bare,), (rated,) = await ann.runs.launch("mail", text="x"), await ann.runs.launch("mail", text="x")
    await store.write("UPDATE runs SET state = 'done', ended_at = 1 WHERE id >= ?", (bare.id,))
    await ann.feedback.rate(Subject(rated.id), 1)
    for thread in await prune.old_threads(store, time.time()):
        async with prune.pruning(store, thread, time.time(), "ann"):
            pass
    assert rated.id in await ann.runs.ids() and bare.id not in await ann.runs.ids()


def test_rate_command_rates_decisions_runs_and_lines(home: Path) -> None:
    assert [one["slot"] for one in told(home, "rate", "up", "3", "--reviewer", "bob")] == [0, 1]
    [down] = told(home, "rate", "down", "3#2", "--comment", "to Bob\x1b", "--tag", "Tone", "--reviewer", "bob")
    assert {**down, "at": 0} == {"run": "r3", "review": "3", "slot": 1, "line": None, "rating": "down", "comment": "to Bob\x1b",
                                 "tags": ["tone"], "by": "bob", "at": 0}  # fmt: skip
    assert hitl(home, "rate", "up", "r1", "--reviewer", "bob") == (0, "rated r1: thumbs up\n")
    assert (hitl(home, "rate", "down", "r1#2", "--reviewer", "bob"))[0] == 0
    assert [(one["slot"], one["rating"]) for one in (told(home, "show", "3"))["feedback"]] == [(0, "up"), (1, "down")]
    assert [(one["line"], one["rating"]) for one in (told(home, "show", "r1"))["feedback"]] == [(None, "up"), (2, "down")]
    assert "thumbs down on 3#2 by bob: to Bob⟨U+001B⟩ [tone]" in (hitl(home, "show", "3"))[1]
    assert "thumbs up on the whole run by bob" in (hitl(home, "show", "r1"))[1]
    assert (hitl(home, "rate", "none", "3", "--reviewer", "bob"))[0] == 0
    assert (told(home, "show", "3"))["feedback"] == []
    for args, said in [
        (("none", "3"), "you have not rated this"),
        (("none", "r1", "--tag", "x"), "has no comment"),
        (("up", "x"), "'x' is not a review"),
        (("up", "r1#x"), "'x' is not a line of its trace"),
        (("up", "9"), "there is no review 9"),
        (("up", "1#5"), "review 1 has no call 5; it has call 1"),
    ]:
        code, out = hitl(home, "rate", *args, "--reviewer", "bob")
        assert code == 1 and said in out, out
