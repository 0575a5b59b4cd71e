"""Output that cannot be written is one sentence, a closed pipe is the end, and characters that the output lacks are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hitl_tui.home import Home
from tests.support.empty_database import open_store
from tests.support.tiers import sampled
from tests.ui.homes import seed

HITL = str(Path(sys.executable).with_name("hitl-tui"))
FORKS = """
import json, os, shutil, sys
home, cases, way = json.loads(sys.argv[1])
import hitl_tui.cli.context, hitl_tui.cli.output, hitl_tui.store, hitl_tui.inbox
from hitl_tui.__main__ import main
results = {}
for number, arguments in enumerate(cases):
    copy = f"{home}-{way}-{number}"
    shutil.copytree(home, copy)
    open(f"{copy}/out", "w").close()
    if not (pid := os.fork()):
        errors = os.open(f"{copy}/errors", os.O_WRONLY | os.O_CREAT)
        os.dup2(errors, 2)
        out = os.open("/dev/full" if way == "full" else f"{copy}/out", os.O_WRONLY)
        if way == "pipe":
            ours, out = os.pipe()
            os.close(ours)
        os.dup2(out, 1)
        sys.stdin = sys.__stdin__ = open(os.devnull)
        sys.stdout = sys.__stdout__ = open(1, "w", encoding=way if way in ("ascii", "latin-1") else "utf-8", errors="strict")
        sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="backslashreplace")
        if way == "closed":
            os.close(1)
            sys.stdout = None
        sys.argv = ["hitl-tui", *arguments]
        os.environ["HITL_TUI_HOME"] = copy
        os.chdir(copy)
        main()
        sys.exit()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    results[" ".join(arguments)] = [code, *(open(f"{copy}/{file}", errors="replace").read() for file in ("errors", "out"))]
print(json.dumps(results))
"""
"""Runs commands in forks, each on a copy of the home, with a standard output that is no good."""
LISTS = [
    [*command.split(), *more]
    for command in ("agents", "queue", "runs", "show 1", "show r1", "history", "stats", "autonomy", "lessons", "audit verify",
                    "policy explain 1",
                    "export --format sft examples.jsonl", "prune --older-than 1d --dry-run")
    for more in ([], ["--json"])
]  # fmt: skip
PRINTING = [
    *LISTS,
    *(line.split() for line in (
        "--help", "--version", "queue --help", "audit head", "audit export", "policy check", "completion bash", "claim 1",
        "decide 1#1 reject",
        "escalate 1 --to bob", "launch mail_assistant hello", "pause", "cancel r1", "rate up r1", "doctor", "doctor --json",
    )),
]  # fmt: skip
FULL = "hitl-tui: the output cannot be written: No space left on device\n"
STORED = "; only this report is lost: what the command did is stored\n"
CHANGING = {"claim", "decide", "escalate", "launch", "pause", "cancel", "rate"}
CLOSED = "hitl-tui: the output cannot be written: Bad file descriptor\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with reviews and runs whose texts are in no 8-bit encoding."""
    home = Home(tmp_path_factory.mktemp("output") / "home").prepare()

    async def fill() -> None:
        async with open_store(home.database) as store:
            await seed.add_every_kind(store, await seed.add_project(store), time.time())
            await store.db.execute("UPDATE runs SET title = 'ж 漢 ’…'")
            await store.db.execute("UPDATE reviews SET summary = 'ж 漢 ’…'")

    asyncio.run(fill())
    (home.path / "policy.toml").write_text("[autonomy]\n")
    return home.path


@pytest.fixture(scope="module")
def usual(home: Path) -> dict[str, tuple[int, str, str]]:
    """What the commands print into a file."""
    return run(home, "utf-8", PRINTING)


def run(home: Path, way: str, cases: list[list[str]]) -> dict[str, tuple[int, str, str]]:
    """The exit code, standard error and standard output of each command."""
    done = subprocess.run([sys.executable, "-c", FORKS, json.dumps([str(home), cases, way])], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, tuple[int, str, str]] = {command: tuple(result) for command, result in json.loads(done.stdout).items()}
    return found


@pytest.mark.parametrize(
    ("way", "code", "told"), sampled([("full", 1, FULL), ("pipe", -signal.SIGPIPE, ""), ("closed", 1, CLOSED)], gate=0)
)
def test_every_command_says_that_its_output_cannot_be_written(
    home: Path, usual: dict[str, tuple[int, str, str]], way: str, code: int, told: str
) -> None:
    assert [command for command, (_, _, out) in usual.items() if not out] == []
    stored = f"{told.rstrip()}{STORED}" if told else ""
    expected = {command: (code, stored if command.split()[0] in CHANGING else told) for command in usual}
    assert {command: result[:2] for command, result in run(home, way, PRINTING).items()} == expected


def test_decision_whose_report_cannot_be_written_is_said_to_be_stored(home: Path) -> None:
    assert [result[:2] for result in run(home, "full", [["decide", "1#1", "reject"], ["runs"]]).values()] == [
        (1, f"{FULL.rstrip()}{STORED}"),
        (1, FULL),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_every_command_prints_what_the_encoding_has(home: Path, usual: dict[str, tuple[int, str, str]], encoding: str) -> None:
    found = run(home, encoding, PRINTING)
    assert {command: result[:2] for command, result in found.items()} == {command: result[:2] for command, result in usual.items()}
    assert "ж" in usual["runs"][2]
    assert ("?" in found["runs"][2]) == (encoding == "latin-1"), "click takes ASCII for a locale that was not set, and writes UTF-8"


@pytest.mark.parametrize("arguments", sampled([["runs"], ["--help"], ["audit", "export"]]))
def test_a_full_output_is_a_sentence(home: Path, arguments: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [HITL, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, env={**os.environ, "HITL_TUI_HOME": str(home)}
        )
    assert (done.returncode, done.stderr) == (1, FULL)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["runs", "--json"], ["--help"]])
def test_a_closed_pipe_ends_a_command_silently(home: Path, arguments: list[str]) -> None:
    script = 'set -o pipefail; "$0" "$@" | true'
    done = subprocess.run(
        ["bash", "-c", script, HITL, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HITL_TUI_HOME": str(home)},
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_works_without_some_of_its_streams(tmp_path: Path, home: Path, closed: str) -> None:
    copy = tmp_path / "home"
    subprocess.run(["cp", "-r", home, copy], check=True)
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {closed}', HITL, "claim", "1", "--home", str(copy)], capture_output=True, check=False
    )
    assert done.returncode == (1 if ">&-" in closed.replace("2>&-", "") else 0)
    with contextlib.closing(
        sqlite3.connect(copy / "hitl.db")
    ) as db:  # what was printed went into no file that took a closed stream's number
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT kind FROM audit ORDER BY seq DESC LIMIT 1").fetchall() == [("claimed",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "latin-1"}]
)
def test_characters_the_output_lacks_are_replaced(tmp_path: Path, locale: dict[str, str]) -> None:
    command = [HITL, "policy", "init", "--home", str(tmp_path / "ж")]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **locale}, check=False)
    assert (done.returncode, done.stderr) == (0, b"") and b"written to" in done.stdout


def test_an_unexpected_error_is_a_sentence(tmp_path: Path) -> None:
    broken = "import sys, hitl_tui.home, hitl_tui.__main__ as entry; hitl_tui.home.Home.prepare = lambda self: 1 / 0; entry.main()"
    done = subprocess.run([sys.executable, "-c", broken, "runs"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith("hitl-tui: unexpected error: ZeroDivisionError: division by zero (")
