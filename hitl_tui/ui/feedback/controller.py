"""Rating by key: the first press rates, the same key again asks for a comment, another key replaces or removes the rating."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from textual.widget import Widget

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Rating, Subject
from hitl_tui.sanitize import visible
from hitl_tui.ui.commands import active_key
from hitl_tui.ui.messages import RowsChanged
from hitl_tui.ui.runs.trace import SAID
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.widgets.key_bar import Hint

if TYPE_CHECKING:
    from hitl_tui.ui.feedback.messages_dialog import MessagesScreen

Step = Literal[-1, 0, 1]
"""What a key does: 0 removes the rating."""
RATING_HINTS: tuple[Hint, ...] = (("rate_up", "thumbs up"), ("rate_down", "thumbs down"))
MESSAGE_HINT: Hint = ("rate_message", "rate a message")


class RatingController:
    """Rates for one view, and keeps comments that were typed and not saved."""

    def __init__(self, owner: Widget, inbox: Inbox, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._inbox = inbox
        self._clock = clock
        self._messages: MessagesScreen | None = None
        """The dialog that lists a run's messages, while it is open."""
        self._drafts: dict[tuple[Subject, int], str] = {}
        self._pending: dict[Subject, Rating] = {}
        """Ratings being stored: the next key may come before they are."""

    def press(self, subject: Subject, about: str, rating: Step) -> None:
        """Handle a rating key; `about` names the subject, as in "send_email of r12"."""
        try:
            if rating == 0:
                start_worker(self._owner, "send", self._remove, subject, about)
            elif self._is_rated(subject, rating):
                start_worker(self._owner, DIALOG_GROUP, self._comment, subject, about, rating)
            else:
                self._pending[subject] = rating
                start_worker(self._owner, "send", self._rate, subject, about, rating)
        except store_errors() as error:
            report(self._owner, error)

    def choose_message(self, run: int) -> None:
        """Open the dialog that lists a run's messages."""
        start_worker(self._owner, DIALOG_GROUP, self._choose_message, run)

    def _is_rated(self, subject: Subject, rating: Rating) -> bool:
        if subject in self._pending:
            return self._pending[subject] == rating
        mine = self._inbox.feedback.mine(subject)
        return mine is not None and mine.rating == rating

    async def _choose_message(self, run: int) -> None:
        from hitl_tui.ui.feedback.messages_dialog import MessagesScreen

        try:
            messages = [event for event in await self._inbox.runs.trace(run) if event.kind in SAID]
            viewer = Viewer(self._inbox.reviewer, self._clock())
            self._messages = MessagesScreen(run, messages, await self._inbox.feedback.of_run(run), viewer, self.press)
            await ask(self._owner, self._messages)
        except store_errors() as error:
            report(self._owner, error)
        finally:
            self._messages = None

    async def _rate(self, subject: Subject, about: str, rating: Rating) -> None:
        try:
            await self._inbox.feedback.rate(subject, rating)
            await self._notify(subject, f"{labels.RATINGS[rating][1]} on {about}; the same key again adds a comment")
        except Refused as error:
            other = f"; {active_key(self._owner.app, 'rate_message')} rates the messages of its run" if subject.review is not None else ""
            report(self._owner, Refused(error.happened, f"{error.todo}{other}"))
        except store_errors() as error:
            report(self._owner, error)
        finally:
            if self._pending.get(subject) == rating:
                del self._pending[subject]

    async def _remove(self, subject: Subject, about: str) -> None:
        try:
            await self._inbox.feedback.withdraw(subject)
            await self._notify(subject, f"your rating of {about} is removed")
        except store_errors() as error:
            report(self._owner, error)

    async def _comment(self, subject: Subject, about: str, rating: Rating) -> None:
        from hitl_tui.ui.feedback.comment_dialog import CommentScreen

        try:
            mine = self._inbox.feedback.mine(subject)
            given = f"{', '.join(mine.tags)}\n{mine.comment}" if mine and mine.rating == rating else "\n"
            while True:
                screen = CommentScreen(f"{labels.RATINGS[rating][1].capitalize()} on {about}", self._drafts.pop((subject, rating), given))
                said = await ask(self._owner, screen)
                if said is None:
                    self._drafts[subject, rating] = screen.draft
                    return
                if await self._stored(subject, rating, *said):
                    await self._notify(subject, f"{labels.RATINGS[rating][1]} on {about}, with a comment")
                    return
                self._drafts[subject, rating] = screen.draft
        except store_errors() as error:
            report(self._owner, error)

    async def _stored(self, subject: Subject, rating: Rating, comment: str, tags: str) -> bool:
        """Whether the comment was saved; if not, the reason is shown and the caller asks again."""
        try:
            await self._inbox.feedback.rate(subject, rating, comment, [tags])
        except Refused as error:
            report(self._owner, error)
            return False
        return True

    async def _notify(self, subject: Subject, text: str) -> None:
        self._owner.notify(visible(text), timeout=3, markup=False)
        self._owner.post_message(RowsChanged())
        if self._messages:
            self._messages.show_ratings(await self._inbox.feedback.of_run(subject.run))
