"""A scrollable surface whose widgets draw their own rows and say how many there are."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView

from hitl_tui.ui.widgets.styled_lines import Inked


class Paper(Inked, ScrollView, can_focus=True):
    """Scrolls at once, never by animation: what a person asked for is there with the next frame."""

    DEFAULT_CSS = """
    Paper { overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    """

    def measure(self, rows: int) -> None:
        """Say how many rows there are."""
        self.virtual_size = Size(self.size.width, rows)
        self._scroll_update(self.virtual_size)  # as Textual's own OptionList does: else scrollbar and limits stay as they were

    def action_scroll_down(self) -> None:
        self.scroll_relative(y=1, animate=False)

    def action_scroll_up(self) -> None:
        self.scroll_relative(y=-1, animate=False)

    def action_page_down(self) -> None:
        self.scroll_relative(y=max(1, self.size.height - 1), animate=False)

    def action_page_up(self) -> None:
        self.scroll_relative(y=-max(1, self.size.height - 1), animate=False)

    def action_scroll_home(self) -> None:
        self.scroll_to(y=0, animate=False)

    def action_scroll_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False)
