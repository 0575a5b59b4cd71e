"""`hitl-tui drill` on the sample agents: what it finds, its exit codes, and bad calls of a user's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.cli.drill import read_calls
from hitl_tui.errors import Refused
from hitl_tui.home import sample_agents


@pytest.mark.slow
def test_drill_finds_no_hole_in_the_policy_of_the_sample_agents(tmp_path: Path) -> None:
    def run(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["drill", str(sample_agents()), "--home", str(tmp_path / "home"), *more])
        return done.exit_code, done.stdout

    code, text = run("--json", "--fail-on", "irreversible")
    found = json.loads(text)
    named = {one.partition(":")[0] for one in found["tools"]}
    assert {"mail_assistant", "sql_steward", "support_desk"} <= named, "the agents whose tools ask"
    assert (code, found["holes"]) == (0, []) and found["bad"] == found["stopped"] > 50
    assert found["good_run"] > 0, "reading runs by itself"
    own = tmp_path / "calls.toml"
    own.write_text('[[call]]\nname = "reads mail of others"\ntool = "read_mail"\nargs = {message_id = "0"}\n')
    code, text = run("--calls", str(own))
    assert code == 0 and "reads mail of others: run by 'reading'" in text and "closed by this rule before line" in text


@pytest.mark.slow
@pytest.mark.parametrize("project", ["policy", "pauses", "takeover"])
def test_drill_without_a_policy_finds_no_hole_in_a_project(tmp_path: Path, project: str) -> None:
    target = str(Path(__file__).parents[1] / "projects" / project)
    done = CliRunner().invoke(main, ["drill", target, "--home", str(tmp_path / "home"), "--json", "--fail-on", "read"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and found["holes"] == [] and found["bad"] == found["stopped"] > 0


@pytest.mark.slow
def test_drill_finds_the_holes_that_trusting_words_makes_in_a_copy_of_the_sample_policy(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "policy.toml").write_text((sample_agents() / "policy.toml").read_text().replace('# trust = ["words"]\n', 'trust = ["words"]\n'))
    done = CliRunner().invoke(main, ["drill", str(sample_agents()), "--home", str(home), "--json"])
    holes = {(hole["tool"], hole["kind"]) for hole in json.loads(done.stdout)["holes"]}
    assert holes == {("archive_mail", "injected confidence"), ("label_mail", "injected confidence")}


@pytest.mark.parametrize("text", ["[[call]]\nname = 'x'\n", "call = 1", "[[call", "[[call]]\nname = 1\ntool = 'x'\nargs = {}"])
def test_drill_refuses_a_file_that_holds_no_calls(tmp_path: Path, text: str) -> None:
    (tmp_path / "calls.toml").write_text(text)
    with pytest.raises(Refused):
        read_calls(tmp_path / "calls.toml")
