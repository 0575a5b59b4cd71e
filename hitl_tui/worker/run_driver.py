"""One turn of a run: from where it stands to its next pause, its end, or its failure."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from hitl_tui import canonical_json, failpoints, handback
from hitl_tui.agents.agent_errors import Drained, explain
from hitl_tui.agents.interrupts import is_gate
from hitl_tui.agents.local_source import LocalSource
from hitl_tui.agents.messages import result_of
from hitl_tui.agents.stream_events import Trace
from hitl_tui.agents.thread import Look, Part, Thread
from hitl_tui.errors import Damaged, HitlError, Storage
from hitl_tui.failpoints import Step
from hitl_tui.model import Head, ReviewState, Run, RunState, TakeOver
from hitl_tui.store import Store, decisions, events, reviews, runs, takeovers
from hitl_tui.store.time_limits import Due
from hitl_tui.worker.executor import AgentExecutor
from hitl_tui.worker.handback import MAY_BE_DONE, HandBacks
from hitl_tui.worker.outcomes import (
    ASKED_AGAIN,
    FAILED_ON_IT,
    MAY_HAVE_RUN,
    NOTHING_RAN,
    Fate,
    at_gate,
    doubted,
    fates_of,
    is_refusal,
    matched,
    with_words,
)
from hitl_tui.worker.output_capture import current_run
from hitl_tui.worker.policy_router import PolicyRouter
from hitl_tui.worker.trace_writer import TraceWriter

CRASHES = 2
"""After so many deaths of the worker under it, alone the last time, a run is held to be their cause."""
GONE = ("its checkpoint is gone: checkpoints.db is missing, or older than hitl.db", "restore it and retry, or launch the run anew")


class RunDriver:
    """Drives runs of one project. Whatever an agent does, a turn ends with the run's state in the store."""

    def __init__(
        self, store: Store, worker: str, project: LocalSource, writer: TraceWriter, code: AgentExecutor, router: PolicyRouter
    ) -> None:
        self._store = store
        self._worker = worker
        self._source = project
        self._writer = writer
        self._code = code
        self._router = router
        self._hand_backs = HandBacks(store, worker)
        self._traces: dict[int, Trace] = {}
        self._threads: dict[int, Thread] = {}
        self.due: dict[int, Due] = {}
        """Runs that are to end; the others stop only with the worker, and go on with the next."""

    async def take(self, run: Run) -> None:
        """Begin a run that was just leased, or let it go on from its checkpoint."""
        await self._guard(run, lambda thread: self._take(run, thread))

    async def resume(self, run: Run, decided: list[decisions.Answers]) -> None:
        """Send what was decided, if the graph still asks exactly what was shown."""
        await self._guard(run, lambda thread: self._resume(run, decided, thread))

    async def hand_back(self, run: Run, takeover: TakeOver) -> None:
        """Do what a person did in the agent's place, and let it go on from there."""
        await self._guard(run, lambda thread: self._hand_back(run, takeover, thread))

    async def _hand_back(self, run: Run, takeover: TakeOver, thread: Thread) -> None:
        if not await takeovers.submit(self._store, self._worker, takeover.id):
            return  # another worker was first
        failpoints.reached(Step.SUBMITTED)
        carried = await self._hand_backs.carry_out(run, takeover, thread)
        if isinstance(carried, str):
            await self._is_as_it_was(run, takeover, carried)
            return
        self._say(run, "decided", {f"handed back by {takeover.actor}": handback.as_json(takeover.plan)})
        look = carried.look
        keys, sent = await decisions.last_sent(self._store, run.id) if run.state is not RunState.WAITING else (decisions.Keys(), [])
        if carried.parts and run.cut and thread.may_repeat(look, sent):
            look = await thread.stop_in_doubt(look, with_words(MAY_HAVE_RUN, sent), keys.whole)
        elif carried.parts:
            await self._stream(run, carried.parts)
            look = await thread.look(stopped=True)
        note = with_words(FAILED_ON_IT, sent)
        if carried.was_poisoned and look.pauses:
            look = await thread.stop_in_doubt(look, note, keys.whole)
        await self._settle(run, doubted(look, sent, note, keys.whole), {})

    async def _is_as_it_was(self, run: Run, takeover: TakeOver, why: str) -> None:
        self._say(run, "error", {"text": f"what {takeover.actor} handed back was not done: {why}"})
        await self._writer.flush()
        self._forget(run)

    async def _after_crash(self, run: Run, takeover: TakeOver, look: Look, thread: Thread) -> bool:
        """Whether all there is to do is done, for a run whose worker died while it carried out a take-over."""
        why = await self._hand_backs.after_crash(takeover, look, thread)
        if why is not None:
            await self._is_as_it_was(run, takeover, why)
            return True
        if not look.is_update:
            return False  # the agent had gone on already
        held = look if look.finished else await thread.stop_in_doubt(look, MAY_BE_DONE.format(takeover.actor), None)
        await self._settle(run, held, {})
        return True

    async def _take(self, run: Run, thread: Thread) -> None:
        if run.crashes >= CRASHES:
            raise _Condemned(f"the worker died {run.crashes} times while this run was going")
        if run.resuming and await self._go_on(run, thread):
            return
        given = self._source.input_of(run)
        self._say(run, "input", {"text": run.input["text"]} if "text" in run.input else {"input": given})
        await self._stream(run, thread.begin(given))
        await self._conclude(run, thread)

    async def _resume(self, run: Run, decided: list[decisions.Answers], thread: Thread) -> None:
        asks = await thread.asks([said.interrupt for said in decided])
        leased = await decisions.submit(self._store, self._worker, decided)
        if not leased:
            return  # another worker was first
        failpoints.reached(Step.SUBMITTED)
        if not asks and not _is_its_own(await thread.look(stopped=True), run):
            raise _Gone(*GONE)
        if thread.is_of_other_code and not any(map(is_gate, asks)):  # let the new code ask, and see whether it asks the same
            thread.forbid(decisions.forbidden(self._store, run.id))
            await self._stream(run, thread.proceed())
            asks = await thread.asks()
        answered, stale = matched([said for said in decided if said.review in leased], asks)
        if stale:
            await reviews.close(self._store, stale)
        if answered:
            self._say(run, "decided", {"reviews": [said.review for _, said in answered]})
            keys = decisions.keys_of(said for _, said in answered)
            thread.decided(keys.whole, keys.by_call)
            thread.forbid(decisions.forbidden(self._store, run.id))
            await self._stream(run, thread.answer([(asked, said.by_slot) for asked, said in answered]), Step.RESUMED)
        elif not _is_its_own(await thread.look(stopped=True), run):
            raise _Gone(*GONE)
        await self._conclude(run, thread)

    async def _go_on(self, run: Run, thread: Thread) -> bool:
        """Continue an interrupted run; False when it had not begun."""
        look = await thread.look(stopped=False, gates=await reviews.gates(self._store, run.id))
        if not _is_its_own(look, run):
            if await events.has_gone_on(self._store, run.id, run.cut):
                raise _Gone(*GONE)
            return False
        handed_back = await takeovers.submitted(self._store, run.id)
        if handed_back and await self._after_crash(run, handed_back, look, thread):
            return True
        unknown = await reviews.submitted(self._store, run.id)
        keys, sent = await decisions.last_sent(self._store, run.id)
        key, doubtful = keys.whole, [said.review for said in sent]
        mended = await thread.mend(sent)
        if closing := run.cut and bool(sent) and look.at_step_end:
            await self._stream(run, thread.close_step())
        if mended or closing:
            look = await thread.look(stopped=False, gates=await reviews.gates(self._store, run.id))
        doubt = with_words(MAY_HAVE_RUN, sent) if run.cut and not all(map(is_refusal, sent)) else NOTHING_RAN
        thread.decided(keys.whole, keys.by_call)
        thread.forbid(decisions.forbidden(self._store, run.id))
        note = with_words(MAY_HAVE_RUN if run.cut else FAILED_ON_IT, sent)
        settled = [said for said in sent if said.review not in unknown]
        if (run.cut or mended) and thread.may_repeat(look, sent):
            held = await thread.stop_in_doubt(look, note, key)
            await self._settle(run, held, unknown, with_words(MAY_HAVE_RUN, sent), key, doubtful)
            return True
        if look.poisoned:
            await self._stream(run, thread.ask_again(look))
            anew = await thread.look(stopped=True)
            await self._settle(
                run,
                await thread.stop_in_doubt(anew, with_words(FAILED_ON_IT, sent), key) if anew.pauses else anew,
                unknown,
                doubt,
                key,
                doubtful,
            )
            return True
        if not look.finished and (look.unfinished or not look.pauses) and not at_gate(look):
            await self._stream(run, thread.proceed())
            look, unknown = await thread.look(stopped=True), await reviews.submitted(self._store, run.id)
        await self._settle(run, doubted(look, settled, note, key), unknown, doubt, key, doubtful)
        return True

    async def _stream(self, run: Run, parts: AsyncIterator[Part], first: Step = Step.RUNNING) -> None:
        """Drive the graph, and tell of it; of the first step at once, for somebody waits to see it go on."""
        trace, told = self._traces[run.id], False
        async for part in parts:
            self._writer.add(run.id, list(trace.lines(part)), trace.activity)
            if not told:
                told = True
                await self._writer.flush()
                failpoints.reached(first)
        failpoints.reached(Step.INTERRUPTED)

    async def _conclude(self, run: Run, thread: Thread) -> None:
        await self._settle(run, await thread.look(stopped=True), await reviews.submitted(self._store, run.id))

    async def _settle(
        self, run: Run, look: Look, sent: Mapping[int, str], doubt: str = ASKED_AGAIN, key: str | None = None, doubtful: Sequence[int] = ()
    ) -> None:
        """Store where the thread stands now.

        The decisions of `doubtful` reviews, which `key` names, led to what comes back, and may have had their effect.
        """
        pauses, fate = fates_of(look, sent, doubt, key)
        if look.finished:
            result = result_of(look.snapshot.values)
            self._say(run, "done", {})
            await self._writer.flush()
            await reviews.close(self._store, fate)
            await runs.settle(self._store, run.id, self._worker, RunState.DONE, result=result)
            failpoints.reached(Step.APPLIED)
            self._forget(run)
            return
        self._say(run, "paused", {"asks": [action.name for pause in pauses for action in pause.actions]})
        await self._writer.flush()
        await self._router.note(self._store)
        head = self._threads[run.id].head(replace(look, pauses=tuple(pauses)))
        judge = self._router.judge_of(run, self._store)
        await reviews.reconcile(self._store, run.id, run.agent, self._worker, pauses, fate, doubtful, judge, head)
        failpoints.reached(Step.APPLIED if sent else Step.OPENED)

    async def _guard(self, run: Run, work: Callable[[Thread], Awaitable[None]]) -> None:
        """Work on the run's thread; every way out of it but success is stored as what it means for the run."""
        token = current_run.set(run.id)
        try:
            if run.id not in self._traces:
                self._traces[run.id] = Trace(await events.last_seq(self._store, run.id))
            async with self._source.thread(run) as thread:
                self._threads[run.id] = thread
                await self._teach(run, thread)
                await work(thread)
        except Drained:
            await self._put_back(run)
        except asyncio.CancelledError:
            await self._cut_off(run)
        except Storage as error:
            await self._put_off(run, error)
            raise  # no fault of the agent
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - an agent's errors are the agent's: stored, shown, retryable
            await (self._cut_off(run) if run.id in self.due else self._fail(run, error))
        finally:
            self._threads.pop(run.id, None)
            current_run.reset(token)

    async def _teach(self, run: Run, thread: Thread) -> None:
        if problem := await self._source.teach(run, thread):
            self._say(run, "error", {"text": problem})
            print(f"hitl-tui: {problem}", file=sys.stderr, flush=True)

    async def _cut_off(self, run: Run) -> None:
        """Only when none of its code runs any more is the run what it was to become."""
        await self._code.left(run.id)
        due = self.due.get(run.id)
        if due is None:
            await self._put_back(run, cut=True)
        elif due.why:
            await self._fail(run, _OverTime(due.why), cut=True)
        else:
            await self._end(run)

    def drain(self) -> None:
        """Ask every run to stop at its next step's boundary."""
        for thread in self._threads.values():
            thread.control.request_drain()

    async def _put_off(self, run: Run, error: Storage) -> None:
        """Put the run back, and say why; what cannot even be stored now is put back by the engine."""
        if not isinstance(error, Damaged):
            with contextlib.suppress(Storage):
                await runs.settle(
                    self._store, run.id, self._worker, RunState.QUEUED, resuming=True, cut=True, activity=f"waits: {error.happened}"
                )

    async def _put_back(self, run: Run, cut: bool = False) -> None:
        await self._writer.flush()
        await runs.settle(self._store, run.id, self._worker, RunState.QUEUED, resuming=True, cut=cut)

    async def _end(self, run: Run) -> None:
        self._say(run, "error", {"text": "cancelled"})
        await self._writer.flush()
        await runs.settle(self._store, run.id, self._worker, RunState.CANCELLED, await self._head_of(run, ""), cut=True)
        self._forget(run)

    async def _fail(self, run: Run, error: BaseException, cut: bool = False) -> None:
        sentence = explain(error)
        trace = "" if isinstance(error, HitlError) else "".join(traceback.format_exception(error))
        self._say(run, "error", {"text": sentence})
        await self._writer.flush()
        sent = await reviews.submitted(self._store, run.id)
        fate = await self._fate_after(run, sent, sentence)
        if isinstance(error, _Gone):  # nothing was sent anywhere
            fate = {review: (ReviewState.FAILED, canonical_json.plain(error.happened)) for review in sent}
        if cut:  # of the others nobody knows
            fate = {review: known for review, known in fate.items() if known[0] is ReviewState.APPLIED}
        await reviews.close(self._store, fate)
        await runs.settle(
            self._store, run.id, self._worker, RunState.FAILED, await self._head_of(run, sentence), error=canonical_json.plain(sentence),
            traceback=canonical_json.plain(trace), cut=cut or (run.cut and isinstance(error, _Condemned)),
        )  # fmt: skip
        self._forget(run)

    async def _head_of(self, run: Run, sentence: str) -> Head | None:
        """Where a run stands that ended with an error, for who takes it over; None when it has not begun."""
        try:
            async with self._source.thread(run) as thread:
                return await thread.stand(run.id, sentence)
        except (Exception, SystemExit):  # noqa: BLE001 - an agent that cannot even be opened; nobody can take it over
            return None

    async def _fate_after(self, run: Run, sent: Mapping[int, str], sentence: str) -> Fate:
        """What became of answers whose run then failed: taken, unless the graph still asks."""
        if not sent:
            return {}
        try:
            async with self._source.thread(run) as thread:
                pending = {pause.interrupt for pause in (await thread.look(stopped=True)).pauses}
        except (Exception, SystemExit):  # noqa: BLE001 - an agent that cannot even be opened; the run has its error already
            pending = set(sent.values())
        note = f"the graph failed on the answer: {canonical_json.plain(sentence)}"
        return {
            review: (ReviewState.FAILED, note) if interrupt in pending else (ReviewState.APPLIED, "") for review, interrupt in sent.items()
        }

    def _say(self, run: Run, kind: str, body: dict[str, object]) -> None:
        if trace := self._traces.get(run.id):  # else it was cut off before it began
            self._writer.note(run.id, trace.line(kind, body))

    def _forget(self, run: Run) -> None:
        self._traces.pop(run.id, None)
        self.due.pop(run.id, None)


def _is_its_own(look: Look, run: Run) -> bool:
    """Whether the run has a checkpoint: its own, or that of the lost run it was made for (`doctor --repair`)."""
    return look.begun_by(run.id) or look.begun_by(run.input.get("adopted", run.id))


class _Gone(HitlError):
    """The run cannot go on, and must not begin again."""


class _OverTime(HitlError):
    """The run has worked for as long as it may."""


class _Condemned(HitlError):
    """The run itself is what kills the worker."""
