"""Claims, views, and similar decisions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.errors import BadHome, Refused, Stale
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, Pause, PauseKind, ReviewState, Routed, Verdict
from hitl_tui.settings import read_settings
from hitl_tui.store import Store, history, reconcile, runs
from tests.support.direct_decisions import record
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.support.harness import SandboxFactory, approve, edit, reject
from tests.ui.homes import seed


class TwoReviewers:
    """A store with two reviewers, each on a separate connection."""

    def __init__(self, mine: Store, theirs: Store, project: int) -> None:
        self.store = mine
        self.project = project
        self.ann, self.bob = Inbox(mine, "ann", claim_s=60), Inbox(theirs, "bob", claim_s=60)

    async def ask(self, *actions: Any, agent: str = "mail_assistant") -> int:
        """Add an open review, and return its id."""
        return await seed.add_waiting_run(self.store, self.project, agent, seed.pause(PauseKind.TOOL_CALLS, *(actions or (seed.mail(),))))

    async def decide(self, who: Inbox, review: int, *answers: Answer) -> ReviewState:
        found = await who.reviews.get(review)
        return await who.reviews.decide(found, dict(zip((a.slot for a in found.actions), answers, strict=True)))

    async def log(self, review: int) -> list[tuple[str, str, Any]]:
        """Return (kind, actor, body) of people's audit entries on a review."""
        rows = await self.store.all("SELECT kind, actor, body FROM audit WHERE review = ? AND kind != 'opened' ORDER BY seq", (review,))
        return [(kind, actor, json.loads(body)) for kind, actor, body in rows]


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[TwoReviewers]:
    async with open_store(tmp_path / "hitl.db") as mine, open_store(tmp_path / "hitl.db") as theirs:
        yield TwoReviewers(mine, theirs, await seed.add_project(mine))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advance the time: `clock(seconds)`."""
    now = [time.time()]
    pretend(monkeypatch, lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    return later


async def test_claimed_review_cannot_be_decided_by_others_until_it_ends(people: TwoReviewers, clock: Callable[[float], None]) -> None:
    review = await people.ask()
    await people.ann.reviews.claim(review)
    with pytest.raises(
        Refused, match=rf'^ann has review {review} until .*; take it with a reason: `hitl-tui claim {review} --reason "…"`$'
    ):
        await people.decide(people.bob, review, approve())
    with pytest.raises(Refused, match="ann has review"):
        await people.decide(people.bob, review, reject())
    row = (await people.bob.reviews.get(review)).row
    assert row.claimant(time.time()) == "ann" and row.is_claimed_by_another("bob", time.time())
    clock(59)
    await people.ann.reviews.claim(review)  # claiming again renews it
    clock(59)
    with pytest.raises(Refused, match="ann has review"):
        await people.decide(people.bob, review, approve())
    clock(2)
    row = (await people.bob.reviews.get(review)).row
    assert row.claimant(time.time()) is None and not row.is_claimed_by_another("bob", time.time())
    assert await people.decide(people.bob, review, approve()) is ReviewState.DECIDED


async def test_claimed_review_can_be_decided_and_released_by_its_holder(people: TwoReviewers) -> None:
    mine, given = await people.ask(), await people.ask()
    await people.ann.reviews.claim(mine)
    assert await people.decide(people.ann, mine, approve()) is ReviewState.DECIDED
    await people.ann.reviews.claim(given)
    with pytest.raises(Refused, match="ann has review"):
        await people.bob.reviews.release(given)
    await people.ann.reviews.release(given)
    with pytest.raises(Refused, match="nobody has review"):
        await people.ann.reviews.release(given)
    await people.decide(people.bob, given, approve())
    assert [(kind, who) for kind, who, _ in await people.log(given)] == [("claimed", "ann"), ("released", "ann"), ("decided", "bob")]
    with pytest.raises(Stale, match=f"review {given} is approved by bob at"):
        await people.ann.reviews.claim(given)
    with pytest.raises(Refused, match="there is no review 999"):
        await people.ann.reviews.claim(999)


async def test_claim_that_has_ended_is_not_released_and_needs_no_reason(people: TwoReviewers, clock: Callable[[float], None]) -> None:
    review = await people.ask()
    await people.ann.reviews.claim(review)
    clock(61)
    with pytest.raises(Refused, match="nobody has review"):
        await people.ann.reviews.release(review)
    await people.ann.reviews.escalate(review, "bob", "please look")
    await people.bob.reviews.claim(review)
    assert [(kind, who) for kind, who, _ in await people.log(review)] == [("claimed", "ann"), ("escalated", "ann"), ("claimed", "bob")]


async def test_claim_of_another_can_be_taken_only_with_a_logged_reason(people: TwoReviewers) -> None:
    review = await people.ask()
    await people.ann.reviews.claim(review)
    for nothing in ("", "  "):
        with pytest.raises(Refused, match="take it with a reason"):
            await people.bob.reviews.claim(review, nothing)
    await people.bob.reviews.claim(review, "ann went home")
    with pytest.raises(Refused, match="bob has review"):
        await people.decide(people.ann, review, approve())
    kind, who, body = (await people.log(review))[-1]
    assert (kind, who, body["from"], body["reason"]) == ("claimed", "bob", "ann", "ann went home")
    assert await people.decide(people.bob, review, approve()) is ReviewState.DECIDED


@pytest.mark.parametrize("actor", ["policy:quiet hours", "timeout:quiet hours"])
async def test_claim_does_not_bind_policy_or_deadlines(people: TwoReviewers, actor: str) -> None:
    review = await people.ask()
    await people.ann.reviews.claim(review)
    (action,) = (await people.ann.reviews.get(review)).actions
    assert await record(people.store, review, action, reject("too late"), actor)
    assert (await people.ann.reviews.get(review)).row.decided == f"rejected by {actor}"


async def test_claim_and_decision_at_once_give_one_winner(people: TwoReviewers) -> None:
    claimed = 0
    for number in range(20):
        review = await people.ask()
        found = await people.ann.reviews.get(review)
        first, second = people.bob.reviews.claim(review), people.ann.reviews.decide(found, {0: approve()})
        outcomes = await asyncio.gather(*((first, second) if number % 2 else (second, first)), return_exceptions=True)
        row = (await people.ann.reviews.get(review)).row
        (lost,) = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
        if row.state is ReviewState.OPEN:
            claimed += 1
            assert row.claimant(time.time()) == "bob"
            assert "bob has review" in str(lost)
        else:
            assert row.claimed_by is None
            assert isinstance(lost, Stale)
    assert 0 < claimed < 20, "both came first now and then"


async def test_claim_or_decision_acknowledges_escalations(people: TwoReviewers) -> None:
    claimed, decided, other = await people.ask(), await people.ask(), await people.ask()
    for review in (claimed, decided, other):
        run = (await people.ann.reviews.get(review)).row.run
        await people.store.write(
            "INSERT INTO escalations (review, run, at, recipient, actor, actor_kind, why, step, next_at) "
            "VALUES (?, ?, 1, 'leads', 'policy:x', 'policy', '', 0, 2)",
            (review, run),
        )
    await people.ann.reviews.claim(claimed)
    await people.decide(people.bob, decided, approve())
    found = await people.store.all("SELECT review, acknowledged_by, acknowledged_at > 1, next_at FROM escalations ORDER BY review")
    assert found == [(claimed, "ann", 1, None), (decided, "bob", 1, None), (other, None, None, 2)]


async def test_decision_by_policy_does_not_acknowledge_escalations(people: TwoReviewers) -> None:
    (run,) = await runs.insert(people.store, [runs.NewRun(people.project, "mail_assistant", "t", "", {})])

    def judge(pause: Pause) -> Routed:
        return Routed({0: Verdict(Outcome.AUTO, "reads", ""), 1: Verdict(Outcome.ASK, "writes", "")})

    asked = seed.pause(PauseKind.TOOL_CALLS, seed.mail(), seed.mail(slot=1))
    await reconcile.reconcile(people.store, run, "mail_assistant", "w", [asked], {}, judge=judge)
    (row,) = await people.ann.reviews.of_run(run)
    await people.store.write(
        "INSERT INTO escalations (review, run, at, recipient, actor, actor_kind, why) VALUES (?, ?, 1, '', 'policy:x', 'policy', '')",
        (row.id, run),
    )
    (action, _) = (await people.ann.reviews.get(row.id)).actions
    assert await record(people.store, row.id, action, approve(), "policy:reads")
    assert await people.store.one("SELECT acknowledged_at FROM escalations") == (None,)


async def test_view_times_are_summed_and_the_first_view_is_audited(people: TwoReviewers, clock: Callable[[float], None]) -> None:
    review = await people.ask()
    began = time.time()
    await people.ann.reviews.record_view(review, 1200)
    clock(5)
    await people.bob.reviews.record_view(review, 100)
    await people.ann.reviews.record_view(review, 300)
    ann, bob = await people.bob.reviews.views(review)
    assert (ann.reviewer, ann.first_at, ann.last_at, ann.viewed_ms) == ("ann", began, began + 5, 1500)
    assert (bob.reviewer, bob.viewed_ms) == ("bob", 100)
    assert [(kind, who) for kind, who, _ in await people.log(review)] == [("viewed", "ann"), ("viewed", "bob")]
    with pytest.raises(Refused, match="there is no review 999"):
        await people.ann.reviews.record_view(999, 1)


async def test_similar_decisions_are_of_the_same_agent_and_tool_newest_first(people: TwoReviewers) -> None:
    others = [await people.ask(agent="sql_steward"), await people.ask(seed.action("delete_mail", {"id": "1"})), await people.ask()]
    for review in others[:2]:
        await people.decide(people.ann, review, approve())
    same = [await people.ask() for _ in range(23)]
    for review in (*same[1:], same[0]):
        await people.decide(people.bob, review, reject("no") if review == same[0] else edit(to="x", subject="y", body="z"))
    taken_back = Inbox(people.store, "ann", grace_s=60)
    await people.decide(taken_back, others[2], approve())
    await taken_back.reviews.undo(others[2])
    found = await people.ann.reviews.similar(others[2])
    assert [past.review for past in found] == [same[0], *reversed(same[4:])]
    assert (found[0].decision, found[0].actor, found[0].tool, found[0].agent) == ("reject", "bob", "send_email", "mail_assistant")
    assert same[0] not in [past.review for past in await people.ann.reviews.similar(same[0])]


async def test_similar_decisions_are_found_by_an_index(people: TwoReviewers) -> None:
    values = {"agent": "a", "tool": "t", "review": 1}
    plan = [str(row[3]) for row in await people.store.all(f"EXPLAIN QUERY PLAN {history.SIMILAR}", values)]
    assert any("USING INDEX decisions_alike (agent=? AND tool=?)" in step for step in plan)
    assert not any(step.startswith("SCAN") for step in plan), plan


@pytest.mark.slow
def test_claim_commands_claim_take_over_and_release(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    sandbox.cli("launch", "batched", json.dumps([[["send", {"to": "a"}]]]))
    assert sandbox.run_until_idle() == 0
    assert "review 1 is claimed by you until" in sandbox.cli("claim", "1", "--reviewer", "ann").stdout
    assert 'take it with a reason: `hitl-tui claim 1 --reason "…"`' in sandbox.cli_error("decide", "1", "approve", "--reviewer", "bob")
    assert "ann has review 1 until" in sandbox.cli_error("claim", "1", "--reviewer", "bob")
    assert "ann has review 1 until" in sandbox.cli_error("release", "1", "--reviewer", "bob")
    (listed,) = sandbox.cli_json("queue")
    assert listed["claim"]["by"] == "ann"
    assert listed["claim"]["until"] > time.time()
    assert (listed["recipient"], listed["escalated_to"], listed["deadline"], listed["seen_by"]) == (None, None, None, [])
    assert "claimed by ann" in sandbox.cli("queue").stdout
    assert "claimed by ann" in sandbox.cli("show", "1").stdout
    sandbox.cli("claim", "1", "--reason", "urgent", "--reviewer", "bob")
    assert sandbox.cli_json("show", "1")["claim"]["by"] == "bob"
    assert "review 1 is released" in sandbox.cli("release", "1", "--reviewer", "bob").stdout
    assert sandbox.cli_json("show", "1")["claim"] is None
    assert "is rejected by ann" in sandbox.cli("decide", "1", "reject", "--reviewer", "ann").stdout
    assert "is not a review, like 12" in sandbox.cli_error("claim", "r1")


async def test_queue_command_prints_deadline_and_recipient(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    async with open_store(sandbox.home.database) as store:
        review = await seed.add_waiting_run(
            store, await seed.add_project(store), "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail())
        )
        await store.write(
            "UPDATE reviews SET recipient = 'finance', deadline_at = ?, deadline_then = 'reject' WHERE id = ?", (time.time() + 90, review)
        )
        await Inbox(store, "bob").reviews.record_view(review, 12_000)
    said = sandbox.cli("show", str(review)).stdout
    assert "for finance · rejected in 1 min if nobody decides" in said
    assert "viewed by bob (12 s)" in said
    assert "for finance · rejected in 1 min if nobody decides" in sandbox.cli("queue").stdout
    found = sandbox.cli_json("show", str(review))
    assert (found["recipient"], found["deadline"]["then"], found["seen_by"][0]["by"]) == ("finance", "reject", "bob")
    async with open_store(sandbox.home.database) as store:
        await store.write("UPDATE reviews SET escalated = 'leads', deadline_at = 1 WHERE id = ?", (review,))
    assert "escalated to leads · deadline passed" in sandbox.cli("queue").stdout
    assert sandbox.cli_json("queue")[0]["escalated_to"] == "leads"


@pytest.mark.parametrize(("value", "said"), [("-1", "from 0 to 86,400"), ("86401", "from 0 to 86,400"), ('"long"', "a number of seconds")])
def test_claim_duration_that_is_invalid_is_refused(tmp_path: Path, value: str, said: str) -> None:
    home = Home(tmp_path).prepare()
    home.config.write_text(f"claim_s = {value}\n")
    with pytest.raises(BadHome, match=said):
        read_settings(home)


async def test_claim_with_zero_duration_blocks_nobody(people: TwoReviewers) -> None:
    review = await people.ask()
    await Inbox(people.store, "ann", claim_s=0).reviews.claim(review)
    assert await people.decide(people.bob, review, approve()) is ReviewState.DECIDED


@pytest.mark.parametrize("name", ["policy:x", "timeout:x", "Policy:x", " policy:x", "agent:mail"])
async def test_reviewer_name_that_looks_like_policy_is_refused(people: TwoReviewers, name: str) -> None:
    with pytest.raises(Refused, match="how policy and agents sign"):
        Inbox(people.store, name)


async def test_reviewer_name_that_is_empty_is_refused(people: TwoReviewers) -> None:
    with pytest.raises(Refused, match="a reviewer needs a name"):
        Inbox(people.store, "  ")


async def test_claimed_review_refuses_decisions_of_every_kind(people: TwoReviewers) -> None:
    review = await people.ask()
    await people.ann.reviews.claim(review)
    for answer in (approve(), reject("no"), Answer(DecisionKind.RESPOND, message="done"), edit(to="x", subject="y", body="z")):
        with pytest.raises(Refused, match="ann has review"):
            await people.decide(people.bob, review, answer)
    assert (await people.bob.reviews.get(review)).decisions == {}
