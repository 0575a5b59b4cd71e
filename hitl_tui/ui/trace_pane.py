"""The live trace of one run: grows at its end while the run goes on."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.model import Event
from hitl_tui.ui.document import Document
from hitl_tui.ui.lines import line
from hitl_tui.ui.trace_lines import event_lines

REREAD = 30
"""Last events read again each time: a message that streams is rewritten in its place."""


class TracePane(Document):
    """Events as lines; a view at the end follows, one scrolled back stays."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.run: int | None = None
        self._seqs: list[int] = []
        self._firsts: list[int] = []
        self._count = 0
        self._tail: Sequence[Event] = ()

    @property
    def after(self) -> int:
        """The `seq` beyond which to read again."""
        return self._seqs[-REREAD] - 1 if len(self._seqs) >= REREAD else 0

    def follow(self, run: int | None) -> None:
        """Watch another run, or none."""
        if run != self.run:
            self.run = run
            self._seqs, self._firsts, self._count, self._tail = [], [], 0, ()
            self.show(())

    def take(self, events: Sequence[Event]) -> None:
        """Events beyond `after`, as they are now."""
        if not events:
            if not self._seqs:
                self.show([line("nothing yet", "muted")])
            return
        if events == self._tail:
            return
        self._tail = events
        kept = sum(1 for seq in self._seqs if seq < events[0].seq)
        keep = self._firsts[kept] if kept < len(self._firsts) else self._count
        del self._seqs[kept:], self._firsts[kept:]
        lines, at = [], keep
        for event in events:
            drawn = list(event_lines(event))
            self._seqs.append(event.seq)
            self._firsts.append(at)
            at += len(drawn)
            lines += drawn
        self._count = at
        self.splice(keep, lines)
