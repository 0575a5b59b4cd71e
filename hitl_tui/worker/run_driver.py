"""Drives runs turn by turn. However a turn ends, the run's state is in the store afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from hitl_tui import canonical_json
from hitl_tui.agents.source import CheckpointLost, CutOff, Drained, Source, Thread
from hitl_tui.errors import Damaged, HitlError, LeaseLost, Storage
from hitl_tui.foreign_errors import frames_of, is_own_cancellation
from hitl_tui.model import Lease, ReviewOutcome, ReviewState, Run, RunHead, RunState, Takeover
from hitl_tui.store import Store, events, reconcile, reviews, runs, submissions
from hitl_tui.store.connection import LeaseReader
from hitl_tui.store.time_limits import DueRun
from hitl_tui.worker.executor import AgentExecutor
from hitl_tui.worker.outcomes import Outcomes, after_failure
from hitl_tui.worker.output_capture import UMASK, current_run
from hitl_tui.worker.policy_router import PolicyRouter
from hitl_tui.worker.resume import CRASHES, CrashLoop, Turn
from hitl_tui.worker.second_reader import SecondReader
from hitl_tui.worker.signature_check import SignatureCheck
from hitl_tui.worker.trace_writer import RunTrace, TraceWriter


class OverTime(HitlError):
    """The run has reached its time limit."""


class RunDriver:
    """Drives runs of one source."""

    def __init__(
        self,
        store: Store,
        worker: str,
        source: Source,
        writer: TraceWriter,
        executor: AgentExecutor,
        router: PolicyRouter,
        reader: LeaseReader,
        signatures: SignatureCheck,
        second_reader: SecondReader | None = None,
    ) -> None:
        self._store = store
        self._worker = worker
        self._source = source
        self._writer = writer
        self._executor = executor
        self._router = router
        self._reader = reader
        self._signatures = signatures
        self._second_reader = second_reader
        self._traces: dict[int, tuple[int, RunTrace]] = {}
        """By run: the number of the lease under which it was written last, and the trace."""
        self.leases: dict[int, Lease] = {}
        """Of the runs that are driven now."""
        self._threads: dict[int, Thread] = {}
        self.due: dict[int, DueRun] = {}
        """Cancelled and overdue runs. Other runs that are cut off continue with the next worker."""
        self.cuts_off = False
        """Whether the worker ends and cuts off the runs that are not at a step boundary yet."""

    def holds_answers(self) -> str:
        """Why no answer of a person may be sent now, as a sentence; empty if they may be."""
        return self._router.people().problem

    async def start(self, run: Run) -> None:
        """Start a run that was just leased, or continue it from its checkpoint."""
        await self._drive(run, lambda turn: turn.start())

    async def resume(self, run: Run, decided: Sequence[submissions.DecidedReview]) -> None:
        """Send what was decided, if the agent still asks exactly what was shown."""
        await self._drive(run, lambda turn: turn.resume(decided))

    async def hand_back(self, run: Run, takeover: Takeover) -> None:
        """Apply a takeover's plan, and let the agent continue."""
        await self._drive(run, lambda turn: turn.hand_back(takeover))

    def drain(self, runs: Collection[int] | None = None) -> None:
        """Ask these runs, or all, to stop at their next step boundary."""
        for run, thread in self._threads.items():
            if runs is None or run in runs:
                thread.request_drain()

    async def _drive(self, run: Run, work: Callable[[Turn], Awaitable[None]]) -> None:
        """Do one turn, and store the run's state however the turn ends: anything an agent raises, even beside `Exception`, fails the run.

        Nothing is stored once the lease is lost.

        Raises:
            CancelledError: neither the worker nor a node caused it, so other code of an agent cancelled this task; the engine counts it.
            Storage: the run's state may not be stored.
        """
        token = current_run.set(run.id)
        os.umask(UMASK)  # another agent may have changed it
        self._hold(Lease(run.id, self._worker, run.lease))
        try:
            await self._to_its_end(run, work)
        except LeaseLost as error:
            await self._executor.wait_for(run.id)
            if run.state is RunState.RUNNING or self.leases[run.id].number > run.lease:  # else another worker was first
                said = f"hitl-tui: {error}; what it did since is not stored"
                print(said, file=sys.__stderr__, flush=True)  # not into the run's own log
            self._forget(run)
        finally:
            self._threads.pop(run.id, None)
            self.leases.pop(run.id, None)
            current_run.reset(token)

    def _hold(self, lease: Lease) -> None:
        self.leases[lease.run] = lease
        self._writer.under(lease)

    def _take(self, run: int) -> None:
        """A turn has leased its run."""
        held = self.leases[run]
        self._hold(replace(held, number=held.number + 1))

    def _holds(self, run: int) -> bool:
        return run in self.leases and self._reader.holds(self.leases[run])

    def _may_act(self, run: int) -> bool:
        """Whether a node, tool or request of a run may start now; first the disk must have stored the decision that it follows from."""
        self._store.wait_for_disk()
        return self._holds(run)

    def _thread_of(self, run: Run) -> AbstractAsyncContextManager[Thread]:
        return self._source.thread(run, functools.partial(self._may_act, run.id))

    def _leased(self, run: Run) -> Store:
        """The store while this worker has the run."""
        return self._store.under(lambda: self.leases[run.id])

    async def _to_its_end(self, run: Run, work: Callable[[Turn], Awaitable[None]]) -> None:
        try:
            await self._turn(run, work)
        except LeaseLost:
            raise
        except Drained:
            await self._put_back(run)
        except asyncio.CancelledError as error:
            if self._is_told_to_stop(run):
                await self._cut_off(run)
            elif is_own_cancellation(error):
                await self._executor.wait_for(run.id)
                raise
            else:
                await self._fail(run, error)
        except Storage as error:
            await self._put_off(run, error)
            raise  # not the agent's fault
        except BaseException as error:  # noqa: BLE001 - an agent's errors are the agent's: stored, shown, retryable
            await (self._cut_off(run) if run.id in self.due else self._end(run, error))

    async def _end(self, run: Run, error: BaseException) -> None:
        if isinstance(error, CutOff) and error.goes_on:
            self._say(run, "error", {"text": error.happened})
            await self._put_back(run, cut=True)
        else:
            await self._fail(run, error, cut=isinstance(error, CutOff))

    def _is_told_to_stop(self, run: Run) -> bool:
        return self.cuts_off or run.id in self.due or not self._holds(run.id)

    async def _turn(self, run: Run, work: Callable[[Turn], Awaitable[None]]) -> None:
        before = run.lease - (run.state is RunState.RUNNING)
        number, trace = self._traces.get(run.id, (-1, None))
        if trace is None or number != before:  # else another worker has driven it meanwhile
            trace = RunTrace(await events.last_seq(self._store, run.id))
            self._traces[run.id] = (before, trace)
        if not _can_be_opened(run):
            raise CrashLoop(run.crashes)
        async with self._thread_of(run) as thread:
            self._threads[run.id] = thread
            await self._source.sync_lessons()
            if problem := await thread.deliver_lessons():
                self._say(run, "error", {"text": problem})
                print(f"hitl-tui: {problem}", file=sys.stderr, flush=True)
            take = functools.partial(self._take, run.id)
            turn = Turn(
                self._leased(run), self._worker, self._source, self._writer, self._router, run, thread, trace, take, self._signatures,
                self._second_reader,
            )  # fmt: skip
            await work(turn)
            self._traces[run.id] = (self.leases[run.id].number, trace)
            if turn.over:
                self._forget(run)

    async def _cut_off(self, run: Run) -> None:
        """Store how a run ended that was stopped inside a step, once none of its code runs any more."""
        await self._executor.wait_for(run.id)
        due = self.due.get(run.id)
        if due is None:
            await self._put_back(run, cut=True)
        elif due.why:
            await self._fail(run, OverTime(due.why), cut=True)
        else:
            await self._cancel(run)

    async def _put_off(self, run: Run, error: Storage) -> None:
        """Queue the run again and report why. If even that cannot be stored, the engine queues it later."""
        if not isinstance(error, Damaged):
            with contextlib.suppress(Storage):
                waits = f"waits: {error.happened}"
                await runs.settle(self._leased(run), run.id, self._worker, RunState.QUEUED, resuming=True, cut=True, activity=waits)

    async def _put_back(self, run: Run, cut: bool = False) -> None:
        await self._writer.flush()
        await runs.settle(self._leased(run), run.id, self._worker, RunState.QUEUED, resuming=True, cut=cut)

    async def _cancel(self, run: Run) -> None:
        self._say(run, "error", {"text": "cancelled"})
        await self._writer.flush()
        await runs.settle(self._leased(run), run.id, self._worker, RunState.CANCELLED, await self._head_of(run, ""), cut=True)
        self._forget(run)

    async def _fail(self, run: Run, error: BaseException, cut: bool = False) -> None:
        sentence = self._source.explain(error)
        trace = "" if isinstance(error, HitlError) else frames_of(error)
        self._say(run, "error", {"text": sentence})
        await self._writer.flush()
        sent = await reviews.submitted(self._store, run.id)
        outcomes = await self._outcomes_after(run, sent, sentence)
        if isinstance(error, CheckpointLost):  # nothing says what became of an answer that was sent before an interruption
            note = canonical_json.storable(f"may have run once: {error.happened}" if run.resuming else error.happened)
            outcomes = dict.fromkeys(sent, ReviewOutcome(ReviewState.FAILED, note, run.resuming))
        if cut:  # the outcome of the others is unknown
            outcomes = {review: known for review, known in outcomes.items() if known.state is ReviewState.APPLIED}
        await reconcile.close(self._leased(run), outcomes)
        await runs.settle(
            self._leased(run), run.id, self._worker, RunState.FAILED, await self._head_of(run, sentence),
            error=canonical_json.storable(sentence), traceback=canonical_json.storable(trace),
            cut=cut or (run.cut and isinstance(error, CrashLoop)),
        )  # fmt: skip
        self._forget(run)

    async def _head_of(self, run: Run, sentence: str) -> RunHead | None:
        """Where a run stands that ended with an error, for a takeover; None if it has not started or cannot be opened."""
        try:
            if not _can_be_opened(run):
                return None
            async with self._thread_of(run) as thread:
                return await thread.head_after_error(run.id, sentence)
        except BaseException as error:
            if is_own_cancellation(error):
                raise
            return None  # an agent that cannot even be opened; nobody can take it over

    async def _outcomes_after(self, run: Run, sent: Mapping[int, str], sentence: str) -> Outcomes:
        if not sent:
            return {}
        pending = set(sent.values())
        try:
            if _can_be_opened(run):
                async with self._thread_of(run) as thread:
                    pending = {pause.interrupt for pause in (await thread.snapshot(stopped=True)).pauses}
        except BaseException as error:
            if is_own_cancellation(error):
                raise
        return after_failure(sent, pending, sentence)  # also of an agent that cannot even be opened

    def _say(self, run: Run, kind: str, body: dict[str, object]) -> None:
        _, trace = self._traces.get(run.id, (0, None))
        if trace:  # else it was cut off before it began
            self._writer.note(run.id, trace.line(kind, body))

    def _forget(self, run: Run) -> None:
        self._traces.pop(run.id, None)
        self.due.pop(run.id, None)


def _can_be_opened(run: Run) -> bool:
    """Whether opening its thread is safe: a factory of graphs is user code, and may be what kills the worker."""
    return run.crashes <= CRASHES
