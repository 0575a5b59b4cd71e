"""Every key of the key table acts in every view, or says why it does not; the help begins with the keys of the screen."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hitl_tui.ui.commands import BY_ID, COMMANDS, GROUPS
from hitl_tui.ui.dialogs.choice_list import ChoiceList
from hitl_tui.ui.dialogs.help import HelpScreen
from hitl_tui.ui.views import VIEWS
from hitl_tui.ui.widgets.list_detail import ListDetail
from tests.support.tiers import sampled
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import lessons

LEAVING = {"quit", "suspend", "edit_outside", "edit_policy"}
"""Commands that leave the screen, which a test without a terminal cannot."""
KEPT = {command.keys for command in COMMANDS if command.id in LEAVING} - {"e"}
KEYS = list(dict.fromkeys(key for command in COMMANDS for key in command.keys.split(",") if command.keys not in KEPT))
SHOWING = {"queue": "f1", "runs": "f2", "history": "f3", "insights": "f4", "policy": "f5", "lessons": "L"}
QUESTION = 6
"""The review of the seeded home whose question lists answers."""


def shown(console: ConsoleDriver) -> ListDetail[Any, Any]:
    """The view that is shown."""
    return next(view for view in console.app.query(ListDetail) if view.display)


async def answers(console: ConsoleDriver, key: str) -> bool:
    """Press a key, and wait until the screen changes or a message is shown."""
    view = shown(console)
    view.end_remark()
    await console.pilot.pause()
    before, focused, said = console.screen_text(), console.app.focused, len(console.said) + len(console.ignored)
    await console.pilot.press(key)
    for _ in range(25):
        await console.pilot.pause(0.02)
        if console.screen_text() != before or console.app.focused is not focused or len(console.said) + len(console.ignored) > said:
            return True
    return False


async def back_to(console: ConsoleDriver, view: str, inside: bool) -> None:
    """Close what a key has opened, and show the view again."""
    while len(console.app.screen_stack) > 1:
        await console.press("escape")
    if not isinstance(shown(console), VIEWS[view].load()) or not shown(console).focus_target.has_focus:
        await console.press(SHOWING[view])
    if inside:
        await console.press("enter")


CASES = [("runs", "variety", False), ("queue", "empty", False), *((view, "variety", inside) for view in VIEWS for inside in (False, True))]


@pytest.mark.parametrize(("view", "home", "inside"), sampled(CASES, gate=0))
async def test_every_key_acts_or_says_why_not(start_console: StartConsole, view: str, home: str, inside: bool) -> None:
    silent = []
    async with start_console(home, clock=lambda: NOW) as console:
        if view not in ("queue", "runs"):
            await lessons.add_corrections(console.store, console.project, time.time())
        for key in KEYS:
            await back_to(console, view, inside)
            if not await answers(console, key):
                silent.append(key)
    assert silent == []


@pytest.mark.slow
async def test_digit_opens_the_dialog_with_the_listed_answer_picked(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press(*["j"] * QUESTION)
        await console.until_keys_accepted()
        await console.press("9")
        await console.until_shown("there are 3 answers")
        await console.press("2")
        assert console.app.screen.query_one(ChoiceList).picked == 1
        await console.press("enter")
        assert await console.decisions_of(console.review_ids[QUESTION]) == [(0, "respond", "null", "Bellevue")]


async def test_key_of_another_view_says_where_it_acts(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("4")
        await console.until_shown("4 does nothing here, only elsewhere: state (Takeover)")
        await console.press("L", "slash")
        await console.until_shown("/ does nothing here, only elsewhere: filter (Queue, Runs, History)")


@pytest.mark.slow
async def test_help_begins_with_the_keys_of_the_screen(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "question_mark")
        screen = await console.until_shown(BY_ID["retry"].about)
        assert isinstance(console.app.screen, HelpScreen)
        assert GROUPS["queue"] not in screen or screen.index(BY_ID["retry"].about) < screen.index(GROUPS["queue"])


@pytest.mark.slow
async def test_keys_of_the_command_palette_opens_the_help(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("ctrl+p", *"keys")
        await console.until_shown("Keys")
        await console.press("enter", "enter")
        await console.until_shown("Each line ends with its id")
