"""Claims, releases and escalates the review under the cursor."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Protocol

from textual.widget import Widget

from hitl_tui.errors import Refused
from hitl_tui.formatting import age
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, ReviewRow, ReviewState, same_person
from hitl_tui.sanitize import visible
from hitl_tui.ui.messages import KeyIgnored, RowsChanged
from hitl_tui.ui.queue.prompts import Prompts
from hitl_tui.ui.review import assignment
from hitl_tui.ui.runtime.errors import report, store_errors
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer


class ReviewSelection(Protocol):
    """The view, as far as it says what is under its cursor."""

    @property
    def row(self) -> ReviewRow | None:
        """The row under the cursor, where it is known."""

    @property
    def calls(self) -> Sequence[Action]:
        """The calls of that review, once they are read."""

    @property
    def viewer(self) -> Viewer:
        """Who looks, and when."""


class ClaimController:
    """Needs only the row: these actions do not depend on what the call asks."""

    def __init__(self, owner: Widget, inbox: Inbox, prompts: Prompts, here: ReviewSelection) -> None:
        self._owner = owner
        self._inbox = inbox
        self._prompts = prompts
        self._here = here

    @property
    def claim_does(self) -> str:
        """What the key for claims does here, in a word or two."""
        row, viewer = self._here.row, self._here.viewer
        holder = row.claimant(viewer.now) if row else None
        return "claim" if holder is None else "release" if same_person(holder, viewer.reviewer) else "take the claim"

    async def claim(self) -> None:
        """Claim or release the review; a claim of somebody else needs a reason. For workers of `DIALOG_GROUP`."""
        row, viewer = self._open()
        if row is None:
            return
        holder = row.claimant(viewer.now)
        try:
            if holder is None:
                await self._inbox.reviews.claim(row.id)
            elif same_person(holder, viewer.reviewer):
                await self._inbox.reviews.release(row.id)
            elif (reason := await self._prompts.why_claim(row, self._here.calls, viewer)) is not None:
                await self._inbox.reviews.claim(row.id, reason)
                self._prompts.done(row.id, "claim")
        except store_errors() as error:
            report(self._owner, error)
        self._owner.post_message(RowsChanged())

    async def escalate(self) -> None:
        """Escalate the review; what was typed is kept until it is stored. For workers of `DIALOG_GROUP`."""
        row, viewer = self._open()
        if row is not None and row.is_claimed_by_another(viewer.reviewer, viewer.now):
            self._refuse(assignment.first_claim(row, viewer.now))
            row = None
        if row is None:
            return
        while (asked := await self._prompts.escalation(row, self._here.calls, functools.partial(self._names, row.id))) is not None:
            try:
                await self._inbox.reviews.escalate(row.id, *asked)
            except store_errors() as error:
                report(self._owner, error)
                if isinstance(error, Refused):
                    continue
                break
            self._prompts.done(row.id, "escalate")
            if check := self._inbox.reviews.attention_check(row.id):
                from hitl_tui.ui.dialogs.attention_result import show_result

                show_result(self._owner, check)
                break
            self._tell(f"escalated{assignment.recipient(asked[0], viewer.reviewer)}")
            break
        self._owner.post_message(RowsChanged())

    async def _names(self, review: int) -> list[tuple[str, str]]:
        """Name and description of the policy's groups, then of people, most recently active first."""
        policy = await self._inbox.policy.of_review(review)
        groups = {**self._inbox.people().groups_by_name, **(policy.groups if policy else {})}
        found = {name: ", ".join(people) for name, people in groups.items()}
        now = self._here.viewer.now
        for name, at in await self._inbox.reviews.recent_people():
            if not same_person(name, self._inbox.reviewer):
                found.setdefault(name, f"last active {age(now - at)} ago")
        for group, people in groups.items():
            for person in people:
                if not same_person(person, self._inbox.reviewer):
                    found.setdefault(person, f"in {group}")
        return list(found.items())

    def _open(self) -> tuple[ReviewRow | None, Viewer]:
        row, viewer = self._here.row, self._here.viewer
        if row is None:
            self._refuse("there is no review here")
        if row is not None and row.state != ReviewState.OPEN:
            self._refuse(f"review {row.id} is {labels.closing(row, viewer.reviewer)[1]}")
            row = None
        return row, viewer

    def _refuse(self, why: str) -> None:
        """Say where the person looks why a key does nothing."""
        self._owner.post_message(KeyIgnored(why))

    def _tell(self, text: str) -> None:
        self._owner.notify(visible(text), timeout=3, markup=False)
