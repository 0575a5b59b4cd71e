"""State machine of a review: no order of events leads to an invalid state."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pytest import MonkeyPatch

from hitl_tui.agents.interrupt_payloads import action
from hitl_tui.errors import Refused
from hitl_tui.model import (
    Actor,
    Answer,
    Context,
    DecisionKind,
    Pause,
    PauseKind,
    ReviewOutcome,
    ReviewState,
    RunState,
    Viewing,
    effect_of,
)
from hitl_tui.store import agents, claims, decisions, reconcile, reviews, runs, submissions
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.support.properties import examples

OPEN, DECIDED, SUBMITTED, APPLIED, STALE, FAILED = (
    ReviewState.OPEN, ReviewState.DECIDED, ReviewState.SUBMITTED, ReviewState.APPLIED, ReviewState.STALE, ReviewState.FAILED,
)  # fmt: skip
NEXT: dict[ReviewState, set[ReviewState]] = {
    OPEN: {DECIDED, STALE},
    DECIDED: {OPEN, SUBMITTED, STALE},
    SUBMITTED: {OPEN, DECIDED, APPLIED, STALE, FAILED},
    APPLIED: set(),
    STALE: set(),
    FAILED: set(),
}
OVER = (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
WORKER = "w1"
PEOPLE = st.sampled_from(["ann", "bob"])
KINDS = st.sampled_from(list(DecisionKind))


class Reviews(RuleBasedStateMachine):
    """One run on a real store, driven by a worker with arbitrary behaviour and by two people."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.patch = MonkeyPatch()
        self.now = 1_800_000_000.0
        pretend(self.patch, lambda: self.now)
        self.folder = tempfile.TemporaryDirectory()
        self.stack = contextlib.AsyncExitStack()
        self.store = self.do(self.stack.enter_async_context(open_store(Path(self.folder.name) / "hitl.db")))
        self.project = self.do(agents.register_project(self.store, "p", "p"))
        [self.run] = self.do(runs.insert(self.store, [runs.NewRun(self.project, "a", "t", "", {})]))
        self.asked = 0
        self.seen: dict[int, ReviewState] = {}

    def do(self, what: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(what)

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.patch.undo()
        self.folder.cleanup()
        self.loop.close()

    def pauses(self, ids: set[int], slots: int) -> list[Pause]:
        ask = tuple(replace(action(slot, "send", {"to": slot}, list(DecisionKind)), reviewers=1 + slot) for slot in range(slots))
        return [Pause(f"i{n}", PauseKind.TOOL_CALLS, "tools", (), {}, ask, Context()) for n in sorted(ids)]

    @property
    def state(self) -> RunState:
        found = self.do(runs.get(self.store, self.run))
        assert found is not None
        return RunState(found.state)

    def rows(self) -> list[Any]:
        return list(self.do(reviews.of_run(self.store, self.run)))

    @property
    def live(self) -> list[int]:
        return [review for review, state in self.seen.items() if state in (OPEN, DECIDED)]

    @property
    def leased(self) -> bool:
        return bool(self.do(self.store.one("SELECT worker IS NOT NULL FROM runs WHERE id = ?", (self.run,)))[0])

    # What people do

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), who=PEOPLE, kind=KINDS, grace=st.sampled_from([0.0, 3.0]), both=st.booleans())
    def decide(self, data: st.DataObject, who: str, kind: DecisionKind, grace: float, both: bool) -> None:
        review = data.draw(st.sampled_from(self.live or sorted(self.seen)))
        found = self.do(reviews.get(self.store, review))
        slots = [a.slot for a in found.actions]
        chosen = slots if both else [data.draw(st.sampled_from(slots))]
        answer = Answer(kind, {"to": 1} if kind is DecisionKind.EDIT else None, "why" if kind is DecisionKind.RESPOND else None)
        shown, answers, viewings = {a.slot: a for a in found.actions}, dict.fromkeys(chosen, answer), dict.fromkeys(chosen, Viewing())
        was, holder = self.seen[review], found.row.claimant(self.now)
        said = [one for one in self.do(decisions.endorsements(self.store, review)) if one.actor == who and one.slot in chosen]
        try:
            self.do(decisions.decide(self.store, decisions.ReviewAnswers(review, answers, shown, grace, viewings), Actor(who)))
        except Refused as refused:
            assert was is not OPEN or (holder and holder != who) or said, refused
        else:
            assert was is OPEN
            assert holder in (None, who), "what somebody has, nobody else decides"

    @precondition(lambda self: self.live)
    @rule(data=st.data(), who=PEOPLE, reason=st.sampled_from(["", "", "urgent"]))
    def claim(self, data: st.DataObject, who: str, reason: str) -> None:
        review = data.draw(st.sampled_from(self.live))
        before = self.do(reviews.get(self.store, review)).row
        try:
            self.do(claims.claim(self.store, review, who, 3.0, reason))
        except Refused as refused:
            assert before.state is not OPEN or (not reason and before.claimant(self.now) not in (None, who)), refused

    @precondition(lambda self: self.live)
    @rule(data=st.data(), who=PEOPLE)
    def release(self, data: st.DataObject, who: str) -> None:
        review = data.draw(st.sampled_from(self.live))
        holder = self.do(reviews.get(self.store, review)).row.claimant(self.now)
        try:
            self.do(claims.release(self.store, review, who))
        except Refused:
            assert holder != who

    @precondition(lambda self: not {OPEN, DECIDED}.isdisjoint(self.seen.values()))
    @rule(data=st.data(), who=PEOPLE)
    def undo(self, data: st.DataObject, who: str) -> None:
        review = data.draw(st.sampled_from(self.live))
        was = self.do(reviews.get(self.store, review))
        spoke = [one.actor for one in self.do(decisions.endorsements(self.store, review)) if one.slot in was.undecided]
        with contextlib.suppress(Refused):
            self.do(decisions.undo(self.store, review, who))
            assert was.row.state in (OPEN, DECIDED)
            assert was.row.state is OPEN or was.row.effective_at > self.now, "nothing that takes effect is taken back"
            newest = max((said.at for said in was.decisions.values()), default=None)
            last = {said.actor for said in was.decisions.values() if said.at == newest}
            assert who in last or who in spoke, "only one's own word is taken back"

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.asked > 3)
    @rule(really=st.integers(0, 3))
    def cancel(self, really: int) -> None:
        if really:
            return
        self.do(runs.cancel(self.store, self.run))

    @precondition(lambda self: self.state in OVER)
    @rule()
    def retry(self) -> None:
        self.do(runs.requeue(self.store, self.run, "ann"))

    # What the worker does

    @precondition(lambda self: self.state is RunState.QUEUED)
    @rule()
    def take(self) -> None:
        taken = self.do(runs.lease_next(self.store, WORKER, self.project, ["a"], True))
        assert taken is None or not self.going_before

    @precondition(lambda self: DECIDED in self.seen.values())
    @rule()
    def resume(self) -> None:
        found = submissions.ready(self.store, self.project, ["a"], ())
        if found:
            _, decided = found
            assert all(self.do(reviews.get(self.store, said.review)).row.effective_at <= self.now for said in decided)
            leased = self.do(submissions.submit(self.store, WORKER, decided))
            assert leased == {said.review for said in decided}
            assert self.do(submissions.submit(self.store, "w2", decided)) == set(), "one decision, one resume"

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), slots=st.integers(1, 2), outcome=st.sampled_from([OPEN, APPLIED, DECIDED, FAILED]))
    def pause(self, data: st.DataObject, slots: int, outcome: ReviewState) -> None:
        sent = self.do(reviews.submitted(self.store, self.run))
        pending = data.draw(st.sets(st.integers(self.asked, self.asked + 2), min_size=1, max_size=2))
        self.asked = max(pending)
        again = {int(interrupt[1:]) for interrupt in sent.values()} if outcome in (OPEN, DECIDED) else set()
        outcomes = {review: ReviewOutcome(outcome) for review in sent}
        self.do(reconcile.reconcile(self.store, self.run, "a", WORKER, self.pauses(pending | again, slots), outcomes))

    @precondition(lambda self: self.leased and self.asked > 3)
    @rule(state=st.sampled_from([RunState.DONE, RunState.FAILED, RunState.CANCELLED]), outcome=st.sampled_from([APPLIED, FAILED]))
    def end(self, state: RunState, outcome: ReviewState) -> None:
        sent = self.do(reviews.submitted(self.store, self.run))
        self.do(reconcile.close(self.store, {review: ReviewOutcome(outcome) for review in sent}))
        self.do(runs.settle(self.store, self.run, WORKER, state))

    @precondition(lambda self: self.leased)
    @rule(really=st.integers(0, 5))
    def die(self, really: int) -> None:
        if really:
            return
        self.do(runs.recover(self.store, WORKER))

    # What must be true

    @invariant()
    def moves_are_legal(self) -> None:
        for row in self.rows():
            before = self.seen.get(row.id, OPEN)
            assert row.state is before or row.state in NEXT[before], f"review {row.id}: {before} → {row.state}"
            self.seen[row.id] = row.state
        self.going_before = self.leased

    @invariant()
    def states_say_what_is_decided(self) -> None:
        for row in self.rows():
            found = self.do(reviews.get(self.store, row.id))
            if row.state is OPEN:
                assert found.undecided and row.effective_at is None and found.decided_at is None
            if row.state in (DECIDED, SUBMITTED):
                assert not found.undecided and row.effective_at is not None and found.decided_at is not None

    @invariant()
    def what_needs_two_people_has_two(self) -> None:
        for row in self.rows():
            found, said = self.do(reviews.get(self.store, row.id)), self.do(decisions.endorsements(self.store, row.id))
            for slot, decision in found.decisions.items():
                asked = found.actions[slot]
                if asked.reviewers == 2 and decision.answer.kind is not DecisionKind.REJECT:
                    assert any(
                        one.slot == slot
                        and one.actor != decision.actor
                        and effect_of(asked, one.answer) == effect_of(asked, decision.answer)
                        for one in said
                    )

    @invariant()
    def the_queue_has_no_dead(self) -> None:
        if self.state in OVER:
            assert not [row for row in self.rows() if row.state in (OPEN, DECIDED, SUBMITTED)]
            assert not self.leased

    @invariant()
    def what_is_sent_has_a_driver_or_comes_back(self) -> None:
        if any(row.state is SUBMITTED for row in self.rows()):
            assert self.state in (RunState.RUNNING, RunState.QUEUED)

    @invariant()
    def history_is_whole(self) -> None:
        gone = self.do(self.store.one("SELECT count(*) FROM decisions WHERE superseded AND undone_at IS NULL AND at > ?", (self.now,)))
        assert gone[0] == 0


Reviews.TestCase.settings = settings(examples(0.3), stateful_step_count=50, suppress_health_check=list(HealthCheck))
TestReviews = Reviews.TestCase
