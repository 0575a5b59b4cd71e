"""The worker processes of this console, and what the first row says of them. The command line starts them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hitl_tui.sanitize import one_line, visible

if TYPE_CHECKING:
    from hitl_tui.model import Worker


class WorkerPool(Protocol):
    """The workers this console started."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the projects they load, for people."""
        ...

    @property
    def targets(self) -> Sequence[str]:
        """The same projects, as they are registered in the store."""
        ...

    @property
    def served(self) -> Collection[str]:
        """Those of these names whose agents a service runs, so that this console has no worker for them."""
        ...

    @property
    def alive(self) -> int:
        """How many of them live now."""
        ...

    @property
    def problems(self) -> Sequence[tuple[str, str]]:
        """Label and error of each project that could not be read, so that no worker was started for it."""
        ...

    @property
    def told(self) -> str:
        """A sentence for the start: which project the console chose by itself; empty if the person named it."""
        ...

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Start them; `heard` is called when one has committed something, `died` with a sentence when one ended by itself."""
        ...

    async def restart(self) -> None:
        """Replace them all, and start those whose project can be read by now."""
        ...


class NoWorkers:
    """A console that only watches: others drive the agents."""

    labels: Sequence[str] = ()
    targets: Sequence[str] = ()
    served: Collection[str] = ()
    alive = 0
    problems: Sequence[tuple[str, str]] = ()
    told = ""

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Nothing to start."""

    async def restart(self) -> None:
        """Nothing to replace."""


def own(pool: WorkerPool) -> set[str]:
    """The projects for which this console has a worker."""
    return set(pool.labels) - set(pool.served)


def own_targets(pool: WorkerPool) -> set[str]:
    """The projects whose agents this console's workers run, or a service in their place, as they are registered in the store."""
    return set(pool.targets) if pool.labels else set()


def no_worker(agent: str, target: str, home: Path) -> str:
    """A sentence on an agent that no worker runs, with the command that starts one on this home."""
    from hitl_tui.agents.targets import worker_command
    from hitl_tui.home import home_option

    return f"no worker serves {one_line(agent, 40)}: start `{visible(worker_command(target, home_option(home)))}`"


SILENT_S = 8.0
"""Age of a worker's last heartbeat from which on it counts as blocked by an agent."""


def edited_code(workers: Sequence[Worker], pool: WorkerPool, key: str) -> str:
    """Which workers run code that was edited since, and what loads it; empty if none does. `key` restarts this console's workers."""
    labels = sorted({worker.label for worker in workers if worker.code_changed})
    if not labels:
        return ""
    names, is_own = one_line(", ".join(labels), 60), set(labels) <= own(pool)
    return f"the code of {names} changed on disk: {f'{key} loads it' if is_own else 'restart its worker to load it'}"


def outage_told(label: str, why: str, since: float) -> str:
    """A sentence about a server that cannot be used: why, since when (Unix time), and what happens."""
    return f"{one_line(label, 60)} cannot be used{_since(since)}: {one_line(why, 200)}; it is tried again by itself"


def outages_told(outages: Sequence[tuple[str, str, float]]) -> str:
    """The same for several servers, on one row; empty if all can be used."""
    if len(outages) < 2:
        return "".join(outage_told(*one) for one in outages)
    names = one_line(", ".join(label for label, _, _ in outages), 120)
    return f"{len(outages)} servers cannot be used: {names}; they are tried again by themselves"


def _since(since: float) -> str:
    """` since 14:03`, with the date if it was not today."""
    then = time.localtime(since)
    return time.strftime(" since %H:%M" if then[:3] == time.localtime()[:3] else " since %Y-%m-%d %H:%M", then)


def worker_status(workers: Sequence[Worker], pool: WorkerPool, now: float, began_at: float) -> tuple[str, str]:
    """What the header says of the workers, and its style. The console began at `began_at`, a Unix time."""
    if now - began_at < SILENT_S:  # workers that were silent before have probably died with the last console
        workers = [worker for worker in workers if now - worker.beat_at < SILENT_S]
    running, room = sum(w.running for w in workers), sum(w.concurrency for w in workers)
    total = len(own(pool))
    if total and pool.alive < total:
        return ("✗ down" if not pool.alive else f"✗ {pool.alive} of {total} alive"), "error"
    if workers and (silent := now - min(w.beat_at for w in workers)) > SILENT_S:
        quiet = {worker.label for worker in workers if now - worker.beat_at > SILENT_S}
        is_own = quiet <= own(pool)
        return f"✗ not responding for {int(silent)} s: {'blocked by an agent, R replaces it' if is_own else 'see F2'}", "error"
    if workers:
        return f"● {running} of {room} running" if running else "● idle", "success"
    return ("◌ starting", "muted") if total else ("○ none", "muted")
