"""The side of the workspace that shows the run: what went wrong or is asked, largest, and below it all that led there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from textual.app import ComposeResult
from textual.containers import Vertical

from hitl_tui.inbox import Inbox
from hitl_tui.model import Head, Json, Review, ReviewState, Run
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.review import render
from hitl_tui.ui.text.lines import BLANK, Line, json_lines, line, paragraph, value_lines
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView, row_starts
from hitl_tui.validation import TOOL_KINDS

SHARE = 0.45
"""Of the side, for what is asked, at most."""
GUTTER = 9


@dataclass(frozen=True, slots=True)
class Whole:
    """A run as who takes it over sees it."""

    run: Run
    head: Head
    reviews: tuple[Review, ...]
    """Those that are open."""
    schema: Json = None
    """JSON Schema of the graph's state, where it is known."""


async def read_whole(inbox: Inbox, run: int) -> Whole:
    """A run as it stands.

    Raises:
        Refused: nobody knows where it stands.
    """
    head, found, schema = await inbox.takeovers.head(run), await inbox.runs.get(run), await inbox.takeovers.state_schema(run)
    reviews = [await inbox.reviews.get(row.id) for row in await inbox.reviews.of_run(run) if row.state == ReviewState.OPEN]
    return Whole(found, head, tuple(reviews), schema)


class WholeRun(Vertical):
    """Read only; every text of the agent is only ever text."""

    def __init__(self) -> None:
        super().__init__(id="whole")
        self._whole: Whole | None = None
        self._note = ""

    def compose(self) -> ComposeResult:
        yield TextView(id="wanted")
        yield TabBar({"Conversation": "Conversation"}, id="whole-tabs")
        yield TextView(id="whole-text")

    def show(self, whole: Whole, note: str = "") -> None:
        """Show a run, and a warning above it."""
        self._whole, self._note = whole, note
        context = whole.head.context
        titles = {"Conversation": f"Conversation {len(context.conversation)}", "Done so far": f"Done so far {len(context.attempts)}"}
        self.query_one("#whole-tabs", TabBar).retitle({**titles, "State": "State", "Graph": "Graph"})
        self.query_one("#wanted", TextView).show(wanted_lines(whole, note))
        self._draw_tab()
        self._fit()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#whole-tabs", TabBar).step(by)
        self._draw_tab()

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height."""
        text = self.query_one("#whole-text", TextView)
        text.scroll_relative(y=direction * max(1, text.size.height // 2), animate=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _draw_tab(self) -> None:
        if self._whole:
            tab = self.query_one("#whole-tabs", TabBar).chosen
            self.query_one("#whole-text", TextView).show(tab_lines(tab, self._whole))

    def _fit(self) -> None:
        if self._whole and self.size.height:
            most = max(3, int(self.size.height * SHARE))
            width = self.size.width - 3
            rows = (1 for one in wanted_lines(self._whole, self._note) for _ in row_starts(one.text, width - one.indent))
            self.query_one("#wanted", TextView).styles.height = sum(islice(rows, most))


def wanted_lines(whole: Whole, note: str) -> Iterator[Line]:
    """What failed, what is asked, and why."""
    if note:
        yield from paragraph(note, "warning", "⚠", 2, "warning")
    for problem in dict.fromkeys(filter(None, (whole.run.error, whole.head.context.error))):
        yield from paragraph(problem, "error", "✗", 2, "error")
    for call in whole.head.calls:
        yield render.call_line(call.name, call.args, "open", GUTTER)
    yield from _asked(whole.reviews, calls=not whole.head.calls)
    if reasoning := whole.head.context.reasoning.strip():
        yield BLANK
        yield from paragraph(reasoning)


def _asked(reviews: Sequence[Review], calls: bool) -> Iterator[Line]:
    for review in reviews:
        if review.row.note:
            yield from paragraph(review.row.note, "warning", "⚠", 2, "warning")
        for action in review.actions:
            if review.row.kind not in TOOL_KINDS:
                yield line(action.name, "strong", "asks", GUTTER)
                yield from value_lines(action.args, "", GUTTER)
            elif calls:
                yield render.call_line(action.name, action.args, "asks", GUTTER)


def tab_lines(tab: str, whole: Whole) -> Iterator[Line]:
    """The lines of a tab."""
    context = whole.head.context
    match tab:
        case "Conversation":
            if not context.conversation:
                yield line("this graph keeps no messages", "muted")
            for message in context.conversation:
                yield from render.message_lines(message)
        case "Done so far":
            yield from render.attempt_lines(context)
        case "State":
            yield from json_lines(context.state)
        case _:
            yield line(", ".join(context.before) or "start", "muted", "before", 14)
            yield line(f"▶ {', '.join(whole.head.nodes) or 'its end'}", "accent", "here", 14)
            yield line(", ".join(context.after) or "not known before it goes on", "muted", "after", 14)
            yield BLANK
            yield line(whole.run.thread, "", "thread", 14)
            yield line(whole.head.checkpoint, "", "checkpoint", 14)
