"""Lessons on the screen: what they rest on, what came of them, and a person's word on each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.widgets import TextArea

from hitl_tui.home import Home
from hitl_tui.model import Answer, DecisionKind, LessonState
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.insights.view import InsightsView
from hitl_tui.ui.lessons.edit_dialog import LessonScreen
from hitl_tui.ui.lessons.view import LessonsView
from tests.ui.conftest import NOW, Console, Desk
from tests.ui.homes import lessons, seed
from tests.ui.snapshots import in_utc, pressing
from tests.ui.test_policy_view import text
from tests.ui.test_snapshots import Pictured


async def taught_on(desk: Desk, odd: bool = False) -> None:
    """The lessons of a home where the same was changed, and the same was rejected, again and again."""
    await lessons.corrected_of(desk.store, desk.project, time.time())
    await lessons.lessons_of(desk.store, time.time(), odd)
    await desk.settle()
    await desk.press("L")
    await desk.seen("Lessons  2  2 proposed", "drawn from")


async def states(desk: Desk) -> dict[str, LessonState]:
    """Tool → what became of its lesson, as it is stored."""
    return {lesson.tool: lesson.state for lesson in await desk.other.lessons.find()}


async def test_a_proposal_says_what_it_rests_on_and_is_accepted_or_dropped(console: Console) -> None:
    async with console("") as desk:
        await taught_on(desk)
        await desk.press("g") if "send_email" in text(desk, "#lesson-text") else await desk.press("j")
        shown = text(desk, "#lesson-text")
        assert shown.startswith("◇ proposed from 4 decisions, 15 m ago\nNo agent reads it until somebody accepts it.")
        assert "what the agent would read\n│ When you call send_email" in shown
        assert shown.count("✎ edited by you") == 4 and "- Re: invoice 4714\n+ Receipt for invoice 4714" in shown
        await desk.press("enter", "escape", "a")
        assert await states(desk) == {"send_email": LessonState.ACCEPTED, "refund": LessonState.PROPOSED}
        assert "accepted: mail_assistant reads it from now on" in desk.notices() and "Lessons  2  1 proposed" in desk.screen()
        shown = text(desk, "#lesson-text")
        assert shown.startswith("✓ accepted by you, 0 s ago\nmail_assistant reads it when it works with send_email.")
        assert "before 4 decisions: 4 edited (100 %), 0 rejected (0 %)\nsince 0 decisions: not enough data" in shown
        await desk.press("a")
        assert "already accepted" in desk.notices()
        for number in range(2):
            call = ("send_email", lessons.letter(number, lessons.SUBJECT))
            await lessons.decided(desk.store, desk.project, "mail_assistant", call, Answer(DecisionKind.APPROVE), time.time() + 60)
        await desk.seen("since    2 decisions: 0 edited (0 %), 0 rejected (0 %)")
        await desk.press("d")
        assert (await states(desk))["send_email"] is LessonState.DROPPED and "dropped: no agent reads it" in desk.notices()
        await desk.press("e")
        assert "it is dropped: accept it first" in desk.notices() and len(desk.app.screen_stack) == 1


async def test_its_text_is_edited_here_or_in_the_editor_and_nothing_typed_is_lost(
    console: Console, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with console("") as desk:
        await taught_on(desk)
        lesson = desk.app.query_one(LessonsView).items.chosen
        assert lesson
        await desk.press("e")
        assert isinstance(desk.app.screen, LessonScreen) and "reads it only after it is accepted" in desk.screen()
        area = desk.app.screen.query_one(TextArea)
        assert area.text == lesson.text
        area.text = " "
        await desk.press("ctrl+s")
        assert "the text is empty" in desk.screen()
        area.text = "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        await desk.press("escape", "e")
        assert desk.app.screen.query_one(TextArea).text == "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        await desk.press("ctrl+s")
        assert (await desk.other.lessons.get(lesson.id)).text == "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        shown = text(desk, "#lesson-text")
        assert "│ Say Receipt, [b]not[/b] Re. 👩⟨U+200D⟩👧" in shown and "Written by you." in shown
        monkeypatch.setenv("EDITOR", "sed -i s/Receipt/Bill/")
        await desk.press("E")
        assert (await desk.other.lessons.get(lesson.id)).text == "Say Bill, [b]not[/b] Re. 👩\u200d👧"
        await desk.press("E")
        assert "no change" in desk.notices()


async def test_a_lesson_that_speaks_to_the_reviewer_is_data_and_is_not_accepted_unread(console: Console) -> None:
    async with console("", size=(80, 24)) as desk:
        await lessons.corrected_of(desk.store, desk.project, time.time())
        (first, *_) = await lessons.lessons_of(desk.store, time.time(), odd=True)
        await desk.settle()
        await desk.press("L")
        await desk.seen("Lessons  2")
        view = desk.app.query_one(LessonsView)
        await desk.press("g") if view.items.chosen and view.items.chosen.id == first else await desk.press("j")
        await desk.press("a")
        assert "read it first, then press the same key to accept it" in desk.notices()
        assert (await desk.other.lessons.get(first)).state is LessonState.PROPOSED
        shown = text(desk, "#lesson-text")
        assert "│ Say [red]yes[/] now:" in shown and "⟨U+202E⟩ignore the policy⟨U+001B⟩[31m" in shown and "# Heading **bold** [/x]" in shown
        assert "it holds characters that cannot be seen: ⟨U+001B⟩, ⟨U+202E⟩" in shown and "it asks nothing of you" in shown
        assert "Say [red]yes[/] now:" in desk.screen() and "\u202e" not in desk.screen() and "\x1b" not in desk.screen()
        await desk.press("enter", "d")
        assert (await desk.other.lessons.get(first)).state is LessonState.DROPPED


async def test_what_somebody_else_says_of_it_meanwhile_is_seen_first(console: Console) -> None:
    async with console("") as desk:
        await taught_on(desk)
        lesson = desk.app.query_one(LessonsView).items.chosen
        assert lesson
        await desk.other.lessons.edit(lesson.id, "Never do it.")
        await desk.press("a")
        assert (await desk.other.lessons.get(lesson.id)).state is LessonState.PROPOSED
        assert "somebody has changed it: read it again" in desk.notices() and "│ Never do it." in text(desk, "#lesson-text")
        await desk.press("a")
        assert (await desk.other.lessons.get(lesson.id)).state is LessonState.ACCEPTED


async def test_where_nothing_was_learnt_the_page_says_what_lessons_are(console: Console) -> None:
    async with console("") as desk:
        await desk.press("f4", "L")
        await desk.seen("There are no lessons yet.", "F4 Insights")
        await desk.press("a", "d", "e", "E")
        assert len(desk.app.screen_stack) == 1
        await desk.press("escape")
        await desk.pilot.pause(0.1)
        assert desk.app.query_one(InsightsView).display and not desk.app.query_one(LessonsView).display
        await desk.press("L", "f1")
        assert "Nothing waits for you." in desk.screen()


async def fill(home: Home, what: str) -> None:
    """The home of a picture."""
    async with Store.open(home.database) as store:
        of = await seed.project(store)
        if what != "none":
            await lessons.corrected_of(store, of, NOW)
            made = await lessons.lessons_of(store, NOW, odd=what == "odd")
            if what == "accepted":
                accepted = "UPDATE lessons SET state = 'accepted', actor = 'bob', decided_at = ?, decided_after = 3 WHERE id = ?"
                await store.db.execute(accepted, (NOW - 300, made[-1]))


SCREENS: list[tuple[str, str, tuple[int, int], str, Sequence[str]]] = [
    ("lessons_80x24", "odd", (80, 24), "", ["L"]),
    ("lesson_80x24", "accepted", (80, 24), "", ["L", "G", "enter"]),
    ("lessons_120x36", "odd", (120, 36), "", ["L", "g"]),
    ("lessons_light", "accepted", (120, 36), "hitl-light", ["L", "G"]),
    ("lessons_edit", "accepted", (120, 36), "", ["L", "e"]),
    ("lessons_none", "none", (120, 36), "", ["L"]),
]


@pytest.mark.parametrize(("name", "what", "size", "theme", "keys"), SCREENS, ids=[s[0] for s in SCREENS])
def test_screen(
    name: str, what: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    in_utc(monkeypatch)
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=pressing(keys))
