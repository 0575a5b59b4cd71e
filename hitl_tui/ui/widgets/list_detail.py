"""List and details, side by side: the base classes of every view that shows a list and the item under its cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from textual import events
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget

from hitl_tui.ui.messages import HintsChanged, KeyIgnored, Opened, ReadOn
from hitl_tui.ui.widgets.border_notes import REMARK_S, BorderNotes
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.styled_lines import ScrollSurface
from hitl_tui.ui.widgets.virtual_list import VirtualList

if TYPE_CHECKING:
    from hitl_tui.inbox import Changes
    from hitl_tui.ui.views import ViewContext


class DetailPane(Vertical):
    """The details of one item: a title on the upper border, and a text that scrolls by half its height."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.notes = BorderNotes(self)

    @property
    def text(self) -> ScrollSurface:
        """The text that the details keys scroll."""
        raise NotImplementedError

    def title(self) -> tuple[str, Sequence[str]]:
        """The title on the left, empty for none, and texts for the right, longest first: the first that fits is shown."""
        raise NotImplementedError

    def draw_title(self) -> None:
        """Draw the title for the present width."""
        left, choices = self.title()
        room = self.size.width - cell_len(left) - 6
        right = next((text for text in choices if cell_len(text) <= room - 2), "")
        rule = Content.styled(f" {'─' * max(1, room - cell_len(right))} " if right else "", "$edge")
        self.border_title = Content.assemble(Content.styled(left, "bold $text"), rule, Content.styled(right, "$text-muted"))

    def scroll_half(self, direction: int) -> None:
        """Scroll the text by half its height: 1 down, -1 up."""
        self.text.scroll_by_key(direction * max(1, self.text.size.height // 2))

    def read_on(self) -> None:
        """Scroll the text by a page."""
        self.text.action_page_down()

    def remark(self, text: str) -> bool:
        """Show for a moment why a key did nothing, or with an empty text no longer. False if there is no room for it."""
        return self.notes.remark(text)

    def on_resize(self) -> None:
        self.draw_title()


BOTH, PART, ITEMS = 18, 0.4, 2.5
"""On a narrow screen the details stand below every list where the view has so many rows, and this part of it shows so many items."""
STACKED = (0.5, 0.65)
"""Share of the height up to which a list in fewer rows has the details below it, and beyond which no longer."""
FEW_ROWS = (4, 8)
"""The same on a screen with room for both side by side, in rows: of so short a list the column would stay empty."""

L = TypeVar("L", bound=VirtualList[Any])
P = TypeVar("P", bound=DetailPane)


@dataclass(frozen=True, slots=True)
class Selection:
    """The review and the call that the queue shows, for views that tell about them."""

    review: int | None = None
    slot: int = 0


class ListDetail(Widget, Generic[L, P]):
    """A view: `class RunsView(ListDetail[RunsList, RunPane])`. A narrow screen has the details below a few rows of the list."""

    GROUPS: ClassVar[tuple[str, ...]]
    """The groups of commands it has actions for."""
    SHEET: ClassVar[Path | None] = None
    """Its style sheet, read when it is first shown; every rule in it names a class of its own."""

    items: L
    pane: P

    def __init__(self, context: ViewContext) -> None:
        super().__init__()
        self._inbox = context.inbox

    def put(self, on_screen: bool) -> None:
        """Put the view on the screen, or take it off.

        It is told of both by `Show` and `Hide`. Textual leaves out `Show` where something was scrolled meanwhile: then it may have looked
        up the places of all widgets, this one's too, before it lays them out, and takes it for one that was there.
        """
        comes, self.display = on_screen and not self.display, on_screen
        if comes:
            self.post_message(events.Show())

    def shown(self, selection: Selection) -> None:
        """It comes on the screen: read what is newest."""

    async def take(self, changes: Changes) -> None:
        """Take in rows that changed, whether it is on the screen or not."""

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        raise NotImplementedError

    @property
    def focus_target(self) -> Widget:
        """What has the keys when the view is shown."""
        raise NotImplementedError

    @property
    def detail_focus(self) -> Widget:
        """What has the keys in the details."""
        return self.pane.text

    @property
    def is_inside(self) -> bool:
        """Whether the person went into the details."""
        return self.has_class("-detail") or self.pane.has_focus_within

    @property
    def shows_details(self) -> bool:
        """Whether the details are on the screen."""
        return bool(self.classes & {"-detail", "-stacked"}) or not self.is_on("-one")

    def is_on(self, layout: str) -> bool:
        """Whether the main screen has a class of its size: `-one`, `-three`. False for a console that ends, which has no screen."""
        return any(screen.has_class(layout) for screen in self.app.screen_stack[:1])

    def on_opened(self, message: Opened) -> None:
        message.stop()
        self.enter()

    def on_read_on(self, message: ReadOn) -> None:
        message.stop()
        if self.pane.size.width:
            self.pane.read_on()
        else:
            self.enter()

    def enter(self) -> None:
        """Bring the details on the screen."""
        self.add_class("-detail")
        self.screen.set_focus(self.detail_focus)
        self.post_message(HintsChanged())

    def choose(self, place: int) -> bool:
        """Answer with one of the listed answers, from 0; whether there are any."""
        return False

    def say_why(self, reason: str) -> None:
        """Say why a key did nothing."""
        self.post_message(KeyIgnored(reason))

    def clear_filter(self) -> bool:
        """Show everything again; whether there was a filter."""
        return False

    def action_back(self) -> None:
        if not self.is_inside and (self.focus_target.has_focus or self.has_class("-empty")):
            if not self.clear_filter():
                self.say_why("there is nothing to go back to")
            return
        self.remove_class("-detail")
        self.screen.set_focus(self.focus_target)
        self.post_message(HintsChanged())

    def remark(self, text: str) -> None:
        """Show for a moment why a key did nothing, where the person looks."""
        self.call_after_refresh(self._show_remark, text)  # the key may have changed what that is

    def _show_remark(self, text: str) -> None:
        self.end_remark()
        place = self.pane if self.pane.size.width else self.items
        if not place.size.width or not place.remark(text):
            self.notify(text, timeout=REMARK_S, markup=False)

    def end_remark(self) -> None:
        """Remove what was said of the last key that did nothing."""
        self.pane.remark("")
        self.items.remark("")

    def action_scroll_details(self, direction: int) -> None:
        self.pane.scroll_half(direction)

    # Layout

    def on_mount(self) -> None:
        self.watch(self.items, "virtual_size", self._fit_panes)

    def on_resize(self) -> None:
        self._fit_panes()

    def on_show(self) -> None:
        self._fit_panes()  # rows may have come and gone while another view was shown

    def _fit_panes(self) -> None:
        """Show the details below the list on a narrow screen, or where most of the list's column would stay empty."""
        if not self.size.height:
            return
        rows, listed = self.items.virtual_size.height, PART * self.size.height - 2
        has_room = self.is_on("-one") and self.size.height >= BOTH and listed >= ITEMS * self.items.rows_each
        least, most = (share * self.size.height - 2 for share in STACKED) if self.is_on("-one") else FEW_ROWS
        limit = 0 if self.is_on("-three") else rows if has_room else most if self.has_class("-stacked") else least
        self.set_class(has_room, "-both")
        self.set_class(0 < rows <= limit, "-stacked")

    # Words

    @property
    def detail_hint(self) -> Hint:
        """The key into the details, or back."""
        return ("back", "back") if self.is_inside else ("open", "details")

    def find_hint(self, filter_command: str) -> Hint:
        """What `/` does now: filter the list, or search in the details."""
        return ("search", "search") if self.is_inside else (filter_command, "filter")

    def urgent_hints(self) -> list[Hint]:
        """What can only be done for a moment."""
        return []
