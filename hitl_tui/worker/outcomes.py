"""Outcome of each submitted answer (applied, stale, failed, or asked again), and the notes that reviewers read about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from hitl_tui import canonical_json
from hitl_tui.agents.source import EarlierAnswer, PendingInterrupt, ThreadSnapshot, is_gate
from hitl_tui.formatting import exact_duration
from hitl_tui.model import Action, Answer, DecisionKind, Pause, PauseKind, ReviewOutcome, ReviewState, Submission, has_digest
from hitl_tui.store import submissions
from hitl_tui.validation import response_value

CUT_OFF = "may have run once: the run was cut off while this was being applied"
STEP_FAILED = "may have run once: the graph failed in that step, and all of it is asked again"
NOTHING_RAN = "asked again: the run was interrupted before the answer could be applied, and nothing ran"
NOT_ACCEPTED = "the answer was sent, but the graph asks the same again"
SUPERSEDED = "answered elsewhere or superseded before it could be sent"
CHANGED = "what would run is no longer what was shown"

Outcomes = dict[int, ReviewOutcome]
"""By review."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is unknown about answers that were sent before the run was interrupted."""

    note: str = NOT_ACCEPTED
    """What reviewers read if the same is asked again."""
    may_have_run: bool = False
    """The answers may have had their effect."""
    key: str | None = None
    """Key of the decisions that led here: re-approving what may have run reuses it, so idempotent tools run once."""
    reviews: Sequence[int] = ()
    """Reviews whose answers may have had their effect."""


def mark_repeats(snapshot: ThreadSnapshot, sent: Sequence[Submission], note: str, key: str | None) -> ThreadSnapshot:
    """Warn on pauses that repeat an interrupt or an approved call somebody already answered."""
    answered = {one.interrupt for one in sent}
    approved = {a.tool_call for s in sent for a in s.actions if s.by_slot[a.slot].kind in (DecisionKind.APPROVE, DecisionKind.EDIT)}
    approved.discard(None)

    def repeats(pause: Pause) -> bool:
        return pause.interrupt in answered or any(action.tool_call in approved for action in pause.actions)

    pauses = tuple(replace(pause, note=note, may_have_run=True, repeats=key) if repeats(pause) else pause for pause in snapshot.pauses)
    return replace(snapshot, pauses=pauses)


def with_answers(note: str, sent: Sequence[Submission]) -> str:
    """The note, followed by what was decided before."""
    before = [_in_words(action, one.by_slot[action.slot]) for one in sent for action in one.actions if action.slot in one.by_slot]
    return f"{note}; before: {', '.join(before)}" if before else note


def _in_words(action: Action, answer: Answer) -> str:
    name = canonical_json.one_line(action.name, 40)
    match answer.kind:
        case DecisionKind.APPROVE:
            return f"{name} approved"
        case DecisionKind.EDIT:
            return f"{name} edited to {canonical_json.storable(canonical_json.dumps(answer.args)[:200])}"
        case DecisionKind.REJECT:
            return f"{name} rejected" + (f" ({canonical_json.one_line(answer.message, 80)})" if answer.message else "")
        case _:
            return f"{name} answered {canonical_json.one_line(response_value(answer), 80)}"


def runs_nothing(sent: Submission) -> bool:
    """Whether an answer lets no tool run, so that sending it twice does no harm."""
    return sent.kind.is_tool_call and all(a.kind in (DecisionKind.REJECT, DecisionKind.RESPOND) for a in sent.by_slot.values())


def takes_run(sent: Submission) -> bool:
    """Whether an answer changes nothing until a run is begun with it. Others are, or may be, an update of the state first."""
    if sent.kind is PauseKind.GATE:
        return all(answer.kind is not DecisionKind.REJECT for answer in sent.by_slot.values())
    return sent.kind not in (PauseKind.TOOL_GATE, PauseKind.FRONTEND_TOOLS)


def match_pending(
    decided: Sequence[submissions.DecidedReview], pending: Mapping[str, PendingInterrupt]
) -> tuple[list[tuple[PendingInterrupt, submissions.DecidedReview]], Outcomes]:
    """Pair decisions with their interrupts, if those are pending and unchanged to the byte; the others are stale."""
    answered, stale = [], Outcomes()
    for review in decided:
        asked = pending.get(review.interrupt)
        if asked is None:
            stale[review.review] = ReviewOutcome(ReviewState.STALE, SUPERSEDED)
        elif not _is_as_shown(asked, review.digests):
            stale[review.review] = ReviewOutcome(ReviewState.STALE, CHANGED)
        else:
            answered.append((asked, review))
    return answered, stale


def _is_as_shown(asked: PendingInterrupt, digests: Mapping[int, str]) -> bool:
    """Whether its actions are those that these digests, by slot, were taken of when the review was made."""
    live = {action.slot: action for action in asked.actions}
    return live.keys() == digests.keys() and all(
        digests[slot] == action.digest or has_digest(digests[slot], action.name, action.args) for slot, action in live.items()
    )


def outcomes_of(snapshot: ThreadSnapshot, sent: Mapping[int, str], doubt: Doubt) -> tuple[tuple[Pause, ...], Outcomes]:
    """Outcomes of sent answers, given as interrupts by review, and the pauses with their warnings.

    A tool gate that was passed half-way is asked again: some of its calls may have results by now.
    """
    pending = {pause.interrupt: pause.kind for pause in snapshot.pauses}
    pauses, outcomes = snapshot.pauses, Outcomes()
    for review, interrupt in sent.items():
        if doubt.note.startswith(NOTHING_RAN) and interrupt in pending:
            outcomes[review] = ReviewOutcome(ReviewState.DECIDED)
        elif interrupt in pending and pending[interrupt] is not PauseKind.TOOL_GATE:
            outcomes[review] = ReviewOutcome(ReviewState.OPEN, doubt.note, doubt.may_have_run)
        elif interrupt in pending or (doubt.note != NOT_ACCEPTED and is_gate(interrupt) and snapshot.at_gate):
            outcomes[review] = ReviewOutcome(ReviewState.FAILED, doubt.note, doubt.may_have_run)
            pauses = tuple(replace(pause, note=doubt.note, may_have_run=doubt.may_have_run, repeats=doubt.key) for pause in pauses)
        else:
            outcomes[review] = ReviewOutcome(ReviewState.APPLIED)
    return pauses, outcomes


def left_out(snapshot: ThreadSnapshot, sent: Sequence[Submission]) -> Outcomes:
    """Outcomes of answers that let calls run of which the agent, having gone on, has no result: those did not run, or left no trace."""
    found = Outcomes()
    for one in sent:
        approved = [a for a in one.actions if one.by_slot[a.slot].kind in (DecisionKind.APPROVE, DecisionKind.EDIT)]
        lost = [action for action in approved if action.tool_call in snapshot.left_out_calls] if one.kind.has_tool_results else []
        if lost:
            names = " and ".join(f"call {action.number} ({canonical_json.one_line(action.name, 40)})" for action in lost)
            found[one.review] = ReviewOutcome(ReviewState.APPLIED, f"approved, but the agent went on without a result: {names}")
    return found


def superseded(earlier: EarlierAnswer | None) -> ReviewOutcome:
    """The outcome of an answer that came too late: it names who was first if that is known."""
    if earlier is None:
        return ReviewOutcome(ReviewState.STALE, SUPERSEDED)
    ago = "" if earlier.seconds_ago is None else f"{exact_duration(earlier.seconds_ago)} "
    return ReviewOutcome(ReviewState.STALE, f"{canonical_json.one_line(earlier.actor, 80)} answered {ago}before you")


def after_failure(sent: Mapping[int, str], pending: set[str], error: str) -> Outcomes:
    """Outcomes of answers after which the run failed: applied, unless the graph still asks."""
    note = f"the graph failed on the answer: {canonical_json.storable(error)}"
    return {
        review: ReviewOutcome(ReviewState.FAILED, note) if interrupt in pending else ReviewOutcome(ReviewState.APPLIED)
        for review, interrupt in sent.items()
    }
