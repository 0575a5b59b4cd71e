"""A thread of a local graph: the `source.Thread` through which every call to LangGraph goes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphDrained, UnknownInterruptError
from langgraph.graph import END
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.types import Command, StateSnapshot, StreamMode

from hitl_tui.agents import interrupts, takeover_updates, tool_gates
from hitl_tui.agents.checkpoint_reader import RESUME
from hitl_tui.agents.checkpoint_saver import CheckpointSaver
from hitl_tui.agents.interrupt_payloads import resume_value, with_exact_args
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.memory import LessonSync
from hitl_tui.agents.snapshots import calls_left, ended_by_person, pending_interrupt, thread_snapshot
from hitl_tui.agents.source import (
    END_CALLS,
    AgentSettings,
    AppliedHandback,
    CheckpointLost,
    Drained,
    NotPending,
    PendingInterrupt,
    StreamEvent,
    ThreadSnapshot,
    is_gate,
)
from hitl_tui.agents.stream_events import EventReader, Part
from hitl_tui.agents.subgraph_interrupts import SubgraphPlace, SubgraphReader
from hitl_tui.agents.takeover_updates import HandbackUpdates
from hitl_tui.agents.tool_guard import LeaseGuard, ToolGuard
from hitl_tui.errors import Refused
from hitl_tui.model import Answer, BlockedCall, DecisionKind, Json, Pause, PauseKind, Run, RunHead, Submission, Takeover

MODES: list[StreamMode] = ["tasks", "updates", "messages", "custom"]


class LocalThread:
    """A graph bound to one thread id. `source.Thread` documents the methods."""

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        config: RunnableConfig,
        graph_info: GraphInfo,
        saver: CheckpointSaver,
        run: Run,
        lessons: LessonSync,
        settings: Callable[[], AgentSettings],
        holds: Callable[[], bool],
        context: Json = None,
    ) -> None:
        self._graph = graph
        self._saver = saver
        self._reader = saver.direct_reader
        self._subgraphs = SubgraphReader(saver, saver.direct_reader, run.thread)
        self._lease_guard = LeaseGuard(run.id, holds)
        self._config: RunnableConfig = {**config, "callbacks": [self._lease_guard]}
        self._graph_info = graph_info
        self._run = run
        self._lessons = lessons
        self._settings = settings
        self._context = context
        self._events = EventReader()
        self._control = RunControl()
        self._asking_code: str | None = None
        """Fingerprint of the code that asks what `pending` has read; None if unknown."""

    # Reading

    async def snapshot(self, stopped: bool, gates: Collection[str] = ()) -> ThreadSnapshot:
        """Read the newest checkpoint."""
        return (await self._read(stopped, gates))[1]

    async def _read(self, stopped: bool, gates: Collection[str] = ()) -> tuple[StateSnapshot, ThreadSnapshot]:
        state = await self._graph.aget_state(self._config, subgraphs=True)
        found: tuple[Pause, ...] = ()
        if state.interrupts:
            found = tuple(interrupts.interrupted(state, self._graph_info, await self._asking_inside(state), self._settings()))
        if found:
            return state, self._snapshot(state, found, await self._is_poisoned(state))
        # Also reached if all interrupts are answered: LangGraph keeps listing them while a subgraph stands at a gate.
        if state.tasks and state.next:
            gate = interrupts.gated(state, self._graph_info, await self._stopped_inside(state), self._settings())
            if stopped or gate.interrupt in gates or interrupts.at_gate(state, self._graph_info):
                found = (gate,)
        elif not state.tasks and not ended_by_person(state) and (asked := interrupts.at_end(state, self._graph_info, self._settings())):
            found = (asked,)
        return state, self._snapshot(state, found)

    def _snapshot(self, state: StateSnapshot, pauses: tuple[Pause, ...], poisoned: bool = False) -> ThreadSnapshot:
        snapshot = thread_snapshot(state, self._graph_info, pauses, poisoned, self._run_of(state))
        return replace(snapshot, calls_at_end=calls_left(state)) if snapshot.finished else snapshot

    async def pending(self, wanted: Mapping[str, str]) -> dict[str, PendingInterrupt]:
        """Those of these interrupts that are pending, read without LangGraph's slower state: a decision waits for it."""
        asked, self._asking_code = self._reader.pending(self._run.thread)
        if asked and not any(map(is_gate, wanted)):
            return {one.id: pending_interrupt(one, wanted[one.id]) for one in asked if one.id in wanted}
        pauses = (await self.snapshot(stopped=True)).pauses
        raw = {one.id: one.value for one in asked}
        found = [PendingInterrupt(p.interrupt, p.kind, p.node, p.actions, raw.get(p.interrupt)) for p in pauses if p.interrupt in wanted]
        return {one.interrupt: one for one in found}

    async def earlier_answer(self) -> None:
        """Unknown: a checkpoint does not tell."""

    def checkpoint_lost(self) -> CheckpointLost:
        """The error for a checkpoint that `checkpoints.db` does not have."""
        return CheckpointLost(
            "its checkpoint is gone: checkpoints.db is missing, or older than hitl.db", "restore it and retry, or launch the run again"
        )

    async def head_after_error(self, run: int, error: str) -> RunHead | None:
        """Where a failed or cancelled run left the thread."""
        state = await self._graph.aget_state(self._config, subgraphs=True)
        if state.created_at is None or self._run_of(state) != run:
            return None
        return takeover_updates.head_of(state, self._graph_info, (), error)

    @property
    def code_changed(self) -> bool:
        """Whether the graph's files changed since the checkpoint that `pending` read."""
        return bool(self._asking_code != self._config["configurable"]["hitl_code"])

    # Running

    def start(self, given: Any) -> AsyncIterator[StreamEvent]:
        """Run from an input."""
        return self._stream(given)

    def proceed(self) -> AsyncIterator[StreamEvent]:
        """Run on from the checkpoint."""
        return self._stream(None)

    def resume(self, answered: Sequence[tuple[PendingInterrupt, Mapping[int, Answer]]]) -> AsyncIterator[StreamEvent]:
        """Resume dynamic interrupts by id and strictly. A gate never gets a `Command`: that would also answer the next question."""
        first, answers = answered[0]
        if first.kind is PauseKind.GATE:
            return self._pass_gate(answers[0])
        if first.kind is PauseKind.TOOL_GATE:
            return self._pass_tool_gate(first, answers)
        if first.kind is PauseKind.FRONTEND_TOOLS:
            return self._give_results(first, answers)
        values = {
            asked.interrupt: resume_value(asked.kind, asked.actions, with_exact_args(asked.kind, asked.value, given))
            for asked, given in answered
        }
        strict = _with_configurable(self._config, {"__pregel_strict_resume": True})
        return self._stream(Command(resume=values), strict)

    async def _pass_gate(self, answer: Answer) -> AsyncIterator[StreamEvent]:
        if answer.kind is DecisionKind.REJECT:
            await self._graph.aupdate_state(self._config, None, as_node=END)
            return
        async for event in self._stream(None):
            yield event

    async def _pass_tool_gate(self, asked: PendingInterrupt, answers: Mapping[int, Answer]) -> AsyncIterator[StreamEvent]:
        """Approved calls run; refused ones get their result from the reviewer (the recipes of CONTRACT 2.3, for any mix)."""
        passage = tool_gates.passage(await self._graph.aget_state(self._config), asked.actions, answers)
        refused = passage.refused
        if passage.must_divide:
            await self._update({"messages": passage.divided(), **passage.moved_edits})
            refused = []  # they are stored, and the approved calls come next
        elif refused and passage.kept:
            await self._update({"messages": [tool_gates.with_calls(passage.message, passage.kept)], **passage.moved_edits})
            async for event in self._stream(None, interrupt_after="*"):  # one step, wherever it leads
                yield event
            if (await self._graph.aget_state(self._config)).interrupts:
                return  # an approved call asks something itself: the step has not ended, so the model reads no refusal yet
            await self._update({"messages": [passage.message, *refused]}, as_node=asked.node)
        elif refused:
            await self._update({"messages": [*passage.ended, *refused]}, as_node=asked.node)
        elif passage.is_changed:
            await self._update({"messages": [passage.message], **passage.moved_edits})
        if refused and interrupts.at_gate(await self._graph.aget_state(self._config), self._graph_info):
            return  # the tool step is over, and the next node has a gate of its own
        async for event in self._stream(None):
            yield event

    def name_decisions(self, decisions: str, by: str) -> None:
        """Nothing: only workers of this home read the checkpoints, and they have the decisions."""

    async def _give_results(self, asked: PendingInterrupt, answers: Mapping[int, Answer]) -> AsyncIterator[StreamEvent]:
        """Go on with the results of front-end tools as the next input. It is stored before anything runs: a crash never sends it twice."""
        state = await self._graph.aget_state(self._config)
        if f"{END_CALLS}{state.config['configurable'].get('checkpoint_id')}" != asked.interrupt:
            raise NotPending("the thread has moved")
        results = tool_gates.given_results(asked.actions, answers)
        await self._graph.aupdate_state(self._config, {"messages": results}, as_node=tool_gates.INPUT)
        async for event in self._stream(None):
            yield event

    def request_drain(self) -> None:
        """Stop the stream at the next step boundary."""
        self._control.request_drain()

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        """Show tools the keys of the decisions they run on."""
        if whole:
            self._config = _with_configurable(self._config, {"hitl_decision_id": whole, "hitl_decision_ids": dict(by_call)})

    def forbid(self, blocked: Sequence[BlockedCall]) -> None:
        """Stop these calls if they are about to run. The graph's own callbacks stay."""
        if blocked:
            self._config = {**self._config, "callbacks": [self._lease_guard, ToolGuard(blocked)]}

    async def deliver_lessons(self) -> str:
        """Update the long-term store that the graph brings along, if it has one."""
        return await self._lessons.update_foreign(self._graph.store, self._run.agent)

    async def _stream(
        self,
        given: Any,
        config: RunnableConfig | None = None,
        interrupt_after: Sequence[str] | None = None,
        interrupt_before: Sequence[str] | None = None,
    ) -> AsyncIterator[StreamEvent]:
        parts: AsyncIterator[Part] = self._graph.astream(  # type: ignore[assignment]  # a list of modes with subgraphs streams triples
            given,
            config or self._config,
            stream_mode=MODES,
            subgraphs=True,
            durability="async",
            control=self._control,
            context=self._context,
            interrupt_before=interrupt_before or self._graph_info.own_before,
            interrupt_after=interrupt_after or self._graph_info.own_after,
        )
        has_begun = False
        try:
            async with contextlib.aclosing(parts):  # type: ignore[type-var]
                async for part in parts:
                    has_begun = True
                    for event in self._events.read(part):
                        yield event
        except GraphDrained:
            if not self._control.drain_requested:
                raise  # a node raised it itself
            raise Drained from None
        except UnknownInterruptError as error:
            if has_begun:
                raise
            raise NotPending(str(error)) from None

    # After a crash

    async def rejoin(self) -> AsyncIterator[StreamEvent]:
        """Nothing: agents end with their worker."""
        events: list[StreamEvent] = []
        for event in events:
            yield event

    async def was_sent(self, decisions: str) -> bool | None:
        """Unknown: the checkpoints do not tell an answer that was never sent from one that was lost with its step."""
        return None

    async def restore_refusals(self, sent: Sequence[Submission]) -> bool:
        """Put back the refusals of a mixed decision at a tool gate, if a worker died between its two halves."""
        restored = False
        for answered in sent:
            values = (await self._graph.aget_state(self._config)).values
            if message := tool_gates.message_without_refusals(values, answered):
                calls = tool_gates.calls_of(answered, message)
                by_slot = answered.by_slot
                refusals = [tool_gates.refusal(call, by_slot[slot]) for slot, call in calls.items() if tool_gates.is_refused(by_slot[slot])]
                whole = tool_gates.with_calls(message, list(calls.values()))
                done = tool_gates.approved_calls_ended(values, answered)
                await self._update({"messages": [whole, *refusals] if done else [whole]}, as_node=answered.node if done else None)
                restored = True
        return restored

    def finish_step(self) -> AsyncIterator[StreamEvent]:
        """Let LangGraph store the ended step; stopping before every node starts no other."""
        return self._stream(None, interrupt_before="*")

    async def ask_again(self) -> AsyncIterator[StreamEvent]:
        """Fork the thread at its own newest checkpoint, which drops the poisoned answer.

        LangGraph does not fork a fork or an update; it would find the answer there again. So a fork is replaced by its parent, which has
        the same state, and an update gets a checkpoint on top first.
        """
        state = await self._graph.aget_state(self._config, subgraphs=True)
        back_to, source = state.config, (state.metadata or {}).get("source")
        if source == "fork" and state.parent_config:
            back_to = state.parent_config
        elif source == "update":
            await self._update(None, as_node="__copy__")
        async for event in self._stream(None, _with_configurable(self._config, dict(back_to["configurable"]))):
            yield event

    # Takeover

    async def apply_handback(self, takeover: Takeover, failed: bool) -> AppliedHandback:
        """Write the plan as state updates. The last checkpoint carries the takeover's number, so a crash cannot apply it twice."""
        state, snapshot = await self._read(stopped=not failed)
        checkpoint = await self._saver.aget_tuple(self._config)
        if checkpoint is None:
            raise Refused("its checkpoint is gone", "launch the run again")
        shape, leading = takeover_updates.GraphShape.of(self._graph), takeover_updates.leading_nodes(state, self._graph_info, checkpoint)
        place = takeover_updates.HandbackPosition(shape, self._graph_info, state, leading, snapshot.pauses, failed)
        plan = takeover_updates.plan_updates(place, takeover.plan, takeover.actor)
        await self._write(plan, takeover.id)
        return AppliedHandback(plan.unapproved, plan.at_gate, plan.passes_gate, plan.node_asks)

    async def _write(self, plan: HandbackUpdates, takeover: int) -> None:
        for left, step in zip(range(len(plan.steps) - 1, -1, -1), plan.steps, strict=True):
            marks: dict[str, Any] = {takeover_updates.AS_NODE: step[0].as_node} if len({one.as_node for one in step}) == 1 else {}
            marks |= {} if left else {takeover_updates.TAKEOVER: takeover}
            await self._graph.abulk_update_state(_with_configurable(self._config, marks), [step])

    def has_handback(self, takeover: int) -> bool:
        """Whether a checkpoint carries this takeover's number."""
        return self._reader.has_takeover(self._run.thread, takeover)

    async def snapshot_after(self, applied: AppliedHandback) -> ThreadSnapshot:
        """Read the checkpoint after a hand-back."""
        state, snapshot = await self._read(stopped=applied.at_gate)
        if applied.passes_gate:
            snapshot = replace(snapshot, pauses=())
        if snapshot.finished or snapshot.pauses or not applied.unapproved or applied.node_asks:
            return snapshot
        return await self.snapshot(stopped=True) if all(map(self._graph_info.runs_tools, state.next)) else snapshot

    def continue_after(self, applied: AppliedHandback) -> AsyncIterator[StreamEvent]:
        """Run on, and stop before tool nodes that would run unapproved calls without asking."""
        stops = bool(applied.unapproved) and not applied.node_asks
        tools = filter(self._graph_info.runs_tools, self._graph_info.nodes) if stops else ()
        return self._stream(None, interrupt_before=sorted({*self._graph_info.gates_before, *tools}) or None)

    # Plumbing

    async def _update(self, values: dict[str, Any] | None, as_node: str | None = None) -> None:
        marks = {takeover_updates.AS_NODE: as_node} if as_node else {}
        await self._graph.aupdate_state(_with_configurable(self._config, marks), values, as_node=as_node)

    async def _asking_inside(self, state: StateSnapshot) -> dict[str, SubgraphPlace]:
        """Where graphs ask that the state does not show, by interrupt id."""
        found: dict[str, SubgraphPlace] = {}
        for task, _, owner in interrupts.leaves(state):
            if task.interrupts:
                found |= await self._subgraphs.asking(interrupts.namespace(task, owner))
        return found

    async def _stopped_inside(self, state: StateSnapshot) -> dict[str, SubgraphPlace]:
        """Where graphs stand at gates that the state does not show, by task id."""
        tasks = [(task, interrupts.namespace(task, owner)) for task, _, owner in interrupts.leaves(state)]
        found = [(task.id, await self._subgraphs.stopped(namespace)) for task, namespace in tasks]
        return {task: place for task, place in found if place}

    def _run_of(self, state: StateSnapshot) -> int | None:
        written = (state.metadata or {}).get("hitl_run")
        return written if isinstance(written, int) else self._reader.run(self._run.thread)

    async def _is_poisoned(self, state: StateSnapshot) -> bool:
        failed = {task.id for task in state.tasks if task.error and task.interrupts}
        checkpoint = await self._saver.aget_tuple(self._config) if failed else None
        writes = (checkpoint.pending_writes or ()) if checkpoint else ()
        return any(task in failed and channel == RESUME for task, channel, _ in writes)


def _with_configurable(config: RunnableConfig, more: dict[str, Any]) -> RunnableConfig:
    return {**config, "configurable": {**config["configurable"], **more}}
