"""Reads LangGraph's snapshot of a thread as `source.ThreadSnapshot`, wherever the thread is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import StateSnapshot

from hitl_tui.agents import interrupts, takeover_updates
from hitl_tui.agents.interrupt_payloads import normalise
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.messages import calls_at_end, messages_in, result_of
from hitl_tui.agents.proposals import completed_calls, left_out_calls
from hitl_tui.agents.source import PendingInterrupt, StepProgress, ThreadSnapshot
from hitl_tui.model import Pause


def thread_snapshot(
    state: StateSnapshot, graph_info: GraphInfo, pauses: tuple[Pause, ...], poisoned: bool, run: int | None
) -> ThreadSnapshot:
    """Where a thread stands. `pauses` are what it waits for, `run` is the run that wrote the checkpoint."""
    progress = progress_of(state)
    checkpoint = state.config["configurable"].get("checkpoint_id")
    runs_on = progress not in (StepProgress.NOT_STARTED, StepProgress.FINISHED)
    is_over = progress is StepProgress.FINISHED and not pauses
    return ThreadSnapshot(
        None if checkpoint is None else str(checkpoint),
        progress,
        pauses,
        poisoned,
        run,
        is_update=(state.metadata or {}).get("source") == "update",
        has_open_tasks=any(task.result is None and not task.interrupts for task, _, _ in interrupts.leaves(state)),
        completed_calls=_calls(state, completed_calls) if runs_on else frozenset(),
        left_out_calls=_calls(state, functools.partial(left_out_calls, is_over=not runs_on)),
        head=takeover_updates.head_of(state, graph_info, pauses) if runs_on or pauses else None,
        result=result_of(state.values) if is_over else None,
    )


def progress_of(state: StateSnapshot) -> StepProgress:
    """How far the newest step has come."""
    if state.created_at is None:
        return StepProgress.NOT_STARTED
    if not state.tasks:
        return StepProgress.FINISHED
    if all(task.result is not None for task in state.tasks):
        return StepProgress.STEP_ENDED
    unfinished = any(not task.interrupts and task.result is None for task in state.tasks)
    return StepProgress.UNFINISHED if unfinished else StepProgress.ASKING


def pending_interrupt(interrupt: Any, node: str) -> PendingInterrupt:
    """One of LangGraph's interrupts, raised by this node, as far as answering needs it."""
    kind, actions = normalise(interrupt.value, node, {}, interrupt.response_schema)
    return PendingInterrupt(interrupt.id, kind, node, actions, interrupt.value)


def _calls(state: StateSnapshot, which: Callable[[Sequence[BaseMessage]], frozenset[str]]) -> frozenset[str]:
    """Ids of tool calls in the state and in the subgraphs where the thread stands."""
    values = (state.values, *(owner.values for _, _, owner in interrupts.leaves(state)))
    return frozenset(call for each in values for call in which(messages_in(each)))


def ended_by_person(state: StateSnapshot) -> bool:
    """Whether a person ended the thread, with what waited in it left undone. A hand-back may also leave calls to be asked."""
    metadata: Mapping[str, Any] = state.metadata or {}
    return metadata.get("source") == "update" and takeover_updates.TAKEOVER not in metadata


def calls_left(state: StateSnapshot) -> tuple[str, ...]:
    """Names of the tool calls with which an agent ended, and which nobody ran."""
    if ended_by_person(state):
        return ()
    return tuple(str(call["name"]) for call in calls_at_end(messages_in(state.values))[1])
