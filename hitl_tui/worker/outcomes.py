"""What became of the answers a run was sent, and what those are told who are asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from hitl_tui import canonical_json
from hitl_tui.agents.thread import Ask, Asked, Look
from hitl_tui.model import Action, Answer, DecisionKind, Pause, PauseKind, ReviewState, Sent
from hitl_tui.store import decisions
from hitl_tui.validation import TOOL_KINDS, response_value

MAY_HAVE_RUN = "may have run once: the run was cut off while this was being applied"
FAILED_ON_IT = "may have run once: the graph failed in that step, and all of it is asked anew"
NOTHING_RAN = "asked again: the worker was stopped before the answer could be applied, and nothing ran"
ASKED_AGAIN = "the answer was sent, and the graph asks the same again"

Fate = dict[int, tuple[ReviewState, str]]
"""By review its new state, with a note."""


def at_gate(look: Look) -> bool:
    """Whether the thread stands at a static gate."""
    return any(pause.interrupt.startswith("gate:") for pause in look.pauses)


def doubted(look: Look, sent: Sequence[Sent], note: str, key: str | None) -> Look:
    """The look, where what was answered before, and is asked again by a run that failed or was cancelled over it, says so."""
    answered = {said.interrupt for said in sent}
    let = {a.tool_call for s in sent for a in s.actions if s.by_slot[a.slot].kind in (DecisionKind.APPROVE, DecisionKind.EDIT)} - {None}

    def again(pause: Pause) -> bool:
        return pause.interrupt in answered or any(action.tool_call in let for action in pause.actions)

    return replace(look, pauses=tuple(replace(pause, note=note, repeats=key) if again(pause) else pause for pause in look.pauses))


def with_words(note: str, sent: Sequence[Sent]) -> str:
    """The note with what was decided before, so that whoever is asked again knows."""
    said = [_in_words(action, one.by_slot[action.slot]) for one in sent for action in one.actions if action.slot in one.by_slot]
    return f"{note}; before: {', '.join(said)}" if said else note


def _in_words(action: Action, answer: Answer) -> str:
    name = canonical_json.one_line(action.name, 40)
    match answer.kind:
        case DecisionKind.APPROVE:
            return f"{name} approved"
        case DecisionKind.EDIT:
            return f"{name} edited to {canonical_json.plain(canonical_json.dumps(answer.args)[:200])}"
        case DecisionKind.REJECT:
            return f"{name} rejected" + (f" ({canonical_json.one_line(answer.message, 80)})" if answer.message else "")
        case _:
            return f"{name} answered {canonical_json.one_line(response_value(answer), 80)}"


def is_refusal(said: Sent) -> bool:
    """Whether an answer lets nothing run, so that sending it twice does no harm."""
    return said.kind in TOOL_KINDS and all(a.kind in (DecisionKind.REJECT, DecisionKind.RESPOND) for a in said.by_slot.values())


def matched(decided: list[decisions.Answers], asks: Mapping[str, Ask]) -> tuple[list[tuple[Asked, decisions.Answers]], Fate]:
    """Decisions whose question is still pending, unchanged to the byte, and why the others are stale."""
    answered, stale = [], Fate()
    for said in decided:
        ask = asks.get(said.interrupt)
        asked = ask(said.node) if ask else None
        if asked is None:
            stale[said.review] = (ReviewState.STALE, "answered elsewhere or superseded before it could be sent")
        elif {action.slot: action.digest for action in asked.actions} != dict(said.digests):
            stale[said.review] = (ReviewState.STALE, "what would run is no longer what was shown")
        else:
            answered.append((asked, said))
    return answered, stale


def fates_of(look: Look, sent: Mapping[int, str], doubt: str, key: str | None) -> tuple[list[Pause], Fate]:
    """What became of the answers sent. A gate that was left half-way is asked anew: some of its calls may have their results by now."""
    pending = {pause.interrupt: pause.kind for pause in look.pauses}
    pauses, fate = list(look.pauses), Fate()
    for review, interrupt in sent.items():
        if doubt == NOTHING_RAN and interrupt in pending:
            fate[review] = (ReviewState.DECIDED, "")
        elif interrupt in pending and pending[interrupt] is not PauseKind.TOOL_GATE:
            fate[review] = (ReviewState.OPEN, doubt)
        elif interrupt in pending or (doubt != ASKED_AGAIN and interrupt.startswith("gate:") and at_gate(look)):
            fate[review] = (ReviewState.FAILED, doubt)
            pauses = [replace(pause, note=doubt, repeats=key) for pause in pauses]
        else:
            fate[review] = (ReviewState.APPLIED, "")
    return pauses, fate
