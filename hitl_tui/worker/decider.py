"""Asks the external program of `[decider]` about open reviews, and decides as the person of its name, under all rules of people."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import HitlError, Refused, Storage
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, Identified, Json, Outcome, PauseKind, People, RemarkSource, Review, ReviewState
from hitl_tui.notify import subprocess_runner
from hitl_tui.policy.reader_and_decider import DeciderSettings
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, remarks
from hitl_tui.worker.review_jobs import ReviewJobs

STORE_RETRY_S = 1.0
KINDS = [kind.value for kind in PauseKind if kind is not PauseKind.FAILURE]


class Decider(ReviewJobs[int]):
    """Lets a program decide the reviews of one project. Several workers may ask it about the same review: its first answer counts."""

    POLL_S = 0.2

    def __init__(
        self, store: Store, project: int, policy: Callable[[], Policy | None], people: Callable[[], People], ring: Callable[[], None]
    ) -> None:
        """`policy` returns the home's policy, `people` those of the home as its files are now."""
        super().__init__()
        self._store = store
        self._project = project
        self._policy = policy
        self._people = people
        self._ring = ring
        self._asked: dict[int, float] = {}
        """When it was asked about a review last, as monotonic time."""
        self._settings = DeciderSettings()
        self._after = 0
        """Reviews up to this one need not be looked at before `_look_again_at`."""
        self._look_again_at = math.inf
        """Monotonic time."""

    def start(self) -> bool:
        policy, people = self._policy(), self._people()
        settings = policy.decider if policy and not policy.problem else DeciderSettings()
        usable = people.is_checked and not people.problem and people.find(settings.person) is not None
        if not settings.command or not usable or self.room < 1:
            return False
        if settings != self._settings:
            self._settings, self._after = settings, 0
            self._asked.clear()
        newest = remarks.newest_review(self._store)
        if newest == self._after and time.monotonic() < self._look_again_at:
            return False
        after = 0 if settings.again_s else self._after
        found = remarks.without(self._store, self._project, RemarkSource.DECIDER, KINDS, after)
        due = dict.fromkeys(
            one.review for one in found if settings.covers(one.agent, one.tool, one.risk) and self._is_due(one.review, settings.again_s)
        )
        if not due and not self.jobs:
            self._after = newest
            self._look_again_at = time.monotonic() + max(1.0, settings.again_s / 4) if settings.again_s else math.inf
            if not settings.again_s:
                self._asked.clear()
        for review in list(due)[: self.room]:
            self._asked[review] = time.monotonic()
            self.begin(review, self._decide(settings, review))
        return bool(due)

    def _is_due(self, review: int, again_s: float) -> bool:
        if review in self.jobs:
            return False
        return review not in self._asked or (again_s > 0 and time.monotonic() - self._asked[review] >= again_s)

    async def _decide(self, settings: DeciderSettings, number: int) -> None:
        """Ask about one review, and store what was decided; what went wrong is told in the review."""
        inbox = self._inbox(settings)
        try:
            review = await inbox.reviews.get(number)
            offered = [one for one in _offered(review) if settings.covers(review.row.agent, one.name, review.risk_of(one))]
            offered = [one for one in offered if inbox.reviews.refusal(review, [one.slot]) is None]
            if review.row.state is not ReviewState.OPEN or not offered:
                return
            given = await _question(inbox, review, offered)
            try:
                said = await subprocess_runner.exchange(settings.command, json.dumps(given, ensure_ascii=False), settings.timeout_s)
                answers = _answers(said, offered)
                if answers:
                    await inbox.reviews.decide(review, answers)
            except subprocess_runner.Failed as failed:
                await self._tell(settings, review, offered[0], failed.reason)
            except (Refused, HitlError) as error:
                if isinstance(error, Storage):
                    raise
                await self._tell(settings, review, offered[0], str(error))
        except Storage:
            self._asked.pop(number, None)  # it is asked again
            await asyncio.sleep(STORE_RETRY_S)
        except Refused:
            return  # the review is gone

    def _inbox(self, settings: DeciderSettings) -> Inbox:
        key = Path(settings.key).expanduser() if settings.key else None
        return Inbox(self._store, settings.person, self._ring, identified=Identified.PINNED, people=self._people, signing_key=key)

    async def _tell(self, settings: DeciderSettings, review: Review, action: Action, problem: str) -> None:
        text = f"{settings.person}: {canonical_json.one_line(problem, 300)}"
        await remarks.add(self._store, review.row.id, action.slot, RemarkSource.DECIDER, None, text, time.time())
        self._ring()


def _offered(review: Review) -> list[Action]:
    """The calls that a program may decide: those undecided that no rule sends to a takeover."""
    return [one for one in review.actions if one.slot in review.undecided and one.outcome is not Outcome.TAKEOVER]


async def _question(inbox: Inbox, review: Review, offered: list[Action]) -> dict[str, Json]:
    """What the program is given, as JSON."""
    context, run = await inbox.reviews.context(review.row.id), await inbox.runs.get(review.row.run)
    calls: list[Json] = [
        {
            "call": one.number,
            "digest": one.digest,
            "tool": one.name,
            "description": one.description,
            "arguments": one.args,
            "allowed": [kind.value for kind in one.allowed],
            "risk": review.risk_of(one),
            "reviewers": one.reviewers,
            "to": one.decider,
            "rule": one.rule,
            "reason": one.reason,
        }
        for one in offered
    ]
    return {
        "version": 1,
        "review": review.row.id,
        "run": review.row.run,
        "agent": review.row.agent,
        "kind": review.row.kind.value,
        "note": review.row.note,
        "as": inbox.reviewer,
        "task": run.input,
        "calls": calls,
        "conversation": [message.as_json() for message in context.conversation],
        "reasoning": context.reasoning,
    }


def _answers(said: str, offered: list[Action]) -> Mapping[int, Answer]:
    """The answers in what the program printed, by slot; none if it leaves all to people.

    Raises:
        Refused: it cannot be read, names a call that was not offered, or not the digest that it was given.
    """
    try:
        raw: Any = json.loads(said) if said.strip() else {}
    except ValueError:
        raise Refused("its answer is no JSON") from None
    listed = raw.get("decisions", []) if isinstance(raw, dict) else None
    if not isinstance(listed, list):
        raise Refused('its answer has no list "decisions"')
    by_number, found = {one.number: one for one in offered}, dict[int, Answer]()
    for one in listed:
        number = one.get("call") if isinstance(one, dict) else None
        action = by_number.get(number) if isinstance(number, int) else None
        if action is None:
            raise Refused("it decided a call that it was not asked about")
        if one.get("digest") != action.digest:
            raise Refused(f"it gave another digest for call {action.number} than it was asked about")
        kind, message = one.get("decision"), one.get("message")
        if kind not in list(DecisionKind) or not isinstance(message, str | None):
            raise Refused(f"what it said of call {action.number} is no decision", f"one of {', '.join(DecisionKind)}")
        found[action.slot] = Answer(DecisionKind(kind), one.get("args"), message)
    return found
