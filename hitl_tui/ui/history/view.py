"""F3, the history view: past decisions, newest first, with a filter that searches as you type, and the selected one in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textual import work
from textual.app import ComposeResult

from hitl_tui.argument_text import name_line
from hitl_tui.inbox import Changes
from hitl_tui.model import HistoryRow, Subject
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import group
from hitl_tui.ui.feedback.controller import MESSAGE_HINT, RATING_HINTS, RatingController, Step
from hitl_tui.ui.history.list import HistoryList
from hitl_tui.ui.history.pane import HistoryPane
from hitl_tui.ui.history.render import no_history_lines
from hitl_tui.ui.messages import HintsChanged
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.views import ViewContext
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail, Selection
from hitl_tui.ui.widgets.text_view import TextView
from hitl_tui.ui.widgets.virtual_list import SortedIds

NO_DECISION = "there is no decision here"
PAGE = 50
"""Decisions read at once."""


class HistoryView(ListDetail[HistoryList, HistoryPane]):
    """Shows past decisions. They cannot be changed here, only rated."""

    GROUPS = ("history", "ratings", "pane")
    SHEET = Path(__file__).with_name("history.tcss")
    BINDINGS = group(*GROUPS)

    def __init__(self, context: ViewContext) -> None:
        super().__init__(context)
        inbox, clock = context.inbox, context.clock
        self._typed_filter = ""
        self._reading = False
        self._loaded = False
        self.items = HistoryList(inbox.history.rows, self._moved, self._need_more, inbox.reviewer, clock)
        self.items.is_complete = False
        self.pane = HistoryPane(inbox.reviewer, clock)
        self._rating = RatingController(self, inbox, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-history", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-history", TextView).show(no_history_lines())
        self.set_interval(1, self.items.refresh)

    @property
    def focus_target(self) -> HistoryList | TextView:
        """What takes the focus when the view is shown."""
        return self.query_one("#no-history", TextView) if self.has_class("-empty") else self.items

    # Reading

    def shown(self, selection: Selection) -> None:
        self.load()

    async def take(self, changes: Changes) -> None:
        if self.display and (changes.reviews or not changes.whole):
            await self.follow()

    @work(group="history", exclusive=True)
    @reports_errors
    async def load(self) -> None:
        """Read the newest decisions."""
        await self.follow()

    async def follow(self) -> None:
        """Read what was decided or undone since."""
        wanted = self.items.filter
        page = await self._inbox.history.search(wanted, limit=PAGE)
        order = self.items.order
        if wanted != self.items.filter:
            return  # another filter is being searched
        if not self._loaded or not len(order) or (len(page) == PAGE and page[-1].decision > order.at(0)):
            self._show(wanted, page)
        else:
            self.items.apply({row.decision: row for row in page})
            await self._refresh([id_ for id_ in self.items.rows if page and id_ < page[-1].decision])
            self._draw_title()
        if self.items.cursor is not None:
            self._read(self.items.cursor)

    async def _refresh(self, ids: Sequence[int]) -> None:
        """Read rows further down again; they may have been undone."""
        self.items.rows |= {row.decision: row for row in await self._inbox.history.rows(ids)}
        self.items.refresh()

    def _show(self, wanted: str, page: Sequence[HistoryRow]) -> None:
        """Show the first page that matches a filter."""
        items = self.items
        self._loaded, items.is_complete = True, len(page) < PAGE
        items.filter, items.rows = wanted, {row.decision: row for row in page}
        items.load(SortedIds(sorted(row.decision for row in page), newest_first=True))
        self._draw_title()

    def _need_more(self) -> None:
        """Read the next page, for the end of the list comes near."""
        if self._loaded and not self.items.is_complete and not self._reading:
            self._reading = True
            self._read_on()

    @work(group="page")
    @reports_errors
    async def _read_on(self) -> None:
        items = self.items
        try:
            while not items.is_complete and items.near_end and len(items.order):
                order, last = items.order, items.order.at(len(items.order) - 1)
                page = await self._inbox.history.search(items.filter, last, PAGE)
                if order is items.order:  # else another filter was chosen meanwhile
                    items.is_complete = len(page) < PAGE
                    items.apply({row.decision: row for row in page})
                    self._draw_title()
        finally:
            self._reading = False

    def _draw_title(self) -> None:
        """Show count and filter above the list, or the page for an empty history."""
        items = self.items
        count = f"{len(items.order):,}{'' if items.is_complete else '+'}"
        filtered = f"  /{one_line(items.filter, 20)}" if items.filter else ""
        items.border_title = f"History  {count}{filtered}".replace("[", "\\[")
        had_focus = self.has_focus_within
        self.set_class(not len(items.order) and not items.filter, "-empty")
        if had_focus and self.focus_target.display and not self.focus_target.has_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.focus_target)
        self.post_message(HintsChanged())

    # The selected decision

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        self.pane.wait(self.items.rows.get(id_) if id_ is not None else None)
        if id_ is not None:
            self._read(id_)
        self.post_message(HintsChanged())

    @work(group="entry", exclusive=True)
    @reports_errors
    async def _read(self, id_: int) -> None:
        entry = await self._inbox.history.get(id_)
        if id_ == self.items.cursor:
            self.pane.show(entry)

    @property
    def _selected(self) -> HistoryRow | None:
        """The row under the cursor, once it is loaded."""
        return self.items.rows.get(self.items.cursor) if self.items.cursor is not None else None

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    def action_rate(self, rating: Step) -> None:
        row = self._selected
        if row is None:
            self.say_why(NO_DECISION)
            return
        if not row.in_force:
            self.say_why("this decision was undone or replaced; rate the one that counts")
            return
        self._rating.press(Subject(row.run, row.review, row.slot), f"{name_line(row.tool, 40)} of r{row.run}", rating)

    def action_rate_message(self) -> None:
        if row := self._selected:
            self._rating.choose_message(row.run)
        else:
            self.say_why(NO_DECISION)

    # The filter

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_filter(self) -> None:
        from hitl_tui.ui.dialogs.filter import FilterScreen

        before = self.items.filter
        screen = FilterScreen("history", before, self._typed_filter, self.filter_by, self._inbox.reviews.filter_values)
        wanted = await ask(self, screen)
        self._typed_filter = screen.draft if wanted is None else ""
        self._search(before if wanted is None else wanted)

    def filter_by(self, wanted: str) -> None:
        """Show what matches a filter."""
        self._search(wanted)

    def clear_filter(self) -> bool:
        """Show all decisions again; whether there was a filter."""
        if not self.items.filter:
            return False
        self._search("")
        return True

    @work(group="history", exclusive=True)
    @reports_errors
    async def _search(self, wanted: str) -> None:
        """Show what matches a filter."""
        if wanted != self.items.filter or not self._loaded:
            self._show(wanted, await self._inbox.history.search(wanted, limit=PAGE))
        else:
            await self.follow()

    def hints(self) -> list[Hint]:
        """The keys that work now."""
        if self.has_class("-empty"):
            return []
        clear: list[Hint] = [("back", "clear filter")] if self.items.filter and not self.is_inside else []
        find = self.find_hint("filter_history")
        return [*clear, self.detail_hint, find, *RATING_HINTS, ("next_tab", "next tab"), MESSAGE_HINT]
