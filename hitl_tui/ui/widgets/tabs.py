"""A rule with tabs on it: names in a row, the chosen one bright; a click chooses."""

from __future__ import annotations

from collections.abc import Mapping

from rich.cells import cell_len
from textual import events
from textual.strip import Strip

from hitl_tui.ui.messages import KeyIgnored, TabChosen
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

LEAD = "─ "
FORMS = ((False, " ── "), (False, " ─ "), (True, " ─ "), (True, "  "))
"""Whether titles are short, and what stands between them: the more room, the earlier."""


class TabBar(StyledWidget):
    """The tabs of the text below it."""

    def __init__(self, tabs: Mapping[str, str], id: str | None = None) -> None:
        super().__init__(id=id)
        self.tabs = dict(tabs)
        self._short: Mapping[str, str] = {}
        self.chosen = next(iter(tabs))
        self._places: list[tuple[int, str]] = []

    def retitle(self, tabs: Mapping[str, str], short: Mapping[str, str] | None = None) -> None:
        """Other titles, or other tabs; the chosen one stays when it is still there. `short` are titles for where there is little room."""
        self.tabs, self._short = dict(tabs), short or {}
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
        width = self.size.width
        titles, between = self._fitting(width)
        shown, cut = self._window(titles, width, between)
        pieces: list[Piece] = [(LEAD, "rule")]
        self._places, at = [], len(LEAD)
        for place, (name, title) in enumerate(shown):
            gap = between if place else ""
            pieces += [(gap, "rule"), (title, "title" if name == self.chosen else "muted")]
            at += len(gap) + cell_len(title)
            self._places.append((at + 1, name))
        if cut:
            pieces, at = [*pieces, (" ─ …", "muted")], at + 4
        return self.strip([*pieces, (" ", ""), ("─" * max(0, width - at - 1), "rule")], width)

    def on_click(self, event: events.Click) -> None:
        for end, name in self._places:
            if event.x < end:
                self.choose(name)
                self.post_message(TabChosen(name))
                return

    def _fitting(self, width: int) -> tuple[dict[str, str], str]:
        """The titles, and what stands between them: the first of `FORMS` that fits, else the last."""
        titles, between = self.tabs, ""
        for is_short, between in FORMS:
            titles = {name: self._short.get(name, title) for name, title in self.tabs.items()} if is_short else self.tabs
            if len(LEAD) + sum(map(cell_len, titles.values())) + len(between) * (len(titles) - 1) + 1 <= width:
                break
        return titles, between

    def _window(self, titles: Mapping[str, str], width: int, between: str) -> tuple[list[tuple[str, str]], bool]:
        """As many tabs as there is room for, the chosen one among them; whether the last ones are cut off."""
        tabs = list(titles.items())
        place = list(titles).index(self.chosen)
        for start in range(place + 1):
            room, end = width - len(LEAD) + len(between) - 1, start
            while end < len(tabs) and (room := room - cell_len(tabs[end][1]) - len(between)) >= (4 if end + 1 < len(tabs) else 0):
                end += 1
            if end > place or start == place:
                return tabs[start : max(end, place + 1)], end < len(tabs)
        return tabs, False
