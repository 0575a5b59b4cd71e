"""A thread on a LangGraph server, as `source.Thread`: what it waits for, and how runs are started, answered and handed back there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from langchain_core.messages import BaseMessage
from langgraph.types import StateSnapshot

from hitl_tui.agents import interrupts, tool_gates
from hitl_tui.agents.interrupt_payloads import resume_value, with_exact_args
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.messages import messages_in
from hitl_tui.agents.server_checkpoints import ServerCheckpoints, checkpoint_of
from hitl_tui.agents.server_connection import ServerConnection
from hitl_tui.agents.server_lessons import ServerLessons
from hitl_tui.agents.server_runs import (
    GO_ON,
    LAUNCH_AGAIN,
    ServerRunFailed,
    ServerRuns,
    actor,
    checkpoint_lost,
    running_among,
    task_failures,
)
from hitl_tui.agents.server_state import ANY_DECISION
from hitl_tui.agents.snapshots import calls_left, ended_by_person, pending_interrupt, thread_snapshot
from hitl_tui.agents.source import (
    END_CALLS,
    GATE,
    AgentSettings,
    AppliedHandback,
    CheckpointLost,
    CutOff,
    EarlierAnswer,
    NotPending,
    PendingInterrupt,
    ReadOnly,
    StreamEvent,
    ThreadSnapshot,
)
from hitl_tui.agents.takeover_updates import GraphShape, HandbackPosition, plan_updates
from hitl_tui.errors import HitlError, Refused
from hitl_tui.model import Answer, BlockedCall, DecisionKind, Json, Pause, PauseKind, Run, RunHead, RunState, Submission, Takeover

RESERVE_S = 2
"""Delay of a run that only reserves its thread, while what it will let happen is read again."""
UNKNOWN_DECISIONS = "the server does not say which decisions this takes: one that it does not take is refused there, and asked again"
FAILED_BEFORE = "an earlier answer made it fail, and may be used again in place of yours; if it fails, retry lets it ask anew"
RESTS, REST_S = 10, 0.1
"""How often, and after how many seconds each, a thread is read again that is still busy with a run that has ended."""
NEWEST = 5
"""Runs of a thread that are read to find the one that has it now."""
ROW = ("thread_id", "status", "updated_at", "metadata")


class ServerThread:
    """A thread of one run. `source.Thread` documents the methods.

    Args:
        connection: to the server.
        assistant: the assistant's id.
        graph_info: what is known of its graph, with the gates of this run.
        shape: what updates of the state need to know of its graph.
        run: the run.
        key: names the run among all homes that use the server.
        confidence: the confidence sources of the agent.
        holds: whether the worker still has the run's lease.
        seen: by thread, its row's `updated_at` when it was read last.
        schemas: of answers, by interrupt id, as streams had them.
        lessons: writes lessons into the server's store.
    """

    code_changed = False

    def __init__(
        self,
        connection: ServerConnection,
        assistant: str,
        graph_info: GraphInfo,
        shape: GraphShape,
        run: Run,
        key: str,
        confidence: Callable[[], AgentSettings],
        holds: Callable[[], bool],
        seen: MutableMapping[str, str],
        schemas: MutableMapping[str, Any],
        lessons: ServerLessons,
    ) -> None:
        self._connection = connection
        self._graph_info = graph_info
        self._shape = shape
        self._run = run
        self._thread = run.thread
        self._confidence = confidence
        self._seen = seen
        self._key = key
        self._lessons = lessons
        self._runs = ServerRuns(connection, assistant, graph_info, run, key, holds, schemas)
        self._checkpoints = ServerCheckpoints(connection, run.thread, self._runs, schemas)
        self._moved_by = ""
        self._running_elsewhere: Any = None
        """The run of another program that has the thread, as it was when this turn began."""
        self._may_go_on = run.is_retry
        """Somebody wants the run to go on from where it stands; else only answers let it."""
        self._is_cut = False
        """The run was stopped within a step, and nothing runs since."""

    @property
    def _is_foreign(self) -> bool:
        """Whether another program began the thread."""
        return isinstance(self._run.input, dict) and bool(self._run.input.get("elsewhere"))

    @property
    def _had_thread(self) -> bool:
        """Whether the server had the thread when this run was driven last."""
        run = self._run
        return self._is_foreign or run.state is RunState.WAITING or (run.resuming and not run.cut)

    # Reading

    async def snapshot(self, stopped: bool, gates: Collection[str] = ()) -> ThreadSnapshot:
        """Read the newest checkpoint. Whether the thread stands at a static gate is read from the server, and not from `stopped`.

        Only a thread that was stopped within a step stands at a gate before that step, if `stopped` asks for it.
        """
        return (await self._read(gates, True if stopped and self._is_cut else None))[0]

    async def _read(self, gates: Collection[str], stopped: bool | None = None) -> tuple[ThreadSnapshot, StateSnapshot]:
        """The newest checkpoint. `stopped`: the thread stands at a gate if it has a next node; None if the server is to tell."""
        async with self._connection.talking():
            updated_at = await self._row_at_rest()
            if not updated_at and self._had_thread:
                raise CheckpointLost("the server no longer has its thread", LAUNCH_AGAIN)
            state = await self._checkpoints.at_head()
            pauses, poisoned = await self._pauses(state, gates, stopped)
            run = await self._run_of(state)
        if updated_at:
            self._seen[self._thread] = updated_at
        found = thread_snapshot(state, self._graph_info, pauses, poisoned, run)
        return replace(found, moved_by=self._moved_by, calls_at_end=calls_left(state) if found.finished else ()), state

    async def _row_at_rest(self) -> str:
        """The thread's `updated_at`, empty if there is no such thread.

        A server updates the row after the run that has ended. Until then it is busy, and would be taken for one that others move.
        """
        updated_at = ""
        for _ in range(RESTS):
            async with self._connection.talking() as client:
                rows = await client.threads.search(ids=[self._thread], select=list(ROW), limit=1)  # type: ignore[arg-type]
                with self._connection.reading():
                    updated_at, status = (str(rows[0]["updated_at"]), rows[0]["status"]) if rows else ("", "idle")
            if status != "busy" or self._running_elsewhere:
                break
            await asyncio.sleep(REST_S)
        return updated_at

    async def _pauses(self, state: StateSnapshot, gates: Collection[str], stopped: bool | None = None) -> tuple[tuple[Pause, ...], bool]:
        """What the thread waits for, and whether a saved answer keeps failing."""
        found: tuple[Pause, ...] = ()
        if state.interrupts:
            asked = interrupts.interrupted(state, self._graph_info, {}, self._confidence())
            found = tuple(self._warned(pause, state) for pause in asked if not self._is_answered(pause.interrupt))
        if found or self._running_elsewhere:
            return found, self._run.is_retry and any(_is_poisoned(task) for task in state.tasks)
        if state.tasks and state.next:
            gate = interrupts.gated(state, self._graph_info, {}, self._confidence())
            known = stopped or gate.interrupt in gates or interrupts.at_gate(state, self._graph_info)
            if known or (stopped is None and await self._stopped_by_itself(state)):
                return (self._warned(gate, state),), False
        # Calls of front-end tools in a thread of others are answered by the program that began it.
        if not state.tasks and not self._is_foreign and not ended_by_person(state):
            asked_at_end = interrupts.at_end(state, self._graph_info, self._confidence())
            return ((asked_at_end,) if asked_at_end else ()), False
        return (), False

    def _is_answered(self, interrupt: str) -> bool:
        """Whether a run of another program has an answer to this, or leaves it behind."""
        if not self._running_elsewhere:
            return False
        command = (self._running_elsewhere.get("kwargs") or {}).get("command")
        answers = command.get("resume") if isinstance(command, Mapping) else None
        return interrupt in answers if isinstance(answers, Mapping) else True

    def _warned(self, pause: Pause, state: StateSnapshot) -> Pause:
        """The pause with what a reviewer must know about its server."""
        raised = [(task, one) for task, _, _ in interrupts.leaves(state) for one in task.interrupts if one.id == pause.interrupt]
        notes = [pause.note, *(UNKNOWN_DECISIONS for _, one in raised if one.response_schema is ANY_DECISION)]
        cautions = [pause.caution, *(FAILED_BEFORE for task, _ in raised if not self._run.is_retry and _is_poisoned(task))]
        return replace(pause, note="; ".join(filter(None, notes)), caution="; ".join(filter(None, cautions)))

    async def _stopped_by_itself(self, state: StateSnapshot) -> bool:
        """Whether the newest run reached a pause: then a thread that asks nothing and is not finished stands at a static gate."""
        if any(task.error for task, _, _ in interrupts.leaves(state)):
            return False
        newest = await self._runs.newest(1)
        return bool(newest) and newest[0]["status"] == "success"

    async def _run_of(self, state: StateSnapshot) -> int | None:
        """The run that wrote the checkpoint. A thread that others move belongs to its newest run here."""
        written = (state.metadata or {}).get("hitl_run")
        if state.created_at is None:
            return None
        if written == self._key or self._is_foreign:
            return self._run.id
        return self._run.id if await self._runs.newest_own() else None

    async def pending(self, wanted: Mapping[str, str]) -> dict[str, PendingInterrupt]:
        """Those of these interrupts that are pending, read by one request if the server tells it at once: a decision waits."""
        if any(interrupt.startswith((GATE, END_CALLS)) for interrupt in wanted):
            state = await self._checkpoints.at_head()
            pauses, _ = await self._pauses(state, wanted)
            return {p.interrupt: PendingInterrupt(p.interrupt, p.kind, p.node, p.actions) for p in pauses if p.interrupt in wanted}
        asked = await self._checkpoints.questions(wanted)
        return {interrupt: pending_interrupt(one, wanted[interrupt]) for interrupt, one in asked.items() if interrupt in wanted}

    async def head_after_error(self, run: int, error: str) -> RunHead | None:
        """Where a failed or cancelled run left the thread."""
        found = await self.snapshot(stopped=True)
        return found.head if found.belongs_to(run) else None

    # Running

    async def start(self, given: Any) -> AsyncIterator[StreamEvent]:
        """Run from an input, unless the server has that run already: a worker may have died before it was told so."""
        if self._is_foreign:
            raise CheckpointLost("there is nothing in its thread any more", "nothing was started")
        known = await self._runs.newest_own() if self._run.lease > 1 else None
        if known is None:
            async with self._runs.changing() as client:
                await client.threads.create(thread_id=self._thread, if_exists="do_nothing")
            known = await self._runs.create(input=given)
        async for event in self._runs.follow(known):
            yield event

    async def proceed(self) -> AsyncIterator[StreamEvent]:
        """Run on from the checkpoint, if somebody wants that: what others have stopped stays stopped, and what they run is theirs."""
        if self._running_elsewhere:
            return
        if not self._may_go_on:
            raise await self._stopped_elsewhere()
        async for event in self._run_on():
            yield event

    async def _stopped_elsewhere(self) -> HitlError:
        """The reason why the run does not go on: another program stopped it, or it failed there."""
        failures = task_failures(await self._checkpoints.newest())
        return ServerRunFailed(failures[0], GO_ON) if failures else CutOff("it was stopped on the server", GO_ON)

    async def rejoin(self) -> AsyncIterator[StreamEvent]:
        """Follow what still runs for this run, and look for the end of its newest, which may have come unseen.

        Runs of others are not followed, which could take a place among the worker's runs for hours: the thread is reported when they end.

        Raises:
            CutOff: the server stopped this run's newest within a step, which was not known, or nobody wants it to go on.
            NotPending: this run's newest was refused, because it came too late.
            ServerRunFailed: this run's newest has failed, and nobody wants it to go on.
        """
        runs = await self._runs.newest(NEWEST)
        while (running := running_among(runs)) and self._runs.is_own(running):
            async for event in self._runs.follow(running):
                yield event
            runs = await self._runs.newest(NEWEST)
        self._running_elsewhere = running
        self._is_cut = self._run.cut and not running
        newest = running or next(iter(runs), None)
        if newest is None:
            return
        if not self._runs.is_own(newest):
            self._moved_by = actor(newest)
        elif newest["status"] != "success":
            await self._note_failure(newest, runs)

    async def _note_failure(self, failed: Any, runs: Sequence[Any]) -> None:
        """Raise why this run's newest has failed, unless the run may go on from there."""
        why = await self._runs.failure(str(failed["run_id"]), str(failed["status"]), await self._runs.error_of(failed))
        if isinstance(why, NotPending):  # it changed nothing, so the thread is where others left it
            self._moved_by = next((actor(one) for one in runs if not self._runs.is_own(one)), "")
            raise why
        if isinstance(why, CutOff) and (self._may_go_on or (why.goes_on and self._run.cut)):
            self._is_cut = self._may_go_on = True
        elif not self._may_go_on:
            raise why

    def resume(self, answered: Sequence[tuple[PendingInterrupt, Mapping[int, Answer]]]) -> AsyncIterator[StreamEvent]:
        """Resume dynamic interrupts by id and strictly. A gate never gets a value: that would also answer the next question."""
        if self._connection.read_only:
            raise ReadOnly(f"nothing can be decided on {self._connection.target.label}: {self._connection.read_only}")
        first, answers = answered[0]
        if first.kind is PauseKind.GATE:
            return self._pass_gate(first, answers[0])
        if first.kind is PauseKind.TOOL_GATE:
            return self._pass_tool_gate(first, answers)
        if first.kind is PauseKind.FRONTEND_TOOLS:
            return self._give_results(first, answers)
        values = {
            asked.interrupt: resume_value(asked.kind, asked.actions, with_exact_args(asked.kind, asked.value, given))
            for asked, given in answered
        }
        return self._answer(values)

    async def _answer(self, values: Mapping[str, Json]) -> AsyncIterator[StreamEvent]:
        created = await self._runs.create(command={"resume": values}, strict_resume=True, configurable={"__pregel_strict_resume": True})
        async for event in self._runs.follow(created):
            yield event

    async def _pass_gate(self, asked: PendingInterrupt, answer: Answer) -> AsyncIterator[StreamEvent]:
        if answer.kind is DecisionKind.REJECT:
            await self._checkpoints.update(None, as_node="__end__")
            return
        async for event in self._run_on(asked.interrupt):
            yield event

    async def _run_on(self, gate: str = "", asks: bool = False, **options: Any) -> AsyncIterator[StreamEvent]:
        """Let a thread run on without an answer, if it stands where it was read last once nobody else can move it.

        No id says to the server what may run. So a delayed run takes the thread first, and then where it stands is read again.

        Args:
            gate: the static gate at which it must stand; empty if its newest checkpoint is enough.
            asks: something may be asked there.
            options: of the run.

        Raises:
            NotPending: somebody else was first.
        """
        self._is_cut = False
        head = self._checkpoints.head
        reserved = await self._runs.create(input=None, after_seconds=RESERVE_S, **options)
        state = await self._checkpoints.newest()
        if (state.interrupts and not asks) or checkpoint_of(state) != head or (gate and self._gate_at(state) != gate):
            await self._runs.withdraw(reserved)
            raise NotPending("the thread has moved", await self._runs.earlier_answer())
        async for event in self._runs.follow(reserved):
            yield event

    def _gate_at(self, state: StateSnapshot) -> str:
        """The id of the static gate at which a thread would stand; empty if it is finished."""
        return interrupts.gated(state, self._graph_info, {}, self._confidence()).interrupt if state.tasks and state.next else ""

    async def _pass_tool_gate(self, asked: PendingInterrupt, answers: Mapping[int, Answer]) -> AsyncIterator[StreamEvent]:
        """Approved calls run; refused ones get their result from the reviewer (the recipes of CONTRACT 2.3, for any mix)."""
        state = await self._checkpoints.newest()
        if checkpoint_of(state) != self._checkpoints.head:
            raise NotPending("the thread has moved", await self._runs.earlier_answer())
        passage = tool_gates.passage(state, asked.actions, answers)
        refused = passage.refused
        if passage.must_divide:
            await self._checkpoints.update({"messages": passage.divided(), **passage.moved_edits})
            refused = []  # they are stored, and the approved calls come next
        elif refused and passage.kept:
            await self._checkpoints.update({"messages": [tool_gates.with_calls(passage.message, passage.kept)], **passage.moved_edits})
            async for event in self._run_on(interrupt_after="*"):  # one step, wherever it leads
                yield event
            state = await self._checkpoints.newest()
            self._checkpoints.head = checkpoint_of(state)
            if state.interrupts:
                return  # an approved call asks something itself: the step has not ended, so the model reads no refusal yet
        if refused:
            told = [passage.message, *refused] if passage.kept else [*passage.ended, *refused]
            await self._checkpoints.update({"messages": told}, as_node=asked.node)
            if interrupts.at_gate(await self._checkpoints.newest(), self._graph_info):
                return  # the tool step is over, and the next node has a gate of its own
        elif passage.is_changed and not passage.must_divide:
            await self._checkpoints.update({"messages": [passage.message], **passage.moved_edits})
        async for event in self._run_on():
            yield event

    async def _give_results(self, asked: PendingInterrupt, answers: Mapping[int, Answer]) -> AsyncIterator[StreamEvent]:
        """Go on with the results of front-end tools as the next input. It is stored before anything runs: a crash never sends it twice."""
        if f"{END_CALLS}{self._checkpoints.head}" != asked.interrupt:
            raise NotPending("the thread has moved", await self._runs.earlier_answer())
        await self._checkpoints.give(tool_gates.given_results(asked.actions, answers), as_node=tool_gates.INPUT)
        async for event in self._run_on():
            yield event

    def request_drain(self) -> None:
        """Stop following: the run goes on without a worker, up to its next pause."""
        self._runs.request_drain()

    def name_decisions(self, decisions: str, by: str) -> None:
        """Name what is sent next, and who decided it."""
        self._runs.name_decisions(decisions, by)

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        """Show tools the keys of the decisions they run on."""
        self._runs.use_keys(whole, by_call)

    async def was_sent(self, decisions: str) -> bool | None:
        """Check whether one of the thread's newest runs was started with these decisions."""
        return await self._runs.was_sent(decisions)

    async def earlier_answer(self) -> EarlierAnswer | None:
        """Find who last started a run of the thread that is not this run's; None if nobody did."""
        return await self._runs.earlier_answer()

    def checkpoint_lost(self) -> CheckpointLost:
        """The error for a thread that is not where this run left it."""
        return checkpoint_lost()

    def forbid(self, blocked: Sequence[BlockedCall]) -> None:
        """Nothing: nobody outside can stop a call in the server's process."""

    async def deliver_lessons(self) -> str:
        """Bring the agent's lessons into the server's store."""
        return await self._lessons.deliver(self._run.agent)

    # After a crash

    async def restore_refusals(self, sent: Sequence[Submission]) -> bool:
        """Put back the refusals of a mixed decision at a tool gate, if a worker died between its two halves."""
        restored = False
        for answered in sent:
            values = (await self._checkpoints.at_head()).values
            if message := tool_gates.message_without_refusals(values, answered):
                calls, by_slot = tool_gates.calls_of(answered, message), answered.by_slot
                refusals: list[BaseMessage] = [
                    tool_gates.refusal(call, by_slot[slot]) for slot, call in calls.items() if tool_gates.is_refused(by_slot[slot])
                ]
                whole = tool_gates.with_calls(message, list(calls.values()))
                done = tool_gates.approved_calls_ended(values, answered)
                await self._checkpoints.update(
                    {"messages": [whole, *refusals] if done else [whole]}, as_node=answered.node if done else None
                )
                restored = self._may_go_on = True
        return restored

    def finish_step(self) -> AsyncIterator[StreamEvent]:
        """Nothing: the server stores its steps as ended itself."""
        return _nothing()

    async def ask_again(self) -> AsyncIterator[StreamEvent]:
        """Run from the newest checkpoint by its id, which drops the poisoned answer. See `LocalThread.ask_again` for forks and updates."""
        state = await self._checkpoints.at_head()
        back_to, source = state.config, (state.metadata or {}).get("source")
        if source == "fork" and state.parent_config:
            back_to = state.parent_config
        elif source == "update":
            await self._checkpoints.update(None, as_node="__copy__")
            back_to = (await self._checkpoints.newest()).config
        async for event in self._run_on(asks=True, checkpoint=dict(back_to["configurable"])):
            yield event

    # Takeover

    async def apply_handback(self, takeover: Takeover, failed: bool) -> AppliedHandback:
        """Write the plan as state updates. A server's checkpoints cannot carry the takeover's number."""
        state = await self._checkpoints.at_head()
        pauses, _ = await self._pauses(state, (), stopped=None if not failed else False)
        place = HandbackPosition(
            self._shape, self._graph_info, state, await self._checkpoints.leading(self._graph_info, state), pauses, failed
        )
        plan = plan_updates(place, takeover.plan, takeover.actor)
        if any(len(step) != 1 or not isinstance(step[0].values, dict | None) for step in plan.steps):
            raise Refused("a server cannot write this update in one step", "guide the agent, answer in its place, or decide what it asks")
        try:
            for step in plan.steps:
                await self._checkpoints.write(step[0].values, step[0].as_node, messages_in(state.values))
        except NotPending as reason:
            raise Refused(f"{reason.first} was first, and the run goes on", "look at it again") from None
        return AppliedHandback(plan.unapproved, plan.at_gate, plan.passes_gate, plan.node_asks)

    def has_handback(self, takeover: int) -> bool:
        """Whether all of it was applied cannot be told: no checkpoint of a server carries a takeover's number."""
        return False

    async def snapshot_after(self, applied: AppliedHandback) -> ThreadSnapshot:
        """Read the checkpoint after a hand-back."""
        found, state = await self._read((), stopped=applied.at_gate)
        if applied.passes_gate:
            found = replace(found, pauses=())
        if found.finished or found.pauses or not applied.unapproved or applied.node_asks:
            return found
        return (await self._read((), stopped=True))[0] if all(map(self._graph_info.runs_tools, state.next)) else found

    async def continue_after(self, applied: AppliedHandback) -> AsyncIterator[StreamEvent]:
        """Run on, and stop before tool nodes that would run unapproved calls without asking."""
        info, stops = self._graph_info, bool(applied.unapproved) and not applied.node_asks
        tools = filter(info.runs_tools, info.nodes) if stops else ()
        before = sorted({*info.gates_before, *tools}) if stops else None
        async for event in self._run_on(asks=True, interrupt_before=before):
            yield event


async def _nothing() -> AsyncIterator[StreamEvent]:
    events: list[StreamEvent] = []
    for event in events:
        yield event


def _is_poisoned(task: Any) -> bool:
    """Whether a saved answer most likely makes this task fail: the server does not tell. One that its schema refused was not saved."""
    return bool(task.error and task.interrupts) and "ValidationError" not in str(task.error)
