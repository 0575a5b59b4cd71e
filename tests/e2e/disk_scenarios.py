"""What tests/e2e/test_disk_faults.py runs on a small disk, in a mount namespace where this process may mount."""

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
from tests.support.harness import PROJECTS, Forge, Place, Reviewer, approve, reject, reviewer, until_said


class SmallDisk:
    """The disk; it can be filled, emptied again, and made read-only."""

    path = Path(os.environ["HITL_TEST_DISK"])

    def fill(self) -> None:
        """Leave no byte."""
        with contextlib.suppress(OSError), (self.path / "ballast").open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        """Give the room back."""
        (self.path / "ballast").unlink()

    def remount(self, how: str) -> None:
        """`ro` or `rw`."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.path)], check=True)


@pytest.fixture
def disk() -> SmallDisk:
    return SmallDisk()


@pytest.fixture
async def cramped(disk: SmallDisk, tmp_path: Path, forge: Forge) -> AsyncIterator[Reviewer]:
    """A reviewer whose home is on the small disk."""
    place = Place(tmp_path, str(PROJECTS / "trouble"), forge)
    place.home = Home(disk.path / tmp_path.name).prepare()
    async with reviewer(place) as someone:
        yield someone
    place.end()


async def test_a_decision_refused_by_a_full_disk_can_be_made_again(cramped: Reviewer, disk: SmallDisk) -> None:
    place = cramped.place
    run = await cramped.launch("batched", [("send", {"to": "a"})])
    place.start()
    review = await cramped.one(run)
    disk.fill()
    reason = "no" * 200_000
    with pytest.raises(Storage, match="the disk is full"):
        await cramped.decide(review, reject(reason))
    assert (await cramped.inbox.reviews.get(review.row.id)).decisions == {}
    assert "the disk is full" in place.refused("launch", "steps", "--input", json.dumps({"text": "x" * 100_000}))
    assert f"r{run.id}" in place.cli("runs").stdout, "reading goes on"
    disk.empty()
    await cramped.decide(review, approve())
    await cramped.done(run)
    assert len(cramped.did(run)) == 1
    assert await cramped.states(run) == ["applied"]


async def test_runs_wait_for_room_and_go_on_by_themselves(cramped: Reviewer, disk: SmallDisk) -> None:
    run = await cramped.launch("steps", given={"seconds": 1.0, "text": "x" * 50_000})
    worker = cramped.place.start()
    await cramped.until_did(run, "one begins")
    disk.fill()
    await until_said(cramped.place, "the disk is full")
    await asyncio.sleep(4)
    assert (await cramped.inbox.runs.get(run.id)).state in (RunState.QUEUED, RunState.RUNNING), "it is not the agent's fault"
    begun = len([d for d in cramped.did(run) if d["did"].endswith("begins")])
    disk.empty()
    assert (await cramped.done(run))["log"] == ["one", "two", "three"]
    assert begun <= 4, "steps are not tried over and over"
    assert worker.poll() is None
    assert cramped.place.said().count("the disk is full") <= 4


async def test_an_export_that_does_not_fit_leaves_nothing(cramped: Reviewer, disk: SmallDisk) -> None:
    place = cramped.place
    run = await cramped.launch("batched", [("send", {"to": "x" * 200_000})])
    place.start()
    await cramped.decide(await cramped.one(run), approve())
    await cramped.done(run)
    place.end()
    folder = disk.path / "exports"
    folder.mkdir()
    place.cli("export", str(folder / "before.jsonl"), "--format", "jsonl")
    disk.fill()
    for command in (("export", str(folder / "a.jsonl"), "--format", "jsonl"), ("audit", "export", str(folder / "audit.jsonl"))):
        said = place.refused(*command)
        assert "No space left" in said or "the disk is full" in said, said
    assert sorted(one.name for one in folder.iterdir()) == ["before.jsonl", "before.jsonl.manifest.json"]
    disk.empty()
    place.cli("export", str(folder / "a.jsonl"), "--format", "jsonl")
    assert (folder / "a.jsonl").read_bytes() == (folder / "before.jsonl").read_bytes()


async def test_a_read_only_disk_is_a_sentence_and_then_it_goes_on(disk: SmallDisk, tmp_path: Path, forge: Forge) -> None:
    place = Place(tmp_path, str(PROJECTS / "trouble"), forge)
    place.home = Home(disk.path / tmp_path.name).prepare()
    async with reviewer(place) as someone:
        run = await someone.launch("batched", [("send", {"to": "a"})])
        assert place.run_until_idle() == 0
        review = await someone.one(run)
    disk.remount("ro")  # which needs that nobody writes
    said = place.refused("decide", str(review.row.id), "approve")
    assert "read-only" in said.lower() or "cannot be written" in said
    assert place.start().wait() == 1
    assert "cannot" in place.said().splitlines()[-1]
    disk.remount("rw")
    place.cli("decide", str(review.row.id), "approve")
    assert place.run_until_idle() == 0
    async with reviewer(place) as someone:
        await someone.done(run)
