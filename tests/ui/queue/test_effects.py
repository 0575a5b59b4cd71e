"""What a call would do is shown under its arguments."""

from __future__ import annotations

import pytest

from hitl_tui.model import Context, Message, PauseKind
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.widgets.text_view import TextView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_unseen import go_to


async def add(console: ConsoleDriver, tool: str, **args: object) -> int:
    action = seed.action(tool, args)
    review = await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, action))
    await go_to(console, review)
    return review


async def test_commands_of_a_call_are_shown_under_its_arguments(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        await add(console, "run_shell", command="git status && rm -rf build > log.txt")
        await console.until_shown("What it would do", "commands of command", "rm -rf build ↳ deletes", "into log.txt")
        assert console.app.query_one(ReviewPane).arguments.all_seen  # what arrives later need not be read before a decision
        await console.press("a")
        await console.until_shown("approved by you")


@pytest.mark.slow
async def test_unreadable_commands_say_so_and_calls_without_effects_have_no_section(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        await add(console, "run_shell", command="eval $x")
        await console.until_shown("commands of command: cannot be told, because it uses eval")
        await add(console, "archive_mail", id="m-1")
        await console.until_shown("archive_mail")
        await console.settle()
        assert not console.app.query_one("#effects", TextView).display


@pytest.mark.slow
async def test_values_say_where_they_come_from_and_the_tab_has_the_passage(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 40)) as console:
        said = (Message("user", "Pay order 4711."), Message("tool", "IBAN DE89 3704 0044 of Ann", name="read_mail"))
        action = seed.action("pay", {"order": 4711, "iban": "DE89 3704 0044", "note": "urgent"})
        pause = seed.pause(PauseKind.TOOL_CALLS, action, context=Context(conversation=said))
        await go_to(console, await seed.add_waiting_run(console.store, console.project, "ops", pause))
        await console.until_shown("typed by the user: order", "from read_mail, result 1: iban", "from nowhere: note")
        await console.press("left_square_bracket")
        await console.until_shown("iban: from read_mail, result 1 IBAN DE89 3704 0044 of Ann", "Effects")
