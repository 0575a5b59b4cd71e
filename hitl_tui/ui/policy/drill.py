"""The drill in a dialog: bad calls that the policy of a project would let run, and the rule that closes each hole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

from textual import work
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.drill.report import Report
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.text.lines import BLANK, Line, line
from hitl_tui.ui.widgets.text_view import TextView

ABOUT = "Made from the tools and the history of this home, and judged by the policy as it is. Nothing runs. It takes some seconds."


class DrillScreen(DialogScreen[None]):
    """Judges when it opens, and then shows the report."""

    def __init__(self, judge: Callable[[], Awaitable[Report]]) -> None:
        super().__init__("Drill: bad calls that would run", [("j k", "scroll"), ("/", "search"), ("esc", "back")])
        self._judge = judge

    def body(self) -> Iterable[Widget]:
        yield Static(ABOUT, classes="label")
        yield TextView(id="page")

    def on_mount(self) -> None:
        page = self.query_one("#page", TextView)
        page.show([line("judging …", "muted")])
        page.focus()
        self._show()

    @work(exclusive=True)
    @reports_errors
    async def _show(self) -> None:
        found = await self._judge()
        self.query_one("#page", TextView).show(list(report_lines(found)))


def report_lines(found: Report) -> Iterator[Line]:
    """The sums, then each hole."""
    told = list(found.told())
    for text in told[-2:]:
        yield line(text, "strong")
    yield BLANK
    for text in told[:-2]:
        yield line(text, "" if text.startswith(" ") else "title") if text else BLANK
