"""One reviewer's access to the store, with the verbs grouped by theme: `inbox.reviews.decide()`, `inbox.runs.launch()`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hitl_tui.errors import NotAllowed, Refused
from hitl_tui.look_alikes import mixed_scripts
from hitl_tui.model import EVERYBODY, Actor, Identified, People, ReviewRow, Role, Run
from hitl_tui.store import Store, changefeed, reviews, runs
from hitl_tui.store.changefeed import Rev

if TYPE_CHECKING:
    from hitl_tui.inbox.agents import Agents
    from hitl_tui.inbox.autonomy import Autonomy
    from hitl_tui.inbox.feedback import Ratings
    from hitl_tui.inbox.grants import Grants
    from hitl_tui.inbox.history import History
    from hitl_tui.inbox.insights import Insights
    from hitl_tui.inbox.lessons import Lessons
    from hitl_tui.inbox.policy import PolicyLookup
    from hitl_tui.inbox.practice import Practice
    from hitl_tui.inbox.reviews import Reviews
    from hitl_tui.inbox.runs import Runs
    from hitl_tui.inbox.signing import Signing
    from hitl_tui.inbox.takeovers import Takeovers
    from hitl_tui.policy.loader import Policies


@dataclass(frozen=True, slots=True)
class Changes:
    """Reviews and runs that changed since an earlier revision."""

    rev: Rev
    """The revision these changes lead to; pass it to the next call."""
    reviews: list[ReviewRow]
    runs: list[Run]
    whole: bool = True
    """False when the caller is so far behind that some changes are missing: read everything again."""


def reviewer_name(reviewer: str) -> str:
    """Return the reviewer's name in the form that is stored with what they do.

    Raises:
        Refused: the name is empty, reserved for policy and agents, or mixes scripts whose letters look alike.
    """
    name = " ".join(reviewer.split())
    if not name:
        raise Refused("a reviewer needs a name", "give one with --reviewer, or in config.toml")
    if name.lower().startswith(("policy:", "timeout:", "agent:", "grant:")) or name.lower() == "autonomy":
        raise Refused(f"{reviewer!r} is how policy and agents sign", "choose another reviewer's name")
    if scripts := mixed_scripts(name):
        raise Refused(
            f"the name {reviewer!r} mixes letters of {' and '.join(scripts)}", "write it in one script: it could look like another name"
        )
    return name


class Inbox:
    """The store as one reviewer uses it. Each theme's module is imported on first use, so that the first frame loads only what it shows."""

    def __init__(
        self,
        store: Store,
        reviewer: str,
        ring: Callable[[], None] = lambda: None,
        grace_s: float = 0.0,
        policies: Callable[[], Policies] | None = None,
        claim_s: float = 900.0,
        grace_by_risk: bool = False,
        identified: Identified = Identified.NAMED,
        people: Callable[[], People] | None = None,
        signing_key: Path | None = None,
    ) -> None:
        """Prepare the verbs of `reviewer`.

        Args:
            store: an open store.
            reviewer: the person who acts; see `reviewer_name`.
            ring: called after each commit that workers should notice.
            grace_s: seconds in which a decision can be undone.
            policies: finds the policies; called on the first question about policy, not at start-up.
            claim_s: seconds a claim lasts.
            grace_by_risk: whether `[review.undo_s]` of the home's policy replaces `grace_s` for the risks that it names.
            identified: how the reviewer was identified.
            people: returns the people of the home as its files are now; without it everybody may do everything.
            signing_key: key file with which decisions are signed; None for the reviewer's key in ssh-agent or `~/.ssh`.
        """
        self.reviewer = reviewer_name(reviewer)
        self.actor = Actor(self.reviewer, identified=identified)
        self.store = store
        self.claim_s = claim_s
        self.ring = ring
        self.grace_s = grace_s
        self.grace_by_risk = grace_by_risk
        self.find_policies = policies
        self.people: Callable[[], People] = people or (lambda: EVERYBODY)
        self._tells_identity = people is not None
        self.signing_key = signing_key

    def identity(self) -> tuple[str, bool]:
        """What the header says beside the reviewer's name of how people are known, and whether it must be said where there is no room."""
        people = self.people()
        if people.problem:
            return "people.toml has a mistake", True
        if not people.is_checked:
            return "identity: not checked" if self._tells_identity else "", False
        if people.is_waiting:
            return "people.toml: change not signed", True
        if people.find(self.reviewer) is None:
            return "may only look", True
        return ("names trusted", True) if people.trust_names else ("", False)

    def refusal(self, role: Role) -> NotAllowed | None:
        """Why this reviewer may not do what a role is for; None if they may. What is refused is not offered."""
        people = self.people()
        if not people.is_checked:
            return None
        from hitl_tui.people.rights import refusal  # most homes have no people.toml

        return refusal(people, self.reviewer, role)

    async def require(self, role: Role, what: str, review: int | None = None, run: int | None = None) -> None:
        """Check that this reviewer has a role. `what` names the verb in the log.

        Raises:
            NotAllowed: they have not; that is logged.
        """
        if refused := self.refusal(role):
            await self.refuse(refused, what, review, run)

    async def refuse(self, error: NotAllowed, what: str, review: int | None = None, run: int | None = None) -> NoReturn:
        """Log that this reviewer was refused something, and raise the error."""
        import time

        from hitl_tui.store import approvals

        async with self.store.transaction() as db:
            approvals.note_refusal(db, time.time(), self.actor, what, error, review, run)
        raise error

    async def changes(self, rev: Rev) -> Changes:
        """Read what changed after `rev`. On the first call, pass the result of `revision()` taken before anything else was read."""
        now = await changefeed.now(self.store)  # first: a change made meanwhile is then reported twice rather than never
        if now == rev:
            return Changes(now, [], [])
        whole = rev.change >= await changefeed.reach(self.store)
        return Changes(now, await reviews.changed(self.store, rev), await runs.changed(self.store, rev), whole)

    async def revision(self) -> Rev:
        """The store's current revision."""
        return await changefeed.now(self.store)

    @functools.cached_property
    def reviews(self) -> Reviews:
        """The queue: list, read, decide, undo, claim and escalate reviews."""
        from hitl_tui.inbox.reviews import Reviews

        return Reviews(self)

    @functools.cached_property
    def signing(self) -> Signing:
        """Signatures of what this reviewer decides."""
        from hitl_tui.inbox.signing import Signing

        return Signing(self)

    @functools.cached_property
    def runs(self) -> Runs:
        """Launch, list, retry and cancel runs."""
        from hitl_tui.inbox.runs import Runs

        return Runs(self)

    @functools.cached_property
    def agents(self) -> Agents:
        """Known agents and the workers that run them."""
        from hitl_tui.inbox.agents import Agents

        return Agents(self)

    @functools.cached_property
    def takeovers(self) -> Takeovers:
        """Act as the agent: take a run over, and hand it back or discard the takeover."""
        from hitl_tui.inbox.takeovers import Takeovers

        return Takeovers(self)

    @functools.cached_property
    def history(self) -> History:
        """Search past decisions."""
        from hitl_tui.inbox.history import History

        return History(self)

    @functools.cached_property
    def policy(self) -> PolicyLookup:
        """The policy in force, and what it says about a review."""
        from hitl_tui.inbox.policy import PolicyLookup

        return PolicyLookup(self)

    @functools.cached_property
    def feedback(self) -> Ratings:
        """Rate decisions, messages and runs."""
        from hitl_tui.inbox.feedback import Ratings

        return Ratings(self)

    @functools.cached_property
    def insights(self) -> Insights:
        """Statistics of agents, tools, rules and reviewers."""
        from hitl_tui.inbox.insights import Insights

        return Insights(self)

    @functools.cached_property
    def practice(self) -> Practice:
        """Practise on calls that can never run."""
        from hitl_tui.inbox.practice import Practice

        return Practice(self)

    @functools.cached_property
    def autonomy(self) -> Autonomy:
        """The autonomy level of each tool."""
        from hitl_tui.inbox.autonomy import Autonomy

        return Autonomy(self)

    @functools.cached_property
    def grants(self) -> Grants:
        """Bounded permissions made from decisions."""
        from hitl_tui.inbox.grants import Grants

        return Grants(self)

    @functools.cached_property
    def lessons(self) -> Lessons:
        """Lessons drawn from rejections and corrections."""
        from hitl_tui.inbox.lessons import Lessons

        return Lessons(self)
