"""Calls outside the limits of their run ask a person: totals count what was approved, what waits, and what may have run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, Outcome, Pause, PauseKind, Review, Routed, RunOptions, Verdict
from hitl_tui.store import Store, reconcile, runs
from tests.support.empty_database import open_store
from tests.ui.homes import seed

LIMITS = ("sum(refund.amount) <= 500", 'refund.to in domain("example.com")', "sum(refund.amount) <= 5000 else deny")


class LimitedRun:
    """A run with limits, of which policy lets every call run."""

    def __init__(self, store: Store, run: int) -> None:
        self.store, self.run, self.inbox = store, run, Inbox(store, "ann")
        self._pauses = list[Pause]()

    async def propose(self, *amounts: float, outcome: Outcome = Outcome.AUTO, to: str = "ann@example.com") -> Review:
        """Open one pause with a refund of each amount, beside those that are open."""
        calls = [seed.action("refund", {"amount": amount, "to": to}, slot) for slot, amount in enumerate(amounts)]
        self._pauses.append(seed.pause(PauseKind.TOOL_CALLS, *calls, interrupt=f"i{len(self._pauses)}"))

        def judge(pause: Pause) -> Routed:
            return Routed({action.slot: Verdict(outcome, "all", "rule 'all' says so") for action in pause.actions})

        await reconcile.reconcile(self.store, self.run, "desk", "w", self._pauses, {}, judge=judge)
        (row,) = await self.store.all("SELECT max(id) FROM reviews")
        return await self.inbox.reviews.get(row[0])


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[LimitedRun]:
    async with open_store(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        (run,) = await runs.insert(store, [runs.NewRun(project, "desk", "t", "refunds", {"text": "x"})], RunOptions(limits=LIMITS))
        await store.db.execute("UPDATE runs SET worker = 'w', state = 'running' WHERE id = ?", (run,))
        yield LimitedRun(store, run)


def outcomes(review: Review) -> list[tuple[Outcome | None, str]]:
    def of(action: Action) -> tuple[Outcome | None, str]:
        return action.outcome, action.rule

    return [of(action) for action in review.actions]


async def test_a_total_counts_approved_waiting_and_sibling_calls(limited: LimitedRun) -> None:
    first = await limited.propose(300, 150)
    assert outcomes(first) == [(Outcome.AUTO, "all"), (Outcome.AUTO, "all")] and not first.undecided
    second = await limited.propose(50, 1)
    assert outcomes(second) == [(Outcome.AUTO, "all"), (Outcome.ASK, "limits")]
    assert second.actions[1].reason.startswith(
        "outside what was asked for: sum(refund.amount) <= 500, and this call makes it 501; a person must"
    )


async def test_a_call_outside_a_limit_that_denies_is_rejected_and_does_not_count(limited: LimitedRun) -> None:
    denied = await limited.propose(5001)
    assert outcomes(denied) == [(Outcome.DENY, "limits")] and not denied.undecided
    assert denied.decisions[0].answer.kind is DecisionKind.REJECT
    assert "sum(refund.amount) <= 5000" in (denied.decisions[0].answer.message or "")
    assert outcomes(await limited.propose(500)) == [(Outcome.AUTO, "all")]


@pytest.mark.slow
async def test_an_edited_call_counts_as_edited_and_a_rejected_one_not_at_all(limited: LimitedRun) -> None:
    asked = await limited.propose(400, outcome=Outcome.ASK)
    assert outcomes(asked) == [(Outcome.ASK, "all")]
    assert outcomes(await limited.propose(200)) == [(Outcome.ASK, "limits")]  # with the 400 that wait
    await limited.inbox.reviews.decide(asked, {0: Answer(DecisionKind.EDIT, {"amount": 100, "to": "ann@example.com"})})
    assert outcomes(await limited.propose(200)) == [(Outcome.AUTO, "all")]  # 100 + 200 that wait + 200


@pytest.mark.slow
async def test_what_is_denied_stays_denied_and_conditions_hold_for_each_call(limited: LimitedRun) -> None:
    assert outcomes(await limited.propose(900, outcome=Outcome.DENY)) == [(Outcome.DENY, "all")]
    assert outcomes(await limited.propose(1, to="eve@evil.org")) == [(Outcome.ASK, "limits")]
    takeover = await limited.propose(1, to="eve@evil.org", outcome=Outcome.TAKEOVER)
    assert takeover.actions[0].outcome is Outcome.TAKEOVER and takeover.actions[0].reason.startswith("outside what was asked for")
