"""`hitl-tui policy explain` and the audit of policy changes, on rows of real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hitl_tui.agents.targets import parse_local, root_of
from tests.support.empty_database import open_store
from tests.support.harness import PROJECTS, Sandbox, SandboxFactory, open_reviewer, rounds

SENDS = rounds([("send", {"to": "ann@example.com", "body": "x"}), ("delete", {"path": "p"})])
POLICY = (
    'spot_check = 0\n[[rule]]\nname = "deletes"\ntool = "delete"\nrisk = "irreversible"\noutcome = "ask"\n'
    '[[rule]]\nname = "night letters"\ntool = "send"\ntags = ["night"]\noutcome = "takeover"\n'
    '[[rule]]\nname = "letters"\ntool = "send"\nwhen = \'args.to in domain("example.com")\'\noutcome = "ask"\n'
)
ASKS = """
from typing import TypedDict

from langgraph.graph import StateGraph
from langgraph.types import interrupt

REQUEST = {
    "action_request": {"action": "send", "args": {"to": "a"}},
    "config": {"allow_accept": True, "allow_ignore": True, "allow_edit": False, "allow_respond": False},
}


class State(TypedDict):
    text: str


def send(state: State) -> State:
    return {"text": str(interrupt([REQUEST]))}


graph = StateGraph(State).add_node(send).set_entry_point("send").compile()
"""


async def policies(sandbox: Sandbox) -> list[dict[str, object]]:
    """Return the policies in the audit log, oldest first."""
    async with open_store(sandbox.home.database) as store:
        return [json.loads(row[0]) for row in await store.all("SELECT body FROM audit WHERE kind = 'policy'")]


@pytest.mark.slow
def test_policy_explain_gives_a_reason_for_every_rule(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    path.write_text(POLICY)
    sandbox.cli("launch", "batched", SENDS, "--tag", "eu")
    assert sandbox.run_until_idle() == 0
    told = sandbox.cli_json("policy", "explain", "1")
    assert (told["review"], told["policy"], told["problem"]) == ("1", str(path), None)
    send, delete = told["actions"]
    assert [(step["name"], step["mark"]) for step in send["steps"]] == [
        ("deletes", "no match"), ("night letters", "no match"), ("letters", "matched"), ("thresholds", "skipped"), ("safety", "no effect"),
        ("spot check", "skipped"),
    ]  # fmt: skip
    assert send["steps"][1]["why"] == "its run has no tag night"
    assert send["facts"]["tags"] == sandbox.cli_json("show", "r1")["tags"] == ["eu"]
    assert "\ntags: eu\n" in sandbox.cli("show", "r1").stdout
    assert send["when_asked"] == {"outcome": "ask", "rule": "letters", "reason": "rule 'letters' says ask"}
    assert (delete["verdict"]["outcome"], delete["verdict"]["rule"], delete["verdict"]["risk"]) == ("ask", "deletes", "irreversible")
    shown = sandbox.cli("policy", "explain", "1#1").stdout
    assert "#2" not in shown
    assert "  line 12  letters        matched    rule 'letters' says ask (args.to is \"ann@example.com\")" in shown
    assert shown.endswith("  → asks: rule 'letters'\n")


@pytest.mark.slow
def test_policy_explain_uses_the_current_policy_and_shows_the_earlier_verdict(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    sandbox.cli("launch", "batched", SENDS)
    assert sandbox.run_until_idle() == 0
    assert "→ asks: there is no policy, so everything asks" in sandbox.cli("policy", "explain", "1").stdout
    assert sandbox.cli_json("policy", "explain", "1")["actions"][0]["steps"] == []
    path = sandbox.home.path / "policy.toml"
    path.write_text(POLICY.replace('outcome = "takeover"', 'outcome = "deny"').replace('tags = ["night"]\n', ""))
    shown = sandbox.cli("policy", "explain", "1#1").stdout
    assert "→ denied: rule 'night letters'\n  when the review opened: there was no policy, and everything asked" in shown
    path.write_text("spot_chek = 1")
    told = sandbox.cli_json("policy", "explain", "1#2")
    assert "spot_chek" in told["problem"]
    assert "spot_chek" in told["actions"][0]["verdict"]["reason"]
    assert "no call 8; it has calls 1 and 2" in sandbox.cli_error("policy", "explain", "1#8")
    assert "no review 9" in sandbox.cli_error("policy", "explain", "9")
    assert "'x' is not a review" in sandbox.cli_error("policy", "explain", "x")


def test_policy_explain_finds_the_policy_of_the_reviews_project(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    project = tmp_path / "mine"
    project.mkdir()
    (project / "asks.py").write_text(ASKS)
    (project / "langgraph.json").write_text('{"graphs": {"asks": "./asks.py:graph"}}')
    (project / "policy.toml").write_text('groups = { leads = ["cleo"] }\n' + POLICY)
    sandbox = new_sandbox(str(project))
    sandbox.cli("launch", "asks", "--input", '{"text": "x"}')
    assert sandbox.run_until_idle() == 0
    assert sandbox.cli_json("policy", "explain", "1")["policy"] == str(project / "policy.toml")
    assert "nobody has accepted" in sandbox.cli_json("policy", "explain", "1")["problem"]
    sandbox.cli("policy", "accept")
    assert sandbox.cli_json("policy", "explain", "1")["problem"] is None
    assert "leeds" in sandbox.cli_error("escalate", "1", "--to", "leeds")
    sandbox.cli("escalate", "1", "--to", "leads")
    (sandbox.home.path / "policy.toml").write_text("")
    assert sandbox.cli_json("policy", "explain", "1")["policy"] == str(sandbox.home.path / "policy.toml")


@pytest.mark.slow
async def test_policy_change_and_removal_are_audited_once(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"

    def run() -> None:
        sandbox.cli("launch", "batched", SENDS)
        assert sandbox.run_until_idle() == 0

    run()
    assert await policies(sandbox) == []
    path.write_text(POLICY)
    run()
    run()
    (first,) = await policies(sandbox)
    assert (first["path"], first["rules"], first["problem"]) == (str(path), 3, "")
    path.write_text("rule = 1")
    run()
    path.unlink()
    run()
    run()
    path.write_text(POLICY)
    run()
    _, broken, gone, again = await policies(sandbox)
    assert (broken["rules"], broken["problem"]) == (0, "line 1: rule is not a list of tables; write [[rule]]")
    assert (gone["hash"], gone["rules"]) == ("", 0)
    assert again == first


@pytest.mark.slow
async def test_policy_change_is_seen_by_a_running_worker_at_the_next_pause(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    path.write_text(POLICY)
    sandbox.start()
    async with open_reviewer(sandbox) as reviewer:
        await reviewer.open_review(await reviewer.launch("batched", [("send", {"to": "a"})]))
        path.write_text(POLICY + "# more\n")
        for _ in range(3):
            await reviewer.open_review(await reviewer.launch("batched", [("send", {"to": "a"})]))
    first, second = await policies(sandbox)
    assert first["hash"] != second["hash"]


def test_project_folder_is_derived_from_its_key(tmp_path: Path) -> None:
    (tmp_path / "langgraph.json").write_text('{"graphs": {"a": "./a.py:graph"}}')
    (tmp_path / "a.py").write_text("")
    for target in (str(tmp_path), f"{tmp_path}/a.py:graph", "package.module:graph", str(PROJECTS.parents[1] / "sample_agents")):
        parsed = parse_local(target, tmp_path)
        assert root_of(parsed.key) == parsed.root.resolve()
    assert root_of("") is None
    assert root_of("elsewhere") is None
