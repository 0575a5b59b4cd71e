"""Tests that test_disk_faults.py runs on a small disk, in a mount namespace where this process may mount."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.errors import Storage
from hitl_tui.home import Home
from hitl_tui.model import RunState
from tests.support.harness import PROJECTS, ForkServer, Reviewer, Sandbox, approve, open_reviewer, reject, until_logged


class SmallDisk:
    """A small disk that can be filled, emptied and remounted."""

    path = Path(os.environ["HITL_TEST_DISK"])

    def fill(self) -> None:
        """Fill the disk to the last byte."""
        with contextlib.suppress(OSError), (self.path / "ballast").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Free the space again."""
        (self.path / "ballast").unlink()

    def remount(self, how: str) -> None:
        """Remount the disk as `ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@pytest.fixture
def disk() -> SmallDisk:
    return SmallDisk()


@pytest.fixture
async def cramped(disk: SmallDisk, tmp_path: Path, fork_server: ForkServer) -> AsyncIterator[Reviewer]:
    """A reviewer whose home is on the small disk."""
    sandbox = Sandbox(tmp_path, str(PROJECTS / "trouble"), fork_server)
    sandbox.home = Home(disk.path / tmp_path.name).prepare()
    async with open_reviewer(sandbox) as reviewer:
        yield reviewer
    sandbox.kill_workers()


async def test_decision_refused_by_a_full_disk_can_be_repeated(cramped: Reviewer, disk: SmallDisk) -> None:
    sandbox = cramped.sandbox
    run = await cramped.launch("batched", [("send", {"to": "a"})])
    sandbox.start()
    review = await cramped.open_review(run)
    disk.fill()
    reason = "no" * 200_000
    with pytest.raises(Storage, match="the disk is full"):
        await cramped.decide(review, reject(reason))
    assert (await cramped.inbox.reviews.get(review.row.id)).decisions == {}
    assert "the disk is full" in sandbox.cli_error("launch", "steps", "--input", json.dumps({"text": "x" * 100_000}))
    assert f"r{run.id}" in sandbox.cli("runs").stdout, "reading goes on"
    disk.empty()
    await cramped.decide(review, approve())
    await cramped.result_of(run)
    assert len(cramped.effects(run)) == 1
    assert await cramped.review_states(run) == ["applied"]


async def test_runs_on_a_full_disk_wait_for_space_and_continue(cramped: Reviewer, disk: SmallDisk) -> None:
    run = await cramped.launch("steps", given={"seconds": 1.0, "text": "x" * 50_000})
    worker = cramped.sandbox.start()
    await cramped.until_effect(run, "one begins")
    disk.fill()
    await until_logged(cramped.sandbox, "the disk is full")
    await asyncio.sleep(4)
    assert (await cramped.inbox.runs.get(run.id)).state in (RunState.QUEUED, RunState.RUNNING), "it is not the agent's fault"
    begun = len([d for d in cramped.effects(run) if d["did"].endswith("begins")])
    disk.empty()
    assert (await cramped.result_of(run))["log"] == ["one", "two", "three"]
    assert begun <= 4, "steps are not tried over and over"
    assert worker.poll() is None
    assert cramped.sandbox.worker_stderr().count("the disk is full") <= 4


async def test_export_that_does_not_fit_on_the_disk_leaves_no_file(cramped: Reviewer, disk: SmallDisk) -> None:
    sandbox = cramped.sandbox
    run = await cramped.launch("batched", [("send", {"to": "x" * 200_000})])
    sandbox.start()
    await cramped.decide(await cramped.open_review(run), approve())
    await cramped.result_of(run)
    sandbox.kill_workers()
    folder = disk.path / "exports"
    folder.mkdir()
    sandbox.cli("export", str(folder / "before.jsonl"), "--format", "jsonl")
    disk.fill()
    for command in (("export", str(folder / "a.jsonl"), "--format", "jsonl"), ("audit", "export", str(folder / "audit.jsonl"))):
        said = sandbox.cli_error(*command)
        assert "No space left" in said or "the disk is full" in said, said
    assert sorted(one.name for one in folder.iterdir()) == ["before.jsonl", "before.jsonl.manifest.json"]
    disk.empty()
    sandbox.cli("export", str(folder / "a.jsonl"), "--format", "jsonl")
    assert (folder / "a.jsonl").read_bytes() == (folder / "before.jsonl").read_bytes()


async def test_read_only_disk_is_reported_and_work_continues_after_remount(
    disk: SmallDisk, tmp_path: Path, fork_server: ForkServer
) -> None:
    sandbox = Sandbox(tmp_path, str(PROJECTS / "trouble"), fork_server)
    sandbox.home = Home(disk.path / tmp_path.name).prepare()
    async with open_reviewer(sandbox) as reviewer:
        run = await reviewer.launch("batched", [("send", {"to": "a"})])
        assert sandbox.run_until_idle() == 0
        review = await reviewer.open_review(run)
    disk.remount("ro")  # possible only while nobody writes
    said = sandbox.cli_error("decide", str(review.row.id), "approve")
    assert "read-only" in said.lower() or "cannot be written" in said
    assert sandbox.start().wait() == 1
    assert "cannot" in sandbox.worker_stderr().splitlines()[-1]
    disk.remount("rw")
    sandbox.cli("decide", str(review.row.id), "approve")
    assert sandbox.run_until_idle() == 0
    async with open_reviewer(sandbox) as reviewer:
        await reviewer.result_of(run)
