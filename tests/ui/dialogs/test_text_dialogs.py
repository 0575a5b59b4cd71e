"""Every dialog that takes text: ctrl+e opens $EDITOR, escape goes back and does nothing, ctrl+s submits."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import hitl_tui.ui
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.decide_many import DecideManyScreen
from hitl_tui.ui.dialogs.edit import EditScreen
from hitl_tui.ui.dialogs.escalate import EscalateScreen
from hitl_tui.ui.dialogs.filter import FilterScreen
from hitl_tui.ui.dialogs.new_run import NewRunScreen
from hitl_tui.ui.dialogs.next_message import NextMessageScreen
from hitl_tui.ui.dialogs.reason import ReasonScreen
from hitl_tui.ui.dialogs.reject import ApproveScreen, RejectScreen
from hitl_tui.ui.dialogs.respond import RespondScreen
from hitl_tui.ui.dialogs.search import SearchScreen
from hitl_tui.ui.feedback.comment_dialog import CommentScreen
from hitl_tui.ui.lessons.edit_dialog import LessonScreen
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.runtime.key_queue import KeyQueueScreen
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import lessons
from tests.ui.queue.test_decisions import BATCH, ODD, go_to

TEXT = "mail"
"""What the editor leaves: a reason, a name, a filter, and the words of a search."""
WITHOUT_TEXT = {
    "ChoiceScreen", "CheckScreen", "ConfirmScreen", "DrillScreen", "GrantScreen", "HelpScreen", "LevelScreen", "MessagesScreen",
    "PageScreen", "PlanScreen", "PracticeScreen",
}  # fmt: skip
BASES = {"KeyQueueScreen", "DialogScreen", "TallScreen", "ReviewScreen", "AnswerScreen"}


@dataclass(frozen=True)
class Case:
    """A dialog that takes text."""

    screen: type[KeyQueueScreen[Any]]
    keys: tuple[str, ...]
    """Open it, with the focus in a text."""
    stored: str | Callable[[ConsoleDriver], object]
    """What submitting changes: a query, or what the console shows."""
    home: str = "variety"
    prepare: Callable[[ConsoleDriver], Awaitable[object]] | None = None


DECISIONS = "SELECT kind, message, args FROM decisions ORDER BY id"


async def approvable_with_text(console: ConsoleDriver) -> None:
    (console.home.path / "policy.toml").write_text('[[answer]]\napprove = {ok = true, note = "$message"}\n')
    await go_to(console, ODD)


async def claimed_by_bob(console: ConsoleDriver) -> None:
    await console.bob.reviews.claim(console.review_ids[0])
    await console.until_shown("claimed by bob")


async def finished(console: ConsoleDriver) -> None:
    await console.press("f2", "slash", *"done", "enter")


async def decided(console: ConsoleDriver) -> None:
    await console.press("a", "k", "plus")


async def proposed(console: ConsoleDriver) -> None:
    await lessons.add_corrections(console.store, console.project, time.time())
    await lessons.add_lessons(console.store, time.time())
    await console.settle()
    await console.press("L")
    await console.until_shown("drawn from")


async def batch(console: ConsoleDriver) -> None:
    await go_to(console, BATCH)


CASES = [
    Case(RejectScreen, ("r",), DECISIONS),
    Case(ApproveScreen, ("a",), DECISIONS, prepare=approvable_with_text),
    Case(EditScreen, ("e",), DECISIONS),
    Case(EditScreen, ("w",), DECISIONS),
    Case(RespondScreen, ("m",), DECISIONS),
    Case(EscalateScreen, ("exclamation_mark",), "SELECT escalated FROM reviews ORDER BY id"),
    Case(ReasonScreen, ("c",), "SELECT claimed_by FROM reviews ORDER BY id", prepare=claimed_by_bob),
    Case(NewRunScreen, ("n", "tab"), "SELECT title FROM runs ORDER BY id"),
    Case(NextMessageScreen, ("m",), "SELECT title FROM runs ORDER BY id", "runs", finished),
    Case(SearchScreen, ("enter", "slash"), lambda console: console.app.query_one(ArgumentsView).searched),
    Case(FilterScreen, ("slash",), lambda console: console.app.query_one(QueueView)._queue.filter),
    Case(CommentScreen, ("plus",), "SELECT comment FROM feedback", prepare=decided),
    Case(LessonScreen, ("e",), "SELECT text FROM lessons ORDER BY id", "", proposed),
    Case(DecideManyScreen, ("A", "r"), DECISIONS, prepare=batch),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", sampled(CASES), ids=lambda case: f"{case.screen.__name__} {case.keys[0]}")
async def test_text_dialog_opens_the_editor_goes_back_and_submits(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setenv("EDITOR", f"sh -c 'printf {TEXT} > $0'")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console(case.home, grace_s=60) as console:
        if case.prepare:
            await case.prepare(console)
        before = await stored(console, case)
        await console.press(*case.keys, "ctrl+e")
        assert isinstance(console.app.screen, case.screen)
        assert TEXT in text_with_focus(console)
        await console.press("escape")
        while isinstance(console.app.screen, DecideManyScreen):  # escape leaves the reason first
            await console.press("escape")
        assert len(console.app.screen_stack) == 1 and await stored(console, case) == before
        await console.until_keys_accepted()
        await console.press(*(key for key in case.keys if key != "enter"), "ctrl+e", "ctrl+s")
        assert len(console.app.screen_stack) == 1 and await stored(console, case) != before


def test_every_dialog_of_the_console_is_among_the_cases_or_takes_no_text() -> None:
    for module in pkgutil.walk_packages(hitl_tui.ui.__path__, "hitl_tui.ui."):
        importlib.import_module(module.name)
    dialogs = {screen.__name__ for screen in subclasses(KeyQueueScreen) if screen.__module__.startswith("hitl_tui.")}
    assert dialogs == {case.screen.__name__ for case in CASES} | WITHOUT_TEXT | BASES


def subclasses(of: type[Any]) -> Iterator[type[Any]]:
    yield of
    for one in type.__subclasses__(of):
        yield from subclasses(one)


async def stored(console: ConsoleDriver, case: Case) -> object:
    return await console.store.all(case.stored) if isinstance(case.stored, str) else case.stored(console)


def text_with_focus(console: ConsoleDriver) -> str:
    focused = console.app.screen.focused
    return str(getattr(focused, "text", None) or getattr(focused, "value", ""))


async def test_question_of_one_row_stays_visible_above_its_answers(start_console: StartConsole) -> None:
    async with start_console() as console:
        await go_to(console, 6)
        await console.press("m")
        assert console.app.screen.query_one("#question").size.height == 1
