"""Rules of the layout: a free column before scrollbars, dialogs that keep clear of the screen's edge, no rows that stay empty."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest
from textual.widget import Widget

from hitl_tui.model import PauseKind
from hitl_tui.ui.dialogs.base import MARGIN
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.widgets.tabs import TabBar
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.homes.run_heads import add_heads
from tests.ui.queue.test_unseen import go_to

SCRIPT = "\n".join(f"echo step {number} of many, with a text that is as long as it has to be" for number in range(60))
LONG: dict[str, Sequence[str]] = {
    "help": ["question_mark"],
    "details": ["G", "enter"],
    "edit": ["G", "enter", "e"],
    "edit as JSON": ["G", "enter", "e", "ctrl+t"],
    "reject": ["G", "enter", "r"],
    "form": [*["j"] * 7, "enter", "m"],
    "new run": ["n", "tab", *["x", "ctrl+j"] * 30],
    "decide many": ["j", "j", "j", "A"],
    "messages": ["enter", "asterisk"],
    "runs": ["f2"],
    "takeover": ["t"],
    "takeover editor": ["t", "2"],
    "takeover state": ["t", "4"],
}
"""Keys to what has more rows than fit, with a scrollbar beside them."""


def beside_scrollbars(console: ConsoleDriver) -> Iterator[tuple[str, str]]:
    """What stands in the column before each scrollbar on the screen, by the widget."""
    rows = console.screen_text().splitlines()
    for widget in console.app.screen.query("*").results(Widget):
        if widget in console.app.screen._compositor.visible_widgets and widget.show_vertical_scrollbar and widget.size.height:
            bar = widget.vertical_scrollbar.region
            yield f"{type(widget).__name__}#{widget.id}", "".join(rows[y][bar.x - 1] for y in range(bar.y, bar.bottom))


async def add_script(console: ConsoleDriver) -> int:
    call = seed.action("run_shell", {"command": SCRIPT})
    return await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, call))


async def test_column_before_the_scrollbar_of_a_list_and_a_text_is_free(start_console: StartConsole) -> None:
    async with start_console(size=(80, 20)) as console:
        await add_script(console)
        await console.until_shown("▾ 3 more reviews")
        assert dict(beside_scrollbars(console)) == {"QueueList#queue-list": " " * 15}
        await console.press("question_mark")
        assert {text.strip() for _, text in beside_scrollbars(console)} == {""}


@pytest.mark.slow
@pytest.mark.parametrize("place", sampled(LONG, gate=4))
async def test_column_before_every_scrollbar_is_free(start_console: StartConsole, place: str) -> None:
    async with start_console(size=(80, 20)) as console:
        await add_script(console)
        await add_heads(console.store)
        await console.settle()
        for key in LONG[place]:
            await console.press(key)
        await console.settle()
        assert {name: text for name, text in beside_scrollbars(console) if text.strip()} == {}, console.screen_text()


DIALOGS = {
    "reject": ["r"],
    "edit": ["e"],
    "respond": ["m"],
    "new run": ["n"],
    "help": ["question_mark"],
    "snooze": ["h"],
    "messages": ["asterisk"],
    "decide many": ["A"],
    "filter": ["slash"],
    "escalate": ["exclamation_mark"],
}


async def is_clear(console: ConsoleDriver, width: int) -> bool:
    """Whether the dialog takes all columns of a terminal of this width, or leaves enough on both sides."""
    await console.pilot.resize_terminal(width, 40)
    await console.settle()
    frame = console.app.screen.query_one("#dialog").region
    beside = (frame.x, width - frame.right)
    return beside == (0, 0) or min(beside) >= MARGIN


@pytest.mark.slow
async def test_dialog_takes_all_columns_or_leaves_a_clear_margin(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("r")
        assert [width for width in (60, 80, 90, 100, 120) if not await is_clear(console, width)] == []


@pytest.mark.slow
@pytest.mark.parametrize("dialog", sampled(DIALOGS, gate=4))
async def test_every_dialog_takes_all_columns_or_leaves_a_clear_margin(start_console: StartConsole, dialog: str) -> None:
    async with start_console() as console:
        await console.press("j", "j", "j", *DIALOGS[dialog])
        assert [width for width in (80, 100, 112, 120, 130, 145, 200) if not await is_clear(console, width)] == []


@pytest.mark.slow
async def test_tall_dialogs_on_a_large_screen_are_as_high_as_their_content(start_console: StartConsole) -> None:
    async with start_console(size=(200, 50)) as console:
        await console.press("e")
        await console.settle()
        frame = console.app.screen.query_one("#dialog")
        before = frame.region.height
        assert before < 30
        await console.press(*["ctrl+end", "enter"] * 20)
        await console.settle()
        assert before < frame.region.height <= 47
        await console.press("escape", "n")
        await console.settle()
        assert console.app.screen.query_one("#dialog").region.height < 30


async def test_rows_that_nothing_needs_are_not_between_the_arguments_and_their_reasons(start_console: StartConsole) -> None:
    async with start_console(size=(200, 50)) as console:
        await console.settle()
        arguments, why = console.app.query_one(ArgumentsView), console.app.query_one("#why-rule", TabBar)
        rows = console.screen_text().splitlines()[arguments.region.y : why.region.y]
        width = arguments.region.right
        assert sum(not row[arguments.region.x : width].strip() for row in rows[-3:]) <= 1, console.screen_text()


@pytest.mark.slow
async def test_trace_of_a_run_in_which_nothing_happened_yet_takes_no_room(start_console: StartConsole) -> None:
    async with start_console("", size=(200, 50)) as console:
        review = await add_script(console)
        await go_to(console, review)
        await console.until_shown("echo step 0")
        assert "Trace" not in console.screen_text() and console.app.query_one("#review").region.right == 200
        run = (await console.bob.reviews.get(review)).row.run
        await console.store.db.execute(
            "INSERT INTO events (run, seq, at, kind, path, node, body) VALUES (?, 1, 0, 'start', '[]', 'agent', '{}')", (run,)
        )
        await console.until_shown("Trace", "▸ agent")


@pytest.mark.slow
async def test_tabs_at_80_columns_are_all_there_in_short_words(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(80, 24)) as console:
        call = seed.action("run_shell", {"command": "rm -rf build"})
        await seed.add_waiting_run(
            console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, call, context=seed.mail_context())
        )
        await console.until_shown("Conversation 6", "Done 3", "Similar", "People", "Graph", "State", "Raw", "Effects")


async def test_pause_banner_where_room_is_short_leaves_whole_phrases_out(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 24)) as console:
        await console.store.db.execute("INSERT INTO pauses (agent, actor, at) VALUES ('', 'bob', ?)", (time.time() - 121,))
        await console.until_shown("all agents are paused by bob 2 min ago · P resumes · nothing starts, decisions wait")
        await console.pilot.resize_terminal(80, 24)
        await console.until_shown("all agents are paused by bob 2 min ago · P resumes · decisions wait")
        await console.pilot.resize_terminal(60, 24)
        await console.until_shown("all agents are paused by bob 2 min ago · P resumes")
        assert "…" not in console.screen_text().splitlines()[1]
