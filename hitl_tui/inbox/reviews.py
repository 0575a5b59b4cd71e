"""Reviews as one reviewer works on them: list, read, decide, undo, claim, escalate."""

from __future__ import annotations

import contextlib
import time
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hitl_tui import failpoints, validation
from hitl_tui.errors import NotAllowed, Refused
from hitl_tui.failpoints import Failpoint
from hitl_tui.model import (
    Action,
    Actor,
    Answer,
    AttentionCheck,
    Context,
    DecisionKind,
    Endorsement,
    Escalation,
    Identified,
    Notification,
    PastDecision,
    PauseKind,
    ProposalVersion,
    QueueFacts,
    Remark,
    Review,
    ReviewRow,
    ReviewState,
    ReviewView,
    Role,
    Viewing,
    call_id,
    calls_told,
)
from hitl_tui.store import attention_checks, claims, decisions, filters, reviews

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox
    from hitl_tui.store.signatures import SignedStatements


class Reviews:
    """One reviewer's verbs on reviews."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    # Lists

    async def open_ids(self) -> array[int]:
        """Ids of all open reviews, oldest first."""
        return await reviews.waiting_ids(self._store)

    async def urgent(self) -> list[QueueFacts]:
        """The facts that order the open reviews that are escalated, have a deadline or are irreversible."""
        return await reviews.urgent(self._store)

    async def by_tools(self) -> dict[tuple[str, str], list[int]]:
        """Ids of the open reviews, oldest first, by agent and tools; the tools as in `QueueFacts`."""
        return await reviews.by_tools(self._store)

    async def first_args(self, ids: Sequence[int]) -> list[str]:
        """The arguments of each review's first call as JSON, cut off if they are long."""
        return await reviews.first_args(self._store, ids)

    async def matching_ids(self, text: str) -> array[int]:
        """Ids of the open reviews that match a filter, oldest first.

        Raises:
            Refused: the filter has a syntax error.
        """
        from hitl_tui import filter_language

        return await filters.open_reviews(self._store, filter_language.parse(text, time.time()))

    def filter(self, text: str, ids: Sequence[int]) -> set[int]:
        """Select those of a few reviews, open or not, that match a filter. Synchronous: meant for the rows of one screen.

        Raises:
            Refused: the filter has a syntax error.
        """
        from hitl_tui import filter_language

        return filters.matching_reviews(self._store, filter_language.parse(text, time.time()), ids)

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """The fields of the filter language that an open review has."""
        return (*filters.REVIEW.fields, "confidence", "since", "until")

    async def filter_values(self) -> dict[str, list[str]]:
        """By field of the filter language, values that are in use, for completion."""
        from hitl_tui.store import known_names

        people = [name for name, _ in await self.recent_people()]
        agents = list(dict.fromkeys(await known_names.of(self._store, "agents")))
        return {"agent": agents, "tool": await known_names.of(self._store, "tools"), "by": people}

    async def rows(self, ids: Sequence[int]) -> list[ReviewRow]:
        """Read queue rows, in order of id."""
        return await reviews.rows(self._store, ids)

    async def pending(self, limit: int) -> list[ReviewRow]:
        """Read the oldest reviews that are not yet applied, decided ones included."""
        return await reviews.waiting(self._store, limit)

    async def of_run(self, run: int) -> list[ReviewRow]:
        """Read every review a run has opened."""
        return await reviews.of_run(self._store, run)

    async def count_unsent(self) -> int:
        """Count the reviews that are decided but not yet sent to their graphs."""
        return await decisions.unsent(self._store)

    # One review

    async def get(self, review: int) -> Review:
        """Read one review, without its context.

        Raises:
            Refused: there is no such review.
        """
        found = await reviews.get(self._store, review)
        if found is None:
            raise Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")
        return await self._with_templates(found) if found.row.kind is PauseKind.QUESTION else found

    async def _with_templates(self, review: Review) -> Review:
        """The review with what the answer templates of its policy make of approve and reject."""
        from hitl_tui.answer_templates import with_templates

        policy = await self._inbox.policy.of_review(review.row.id)
        return replace(review, actions=tuple(with_templates(one, review.row.kind, review.row.agent, policy) for one in review.actions))

    async def context(self, review: int) -> Context:
        """Read the conversation, reasoning, earlier attempts and state around a review."""
        return await reviews.context(self._store, review)

    async def reasonings(self, chosen: Sequence[int]) -> dict[int, str]:
        """Read what the agents of these reviews said before they proposed the calls, by review."""
        return await reviews.reasonings(self._store, chosen)

    async def versions(self, review: int) -> list[ProposalVersion]:
        """Earlier drafts, or earlier calls of the same tools, that were sent back for revision; oldest first."""
        return await reviews.versions(self._store, review)

    async def notifications(self, review: int) -> list[Notification]:
        """Notifications sent about the review's escalations, with their outcome."""
        from hitl_tui.store import notifications

        return await notifications.of_review(self._store, review)

    async def escalations(self, review: int) -> list[Escalation]:
        """Every escalation of a review, oldest first: recipient, reason, and who claimed it."""
        from hitl_tui.store import escalations

        return await escalations.of_review(self._store, review)

    async def views(self, review: int) -> list[ReviewView]:
        """Who has viewed a review, in order of the first view."""
        return await claims.views_of(self._store, review)

    async def endorsements(self, review: int) -> list[Endorsement]:
        """Answers given so far to actions that need several people, oldest first.

        Where a rule says `blind = true`, the first person's answer is hidden from the others until another person has answered too.
        """
        found = await decisions.endorsements(self._store, review)
        blind = await reviews.blind_slots(self._store, review) if found else set()
        if not blind:
            return found
        people = self._inbox.people()
        answered = {slot: {people.key_of(one.actor) for one in found if one.slot == slot} for slot in blind}

        def is_hidden(one: Endorsement) -> bool:
            return one.slot in blind and len(answered[one.slot]) < 2 and not people.same_person(one.actor, self._inbox.reviewer)

        return [replace(one, answer=Answer(DecisionKind.RESPOND), is_hidden=True) if is_hidden(one) else one for one in found]

    async def remarks(self, review: int) -> list[Remark]:
        """The remarks on a review's calls: previews, second readings, problems of the decider."""
        from hitl_tui.store import remarks

        return await remarks.of_review(self._store, review)

    async def similar(self, review: int) -> list[PastDecision]:
        """The last 20 decided actions of the same agent and tools, newest first.

        Raises:
            Refused: there is no such review.
        """
        from hitl_tui.store import history

        found = await self.get(review)
        return await history.similar(self._store, review, found.row.agent, {action.name for action in found.actions})

    def others_looking(self) -> dict[int, tuple[str, ...]]:
        """The other people who look at a review now, by review. Synchronous."""
        from hitl_tui.store import presence

        return presence.others(self._store, self._inbox.reviewer)

    async def look_at(self, console: str, review: int | None) -> None:
        """Tell others which review a console shows now; None for none. It counts for `presence.PRESENT_S` seconds.

        Args:
            console: an id of the console's own.
            review: the review that it shows.
        """
        from hitl_tui.store import presence

        await presence.look_at(self._store, console, self._inbox.reviewer, review)

    def attention_check(self, review: int) -> AttentionCheck | None:
        """Result of an attention check; None while it is undecided, and for every ordinary review. Synchronous."""

        return attention_checks.of_review(self._store, review)

    async def recent_people(self) -> list[tuple[str, float]]:
        """The 20 people who worked on reviews last, newest first, each with the Unix time of their last action."""

        return await claims.recent_people(self._store, 20)

    # Verbs

    async def decide(
        self,
        review: Review,
        answers: Mapping[int, Answer],
        viewed_ms: int | None = None,
        *,
        seen: float | None = None,
        reading_ms: int | None = None,
    ) -> ReviewState:
        """Validate the answers against the actions as they were shown, and store all of them or none.

        Args:
            review: the review as it was shown.
            answers: an answer by action slot.
            viewed_ms: milliseconds the reviewer viewed it; None when unknown.
            seen: share of the shown text that had been on the screen, 0 to 1; None when unknown.
            reading_ms: milliseconds below which nobody can have read it; None when unknown.

        Returns:
            `open` while other slots are undecided or another person must approve too, else `decided`. An attention check is `applied` at
            once; see `attention_check`.

        Raises:
            NotAllowed: this person has no right to decide it; that is logged.
            Refused: an answer does not fit its action, somebody else has claimed the review, or this person has already approved.
            NotSigned: it must be signed, and could not be: there is no key, a touch was refused, or `signing.take_back` was called.
            Stale: the review is no longer open, has changed since it was shown, or its run is taken over.
        """
        if refused := self.refusal(review, answers):  # before anybody signs in vain
            await self._inbox.refuse(refused, "decide", review.row.id)
        valid = self._checked(review, answers, dict.fromkeys(answers, Viewing(viewed_ms, seen, reading_ms)))
        by = await self._signed([valid])
        with self._durable():
            return await decisions.decide(self._store, valid, *by, self._inbox.people())

    async def decide_many(
        self,
        chosen: Sequence[tuple[Review, Mapping[int, Answer]]],
        viewed_ms: int | None = None,
        *,
        seen: Mapping[str, float] | None = None,
        reading_ms: int | None = None,
    ) -> dict[int, Refused]:
        """Decide calls of several reviews in one transaction, each with its own digest and audit entry.

        Args:
            chosen: reviews as they were shown, each with its answers by action slot.
            viewed_ms: milliseconds the reviewer viewed them together; None when unknown.
            seen: by digest, the share of the shown call that had been on the screen, 0 to 1; a call that is missing was not measured.
            reading_ms: milliseconds below which nobody can have read them together; None when unknown.

        Returns:
            By review, the error that `decide` would have raised; every other review is decided.
        """
        refused: dict[int, Refused] = {}
        valid: list[decisions.ReviewAnswers] = []
        for review, answers in chosen:
            shares = {action.slot: (seen or {}).get(action.digest) for action in review.actions}
            viewings = {slot: Viewing(viewed_ms, shares.get(slot), reading_ms) for slot in answers}
            try:
                if denied := self.refusal(review, answers):  # before anybody signs in vain
                    await self._inbox.refuse(denied, "decide", review.row.id)
                valid.append(self._checked(review, answers, viewings))
            except Refused as error:
                refused[review.row.id] = error
        by = await self._signed(valid)
        with self._durable():
            return refused | await decisions.decide_many(self._store, valid, *by, self._inbox.people())

    @contextlib.contextmanager
    def _durable(self) -> Iterator[None]:
        """Tell workers what the block has decided, and then wait for the disk: they have much to read before they can act on it."""
        try:
            yield
            failpoints.reached(Failpoint.DECIDED)
            self._inbox.ring()
        finally:
            self._store.wait_for_disk()

    def must_sign(self, actions: Iterable[Action]) -> bool:
        """Whether a decision on one of these calls must be signed: `decide` then waits for this reviewer's key."""
        return self._inbox.people().sign == "always" or any(action.signed for action in actions)

    async def _signed(self, chosen: Sequence[decisions.ReviewAnswers]) -> tuple[Actor, SignedStatements | None]:
        """Who decides, and the signature where one is needed: one for all these answers.

        Raises:
            NotSigned: it could not be made.
        """
        if not self.must_sign(one.shown[slot] for one in chosen for slot in one.answers):
            return self._inbox.actor, None
        return replace(self._inbox.actor, identified=Identified.SIGNED), await self._inbox.signing.sign(chosen)

    def _checked(self, review: Review, answers: Mapping[int, Answer], viewings: Mapping[int, Viewing]) -> decisions.ReviewAnswers:
        """Validate the answers against the actions as they were shown.

        Raises:
            Refused: an answer does not fit its action.
        """
        shown = {action.slot: action for action in review.actions}
        for slot, answer in answers.items():
            if slot not in shown:
                raise Refused(f"review {review.row.id} has no call {slot + 1}", f"it has {calls_told(len(shown))}")
            validation.check(review.row.kind, shown[slot], answer)
        answers = {slot: self._filled_in(shown[slot], answer) if shown[slot].templates else answer for slot, answer in answers.items()}
        return decisions.ReviewAnswers(review.row.id, answers, shown, self._grace_s(review, answers), viewings)

    def _filled_in(self, action: Action, answer: Answer) -> Answer:
        """The answer with what its template sends."""
        from hitl_tui.answer_templates import filled_in

        return filled_in(action, answer, self._inbox.reviewer)

    def _grace_s(self, review: Review, slots: Collection[int]) -> float:
        """Seconds in which a decision on these actions can be undone."""
        if not self._inbox.grace_by_risk:
            return self._inbox.grace_s
        risks = [review.risk_of(action) for action in review.actions if action.slot in slots]
        return self._inbox.policy.undo_s(risks, self._inbox.grace_s)

    async def undo_many(self, chosen: Sequence[int]) -> dict[int, Refused]:
        """`undo` several reviews in one transaction. Returns the error of each that could not be undone."""
        refused = await decisions.undo_many(self._store, chosen, self._inbox.reviewer)
        self._inbox.ring()
        return refused

    async def undo(self, review: int) -> None:
        """Take back this reviewer's last decision on a review: within its grace time, or while some action is undecided.

        Raises:
            Refused: this reviewer has decided none of its actions.
            Stale: it is too late; the message says why.
        """
        await decisions.undo(self._store, review, self._inbox.reviewer)
        self._inbox.ring()

    async def claim(self, review: int, reason: str = "") -> None:
        """Reserve a review for this reviewer: until the claim ends nobody else decides it, and its escalation goes no further.

        Claiming again renews the claim. With a reason, a claim is taken from somebody else.

        Raises:
            NotAllowed: this person could not decide any of its calls; that is logged.
            Refused: somebody else has claimed it, and no reason is given.
            Stale: it is no longer open.
        """
        if self._inbox.people().is_checked and (refused := self.refusal(await self.get(review))):
            await self._inbox.refuse(refused, "claim", review)
        await claims.claim(self._store, review, self._inbox.reviewer, self._inbox.claim_s, reason.strip())

    async def release(self, review: int) -> None:
        """End this reviewer's claim.

        Raises:
            Refused: this reviewer has not claimed it.
        """
        await claims.release(self._store, review, self._inbox.reviewer)

    def refusal(self, review: Review, slots: Collection[int] = ()) -> NotAllowed | None:
        """Why this reviewer may not decide these calls of a review, or any of its calls if none are named; None if they may.

        What is refused is not offered. Synchronous.
        """
        people = self._inbox.people()
        if not people.is_checked:
            return None
        from hitl_tui.people.rights import refusal_of_call

        name, calls = self._inbox.reviewer, [action for action in review.actions if not slots or action.slot in slots]
        found = [refusal_of_call(people, name, action.decider, call_id(review.row.id, action.slot)) for action in calls]
        return next(filter(None, found), None) if slots or all(found) else None

    async def snooze(self, chosen: Sequence[int], until: float | None = None) -> None:
        """Hide open reviews from this reviewer's queue until a Unix time, or until they change if that is earlier."""
        from hitl_tui.store import snoozes

        await snoozes.snooze(self._store, chosen, self._inbox.reviewer, until)

    async def wake(self, chosen: Sequence[int]) -> None:
        """Show snoozed reviews again."""
        from hitl_tui.store import snoozes

        await snoozes.wake(self._store, chosen, self._inbox.reviewer)

    def snoozed(self) -> dict[int, float | None]:
        """The reviews this reviewer has snoozed, with the Unix time at which each comes back; None for when it changes. Synchronous."""
        from hitl_tui.store import snoozes

        return snoozes.snoozed(self._store, self._inbox.reviewer)

    async def escalate(self, review: int, to: str, note: str = "") -> None:
        """Assign an open review to a group or a person, or with an empty `to` to anybody, and release the claim on it.

        Raises:
            NotAllowed: this person may only look; that is logged.
            Refused: somebody else has claimed it, or the recipient is unknown.
            Stale: it is no longer open.
        """
        await self._inbox.require(Role.DECIDE, "escalate", review)
        from hitl_tui.policy import escalation
        from hitl_tui.store import escalations

        to = " ".join(to.split())
        policy = await self._inbox.policy.of_review(review)
        groups = {**self._inbox.people().groups_by_name, **(policy.groups if policy else {})}
        if problem := escalation.recipient_problem(to, self._inbox.reviewer, groups):
            raise Refused(*problem)
        await escalations.escalate(self._store, review, to, self._inbox.reviewer, note.strip(), time.time())
        self._inbox.ring()

    async def record_view(self, review: int, ms: int) -> None:
        """Add `ms` milliseconds to the time this reviewer has viewed a review.

        Raises:
            Refused: there is no such review.
        """
        await claims.add_view(self._store, review, self._inbox.reviewer, ms)
