"""Search in a text: an input line at the text's foot, which finds while one types."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.errors import HitlError
from hitl_tui.ui.dialogs.base import edit_focused
from hitl_tui.ui.runtime.key_queue import KeyQueueScreen
from hitl_tui.ui.widgets.text_view import TextView


class SearchScreen(KeyQueueScreen[None]):
    """Covers only the last row of the text, which tells of the search. Enter keeps the hits, escape ends the search."""

    CSS = """
    SearchScreen {
        background: $background 0%;
        #search { height: 1; background: $panel; }
        #search Static { width: auto; color: $text-accent; padding: 0 1; }
        #search Input { width: 1fr; height: 1; border: none; padding: 0; background: $field-focus; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "end", show=False),
        Binding("ctrl+s", "submit", "keep", show=False, priority=True),
        Binding("ctrl+e", "outside", "$EDITOR", show=False, priority=True),
        Binding("down", "next_hit(1)", "next hit", show=False),
        Binding("up", "next_hit(-1)", "previous hit", show=False),
    ]

    def __init__(self, view: TextView) -> None:
        super().__init__()
        self._view = view
        self._origin, self._scrolled = view.top, view.scroll_offset.y

    def compose(self) -> ComposeResult:
        with Horizontal(id="search"):
            yield Static("/")
            yield Input(self._view.searched)
            yield Static(id="hits")

    def on_mount(self) -> None:
        self._place()
        self.watch(self._view, "hits_told", self._tell)

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._place)  # what is below is laid out first

    def _place(self) -> None:
        region, row = self._view.region, self.query_one("#search")
        row.styles.width, row.styles.offset = region.width, (region.x, region.bottom - 1)

    def _tell(self, hits: str) -> None:
        self.query_one("#hits", Static).update(Content(hits or "enter keeps, esc ends"))

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.value != self._view.searched:
            self._view.find(event.value, self._origin)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_submit()

    def action_submit(self) -> None:
        """Keep the hits."""
        self.dismiss()

    def action_outside(self) -> None:
        try:
            edit_focused(self)
        except HitlError as error:
            self._tell(error.happened)

    def action_next_hit(self, by: int) -> None:
        self._view.action_next_hit(by)

    def action_back(self) -> None:
        """End the search where it began."""
        self._view.find("")
        self._view.scroll_to(y=self._scrolled, animate=False)
        self.dismiss()
