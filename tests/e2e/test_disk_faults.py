"""Disks that are full, read-only or locked; databases that are damaged, missing or out of step; file permissions; pruning."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.model import RunState
from hitl_tui.store.maintenance import recover
from tests.support.harness import PROJECTS, TIMEOUT_S, Reviewer, Sandbox, SandboxFactory, approve, open_reviewer, respond, until_logged

LIGHT = str(PROJECTS / "dotenv")
"""A target that `doctor` loads quickly."""


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(new_sandbox("trouble")) as reviewer:
        yield reviewer


def spoil(path: Path, every: int = 1, first: int = 1) -> None:
    """Checkpoint a database's write-ahead log, then overwrite pages as a bad disk would."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = 4096
    with path.open("r+b") as file:
        for page in range(first, path.stat().st_size // size, every):
            file.seek(page * size)
            file.write(b"\xa5" * size)


# The disk


@pytest.mark.slow
def test_disk_that_is_full_or_read_only_passes_all_scenarios(tmp_path: Path) -> None:
    """Run tests/e2e/disk_scenarios.py on a disk of a few megabytes in its own mount namespace, which needs no root."""
    unshare = shutil.which("unshare")
    mounting = 'mount -t tmpfs -o size=24m,mode=700 tmpfs "$1"'
    if not unshare or subprocess.run([unshare, "-rm", "sh", "-c", mounting, "sh", tmp_path], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace of one's own is allowed here")
    command = f'{mounting} && HITL_TEST_DISK="$1" exec "$2" -m pytest -q -p no:cacheprovider -p no:xdist tests/e2e/disk_scenarios.py'
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", command, "sh", tmp_path, sys.executable],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.slow
async def test_checkpoints_when_locked_by_another_program_do_not_fail_the_run(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("steps", given={"seconds": 0.5})
    worker = fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "one begins")
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.checkpoints, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await until_logged(
            fresh_reviewer.sandbox, "checkpoints.db is locked by another program", timeout_s=120
        )  # LangGraph waits 5 s for each write
        assert (await fresh_reviewer.wait(run, RunState.QUEUED, RunState.RUNNING)).error == ""
        other.execute("ROLLBACK")
    assert (await fresh_reviewer.result_of(run))["log"] == ["one", "two", "three"]
    assert worker.poll() is None


# Damaged files


@pytest.mark.slow
async def test_checkpoints_when_damaged_leave_the_rest_working(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    assert sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    spoil(sandbox.home.checkpoints)
    began = time.monotonic()
    assert sandbox.start().wait() == 1
    assert sandbox.worker_stderr().splitlines()[-1].startswith(f"hitl-tui: {sandbox.home.checkpoints} is damaged")
    assert "doctor --repair" in sandbox.worker_stderr()
    assert time.monotonic() - began < TIMEOUT_S
    assert "batched" in sandbox.cli("queue").stdout
    sandbox.cli("decide", str(review.row.id), "approve")
    assert "is damaged" in sandbox.cli("doctor", LIGHT, code=1).stdout
    said = sandbox.cli("doctor", "--repair", LIGHT).stdout
    assert "checkpoints.db was damaged: it is kept as checkpoints.db.damaged-" in said
    (kept,) = sandbox.home.path.glob("checkpoints.db.damaged-*[0-9]")
    assert kept.stat().st_mode & 0o077 == 0
    assert sandbox.run_until_idle() == 0
    failed = await fresh_reviewer.wait(run, RunState.FAILED)
    assert failed.error.startswith("its checkpoint is gone: checkpoints.db is missing, or older than hitl.db; restore it")
    assert failed.traceback == ""
    assert fresh_reviewer.effects(run) == []


async def waiting_place(new_sandbox: SandboxFactory, decided: int = 20) -> tuple[Sandbox, int]:
    """Make a sandbox with decided runs and one that waits."""
    sandbox = new_sandbox("trouble")
    async with open_reviewer(sandbox) as reviewer:
        runs = await reviewer.inbox.runs.launch("batched", text='[[["send", {"to": "a"}]]]', count=decided)
        sandbox.start()
        for run in runs:
            await reviewer.decide(await reviewer.open_review(run), approve())
        for run in runs:
            await reviewer.result_of(run)
        last = await reviewer.launch("batched", [("send", {"to": "last"})])
        await reviewer.open_review(last)
    sandbox.workers[-1].send(signal.SIGTERM)
    sandbox.workers[-1].wait()
    return sandbox, last.id


@pytest.mark.slow
@pytest.mark.parametrize("every", [3, 7])
async def test_repair_of_a_damaged_database_saves_what_can_be_read(new_sandbox: SandboxFactory, every: int) -> None:
    sandbox, waiting = await waiting_place(new_sandbox)
    before = sandbox.home.checkpoints.read_bytes()
    spoil(sandbox.home.database, every, first=5)
    assert sandbox.home.checkpoints.read_bytes() == before
    assert "hitl.db is damaged" in sandbox.cli("doctor", LIGHT, code=1).stdout
    said = sandbox.cli("doctor", "--repair", LIGHT).stdout
    assert "hitl.db was damaged: it is kept as hitl.db.damaged-" in said
    assert sandbox.cli("doctor", LIGHT).stdout.count("BAD") == 0
    assert sandbox.run_until_idle() == 0
    async with open_reviewer(sandbox) as reviewer:
        rows = [row for row in await reviewer.inbox.reviews.pending(100) if row.state == "open"]
        assert len(rows) == 1, "what waited waits again"
        await reviewer.decide(await reviewer.inbox.reviews.get(rows[0].id), approve())
        assert sandbox.run_until_idle() == 0
        await reviewer.wait(rows[0].run, RunState.DONE)
        assert [d["to"] for d in map(json.loads, sandbox.journal.read_text().splitlines())].count("last") == 1
        assert waiting


@pytest.mark.slow
@pytest.mark.parametrize("kept_bytes", [100, 4096 * 3 + 7])
async def test_truncated_database_is_reported_and_its_threads_come_back_after_repair(new_sandbox: SandboxFactory, kept_bytes: int) -> None:
    sandbox, _ = await waiting_place(new_sandbox, decided=2)
    spoil(sandbox.home.database, every=10**9, first=10**9)
    with sandbox.home.database.open("r+b") as file:
        file.truncate(kept_bytes)
    said = sandbox.cli_error("queue")
    assert "hitl.db" in said
    assert "damaged" in said
    assert "`hitl-tui doctor --repair`" in said
    assert sandbox.start().wait() == 1
    said = sandbox.cli("doctor", "--repair", LIGHT).stdout
    assert "hitl.db was damaged" in said
    assert sandbox.run_until_idle() == 0
    async with open_reviewer(sandbox) as reviewer:
        (row,) = await reviewer.inbox.reviews.pending(100)
        assert "may have run once" in row.note
        await reviewer.decide(await reviewer.inbox.reviews.get(row.id), approve())
        assert sandbox.run_until_idle() == 0
        await reviewer.wait(row.run, RunState.DONE)


@pytest.mark.slow
async def test_repair_when_the_database_is_in_use_is_refused(new_sandbox: SandboxFactory) -> None:
    sandbox, _ = await waiting_place(new_sandbox, decided=0)
    sandbox.start()
    async with open_reviewer(sandbox) as reviewer:
        await reviewer.until_workers(1)
    with sandbox.home.database.open("r+b") as file:
        file.seek(4096 * 6)
        file.write(b"\xa5" * 4096 * 8)
    said = sandbox.cli("doctor", "--repair", LIGHT, code=1).stdout
    assert "is used by a console, a worker or another program; end it, and repair again" in said
    assert not list(sandbox.home.path.glob("hitl.db.damaged-*"))


# One of the two missing, or older than the other


async def test_started_run_without_its_checkpoint_fails_instead_of_starting_again(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    asked = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    stopped = await fresh_reviewer.launch("steps", given={"seconds": 0.3})
    worker = sandbox.start()
    review = await fresh_reviewer.open_review(asked)
    await fresh_reviewer.until_effect(stopped, "two begins")
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0
    for end in ("", "-wal", "-shm"):
        sandbox.home.path.joinpath(f"checkpoints.db{end}").unlink(missing_ok=True)
    await fresh_reviewer.decide(review, approve())
    assert sandbox.run_until_idle() == 0
    for run in (asked, stopped):
        failed = await fresh_reviewer.wait(run, RunState.FAILED)
        assert failed.error.startswith("its checkpoint is gone")
    assert len([d for d in fresh_reviewer.effects(stopped) if d["did"] == "one begins"]) == 1
    await fresh_reviewer.inbox.runs.retry(stopped.id)
    assert sandbox.run_until_idle() == 0
    await fresh_reviewer.wait(stopped, RunState.FAILED)


@pytest.mark.slow
async def test_checkpoints_restored_from_a_backup_ask_again_with_a_warning(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    async with open_reviewer(sandbox) as reviewer:
        run = await reviewer.launch("twice", given={"text": "x"})
        assert sandbox.run_until_idle() == 0
        first = await reviewer.open_review(run)
        copy = sandbox.folder / "old.db"
        with contextlib.closing(sqlite3.connect(sandbox.home.checkpoints)) as db, contextlib.closing(sqlite3.connect(copy)) as old:
            db.backup(old)
        await reviewer.decide(first, respond("one"))
        assert sandbox.run_until_idle() == 0
        second = await reviewer.open_review(run)
        for end in ("-wal", "-shm"):
            sandbox.home.path.joinpath(f"checkpoints.db{end}").unlink(missing_ok=True)
        shutil.copyfile(copy, sandbox.home.checkpoints)
        await reviewer.decide(second, respond("two"))
        assert sandbox.run_until_idle() == 0
        again = await reviewer.open_review(run)
        assert again.interrupt == first.interrupt
        assert again.row.note == "may have run once: it was answered before, and the thread's checkpoint is older than that"


@pytest.mark.slow
async def test_repair_when_hitl_db_is_lost_restores_its_threads(new_sandbox: SandboxFactory) -> None:
    sandbox, waiting = await waiting_place(new_sandbox, decided=1)
    for end in ("", "-wal", "-shm"):
        sandbox.home.path.joinpath(f"hitl.db{end}").unlink(missing_ok=True)
    assert "1 threads wait in checkpoints.db, and there is no hitl.db" in sandbox.cli("doctor", LIGHT, code=1).stdout
    sandbox.cli("runs")  # makes an empty database
    async with open_reviewer(sandbox) as reviewer:
        for _ in range(waiting):  # its reviews reuse the old numbers
            await reviewer.launch("talk", text="hello")
        said = sandbox.cli("doctor", "--repair", LIGHT).stdout
        assert "waits, and hitl.db does not know it: it becomes a run, and asks again" in said
        assert "it becomes a run" not in sandbox.cli("doctor", LIGHT).stdout
        assert sandbox.run_until_idle() == 0
        (row,) = await reviewer.inbox.reviews.pending(10)
        assert row.note.startswith("may have run once: what was decided of this run was lost")
        await reviewer.decide(await reviewer.inbox.reviews.get(row.id), approve())
        assert sandbox.run_until_idle() == 0
        await reviewer.wait(row.run, RunState.DONE)
    assert [d["to"] for d in map(json.loads, sandbox.journal.read_text().splitlines()) if "to" in d].count("last") == 1


# Stuck rows


@pytest.mark.slow
async def test_repair_fixes_stuck_rows_and_reports_them(new_sandbox: SandboxFactory) -> None:
    sandbox, waiting = await waiting_place(new_sandbox, decided=2)
    async with open_reviewer(sandbox) as reviewer:
        lost = await reviewer.launch("batched", [("send", {"to": "lost"})])
        sent = await reviewer.launch("batched", [("send", {"to": "sent"})])
        assert sandbox.run_until_idle() == 0
        sent_review = await reviewer.open_review(sent)
        lost_review = await reviewer.open_review(lost)
        await reviewer.decide(sent_review, approve())
        await reviewer.store.write("UPDATE reviews SET state = 'submitted' WHERE id = ?", (sent_review.row.id,))
        await reviewer.store.write("UPDATE reviews SET state = 'stale' WHERE id = ?", (lost_review.row.id,))
        await reviewer.store.write("UPDATE runs SET state = 'running', worker = 'nobody' WHERE id = ?", (waiting,))
        await reviewer.store.write("UPDATE reviews SET state = 'open' WHERE run = 1")
        await reviewer.store.write(
            "INSERT INTO workers (id, project, host, pid, started, concurrency, beat_at) SELECT 'w', id, ?, 999999, 1, 8, 1 FROM projects",
            (os.uname().nodename,),
        )
    before = sandbox.cli("doctor", LIGHT, code=1).stdout
    assert before.count("doctor --repair") == 5, before
    said = sandbox.cli("doctor", "--repair", LIGHT).stdout
    for line in (
        f"run r{waiting} is driven by no known worker: queued, to go on from its checkpoint",
        "review 1 is live though the run is over: closed",
        f"review {sent_review.row.id} is sent while nobody runs the run: back to a person, marked that it may have run once",
        f"run r{lost.id} is waiting for nothing: queued, so that a worker looks what its checkpoint asks",
        "(process 999999) is gone",
    ):
        assert line in said, said
    assert "nothing to repair" in sandbox.cli("doctor", "--repair", LIGHT).stdout
    assert sandbox.run_until_idle() == 0
    async with open_reviewer(sandbox) as reviewer:
        (again,) = await reviewer.open_reviews(sent)
        assert again.row.note.startswith("may have run once")
        for review in (again, await reviewer.open_review(lost), (await reviewer.open_reviews(await reviewer.inbox.runs.get(waiting)))[0]):
            await reviewer.decide(review, approve())
        assert sandbox.run_until_idle() == 0
        for run in (sent.id, lost.id, waiting):
            await reviewer.wait(run, RunState.DONE)


@pytest.mark.slow
def test_write_ahead_log_left_by_a_kill_is_checkpointed(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("dotenv")
    code = "import os,sqlite3,sys; db = sqlite3.connect(sys.argv[1]); db.execute('CREATE TABLE kept (x)'); db.commit(); os._exit(9)"
    sandbox.cli("runs")
    subprocess.run([sys.executable, "-c", code, str(sandbox.home.database)], check=False)
    said = sandbox.cli("doctor", "--repair", LIGHT).stdout
    assert "of its write-ahead log were written into it" in said
    assert not recover.is_used(sandbox.home.database)


# Private files


def modes(home: Path) -> dict[str, int]:
    return {str(path.relative_to(home)): path.lstat().st_mode & 0o777 for path in [home, *home.rglob("*")]}


def open_ones(home: Path) -> dict[str, int]:
    return {name: mode for name, mode in modes(home).items() if mode & 0o077}


@pytest.mark.slow
def test_home_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    env = {**os.environ, "HITL_TEST_JOURNAL": str(tmp_path / "journal")}

    def run(*args: str) -> None:
        command = [sys.executable, "-m", "hitl_tui", *args, "--home", str(home)]
        subprocess.run(command, check=True, umask=0, env=env, stdout=subprocess.DEVNULL, cwd=Path(__file__).parents[2])

    run("launch", "noise", "--input", "{}")
    run("launch", "batched", '[[["send", {"to": "a"}]]]')
    run("worker", "--until-idle", str(PROJECTS / "trouble"))
    assert {"hitl.db", "checkpoints.db", "memory.db", "setup.lock", "logs"} <= set(modes(home))
    assert [name for name in modes(home) if name.startswith("logs/run-")]
    assert open_ones(home) == {}
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_home_permissions_are_restored_and_other_folders_left_alone(new_sandbox: SandboxFactory, tmp_path: Path) -> None:
    sandbox = new_sandbox("dotenv")
    sandbox.cli("runs")
    for path in (sandbox.home.path, sandbox.home.logs):
        path.chmod(0o755)
    sandbox.home.database.chmod(0o644)
    sandbox.cli("runs")
    assert open_ones(sandbox.home.path) == {}

    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o1777)
    (shared / "letter.txt").write_text("not ours")
    (shared / "letter.txt").chmod(0o644)
    sandbox.home = Home(shared)
    sandbox.cli("launch", "graph", "--input", "{}")
    assert sandbox.run_until_idle() in (0, 1)
    (shared / "hitl.db").chmod(0o666)
    sandbox.cli("runs")
    assert set(open_ones(shared)) == {".", "letter.txt"}
    assert shared.stat().st_mode & 0o7777 == 0o1777
    said = sandbox.cli("doctor", LIGHT).stdout
    assert "other users can enter" in said
    assert "it holds what is not hitl-tui's; the files in it are private" in said


# Pruning


async def age(reviewer: Reviewer, *runs: int, days: float = 40) -> None:
    for run in runs:
        await reviewer.store.write("UPDATE runs SET ended_at = ? WHERE id = ?", (time.time() - days * 86_400, run))


def checkpoints_of(home: Home) -> set[str]:
    with contextlib.closing(sqlite3.connect(home.checkpoints)) as db:
        return {row[0] for table in ("checkpoints", "writes") for row in db.execute(f"SELECT DISTINCT thread_id FROM {table}")}


@pytest.mark.slow
async def test_prune_removes_whole_old_threads_and_keeps_decisions(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    reviewed = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    plain = await fresh_reviewer.launch("noise", given={})
    young = await fresh_reviewer.launch("talk", text="x")
    first = await fresh_reviewer.launch("talk", text="hello")
    second = await fresh_reviewer.launch("talk", text="again", thread=first.thread)
    waits = await fresh_reviewer.launch("batched", [("send", {"to": "b"})])
    failed = await fresh_reviewer.launch("gone", given={})
    sandbox.start()
    review = await fresh_reviewer.open_review(reviewed)
    await fresh_reviewer.decide(review, approve())
    for run in (reviewed, plain, young, first, second):
        await fresh_reviewer.result_of(run)
    await fresh_reviewer.wait(failed, RunState.FAILED)
    await fresh_reviewer.open_review(waits)
    work = sandbox.home.workdir(reviewed.thread)
    work.mkdir(parents=True)
    (work / "letter").write_text("x" * 1000)
    await age(fresh_reviewer, reviewed.id, plain.id, first.id, failed.id)

    kept = checkpoints_of(sandbox.home)
    would = sandbox.cli_json("prune", "--older-than", "30d", "--dry-run")
    assert (would["threads"], would["runs"], would["dry_run"]) == (3, 3, True)
    assert checkpoints_of(sandbox.home) == kept
    freed = sandbox.cli_json("prune", "--older-than", "30d")
    assert {**freed, "dry_run": True} == would
    assert freed["bytes"] > 5_000_000, "the noisy one's log"
    assert checkpoints_of(sandbox.home) == kept - {reviewed.thread, plain.thread, failed.thread}
    assert not work.exists()
    assert not sandbox.home.run_log(plain.id).exists()
    assert sandbox.cli("prune", "--older-than", "30d").stdout == "nothing is that old\n"

    assert [run["run"] for run in sandbox.cli_json("runs")] == [f"r{r.id}" for r in (waits, second, first, young, reviewed)]
    shown = sandbox.cli_json("show", str(review.row.id))
    assert shown["actions"][0]["args"] == {"to": "a"}
    assert "approved by ann" in json.dumps(shown) or "approve" in json.dumps(shown)
    assert sandbox.cli_json("show", f"r{reviewed.id}")["trace"] == []
    await fresh_reviewer.decide(await fresh_reviewer.open_review(waits), approve())
    await fresh_reviewer.result_of(waits)
    await age(fresh_reviewer, second.id)
    assert sandbox.cli_json("prune", "--older-than", "4w")["runs"] == 2


@pytest.mark.slow
async def test_pruned_run_does_not_start_again(fresh_reviewer: Reviewer) -> None:
    sandbox = fresh_reviewer.sandbox
    run = await fresh_reviewer.launch("batched", [("send", {"to": "a"})])
    assert sandbox.run_until_idle() == 0
    await fresh_reviewer.open_review(run)
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await age(fresh_reviewer, run.id)
    assert sandbox.cli_json("prune", "--older-than", "30d")["threads"] == 1
    await fresh_reviewer.inbox.runs.retry(run.id)
    assert sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.wait(run, RunState.FAILED)).error.startswith("its checkpoint is gone")


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 7])
async def test_prune_when_killed_is_completed_by_the_next(fresh_reviewer: Reviewer, steps: int) -> None:
    sandbox = fresh_reviewer.sandbox
    runs = await fresh_reviewer.inbox.runs.launch("steps", given={"text": "x" * 2000}, count=40)
    assert sandbox.run_until_idle() == 0
    await age(fresh_reviewer, *(run.id for run in runs))
    for run in runs:
        folder = sandbox.home.workdir(run.thread)
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    args = ["prune", "--older-than", "30d", "--home", str(sandbox.home.path)]
    process = sandbox._fork_server.fork(args, sandbox.env, sandbox.folder, "prune")
    until = time.monotonic() + TIMEOUT_S
    while len(checkpoints_of(sandbox.home)) > 40 - steps:
        assert time.monotonic() < until
    process.kill()
    left = {run.thread for run in await fresh_reviewer.inbox.runs.newest(100)}
    assert checkpoints_of(sandbox.home) <= left, "what is no row any more has no checkpoint either"
    sandbox.cli("prune", "--older-than", "30d")
    assert checkpoints_of(sandbox.home) == set()
    assert await fresh_reviewer.inbox.runs.newest(100) == []
    assert not [path for path in (sandbox.home.path / "work").iterdir()]


@pytest.mark.parametrize("text", ["30", "soon", "", "-3d", "3 years"])
def test_prune_with_an_invalid_age_explains_the_format(new_sandbox: SandboxFactory, text: str) -> None:
    said = new_sandbox("dotenv").cli_error("prune", f"--older-than={text}")
    assert "write it like" in said
