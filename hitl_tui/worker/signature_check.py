"""Checks before a run continues that what was decided is signed where it must be: a row that somebody wrote by hand does not run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

from hitl_tui.answer_templates import with_templates
from hitl_tui.errors import HitlError
from hitl_tui.model import Action, ActorKind, Context, DecisionKind, Outcome, Pause, People, Review, Run, Takeover, Verdict, effect_of
from hitl_tui.policy import facts
from hitl_tui.policy.engine import NO_LEVELS, judge
from hitl_tui.policy.grants import GrantIndex
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, approvals, audit, autonomy, hand_backs, reviews, signature_checks
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.reconcile import RefusedDecision
from hitl_tui.store.signature_checks import FORGED, Keys, SignedAnswer, SignedHandBack, problem_of, verified
from hitl_tui.store.submissions import DecidedReview
from hitl_tui.store.usable_grants import UsableGrants
from hitl_tui.worker.policy_router import PolicyRouter

REFUSED = "decided, and not accepted: {}; nothing ran, and it must be decided again"

TO_SIGN = "SELECT 1 FROM actions WHERE review = ? AND signed LIMIT 1"
NOT_AUTO = "no person decided it, and the policy does not let it run by itself"


@dataclass(frozen=True, slots=True)
class _Check:
    """By what the decisions on a review are checked."""

    people: People
    """Whose keys count."""
    deciding: People
    """The same people, in the groups of the home's policy too."""
    problem: Callable[[SignedAnswer], str]
    """Why a signature does not count, without a look at the signature itself."""


class SignatureCheck:
    """Which decisions count, by the people and the policy of the moment."""

    def __init__(self, store: Store, people: TrustedPeople, router: PolicyRouter) -> None:
        self._store = store
        self._people = people
        self._router = router
        self._grants = UsableGrants(store)

    async def refused(self, run: Run, decided: Sequence[DecidedReview]) -> dict[int, RefusedDecision]:
        """By review, why a decision on it does not count, as a note for people; the others may be sent."""
        await self._people.note()
        people, policy = self._people.current(), self._router.current()
        found: dict[int, RefusedDecision] = {}
        for one in decided:
            if not self._is_concerned(one.review, people, policy):
                continue
            review = await reviews.get(self._store, one.review)
            if review and (refused := await self._refused(run, one, review, people, policy)):
                found[one.review] = refused
        return found

    async def refused_hand_back(self, run: Run, takeover: Takeover, pauses: Callable[[], Awaitable[Sequence[Pause]]]) -> str:
        """Why a plan does not count, as a clause; empty if it may be applied.

        `pauses` reads what the graph asks now: a rule that wants that signed, and by how many, counts although the rows say otherwise.
        """
        await self._people.note()
        people, policy = self._people.current(), self._router.current()
        is_asked = people.sign == "always" or any(one.signed for one in hand_backs.asked_now(self._store, run.id))
        verdicts = self._verdicts(run, await pauses()) if is_asked or _has_signed_rule(policy) else []
        if not is_asked and not any(one.signed for one in verdicts):
            return ""
        home, keys = audit.home_id(self._store), Keys(people, signature_checks.latest(self._store))
        agreeing = set[str]()
        try:
            for one in signature_checks.hand_back_of(self._store.read_now, takeover):
                problem = signature_checks.hand_back_problem(one, home, functools.partial(audit.hash_at, self._store), keys)
                if problem := problem or await _forged(one):
                    return f"the hand-back by {one.person}: {problem}"
                agreeing.add(one.person)
        except HitlError as error:
            return f"a signature cannot be verified: {error.happened}"
        several = [one for one in verdicts if one.signed or people.sign == "always"]
        return next(filter(None, (_too_few(self._router.people(), agreeing, one.reviewers, one.to) for one in several)), "")

    def _verdicts(self, run: Run, pauses: Sequence[Pause]) -> list[Verdict]:
        """What the policy of the moment says of the calls of these pauses."""
        judge_pause = self._router.judge_of(run, self._store)
        return [] if judge_pause is None else [one for pause in pauses for one in judge_pause(pause).verdicts.values()]

    def _is_concerned(self, review: int, people: People, policy: Policy | None) -> bool:
        """Whether anything of a review may have to be signed."""
        return people.sign == "always" or _has_signed_rule(policy) or bool(self._store.read_now(TO_SIGN, (review,)))

    async def _refused(
        self, run: Run, decided: DecidedReview, review: Review, people: People, policy: Policy | None
    ) -> RefusedDecision | None:
        """The first thing that is wrong with what was decided of a review; None if nothing is."""
        given, approved = signature_checks.answers_of(self._store, review.row.id)
        home, keys = audit.home_id(self._store), Keys(people, signature_checks.latest(self._store))
        problem_of_one = functools.partial(problem_of, home=home, hash_at=functools.partial(audit.hash_at, self._store), keys=keys)
        check = _Check(people, self._router.people(), problem_of_one)
        by_slot, context = {one.slot: one for one in given}, await reviews.context(self._store, review.row.id)
        raised, problem = dict[int, tuple[int, bool]](), ""
        for slot, answer in decided.answers.items():
            action, one = review.actions[slot], by_slot.get(slot)
            if one is None or one.answer != answer or one.digest != decided.digests[slot]:
                return RefusedDecision(REFUSED.format("its row was changed while it was read"))
            verdict = self._judged(run, review, action, context, policy, check.deciding)
            if people.sign != "always" and not action.signed and not verdict.signed:
                continue
            demanded = max(action.reviewers, verdict.reviewers), action.signed or verdict.signed
            if demanded != (action.reviewers, action.signed):
                raised[slot] = demanded
            if not problem and (wrong := await self._of_call(run, action, one, approved, verdict, check)):
                problem = f"{call(review, slot)}{wrong}"
        return RefusedDecision(REFUSED.format(problem), raised) if problem else None

    async def _of_call(
        self, run: Run, action: Action, one: SignedAnswer, approved: Sequence[SignedAnswer], verdict: Verdict, check: _Check
    ) -> str:
        """Why a signed decision does not count, by its signature, and by whom the policy of the moment wants to sign."""
        is_refusal = one.answer.kind is DecisionKind.REJECT
        if one.kind is not ActorKind.PERSON:
            return "" if is_refusal or verdict.outcome is Outcome.AUTO else NOT_AUTO
        reviewers = max(action.reviewers, verdict.reviewers)
        try:
            if problem := check.problem(one) or await _forged(one):
                return problem
            agreeing = {one.person}
            for other in [] if is_refusal or reviewers < 2 else approved:
                same = (other.slot, other.digest, other.answer) == (one.slot, one.digest, one.answer)
                if same and not (check.problem(other) or await _forged(other)):
                    agreeing.add(other.person)
        except HitlError as error:
            return f"its signature cannot be verified: {error.happened}"
        if is_refusal:
            return _too_few(check.deciding, agreeing, 1, verdict.to)
        if problem := _too_few(check.deciding, agreeing, reviewers, verdict.to):
            return problem
        values = {
            "review": one.review, "slot": one.slot, "actor": one.person, "kind": one.answer.kind, "digest": one.digest,
            "effect": effect_of(action, one.answer),
        }  # fmt: skip
        keys = {check.deciding.key_of(name) for name in agreeing}
        is_separate = approvals.is_separate(self._store.read_now, check.deciding, verdict.separate, run.id, values, keys)
        return "" if is_separate else "somebody must sign it who neither launched the run nor wrote what runs"

    def _judged(self, run: Run, review: Review, action: Action, context: Context, policy: Policy | None, people: People) -> Verdict:
        """What the policy of the moment says about a call that was asked earlier."""
        levels = autonomy.levels(self._store, run.agent) if policy and policy.autonomy else NO_LEVELS
        asked = with_templates(action, review.row.kind, run.agent, policy)
        granted = self._grants.that_decided([action.grant], people) if action.grant is not None else []
        known, note = facts.of_review(run, review, asked, context), facts.warning_of(review)
        return judge(known, policy, review.row.opened_at, levels, note, GrantIndex(granted))


def _has_signed_rule(policy: Policy | None) -> bool:
    return any(rule.signed for rule in (policy.rules if policy else ()))


def _too_few(people: People, agreeing: Collection[str], reviewers: int, to: str) -> str:
    """Why these people are not those whom a rule wants, as a clause; empty if they are. `to` is the group or person who decides."""
    meant = {people.key_of(name) for name in agreeing if people.is_meant(name, to)}
    if len(meant) >= reviewers:
        return ""
    needed = "the signature of one person" if reviewers < 2 else f"the signatures of {reviewers} people"
    return f"it needs {needed}" + (f" of {to}" if to else "")


async def _forged(one: SignedAnswer | SignedHandBack) -> str:
    return "" if await asyncio.to_thread(verified, one) else FORGED


def call(review: Review, slot: int) -> str:
    """Which call of several a clause is about."""
    return f"call {slot + 1}: " if len(review.actions) > 1 else ""
