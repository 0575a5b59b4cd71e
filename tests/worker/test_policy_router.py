"""Policy applied to pauses (auto, ask, takeover, deny), on real graphs with real workers."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Outcome, Review, ReviewState, Run, RunOptions
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.review import render
from tests.support.harness import PROJECTS, Reviewer, SandboxFactory, approve, edit, open_reviewer, reject, tool_results
from tests.support.tiers import sampled

Calls = list[tuple[str, dict[str, Any]]]
READ, MOVE, SEND = ("read", {"path": "a"}), ("move", {"path": "b"}), ("send", {"to": "ann"})
EXACT = "spot_check = 0\nconfidence.trust = ['words', 'field']\n"
DENY = '[[rule]]\nname = "no letters"\ntool = "send"\noutcome = "deny"\n'
MIXED = (
    EXACT + DENY + '[[rule]]\nname = "reading"\ntool = "read"\noutcome = "auto"\n[[rule]]\nname = "moves"\ntool = "move"\noutcome = "ask"\n'
)


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of tests/projects/policy in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        yield reviewer


def policy(reviewer: Reviewer, text: str) -> None:
    """Write the home's policy.toml."""
    (reviewer.sandbox.home.path / "policy.toml").write_text(text)


async def launch(reviewer: Reviewer, agent: str, *rounds: tuple[str, Calls]) -> Run:
    return (await reviewer.inbox.runs.launch(agent, text=json.dumps(rounds)))[0]


async def reviews(reviewer: Reviewer, run: Run) -> list[Review]:
    """Return all reviews of the run."""
    return [await reviewer.inbox.reviews.get(row.id) for row in await reviewer.inbox.reviews.of_run(run.id)]


def history(review: Review) -> list[tuple[int, str, str, str | None]]:
    """Return (slot, kind, actor, message) of the current decisions."""
    return [(d.slot, d.answer.kind.value, d.actor, d.answer.message) for d in review.decisions.values()]


@pytest.mark.parametrize("agent", ["batched", "per_call", "gated"])
async def test_confident_harmless_call_runs_automatically_and_is_audited(fresh_reviewer: Reviewer, agent: str) -> None:
    policy(fresh_reviewer, EXACT)
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, agent, ("I am 95 % sure", [MOVE]))
    assert tool_results(await fresh_reviewer.result_of(run)) == {"move": ["moved b"]}
    (review,) = await reviews(fresh_reviewer, run)
    assert history(review) == [(0, "approve", "policy:thresholds", None)]
    assert review.row.state is ReviewState.APPLIED
    assert (review.row.route, review.row.risk, review.row.confidence) == (Outcome.AUTO, "reversible", 0.95)
    assert review.actions[0].confidence.source == "words"
    shown = fresh_reviewer.sandbox.cli_json("show", str(review.row.id))
    assert shown["decisions"][0]["by"] == "policy:thresholds"
    assert shown["actions"][0]["confidence"]["value"] == 0.95
    assert shown["actions"][0]["route"] == shown["route"] == "auto"
    assert "approve by policy:thresholds" in fresh_reviewer.sandbox.cli("show", str(review.row.id)).stdout


@pytest.mark.slow
async def test_calls_outside_the_limits_of_a_run_ask_and_count_over_the_run(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, EXACT)
    fresh_reviewer.sandbox.start()
    text = json.dumps([("I am 95 % sure", [("move", {"path": path})]) for path in "abc"])
    options = RunOptions(limits=("count(move) <= 2", 'move.path in ["a", "b", "c"]'))
    (run,) = await fresh_reviewer.inbox.runs.launch("batched", text=text, options=options)
    (asked,) = await fresh_reviewer.open_reviews(run)
    first, second, _ = await reviews(fresh_reviewer, run)
    assert [history(one)[0][2] for one in (first, second)] == ["policy:thresholds"] * 2
    assert (asked.actions[0].args, asked.actions[0].rule) == ({"path": "c"}, "limits")
    assert asked.actions[0].reason.startswith("outside what was asked for: count(move) <= 2, and this call makes it 3")
    assert fresh_reviewer.sandbox.cli_json("show", f"r{run.id}")["limits"] == list(options.limits)


@pytest.mark.parametrize(
    ("said", "call", "route", "reason"),
    [
        ("I am 72 % sure", MOVE, "ask", "its confidence 0.72 is below 0.9"),
        ("I am 30 % sure", MOVE, "takeover", "its confidence 0.3 is below 0.6"),
        ("well", MOVE, "ask", "its confidence is unknown"),
        ("I am 99 % sure", SEND, "ask", "its confidence is 0.99, but it is irreversible and no rule names it"),
        ("I am 99 % sure", ("mystery", {"what": "x"}), "ask", "its confidence is 0.99, but its risk is unknown"),
        ("I am 99 % sure", ("move", {"path": "a\u200bb"}), "ask", "it holds characters that cannot be seen: U+200B: a person must look"),
    ],
)
async def test_unsure_or_risky_call_waits_with_a_reason(
    fresh_reviewer: Reviewer, said: str, call: tuple[str, dict[str, Any]], route: str, reason: str
) -> None:
    policy(fresh_reviewer, EXACT)
    run = await launch(fresh_reviewer, "per_call", (said, [call]))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    assert review.decisions == {}
    assert review.row.route == review.actions[0].outcome == route
    assert reason in review.actions[0].reason
    assert reason in fresh_reviewer.sandbox.cli("show", str(review.row.id)).stdout
    (listed,) = fresh_reviewer.sandbox.cli_json("queue")
    assert (listed["route"], listed["actions"][0]["route"]) == (route, route)
    assert reason in listed["actions"][0]["reason"]
    assert ("human takeover" in fresh_reviewer.sandbox.cli("queue").stdout) == (route == "takeover")


@pytest.mark.parametrize("agent", ["batched", "per_call", "gated"])
async def test_denied_call_never_runs_and_the_agent_is_told_why(fresh_reviewer: Reviewer, agent: str) -> None:
    policy(fresh_reviewer, EXACT + DENY)
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, agent, ("I am 99 % sure", [SEND]))
    assert "rule 'no letters' says deny" in tool_results(await fresh_reviewer.result_of(run))["send"][0]
    assert fresh_reviewer.effects(run) == []
    (review,) = await reviews(fresh_reviewer, run)
    assert history(review) == [(0, "reject", "policy:no letters", "rule 'no letters' says deny")]


@pytest.mark.parametrize("agent", ["batched", "gated"])
async def test_batch_is_decided_partly_by_policy_and_partly_by_people(fresh_reviewer: Reviewer, agent: str) -> None:
    policy(fresh_reviewer, MIXED)
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, agent, ("hm", [READ, MOVE, SEND]))
    review = await fresh_reviewer.open_review(run)
    assert review.undecided == (1,)
    assert (review.row.decided, review.row.route) == ("2 of 3 decided", Outcome.ASK)
    assert [who for _, _, who, _ in history(review)] == ["policy:reading", "policy:no letters"]
    await fresh_reviewer.inbox.reviews.decide(review, {1: approve()})
    found = tool_results(await fresh_reviewer.result_of(run))
    assert sorted(did["did"] for did in fresh_reviewer.effects(run)) == ["move", "read"]
    assert "says deny" in found["send"][0]


async def test_policy_decision_can_be_overridden_while_the_review_is_open(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, MIXED)
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, "batched", ("hm", [READ, MOVE, SEND]))
    review = await fresh_reviewer.open_review(run)
    await fresh_reviewer.decide(review, reject(), approve(), edit(to="bob"))
    assert tool_results(await fresh_reviewer.result_of(run))["send"][0].endswith("sent to bob")
    assert sorted(did["did"] for did in fresh_reviewer.effects(run)) == ["move", "send"]
    (review,) = await reviews(fresh_reviewer, run)
    assert {actor for _, _, actor, _ in history(review)} == {"ann"}


async def test_spot_check_asks_before_the_call_runs(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, "spot_check = 1\nconfidence.trust = ['words']\n")
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, "per_call", ("I am 95 % sure", [MOVE]))
    review = await fresh_reviewer.open_review(run)
    assert review.actions[0].reason.startswith("spot check: its confidence 0.95 is at least 0.9")
    assert fresh_reviewer.effects(run) == []
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.result_of(run)


async def test_broken_policy_asks_for_everything_until_fixed(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, "spot_chek = 0\n")
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, "per_call", ("I am 95 % sure", [MOVE]), ("I am 95 % sure", [MOVE]))
    review = await fresh_reviewer.open_review(run)
    assert "everything asks until the policy is corrected" in review.row.note
    assert "spot_chek" in review.row.note
    assert review.actions[0].outcome is Outcome.ASK
    policy(fresh_reviewer, EXACT)
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.result_of(run)
    first, second = await reviews(fresh_reviewer, run)
    assert [who for _, _, who, _ in history(first) + history(second)] == ["ann", "policy:thresholds"]
    assert second.row.note == ""


async def test_parallel_calls_are_judged_separately(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, MIXED)
    fresh_reviewer.sandbox.start()
    run = await launch(fresh_reviewer, "per_call", ("hm", [READ, MOVE, SEND]))
    review = await fresh_reviewer.open_review(run)
    assert review.actions[0].name == "move"
    await fresh_reviewer.decide(review, approve())
    assert "says deny" in tool_results(await fresh_reviewer.result_of(run))["send"][0]
    assert sorted(did["did"] for did in fresh_reviewer.effects(run)) == ["move", "read"]


@pytest.mark.parametrize(("confidence", "state", "actor"), [(0.97, "done", "policy:thresholds"), (0.7, "waiting", "")])
async def test_agent_inbox_request_carries_its_confidence(fresh_reviewer: Reviewer, confidence: float, state: str, actor: str) -> None:
    policy(fresh_reviewer, EXACT)
    run = (await fresh_reviewer.inbox.runs.launch("inbox", given={"confidence": confidence}))[0]
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.inbox.runs.get(run.id)).state == state
    (review,) = await reviews(fresh_reviewer, run)
    assert [who for _, _, who, _ in history(review)] == ([actor] if actor else [])
    assert review.actions[0].confidence.source == "interrupt, state"


@pytest.mark.parametrize("agent", ["question", "stop"])
async def test_question_to_a_person_is_never_answered_by_policy(fresh_reviewer: Reviewer, agent: str) -> None:
    policy(fresh_reviewer, EXACT + '[[rule]]\nname = "all"\ntool = "ask"\nrisk = "read"\noutcome = "auto"\n')
    run = (await fresh_reviewer.inbox.runs.launch(agent, given={"confidence": 1.0}))[0]
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    assert review.decisions == {}
    assert (review.actions[0].rule, review.row.route) == ("safety", Outcome.ASK)
    assert "it asks a person and is no tool call" in review.actions[0].reason


@pytest.mark.parametrize(("text", "kind"), sampled([(EXACT, "approve"), (EXACT + DENY.replace("send", "move"), "reject")]))
@pytest.mark.parametrize("agent", ["per_call", "batched", "gated"])
async def test_policy_decision_survives_a_worker_crash_before_it_is_applied(
    fresh_reviewer: Reviewer, agent: str, text: str, kind: str
) -> None:
    policy(fresh_reviewer, text)
    run = await launch(fresh_reviewer, agent, ("I am 95 % sure", [MOVE]))
    assert fresh_reviewer.sandbox.start(kill_at="opened").wait() == -signal.SIGKILL
    assert await fresh_reviewer.review_states(run) == ["decided"]
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.result_of(run)
    assert len(fresh_reviewer.effects(run)) == (kind == "approve")
    assert await fresh_reviewer.review_states(run) == ["applied"]
    (review,) = await reviews(fresh_reviewer, run)
    said = await fresh_reviewer.store.all("SELECT kind, superseded FROM decisions WHERE review = ?", (review.row.id,))
    assert said == [(kind, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["per_call", "gated"])
async def test_automatic_call_that_may_have_run_goes_to_a_person(fresh_reviewer: Reviewer, agent: str) -> None:
    policy(fresh_reviewer, EXACT)
    run = await launch(fresh_reviewer, agent, ("I am 95 % sure", [MOVE]))
    assert fresh_reviewer.sandbox.start(kill_at="submitted").wait() == -signal.SIGKILL
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    assert "may have run once" in review.row.note
    assert review.decisions == {}
    assert review.row.route is Outcome.ASK
    assert "may have run once" in review.actions[0].reason
    await fresh_reviewer.decide(review, approve())
    await fresh_reviewer.result_of(run)
    assert [did["did"] for did in fresh_reviewer.effects(run)] == ["move"]


async def test_takeover_verdict_is_marked_and_explained(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, EXACT)
    run = await launch(fresh_reviewer, "per_call", ("I am 30 % sure", [MOVE]))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    shown = [line.text for line in render.why_lines(review.actions[0], await fresh_reviewer.inbox.reviews.context(review.row.id))]
    assert "to take over: its confidence 0.3 is below 0.6 (thresholds)" in shown
    assert any(text.startswith("confidence by the agent's own words") for text in shown)
    listed = QueueList(lambda ids: fresh_reviewer.inbox.reviews.rows(ids), lambda *_: None, time.time)
    assert " take over" in [text for text, _ in listed.paint(review.row, 1, 60)]


async def test_risk_set_by_a_rule_is_shown_and_the_tools_own_kept(fresh_reviewer: Reviewer) -> None:
    policy(fresh_reviewer, '[[rule]]\nname = "careful"\ntool = "read"\nrisk = "irreversible"\noutcome = "ask"\n')
    run = await launch(fresh_reviewer, "per_call", ("I am 95 % sure", [READ]))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    assert (review.row.risk, review.actions[0].risk, review.actions[0].declared) == ("irreversible", "irreversible", "read")
    assert "risk: irreversible" in fresh_reviewer.sandbox.cli("show", str(review.row.id)).stdout
    walk = (await fresh_reviewer.inbox.policy.explain(review.row.id)).walks[0]
    assert walk.facts.risk == "read", "another policy judges by what the tool tells"


async def test_missing_policy_asks_for_everything_without_mentioning_policy(fresh_reviewer: Reviewer) -> None:
    run = await launch(fresh_reviewer, "per_call", ("I am 95 % sure", [READ]))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    assert (review.row.route, review.actions[0].outcome, review.actions[0].routed()) == (None, None, "")
    assert (review.actions[0].confidence.value, review.actions[0].risk) == (0.95, "read")


@pytest.mark.slow
async def test_policy_that_an_agent_writes_takes_effect_once_a_person_accepts_it(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECTS / "policy", project)
    manifest = json.loads((project / "langgraph.json").read_text())
    manifest["dependencies"] = [".", *(str((PROJECTS / "policy" / one).resolve()) for one in manifest["dependencies"][1:])]
    (project / "langgraph.json").write_text(json.dumps(manifest))
    sandbox = new_sandbox(str(project))
    letters = EXACT + '[[rule]]\nname = "letters"\ntool = "send"\noutcome = "auto"\n'

    async def sends(reviewer: Reviewer) -> str:
        """Launch a call that cannot be taken back, and return what the policy made of it."""
        run = await launch(reviewer, "batched", ("I am 99 % sure", [SEND]))
        assert sandbox.run_until_idle() == 0
        (review,) = await reviews(reviewer, run)
        return f"{review.actions[0].outcome}: {review.row.note}"

    async with open_reviewer(sandbox) as reviewer:
        (project / "policy.toml").write_text(letters)
        assert "ask: everything asks until the policy is accepted: nobody has accepted" in await sends(reviewer)
        assert "accepted, sha256" in sandbox.cli("policy", "accept").stdout
        assert await sends(reviewer) == "auto: "
        (project / "policy.toml").write_text(letters + "# more\n")
        assert "nobody has accepted" in await sends(reviewer)
        (project / "policy.toml").write_text(letters)
        assert await sends(reviewer) == "auto: ", "it is again the one that was accepted"
        entries = [json.loads(line) for line in sandbox.cli("audit", "export").stdout.splitlines()]
        assert [one["actor_kind"] for one in entries if one["kind"] == "policy" and '"accepted": true' in one["body"]] == ["person"]
        sandbox.cli("audit", "verify")


def test_policy_check_accepts_settings_that_take_effect(new_sandbox: SandboxFactory) -> None:
    path = new_sandbox("policy").home.path / "policy.toml"
    path.write_text(
        '[groups]\nleads = ["ann", "bob"]\n[[rule]]\nname = "a"\noutcome = "ask"\ndeadline = "4h"\nreviewers = 2\nto = "leads"\n'
        '[escalation]\nerrors = true\n[[escalation.step]]\nto = "leads"\nafter = "5m"\n[notify]\nbell = true\n'
    )
    (said,) = new_sandbox("policy").cli("policy", "check", str(path)).stdout.splitlines()
    assert "is valid: 1 rule" in said
