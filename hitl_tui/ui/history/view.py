"""F3: what was decided, newest first and searched while one types, and the decision under the cursor as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from textual import work
from textual.app import ComposeResult

from hitl_tui.inbox import Inbox
from hitl_tui.model import Remembered, Subject
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import group
from hitl_tui.ui.feedback.controller import MESSAGE, PRESS, RatingController, Step
from hitl_tui.ui.history.list import HistoryList
from hitl_tui.ui.history.pane import HistoryPane
from hitl_tui.ui.history.render import none_lines
from hitl_tui.ui.messages import HintsChanged
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.widgets.key_bar import Hint
from hitl_tui.ui.widgets.list_detail import ListDetail
from hitl_tui.ui.widgets.text_view import TextView
from hitl_tui.ui.widgets.virtual_list import SortedIds

PAGE = 50
"""Decisions read at once."""
STILL_S = 0.04
"""How long no key is pressed before what was typed is looked for."""


class HistoryView(ListDetail[HistoryPane]):
    """Shows what was decided. Nothing here changes it; thumbs say what somebody thinks of it."""

    BINDINGS = group("history", "thumbs", "pane")

    def __init__(self, inbox: Inbox, clock: Callable[[], float]) -> None:
        super().__init__(id="history-view")
        self._inbox = inbox
        self._whole = False
        self._reading = False
        self._loaded = False
        self.items = HistoryList(inbox.history.rows, self._moved, self._more, inbox.reviewer, clock)
        self.pane = HistoryPane(inbox.reviewer, clock)
        self._rating = RatingController(self, inbox, clock)

    def compose(self) -> ComposeResult:
        yield self.items
        yield self.pane
        yield TextView(id="no-history", classes="empty-page")

    def on_mount(self) -> None:
        self.query_one("#no-history", TextView).show(none_lines())
        self.set_interval(1, self.items.refresh)

    @property
    def focus_target(self) -> HistoryList | TextView:
        """What has the keys when the view is shown."""
        return self.query_one("#no-history", TextView) if self.has_class("-empty") else self.items

    # Rows coming in

    @work(group="history", exclusive=True)
    @reports_errors
    async def load(self) -> None:
        """Read what is newest now."""
        await self.follow()

    async def follow(self) -> None:
        """Take in what was decided or taken back since."""
        wanted = self.items.filter
        page = await self._inbox.history.search(wanted, limit=PAGE)
        order = self.items.order
        if wanted != self.items.filter:
            return  # another filter is being looked for
        if not self._loaded or not len(order) or (len(page) == PAGE and page[-1].decision > order.at(0)):
            self._show(wanted, page)
        else:
            self.items.apply({row.decision: row for row in page})
            await self._refresh([id_ for id_ in self.items.rows if page and id_ < page[-1].decision])
            self._say()
        if self.items.cursor is not None:
            self._read(self.items.cursor)

    async def _refresh(self, ids: Sequence[int]) -> None:
        """What is further down may have been taken back too."""
        self.items.rows |= {row.decision: row for row in await self._inbox.history.rows(ids)}
        self.items.refresh()

    def _show(self, wanted: str, page: Sequence[Remembered]) -> None:
        """Show the first page of what fits."""
        items = self.items
        self._loaded, self._whole = True, len(page) < PAGE
        items.filter, items.rows = wanted, {row.decision: row for row in page}
        items.load(SortedIds(sorted(row.decision for row in page), newest_first=True))
        self._say()

    def _more(self) -> None:
        """The end of what was read comes near."""
        if self._loaded and not self._whole and not self._reading:
            self._reading = True
            self._read_on()

    @work(group="page")
    @reports_errors
    async def _read_on(self) -> None:
        items = self.items
        try:
            while not self._whole and items.near_end and len(items.order):
                order, last = items.order, items.order.at(len(items.order) - 1)
                page = await self._inbox.history.search(items.filter, last, PAGE)
                if order is items.order:  # else another filter was chosen meanwhile
                    self._whole = len(page) < PAGE
                    items.apply({row.decision: row for row in page})
                    self._say()
        finally:
            self._reading = False

    def _say(self) -> None:
        """Say over the list how many it has, and what they fit."""
        items = self.items
        count = f"{len(items.order):,}{'' if self._whole else '+'}"
        filtered = f"  /{one_line(items.filter, 20)}" if items.filter else ""
        items.border_title = f"History  {count}{filtered}".replace("[", "\\[")
        had_focus = self.has_focus_within
        self.set_class(not len(items.order) and not items.filter, "-empty")
        if had_focus and self.focus_target.display and not self.focus_target.has_focus and not self.pane.has_focus_within:
            self.screen.set_focus(self.focus_target)
        self.post_message(HintsChanged())

    # The decision under the cursor

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

    def action_tab(self, by: int) -> None:
        self.pane.step_tab(by)

    def action_rate(self, thumb: Step) -> None:
        row = self.items.rows.get(self.items.cursor) if self.items.cursor is not None else None
        if row is None:
            return
        if not row.standing:
            self.notify("it was taken back or decided anew: a thumb is on what stands", timeout=3, markup=False)
            return
        self._rating.press(Subject(row.run, row.review, row.slot), f"{one_line(row.tool, 40)} of r{row.run}", thumb)

    def action_rate_message(self) -> None:
        row = self.items.rows.get(self.items.cursor) if self.items.cursor is not None else None
        if row is not None:
            self._rating.pick(row.run)

    # The filter

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_filter(self) -> None:
        from hitl_tui.ui.dialogs.filter import FilterScreen

        before = self.items.filter
        wanted = await ask(self, FilterScreen("history", before, self._try))
        self._look(before if wanted is None else wanted)

    def _try(self, wanted: str) -> None:
        self._look(wanted)

    @work(group="history", exclusive=True)
    @reports_errors
    async def _look(self, wanted: str) -> None:
        """Look for what was typed last; a key that follows puts an end to it."""
        await asyncio.sleep(STILL_S)
        if wanted != self.items.filter:
            self._show(wanted, await self._inbox.history.search(wanted, limit=PAGE))

    # Words

    def hints(self) -> list[Hint]:
        """The keys that do something now."""
        if self.has_class("-empty"):
            return []
        return [self.detail_hint, ("filter_history", "filter"), *PRESS, ("next_tab", "next tab"), MESSAGE]
