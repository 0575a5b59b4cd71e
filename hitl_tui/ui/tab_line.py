"""A rule with tabs on it: names in a row, the chosen one bright; a click chooses."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.ui.ink import Inked, Piece
from hitl_tui.ui.messages import TabChosen


class TabLine(Inked):
    """The tabs of the text below it."""

    def __init__(self, tabs: Mapping[str, str], id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = dict(tabs)
        self.chosen = next(iter(tabs))

    def retitle(self, tabs: Mapping[str, str]) -> None:
        """Other titles, or other tabs; the chosen one stays when it is still there."""
        self.tabs = dict(tabs)
        if self.chosen not in self.tabs:
            self.chosen = next(iter(self.tabs))
        self.refresh()

    def choose(self, name: str) -> None:
        """Light up a tab."""
        self.chosen = name
        self.refresh()

    def step(self, by: int) -> str:
        """Light up the tab so many further, round and round; its name."""
        names = list(self.tabs)
        self.choose(names[(names.index(self.chosen) + by) % len(names)])
        return self.chosen

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        pieces: list[Piece] = []
        for name, title in self.tabs.items():
            pieces += [("─" if not pieces else "──", "rule"), (f" {title} ", "title" if name == self.chosen else "muted")]
        used = sum(cell_len(text) for text, _ in pieces)
        return self.strip([*pieces, ("─" * max(0, width - used), "rule")], width)

    def on_click(self, event: events.Click) -> None:
        at = 0
        for name, title in self.tabs.items():
            at += cell_len(title) + (3 if not at else 4)
            if event.x < at:
                self.choose(name)
                self.post_message(TabChosen(name))
                return
