"""A thread on a LangGraph server: the `source.Thread` through which runs are started, answered and followed there.

Every request that starts something says `multitask_strategy="reject"`: of several who do so at once the server lets one through, and the
others are told (CONTRACT-SERVER 4). Runs go on when the worker that follows them ends; the next worker finds them by their metadata.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import httpx
from langchain_core.messages import BaseMessage
from langgraph.types import StateSnapshot
from langgraph_sdk.errors import APIStatusError, ConflictError, InternalServerError, NotFoundError, PermissionDeniedError
from langgraph_sdk.schema import StreamPart

from hitl_tui import canonical_json
from hitl_tui.agents import interrupts, tool_gates
from hitl_tui.agents.interrupt_payloads import resume_value, with_exact_args
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.messages import messages_in
from hitl_tui.agents.server_connection import ServerConnection, ServerProblem, backoff
from hitl_tui.agents.server_lessons import ServerLessons
from hitl_tui.agents.server_state import ANY_DECISION, as_json, part_of, schemas_in, snapshot_of
from hitl_tui.agents.snapshots import pending_interrupt, thread_snapshot
from hitl_tui.agents.source import (
    AgentSettings,
    AppliedHandback,
    Drained,
    NotPending,
    PendingInterrupt,
    ReadOnly,
    StreamEvent,
    ThreadSnapshot,
    is_gate,
)
from hitl_tui.agents.stream_events import EventReader
from hitl_tui.agents.takeover_updates import GraphShape, HandbackPosition, node_of_results, plan_updates
from hitl_tui.errors import HitlError, LeaseLost, Refused
from hitl_tui.formatting import exact_duration
from hitl_tui.model import Answer, BlockedCall, DecisionKind, Json, Pause, PauseKind, Run, RunHead, RunState, Submission, Takeover

MODES = ("tasks", "updates", "messages-tuple", "custom")
DELETED = "deleted"
ENDED = ("success", "error", "timeout", "interrupted", DELETED)
"""States of a server's run that has ended; the last is not the server's, which has no row then."""
AGAIN_S = 0.05
"""Pause before a stream that broke off is joined again."""
CLOCKS_S = 3600.0
"""Age of a run beyond which the clocks of server and worker are not compared."""
SILENT_S = 2.0
"""Silence of a stream after which its run is looked at."""
RESERVE_S = 2
"""Delay of a run that only reserves its thread, while what it will let happen is read again."""
AWAY_S = 60.0
"""How long a run is followed through a server's outage before it is put off."""
CANCEL_S = 5.0
"""Time for a server to stop a run."""
UNKNOWN_DECISIONS = "the server does not say which decisions this takes: one that it does not take is refused there, and asked again"
FAILED_BEFORE = "an earlier answer made it fail, and may be used again in place of yours; if it fails, retry lets it ask anew"
RESTS, REST_S = 10, 0.1
"""How often, and after how many seconds each, a thread is read again that is still busy with a run that has ended."""
NEWEST = 5
"""Runs of a thread that are read to find the one that has it now."""
HISTORY = 10
"""Checkpoints that are read to find what ran last."""
OVERWRITE = "__overwrite__"
"""LangGraph's key for a value that replaces what a reducer would add to."""
ROW = ("thread_id", "status", "updated_at", "metadata")


class ServerRunFailed(HitlError):
    """A run ended on the server without reaching a pause or its end."""


class ThreadGone(HitlError):
    """The server no longer has the thread."""


@dataclass(slots=True)
class _Followed:
    """A run of the server that is followed."""

    run: str
    last: str = "-1"
    """The id of the last event that was read."""
    status: str = ""
    error: Any = None
    """What the stream said about its failure."""
    away_since: float | None = None


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
        self._assistant = assistant
        self._graph_info = graph_info
        self._shape = shape
        self._run = run
        self._thread = run.thread
        self._key = key
        self._confidence = confidence
        self._holds = holds
        self._seen = seen
        self._schemas = schemas
        self._lessons = lessons
        self._events = EventReader()
        self._drain = asyncio.Event()
        self._keys: dict[str, Any] = {}
        self._decision = ""
        self._by = ""
        self._head = ""
        """The newest checkpoint, as it was read last."""
        self._moved_by = ""
        self._running_elsewhere: Any = None
        """The run of another program that has the thread, as it was when this turn began."""
        self._may_go_on = run.is_retry
        """Somebody wants the run to go on from where it stands; else only answers let it."""

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
        """Read the newest checkpoint. Whether the thread stands at a static gate is read from the server, and not from `stopped`."""
        return (await self._read(gates))[0]

    async def _read(self, gates: Collection[str], stopped: bool | None = None) -> tuple[ThreadSnapshot, StateSnapshot]:
        """The newest checkpoint. `stopped`: the thread stands at a gate if it has a next node; None if the server is to tell."""
        async with self._connection.talking():
            updated_at = await self._row_at_rest()
            if not updated_at and self._had_thread:
                raise ThreadGone("the server no longer has its thread", "launch the run again")
            state = await self._at_head()
            pauses, poisoned = await self._pauses(state, gates, stopped)
            run = await self._run_of(state)
        if updated_at:
            self._seen[self._thread] = updated_at
        return replace(thread_snapshot(state, self._graph_info, pauses, poisoned, run), moved_by=self._moved_by), state

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

    async def _state(self, subgraphs: bool = True) -> StateSnapshot:
        async with self._connection.talking() as client:
            try:
                found = await client.threads.get_state(self._thread, subgraphs=subgraphs)
            except NotFoundError:
                found = {"values": {}, "next": [], "tasks": [], "interrupts": [], "checkpoint": {"thread_id": self._thread}}  # type: ignore[typeddict-item]
            with self._connection.reading():
                return snapshot_of(found, self._schemas)

    async def _at_head(self) -> StateSnapshot:
        """The newest checkpoint, at which what follows must find the thread."""
        state = await self._state()
        self._head = _checkpoint(state)
        return state

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
        newest = await self._runs(1)
        return bool(newest) and newest[0]["status"] == "success"

    async def _run_of(self, state: StateSnapshot) -> int | None:
        """The run that wrote the checkpoint. A thread that others move belongs to its newest run here."""
        written = (state.metadata or {}).get("hitl_run")
        if state.created_at is None:
            return None
        if written == self._key or self._is_foreign:
            return self._run.id
        return self._run.id if await self._newest_own() else None

    async def _runs(self, limit: int) -> list[Any]:
        """The thread's newest runs, newest first."""
        async with self._connection.talking() as client:
            try:
                found = await client.runs.list(self._thread, limit=limit)
            except NotFoundError:
                return []
            with self._connection.reading():
                return sorted(found, key=lambda one: str(one["created_at"]), reverse=True)

    async def _newest_own(self) -> Any:
        """The newest run on the server that was made for this run; None if there is none."""
        return next(filter(self._made, await self._runs(20)), None)

    async def pending(self, wanted: Mapping[str, str]) -> dict[str, PendingInterrupt]:
        """Those of these interrupts that are pending, read by one request: a decision waits for it."""
        if any(map(is_gate, wanted)):
            state = await self._at_head()
            pauses, _ = await self._pauses(state, wanted)
            return {p.interrupt: PendingInterrupt(p.interrupt, p.kind, p.node, p.actions) for p in pauses if p.interrupt in wanted}
        state = await self._state(subgraphs=False)
        return {one.id: pending_interrupt(one, wanted[one.id]) for one in state.interrupts if one.id in wanted}

    async def head_after_error(self, run: int, error: str) -> RunHead | None:
        """Where a failed or cancelled run left the thread."""
        found = await self.snapshot(stopped=True)
        return found.head if found.belongs_to(run) else None

    # Running

    async def start(self, given: Any) -> AsyncIterator[StreamEvent]:
        """Run from an input, unless the server has that run already: a worker may have died before it was told so."""
        if self._is_foreign:
            raise ThreadGone("there is nothing in its thread any more", "nothing was started")
        known = await self._newest_own() if self._run.lease > 1 else None
        if known is None:
            async with self._changing() as client:
                await client.threads.create(thread_id=self._thread, if_exists="do_nothing")
            known = await self._create(input=given)
        async for event in self._follow(known):
            yield event

    async def proceed(self) -> AsyncIterator[StreamEvent]:
        """Run on from the checkpoint, if somebody wants that: what others have stopped stays stopped, and what they run is theirs."""
        if self._running_elsewhere:
            return
        if not self._may_go_on:
            raise await self._stopped_elsewhere()
        async for event in self._run_on():
            yield event

    async def _stopped_elsewhere(self) -> ServerRunFailed:
        errors = [str(task.error) for task, _, _ in interrupts.leaves(await self._state()) if task.error]
        if errors:
            return ServerRunFailed(errors[0], "retry lets it go on from there")
        return ServerRunFailed("it was stopped on the server", "retry lets it go on from there")

    async def rejoin(self) -> AsyncIterator[StreamEvent]:
        """Follow what still runs for this run, and look for the end of its newest, which may have come unseen.

        Runs of others are not followed, which could take a place among the worker's runs for hours: the thread is reported when they end.

        Raises:
            ServerRunFailed: this run's newest has failed, and nobody wants it to go on.
        """
        runs = await self._runs(NEWEST)
        while (running := _running(runs)) and self._made(running):
            async for event in self._follow(running):
                yield event
            runs = await self._runs(NEWEST)
        self._running_elsewhere = running
        newest = running or next(iter(runs), None)
        if newest is None:
            return
        if not self._made(newest):
            self._moved_by = _actor(newest)
        elif newest["status"] != "success" and not self._may_go_on:
            raise await self._failure(str(newest["status"]), await self._error_of(newest))

    async def _error_of(self, run: Any) -> Any:
        """What the stream of a run that has ended said about its failure; None if the server has not kept it."""
        followed = _Followed(str(run["run_id"]))
        async with contextlib.aclosing(self._events_of(followed)) as events:  # type: ignore[type-var]
            async for _ in events:
                pass
        return followed.error

    def _made(self, run: Any) -> bool:
        """Whether a run of the server was made for this run."""
        return bool((run.get("metadata") or {}).get("hitl_run") == self._key)

    async def was_sent(self, decisions: str) -> bool | None:
        """Whether the server has a run with these decisions."""
        wanted = f"{self._key}:{decisions}"
        return any((one.get("metadata") or {}).get("hitl_decision") == wanted for one in await self._runs(20))

    def name_decisions(self, decisions: str, by: str) -> None:
        """Name what is sent next, and who decided it."""
        self._decision, self._by = decisions, by

    def resume(self, answered: Sequence[tuple[PendingInterrupt, Mapping[int, Answer]]]) -> AsyncIterator[StreamEvent]:
        """Resume dynamic interrupts by id and strictly. A gate never gets a value: that would also answer the next question."""
        if self._connection.read_only:
            raise ReadOnly(f"nothing can be decided on {self._connection.target.label}: {self._connection.read_only}")
        first, answers = answered[0]
        if first.kind is PauseKind.GATE:
            return self._pass_gate(first, answers[0])
        if first.kind is PauseKind.TOOL_GATE:
            return self._pass_tool_gate(first, answers)
        values = {
            asked.interrupt: resume_value(asked.kind, asked.actions, with_exact_args(asked.kind, asked.value, given))
            for asked, given in answered
        }
        return self._answer(values)

    async def _answer(self, values: Mapping[str, Json]) -> AsyncIterator[StreamEvent]:
        created = await self._create(command={"resume": values}, strict_resume=True, configurable={"__pregel_strict_resume": True})
        async for event in self._follow(created):
            yield event

    async def _pass_gate(self, asked: PendingInterrupt, answer: Answer) -> AsyncIterator[StreamEvent]:
        if answer.kind is DecisionKind.REJECT:
            await self._update(None, as_node="__end__")
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
        head = self._head
        reserved = await self._create(input=None, after_seconds=RESERVE_S, **options)
        state = await self._state()
        if (state.interrupts and not asks) or _checkpoint(state) != head or (gate and self._gate_at(state) != gate):
            await self._withdraw(reserved)
            raise NotPending("the thread has moved", await self.who_answered())
        async for event in self._follow(reserved):
            yield event

    def _gate_at(self, state: StateSnapshot) -> str:
        """The id of the static gate at which a thread would stand; empty if it is finished."""
        return interrupts.gated(state, self._graph_info, {}, self._confidence()).interrupt if state.tasks and state.next else ""

    async def _pass_tool_gate(self, asked: PendingInterrupt, answers: Mapping[int, Answer]) -> AsyncIterator[StreamEvent]:
        """Approved calls run; refused ones get their result from the reviewer (the recipes of CONTRACT 2.3, for any mix)."""
        state = await self._state()
        if _checkpoint(state) != self._head:
            raise NotPending("the thread has moved", await self.who_answered())
        passage = tool_gates.passage(state, asked.actions, answers)
        refused = passage.refused
        if passage.ended:
            await self._update({"messages": passage.ended})
        if refused and passage.kept:
            await self._update({"messages": [tool_gates.with_calls(passage.message, passage.kept)], **passage.moved_edits})
            async for event in self._run_on(interrupt_after="*"):  # one step, wherever it leads
                yield event
            state = await self._state()
            self._head = _checkpoint(state)
            if state.interrupts:
                return  # an approved call asks something itself: the step has not ended, so the model reads no refusal yet
        if refused:
            await self._update({"messages": [*([passage.message] if passage.kept else []), *refused]}, as_node=asked.node)
            if interrupts.at_gate(await self._state(), self._graph_info):
                return  # the tool step is over, and the next node has a gate of its own
        elif passage.is_changed:
            await self._update({"messages": [passage.message], **passage.moved_edits})
        async for event in self._run_on():
            yield event

    def request_drain(self) -> None:
        """Stop following: the run goes on without a worker, up to its next pause."""
        self._drain.set()

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        """Show tools the keys of the decisions they run on."""
        if whole:
            self._keys = {"hitl_decision_id": whole, "hitl_decision_ids": dict(by_call)}

    def forbid(self, blocked: Sequence[BlockedCall]) -> None:
        """Nothing: nobody outside can stop a call in the server's process."""

    async def deliver_lessons(self) -> str:
        """Bring the agent's lessons into the server's store."""
        return await self._lessons.deliver(self._run.agent)

    # Talking to the server

    @contextlib.asynccontextmanager
    async def _changing(self) -> AsyncIterator[Any]:
        """A request that changes the thread.

        Raises:
            LeaseLost: the worker has lost the run.
            NotPending: the thread is busy: somebody else was first.
            ReadOnly: the server does not allow it.
        """
        if not self._holds():
            raise LeaseLost(self._run.id)
        try:
            async with self._connection.talking() as client:
                yield client
        except ConflictError:
            raise NotPending("the thread is busy", await self.who_answered()) from None
        except PermissionDeniedError as error:
            raise ReadOnly(f"{self._connection.target.label} does not allow this to you (403): {error.message}") from None

    async def _create(
        self, *, configurable: Mapping[str, Any] = {}, interrupt_before: Any = None, interrupt_after: Any = None, **options: Any
    ) -> Any:
        """Start a run on the server.

        Raises:
            NotPending: somebody else was first.
            ServerProblem: it is unknown whether it was started; `rejoin` finds it if it was.
            ServerRunFailed: the server fails on this request, and on no other.
        """
        given = self._run.options.config or {}
        # The server copies `configurable` to the context. With a context of its own, it would drop keys from `configurable`.
        values = {**(self._run.options.context or {}), **given.get("configurable", {}), **self._keys, **configurable}
        config = {**{key: value for key, value in given.items() if key not in ("configurable", "metadata")}, "configurable": values}
        metadata = {**given.get("metadata", {}), "hitl_run": self._key}
        if self._decision:
            metadata |= {"hitl_decision": f"{self._key}:{self._decision}", "hitl_by": self._by}
        info = self._graph_info
        try:
            async with self._changing() as client:
                return await client.runs.create(
                    self._thread,
                    self._assistant,
                    **options,
                    config=config,
                    metadata=metadata,
                    multitask_strategy="reject",
                    stream_mode=list(MODES),
                    stream_subgraphs=True,
                    stream_resumable=True,
                    interrupt_before=interrupt_before or (list(info.own_before) if info.own_before else None),
                    interrupt_after=interrupt_after or (list(info.own_after) if info.own_after else None),
                )
        except ServerProblem as error:
            if not isinstance(error.__cause__, InternalServerError):
                raise
            await self._connection.check()  # it works otherwise, so it is this request that it fails on
            raise ServerRunFailed(
                f"the server failed on it: {error.__cause__.message}", "look into its log; retry tries it again"
            ) from None

    async def _update(self, values: dict[str, Any] | None, as_node: str | None = None) -> None:
        """Update the state where it was read last.

        Raises:
            NotPending: the thread is busy, or it had moved. Then the update was made at another place, but nothing runs because of it.
        """
        async with self._changing() as client:
            made = await client.threads.update_state(self._thread, as_json(values), as_node=as_node)
            with self._connection.reading():
                now = str(made["checkpoint"]["checkpoint_id"])
        state = await self._state(subgraphs=False)
        before = ((state.parent_config or {}).get("configurable") or {}).get("checkpoint_id")
        if _checkpoint(state) != now or before != self._head:
            raise NotPending("the thread has moved", await self.who_answered())
        self._head = now

    async def who_answered(self) -> str:
        """Who moved the thread last, and when; empty if unknown."""
        others = [one for one in await self._runs(3) if not self._made(one)]
        if not others:
            return ""
        return f"{_actor(others[0])} answered {_before_now(others[0])}"

    async def _cancel(self, run: Any) -> None:
        """Stop a run of the server, and wait until it has stopped."""
        with contextlib.suppress(APIStatusError, httpx.HTTPError, ServerProblem, TimeoutError):
            async with asyncio.timeout(CANCEL_S), self._connection.talking() as client:
                await client.runs.cancel(self._thread, run["run_id"], wait=True, action="interrupt")

    async def _withdraw(self, run: Any) -> None:
        """Stop a run that only reserved the thread. It is deleted, or it would look like one that somebody cancelled."""
        await self._cancel(run)
        with contextlib.suppress(APIStatusError, ServerProblem):
            async with self._connection.talking() as client:
                await client.runs.delete(self._thread, run["run_id"])

    async def _follow(self, run: Any) -> AsyncIterator[StreamEvent]:
        """Follow a run of the server to its end. If the task is cancelled, the run is cancelled there, unless the lease was lost.

        Raises:
            Drained: following was to stop; the run goes on.
            NotPending: it refused to resume.
            ServerRunFailed: it did not reach a pause or its end.
        """
        followed = _Followed(str(run["run_id"]))
        try:
            while followed.status not in ENDED:
                try:
                    async for event in self._events_of(followed):
                        yield event
                    if not await self._has_ended(followed):
                        await asyncio.sleep(AGAIN_S)
                except ServerProblem:
                    followed.away_since = followed.away_since or time.monotonic()
                    if time.monotonic() - followed.away_since > AWAY_S:
                        raise
                    await backoff(1)
        except asyncio.CancelledError:
            if self._holds():
                await asyncio.shield(asyncio.ensure_future(self._cancel(run)))
            raise
        if followed.status != "success":
            raise await self._failure(followed.status, followed.error)

    async def _events_of(self, followed: _Followed) -> AsyncIterator[StreamEvent]:
        """The events after those that were read before, until the stream ends or breaks off."""
        async with self._connection.talking():
            # Without modes: with them, the server leaves out events that it keeps under other names.
            parts = self._connection.streams.runs.join_stream(self._thread, followed.run, last_event_id=followed.last)
            try:
                async with contextlib.aclosing(self._parts(parts, followed)) as stream:  # type: ignore[type-var]
                    async for part in stream:
                        followed.last = part.id or followed.last
                        self._schemas.update(schemas_in(part.event, part.data))
                        if part.event == "error":
                            followed.error = part.data
                        elif read := part_of(part.event, part.data):
                            for event in self._events.read(read):
                                yield event
            except NotFoundError:
                pass  # its state tells

    async def _parts(self, parts: AsyncIterator[StreamPart], followed: _Followed) -> AsyncIterator[StreamPart]:
        """The parts of a stream. A silent one ends once its run has: servers do not always end the stream of a run that ended before.

        Raises:
            Drained: following was to stop.
        """
        drained = asyncio.ensure_future(self._drain.wait())
        following = asyncio.ensure_future(_next(parts))
        try:
            while True:
                await asyncio.wait({following, drained}, timeout=SILENT_S, return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    if (part := following.result()) is None:
                        return
                    yield part
                    following = asyncio.ensure_future(_next(parts))
                elif drained.done():
                    raise Drained
                elif await self._has_ended(followed):
                    return
        finally:
            for task in (drained, following):
                task.cancel()
            await asyncio.gather(drained, following, return_exceptions=True)
            with contextlib.suppress(Exception):
                await parts.aclose()  # type: ignore[attr-defined]

    async def _has_ended(self, followed: _Followed) -> bool:
        await self._read_status(followed)
        return followed.status in ENDED

    async def _read_status(self, followed: _Followed) -> None:
        async with self._connection.talking() as client:
            try:
                found = await client.runs.get(self._thread, followed.run)
                with self._connection.reading():
                    followed.status = str(found["status"])
            except NotFoundError:
                followed.status = DELETED
        followed.away_since = None

    async def _failure(self, status: str, error: Any) -> Exception:
        """Why a run of the server ended with this status; `error` is what its stream said."""
        kind, text = ("", "")
        if isinstance(error, Mapping):
            kind, text = str(error.get("error") or ""), str(error.get("message") or "")
        if kind == "UnknownInterruptError":
            return NotPending("no longer pending", await self.who_answered())
        if status == DELETED:
            return ServerRunFailed("its run was deleted on the server", "retry lets it go on from where it stands")
        if status == "interrupted":
            return ServerRunFailed("it was cancelled on the server", "retry lets it go on from where it stands")
        if status == "timeout":
            return ServerRunFailed("it reached the server's time limit", "retry lets it go on from where it stands")
        if not kind or text == "An internal error occurred":
            told = [str(task.error) for task, _, _ in interrupts.leaves(await self._state()) if task.error]
            return ServerRunFailed(told[0] if told else f"{kind or 'it failed'}: the server does not say why")
        return ServerRunFailed(f"{kind}: {text}" if text else kind)

    # After a crash

    async def restore_refusals(self, sent: Sequence[Submission]) -> bool:
        """Put back the refusals of a mixed decision at a tool gate, if a worker died between its two halves."""
        restored = False
        for answered in sent:
            values = (await self._at_head()).values
            if message := tool_gates.message_without_refusals(values, answered):
                calls, by_slot = tool_gates.calls_of(answered, message), answered.by_slot
                refusals: list[BaseMessage] = [
                    tool_gates.refusal(call, by_slot[slot]) for slot, call in calls.items() if tool_gates.is_refused(by_slot[slot])
                ]
                whole = tool_gates.with_calls(message, list(calls.values()))
                done = tool_gates.approved_calls_ended(values, answered)
                await self._update({"messages": [whole, *refusals] if done else [whole]}, as_node=answered.node if done else None)
                restored = self._may_go_on = True
        return restored

    def finish_step(self) -> AsyncIterator[StreamEvent]:
        """Nothing: the server stores its steps as ended itself."""
        return _nothing()

    async def ask_again(self) -> AsyncIterator[StreamEvent]:
        """Run from the newest checkpoint by its id, which drops the poisoned answer. See `LocalThread.ask_again` for forks and updates."""
        state = await self._at_head()
        back_to, source = state.config, (state.metadata or {}).get("source")
        if source == "fork" and state.parent_config:
            back_to = state.parent_config
        elif source == "update":
            await self._update(None, as_node="__copy__")
            back_to = (await self._state()).config
        async for event in self._run_on(asks=True, checkpoint=dict(back_to["configurable"])):
            yield event

    # Takeover

    async def apply_handback(self, takeover: Takeover, failed: bool) -> AppliedHandback:
        """Write the plan as state updates. A server's checkpoints cannot carry the takeover's number."""
        state = await self._at_head()
        pauses, _ = await self._pauses(state, (), stopped=None if not failed else False)
        place = HandbackPosition(self._shape, self._graph_info, state, await self._leading(state), pauses, failed)
        plan = plan_updates(place, takeover.plan, takeover.actor)
        if any(len(step) != 1 or not isinstance(step[0].values, dict | None) for step in plan.steps):
            raise Refused("a server cannot write this update in one step", "guide the agent, answer in its place, or decide what it asks")
        try:
            for step in plan.steps:
                await self._write(step[0].values, step[0].as_node, messages_in(state.values))
        except NotPending as reason:
            raise Refused(reason.told or "somebody else was first, and the run goes on", "look at it again") from None
        return AppliedHandback(plan.unapproved, plan.at_gate, plan.passes_gate, plan.node_asks)

    async def _leading(self, state: StateSnapshot) -> tuple[str, ...]:
        """The nodes whose edges led to where the thread stands: those that were next before, as the history tells."""
        if node := node_of_results(state, self._graph_info):
            return (node,)
        wanted = set(state.next)
        async with self._connection.talking() as client:
            history = await client.threads.get_history(self._thread, limit=HISTORY)
            with self._connection.reading():
                earlier = [set(one["next"]) for one in history[1:] if set(one["next"]) != wanted]
        before = earlier[0] if earlier else set()
        return tuple(sorted(node for node in before if wanted & set(self._graph_info.after(node))))

    async def _write(self, values: Any, as_node: str | None, before: Sequence[BaseMessage]) -> None:
        """Write one update. Whether a key has a reducer shows only in what comes of it: then it is written again, as `Overwrite`."""
        if not values:
            await self._update(values, as_node)
            return
        sent = dict(values)
        if "messages" in sent:
            sent["messages"] = [message for message in sent["messages"] if not any(message is one for one in before)]
        await self._update(sent, as_node)
        found = (await self._state()).values
        merged = {key: value for key, value in values.items() if key != "messages" and _differs(found.get(key), value)}
        if merged:
            await self._update({key: {OVERWRITE: value} for key, value in merged.items()}, as_node)

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


async def _next(parts: AsyncIterator[StreamPart]) -> StreamPart | None:
    """The next part; None at the end."""
    return await anext(parts, None)


async def _nothing() -> AsyncIterator[StreamEvent]:
    events: list[StreamEvent] = []
    for event in events:
        yield event


def _is_poisoned(task: Any) -> bool:
    """Whether a saved answer most likely makes this task fail: the server does not tell. One that its schema refused was not saved."""
    return bool(task.error and task.interrupts) and "ValidationError" not in str(task.error)


def _running(runs: Sequence[Any]) -> Any:
    """The run, of the newest of a thread, that has the thread now; None if it is idle."""
    active = [one for one in runs if one["status"] not in ENDED]
    return active[-1] if active else None


def _actor(run: Any) -> str:
    return str((run.get("metadata") or {}).get("hitl_by") or "somebody else")


def _before_now(run: Any) -> str:
    """When a run of the server began, as a clause: `3 s before you`. Only `before you` if the clocks differ."""
    passed_s = time.time() - datetime.fromisoformat(str(run["created_at"])).timestamp()
    return f"{exact_duration(round(passed_s))} before you" if 0 <= passed_s < CLOCKS_S else "before you"


def _differs(found: Any, wanted: Any) -> bool:
    return canonical_json.canonical(canonical_json.as_json(found)) != canonical_json.canonical(canonical_json.as_json(wanted))


def _checkpoint(state: StateSnapshot) -> str:
    """The id of a snapshot's checkpoint; empty if it has none."""
    return str(state.config["configurable"].get("checkpoint_id") or "")
