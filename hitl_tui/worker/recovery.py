"""What to do with a run whose worker stopped in the middle: decided from its thread's snapshot alone.

A crash inside a step cannot be undone, only recognised: a call that somebody approved may have run although the thread has no result of it.
Such a run is held until a person says whether that may run again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from enum import Enum

from hitl_tui.agents.source import StepProgress, ThreadSnapshot
from hitl_tui.model import Action, Answer, DecisionKind, Pause, PauseKind, Run, Submission


class Recovery(Enum):
    """The next thing to do with an interrupted run."""

    START_OVER = "start over"
    """The thread has no checkpoint of this run."""
    FINISH_STEP = "finish step"
    """Have the ended step stored, then look again: whether the next step had started is not visible before."""
    HOLD = "hold"
    """Going on could repeat what somebody approved: ask first."""
    ASK_AGAIN = "ask again"
    """A saved answer makes the run fail on every attempt: drop it."""
    PROCEED = "proceed"
    """Nothing that was approved can happen twice: run on."""
    SETTLE = "settle"
    """The thread waits or has finished: store that."""


def recovery(snapshot: ThreadSnapshot, run: Run, sent: Sequence[Submission], repaired: bool = False) -> Recovery:
    """The next thing to do with an interrupted run.

    Args:
        snapshot: the thread's newest checkpoint.
        run: the run; `cut` says that it was stopped inside a step.
        sent: the answers that the run went on with last.
        repaired: the thread was repaired since its worker stopped: refusals restored, or the step finished.
    """
    match snapshot.progress:
        case _ if not is_own(snapshot, run):
            return Recovery.START_OVER
        case StepProgress.STEP_ENDED if run.cut and sent and not repaired:
            return Recovery.FINISH_STEP
        case _ if (run.cut or repaired) and may_repeat(snapshot, sent):
            return Recovery.HOLD
        case _ if snapshot.poisoned:
            return Recovery.ASK_AGAIN
        case StepProgress.FINISHED:
            return Recovery.SETTLE
        case _ if snapshot.at_gate:
            return Recovery.SETTLE
        case StepProgress.ASKING if snapshot.pauses:
            return Recovery.SETTLE
        case _:
            return Recovery.PROCEED


def is_own(snapshot: ThreadSnapshot, run: Run) -> bool:
    """Whether the checkpoint is this run's, or that of the lost run it was made to replace (`doctor --repair`)."""
    return snapshot.belongs_to(run.id) or snapshot.belongs_to(run.input.get("adopted", run.id))


def may_repeat(snapshot: ThreadSnapshot, sent: Sequence[Submission]) -> bool:
    """Whether going on could run something approved a second time: a task is unfinished, and the approved left no result."""
    if not snapshot.has_open_tasks:
        return False
    pending = {pause.interrupt for pause in snapshot.pauses}
    return any(
        _lets_happen(answered, answered.by_slot[action.slot]) and not _has_result(answered, action, snapshot.completed_calls)
        for answered in sent
        if answered.interrupt not in pending
        for action in answered.actions
        if action.slot in answered.by_slot
    )


def _lets_happen(answered: Submission, answer: Answer) -> bool:
    if answered.kind is PauseKind.GATE:
        return False  # its node has finished, else the thread would still stand there
    if answered.kind.acts_on_any_answer:
        return answer.kind is not DecisionKind.REJECT
    return answer.kind in (DecisionKind.APPROVE, DecisionKind.EDIT)


def _has_result(answered: Submission, action: Action, completed_calls: Collection[str]) -> bool:
    return answered.kind.has_tool_results and action.tool_call in completed_calls


def in_doubt(pause: Pause, note: str, key: str | None, may_have_run: bool = True) -> Pause:
    """The pause with a warning that what it lets happen may have happened once; an approval of it reuses `key`."""
    actions = pause.actions
    if pause.kind is PauseKind.GATE:
        means = {"approve": f"lets {pause.node} run, maybe for the second time", "reject": "ends the run here"}
        actions = tuple(
            replace(action, description=f"the run was interrupted while {pause.node} was running", means=means) for action in actions
        )
    return replace(pause, note=note, may_have_run=may_have_run, actions=actions, repeats=key)
