"""One turn of a run: start, resume with decisions, apply a hand-back, or recover, and run to the next pause or the end."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hitl_tui import canonical_json, failpoints, takeover_plan
from hitl_tui.agents.source import NotPending, PendingInterrupt, ReadOnly, Source, StreamEvent, Thread, ThreadSnapshot, is_gate
from hitl_tui.errors import HitlError
from hitl_tui.failpoints import Failpoint
from hitl_tui.model import BlockedCall, Pause, ReviewOutcome, ReviewState, Run, RunState, Submission, Takeover
from hitl_tui.store import Store, events, reconcile, reviews, runs, submissions, takeovers
from hitl_tui.worker.handback import MAY_BE_DONE, Handbacks, NotApplied
from hitl_tui.worker.outcomes import (
    CUT_OFF,
    NOTHING_RAN,
    STEP_FAILED,
    SUPERSEDED,
    Doubt,
    Outcomes,
    left_out,
    mark_repeats,
    match_pending,
    outcomes_of,
    runs_nothing,
    superseded,
    takes_run,
    with_answers,
)
from hitl_tui.worker.policy_router import PolicyRouter
from hitl_tui.worker.recovery import Recovery, in_doubt, is_own, may_repeat, recovery
from hitl_tui.worker.second_reader import SecondReader
from hitl_tui.worker.signature_check import SignatureCheck
from hitl_tui.worker.trace_writer import RunTrace, TraceWriter

CRASHES = 2
"""Worker crashes after which a run is failed; it ran alone during the last one."""


class CrashLoop(HitlError):
    """The run itself kills the worker, or stops it from storing how the run ended."""

    def __init__(self, crashes: int) -> None:
        super().__init__(f"the worker died {crashes} times while this run was going")


class Turn:
    """Drives one leased run until its state is stored. Exceptions are left to `RunDriver`.

    Its store writes only while the run's lease is held. `took_lease` is called when the turn itself has leased the run.
    """

    def __init__(
        self,
        store: Store,
        worker: str,
        source: Source,
        writer: TraceWriter,
        router: PolicyRouter,
        run: Run,
        thread: Thread,
        trace: RunTrace,
        took_lease: Callable[[], None],
        signatures: SignatureCheck,
        second_reader: SecondReader | None = None,
    ) -> None:
        self._store = store
        self._worker = worker
        self._source = source
        self._writer = writer
        self._router = router
        self._run = run
        self._thread = thread
        self._trace = trace
        self._took_lease = took_lease
        self._signatures = signatures
        self._second_reader = second_reader
        self._handbacks = Handbacks(store, worker, source)
        self.over = False
        """Whether the run has ended, or is back in its state before the turn."""

    async def start(self) -> None:
        """Start a run that was just leased, or continue it from its checkpoint."""
        run = self._run
        if run.crashes >= CRASHES:
            raise CrashLoop(run.crashes)
        if run.resuming and await self._recover():
            return
        given = self._source.input_of(run)
        self._say("input", {"text": run.input["text"]} if "text" in run.input else {"input": given})
        await self._stream(self._thread.start(given))
        await self._conclude()

    # With decisions

    async def resume(self, decided: Sequence[submissions.DecidedReview]) -> None:
        """Send what was decided, if the agent still asks exactly what was shown."""
        refused = await self._signatures.refused(self._run, decided)
        if refused:
            await reconcile.refuse(self._store, refused)
            decided = [review for review in decided if review.review not in refused]
        if not decided:
            return
        wanted = {review.interrupt: review.node for review in decided}
        pending = await self._thread.pending(wanted)
        people = self._router.people()
        leased = set() if people.problem else await submissions.submit(self._store, self._worker, decided, people)
        if not leased:
            return  # another worker was first, or those who decided had no right to
        self._took_lease()
        failpoints.reached(Failpoint.SUBMITTED)
        if not pending:
            await self._require_checkpoint()
        elif self._thread.code_changed and not any(map(is_gate, pending)):  # let the new code ask, and see whether it asks the same
            self._thread.forbid(submissions.blocked_calls(self._store, self._run.id))
            await self._stream(self._thread.proceed())
            pending = await self._thread.pending(wanted)
        answered, stale = match_pending([review for review in decided if review.review in leased], pending)
        if stale:
            await reconcile.close(self._store, await self._with_names(stale))
        if answered:
            self._say("decided", {"answers": [told for _, review in answered for told in review.told]})
            self._bind(submissions.idempotency_keys(review for _, review in answered))
            await self._answer(answered)
        else:
            await self._require_checkpoint()
        await self._conclude()

    async def _with_names(self, stale: Outcomes) -> Outcomes:
        """The outcomes, with who was first where that is known."""
        late = [review for review, outcome in stale.items() if outcome.note == SUPERSEDED]
        return stale | dict.fromkeys(late, superseded(await self._thread.earlier_answer())) if late else stale

    async def _answer(self, answered: Sequence[tuple[PendingInterrupt, submissions.DecidedReview]]) -> None:
        try:
            await self._stream(self._thread.resume([(asked, review.answers) for asked, review in answered]), Failpoint.RESUMED)
        except NotPending as reason:  # somebody resumed the thread after it was read
            outcome = superseded(reason.earlier)
            await reconcile.close(self._store, {review.review: outcome for _, review in answered})
            with contextlib.suppress(NotPending):  # that what was sent came too late is known
                await self._stream(self._thread.rejoin())
        except ReadOnly as reason:
            await reconcile.close(self._store, {review.review: ReviewOutcome(ReviewState.OPEN, str(reason)) for _, review in answered})

    async def _require_checkpoint(self) -> None:
        if not is_own(await self._thread.snapshot(stopped=True), self._run):
            raise self._thread.checkpoint_lost()

    def _bind(self, keys: submissions.IdempotencyKeys) -> None:
        """Give tools the keys of their decisions, and block the calls that were refused or are undecided."""
        self._thread.use_keys(keys.whole, keys.by_call)
        self._thread.name_decisions(keys.decisions, keys.by)
        self._thread.forbid(submissions.blocked_calls(self._store, self._run.id))

    # With a hand-back

    async def hand_back(self, takeover: Takeover) -> None:
        """Apply a takeover's plan, and let the agent continue."""
        run, thread = self._run, self._thread
        people = self._router.people()
        if people.problem:
            return
        if problem := await self._signatures.refused_hand_back(run, takeover, self._pauses):
            await takeovers.refuse(self._store, takeover, problem)
            return
        if not await takeovers.submit(self._store, self._worker, takeover, people):
            return  # another worker was first, or the person had no right to
        self._took_lease()
        failpoints.reached(Failpoint.SUBMITTED)
        before = await thread.snapshot(stopped=run.state is RunState.WAITING)
        try:
            applied = await self._handbacks.apply(run, takeover, before, thread)
        except NotApplied as reason:
            await self._leave_as_it_was(takeover, str(reason))
            return
        self._say("decided", {f"handed back by {takeover.actor}": takeover_plan.as_json(takeover.plan)})
        written_by = f"{takeover.actor} wrote it and nobody has approved it"
        blocked = [BlockedCall(call.id, call.name, call.args, None, written_by, 0) for call in applied.unapproved]
        snapshot = await thread.snapshot_after(applied)
        thread.forbid([*submissions.blocked_calls(self._store, run.id), *blocked])
        keys, sent = submissions.IdempotencyKeys(), list[Submission]()
        if run.state is not RunState.WAITING:
            keys, sent = await submissions.last_sent(self._store, run.id)
        if not snapshot.finished and not snapshot.pauses:
            if run.cut and may_repeat(snapshot, sent):
                snapshot = await self._hold(snapshot, with_answers(CUT_OFF, sent), keys.whole)
            else:
                await self._stream(thread.continue_after(applied))
                snapshot = await thread.snapshot(stopped=True)
        note = with_answers(STEP_FAILED, sent)
        if before.poisoned and snapshot.pauses:
            snapshot = await self._hold(snapshot, note, keys.whole)
        await self._settle(mark_repeats(snapshot, sent, note, keys.whole))

    async def _pauses(self) -> Sequence[Pause]:
        return (await self._thread.snapshot(stopped=self._run.state is RunState.WAITING)).pauses

    async def _leave_as_it_was(self, takeover: Takeover, why: str) -> None:
        self._say("error", {"text": f"the hand-back by {takeover.actor} was not applied: {why}"})
        await self._writer.flush()
        self.over = True

    # After an interruption

    async def _recover(self) -> bool:
        """Continue an interrupted run; False if it had not started."""
        run, thread = self._run, self._thread
        try:
            await self._stream(thread.rejoin())
        except NotPending as reason:  # what was sent came too late, if it is not that of a turn before
            sent_before = await reviews.submitted(self._store, run.id)
            keys, _ = await submissions.last_sent(self._store, run.id)
            if await thread.was_sent(keys.decisions) is not False:
                await reconcile.close(self._store, dict.fromkeys(sent_before, superseded(reason.earlier)))
        snapshot = await self._snapshot_before()
        if not is_own(snapshot, run):
            if await events.has_progressed(self._store, run.id, run.cut):
                raise thread.checkpoint_lost()
            return False
        takeover = await takeovers.submitted(self._store, run.id)
        if takeover and await self._resolve_handback(takeover, snapshot):
            return True
        unknown = await reviews.submitted(self._store, run.id)
        keys, sent = await submissions.last_sent(self._store, run.id)
        never_sent = bool(unknown) and await self._was_never_sent(keys.decisions)
        if never_sent:
            unknown = await self._close_overtaken(snapshot, unknown, sent)
        restored, step = await thread.restore_refusals(sent), recovery(snapshot, run, sent)
        if step is Recovery.FINISH_STEP:
            await self._stream(thread.finish_step())
        if restored or step is Recovery.FINISH_STEP:
            snapshot = await self._snapshot_before()
            step = recovery(snapshot, run, sent, repaired=True)
        self._bind(keys)
        settled = [one for one in sent if one.review not in unknown]
        snapshot = await self._carry_out(step, snapshot, sent, settled, keys.whole)
        if step is Recovery.PROCEED:
            unknown = await reviews.submitted(self._store, run.id)
        uncertain = step is Recovery.HOLD or (run.cut and not never_sent and not all(map(runs_nothing, sent)))
        earlier = "" if uncertain else await reviews.earlier_doubt(self._store, unknown)
        note = with_answers(CUT_OFF, sent) if uncertain else f"{NOTHING_RAN}; before that: {earlier}" if earlier else NOTHING_RAN
        await self._settle(snapshot, unknown, Doubt(note, uncertain or bool(earlier), keys.whole, [one.review for one in sent]))
        return True

    async def _was_never_sent(self, decisions: str) -> bool:
        """Whether decisions never reached the source. One that was killed may have forgotten them: then nodes were seen to start."""
        return await self._thread.was_sent(decisions) is False and not await events.has_started_since_decision(self._store, self._run.id)

    async def _close_overtaken(self, snapshot: ThreadSnapshot, unknown: Mapping[int, str], sent: Sequence[Submission]) -> dict[int, str]:
        """Close answers that were never sent and to which nothing is pending any more: others answered. Returns those that are left."""
        pending = {pause.interrupt for pause in snapshot.pauses}
        late = [one.review for one in sent if one.review in unknown and one.interrupt not in pending and takes_run(one)]
        if late:
            await reconcile.close(self._store, dict.fromkeys(late, superseded(await self._thread.earlier_answer())))
        return {review: interrupt for review, interrupt in unknown.items() if review not in late}

    async def _snapshot_before(self) -> ThreadSnapshot:
        """The snapshot of a thread that nobody saw stop."""
        return await self._thread.snapshot(stopped=False, gates=await reviews.gates(self._store, self._run.id))

    async def _carry_out(
        self, step: Recovery, snapshot: ThreadSnapshot, sent: Sequence[Submission], settled: Sequence[Submission], key: str | None
    ) -> ThreadSnapshot:
        """Carry out a recovery step. Returns the snapshot afterwards. `settled` are the answers among `sent` whose outcome is known."""
        note = with_answers(CUT_OFF if self._run.cut else STEP_FAILED, sent)
        match step:
            case Recovery.HOLD:
                return await self._hold(snapshot, note, key)
            case Recovery.ASK_AGAIN:
                await self._stream(self._thread.ask_again())
                snapshot = await self._thread.snapshot(stopped=True)
                return await self._hold(snapshot, with_answers(STEP_FAILED, sent), key) if snapshot.pauses else snapshot
            case Recovery.PROCEED:
                await self._stream(self._thread.proceed())
                snapshot = await self._thread.snapshot(stopped=True)
        return mark_repeats(snapshot, settled, note, key)

    async def _resolve_handback(self, takeover: Takeover, snapshot: ThreadSnapshot) -> bool:
        """Resolve a hand-back interrupted by a crash. True if the run needs nothing more."""
        try:
            await self._handbacks.resolve_after_crash(takeover, snapshot, self._thread)
        except NotApplied as reason:
            await self._leave_as_it_was(takeover, str(reason))
            return True
        if not snapshot.is_update:
            return False  # the agent had already gone on
        if not snapshot.finished:
            snapshot = await self._hold(snapshot, MAY_BE_DONE.format(takeover.actor), None, may_have_run=False)
        await self._settle(snapshot)
        return True

    async def _hold(self, snapshot: ThreadSnapshot, note: str, key: str | None, may_have_run: bool = True) -> ThreadSnapshot:
        """Hold the run until a person says whether a call that may have run should run again."""
        held = snapshot if snapshot.pauses else await self._thread.snapshot(stopped=True)
        return replace(held, pauses=tuple(in_doubt(pause, note, key, may_have_run) for pause in held.pauses))

    # Running and storing

    async def _stream(self, stream: AsyncIterator[StreamEvent], first: Failpoint = Failpoint.RUNNING) -> None:
        """Run the agent and write its trace; the first event at once, because somebody may be watching the run continue."""
        flushed = False
        async for event in stream:
            self._writer.add(self._run.id, self._trace.lines(event), self._trace.activity(event))
            if not flushed:
                flushed = True
                await self._writer.flush()
                self._store.wait_for_disk()  # nothing has started yet, so it does not delay what people see
                failpoints.reached(first)
        failpoints.reached(Failpoint.INTERRUPTED)

    async def _conclude(self) -> None:
        await self._settle(await self._thread.snapshot(stopped=True), await reviews.submitted(self._store, self._run.id))

    async def _settle(self, snapshot: ThreadSnapshot, sent: Mapping[int, str] | None = None, doubt: Doubt | None = None) -> None:
        """Store where the thread stands, and the outcomes of sent answers, given as interrupts by review."""
        sent, doubt, run = sent or {}, doubt or Doubt(), self._run
        pauses, outcomes = outcomes_of(snapshot, sent, doubt)
        if snapshot.moved_by:
            pending = {pause.interrupt for pause in pauses}
            left = {review: one for review, one in (await reviews.unsent(self._store, run.id)).items() if one not in pending}
            outcomes |= dict.fromkeys(left, ReviewOutcome(ReviewState.STALE, f"{snapshot.moved_by} answered it elsewhere"))
        if snapshot.left_out_calls and outcomes:
            outcomes |= await self._left_out(snapshot, outcomes)
        if snapshot.finished:
            self._say("done", {"text": _not_run(snapshot.calls_at_end, run.agent)} if snapshot.calls_at_end else {})
            await self._writer.flush()
            await reconcile.close(self._store, outcomes)
            await runs.settle(self._store, run.id, self._worker, RunState.DONE, result=snapshot.result)
            failpoints.reached(Failpoint.APPLIED)
            self.over = True
            return
        self._say("paused", {"asks": [action.name for pause in pauses for action in pause.actions]})
        await self._writer.flush()
        await self._router.note(self._store)
        judge = self._router.judge_of(run, self._store)
        if self._second_reader:
            judge = await self._second_reader.judge(run, pauses, judge)
        await reconcile.reconcile(
            self._store, run.id, run.agent, self._worker, pauses, outcomes, doubt.reviews, judge, snapshot.head, self._router.loop_after()
        )
        failpoints.reached(Failpoint.APPLIED if sent else Failpoint.OPENED)

    async def _left_out(self, snapshot: ThreadSnapshot, outcomes: Outcomes) -> Outcomes:
        """Outcomes of answers that were applied, but whose calls did not run."""
        _, answered = await submissions.last_sent(self._store, self._run.id)
        applied = [one for one in answered if one.review in outcomes and outcomes[one.review].state is ReviewState.APPLIED]
        found = left_out(snapshot, applied)
        for outcome in found.values():
            self._say("error", {"text": outcome.note})
        return found

    def _say(self, kind: str, body: dict[str, Any]) -> None:
        self._writer.note(self._run.id, self._trace.line(kind, body))


def _not_run(names: Sequence[str], agent: str) -> str:
    """What the trace says about the tool calls with which a run ended."""
    listed = ", ".join(canonical_json.one_line(name, 40) for name in dict.fromkeys(names))
    return f"ended with calls that nobody ran: {listed}; to give their results, list them in policy.toml: [agents.{agent}] frontend_tools"
