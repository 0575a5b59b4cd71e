"""A second reader on real calls: a command that reads JSON and prints JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hitl_tui.model import Opinion, Outcome, RemarkSource, ReviewState, RunState, reading_of
from hitl_tui.store import audit
from tests.support.fake_clock import launch_and_wait, rule_toml, write_policy
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, open_reviewer

READER = """
import json, sys, time
asked = json.load(sys.stdin)
with open({log!r}, "a") as log:
    log.write(json.dumps(asked) + "\\n")
says = asked["arguments"].get("path") or asked["arguments"].get("to")
if says == "hang":
    time.sleep(60)
if says == "fail":
    sys.exit("it broke")
print(json.dumps({{"verdict": says, "confidence": 0.9, "reasons": [{{"text": "as told", "passage": says}}]}}))
"""


def write_reader(sandbox: Sandbox, *lines: str, outcome: str = "auto", more: str = "") -> Path:
    """Write a policy with a reader whose verdict is the call's argument. Returns the file with what it was asked."""
    script, log = sandbox.folder / "reader.py", sandbox.folder / "asked.jsonl"
    script.write_text(READER.format(log=str(log)))
    command = json.dumps([sys.executable, str(script)])
    moves = rule_toml("moves", "move", f'outcome = "{outcome}"')
    write_policy(sandbox, "\n".join(["[reader]", f"command = {command}", *lines, "", moves, more]))
    return log


async def read_of(reviewer: Reviewer, review: int) -> tuple[Opinion, str]:
    (remark,) = [one for one in await reviewer.inbox.reviews.remarks(review) if one.source is RemarkSource.READER]
    return reading_of(remark.body, remark.problem).opinion, remark.problem


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ("suspicious", Outcome.ASK),
        pytest.param("takeover", Outcome.TAKEOVER, marks=pytest.mark.slow),
        pytest.param("ask", Outcome.ASK, marks=pytest.mark.slow),
    ],
)
async def test_a_call_that_would_run_waits_if_its_reader_says_so(new_sandbox: SandboxFactory, says: str, outcome: Outcome) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write_reader(reviewer.sandbox)
        run, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": says})]))
        action = review.actions[0]
        assert (action.outcome, action.rule) == (outcome, "second reader") and reviewer.effects(run) == []
        assert action.reason == f"the second reader says {says} (90% sure): as told; though rule 'moves' says auto"
        assert await read_of(reviewer, review.row.id) == (Opinion(says), "")
        shown = reviewer.sandbox.cli("show", str(review.row.id)).stdout
        assert f"second reader: {Path(sys.executable).name}" in shown and f"{says}, 90% sure" in shown and f"“{says}”" in shown
        asked = json.loads(log.read_text())
        assert (asked["tool"], asked["policy"]["outcome"], asked["risk"]) == ("move", "auto", "reversible")
        assert audit.verify(reviewer.sandbox.home.database).problem == ""


@pytest.mark.parametrize(("says", "moved"), [("ok", 1), ("deny", 0), pytest.param("fail", 1, marks=pytest.mark.slow)])
async def test_a_call_runs_or_is_rejected_without_a_person_as_its_reader_says(new_sandbox: SandboxFactory, says: str, moved: int) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox)
        (run,) = await reviewer.inbox.runs.launch("per_call", text=json.dumps([("moving", [("move", {"path": says})])]))
        assert reviewer.sandbox.run_until_idle() == 0
        assert (await reviewer.inbox.runs.get(run.id)).state is RunState.DONE and len(reviewer.effects(run)) == moved
        (row,) = await reviewer.inbox.reviews.of_run(run.id)
        opinion, problem = await read_of(reviewer, row.id)
        assert (opinion, problem) == ((Opinion.OK, "it broke") if says == "fail" else (Opinion(says), ""))
        review = await reviewer.inbox.reviews.get(row.id)
        assert review.decisions[0].actor == ("policy:second reader" if says == "deny" else "policy:moves")


async def test_a_call_that_waits_is_read_in_the_background_and_taken_over_or_rejected(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox, outcome="ask")
        calls = [("move", {"path": says}) for says in ("ok", "takeover", "deny")]
        _, review = await launch_and_wait(reviewer, "batched", ("moving", calls))
        assert [(one.outcome, one.rule) for one in review.actions] == [
            (Outcome.ASK, "moves"), (Outcome.TAKEOVER, "second reader"), (Outcome.DENY, "second reader"),
        ]  # fmt: skip
        assert (review.row.escalated, list(review.undecided)) == ("anybody", [0, 1])
        assert review.decisions[2].actor == "policy:second reader"
        await reviewer.inbox.reviews.decide(review, {0: approve(), 1: approve()})
        assert reviewer.sandbox.run_until_idle() == 0
        assert (await reviewer.inbox.reviews.get(review.row.id)).row.state is ReviewState.APPLIED
        found = (await reviewer.inbox.insights.read()).agreements
        assert [(one.name, one.total, one.agreed) for one in found] == [("second reader and people", 2, 1)]


@pytest.mark.slow
async def test_a_reader_that_hangs_changes_nothing_and_is_told(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write_reader(reviewer.sandbox, 'timeout = "1s"', outcome="ask")
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "hang"})]))
        assert review.actions[0].outcome is Outcome.ASK
        assert "second reader: it did not end within 1 s" in reviewer.sandbox.cli("show", str(review.row.id)).stdout


@pytest.mark.slow
async def test_calls_that_the_section_does_not_name_are_not_read(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write_reader(reviewer.sandbox, 'risk = "irreversible"', outcome="ask")
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "deny"})]))
        assert review.actions[0].outcome is Outcome.ASK and not log.exists()
