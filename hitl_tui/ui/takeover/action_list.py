"""The six things a person can do in the agent's place, each with its key, and what is done so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip

from hitl_tui.ui.commands import group, shown_key
from hitl_tui.ui.takeover.draft import LABELS, Way
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

WAYS = tuple(Way)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one way stands."""

    done: str = ""
    closed: bool = False
    """It cannot be gone here."""
    wrong: bool = False
    """What is typed cannot be handed back."""


class WaysList(StyledWidget, can_focus=True):
    """One row a way."""

    BINDINGS = group("list")

    @dataclass
    class Chosen(Message):
        """Another way is shown, or (`entered`) gone into."""

        way: Way
        entered: bool

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="ways")
        self._keymap = keymap
        self._standings: dict[Way, Standing] = {}
        self.chosen = WAYS[0]

    def show(self, standings: Mapping[Way, Standing]) -> None:
        """Say where each way stands."""
        if standings != self._standings:
            self._standings = dict(standings)
            self.refresh()

    def choose(self, way: Way) -> None:
        """Light up a way."""
        self.chosen = way
        self.refresh()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(WAYS)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(WAYS):
            return self.strip([], width)
        way = WAYS[y]
        here, stands = way == self.chosen, self._standings.get(way, Standing())
        said = " ✗ not right yet " if stands.wrong else f" ✓ {stands.done} " if stands.done else ""
        label = "muted" if stands.closed else "strong" if here else ""
        pieces: list[Piece] = [
            ("▌" if here else " ", "accent"),
            (f"{shown_key(f'way_{way}', self._keymap)} ", "muted" if stands.closed else "accent"),
            (fit(LABELS[way] + (" (not here)" if stands.closed else ""), width - 3 - cell_len(said)), label),
            (said, "error" if stands.wrong else "success"),
        ]
        return self.strip(pieces, width, marked=here and self.has_focus)

    def action_move(self, by: int) -> None:
        self._to(max(0, min(WAYS.index(self.chosen) + by, len(WAYS) - 1)))

    def action_page(self, direction: int) -> None:
        self.action_move(direction * len(WAYS))

    def action_first(self) -> None:
        self._to(0)

    def action_last(self) -> None:
        self._to(len(WAYS) - 1)

    def action_open(self) -> None:
        self.post_message(self.Chosen(self.chosen, entered=True))

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is not None and inside.y < len(WAYS):
            self._to(inside.y)
            self.action_open()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def _to(self, place: int) -> None:
        self.choose(WAYS[place])
        self.post_message(self.Chosen(self.chosen, entered=False))
