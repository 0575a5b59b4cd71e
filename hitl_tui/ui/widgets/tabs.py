"""A rule with tabs on it: names in a row, the chosen one bright; a click chooses."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.ui.messages import KeyIgnored, TabChosen
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget


class TabBar(StyledWidget):
    """The tabs of the text below it."""

    def __init__(self, tabs: Mapping[str, str], id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = dict(tabs)
        self.chosen = next(iter(tabs))
        self._places: list[tuple[int, str]] = []

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
        """Light up the tab so many further, round and round; its name. A key that finds no other tab is told."""
        names = list(self.tabs)
        if len(names) == 1:
            self.app.post_message(KeyIgnored("there is no other tab"))
        self.choose(names[(names.index(self.chosen) + by) % len(names)])
        return self.chosen

    def render_line(self, y: int) -> Strip:
        width, between = self.size.width, "──" if self._fits("──") else "─"
        shown, cut = self._window(width, between)
        pieces: list[Piece] = []
        self._places, at = [], 0
        for name, title in shown:
            rule = "─" if not pieces else between
            pieces += [(rule, "rule"), (f" {title} ", "title" if name == self.chosen else "muted")]
            at += len(rule) + cell_len(title) + 2
            self._places.append((at, name))
        if cut:
            pieces, at = [*pieces, ("─ … ", "muted")], at + 4
        return self.strip([*pieces, ("─" * max(0, width - at), "rule")], width)

    def on_click(self, event: events.Click) -> None:
        for end, name in self._places:
            if event.x < end:
                self.choose(name)
                self.post_message(TabChosen(name))
                return

    def _fits(self, between: str) -> bool:
        return sum(cell_len(title) + 2 + len(between) for title in self.tabs.values()) <= self.size.width

    def _window(self, width: int, between: str) -> tuple[list[tuple[str, str]], bool]:
        """As many tabs as there is room for, the chosen one among them; whether the last ones are cut off."""
        tabs = list(self.tabs.items())
        place = list(self.tabs).index(self.chosen)
        for start in range(place + 1):
            room, end = width, start
            while end < len(tabs) and (room := room - cell_len(tabs[end][1]) - 2 - len(between)) >= (4 if end + 1 < len(tabs) else 0):
                end += 1
            if end > place or start == place:
                return tabs[start : max(end, place + 1)], end < len(tabs)
        return tabs, False
