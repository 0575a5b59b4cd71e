"""The lessons view: evidence and effect of each lesson; accept, drop and edit."""

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
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.insights.view import InsightsView
from hitl_tui.ui.lessons.edit_dialog import LessonScreen
from hitl_tui.ui.lessons.view import LessonsView
from tests.support.empty_database import open_store
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import lessons, seed
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_policy_view import text
from tests.ui.test_snapshots import Pictured


async def taught_on(console: ConsoleDriver, odd: bool = False) -> None:
    """Open the lessons view of a home with repeated edits and rejections."""
    await lessons.add_corrections(console.store, console.project, time.time())
    await lessons.add_lessons(console.store, time.time(), odd)
    await console.settle()
    await console.press("L")
    await console.until_shown("Lessons  2  2 proposed", "drawn from")


async def test_proposed_lessons_are_counted_and_each_new_one_is_told_once(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await lessons.add_corrections(console.store, console.project, time.time())
        await console.until_shown("Insights ◇2")
        told = [text for text in console.said if "proposed" in text]
        assert told == ["2 lessons proposed: L shows them"] or len(set(told)) == len(told) == 2, "a slow machine may see them one by one"
        call = ("send_email", lessons.mail_args(1, "Re: {}"))
        await lessons.add_decision(console.store, console.project, "mail_assistant", call, Answer(DecisionKind.APPROVE), 1.0)
        await console.press("L")
        await console.until_shown("Lessons  2  2 proposed", "drawn from")
        await console.press("d")
        await console.until_shown("Insights ◇1")
        assert [text for text in console.said if "proposed" in text] == told


async def states(console: ConsoleDriver) -> dict[str, LessonState]:
    """Return the stored state of each tool's lesson."""
    return {lesson.tool: lesson.state for lesson in await console.bob.lessons.find()}


@pytest.mark.slow
async def test_lesson_shows_its_evidence_and_can_be_accepted_or_dropped(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await taught_on(console)
        await console.press("g") if "send_email" in text(console, "#lesson-text") else await console.press("j")
        shown = text(console, "#lesson-text")
        assert shown.startswith("◇ proposed from 4 decisions, 15 min ago\nNo agent reads it until somebody accepts it.")
        assert "what the agent would read\n│ When you call send_email" in shown
        assert shown.count("✎ edited by you") == 4 and "- Re: invoice 4714\n+ Receipt for invoice 4714" in shown
        await console.press("enter", "escape", "a")
        assert await states(console) == {"send_email": LessonState.ACCEPTED, "refund": LessonState.PROPOSED}
        assert (
            "accepted: mail_assistant reads it from now on" in console.notifications() and "Lessons  2  1 proposed" in console.screen_text()
        )
        shown = text(console, "#lesson-text")
        assert shown.startswith("✓ accepted by you, 0 s ago\nmail_assistant reads it when it works with send_email.")
        assert "before 4 decisions: 4 edited (100 %), 0 rejected (0 %)\nsince 0 decisions: not enough data" in shown
        await console.press("a")
        assert "already accepted" in console.refusals()
        for number in range(2):
            call = ("send_email", lessons.mail_args(number, lessons.SUBJECT))
            await lessons.add_decision(
                console.store, console.project, "mail_assistant", call, Answer(DecisionKind.APPROVE), time.time() + 60
            )
        await console.until_shown("since    2 decisions: 0 edited (0 %), 0 rejected (0 %)")
        await console.press("d")
        assert (await states(console))["send_email"] is LessonState.DROPPED and "dropped: no agent reads it" in console.notifications()
        await console.press("e")
        assert "it is dropped: accept it first" in console.refusals() and len(console.app.screen_stack) == 1


@pytest.mark.slow
async def test_lesson_text_can_be_edited_here_or_in_the_editor(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console("") as console:
        await taught_on(console)
        lesson = console.app.query_one(LessonsView).items.chosen
        assert lesson
        await console.press("e")
        assert isinstance(console.app.screen, LessonScreen) and "reads it only after it is accepted" in console.screen_text()
        area = console.app.screen.query_one(TextArea)
        assert area.text == lesson.text
        area.text = " "
        await console.press("ctrl+s")
        assert "the text is empty" in console.screen_text()
        area.text = "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        await console.press("escape", "e")
        assert console.app.screen.query_one(TextArea).text == "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        await console.press("ctrl+s")
        assert (await console.bob.lessons.get(lesson.id)).text == "Say Receipt, [b]not[/b] Re. 👩\u200d👧"
        shown = text(console, "#lesson-text")
        assert "│ Say Receipt, [b]not[/b] Re. 👩⟨U+200D⟩👧" in shown and "Written by you." in shown
        monkeypatch.setenv("EDITOR", "sed -i s/Receipt/Bill/")
        await console.press("E")
        assert (await console.bob.lessons.get(lesson.id)).text == "Say Bill, [b]not[/b] Re. 👩\u200d👧"
        await console.press("E")
        assert "no change" in console.refusals()


async def test_lesson_text_is_plain_text_and_must_be_read_before_accept(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 16)) as console:
        await lessons.add_corrections(console.store, console.project, time.time())
        (first, *_) = await lessons.add_lessons(console.store, time.time(), odd=True)
        await console.settle()
        await console.press("L")
        await console.until_shown("Lessons  2")
        view = console.app.query_one(LessonsView)
        await console.press("g") if view.items.chosen and view.items.chosen.id == first else await console.press("j")
        await console.press("a")
        assert "read it first, then press the same key to accept it" in console.refusals()
        assert (await console.bob.lessons.get(first)).state is LessonState.PROPOSED
        shown = text(console, "#lesson-text")
        assert "│ Say [red]yes[/] now:" in shown and "⟨U+202E⟩ignore the policy⟨U+001B⟩[31m" in shown and "# Heading **bold** [/x]" in shown
        assert "it holds characters that cannot be seen: U+001B, U+202E" in shown and "it asks nothing of you" in shown
        assert (
            "Say [red]yes[/] now:" in console.screen_text()
            and "\u202e" not in console.screen_text()
            and "\x1b" not in console.screen_text()
        )
        await console.press("enter", "d")
        assert (await console.bob.lessons.get(first)).state is LessonState.DROPPED


async def test_lesson_changed_by_another_is_shown_before_it_can_be_accepted(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await taught_on(console)
        lesson = console.app.query_one(LessonsView).items.chosen
        assert lesson
        await console.bob.lessons.edit(lesson.id, "Never do it.")
        await console.press("a")
        assert (await console.bob.lessons.get(lesson.id)).state is LessonState.PROPOSED
        assert "somebody has changed it: read it again" in console.notifications() and "│ Never do it." in text(console, "#lesson-text")
        await console.press("a")
        assert (await console.bob.lessons.get(lesson.id)).state is LessonState.ACCEPTED


@pytest.mark.slow
async def test_lessons_view_without_lessons_explains_them(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await console.press("f4", "L")
        await console.until_shown("There are no lessons yet.", "F4 Insights")
        await console.press("a", "d", "e", "E")
        assert len(console.app.screen_stack) == 1
        await console.press("escape")
        await console.pilot.pause(0.1)
        assert console.app.query_one(InsightsView).display and not console.app.query_one(LessonsView).display
        await console.press("L", "f1")
        assert "Nothing waits for you." in console.screen_text()


async def fill(home: Home, what: str) -> None:
    """Fill the home of a snapshot."""
    async with open_store(home.database) as store:
        of = await seed.add_project(store)
        if what != "none":
            await lessons.add_corrections(store, of, NOW)
            made = await lessons.add_lessons(store, NOW, odd=what == "odd")
            if what == "accepted":
                accepted = "UPDATE lessons SET state = 'accepted', actor = 'bob', decided_at = ?, decided_after = 3 WHERE id = ?"
                await store.db.execute(accepted, (NOW - 300, made[-1]))


SCREENS: list[tuple[str, str, tuple[int, int], str, Sequence[str]]] = [
    ("lessons_80x24", "odd", (80, 24), "", ["L"]),
    ("lessons_120x36", "odd", (120, 36), "", ["L"]),
    ("lessons_edit_120x36", "accepted", (120, 36), "", ["L", "e"]),
]


KNOWN = {screen[0] for screen in SCREENS}
SLOW = [
    *((name, "odd", size, theme, ["L"]) for name, size, theme in looks("lessons", KNOWN)),
    *((name, "accepted", size, theme, ["L", "e"]) for name, size, theme in looks("lessons_edit", KNOWN)),
    ("lesson_80x24", "accepted", (80, 24), "", ["L", "G", "enter"]),
    ("lessons_light", "accepted", (120, 36), "hitl-light", ["L", "G"]),
    ("lessons_none", "none", (120, 36), "", ["L"]),
]


@pytest.mark.parametrize(("name", "what", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str, what: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys))
