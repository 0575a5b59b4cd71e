"""The worker processes of this console, and what the first row says of them. The command line starts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hitl_tui.inbox import Inbox
from hitl_tui.model import RunState
from hitl_tui.ui.queue.empty_state import Surroundings
from hitl_tui.ui.widgets.header import Standing


class Crew(Protocol):
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
    def alive(self) -> int:
        """How many of them live now."""
        ...

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Start them; `heard` is called when one has committed something, `died` with a sentence when one ended by itself."""
        ...

    async def restart(self) -> None:
        """Replace them all."""
        ...


class NoCrew:
    """A console that only watches: others drive the agents."""

    labels: Sequence[str] = ()
    targets: Sequence[str] = ()
    alive = 0

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Nothing to start."""

    async def restart(self) -> None:
        """Nothing to replace."""


GOING = (RunState.RUNNING, RunState.QUEUED)


SILENT_S = 8.0
"""A worker that has not said for so long that it lives is held up by an agent."""


async def read_standing(inbox: Inbox, crew: Crew, now: float) -> Standing:
    """The facts of the first row."""
    counts = await inbox.counts()
    workers = await inbox.workers()
    running, room = sum(w.running for w in workers), sum(w.concurrency for w in workers)
    total = len(crew.labels)
    if total and crew.alive < total:
        worker, ink = ("✗ down" if not crew.alive else f"✗ {crew.alive} of {total} alive"), "error"
    elif workers and (silent := now - min(w.beat_at for w in workers)) > SILENT_S:
        worker, ink = f"✗ not answering for {int(silent)} s: an agent holds it up, R replaces it", "error"
    elif workers:
        worker, ink = f"● {running} of {room} runs", "success"
    elif total:
        worker, ink = "◌ starting", "muted"
    else:
        worker, ink = "○ none", "muted"
    return Standing(runs=sum(counts.values()), worker=worker, worker_ink=ink, reviewer=inbox.reviewer)


async def read_surroundings(inbox: Inbox, crew: Crew) -> Surroundings:
    """What the empty page says."""
    agents = await inbox.agents()
    problems = await inbox.project_errors(crew.targets)
    known = {agent.label for agent in agents} | {label for label, _ in problems}
    loading = [label for label in crew.labels if label not in known]
    return Surroundings(agents, await inbox.runs(8, GOING), problems, loading)
