"""The command line in processes of its own: the documented JSON shapes, exit codes, and one sentence for every mistake."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.cli.output import cells
from hitl_tui.home import Home
from hitl_tui.model import Json, PauseKind
from hitl_tui.store import migrations
from tests.support.empty_database import open_store
from tests.support.harness import PROJECTS, SandboxFactory, rounds
from tests.support.pty import run_in_terminal
from tests.support.tiers import sampled
from tests.ui.homes import seed

SEND = '[[["send", {"to": "a\\ud800b", "body": "x"}], ["delete", {"path": "p"}]]]'
ACTION = {
    "slot", "name", "args", "allowed", "digest", "description", "tool_call", "args_schema", "answer_schema", "choices",
}  # fmt: skip
REVIEW = {
    "review", "run", "agent", "thread", "kind", "state", "waiting_s", "interrupt", "node", "path", "note", "risk", "confidence", "value",
    "actions", "decisions",
}  # fmt: skip
RUN = {"run", "agent", "thread", "state", "title", "error", "result", "activity", "input", "created_at", "started_at", "ended_at"}


def test_commands_cover_a_run_from_launch_to_result(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    (launched,) = sandbox.cli_json("launch", "batched", '[[["send", {"to": "bob"}], ["delete", {"path": "p"}]]]', "--thread", "my thread")
    assert launched.keys() >= RUN
    assert (launched["run"], launched["agent"], launched["thread"], launched["state"]) == ("r1", "batched", "my thread", "queued")
    assert sandbox.run_until_idle() == 0
    (review,) = sandbox.cli_json("queue")
    assert review.keys() >= REVIEW
    assert (review["review"], review["run"], review["state"], review["kind"]) == ("1", "r1", "open", "tool_calls")
    assert review["waiting_s"] >= 0
    first, second = review["actions"]
    assert first.keys() >= ACTION
    assert (first["slot"], first["name"], first["args"]) == (0, "send", {"to": "bob"})
    assert first["allowed"] == ["approve", "edit", "reject", "respond"]
    assert second["allowed"] == ["approve", "reject"]
    assert len(first["digest"].removeprefix("2:")) == 64
    shown = sandbox.cli_json("show", "1")
    assert {*REVIEW, "context"} <= shown.keys()
    assert shown["context"]["reasoning"] == "round 1: I need send, delete"
    assert "send" in sandbox.cli("queue").stdout
    assert "allowed: approve, reject" in sandbox.cli("show", "1").stdout

    assert "no longer has" in sandbox.cli_error("decide", "1#1", "approve", "--digest", "0" * 64)
    now = sandbox.cli_json(
        "decide", "1#1", "edit", "--args", '{"to": "zoë", "copies": 9007199254740993}', "--digest", first["digest"], "--reviewer", "zed"
    )
    (decision,) = now["decisions"]
    assert (decision["slot"], decision["decision"], decision["by"]) == (0, "edit", "zed")
    assert decision["args"] == {"to": "zoë", "copies": 9007199254740993}
    assert "numbered from 1" in sandbox.cli_error("decide", "1#0", "approve")
    assert "still undecided: 1#2" in sandbox.cli("decide", "1#1", "edit", "--args", '{"to": "zoë", "copies": 9007199254740993}').stdout
    assert "rejected" not in sandbox.cli("decide", "1#2", "reject", "--message", "keep it").stdout
    assert "decided by" in sandbox.cli_error("decide", "1", "approve")
    assert sandbox.run_until_idle() == 0
    (run,) = sandbox.cli_json("runs")
    assert (run["state"], run["error"]) == ("done", None)
    assert run["result"]["messages"][0]["role"] == "user"
    whole = sandbox.cli_json("show", "r1")
    assert {*RUN, "traceback", "reviews", "trace"} <= whole.keys()
    assert whole["reviews"] == ["1"]
    assert {"seq", "at", "kind", "node", "path", "body"} <= whole["trace"][0].keys()
    assert "result:" in sandbox.cli("show", "r1").stdout
    assert sandbox.cli_json("queue") == []
    assert "no open reviews" in sandbox.cli("queue").stdout
    did = [json.loads(line) for line in sandbox.journal.read_text().splitlines()]
    assert [(d["did"], d.get("to"), d.get("copies")) for d in did] == [("send", "zoë", 9007199254740993)]


@pytest.mark.slow
def test_commands_cancel_and_retry_several_runs(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    runs = sandbox.cli_json("launch", "gate_before", "--input", '{"text": "x"}', "--count", "3")
    assert [run["run"] for run in runs] == ["r1", "r2", "r3"]
    assert len({run["thread"] for run in runs}) == 3
    sandbox.cli("cancel", "r2")
    assert "cancelled already" in sandbox.cli_error("cancel", "r2")
    assert sandbox.run_until_idle() == 0
    assert [r["state"] for r in sandbox.cli_json("runs")] == ["waiting", "cancelled", "waiting"]
    sandbox.cli("retry", "r2")
    assert "only a failed or cancelled run" in sandbox.cli_error("retry", "r1")
    assert sandbox.run_until_idle() == 0
    assert len(sandbox.cli_json("queue")) == 3
    assert len(sandbox.cli_json("queue", "--limit", "1")) == 1
    assert len(sandbox.cli_json("runs", "--limit", "2")) == 2
    sandbox.cli("decide", "2", "reject", "--message", "no")
    assert sandbox.run_until_idle() == 0


@pytest.mark.slow
def test_agents_and_doctor_commands_report_the_project(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    (agent,) = sandbox.cli_json("agents", sandbox.target)
    assert agent["agent"] == "agent"
    assert {"agent", "project", "label", "description", "takes_text", "input_schema", "error"} <= agent.keys()
    assert "agent" in sandbox.cli("agents").stdout
    (sandbox.folder / "bad.py").write_text("import nothing_at_all")
    (sandbox.folder / "gone.py").write_text("import os; os._exit(3)")
    findings = json.loads(sandbox.cli("doctor", sandbox.target, "bad.py:graph", "gone.py:graph", "--json", code=1).stdout)
    bad = {finding["what"]: finding["found"] for finding in findings if not finding["good"]}
    assert bad == {
        "agent graph": "ModuleNotFoundError: No module named 'nothing_at_all': it is neither on the project's path "
        f"nor installed in {sys.prefix}",
        "gone.py:graph": "loading ended with exit code 3",
    }
    done = sandbox.cli("agents", "gone.py:graph", code=1)
    assert done.stderr == "hitl-tui: gone.py:graph cannot be loaded: loading ended with exit code 3\n"
    (sandbox.folder / "mute.py").write_text("import sys; sys.stdout = sys.stderr = None")
    assert "broken: mute.py has no graph" in sandbox.cli("agents", "mute.py:graph").stdout


def tree(folder: Path) -> dict[str, tuple[int, bytes] | None]:
    """Every path below a folder; of a file its time of change and its content."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else None for path in found}


def waiting_home(folder: Path, args: Json) -> str:
    """Make a home with one open review of a call with these arguments, and return its path."""

    async def fill() -> None:
        async with open_store(Home(folder).prepare().database) as store:
            await seed.add_waiting_run(
                store, await seed.add_project(store), "mail", seed.pause(PauseKind.TOOL_CALLS, seed.action("send", args))
            )

    asyncio.run(fill())
    return str(folder)


def printed(*args: str, code: int = 0) -> str:
    """The output of a command that ends with this exit code."""
    done = CliRunner().invoke(main, args)
    assert done.exit_code == code, done.output
    return done.output


def test_doctor_without_a_target_writes_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert f"{gone}: none yet" in printed("doctor", "--home", str(gone)) and not gone.exists()
    home = waiting_home(tmp_path / "home", {})
    with contextlib.closing(sqlite3.connect(f"{home}/hitl.db")) as db, db:
        db.execute("UPDATE reviews SET state = 'submitted'")
    before = tree(tmp_path)
    found = printed("doctor", "--home", home, code=1)
    assert "review 1 is sent while nobody runs the run" in found, "it looks at the rows all the same"
    assert "sample agents: `hitl-tui doctor TARGET` loads them" in found
    assert tree(tmp_path) == before


def test_doctor_names_a_project_policy_that_nobody_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, policy = waiting_home(tmp_path / "home", {}), tmp_path / "policy.toml"
    (tmp_path / "langgraph.json").write_text('{"dependencies": ["."], "graphs": {"one": "./agent.py:graph"}}')
    monkeypatch.chdir(tmp_path)
    policy.write_text("spot_check = 0\n")
    said = f"{policy} is not in force: nobody has accepted"
    before = tree(tmp_path)
    assert said in printed("doctor", "--home", home) and tree(tmp_path) == before
    printed("policy", "accept", str(policy), "--home", home)
    assert said not in (found := printed("doctor", "--home", home)) and str(policy) in found
    policy.write_text("spot_check = 1\n")
    assert said in printed("doctor", "--home", home)


def test_repairs_are_logged(tmp_path: Path) -> None:
    home = waiting_home(tmp_path / "home", {})
    with contextlib.closing(sqlite3.connect(f"{home}/hitl.db")) as db, db:
        db.execute("UPDATE reviews SET state = 'submitted'")
    printed("doctor", "--repair", "--home", home)
    printed("doctor", "--repair", "--home", home)
    with contextlib.closing(sqlite3.connect(f"{home}/hitl.db")) as db:
        ((body,),) = db.execute("SELECT body FROM audit WHERE kind = 'repaired'").fetchall()
    (said,) = json.loads(body)["repairs"]
    assert said == "review 1 is sent while nobody runs the run: back to a person, marked that it may have run once"
    assert printed("audit", "verify", "--home", home)


def test_show_prints_text_arguments_with_their_lines(tmp_path: Path) -> None:
    body = "Dear Ann,\n\nrisk: none\u202e\n\tbye"
    home = waiting_home(tmp_path, {"to": "ann", "copies": 2, "body": body, "cc": ""})
    shown = printed("show", "1", "--home", home)
    lines = [
        "to      ann",
        "copies  2",
        "body    Dear Ann,",
        "        ",
        "        risk: none⟨U+202E⟩",
        "        ⇥   bye",
        'cc      ""',
    ]
    assert "".join(f"  ┃ {line}\n" for line in lines) + "  risk: unknown\n" in shown
    assert json.loads(printed("show", "1", "--json", "--home", home))["actions"][0]["args"]["body"] == body


def test_tables_are_cut_to_the_terminal_and_whole_in_a_pipe(tmp_path: Path) -> None:
    home = str(tmp_path)
    printed("launch", "a" * 50, "日本 " * 30, "--home", home)
    narrow, piped = run_in_terminal(["runs", "--home", home], 60), printed("runs", "--home", home)
    assert "…" not in piped and "a" * 50 in piped
    assert {cells(line) for line in narrow.splitlines()} <= {59, 60} and "aaa…" in narrow and narrow.rstrip().endswith("…")


@pytest.mark.slow
def test_decide_command_with_a_wrong_decision_explains_it(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    sandbox.cli("launch", "batched", '[[["send", {"to": "bob"}]]]')
    assert sandbox.run_until_idle() == 0  # one after the other, so that the reviews' numbers are known
    sandbox.cli("launch", "anything", "--input", '{"value": "well?"}')
    assert sandbox.run_until_idle() == 0
    mistakes = {
        ("1", "edit", "--args", "{"): "--args is not JSON",
        ("1", "edit", "--args", "[1]"): "not an object",
        ("1", "edit", "--args", '"text"'): "not an object",
        ("1", "edit", "--args", '{"to": 5}'): "do not fit send: to: 5 is not of type 'string'",
        ("1", "edit", "--args", '{"body": "x"}'): "'to' is a required property",
        ("1", "edit", "--args", '{"to": "a", "to": "b"}'): "'to' occurs twice",
        ("1", "edit", "--args", '{"to": NaN}'): "NaN",
        ("1", "edit", "--args", '{"to": "\\ud800"}'): "lone surrogates",
        ("1", "edit", "--args", '{"to": "a", "copies": 18446744073709551616}'): "64 bits",
        ("1", "edit", "--args", "1" * 5000): "digits",
        ("1", "edit", "--args", "[" * 100_000): "nested too deeply",
        ("1", "edit", "--args", '{"to": "a", "x": ' + "[" * 200 + "]" * 200 + "}"): "nested too deeply",
        ("1", "edit"): "not an object",
        ("1", "approve", "--args", "{}"): "takes no arguments",
        ("1", "respond"): "--message or --args",
        ("1", "respond", "--args", "{}"): "is text",
        ("2", "respond"): "--message or --args",
        ("2", "respond", "--message", "a", "--args", "1"): "not both",
        ("2", "edit", "--args", "{}"): "cannot be answered with edit",
        ("1#2", "approve"): "has no call 2; it has call 1",
        ("99", "approve"): "there is no review 99",
        ("x", "approve"): "is not a review",
        ("1#x", "approve"): "is not a call's number, like 12#1",
        ("1" * 30, "approve"): "is not a review",
    }
    for args, sentence in mistakes.items():
        assert sentence in sandbox.cli_error("decide", *args), args
    assert [r["decisions"] for r in sandbox.cli_json("queue")] == [[], []]
    sandbox.cli("decide", "2", "respond", "--args", "null")


def test_unknown_ids_are_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    assert sandbox.cli_error("show", "5") == "there is no review 5; `hitl-tui queue` lists what waits"
    assert sandbox.cli_error("show", "r5") == "there is no run r5; `hitl-tui runs` lists them"
    assert "there is no run" in sandbox.cli_error("retry", "r5")
    assert "there is no run" in sandbox.cli_error("cancel", "5")
    assert "is not a run" in sandbox.cli_error("cancel", "five")
    assert "is not a review" in sandbox.cli_error("show", "five")
    assert "is not" in sandbox.cli_error("show", "running")


def test_usage_errors_exit_with_2(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    for args in (
        ["launch", "batched"],
        ["launch", "batched", "text", "--input", "{}"],
        ["launch", "batched", "text", "--count", "0"],
        ["launch", "batched", "--input-file", "gone.json"],
        ["decide", "1", "perhaps"],
        ["queue", "--limit", "x"],
        ["queue", "--nonsense"],
    ):
        sandbox.cli(*args, code=2)


@pytest.mark.slow
def test_launch_command_mistakes_are_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    assert sandbox.cli("agents", sandbox.target)
    (sandbox.folder / "input.json").write_text('{"text": ')
    assert "the input is not JSON" in sandbox.cli_error("launch", "gate_before", "--input-file", "input.json")
    assert "takes no plain text" in sandbox.cli_error("launch", "fan_out", "hello")
    assert "does not fit function: text: 5 is not of type 'string'" in sandbox.cli_error("launch", "function", "--input", '{"text": 5}')
    assert "cannot share the thread" in sandbox.cli_error("launch", "batched", "x", "--count", "2", "--thread", "t")
    done = sandbox.cli("launch", "batchd", "x")
    assert "no agent batchd is known yet (known: batched" in done.stderr
    (sandbox.folder / "input.json").write_bytes(b'{"text": "gr\xc3\xbc\xc3\x9f"}')
    (run,) = sandbox.cli_json("launch", "nested", "--input-file", "input.json")
    assert run["input"] == {"input": {"text": "grüß"}}


@pytest.mark.slow
def test_arguments_that_are_not_text_are_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    for args in ([b"launch", b"\xff", b"text"], [b"launch", b"batched", b"text", b"--thread", b"\xff"], [b"decide", b"\xff", b"approve"]):
        command = [sys.executable.encode(), b"-m", b"hitl_tui", *args, b"--home", os.fsencode(sandbox.home.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=sandbox.env)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
        assert done.stderr.startswith("hitl-tui: ")


def test_invalid_targets_are_explained(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    sandbox = new_sandbox("nowhere")
    assert "there is no nowhere" in sandbox.cli_error("worker", "nowhere", "--until-idle")
    assert "there is no nowhere" in sandbox.cli_error("agents", "nowhere")
    assert "there is no nowhere" in sandbox.cli_error("doctor", "nowhere")
    (sandbox.folder / "langgraph.json").write_text("{")
    assert "langgraph.json cannot be read" in sandbox.cli_error("worker", "langgraph.json", "--until-idle")
    (sandbox.folder / "five.py").write_text("graph = 5\n")
    done = sandbox.cli("worker", "five.py:graph", "--until-idle")
    assert "graph cannot be loaded: it is a int, not a graph" in done.stderr


@pytest.mark.parametrize(
    "command", sampled([["worker", "--until-idle", str(PROJECTS / "dotenv")], ["queue"], ["launch", "a", "b"], ["runs"]]), ids=" ".join
)
def test_home_that_cannot_be_used_is_explained(new_sandbox: SandboxFactory, command: list[str]) -> None:
    sandbox = new_sandbox("dotenv")
    database = sandbox.home.database
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    assert "was written by a newer hitl-tui" in sandbox.cli_error(*command)
    database.write_bytes(b"not a database at all, only text that is longer than a header of SQLite's would be, and more" * 20)
    assert "is damaged or no database" in sandbox.cli_error(*command)
    database.unlink()
    database.mkdir()
    assert "cannot be opened" in sandbox.cli_error(*command)
    database.rmdir()
    sandbox.home.config.write_text("colour = 'red'")
    assert "unknown key 'colour'" in sandbox.cli_error(*command)
    sandbox.home.config.write_text("concurrency = 0")
    assert "concurrency is not a number from 1 to 1000" in sandbox.cli_error(*command)
    sandbox.home.config.write_text("[")
    assert "is not TOML" in sandbox.cli_error(*command)


@pytest.mark.slow
def test_home_that_is_a_file_is_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    (sandbox.folder / "file").write_text("")
    for home in ("file", "file/inside", "/proc/nowhere"):
        done = subprocess.run(
            [sys.executable, "-m", "hitl_tui", "queue", "--home", home], capture_output=True, text=True, check=False, cwd=sandbox.folder
        )
        assert done.returncode == 1
        assert done.stderr.startswith(f"hitl-tui: the home {sandbox.folder / home} cannot be created: "), done.stderr


@pytest.mark.slow
def test_database_damage_found_later_is_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    (sandbox.folder / "input").write_text(json.dumps({"text": "x" * 200_000}))
    sandbox.cli("launch", "agent", "--input-file", "input")
    with contextlib.closing(sqlite3.connect(sandbox.home.database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = sandbox.home.database.stat().st_size
    with sandbox.home.database.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))
    assert "damaged" in sandbox.cli_error("runs")
    assert "BAD" in sandbox.cli("doctor", sandbox.target, code=1).stdout


def test_damaged_checkpoints_are_explained(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    sandbox.home.checkpoints.write_bytes(b"nonsense " * 1000)
    done = sandbox.cli("worker", sandbox.target, "--until-idle", code=1)
    assert "checkpoints.db is damaged or no database: file is not a database" in done.stderr


@pytest.mark.slow
def test_home_and_reviewer_are_read_from_environment_and_config(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    command = [sys.executable, "-m", "hitl_tui"]
    env = {**sandbox.env, "HITL_TUI_HOME": str(sandbox.folder / "other")}
    done = subprocess.run([*command, "launch", "letters", "hello", "--json"], capture_output=True, text=True, check=True, env=env)
    assert json.loads(done.stdout)[0]["run"] == "r1"
    assert (sandbox.folder / "other" / "hitl.db").stat().st_mode & 0o777 == 0o600
    done = subprocess.run(
        [*command, "--home", str(sandbox.home.path), "runs", "--json"], capture_output=True, text=True, check=True, env=env
    )
    assert json.loads(done.stdout) == []
    sandbox.home.config.write_text('reviewer = "from the file"')
    sandbox.cli("launch", "anything", "--input", '{"value": 1}')
    assert sandbox.run_until_idle() == 0
    assert "by from the file" in sandbox.cli("decide", "1", "respond", "--message", "so").stdout


@pytest.mark.slow
def test_command_output_has_no_terminal_escapes(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    evil = "\x1b]0;owned\x07\x1b[2J\r\u202eevil\u200b"
    sandbox.cli("launch", "anything", "--input", json.dumps({"value": {"question": evil}}))
    assert sandbox.run_until_idle() == 0
    for args in (["queue"], ["show", "1"], ["runs"], ["show", "r1"], ["queue", "--json"], ["show", "1", "--json"]):
        out = sandbox.cli(*args).stdout
        assert not set(out) & {"\x1b", "\x07", "\r", "\u202e", "\u200b"}, args


@pytest.mark.slow
def test_worker_command_serves_several_targets_until_signalled(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    sandbox.cli("launch", "agent", "--input", '{"text": "x"}')
    sandbox.cli("launch", "graph", "--input", '{"text": "x"}')
    sandbox.cli("worker", sandbox.target, str(PROJECTS / "singles/one.py:graph"), "--until-idle")
    assert [r["result"]["by"] for r in sandbox.cli_json("runs")] == ["one", "from the file"]
    command = [sys.executable, "-m", "hitl_tui", "worker", sandbox.target, "--home", str(sandbox.home.path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=sandbox.env) as worker:
        assert worker.stderr
        assert worker.stderr.readline() == "worker of dotenv: agent\n"
        worker.send_signal(signal.SIGINT)
        assert worker.wait(15) == 0
        assert worker.stderr.read() == ""


@pytest.mark.slow
def test_undo_command_reopens_a_decision_in_its_grace_time(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    sandbox.cli("launch", "batched", rounds([("send", {"to": "ann", "body": "hi"})]))
    sandbox.run_until_idle()
    sandbox.cli("decide", "1", "approve", "--grace", "10m", "--reviewer", "ann")
    assert sandbox.cli_error("decide", "1", "reject").startswith("review 1 is approved by ann at ")
    assert "the last decision is ann's" in sandbox.cli_error("undo", "1", "--reviewer", "bob")
    sandbox.cli("undo", "1", "--reviewer", "ann")
    sandbox.cli("decide", "1", "reject", "--reviewer", "ann")
    sandbox.run_until_idle()
    assert not sandbox.journal.exists()
    assert "was rejected by ann at" in (late := sandbox.cli_error("undo", "1", "--reviewer", "ann")) and "it was applied" in late
