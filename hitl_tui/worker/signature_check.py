"""Checks before a run continues that what was decided is signed where it must be: a row that somebody wrote by hand does not run."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence

from hitl_tui.answer_templates import with_templates
from hitl_tui.errors import HitlError
from hitl_tui.model import Action, ActorKind, Context, DecisionKind, Outcome, Pause, People, Review, Run, Takeover, Verdict
from hitl_tui.policy import facts
from hitl_tui.policy.engine import NO_LEVELS, judge
from hitl_tui.policy.grants import GrantIndex
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, audit, autonomy, hand_backs, reviews, signature_checks
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.signature_checks import FORGED, Keys, SignedAnswer, SignedHandBack, problem_of, verified
from hitl_tui.store.submissions import DecidedReview
from hitl_tui.store.usable_grants import UsableGrants
from hitl_tui.worker.policy_router import PolicyRouter

REFUSED = "decided, and not accepted: {}; nothing ran, and it must be decided again"

TO_SIGN = "SELECT 1 FROM actions WHERE review = ? AND signed LIMIT 1"
NOT_AUTO = "no person decided it, and the policy does not let it run by itself"


class SignatureCheck:
    """Which decisions count, by the people and the policy of the moment."""

    def __init__(self, store: Store, people: TrustedPeople, router: PolicyRouter) -> None:
        self._store = store
        self._people = people
        self._router = router
        self._grants = UsableGrants(store)

    async def refused(self, run: Run, decided: Sequence[DecidedReview]) -> dict[int, str]:
        """By review, why a decision on it does not count, as a note for people; the others may be sent."""
        await self._people.note()
        people, policy = self._people.current(), self._router.current()
        found: dict[int, str] = {}
        for one in decided:
            if not self._is_concerned(one.review, people, policy):
                continue
            review = await reviews.get(self._store, one.review)
            if review and (problem := await self._problem(run, one, review, people, policy)):
                found[one.review] = REFUSED.format(problem)
        return found

    async def refused_hand_back(self, run: Run, takeover: Takeover, pauses: Callable[[], Awaitable[Sequence[Pause]]]) -> str:
        """Why a plan does not count, as a clause; empty if it may be applied.

        `pauses` reads what the graph asks now: a rule that wants that signed counts although the rows say otherwise.
        """
        await self._people.note()
        people, policy = self._people.current(), self._router.current()
        is_asked = people.sign == "always" or any(one.signed for one in hand_backs.asked_now(self._store, run.id))
        if not is_asked and not (_has_signed_rule(policy) and self._is_signed(run, await pauses())):
            return ""
        home, keys = audit.home_id(self._store), Keys(people, signature_checks.latest(self._store))
        try:
            for one in signature_checks.hand_back_of(self._store.read_now, takeover):
                problem = signature_checks.hand_back_problem(one, home, functools.partial(audit.hash_at, self._store), keys)
                if problem := problem or await _forged(one):
                    return f"the hand-back by {one.person}: {problem}"
        except HitlError as error:
            return f"a signature cannot be verified: {error.happened}"
        return ""

    def _is_signed(self, run: Run, pauses: Sequence[Pause]) -> bool:
        """Whether the policy wants a decision on one of these pauses signed."""
        judge_pause = self._router.judge_of(run, self._store)
        return judge_pause is not None and any(one.signed for pause in pauses for one in judge_pause(pause).verdicts.values())

    def _is_concerned(self, review: int, people: People, policy: Policy | None) -> bool:
        """Whether anything of a review may have to be signed."""
        return people.sign == "always" or _has_signed_rule(policy) or bool(self._store.read_now(TO_SIGN, (review,)))

    async def _problem(self, run: Run, decided: DecidedReview, review: Review, people: People, policy: Policy | None) -> str:
        """The first thing that is wrong with what was decided of a review, as a clause; empty if nothing is."""
        given, approvals = signature_checks.answers_of(self._store, review.row.id)
        home, keys = audit.home_id(self._store), Keys(people, signature_checks.latest(self._store))
        check = functools.partial(problem_of, home=home, hash_at=functools.partial(audit.hash_at, self._store), keys=keys)
        by_slot = {one.slot: one for one in given}
        context = await reviews.context(self._store, review.row.id)
        for slot, answer in decided.answers.items():
            action, one = review.actions[slot], by_slot.get(slot)
            if one is None or one.answer != answer or one.digest != decided.digests[slot]:
                return "its row was changed while it was read"
            verdict = self._judged(run, review, action, context, policy, people)
            if people.sign != "always" and not action.signed and not verdict.signed:
                continue
            if problem := await self._of_call(action, one, approvals, verdict, people, check):
                return f"{call(review, slot)}{problem}"
        return ""

    async def _of_call(
        self,
        action: Action,
        one: SignedAnswer,
        approvals: Sequence[SignedAnswer],
        verdict: Verdict,
        people: People,
        check: Callable[[SignedAnswer], str],
    ) -> str:
        is_refusal = one.answer.kind is DecisionKind.REJECT
        if one.kind is not ActorKind.PERSON:
            return "" if is_refusal or verdict.outcome is Outcome.AUTO else NOT_AUTO
        try:
            if problem := check(one) or await _forged(one):
                return problem
            people_who_agree = {people.key_of(one.person)}
            for other in [] if is_refusal or action.reviewers < 2 else approvals:
                same = (other.slot, other.digest, other.answer) == (one.slot, one.digest, one.answer)
                if same and not (check(other) or await _forged(other)):
                    people_who_agree.add(people.key_of(other.person))
        except HitlError as error:
            return f"its signature cannot be verified: {error.happened}"
        return "" if is_refusal or len(people_who_agree) >= action.reviewers else f"it needs the signatures of {action.reviewers} people"

    def _judged(self, run: Run, review: Review, action: Action, context: Context, policy: Policy | None, people: People) -> Verdict:
        """What the policy of the moment says about a call that was asked earlier."""
        levels = autonomy.levels(self._store, run.agent) if policy and policy.autonomy else NO_LEVELS
        asked = with_templates(action, review.row.kind, run.agent, policy)
        granted = self._grants.that_decided([action.grant], people) if action.grant is not None else []
        known, note = facts.of_review(run, review, asked, context), facts.warning_of(review)
        return judge(known, policy, review.row.opened_at, levels, note, GrantIndex(granted))


def _has_signed_rule(policy: Policy | None) -> bool:
    return any(rule.signed for rule in (policy.rules if policy else ()))


async def _forged(one: SignedAnswer | SignedHandBack) -> str:
    return "" if await asyncio.to_thread(verified, one) else FORGED


def call(review: Review, slot: int) -> str:
    """Which call of several a clause is about."""
    return f"call {slot + 1}: " if len(review.actions) > 1 else ""
