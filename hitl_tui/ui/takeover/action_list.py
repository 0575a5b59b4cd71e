"""The list of interventions on the takeover screen, each with its key and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.message import Message
from textual.strip import Strip

from hitl_tui.ui.commands import group, shown_key
from hitl_tui.ui.takeover.draft import LABELS, Intervention
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

INTERVENTIONS = tuple(Intervention)


@dataclass(frozen=True, slots=True)
class InterventionStatus:
    """Progress of one intervention."""

    progress: str = ""
    """What is planned, in a word or two."""
    unavailable: str = ""
    """Why it is not possible here; empty if it is."""
    invalid: bool = False
    """What is typed cannot be handed back."""


class InterventionList(StyledWidget, can_focus=True):
    """One row per intervention."""

    BINDINGS = group("list")

    @dataclass
    class Chosen(Message):
        """Another row is selected, or (`entered`) opened."""

        intervention: Intervention
        entered: bool

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__(id="interventions")
        self._keymap = keymap
        self._statuses: dict[Intervention, InterventionStatus] = {}
        self.chosen = INTERVENTIONS[0]

    def show(self, statuses: Mapping[Intervention, InterventionStatus]) -> None:
        """Show the progress of each intervention."""
        if statuses != self._statuses:
            self._statuses = dict(statuses)
            self.refresh()

    def choose(self, intervention: Intervention) -> None:
        """Select a row."""
        self.chosen = intervention
        self.refresh()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(INTERVENTIONS)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(INTERVENTIONS):
            return self.strip([], width)
        intervention = INTERVENTIONS[y]
        here, status = intervention == self.chosen, self._statuses.get(intervention, InterventionStatus())
        progress = " ✗ invalid " if status.invalid else f" ✓ {status.progress} " if status.progress else ""
        label = "muted" if status.unavailable else "strong" if here else ""
        pieces: list[Piece] = [
            ("▌" if here else " ", "accent"),
            (f"{shown_key(f'intervene_{intervention}', self._keymap)} ", "muted" if status.unavailable else "accent"),
            (
                fit(
                    LABELS[intervention] + (f" (not here: {status.unavailable})" if status.unavailable else ""),
                    width - 3 - cell_len(progress),
                ),
                label,
            ),
            (progress, "error" if status.invalid else "success"),
        ]
        return self.strip(pieces, width, marked=here and self.has_focus)

    def action_move(self, by: int) -> None:
        self._to(max(0, min(INTERVENTIONS.index(self.chosen) + by, len(INTERVENTIONS) - 1)))

    def action_page(self, direction: int) -> None:
        self.action_move(direction * len(INTERVENTIONS))

    def action_first(self) -> None:
        self._to(0)

    def action_last(self) -> None:
        self._to(len(INTERVENTIONS) - 1)

    def action_open(self) -> None:
        self.post_message(self.Chosen(self.chosen, entered=True))

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        if inside is not None and inside.y < len(INTERVENTIONS):
            self._to(inside.y)
            self.action_open()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def _to(self, place: int) -> None:
        self.choose(INTERVENTIONS[place])
        self.post_message(self.Chosen(self.chosen, entered=False))
