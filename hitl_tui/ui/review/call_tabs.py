"""The calls of one review in a row, each with its state; the one that is shown large is bright."""

from __future__ import annotations

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.argument_text import name_line
from hitl_tui.model import Action, Review
from hitl_tui.ui.messages import CallChosen
from hitl_tui.ui.text import labels
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

NAME = 18
HIDDEN = "… "
"""Stands for calls before the first that is shown."""


class CallTabs(StyledWidget):
    """Only there when a review asks for more than one thing."""

    def __init__(self) -> None:
        super().__init__(id="calls")
        self._review: Review | None = None
        self._slot = 0

    def show(self, review: Review | None, slot: int) -> None:
        """Show the calls of a review."""
        self._review, self._slot = review, slot
        self.display = review is not None and len(review.actions) > 1
        self.refresh()

    def render_line(self, y: int) -> Strip:
        if self._review is None:
            return self.strip([], self.size.width)
        pieces, at = [self._head()], cell_len(self._head()[0])
        for action in self._from():
            call = self._call(action)
            at += _cells(call)
            if at > self.size.width - 1:
                pieces.append(("…", "muted"))
                break
            pieces += call
        return self.strip(pieces, self.size.width)

    def on_click(self, event: events.Click) -> None:
        inside, at = event.get_content_offset(self), cell_len(self._head()[0])
        for action in self._from():
            at += _cells(self._call(action))
            if inside and inside.x < at:
                self.post_message(CallChosen(action.slot))
                return

    def _head(self) -> Piece:
        if self._review is None:
            return "", ""
        decided, shown = len(self._review.actions) - len(self._review.undecided), self._from()
        hidden = HIDDEN if shown and shown[0].slot else ""
        return f"{self._decided(decided)}{hidden}", "warning" if decided else "muted"

    def _decided(self, decided: int) -> str:
        return f"{decided} of {len(self._review.actions)} decided  " if self._review else ""

    def _from(self) -> list[Action]:
        """The calls from the first one that leaves the shown one in view."""
        actions = list(self._review.actions) if self._review else []
        room = self.size.width - cell_len(self._decided(len(actions))) - 2  # for the mark of those that follow, too
        cells = [_cells(self._call(action)) for action in actions]

        def fits(start: int) -> bool:
            return sum(cells[start : self._slot + 1]) + (cell_len(HIDDEN) if start else 0) <= room

        start = next(filter(fits, range(self._slot)), self._slot)
        return actions[start:]

    def _call(self, action: Action) -> list[Piece]:
        decision = self._review.decisions.get(action.slot) if self._review else None
        glyph, word, style = labels.DECIDED[decision.answer.kind] if decision else ("○", "undecided", "muted")
        here = action.slot == self._slot
        word = f" {word}" if here or decision else ""
        return [
            ("▸" if here else " ", "accent"),
            (f"{action.number} {name_line(action.name, NAME)} ", "strong" if here else "muted"),
            (f"{glyph}{word}  ", style),
        ]


def _cells(pieces: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
