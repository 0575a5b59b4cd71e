"""Text selected with the mouse: ctrl+c copies it as it stands in the text, without gutters."""

from __future__ import annotations

import pytest
from textual.widget import Widget
from textual.widgets import Input

from hitl_tui.model import PauseKind
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.widgets.text_view import TextView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed

LONG_LINE = "run " + " ".join(f"word{number}" for number in range(40))
SCRIPT = f"set -e\n{LONG_LINE}\necho 日本語 done\n"


async def drag(console: ConsoleDriver, widget: Widget, begin: tuple[int, int], end: tuple[int, int]) -> None:
    """Drag with the mouse between two places of a widget's content, and press ctrl+c."""
    await console.pilot.mouse_down(widget, begin)
    await console.pilot.hover(widget, end)
    await console.pilot.mouse_up(widget, end)
    await console.press("ctrl+c")


def place_of(view: TextView, text: str) -> tuple[int, int]:
    """Where a text begins, in cells of the widget."""
    for y in range(view.size.height):
        row = "".join(segment.text for segment in view.render_line(y))
        if text in row:
            return row.index(text) + view.gutter.left, y + view.gutter.top
    raise AssertionError(f"{text!r} is not on the screen")


async def shown_script(console: ConsoleDriver) -> ArgumentsView:
    action = seed.action("run_shell", {"host": "web-07", "script": SCRIPT})
    await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, action))
    await console.until_keys_accepted()
    return console.app.query_one(ArgumentsView)


async def test_dragged_text_is_copied_with_its_own_line_breaks(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        view = await shown_script(console)
        begin, (x, y) = place_of(view, "-e"), place_of(view, "日")
        await drag(console, view, begin, (x + 2, y))  # the second character
        assert console.app.clipboard == f"-e\n{LONG_LINE}\necho 日本"
        await console.until_shown(f"copied {len(console.app.clipboard)} characters")


@pytest.mark.slow
async def test_drag_over_gutters_copies_the_text_beside_them(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        view = await shown_script(console)
        _, y = place_of(view, "web-07")
        await drag(console, view, (0, y), (view.size.width - 1, y + 1))
        assert console.app.clipboard == "web-07\nset -e"
        await drag(console, view, (0, y), (3, y))
        assert console.app.clipboard == "web-07\nset -e"  # nothing was selected, and nothing is lost


@pytest.mark.slow
async def test_another_text_is_not_selected_where_the_one_before_was(start_console: StartConsole) -> None:
    async with start_console() as console:
        view = console.app.query_one(ArgumentsView)
        await drag(console, view, place_of(view, "Dear"), (view.size.width - 1, view.size.height - 2))
        assert console.app.clipboard.startswith("Dear Ann,\n\nthe invoice")
        await console.press("escape", "j")
        assert view not in console.app.screen.selections


@pytest.mark.slow
async def test_drag_over_the_list_copies_nothing(start_console: StartConsole) -> None:
    async with start_console() as console:
        console.app.copy_to_clipboard("before")
        await drag(console, console.app.query_one(QueueList), (2, 2), (20, 4))
        assert console.app.clipboard == "before"


@pytest.mark.slow
async def test_question_of_a_dialog_is_copied_and_pasted_into_its_field(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("exclamation_mark")
        view = console.app.screen.query_one("#question", TextView)
        x, y = place_of(view, "ann@example.com")
        await drag(console, view, (x, y), (x + 2, y))
        console.app.screen.query_one("#note", Input).focus()
        await console.press("ctrl+v")
        assert console.app.screen.query_one("#note", Input).value == "ann"
