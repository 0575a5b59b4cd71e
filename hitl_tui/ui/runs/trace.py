"""The live trace of one run: grows at its end while the run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.model import Event, Feedback
from hitl_tui.ui.review.render import Beholder
from hitl_tui.ui.runs.trace_lines import COLUMN, event_lines
from hitl_tui.ui.text.lines import line
from hitl_tui.ui.text.thumbs import thumb_lines
from hitl_tui.ui.widgets.text_view import Document

REREAD = 30
"""Last events read again each time: a message that streams is rewritten in its place."""


class TracePane(Document):
    """Events as lines, each with the thumbs on it; a view at the end follows, one scrolled back stays."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.run: int | None = None
        self._events: list[Event] = []
        self._firsts: list[int] = []
        self._count = 0
        self._tail: Sequence[Event] = ()
        self._seen = Beholder("", 0)
        self._thumbs: dict[int, list[Feedback]] = {}
        """By the number of the line they are on."""

    @property
    def after(self) -> int:
        """The `seq` beyond which to read again."""
        return self._events[-REREAD].seq - 1 if len(self._events) >= REREAD else 0

    def follow(self, run: int | None) -> None:
        """Watch another run, or none."""
        if run != self.run:
            self.run = run
            self._events, self._firsts, self._count, self._tail, self._thumbs = [], [], 0, (), {}
            self.show(())

    def rate(self, feedback: Sequence[Feedback], seen: Beholder) -> None:
        """The thumbs on a run and what is in it, as they are now: those on lines of this trace stand under them."""
        thumbs: dict[int, list[Feedback]] = {}
        for one in feedback:
            if one.subject.run == self.run and one.subject.event is not None:
                thumbs.setdefault(one.subject.event, []).append(one)
        if thumbs != self._thumbs:
            self._thumbs, self._seen, self._tail = thumbs, seen, ()
            self.take(self._events)

    def take(self, events: Sequence[Event]) -> None:
        """Events beyond `after`, as they are now."""
        if not events:
            if not self._events:
                self.show([line("nothing yet", "muted")])
            return
        if events == self._tail:
            return
        self._tail = events
        kept = sum(1 for event in self._events if event.seq < events[0].seq)
        keep = self._firsts[kept] if kept < len(self._firsts) else self._count
        self._events = [*self._events[:kept], *events]
        del self._firsts[kept:]
        lines, at = [], keep
        for event in events:
            drawn = [*event_lines(event), *thumb_lines(self._thumbs.get(event.seq, ()), self._seen, COLUMN)]
            self._firsts.append(at)
            at += len(drawn)
            lines += drawn
        self._count = at
        self.splice(keep, lines)
