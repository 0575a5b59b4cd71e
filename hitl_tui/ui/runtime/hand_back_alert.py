"""Tells this reviewer of hand-backs that they may confirm, by the terminal and on the screen, and when their own is confirmed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import App

from hitl_tui.inbox import Inbox
from hitl_tui.model import HandBack
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.runtime.terminal_alerts import LONGEST, alert

TOLD_S = 8.0
NAME = 40


class HandBackAlert:
    """Notifies this reviewer once of each hand-back that they may confirm, also of one that waited before the console began."""

    def __init__(self, app: App[None], inbox: Inbox, clock: Callable[[], float]) -> None:
        self._app = app
        self._inbox = inbox
        self._clock = clock
        self._told: set[tuple[int, float]] = set()
        """Takeovers, each with the time of its hand-back: one that is withdrawn may be handed back again."""
        self._own: dict[int, HandBack] = {}
        """The reviewer's own, by takeover."""

    def look(self) -> Sequence[HandBack]:
        """Tell what is new. Returns the hand-backs that wait now."""
        waiting = self._inbox.takeovers.waiting()
        for one in waiting:
            if one.needs_me and (one.takeover, one.at) not in self._told:
                self._told.add((one.takeover, one.at))
                said = f"{one_line(one.author, NAME)} has handed r{one.run} back, and waits for you to confirm the plan"
                self._app.notify(visible(said), timeout=TOLD_S, markup=False)
                start_worker(self._app, "alarm", self._ring, one)
        own = {one.takeover: one for one in waiting if one.is_mine}
        for takeover in self._own.keys() - own.keys():
            start_worker(self._app, "alarm", self._tell_end, self._own[takeover])
        self._own = own
        return waiting

    async def _ring(self, one: HandBack) -> None:
        """Tell it by the terminal, as `[notify]` says."""
        from hitl_tui.notify.content import message_of_hand_back
        from hitl_tui.policy.notification import Notify, end_of_quiet

        now = self._clock()
        try:
            policy = await self._inbox.policy.of_review(one.review) if one.review is not None else None
            notify, takeover = policy.notify if policy else Notify(), await self._inbox.takeovers.latest(one.run)
            if takeover and notify.bell and end_of_quiet(notify, now) == now:
                message = message_of_hand_back(notify.content, takeover, one.agent)
                parts = {"nothing": [message.link], "names": [message.title, message.link]}.get(notify.content, message.body.split("\n"))
                alert(self._app, one_line(" · ".join(parts), LONGEST))
        except store_errors() as error:
            report(self._app, error)

    async def _tell_end(self, one: HandBack) -> None:
        """Tell the author that it is confirmed; they know themselves if they have withdrawn it."""
        try:
            latest = await self._inbox.takeovers.latest(one.run)
        except store_errors() as error:
            report(self._app, error)
            return
        if latest and latest.id == one.takeover and latest.state in ("handed_back", "submitted", "applied"):
            self._app.notify(f"your hand-back of r{one.run} is confirmed: its agent goes on", timeout=TOLD_S, markup=False)
