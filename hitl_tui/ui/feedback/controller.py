"""From a key to a thumb: the first press gives it, the same key again asks for words, another one replaces it or takes it back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from textual.app import App
from textual.widget import Widget

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Subject, Thumb
from hitl_tui.sanitize import visible
from hitl_tui.ui.commands import SHOWN
from hitl_tui.ui.messages import RowsChanged
from hitl_tui.ui.runs.trace import SAID
from hitl_tui.ui.runtime.errors import STORE_ERRORS, report
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.widgets.key_bar import Hint

if TYPE_CHECKING:
    from hitl_tui.ui.feedback.messages_dialog import MessagesScreen

Step = Literal[-1, 0, 1]
"""What the keys do: 0 takes a thumb back."""
PRESS: tuple[Hint, ...] = (("thumb_up", "thumb up"), ("thumb_down", "thumb down"))
"""For the key line."""
MESSAGE: Hint = ("rate_message", "rate a message")
"""For the key line, too: that of the run at hand."""


def heard(app: App[Any], id_: str) -> str:
    """The key that a command has here and now, as people write it."""
    return next((SHOWN.get(key, key) for key, active in app.active_bindings.items() if active.binding.id == id_), "")


class RatingController:
    """Gives the thumbs of a view, and keeps what was typed and not sent."""

    def __init__(self, owner: Widget, inbox: Inbox, clock: Callable[[], float]) -> None:
        self._owner = owner
        self._inbox = inbox
        self._clock = clock
        self._messages: MessagesScreen | None = None
        """Where they are picked from, while it is open."""
        self._drafts: dict[tuple[Subject, int], str] = {}
        self._giving: dict[Subject, Thumb] = {}
        """What is on its way to the rows: keys may come faster."""

    def press(self, subject: Subject, about: str, thumb: Step) -> None:
        """The key of a thumb was pressed, of 0 to take it back; `about` says of what, as in "send_email of r12"."""
        try:
            if thumb == 0:
                self._owner.run_worker(self._withdraw(subject, about), group="send")
            elif self._has(subject, thumb):
                self._owner.run_worker(self._say(subject, about, thumb), group=DIALOG_GROUP)
            else:
                self._giving[subject] = thumb
                self._owner.run_worker(self._give(subject, about, thumb), group="send")
        except STORE_ERRORS as error:
            report(self._owner, error)

    def pick(self, run: int) -> None:
        """The key for the messages of a run was pressed."""
        self._owner.run_worker(self._pick(run), group=DIALOG_GROUP)

    def _has(self, subject: Subject, thumb: Thumb) -> bool:
        if subject in self._giving:
            return self._giving[subject] == thumb
        mine = self._inbox.feedback.mine(subject)
        return mine is not None and mine.thumb == thumb

    async def _pick(self, run: int) -> None:
        from hitl_tui.ui.feedback.messages_dialog import MessagesScreen

        try:
            messages = [event for event in await self._inbox.runs.trace(run) if event.kind in SAID]
            viewer = Viewer(self._inbox.reviewer, self._clock())
            self._messages = MessagesScreen(run, messages, await self._inbox.feedback.of_run(run), viewer, self.press)
            await ask(self._owner, self._messages)
        except STORE_ERRORS as error:
            report(self._owner, error)
        finally:
            self._messages = None

    async def _give(self, subject: Subject, about: str, thumb: Thumb) -> None:
        try:
            await self._inbox.feedback.rate(subject, thumb)
            await self._tell(subject, f"{labels.THUMBS[thumb][1]} on {about}; the same key again adds words")
        except Refused as error:
            other = f"; {heard(self._owner.app, 'rate_message')} rates what was said in its run" if subject.review is not None else ""
            report(self._owner, Refused(error.happened, f"{error.todo}{other}"))
        except STORE_ERRORS as error:
            report(self._owner, error)
        finally:
            if self._giving.get(subject) == thumb:
                del self._giving[subject]

    async def _withdraw(self, subject: Subject, about: str) -> None:
        try:
            await self._inbox.feedback.withdraw(subject)
            await self._tell(subject, f"your thumb on {about} is taken back")
        except STORE_ERRORS as error:
            report(self._owner, error)

    async def _say(self, subject: Subject, about: str, thumb: Thumb) -> None:
        from hitl_tui.ui.feedback.comment_dialog import ThumbScreen

        try:
            mine = self._inbox.feedback.mine(subject)
            given = f"{', '.join(mine.tags)}\n{mine.comment}" if mine and mine.thumb == thumb else "\n"
            while True:
                screen = ThumbScreen(f"{labels.THUMBS[thumb][1].capitalize()} on {about}", self._drafts.pop((subject, thumb), given))
                said = await ask(self._owner, screen)
                if said is None:
                    self._drafts[subject, thumb] = screen.draft
                    return
                if await self._stored(subject, thumb, *said):
                    await self._tell(subject, f"{labels.THUMBS[thumb][1]} on {about}, with words")
                    return
                self._drafts[subject, thumb] = screen.draft
        except STORE_ERRORS as error:
            report(self._owner, error)

    async def _stored(self, subject: Subject, thumb: Thumb, comment: str, tags: str) -> bool:
        """Whether the words could be taken; if not, why is said, and they are asked for again."""
        try:
            await self._inbox.feedback.rate(subject, thumb, comment, [tags])
        except Refused as error:
            report(self._owner, error)
            return False
        return True

    async def _tell(self, subject: Subject, text: str) -> None:
        self._owner.notify(visible(text), timeout=3, markup=False)
        self._owner.post_message(RowsChanged())
        if self._messages:
            self._messages.know(await self._inbox.feedback.of_run(subject.run))
