"""The row above the key bar: what was just done or refused, and what failed until a person has seen it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from hitl_tui.sanitize import one_line

STYLES = {
    "information": "$foreground",
    "warning": "$text-warning",
    "error": "$text-error",
    "muted": "$text-muted",
    "": "",
}
"""Severity of a message → style."""


@dataclass(frozen=True, slots=True)
class Status:
    """One message."""

    text: str = ""
    severity: str = ""
    """A key of `STYLES`."""
    passing: bool = True
    """It goes by itself. One that does not is hidden in dialogs, which have room for what concerns them."""
    tail: str = ""
    """What stands behind the text, which is then cut off where it would not fit on the same row."""


class Said(Message):
    """Show a message for a while."""

    def __init__(self, status: Status, seconds: float) -> None:
        super().__init__()
        self.status = status
        self.seconds = seconds


class Messages:
    """Chooses what the row shows: the newest message, then what failed, a server that is away, code that changed, and a run that ended."""

    def __init__(self) -> None:
        self._passing: list[tuple[float, Status]] = []
        self._ended: tuple[float, Status] | None = None
        self.failed: Status | None = None
        """Stays until a person has seen what failed."""
        self.outage = Status()
        """Stays while a server cannot be used; empty otherwise."""
        self.edited = Status()
        """Stays while workers run old code; empty otherwise."""

    def add(self, status: Status, seconds: float) -> None:
        """Show a message for a while; an older one that is still due comes back afterwards."""
        self._passing.append((time.monotonic() + seconds, status))

    def ended(self, status: Status, seconds: float) -> None:
        """Tell how a run ended, while there is nothing else to tell."""
        self._ended = (time.monotonic() + seconds, status)

    @property
    def current(self) -> Status:
        """The message of this moment."""
        now = time.monotonic()
        self._passing = [one for one in self._passing if one[0] > now]
        if self._ended and self._ended[0] <= now:
            self._ended = None
        if self._passing:
            return self._passing[-1][1]
        standing = [one for one in (self.failed, self.outage, self.edited) if one and one.text]
        return standing[0] if standing else (self._ended[1] if self._ended else Status())

    @property
    def next_change_s(self) -> float | None:
        """Seconds until the next message goes; None while none will."""
        due = list(self._due())
        return max(0.001, min(due) - time.monotonic()) if due else None

    def _due(self) -> Iterator[float]:
        yield from (until for until, _ in self._passing)
        if self._ended:
            yield self._ended[0]


class StatusLine(Static):
    """Shows the app's `status`: one row, more only for a text that does not fit on it."""

    def __init__(self, in_dialog: bool = False) -> None:
        """`in_dialog`: only there while a message passes."""
        super().__init__(markup=False)
        self._in_dialog = in_dialog
        self._shown = Status()

    def on_mount(self) -> None:
        self.watch(self.app, "status", self._show)

    def _show(self, status: Status) -> None:
        shown = status if status.passing or not self._in_dialog else Status()
        if self._in_dialog:
            self.display = bool(shown.text)
        self._shown = shown
        self._draw()

    def on_resize(self) -> None:
        if self._shown.tail:
            self._draw()

    def _draw(self) -> None:
        shown, room = self._shown, max(1, self.size.width - cell_len(self._shown.tail))
        text = one_line(shown.text, room) + shown.tail if shown.tail else shown.text
        self.update(Content.styled(text, STYLES[shown.severity]))
