"""The last row of the screen: the keys that do something here and now. A click presses them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual import events
from textual.reactive import reactive
from textual.strip import Strip

from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import BY_ID, is_offered, shown_key
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

Hint = tuple[str, str]
"""Command id, and what it does here."""
Hints = tuple[Sequence[Hint], Sequence[Hint]]
"""Those on the left, and those on the right."""
PRESSING = frozenset({"undo"})
"""What can only be done now: bright, and the last to give way."""


class KeyBar(StyledWidget):
    """Hints of the view on the left, those of the app on the right."""

    hints: reactive[Hints] = reactive(((), ()))

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="keys")
        self._keymap = keymap
        self._places: list[tuple[int, int, str]] = []
        self._clicked: tuple[str | None, float] = (None, float("-inf"))
        """The command clicked last, and when."""

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        left, right = ([hint for hint in hints if is_offered(hint[0])] for hints in self.hints)
        pressing = int(bool(right) and right[0][0] in PRESSING)
        while len(right) > pressing + 1 and self._cells([*left, *right]) > width:
            right.pop(pressing)  # the last one, help, knows all the others
        while left and self._cells([*left, *right]) > width:
            left.pop()
        pieces: list[Piece] = []
        self._places, at = [], 0
        for hint in left:
            at = self._put(pieces, hint, at)
        room = max(0, width - at - self._cells(right))
        pieces.append((" " * room, ""))
        at += room
        for hint in right:
            at = self._put(pieces, hint, at)
        return self.strip(pieces, width)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        command = self._at(event.x)
        self.tooltip = BY_ID[command].about if command else None

    def on_click(self, event: events.Click) -> None:
        """Press the key that was clicked. The second half of a double click presses nothing: it would act on the next item."""
        from hitl_tui.ui.messages import CommandClicked

        command, before = self._at(event.x), self._clicked
        self._clicked = (command, event.time)
        is_second = command == before[0] and event.time - before[1] <= self.app.CLICK_CHAIN_TIME_THRESHOLD
        if command and not is_second and event.chain == 1:
            self.post_message(CommandClicked(command))

    def _at(self, x: int) -> str | None:
        return next((command for start, end, command in self._places if start <= x < end), None)

    def _put(self, pieces: list[Piece], hint: Hint, at: int) -> int:
        command, label = hint
        styles = ("title", "title") if command in PRESSING else ("accent", "muted")
        pieces += [(f" {shown_key(command, self._keymap)}", styles[0]), (f" {one_line(label, 40)} ", styles[1])]
        end = at + self._cells_of(hint)
        self._places.append((at, end, command))
        return end

    def _cells(self, hints: Sequence[Hint]) -> int:
        return sum(self._cells_of(hint) for hint in hints)

    def _cells_of(self, hint: Hint) -> int:
        return cell_len(shown_key(hint[0], self._keymap)) + cell_len(one_line(hint[1], 40)) + 3
