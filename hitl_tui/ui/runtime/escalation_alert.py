"""Tells this reviewer of an escalation while the console runs: by the terminal's bell, its notice (OSC 9), and on the screen. Each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import App

from hitl_tui.inbox import Inbox
from hitl_tui.model import Escalation, Review, ReviewRow, ReviewState, same_person
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.review import assignment
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.runtime.terminal_alerts import LONGEST, alert
from hitl_tui.ui.text import labels

if TYPE_CHECKING:
    from hitl_tui.policy.notification import Content
    from hitl_tui.policy.schema import Policy


class EscalationAlert:
    """Notifies this reviewer once of each escalation that concerns them."""

    def __init__(self, app: App[None], inbox: Inbox, clock: Callable[[], float]) -> None:
        self._app = app
        self._inbox = inbox
        self._clock = clock
        self._since = clock()
        self._told: set[int] = set()

    def hear(self, changed: Sequence[ReviewRow]) -> None:
        """Reviews are new or changed."""
        rows = [row for row in changed if row.escalated and row.state == ReviewState.OPEN]
        if rows:
            start_worker(self._app, "alarm", self._look, rows)

    async def _look(self, rows: Sequence[ReviewRow]) -> None:
        try:
            for row in rows:
                for escalation in await self._inbox.reviews.escalations(row.id):
                    if escalation.id not in self._told and escalation.at >= self._since:
                        await self._hear(row, escalation)
        except store_errors() as error:
            report(self._app, error)

    async def _hear(self, row: ReviewRow, one: Escalation) -> None:
        policy = await self._inbox.policy.of_review(row.id)
        if self._concerns_me(one, policy) and one.id not in self._told:
            self._told.add(one.id)
            await self._tell(row, one, policy)

    def _concerns_me(self, one: Escalation, policy: Policy | None) -> bool:
        me = self._inbox.reviewer
        if one.acknowledged_at is not None or same_person(one.actor, me):
            return False
        people = policy.people(one.recipient) if policy else (one.recipient,)
        return not one.recipient or any(same_person(person, me) for person in people)

    async def _tell(self, row: ReviewRow, one: Escalation, policy: Policy | None) -> None:
        from hitl_tui.policy.notification import Notify, end_of_quiet

        now = self._clock()
        notify = policy.notify if policy else Notify()
        to = assignment.recipient(one.recipient, self._inbox.reviewer)
        who = labels.actor(one.actor, self._inbox.reviewer, one.actor_kind)
        self._app.notify(visible(f"↑ escalated by {who}{to}: {row.title}, review {row.id}"), timeout=8, markup=False)
        if notify.bell and end_of_quiet(notify, now) == now:
            text = text_of(notify.content, one, await self._inbox.reviews.get(row.id))
            alert(self._app, text)


def text_of(content: Content, escalation: Escalation, review: Review) -> str:
    """What leaves the console: the link line, with the names of agent and tool, or with a summary. On one line, nothing in it unseen."""
    from hitl_tui.notify.content import message_of

    message = message_of(content, escalation, review)
    parts = {"nothing": [message.link], "names": [message.title, message.link]}.get(content, message.body.split("\n"))
    return one_line(" · ".join(parts), LONGEST)
