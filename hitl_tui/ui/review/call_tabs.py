"""The calls of one review in a row, each with its state; the one that is shown large is bright."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.argument_text import name_line
from hitl_tui.model import Action, Review
from hitl_tui.ui.messages import CallChosen
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import fit_name
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

NAME = 18
WHOLE_NAME, SHORT_NAME = 60, 9
"""Cells of a name where there is little room."""
HIDDEN = "… "
"""Stands for calls before the first that is shown, and after the last."""


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
        return self.strip([piece for pieces, _ in self._drawn() for piece in pieces], self.size.width)

    def on_click(self, event: events.Click) -> None:
        inside, at = event.get_content_offset(self), 0
        for pieces, slot in self._drawn():
            at += _cells(pieces)
            if inside and inside.x < at:
                if slot is not None:
                    self.post_message(CallChosen(slot))
                return

    def _drawn(self) -> list[tuple[list[Piece], int | None]]:
        """What the row holds, each with the call that a click on it shows.

        Where there is too little room, the calls of a tool stand behind its name, without the words beside the marks; then the number of
        decided ones goes, then the middle of long names, then calls.
        """
        if self._review is None:
            return []
        actions, room = list(self._review.actions), self.size.width
        names = [name_line(action.name, NAME) for action in actions]
        decided = len(actions) - len(self._review.undecided)
        head: list[Piece] = [(f"{decided} of {len(actions)} decided  ", "warning" if decided else "muted")]
        named = [(self._call(action, name, True), action.slot) for action, name in zip(actions, names, strict=True)]
        short = self._by_tool(actions, names)
        shortest = self._by_tool(actions, [fit_name(name_line(action.name, WHOLE_NAME), SHORT_NAME) for action in actions])
        for first, calls in ((head, named), (head, short), ([], short), ([], shortest)):
            if _cells(first) + sum(_cells(pieces) for pieces, _ in calls) <= room:
                return [(first, None), *calls]
        return self._part_of(named, room)

    def _by_tool(self, actions: Sequence[Action], names: Sequence[str]) -> list[tuple[list[Piece], int]]:
        """The calls, each tool's behind its name."""
        calls: list[tuple[list[Piece], int]] = []
        for action, name, before in zip(actions, names, ["", *names], strict=False):
            is_here = name == names[self._slot]
            heading: list[Piece] = [(f"{name} ", "strong" if is_here else "muted")] if name != before else []
            calls.append(([*heading, *self._call(action, "", False)], action.slot))
        return calls

    def _part_of(self, calls: list[tuple[list[Piece], int]], room: int) -> list[tuple[list[Piece], int | None]]:
        """As many calls as fit, with the shown one among them."""
        room -= cell_len(HIDDEN)  # for the mark of those that follow
        here = next(place for place, (_, slot) in enumerate(calls) if slot == self._slot)

        def fits(start: int) -> bool:
            return sum(_cells(pieces) for pieces, _ in calls[start : here + 1]) + (cell_len(HIDDEN) if start else 0) <= room

        start = next(filter(fits, range(here)), here)
        drawn: list[tuple[list[Piece], int | None]] = [([(HIDDEN, "muted")], calls[start - 1][1])] if start else []
        for pieces, slot in calls[start:]:
            if slot != self._slot and sum(_cells(one) for one, _ in drawn) + _cells(pieces) > room:
                return [*drawn, ([(HIDDEN, "muted")], slot)]
            drawn.append((pieces, slot))
        return drawn

    def _call(self, action: Action, name: str, worded: bool) -> list[Piece]:
        decision = self._review.decisions.get(action.slot) if self._review else None
        glyph, word, style = labels.DECIDED[decision.answer.kind] if decision else ("○", "undecided", "muted")
        here = action.slot == self._slot
        word = f" {word}" if here or (decision and worded) else ""
        return [
            ("▸" if here else " ", "accent"),
            (f"{action.number} {name} " if name else f"{action.number} ", "strong" if here else "muted"),
            (f"{glyph}{word}  ", style),
        ]


def _cells(pieces: list[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)
