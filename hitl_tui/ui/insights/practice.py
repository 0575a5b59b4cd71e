"""Practice in the console: bad and good calls that can never run, one after another, and what people practised, as lines."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.formatting import UNKNOWN, counted, measured_duration, percent, percent_range
from hitl_tui.oversight.practice import MINUTES, PracticeAnswer, PracticeCall, PracticeResult, Training, rows_of
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.insights.figures import Frame
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.charts import grid
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, table
from hitl_tui.ui.widgets.text_view import TextView

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of bad calls that are offered."""
NOT_REAL = "Nothing here can run: these calls are made for practice, and are in no history and no rate."
NAME = 16
KINDS = 8
"""Kinds of wrong arguments that are listed for a person."""
MEANING = (
    "Practice shows made calls, and people know that some are bad: more are caught than in a queue. Attention checks measure the queue. "
    "d′ says how well bad calls are told from good ones, whatever the share of bad ones: 0 is chance, 2 is good. In brackets stand 95 % "
    "confidence intervals."
)


class PracticeScreen(DialogScreen[list[PracticeAnswer]]):
    """Asks about each call of a practice. Returns the answers; going back, or the end of the time, ends it with those given so far."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "answer(True)", "approve", show=False),
        Binding("r", "answer(False)", "reject", show=False),
    ]

    def __init__(self, calls: Sequence[PracticeCall]) -> None:
        super().__init__("Practice", [("a", "approve"), ("r", "reject"), ("j k", "scroll"), ("esc", "end")])
        self._calls = calls
        self._answers: list[PracticeAnswer] = []
        self._until = time.monotonic() + MINUTES * 60
        self._began = time.monotonic()

    def body(self) -> Iterable[Widget]:
        yield Static(Content.styled(NOT_REAL, "$text-warning"), id="not-real", classes="label")
        yield TextView(id="page")

    def on_mount(self) -> None:
        self.set_timer(MINUTES * 60, self.action_back)
        self._show()

    def _show(self) -> None:
        number, call = len(self._answers), self._calls[len(self._answers)]
        self.query_one("#dialog").border_title = Content(f"Practice {number + 1:,} of {len(self._calls):,}")
        page = self.query_one("#page", TextView)
        page.show(call_lines(call))
        page.scroll_home(animate=False)
        page.focus()
        self._began = time.monotonic()

    def action_answer(self, approves: bool) -> None:
        now = time.monotonic()
        if self.is_answered or now > self._until:
            return
        self._answers.append(PracticeAnswer(self._calls[len(self._answers)], approves, now - self._began))
        if len(self._answers) == len(self._calls):
            self.dismiss(self._answers)
        else:
            self._show()

    def action_back(self) -> None:
        if not self.is_answered:
            self.dismiss(self._answers)


def call_lines(call: PracticeCall) -> Iterator[Line]:
    """A call as a person reads it, with what its user asked for."""
    yield line(one_line(f"{call.agent} wants to call {call.tool}", 200), "strong")
    yield BLANK
    yield from paragraph(call.asked, "", "asked for", 12)
    yield BLANK
    yield from table(_arguments(call))


def _arguments(call: PracticeCall) -> list[tuple[str, str]]:
    found = (row.partition(": ") for row in rows_of(call.args))
    return [(name, value) for name, _, value in found]


def result_lines(found: PracticeResult, answers: Sequence[PracticeAnswer]) -> Iterator[Line]:
    """The figures of a practice, and each miss with what gave it away."""
    for text in found.told():
        yield line(text)
    missed = [one for one in answers if one.missed]
    for one in missed:
        assert one.call.wrong is not None, "a miss is a bad call"
        yield BLANK
        yield line(f"⚠ missed: {one_line(one.call.wrong.clause, 300)}", "warning")
        yield from call_lines(one.call)
    if not missed and found.bad:
        yield BLANK
        yield line("✓ no bad call was approved", "success")


def training_lines(trainings: Sequence[Training], frame: Frame) -> Iterator[Line]:
    """What each person practised."""
    yield line("How many bad calls people catch when they practise", "strong")
    yield BLANK
    head = ("person", "practices", "caught", "95 % CI", "false alarms", "per call", "d′")
    yield from grid(head, [_row(one, frame.reviewer) for one in trainings], frame.room)
    for one in trainings:
        if one.result.kinds:
            worst = sorted(one.result.kinds.items(), key=lambda pair: (pair[1][0] / max(1, pair[1][1]), pair[0]))[:KINDS]
            told = ", ".join(f"{kind} {caught:,} of {shown:,}" for kind, (caught, shown) in worst)
            yield BLANK
            yield from paragraph(f"{labels.actor(one.reviewer, frame.reviewer)}, by what was wrong: {told}", "muted")
    yield BLANK
    yield from paragraph(MEANING, "muted")


def _row(one: Training, reviewer: str) -> tuple[str, ...]:
    found, bounds = one.result, one.result.detection
    return (
        one_line(labels.actor(one.reviewer, reviewer), NAME), f"{one.practices:,}",
        f"{found.caught:,} of {found.bad:,}", percent_range(*bounds) if bounds else UNKNOWN,
        f"{found.false_alarms:,} of {counted(found.good, 'good call')}", measured_duration(found.seconds),
        UNKNOWN if found.d_prime is None else f"{found.d_prime:.2f}",
    )  # fmt: skip


def share_options() -> list[str]:
    """The shares of bad calls as they are offered."""
    return [f"{percent(share)} bad calls" for share in SHARES]
