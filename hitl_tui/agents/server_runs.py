"""Runs on one thread of a LangGraph server: begun, found again, followed and stopped.

Every request that starts something says `multitask_strategy="reject"`: of several who do so at once the server lets one through, and the
others are told (CONTRACT-SERVER 4). Runs go on when the worker that follows them ends; the next worker finds them by their metadata.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from langgraph.types import StateSnapshot
from langgraph_sdk.errors import APIStatusError, ConflictError, InternalServerError, NotFoundError, PermissionDeniedError
from langgraph_sdk.schema import StreamPart

from hitl_tui.agents import interrupts
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.server_connection import ServerConnection, ServerProblem, backoff
from hitl_tui.agents.server_state import part_of, read_state, schemas_in
from hitl_tui.agents.source import CheckpointLost, CutOff, Drained, EarlierAnswer, NotPending, ReadOnly, StreamEvent
from hitl_tui.agents.stream_events import EventReader
from hitl_tui.errors import HitlError, LeaseLost
from hitl_tui.model import Run

MODES = ("tasks", "updates", "messages-tuple", "custom")
FROM_START = "0-0"
"""Reads all events of a run. langhost takes `-1`, which others take too, for no id, and leaves out what another of its processes ran."""
DELETED = "deleted"
ENDED = ("success", "error", "timeout", "interrupted", DELETED)
"""States of a server's run that has ended; the last is not the server's, which has no row then."""
AGAIN_S = 0.05
"""Pause before a stream that broke off is joined again."""
CLOCKS_S = 3600.0
"""Age of a run beyond which the clocks of server and worker are not compared."""
SILENT_S = 2.0
"""Silence of a stream after which its run is looked at."""
AWAY_S = 60.0
"""How long a run is followed through a server's outage before it is put off."""
CANCEL_S = 5.0
"""Time for a server to stop a run."""
OWN = 20
"""Runs of a thread that are read to find one of this run's."""
TOO_LATE = "UnknownInterruptError"
"""LangGraph's refusal of an answer to what is not pending."""
REPEATED = "the server stopped while the run went on"
GIVEN_UP = "the server stopped each time it tried this run, and gave it up: nothing says whether its last step took effect"
UNTOLD = "the server ended the run and does not say why: nothing says whether its last step took effect"
STOPPED = {
    DELETED: "its run was deleted on the server",
    "interrupted": "it was cancelled on the server",
    "timeout": "it reached the server's time limit",
}
"""Why a run was stopped within a step, by the state that the server gives it."""
LAUNCH_AGAIN = "launch the run again"
GO_ON = "retry lets it go on from where it stands"
GIVES_UP = ("Run {} exceeded max attempts", "Run swept after exceeding max retries")
"""How the errors of runs begin that a server does not begin again."""
BEGUN_AGAIN = "the server began this again, because its process had stopped: the step it was in may have taken effect twice"


class ServerRunFailed(HitlError):
    """A run failed on the server, as the graph or the server says."""


@dataclass(slots=True)
class _Followed:
    """A run of the server that is followed."""

    run: str
    last: str = FROM_START
    """The id of the last event that was read."""
    status: str = ""
    error: Any = None
    """The error that its event stream reported."""
    away_since: float | None = None


class ServerRuns:
    """The server's runs on the thread of one run of this home.

    Args:
        connection: to the server.
        assistant: the assistant's id.
        graph_info: what is known of its graph, with the gates of this run.
        run: the run.
        key: names the run among all homes that use the server.
        holds: whether the worker still has the run's lease.
        schemas: of answers, by interrupt id, as streams had them.
    """

    def __init__(
        self,
        connection: ServerConnection,
        assistant: str,
        graph_info: GraphInfo,
        run: Run,
        key: str,
        holds: Callable[[], bool],
        schemas: MutableMapping[str, Any],
    ) -> None:
        self._connection = connection
        self._assistant = assistant
        self._graph_info = graph_info
        self._run = run
        self._thread = run.thread
        self._key = key
        self._holds = holds
        self._schemas = schemas
        self._events = EventReader()
        self._drain = asyncio.Event()
        self._keys: dict[str, Any] = {}
        self._decision = ""
        self._by = ""

    # Read

    async def newest(self, limit: int) -> list[Any]:
        """The thread's newest runs, newest first."""
        async with self._connection.talking() as client:
            try:
                found = await client.runs.list(self._thread, limit=limit)
            except NotFoundError:
                return []
            with self._connection.reading():
                return sorted(found, key=lambda one: str(one["created_at"]), reverse=True)

    async def newest_own(self) -> Any:
        """The newest run on the server that was made for this run; None if there is none."""
        return next(filter(self.is_own, await self.newest(OWN)), None)

    def is_own(self, run: Any) -> bool:
        """Check whether this home started a run of the server for this run."""
        return bool((run.get("metadata") or {}).get("hitl_run") == self._key)

    async def was_sent(self, decisions: str) -> bool | None:
        """Check whether one of the thread's newest runs was started with these decisions."""
        wanted = f"{self._key}:{decisions}"
        return any((one.get("metadata") or {}).get("hitl_decision") == wanted for one in await self.newest(OWN))

    async def earlier_answer(self) -> EarlierAnswer | None:
        """Find the newest run of the thread that was not started for this run: who started it, and when. None if there is none."""
        other = next((one for one in await self.newest(3) if not self.is_own(one)), None)
        return None if other is None else EarlierAnswer(actor(other), _seconds_since(other))

    # Begin

    def name_decisions(self, decisions: str, by: str) -> None:
        """Name what is sent next, and who decided it."""
        self._decision, self._by = decisions, by

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        """Show tools the keys of the decisions they run on."""
        if whole:
            self._keys = {"hitl_decision_id": whole, "hitl_decision_ids": dict(by_call)}

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[Any]:
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
            raise NotPending("the thread is busy", await self.earlier_answer()) from None
        except PermissionDeniedError as error:
            raise ReadOnly(f"{self._connection.target.label} does not allow this to you (403): {error.message}") from None

    async def create(
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
            async with self.changing() as client:
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

    # Follow and stop

    def request_drain(self) -> None:
        """Stop following: the run goes on without a worker, up to its next pause."""
        self._drain.set()

    async def cancel(self, run: Any) -> None:
        """Stop a run of the server, and wait until it has stopped."""
        with contextlib.suppress(APIStatusError, httpx.HTTPError, ServerProblem, TimeoutError):
            async with asyncio.timeout(CANCEL_S), self._connection.talking() as client:
                await client.runs.cancel(self._thread, run["run_id"], wait=True, action="interrupt")

    async def withdraw(self, run: Any) -> None:
        """Stop a run that only reserved the thread. It is deleted, or it would look like one that somebody cancelled."""
        await self.cancel(run)
        with contextlib.suppress(APIStatusError, ServerProblem):
            async with self._connection.talking() as client:
                await client.runs.delete(self._thread, run["run_id"])

    async def follow(self, run: Any) -> AsyncIterator[StreamEvent]:
        """Follow a run of the server to its end. If the task is cancelled, the run is cancelled there, unless the lease was lost.

        Raises:
            Drained: following was to stop; the run goes on.
            CutOff: it was stopped within a step.
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
                await asyncio.shield(asyncio.ensure_future(self.cancel(run)))
            raise
        if followed.status != "success":
            raise await self.failure(followed.run, followed.status, followed.error)

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
                        elif part.event == "metadata":
                            for event in _repeated_attempt(followed.run, part.data):
                                yield event
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

    async def failure(self, run: str, status: str, error: Any) -> Exception:
        """Why a run of the server reached neither a pause nor its end. `error` is what its stream said, which is not kept there.

        A server that stops begins the run again, with the answer that it was given. If the thread had gone on by then, that is refused as
        an answer that comes too late; but the checkpoints say that it was this run which moved the thread.
        """
        if status in STOPPED:
            return CutOff(STOPPED[status], GO_ON)
        error = error or await self._error_in_row(run)
        kind, text = "", ""
        if isinstance(error, Mapping):
            kind, text = str(error.get("error") or ""), str(error.get("message") or "")
        state = await read_state(self._connection, self._thread)
        if kind == TOO_LATE or (not kind and await self._has_stale_answer(run, state)):
            if state.created_at is None:
                return checkpoint_lost()
            if not await self._has_checkpoint(run):
                return NotPending("no longer pending", await self.earlier_answer())
            if kind:
                return CutOff(REPEATED, GO_ON, goes_on=True)
        if text.startswith(tuple(sentence.format(run) for sentence in GIVES_UP)):
            return CutOff(GIVEN_UP, GO_ON)
        if not kind or text == "An internal error occurred":
            failures = task_failures(state)
            if failures or kind:
                return ServerRunFailed(failures[0] if failures else f"{kind}: the server does not say more")
            return CutOff(UNTOLD, GO_ON)
        return ServerRunFailed(f"{kind}: {text}" if text else kind)

    async def _error_in_row(self, run: str) -> Any:
        """The error in the thread's row, if this run is the last that ended: there the server keeps it. None if there is none."""
        ended = [one for one in await self.newest(OWN) if one["status"] in ENDED]
        if not ended or str(ended[0]["run_id"]) != run:
            return None
        async with self._connection.talking() as client:
            try:
                row: Any = await client.threads.get(self._thread)
            except NotFoundError:
                return None
            with self._connection.reading():
                return row.get("error")

    async def _has_stale_answer(self, run: str, state: StateSnapshot) -> bool:
        """Check whether a run was given an answer to an interrupt that is no longer pending."""
        given: Any = next((one for one in await self.newest(OWN) if str(one["run_id"]) == run), {})
        command = (given.get("kwargs") or {}).get("command") or {}
        answers = command.get("resume") if isinstance(command, Mapping) else None
        return bool(isinstance(answers, Mapping) and answers.keys() - {one.id for one in state.interrupts})

    async def _has_checkpoint(self, run: str) -> bool:
        """Check whether a run has written a checkpoint. A run that was refused at once has written none."""
        async with self._connection.talking() as client:
            try:
                written = await client.threads.get_history(self._thread, limit=1, metadata={"run_id": run})
            except NotFoundError:
                return False
            with self._connection.reading():
                return any((one.get("metadata") or {}).get("run_id") == run for one in written)

    async def error_of(self, run: Any) -> Any:
        """What the stream of a run that has ended said about its failure; None if the server has not kept it."""
        followed = _Followed(str(run["run_id"]))
        async with contextlib.aclosing(self._events_of(followed)) as events:  # type: ignore[type-var]
            async for _ in events:
                pass
        return followed.error


def checkpoint_lost() -> CheckpointLost:
    """The error for a thread that is not where a run left it: a server that was killed may have forgotten that."""
    return CheckpointLost("its checkpoint is gone: the server has lost it, or somebody deleted it there", LAUNCH_AGAIN)


def task_failures(state: StateSnapshot) -> list[str]:
    """List the errors with which tasks of the newest step failed, subgraphs included.

    A task that was cut off, for example because another program rolled the run back, has not failed.
    """
    errors = [str(task.error) for task, _, _ in interrupts.leaves(state) if task.error]
    return [error for error in errors if not error.startswith("CancelledError(")]


def _repeated_attempt(run: str, first: Any) -> Iterator[StreamEvent]:
    """Yield a trace line if the server repeats a run. `first` is the first event of each attempt, which has the attempt's number."""
    attempt = first.get("attempt") if isinstance(first, Mapping) else None
    if isinstance(attempt, int) and attempt > 1:
        yield StreamEvent("error", {"text": BEGUN_AGAIN}, key=f"attempt:{run}:{attempt}")


async def _next(parts: AsyncIterator[StreamPart]) -> StreamPart | None:
    """The next part; None at the end."""
    return await anext(parts, None)


def running_among(runs: Sequence[Any]) -> Any:
    """The run, of the newest of a thread, that has the thread now; None if it is idle."""
    active = [one for one in runs if one["status"] not in ENDED]
    return active[-1] if active else None


def actor(run: Any) -> str:
    """Who made a run of the server."""
    return str((run.get("metadata") or {}).get("hitl_by") or "somebody else")


def _seconds_since(run: Any) -> int | None:
    """The age of a run of the server; None if the clocks differ."""
    passed_s = time.time() - datetime.fromisoformat(str(run["created_at"])).timestamp()
    return round(passed_s) if 0 <= passed_s < CLOCKS_S else None
