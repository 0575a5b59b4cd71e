"""Escalation rules: whether a new review is escalated and to whom, and the steps of the escalation chain. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hitl_tui.model import Actor, ActorKind, Outcome, Pause, PauseKind, Verdict, person_key, same_person

if TYPE_CHECKING:
    from hitl_tui.policy.schema import ChainStep  # the console imports this module before its first frame, and needs no policy then

LONGEST_NAME = 100
TYPO_RATIO = 0.75
"""`difflib` ratio from which on an unknown name counts as a mistyped group."""


@dataclass(frozen=True, slots=True)
class EscalationRequest:
    """An escalation that an agent or a rule asks for."""

    to: str
    """A group or a person; empty for anybody."""
    by: Actor
    """The agent, or a rule of the policy."""
    why: str
    """A clause for people."""


def escalation_of(agent: str, pause: Pause, verdicts: Mapping[int, Verdict]) -> EscalationRequest | None:
    """The escalation of a new pause: the agent asks for a person, or policy requires a takeover or names a recipient. None without any."""
    asked = _of_people(verdicts)
    to = recipient(verdicts)
    if pause.kind is PauseKind.ESCALATION:
        args = pause.actions[0].args if isinstance(pause.actions[0].args, Mapping) else {}
        reason, wanted = args.get("reason"), args.get("to")
        wanted = wanted.strip()[:LONGEST_NAME] if isinstance(wanted, str) else ""
        why = f"the agent asks for a person: {reason}" if isinstance(reason, str) and reason.strip() else "the agent asks for a person"
        return EscalationRequest(wanted or to, Actor(f"agent:{agent}", ActorKind.AGENT), why)
    worst = next((one for one in asked if one.outcome is Outcome.TAKEOVER), None)
    if worst:
        return EscalationRequest(to, _rule(worst), worst.reason if worst.rule in worst.reason else f"{worst.reason} ({worst.rule})")
    named = next((one for one in asked if one.to), None)
    return EscalationRequest(to, _rule(named), f"rule {named.rule!r} sends it to {to}") if named else None


def _rule(verdict: Verdict) -> Actor:
    return Actor(f"policy:{verdict.rule}", ActorKind.POLICY)


def recipient(verdicts: Mapping[int, Verdict]) -> str:
    """The group or person who decides a review, by its most severe verdict that names one; empty for anybody."""
    asked = _of_people(verdicts)
    worst_first = sorted(asked, key=lambda one: one.outcome is not Outcome.TAKEOVER)
    return next((one.to for one in worst_first if one.to), "")


def earliest_deadline(verdicts: Mapping[int, Verdict]) -> Verdict | None:
    """The verdict with the earliest deadline among those that a person decides; None if none has a deadline."""
    timed = [one for one in _of_people(verdicts) if one.deadline_s is not None]
    return min(timed, key=lambda one: (one.deadline_s or 0.0, one.then), default=None)


def _of_people(verdicts: Mapping[int, Verdict]) -> list[Verdict]:
    return [one for _, one in sorted(verdicts.items()) if one.outcome in (Outcome.ASK, Outcome.TAKEOVER)]


def first_step(chain: Sequence[ChainStep], to: str) -> tuple[str, int | None]:
    """Recipient and chain index of a new escalation.

    An escalation to anybody (empty `to`) goes to the chain's first step if that step has no delay. The index is None if the recipient is
    not in the chain.
    """
    if not chain:
        return to, None
    if not to and not chain[0].after_s:
        return chain[0].to, 0
    return to, next((number for number, step in enumerate(chain) if step.to == to), None)


def next_step(chain: Sequence[ChainStep], step: int | None) -> tuple[int, float] | None:
    """Index of the next step of the chain, and the seconds without a claim until it; None after the last step.

    `step` is the current index, or None for an escalation outside the chain: it goes on to the first step, after the first delay in the
    chain that is not 0.
    """
    number = 0 if step is None else step + 1
    if number >= len(chain):
        return None
    after = chain[number].after_s
    return number, after if after or number else next((one.after_s for one in chain if one.after_s), 0.0)


def recipient_problem(to: str, own: str, groups: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Why reviewer `own` cannot escalate to a name, and what to do; None if they can. A name in no group may still be a person's."""
    if len(to) > LONGEST_NAME or not to.isprintable():
        return "that is not the name of a group or a person", f"give up to {LONGEST_NAME} characters, all of them visible"
    if to and same_person(to, own):
        return f"{to} is you", "claim the review instead, or name somebody else"
    people = {person_key(person) for members in groups.values() for person in members}
    if not to or to in groups or person_key(to) in people:
        return None
    import difflib  # imported late: only needed after a typo

    known = {group.casefold(): group for group in groups}
    close = difflib.get_close_matches(to.casefold(), known, 1, TYPO_RATIO)
    return (f"there is no group {to!r}", f"did you mean {known[close[0]]}?") if close else None
