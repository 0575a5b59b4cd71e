"""A list and, beside it, the details of what its cursor is on: the way into them and back, the same in all views."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from textual.widget import Widget

from hitl_tui.ui.messages import HintsChanged, Opened
from hitl_tui.ui.widgets.key_bar import Hint


class Pane(Protocol):
    """Where the details are."""

    @property
    def has_focus_within(self) -> bool:
        """Whether the keys are in them."""

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height."""


P = TypeVar("P", bound=Pane)


class ListAndDetails(Widget, Generic[P]):
    """What a view is besides its layout: `RunsView(Horizontal, ListAndDetails[RunPane])`. A small screen has room for one of the two."""

    pane: P

    @property
    def first(self) -> Widget:
        """What has the keys when the view is shown."""
        raise NotImplementedError

    @property
    def text(self) -> Widget:
        """What has the keys in the details."""
        raise NotImplementedError

    @property
    def is_inside(self) -> bool:
        """Whether the person went into the details."""
        return self.has_class("-detail") or self.pane.has_focus_within

    def on_opened(self, message: Opened) -> None:
        message.stop()
        self.enter()

    def enter(self) -> None:
        """Bring the details on the screen."""
        self.add_class("-detail")
        self.screen.set_focus(self.text)
        self.post_message(HintsChanged())

    def action_back(self) -> None:
        self.remove_class("-detail")
        self.screen.set_focus(self.first)
        self.post_message(HintsChanged())

    def action_scroll_details(self, direction: int) -> None:
        self.pane.scroll_half(direction)

    # Words

    @property
    def way(self) -> Hint:
        """The key into the details, or back."""
        return ("back", "back") if self.is_inside else ("open", "details")

    def pressing(self) -> list[Hint]:
        """What can only be done for a moment."""
        return []
