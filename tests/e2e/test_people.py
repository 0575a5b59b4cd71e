"""What people may do, with a real worker: no decision that nobody had a right to make reaches a graph."""

from __future__ import annotations

import contextlib
import json
import sqlite3

import pytest

from hitl_tui.errors import NotAllowed
from hitl_tui.inbox import Inbox
from hitl_tui.model import Identified, Review, ReviewState
from hitl_tui.policy.loader import HomePeople
from hitl_tui.settings import login
from hitl_tui.store.connection import FUNCTIONS
from tests.support.harness import Reviewer, Sandbox, SandboxFactory, approve, open_reviewer, tool_results

RULE = '[[rule]]\nname = "letters"\ntool = "send"\noutcome = "ask"\nto = "finance"\nreviewers = 2\n'
PEOPLE = '[[person]]\nname = "ann"\naliases = ["a.meyer"]\ngroups = ["finance"]\n[[person]]\nname = "bob"\ngroups = ["finance"]\n'
AS_TWO = """
UPDATE reviews SET state = 'decided', decided_at = 1.0, effective_at = 1.0, decision = 'approved', decided_by = 'bob' WHERE id = 1;
INSERT INTO endorsements (review, slot, kind, actor, actor_key, digest, effect, at)
    SELECT review, slot, 'approve', 'ann', 'ann', digest, digest, 1.0 FROM actions;
INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, effect, at, effective_at)
    SELECT review, slot, 'approve', 'bob', 'person', 'bob', digest, digest, 1.0, 1.0 FROM actions;
"""


def write_past_the_console(sandbox: Sandbox, script: str) -> None:
    """Write rows as any program could that can open the file."""
    with contextlib.closing(sqlite3.connect(sandbox.home.database)) as db:
        for name, count, function in FUNCTIONS:
            db.create_function(name, count, function, deterministic=True)
        db.executescript(f"BEGIN IMMEDIATE; {script} COMMIT;")


async def asked_by_a_stranger(sandbox: Sandbox, ann: Reviewer) -> Review:
    """A letter that two people of finance must approve, of a run that a stranger launched before there was a people.toml."""
    (sandbox.home.path / "people.toml").write_text(PEOPLE)
    (sandbox.home.path / "policy.toml").write_text(RULE)
    stranger = Inbox(ann.store, "mallory")
    (run,) = await stranger.runs.launch("per_call", text=json.dumps([["well", [["send", {"to": "zoe"}]]]]))
    return await ann.open_review(run)


async def test_stranger_under_two_names_gets_nothing_past_the_worker(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        review = await asked_by_a_stranger(sandbox, ann)
        run, people = await ann.inbox.runs.get(review.row.run), HomePeople(sandbox.home.path).current
        for name in ("mallory", "mallory2"):
            with pytest.raises(NotAllowed, match="may only look"):
                await Inbox(ann.store, name, people=people).reviews.decide(review, {0: approve()})
        write_past_the_console(sandbox, AS_TWO)  # under the names of those who may
        await ann.until_state(review, ReviewState.OPEN)
        found = await ann.inbox.reviews.get(review.row.id)
        assert found.row.warning.startswith("asked again, nothing ran: ") and ann.effects(run) == []
        assert "asked again, nothing ran" in sandbox.cli("show", str(review.row.id)).stdout
        for name in ("ann", "bob"):
            await Inbox(ann.store, name, people=people, identified=Identified.LOGIN).reviews.decide(found, {0: approve()})
        assert tool_results(await ann.result_of(run)) == {"send": ["sent to zoe"]}
        assert [did["did"] for did in ann.effects(run)] == ["send"]


@pytest.mark.slow
async def test_command_line_knows_its_person_by_the_login_alone(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        review = await asked_by_a_stranger(sandbox, ann)
        id_, path = str(review.row.id), sandbox.home.path / "people.toml"
        assert "is somebody else" in sandbox.cli_error("decide", id_, "approve", "--reviewer", "ann")
        assert "may only look" in sandbox.cli_error("decide", id_, "approve", LOGNAME="ann", USER="ann")
        path.write_text(PEOPLE.replace('["a.meyer"]', f'["{login()}"]'))
        assert "1 of 2 approvals, by ann" in sandbox.cli("decide", id_, "approve").stdout
        assert sandbox.cli_json("show", id_)["endorsements"][0]["identified"] == "login"
        path.write_text(f"[people]\ntrust_names = true\n{PEOPLE}")
        sandbox.cli("decide", id_, "approve", "--reviewer", "bob")
        await ann.result_of(await ann.inbox.runs.get(review.row.run))
        assert {one["identified"] for one in sandbox.cli_json("show", id_)["decisions"]} == {"named"}


@pytest.mark.slow
async def test_decisions_wait_while_people_toml_has_a_mistake(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    async with open_reviewer(sandbox) as ann:
        sandbox.start()
        review = await asked_by_a_stranger(sandbox, ann)
        run, people = await ann.inbox.runs.get(review.row.run), HomePeople(sandbox.home.path).current
        sandbox.kill_workers()
        for name in ("ann", "bob"):
            await Inbox(ann.store, name, people=people).reviews.decide(review, {0: approve()})
        (sandbox.home.path / "people.toml").write_text("[[person]")
        assert sandbox.run_until_idle() == 0
        assert "decisions wait: people.toml, line 1" in sandbox.worker_stderr() and ann.effects(run) == []
        (sandbox.home.path / "people.toml").write_text(PEOPLE)
        assert sandbox.run_until_idle() == 0
        assert [did["did"] for did in ann.effects(run)] == ["send"]
