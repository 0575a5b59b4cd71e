"""One run: its state and input, its live trace, what came of it, and what its agent printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from hitl_tui.formatting import age
from hitl_tui.home import Home
from hitl_tui.model import Feedback, Run, RunState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.messages import TabChosen
from hitl_tui.ui.runs.outcome import outcome_lines
from hitl_tui.ui.runs.trace import TracePane
from hitl_tui.ui.text import labels, ratings
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, line, paragraph, value_lines
from hitl_tui.ui.widgets.list_detail import DetailPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView

LOG_TAIL = 200_000
"""Bytes of a log that are read, from its end."""
TABS = {"Trace": "Trace", "Result": "Result", "Input": "Input", "Log": "Log"}


class RunPane(DetailPane):
    """Shows the run under the cursor."""

    def __init__(self, home: Home, clock: Callable[[], float], reviewer: str) -> None:
        super().__init__(id="run")
        self._home = home
        self._clock = clock
        self._reviewer = reviewer
        self._feedback: Sequence[Feedback] = ()
        self.run: Run | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="run-facts")
        yield Static(id="run-note")
        yield TabBar(TABS, id="run-tabs")
        yield TracePane("run-trace")
        yield TextView(id="run-text")

    def on_mount(self) -> None:
        self.show(None)
        self.tell("")

    @property
    def trace(self) -> TracePane:
        """The live trace."""
        return self.query_one(TracePane)

    def show(self, run: Run | None) -> None:
        """Show a run; a failed one by its error, a finished one by its result, else by its trace."""
        other = run is None or self.run is None or run.id != self.run.id
        ended = run is not None and self.run is not None and run.state != self.run.state
        unchanged = run == self.run
        self.run = run
        self._feedback = () if other else self._feedback
        self.draw_title()
        self.query_one("#run-facts", Static).update(self._facts(run) if run else Content(""))
        self.trace.follow(run.id if run else None)
        tabs = self.query_one("#run-tabs", TabBar)
        tabs.retitle({**TABS, "Result": "Error"} if run and run.state == RunState.FAILED else TABS)
        if run and (other or ended) and run.state in (RunState.FAILED, RunState.DONE, RunState.CANCELLED):
            tabs.choose("Trace" if run.state == RunState.CANCELLED else "Result")
        elif other or (ended and tabs.chosen == "Result"):  # it goes on: there is no result yet
            tabs.choose("Trace")
        if other or not unchanged:
            self._draw_tab()

    def tell(self, note: str) -> None:
        """Say why the run does not go on; an empty text where nothing holds it up."""
        shown = self.query_one("#run-note", Static)
        shown.display = bool(note)
        shown.update(Content(note))

    def rate(self, feedback: Sequence[Feedback]) -> None:
        """The ratings on the run, its messages and decisions."""
        self.trace.rate(feedback, Viewer(self._reviewer, self._clock()))
        if self.run and feedback != self._feedback:
            self._feedback = feedback
            self.query_one("#run-facts", Static).update(self._facts(self.run))

    def count_up(self) -> None:
        """Show how long the run has taken by now."""
        if self.run and self.run.started_at and not self.run.ended_at:
            self.query_one("#run-facts", Static).update(self._facts(self.run), layout=False)

    def step_tab(self, by: int) -> None:
        """Show another tab."""
        self.query_one("#run-tabs", TabBar).step(by)
        self._draw_tab()

    @property
    def text(self) -> TracePane | TextView:
        """The live trace, or the text of another tab."""
        return self.trace if self.trace.display else self.query_one("#run-text", TextView)

    def on_tab_chosen(self, message: TabChosen) -> None:
        message.stop()
        self._draw_tab()

    def _facts(self, run: Run) -> Content:
        glyph, style = labels.RUNS[run.state]
        style = {"muted": "$text-muted", "accent": "$text-accent"}.get(style, f"$text-{style}")
        parts: list[tuple[str, str]] = [(f"{glyph} {labels.run_state(run, self._clock())}", f"bold {style}")]
        if silent_s := run.silent_s(self._clock()):
            parts.append((f"   its worker has not responded for {age(silent_s)}", "$text-error"))
        elif run.activity:
            parts.append((f"   {one_line(run.activity, 60)}", "$foreground"))
        if run.started_at:
            took = (run.ended_at or self._clock()) - run.started_at
            parts.append((f"   {'took' if run.ended_at else 'for'} {age(took)}", "$text-muted"))
        if run.crashes:
            parts.append((f"   its worker died {run.crashes}×", "$text-warning"))
        asked = labels.options(run.options)
        return Content.assemble(*parts, (f"\n{one_line(asked, 200)}" if asked else "", "$text-muted"), *self._ratings())

    def _ratings(self) -> Iterator[tuple[str, str]]:
        """Each rating on the whole run on a line, and how many there are on what is in it."""
        viewer = Viewer(self._reviewer, self._clock())
        for one in self._feedback:
            if one.subject.is_whole_run:
                glyph, _, style = labels.RATINGS[one.rating]
                yield f"\n{glyph} {one_line(ratings.said(one, viewer), 200)}", f"$text-{style}"
                yield f"  {one_line(one.comment, 200)}" if one.comment else "", "$foreground"
        if told := ratings.counted(self._feedback):
            yield f"\n{told}", "$text-muted"

    def _draw_tab(self) -> None:
        chosen = self.query_one("#run-tabs", TabBar).chosen
        text = self.query_one("#run-text", TextView)
        self.trace.display, text.display = chosen == "Trace", chosen != "Trace"
        if chosen != "Trace":
            text.show(self._text(chosen, self.run) if self.run else ())

    def _text(self, tab: str, run: Run) -> Iterator[Line]:
        match tab:
            case "Result":
                yield from outcome_lines(run)
                yield from self._files(run)
            case "Input":
                given = run.input.get("text", run.input.get("input")) if isinstance(run.input, dict) else run.input
                yield from value_lines(given)
                yield BLANK
                yield line(run.thread, "", "thread", 10)
                yield from self._files(run)
            case _:
                yield from _log(self._home.run_log(run.id))

    def _files(self, run: Run) -> Iterator[Line]:
        """Where the files are that its tools wrote, if they wrote any."""
        folder = self._home.workdir(run.thread)
        if folder.is_dir():
            yield BLANK
            yield line(str(folder), "", "files", 10)

    def title(self) -> tuple[str, Sequence[str]]:
        return (agent_name(self.run.agent), [f"run r{self.run.id}"]) if self.run else ("", ())


def _log(path: Path) -> Iterator[Line]:
    try:
        with path.open("rb") as log:
            size = log.seek(0, 2)
            log.seek(max(0, size - LOG_TAIL))
            text = log.read(LOG_TAIL).decode("utf-8", "replace")
    except OSError:
        yield line("the agent has printed nothing", "muted")
        return
    if size > LOG_TAIL:
        yield line(f"the last {LOG_TAIL // 1000} kB of {size // 1000} kB: {path}", "muted")
        yield BLANK
    yield from paragraph(text.rstrip("\n") or "the agent has printed nothing")
