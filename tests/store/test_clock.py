"""Time limits when the system's clock is set: they are moved with it, all at once, and the audit says so."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, PauseKind, ReviewOutcome, ReviewState, Worker
from hitl_tui.store import Store, agents, audit, clock, escalations, reconcile, runs, snoozes, submissions, time_limits
from tests.support.empty_database import open_store
from tests.support.set_clock import SetClock
from tests.ui.homes import seed

HOUR = 3600.0
JUMPS = pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["ahead", "back"])


@dataclass
class Home:
    """A home with one open review, and the clock of its machine."""

    store: Store
    clock: SetClock
    project: int
    review: int = 0

    def inbox(self, name: str = "ann", grace_s: float = 60.0) -> Inbox:
        return Inbox(self.store, name, grace_s=grace_s)

    async def approve(self) -> None:
        """Approve the review, with a minute to take it back."""
        inbox = self.inbox()
        await inbox.reviews.decide(await inbox.reviews.get(self.review), {0: Answer(DecisionKind.APPROVE)})

    async def touch(self) -> None:
        """Make some transaction, as a heartbeat does every other second."""
        async with self.store.transaction():
            pass

    def ready(self) -> bool:
        return submissions.ready(self.store, self.project, ["mail_assistant"], ()) is not None


@pytest.fixture
async def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Home]:
    set_clock = SetClock(tmp_path / "clock")
    monkeypatch.setattr(time, "time", set_clock.time)
    async with open_store(tmp_path / "hitl.db") as store:
        made = Home(store, set_clock, await seed.add_project(store))
        made.review = await seed.add_waiting_run(store, made.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))
        yield made


@JUMPS
async def test_decision_when_the_clock_is_set_is_sent_after_its_grace_time(home: Home, jump: float) -> None:
    await home.approve()
    home.clock.set(jump)
    assert not home.ready(), "before any transaction"
    await home.touch()
    assert not home.ready()
    await home.inbox().reviews.undo(home.review)
    await home.approve()
    await home.store.write("UPDATE reviews SET effective_at = effective_at - 61")
    assert home.ready()


@JUMPS
async def test_decision_without_time_left_when_the_clock_is_set_cannot_be_undone(home: Home, jump: float) -> None:
    await home.approve()
    await home.store.write("UPDATE reviews SET effective_at = effective_at - 61")
    home.clock.set(jump)
    with pytest.raises(Stale, match="its grace time is over"):
        await home.inbox().reviews.undo(home.review)
    assert home.ready()


async def test_sending_when_the_clock_was_just_set_waits_for_the_grace_time(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await home.approve()
    home.clock.set(HOUR)
    with monkeypatch.context() as without:  # a worker that looked at the system's clock alone
        without.setattr(clock, "now", lambda read: time.time())
        found = submissions.ready(home.store, home.project, ["mail_assistant"], ())
    assert found is not None
    assert await submissions.submit(home.store, "w", found[1]) == set()
    assert await submissions.last_sent(home.store, found[0].id) == (submissions.IdempotencyKeys(), [])


@JUMPS
async def test_answer_that_did_nothing_when_the_clock_is_set_is_sent_again_at_once(home: Home, jump: float) -> None:
    """A worker took it and was stopped before it did anything; meanwhile the clock was set."""
    await home.approve()
    await home.store.write("UPDATE reviews SET effective_at = effective_at - 61")
    found = submissions.ready(home.store, home.project, ["mail_assistant"], ())
    assert found and await submissions.submit(home.store, "w1", found[1]) == {home.review}
    home.clock.set(jump)
    await home.touch()
    asked = seed.pause(PauseKind.TOOL_CALLS, seed.mail())
    again = {home.review: ReviewOutcome(ReviewState.DECIDED)}
    await reconcile.reconcile(home.store, found[0].id, "mail_assistant", "w1", [asked], again)
    assert home.ready()


@JUMPS
async def test_calls_of_a_review_when_the_clock_is_set_between_them_share_one_grace_time(home: Home, jump: float) -> None:
    asked = seed.pause(PauseKind.TOOL_CALLS, seed.mail(), seed.mail("bob", 1), interrupt="i2")
    home.review = await seed.add_waiting_run(home.store, home.project, "mail_assistant", asked)
    inbox = home.inbox()
    for slot in (0, 1):
        review = await inbox.reviews.get(home.review)
        assert await inbox.reviews.decide(review, {slot: Answer(DecisionKind.APPROVE)}) is (ReviewState.OPEN, ReviewState.DECIDED)[slot]
        home.clock.set(jump)
    await home.touch()
    until = (await inbox.reviews.get(home.review)).row.effective_at
    assert until is not None and 0 < until - time.time() <= 60


@JUMPS
async def test_deadline_of_a_decided_review_when_the_clock_is_set_is_as_far_away_after_an_undo(home: Home, jump: float) -> None:
    await home.store.write("UPDATE reviews SET deadline_at = ?", (time.time() + 600,))
    await home.approve()
    home.clock.set(jump)
    await home.inbox().reviews.undo(home.review)
    left = (escalations.next_deadline(home.store, home.project, time.time()) or 0.0) - time.time()
    assert escalations.overdue(home.store, home.project, time.time()) == [] and 0 < left <= 600


@JUMPS
async def test_claim_when_the_clock_is_set_keeps_others_out_as_long(home: Home, jump: float) -> None:
    await home.inbox().reviews.claim(home.review)
    home.clock.set(jump)
    with pytest.raises(Refused, match="ann has review 1"):
        await home.inbox("bob").reviews.claim(home.review)
    row = (await home.inbox().reviews.get(home.review)).row
    assert row.claimed_until is not None
    assert 0 < row.claimed_until - time.time() < HOUR


@JUMPS
async def test_snooze_when_the_clock_is_set_lasts_as_long(home: Home, jump: float) -> None:
    await home.store.write("UPDATE reviews SET deadline_at = opened_at + 7200")
    await snoozes.snooze(home.store, [home.review], "ann", time.time() + 600)
    home.clock.set(jump)
    await home.touch()
    until = snoozes.snoozed(home.store, "ann")[home.review]
    assert until is not None
    assert 0 < until - time.time() <= 600


@JUMPS
async def test_deadline_when_the_clock_is_set_is_as_far_away(home: Home, jump: float) -> None:
    await home.store.write("UPDATE reviews SET deadline_at = ?", (time.time() + 600,))
    home.clock.set(jump)
    await home.touch()
    left = (escalations.next_deadline(home.store, home.project, time.time()) or 0.0) - time.time()
    assert escalations.overdue(home.store, home.project, time.time()) == []
    assert 0 < left <= 600


@JUMPS
async def test_time_limit_of_a_run_when_the_clock_is_set_counts_its_work(home: Home, jump: float) -> None:
    me = Worker("w9", home.project, "sample_agents", 1, 0.0, 8, 0.0, 0)
    await agents.register_worker(home.store, me, "host")
    await home.inbox().runs.launch("mail_assistant", text="go")
    assert await runs.lease_next(home.store, me.id, home.project, ["mail_assistant"], alone=True)
    home.clock.set(jump)
    read = home.store.read_now
    assert time_limits.due(read, me.id, 60.0) == [], "before any transaction"
    await home.touch()
    assert time_limits.due(read, me.id, 60.0) == []
    await home.store.write("UPDATE runs SET leased_at = leased_at - 61 WHERE worker IS NOT NULL")
    assert len(time_limits.due(read, me.id, 60.0)) == 1


async def test_clock_that_is_set_is_logged_once_with_the_difference(home: Home) -> None:
    home.clock.set(-HOUR)
    await home.touch()
    await home.touch()
    home.clock.set(-HOUR + 1)  # less than what counts
    await home.touch()
    found = [json.loads(body) for (body,) in await home.store.all("SELECT body FROM audit WHERE kind = 'clock'")]
    assert [round(one["by_s"]) for one in found] == [-3600]
    assert audit.verify(home.store.path).problem == ""


async def test_limits_when_the_machine_was_started_with_a_clock_behind_are_moved(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    await home.approve()
    monkeypatch.setattr(clock, "_source", lambda: "another start")
    home.clock.set(-HOUR)
    await home.touch()
    (until,) = await home.store.one("SELECT effective_at FROM reviews")
    assert 50 < until - time.time() <= 60 + 10


async def test_time_asleep_is_no_jump_and_no_work(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    me = Worker("w9", home.project, "sample_agents", 1, 0.0, 8, 0.0, 0)
    await agents.register_worker(home.store, me, "host")
    await home.inbox().runs.launch("mail_assistant", text="go")
    await runs.lease_next(home.store, me.id, home.project, ["mail_assistant"], alone=True)
    await home.approve()
    since_start: Callable[[], float] = clock.since_start
    monkeypatch.setattr(clock, "since_start", lambda: since_start() + HOUR)
    home.clock.set(HOUR)
    await home.touch()
    assert home.ready(), "the grace time ended while the machine slept"
    assert time_limits.due(home.store.read_now, me.id, 60.0) == []
    assert await home.store.one("SELECT 1 FROM audit WHERE kind = 'clock'") is None


async def test_last_sent_answers_when_the_clock_was_set_back_are_those_of_the_last_lease(home: Home) -> None:
    async def sent() -> list[int]:
        await home.approve()
        await home.store.write("UPDATE reviews SET effective_at = effective_at - 61 WHERE id = ?", (home.review,))
        found = submissions.ready(home.store, home.project, ["mail_assistant"], ())
        assert found
        assert await submissions.submit(home.store, "w1", found[1]) == {home.review}
        return [one.review for one in (await submissions.last_sent(home.store, found[0].id))[1]]

    home.clock.set(HOUR)
    assert await sent() == [home.review]
    home.clock.set(0.0)
    asked = seed.pause(PauseKind.TOOL_CALLS, seed.mail("bob"), interrupt="i2")
    (run,) = await home.store.one("SELECT run FROM reviews")
    await reconcile.reconcile(home.store, run, "mail_assistant", "w1", [asked], {home.review: ReviewOutcome(ReviewState.APPLIED)})
    home.review += 1
    assert await sent() == [home.review]
