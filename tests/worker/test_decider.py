"""An external program decides as a person of its own name, under the rules of people and no others."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hitl_tui.errors import BadPolicy
from hitl_tui.model import Identified, RemarkSource, ReviewState, RunState
from hitl_tui.people.parser import parse_with_problems as parse_people
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.store import audit
from tests.support.fake_clock import launch_and_wait, rule_toml, write_policy
from tests.support.harness import Reviewer, SandboxFactory, open_reviewer
from tests.support.ssh import make_key, needs_openssh, public

PROGRAM = """
import json, sys
asked = json.load(sys.stdin)
open({log!r}, "a").write(json.dumps(asked) + "\\n")
decisions = []
for call in asked["calls"]:
    says = call["arguments"].get("path") or call["arguments"].get("to")
    if says == "fail":
        sys.exit("the ticket system is away")
    if says != "nothing":
        digest = "0" * 64 if says == "forged" else call["digest"]
        decisions.append({{"call": call["call"], "digest": digest, "decision": "approve" if says == "forged" else says, "message": "no"}})
print(json.dumps({{"decisions": decisions}}))
"""
PEOPLE = '[[person]]\nname = "ann"\nroles = ["decide"]\n{}\n[[person]]\nname = "tickets"\nroles = ["{}"]\ngroups = ["bots"]\n{}\n'


def write(reviewer: Reviewer, *rule: str, role: str = "decide", key: str = "", more: str = "") -> Path:
    """Write a home whose program decides as its call's argument says. Returns the file with what it was asked."""
    sandbox = reviewer.sandbox
    script, log = sandbox.folder / "tickets.py", sandbox.folder / "asked.jsonl"
    script.write_text(PROGRAM.format(log=str(log)))
    (sandbox.home.path / "people.toml").write_text(PEOPLE.format("", role, key))
    command = json.dumps([sys.executable, str(script)])
    section = f'[decider]\nperson = "tickets"\ncommand = {command}\n{more}\n'
    write_policy(sandbox, section + rule_toml("moves", "move", *(rule or ('outcome = "ask"',))))
    return log


async def of_decider(reviewer: Reviewer, review: int) -> list[str]:
    return [one.problem for one in await reviewer.inbox.reviews.remarks(review) if one.source is RemarkSource.DECIDER]


@pytest.mark.parametrize(("says", "moved"), [("approve", 1), pytest.param("reject", 0, marks=pytest.mark.slow)])
async def test_program_decides_as_its_person_and_the_run_goes_on(new_sandbox: SandboxFactory, says: str, moved: int) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write(reviewer)
        (run,) = await reviewer.inbox.runs.launch("per_call", text=json.dumps([("moving", [("move", {"path": says})])]))
        assert reviewer.sandbox.run_until_idle() == reviewer.sandbox.run_until_idle() == 0
        (row,) = await reviewer.inbox.reviews.of_run(run.id)
        review = await reviewer.inbox.reviews.get(row.id)
        assert (review.decisions[0].actor, review.decisions[0].identified) == ("tickets", Identified.PINNED)
        assert (await reviewer.inbox.runs.get(run.id)).state is RunState.DONE and len(reviewer.effects(run)) == moved
        asked = json.loads(log.read_text())
        assert (asked["as"], asked["calls"][0]["tool"], asked["calls"][0]["digest"]) == ("tickets", "move", review.actions[0].digest)
        assert audit.verify(reviewer.sandbox.home.database).problem == ""


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ("forged", "tickets: it gave another digest for call 1 than it was asked about"),
        pytest.param("fail", "tickets: the ticket system is away", marks=pytest.mark.slow),
        pytest.param("dance", "tickets: what it said of call 1 is no decision", marks=pytest.mark.slow),
    ],
)
async def test_an_answer_that_does_not_fit_decides_nothing_and_is_told(new_sandbox: SandboxFactory, says: str, told: str) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write(reviewer)
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": says})]))
        (problem,) = await of_decider(reviewer, review.row.id)
        assert problem.startswith(told) and not review.decisions
        assert f"decider: {told}" in reviewer.sandbox.cli("show", str(review.row.id)).stdout


async def test_rules_of_people_hold_for_the_program(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        write(reviewer, 'outcome = "ask"', "reviewers = 2")
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "approve"})]))
        assert review.row.decided == "1 of 2 approvals, by tickets" and review.row.state is ReviewState.OPEN
        assert reviewer.sandbox.run_until_idle() == 0  # asked again by the next worker, it has said so already
        assert not (await reviewer.inbox.reviews.get(review.row.id)).decisions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "role"),
    [(('outcome = "ask"', 'to = "ann"'), "decide"), (('outcome = "ask"',), "export"), (('outcome = "takeover"',), "decide")],
)
async def test_program_is_not_asked_about_what_its_person_may_not_decide(
    new_sandbox: SandboxFactory, rule: tuple[str, ...], role: str
) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        log = write(reviewer, *rule, role=role)
        _, review = await launch_and_wait(reviewer, "per_call", ("moving", [("move", {"path": "approve"})]))
        assert not review.decisions and not log.exists()


@pytest.mark.slow
@needs_openssh
@pytest.mark.parametrize("has_key", [False, True])
async def test_program_signs_where_a_rule_asks_or_is_refused(new_sandbox: SandboxFactory, tmp_path: Path, has_key: bool) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        key = make_key(tmp_path, "tickets")
        line = f"[[person.key]]\nkey = '{public(key)}'\nadded = 2026-01-01" if has_key else ""
        write(reviewer, 'outcome = "ask"', "signed = true", key=line, more=f'key = "{key}"')
        (run,) = await reviewer.inbox.runs.launch("per_call", text=json.dumps([("moving", [("move", {"path": "approve"})])]))
        assert reviewer.sandbox.run_until_idle() == reviewer.sandbox.run_until_idle() == 0
        (row,) = await reviewer.inbox.reviews.of_run(run.id)
        assert len(reviewer.effects(run)) == has_key
        told = await of_decider(reviewer, row.id)
        assert told == [] if has_key else "people.toml has no key of tickets" in told[0]


def test_a_decider_must_be_a_person_and_counts_only_in_the_home() -> None:
    people, _ = parse_people(PEOPLE.format("", "decide", ""))
    text = '[decider]\nperson = "{}"\ncommand = ["look"]\nagain = "1m"\n'
    assert parse(text.format("tickets"), people=people).decider.again_s == 60
    for name in ("nobody", ""):
        with pytest.raises(BadPolicy):
            parse(text.format(name), people=people)
    _, problems = parse_with_problems(text.format("tickets"), in_home=False, people=people)
    assert [str(one) for one in problems if "[decider] has no effect" in str(one)]
