"""Reads what the first row and the empty page tell: counts, workers, agents, and what does not load."""

from __future__ import annotations

from hitl_tui.inbox import Inbox
from hitl_tui.model import RunState
from hitl_tui.ui.queue.empty_state import Surroundings
from hitl_tui.ui.runtime.worker_pool import Crew
from hitl_tui.ui.widgets.header import Standing

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
