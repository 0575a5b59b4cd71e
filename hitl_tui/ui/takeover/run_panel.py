"""The panel of the takeover screen that shows the run: its error or request, and tabs with conversation, attempts, state and graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from textual.app import ComposeResult
from textual.containers import Vertical

from hitl_tui.argument_text import name_text
from hitl_tui.inbox import Inbox
from hitl_tui.model import Json, Review, ReviewState, Run, RunHead
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.review import render
from hitl_tui.ui.text.lines import BLANK, Line, json_lines, line, paragraph, table, value_lines
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView, row_starts

REQUEST_SHARE = 0.45
"""Most of the panel that the request takes."""
GUTTER = 9


@dataclass(frozen=True, slots=True)
class RunDetails:
    """Everything about a run that a takeover needs."""

    run: Run
    head: RunHead
    reviews: tuple[Review, ...]
    """The open ones."""
    schema: Json = None
    """JSON Schema of the graph's state; None if unknown."""


async def read_run_details(inbox: Inbox, run: int) -> RunDetails:
    """Read a run as it is now.

    Raises:
        Refused: its newest checkpoint is unknown.
    """
    head, found, schema = await inbox.takeovers.head(run), await inbox.runs.get(run), await inbox.takeovers.state_schema(run)
    reviews = [await inbox.reviews.get(row.id) for row in await inbox.reviews.of_run(run) if row.state == ReviewState.OPEN]
    return RunDetails(found, head, tuple(reviews), schema)


class RunPanel(Vertical):
    """Shows a run, read-only."""

    def __init__(self) -> None:
        super().__init__(id="run-panel")
        self._details: RunDetails | None = None
        self._note = ""
        self._is_fitted = False

    def compose(self) -> ComposeResult:
        yield TextView(id="request")
        yield TabBar({"Conversation": "Conversation"}, id="run-panel-tabs")
        yield TextView(id="run-panel-text")

    def show(self, details: RunDetails, note: str = "") -> None:
        """Show a run, with a warning above it if there is one."""
        self._details, self._note = details, note
        context = details.head.context
        titles = {"Conversation": f"Conversation {len(context.conversation)}", "Done so far": f"Done so far {len(context.attempts)}"}
        self.query_one("#run-panel-tabs", TabBar).retitle({**titles, "State": "State", "Graph": "Graph"})
        self.query_one("#request", TextView).show(request_lines(details, note))
        self._draw_tab()
        self._fit()

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#run-panel-tabs", TabBar).step(by)
        self._draw_tab()

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height."""
        text = self.query_one("#run-panel-text", TextView)
        text.scroll_relative(y=direction * max(1, text.size.height // 2), animate=False)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _draw_tab(self) -> None:
        if self._details:
            tab = self.query_one("#run-panel-tabs", TabBar).chosen
            self.query_one("#run-panel-text", TextView).show(tab_lines(tab, self._details), at_end=tab == "Conversation")

    def _fit(self) -> None:
        if self._details and self.size.height:
            most = max(3, int(self.size.height * REQUEST_SHARE))
            width = self.size.width - 3
            rows = (1 for one in request_lines(self._details, self._note) for _ in row_starts(one.text, width - one.gutter))
            self.query_one("#request", TextView).styles.height = sum(islice(rows, most))
            if not self._is_fitted:  # the conversation has its height only now
                self._is_fitted = True
                self.call_after_refresh(self.query_one("#run-panel-text", TextView).action_scroll_end)


def request_lines(details: RunDetails, note: str) -> Iterator[Line]:
    """The warning, the error, the open calls and questions, and the agent's reasoning."""
    if note:
        yield line(note, "warning", "⚠", 2, "warning")
    for problem in dict.fromkeys(filter(None, (details.run.error, details.head.context.error))):
        yield from paragraph(problem, "error", "✗", 2, "error", agent=True)
    for call in details.head.calls:
        yield from _call(call.name, call.args, "open")
    yield from _requests(details.reviews, calls=not details.head.calls)
    if reasoning := details.head.context.reasoning.strip():
        yield BLANK
        yield from paragraph(reasoning, agent=True)


def _requests(reviews: Sequence[Review], calls: bool) -> Iterator[Line]:
    for review in reviews:
        if review.row.note:
            yield line(review.row.note, "warning", "⚠", 2, "warning")
        for action in review.actions:
            if not review.row.kind.is_tool_call:
                yield line(action.name, "strong", "asks", GUTTER, agent=True)
                yield from value_lines(action.args, "", GUTTER)
            elif calls:
                yield from _call(action.name, action.args, "asks")


def _call(name: str, args: Json, lead: str) -> Iterator[Line]:
    """A call with its arguments as in the queue: each by its name, and texts with their lines."""
    if not isinstance(args, dict) or not args:
        yield render.call_line(name, args, lead, GUTTER)
        return
    yield line(f"→ {name_text(name)}", "accent", lead, GUTTER, "strong", agent=True)
    yield from table(args.items())


def tab_lines(tab: str, details: RunDetails) -> Iterator[Line]:
    """The lines of a tab."""
    context = details.head.context
    match tab:
        case "Conversation":
            if not context.conversation:
                yield line("this graph has no messages", "muted")
            for message in context.conversation:
                yield from render.message_lines(message)
        case "Done so far":
            yield from render.attempt_lines(context)
        case "State":
            yield from json_lines(context.state)
        case _:
            yield line(", ".join(context.before) or "start", "muted", "before", 14)
            yield line(f"▶ {', '.join(details.head.nodes) or 'end'}", "accent", "here", 14)
            yield line(", ".join(context.after) or "unknown until it goes on", "muted", "after", 14)
            yield BLANK
            yield line(details.run.thread, "", "thread", 14)
            yield line(details.head.checkpoint, "", "checkpoint", 14)
