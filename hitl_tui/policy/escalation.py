"""When a review goes to somebody in particular, how long it waits for them, and to whom it goes next. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hitl_tui.model import Actor, ActorKind, Outcome, Pause, PauseKind, Verdict, person_key, same_person

if TYPE_CHECKING:
    from hitl_tui.policy.schema import ChainStep  # the console imports this module before its first frame, and needs no policy then

LONGEST_NAME = 100
NEAR = 0.75
"""How much like a group's name a name is that is taken for a slip."""


@dataclass(frozen=True, slots=True)
class EscalationRequest:
    """Why a review is put before somebody."""

    to: str
    """A group or a person; empty for anybody."""
    by: Actor
    """The agent, or a rule of the policy."""
    why: str
    """A clause for people."""


def escalation_of(agent: str, pause: Pause, verdicts: Mapping[int, Verdict]) -> EscalationRequest | None:
    """Why a pause that just came up is escalated: the agent asks for a person, or policy sends it to one; None when neither does."""
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
    """The group or person that what people have to decide is meant for, by the worst of it; empty for anybody."""
    asked = _of_people(verdicts)
    worst_first = sorted(asked, key=lambda one: one.outcome is not Outcome.TAKEOVER)
    return next((one.to for one in worst_first if one.to), "")


def earliest_deadline(verdicts: Mapping[int, Verdict]) -> Verdict | None:
    """Of what people have to decide the verdict with the first deadline; None when there is none."""
    timed = [one for one in _of_people(verdicts) if one.deadline_s is not None]
    return min(timed, key=lambda one: (one.deadline_s or 0.0, one.then), default=None)


def _of_people(verdicts: Mapping[int, Verdict]) -> list[Verdict]:
    return [one for _, one in sorted(verdicts.items()) if one.outcome in (Outcome.ASK, Outcome.TAKEOVER)]


def first_step(chain: Sequence[ChainStep], to: str) -> tuple[str, int | None]:
    """To whom something goes that was just escalated to somebody, or with an empty `to` to anybody, and as which step of the chain."""
    if not chain:
        return to, None
    if not to and not chain[0].after_s:
        return chain[0].to, 0
    return to, next((number for number, step in enumerate(chain) if step.to == to), None)


def next_step(chain: Sequence[ChainStep], step: int | None) -> tuple[int, float] | None:
    """The step after that one, or after an escalation that is none, and the seconds nobody claims it until then; None at the end.

    Who was named outside of the chain comes before it, and has as long as the first that the chain waits for anybody.
    """
    number = 0 if step is None else step + 1
    if number >= len(chain):
        return None
    after = chain[number].after_s
    return number, after if after or number else next((one.after_s for one in chain if one.after_s), 0.0)


def recipient_problem(to: str, own: str, groups: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """Why somebody cannot escalate to that name, and what to do; None when they can: who is in no group may be a person all the same."""
    if len(to) > LONGEST_NAME or not to.isprintable():
        return "that is no name of a group or a person", f"give one of up to {LONGEST_NAME} characters, all of them visible"
    if to and same_person(to, own):
        return f"{to} is you", "claim the review instead, or name somebody else"
    people = {person_key(person) for members in groups.values() for person in members}
    if not to or to in groups or person_key(to) in people:
        return None
    import difflib  # only for those who mistype

    known = {group.casefold(): group for group in groups}
    close = difflib.get_close_matches(to.casefold(), known, 1, NEAR)
    return (f"there is no group {to!r}", f"did you mean {known[close[0]]}?") if close else None
