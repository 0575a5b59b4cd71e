"""Deletes old threads as a whole. Some agents cannot continue a thread of which parts are gone (CONTRACT 4.4)."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from hitl_tui.agents.checkpoint_saver import CheckpointSaver
from hitl_tui.agents.checkpoints import open_checkpoints
from hitl_tui.errors import Busy
from hitl_tui.home import Home
from hitl_tui.store import Store
from hitl_tui.store.maintenance import prune

BUSY_S = 1.0
"""Short, because a decision may be waiting for the same lock."""
PRUNED = ".pruned-"
"""Prefix of a work folder whose thread is deleted, until the folder is deleted too."""


@dataclass(slots=True)
class PruneResult:
    """What was deleted, or would be."""

    threads: int = 0
    runs: int = 0
    trace_lines: int = 0
    checkpoints: int = 0
    bytes: int = 0
    """In databases, which reuse the space, and in files."""
    skipped: int = 0
    """Threads left for the next time, because a worker held the lock of the checkpoints."""

    def as_dict(self) -> dict[str, int]:
        """For `--json`."""
        return asdict(self)

    def sentence(self, dry_run: bool) -> str:
        """For people."""
        did = "would be pruned" if dry_run else "pruned"
        held = f"; {self.skipped} threads are left for the next time: checkpoints.db was held" if self.skipped else ""
        if not self.threads:
            return f"nothing is that old{held}"
        counts = f"{self.threads} threads {did}: {self.runs} runs, {self.trace_lines} lines of traces, {self.checkpoints} checkpoints"
        return f"{counts}; {self.bytes / 1000:,.1f} kB {'would be ' if dry_run else ''}free{held}"


async def prune_threads(store: Store, home: Home, before: float, dry_run: bool, by: str) -> PruneResult:
    """Delete threads whose runs all ended before a time (Unix seconds), on behalf of `by`.

    A kill in the middle leaves a thread whole, or the rest of it to the next prune.

    Raises:
        BadHome: `checkpoints.db` cannot be used.
        Storage: a database cannot be written.
    """
    freed = PruneResult()
    if not dry_run:
        await asyncio.to_thread(_sweep, home)
    async with _saver(home) as saver:
        for thread in await prune.old_threads(store, before):
            try:
                await _prune_thread(store, home, saver, thread, before, dry_run, freed, by)
            except Busy:
                freed.skipped += 1
    return freed


@contextlib.asynccontextmanager
async def _saver(home: Home) -> AsyncIterator[CheckpointSaver | None]:
    if not home.checkpoints.exists():
        yield None
        return
    async with open_checkpoints(home.checkpoints, BUSY_S) as saver:
        await saver.setup()
        yield saver


async def _prune_thread(
    store: Store, home: Home, saver: CheckpointSaver | None, thread: str, before: float, dry_run: bool, freed: PruneResult, by: str
) -> None:
    runs = await prune.runs_of(store, thread)
    lines, room = await prune.size_of(store, thread)
    checkpoints, more = await saver.size_of(thread) if saver else (0, 0)
    logs = [home.run_log(run) for run in runs]
    room += more + await asyncio.to_thread(_size, [*logs, home.workdir(thread)])
    if not dry_run:
        pruned = home.workdir(thread).with_name(PRUNED + home.workdir(thread).name)
        async with prune.pruning(store, thread, before, by) as still_old:
            if not still_old:
                return
            if saver:
                await saver.adelete_thread(thread)
            for path in logs:
                path.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                home.workdir(thread).rename(pruned)
        await asyncio.to_thread(shutil.rmtree, pruned, ignore_errors=True)
    freed.threads += 1
    freed.runs += len(runs)
    freed.trace_lines += lines
    freed.checkpoints += checkpoints
    freed.bytes += room


def _sweep(home: Home) -> None:
    """Remove the work folders that an earlier, killed prune left."""
    for left in (home.path / "work").glob(f"{PRUNED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _size(paths: Iterable[Path]) -> int:
    total = 0
    for path in paths:
        for file in [path, *(path.rglob("*") if path.is_dir() else ())]:
            with contextlib.suppress(OSError):
                total += file.lstat().st_size if not file.is_dir() else 0
    return total
