"""`hitl-tui policy`: init, check and replay, on rows of real runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.harness import SandboxFactory, rounds

SENDS = rounds([("send", {"to": "ann@example.com", "body": "x"}), ("delete", {"path": "p"})])


def test_policy_init_writes_a_valid_policy_and_keeps_an_existing_one(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    assert "there is no" in sandbox.cli_error("policy", "check")
    sandbox.cli("policy", "init")
    assert path.stat().st_mode & 0o077 == 0
    assert "is valid: 8 rules" in sandbox.cli("policy", "check").stdout
    assert sandbox.home.is_ours() or not sandbox.home.database.exists()
    path.write_text("mine")
    assert "already" in sandbox.cli_error("policy", "init")
    assert path.read_text() == "mine"


def test_policy_check_reports_mistakes_and_warnings_with_lines(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.folder / "tried.toml"
    path.write_text('[[rule]]\nname = "a"\noutcome = "ask"\n[[rule]]\nname = "b"\noutcome = "deny"\n')
    assert f"{path}:4: warning: rule 'b' can never match" in sandbox.cli("policy", "check", str(path)).stdout
    path.write_text('[[answer]]\nnode = "ask"\napprove = {ok = true}\n[review.unseen]\nread = "allow"\n')
    told = sandbox.cli("policy", "check", str(path)).stdout
    assert "1 answer template" in told and f"{path}:4: warning: [review] has no effect in a project's policy.toml" in told
    (listed,) = sandbox.cli_json("policy", "check", str(path))["answers"]
    assert listed == {"line": 1, "agent": ["*"], "node": ["ask"], "approve": {"ok": True}}
    path.write_text('[[rule]]\nname = "a"\nwhen = "args.x >> 1"\noutcome = "aks"\n')
    lines = sandbox.cli("policy", "check", str(path), code=1).stdout.splitlines()
    assert lines[0].startswith(f"{path}:3: error: when cannot be read: expected a value")
    assert lines[1:3] == ["    args.x >> 1", "            ^"]
    assert lines[3].startswith(f"{path}:4: error: outcome cannot be 'aks'")
    path.write_text("spot_chek = 1")
    done = subprocess.run(
        [sys.executable, "-m", "hitl_tui", "policy", "check", str(path), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert '"hint": "did you mean spot_check?"' in done.stdout


@pytest.mark.slow
def test_policy_replay_reports_changed_outcomes(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    for _ in range(2):
        sandbox.cli("launch", "batched", SENDS)
    assert sandbox.run_until_idle() == 0
    first, second = sandbox.cli_json("queue")
    for review in (first["review"], second["review"]):
        sandbox.cli("decide", f"{review}#1", "approve")
        sandbox.cli("decide", f"{review}#2", "reject")
    path = sandbox.folder / "tried.toml"
    path.write_text(
        '[[rule]]\nname = "deletes"\ntool = "delete"\noutcome = "auto"\n'
        '[[rule]]\nname = "letters"\ntool = "send"\nwhen = \'args.to in domain("example.com")\'\noutcome = "takeover"\n'
    )
    told = sandbox.cli_json("policy", "replay", "--policy", str(path))
    through = {"was": "rejected", "would": "auto", "rule": "deletes", "tool": "delete", "count": 2, "reviews": ["1", "2"]}
    taken = {"was": "approved", "would": "takeover", "rule": "letters", "tool": "send", "count": 2, "reviews": ["1", "2"]}
    assert told == {"actions": 4, "same": 0, "different": 4, "by_grant": 0, "differences": [taken, through], "let_through": [through]}
    shown = sandbox.cli("policy", "replay", "--since", "2w", "--policy", str(path)).stdout
    assert "2 rejected actions WOULD HAVE RUN:\n2 ×  rejected → auto  delete  by deletes  reviews 1, 2" in shown
    path.write_text("")
    assert sandbox.cli_json("policy", "replay", "--policy", str(path))["same"] == 4
    assert "no rejected action would have run" in sandbox.cli("policy", "replay", "--policy", str(path)).stdout
    assert "no unit" in sandbox.cli_error("policy", "replay", "--since", "30")
    assert "there is no" in sandbox.cli_error("policy", "replay")


@pytest.mark.slow
def test_policy_replay_of_an_approved_takeover_reports_no_change(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    path = sandbox.home.path / "policy.toml"
    path.write_text('[[rule]]\nname = "letters"\ntool = "send"\noutcome = "takeover"\n[[rule]]\nname = "rest"\noutcome = "ask"\n')
    sandbox.cli("launch", "batched", SENDS)
    assert sandbox.run_until_idle() == 0
    sandbox.cli("decide", "1#1", "approve")
    sandbox.cli("decide", "1#2", "reject")
    told = sandbox.cli_json("policy", "replay")
    assert (told["actions"], told["same"], told["differences"]) == (2, 2, [])
    path.write_text(path.read_text().replace("takeover", "ask"))
    (turn,) = sandbox.cli_json("policy", "replay")["differences"]
    assert (turn["was"], turn["would"], turn["rule"]) == ("takeover", "ask", "letters")


def test_command_line_and_console_start_without_importing_policy() -> None:
    unwanted = ("tomllib", "hitl_tui.policy.engine", "hitl_tui.policy.parser")
    script = f"import sys, hitl_tui.cli, hitl_tui.console; print([m for m in {unwanted} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
