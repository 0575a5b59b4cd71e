"""The mouse: a click on a tab, a call, a view, a row or a key does what its key does."""

from __future__ import annotations

import pytest

from hitl_tui.model import PauseKind
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.widgets.key_bar import KeyBar
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import insights, seed
from tests.ui.homes.run_heads import add_heads

pytestmark = pytest.mark.slow


async def click(console: ConsoleDriver, text: str, beside: str = "") -> None:
    """Click the last place of the screen with a text, in a row that also has the other text: a dialog stands below what it is about."""

    def rows() -> list[str]:
        return console.screen_text().split("\n")

    await console.until(lambda: any(text in row and beside in row for row in rows()), f"never saw {text!r} beside {beside!r}")
    y, row = [(y, row) for y, row in enumerate(rows()) if text in row and beside in row][-1]
    await console.pilot.click(offset=(row.rindex(text) + 1, y))
    await console.settle()


async def test_click_on_a_view_and_its_tabs_shows_them(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await insights.add_past_decisions(console.store, console.project, 1_760_000_000.0, 20)
        await click(console, "Runs", "History")
        await console.until_shown("r4 mail_assistant")
        await click(console, "Input", "Trace")
        await console.until_shown("Tidy the folder, part 3")
        await click(console, "Insights", "History")
        await click(console, "all", "90 days")
        await console.until_shown("Insights  all")
        await click(console, "Queue", "History")
        await console.until_shown("Queue 0")


async def test_click_on_a_call_and_a_tab_of_a_review_shows_them(start_console: StartConsole) -> None:
    async with start_console("") as console:
        calls = (seed.mail("ann@example.com"), seed.mail("eve@example.com", 1))
        await seed.add_waiting_run(
            console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, *calls, context=seed.mail_context())
        )
        await console.until_shown("0 of 2 decided")
        pane = console.app.query_one(QueueView).pane
        row = next(row for row in console.screen_text().split("\n") if "0 of 2 decided" in row)
        y = console.screen_text().split("\n").index(row)
        await console.pilot.click(offset=(row.rindex("send_email") + 2, y))
        await console.until(lambda: pane.slot == 1, "the second call is not shown")
        await console.until_shown("eve@example.com")
        await click(console, "State", "Conversation")
        await console.until_shown('"folder": "inbox"')
        await click(console, "Raw", "Conversation")
        await console.until_shown('"asked"')


async def test_click_on_a_choice_chooses_it(start_console: StartConsole) -> None:
    async with start_console("") as console:
        asked = seed.action("ask", {"question": "Which hotel?"}, allowed=seed.ANSWERS, choices=("Astoria", "Bellevue", "Continental"))
        review = await seed.add_waiting_run(console.store, console.project, "planner", seed.pause(PauseKind.QUESTION, asked))
        await console.until_shown("Which hotel?")
        await console.until_keys_accepted()
        await console.press("m")
        await console.until(lambda: len(console.app.screen_stack) > 1, "no dialog opened")
        await click(console, "Bellevue")
        await console.press("ctrl+s")
        await console.until(lambda: len(console.app.screen_stack) == 1, "the dialog stays")
        ((_, kind, args, message),) = await console.decisions_of(review)
        assert kind == "respond" and "Bellevue" in f"{args}{message}"


async def test_click_on_a_setting_of_a_grant_chooses_its_next_value(start_console: StartConsole) -> None:
    async with start_console("") as console:
        call = seed.action("ping", {}, risk="read")
        await seed.add_waiting_run(console.store, console.project, "desk", seed.pause(PauseKind.TOOL_CALLS, call))
        await console.until_shown("p allow the like")
        await console.press("p")
        await console.until_shown("exactly this call")
        await click(console, "24 hours", "time")
        await click(console, "24 hours", "time")
        await console.until_shown("7 days")
        await click(console, "exactly this call")
        await console.press("ctrl+s")
        await console.until(lambda: len(console.app.screen_stack) == 1, "the dialog stays")
        (made,) = await console.bob.grants.every()
        assert made.for_s == 7 * 86_400.0


async def test_click_on_an_intervention_and_a_key_of_a_takeover_works(start_console: StartConsole) -> None:
    async with start_console() as console:
        await add_heads(console.store)
        await console.settle()
        await console.press("t")
        await console.until_shown("Takeover mail_assistant", "Conversation")
        await click(console, "Graph", "Conversation")
        await console.until_shown("checkpoint")
        await click(console, "State", "Conversation")
        await console.until_shown('"unread"')
        await console.press("down", "end", "home", "pagedown", "pageup")
        await click(console, "guide the agent")
        await console.press(*"ask her")
        await console.until_shown("guidance written")
        await console.press("escape")
        row = console.screen_text().split("\n")[-1]
        await console.pilot.click(offset=(row.index("discard") + 1, 35))
        await console.settle()
        await console.until(lambda: console.app.screen.__class__.__name__ == "ConfirmScreen", "nothing is asked")


async def test_mouse_over_a_key_explains_it(start_console: StartConsole) -> None:
    async with start_console() as console:
        bar = console.app.query_one(KeyBar)
        row = console.screen_text().split("\n")[-1]
        await console.pilot.hover(KeyBar, offset=(row.index("approve") + 1, 0))
        await console.until(lambda: bool(bar.tooltip), "no tooltip")
