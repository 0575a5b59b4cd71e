"""The page of an empty queue: what the console is for, the next key to press, running runs, and problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hitl_tui.formatting import counted
from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent, HandBack, Run, RunState
from hitl_tui.sanitize import one_line, shortened
from hitl_tui.ui.runs.outcome import last_message
from hitl_tui.ui.runtime.worker_pool import WorkerPool, outage_told
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, line, paragraph


@dataclass(frozen=True, slots=True)
class EmptyState:
    """Agents, running runs and problems."""

    agents: Sequence[Agent] = ()
    runs: Sequence[Run] = ()
    """Those that are queued or running."""
    ended: Sequence[Run] = ()
    """Those that ended last, newest first."""
    problems: Sequence[tuple[str, str]] = ()
    """Projects that cannot be read: label and error."""
    loading: Sequence[str] = ()
    """Projects whose agents are not known yet."""
    outages: Sequence[tuple[str, str, float]] = ()
    """Servers that cannot be used now: label, why, and since when as Unix time."""
    warnings: Sequence[tuple[str, str]] = ()
    """Settings of projects that have no effect here: label and sentence."""
    hand_backs: Sequence[HandBack] = ()
    """Those that wait for other people."""


GOING = (RunState.RUNNING, RunState.QUEUED)
ENDED = 5
"""Runs that are listed of those that ended."""
HOW = {RunState.DONE: "is done", RunState.FAILED: "failed", RunState.CANCELLED: "was cancelled"}
MESSAGE_CHARACTERS = 600
"""Of a last message shown here; F2 has all of it."""
RUNS = 8
"""Running and queued runs that are listed."""


async def read_empty_state(inbox: Inbox, pool: WorkerPool) -> EmptyState:
    """Read what the page shows."""
    agents = await inbox.agents.all()
    problems = [*pool.problems, *await inbox.agents.project_errors(pool.targets)]
    outages = await inbox.agents.outages(pool.targets)
    known = {agent.label for agent in agents} | {label for label, *_ in (*problems, *outages)}
    loading = [label for label in pool.labels if label not in known]
    warnings = [(label, warning) for label, warning in await inbox.agents.warnings() if label in pool.labels]
    runs, ended = await inbox.runs.newest(RUNS, GOING), await inbox.runs.last_ended(ENDED)
    return EmptyState(agents, runs, ended, problems, loading, outages, warnings, inbox.takeovers.waiting())


def empty_lines(now: EmptyState) -> Iterator[Line]:
    """The page."""
    to_confirm = [one for one in now.hand_backs if one.needs_me]
    yield line(f"{counted(len(to_confirm), 'hand-back')} to confirm." if to_confirm else "Nothing waits for you.", "strong")
    yield BLANK
    yield from _handed_back(now.hand_backs)
    yield from _ended(now.ended)
    if not now.ended:
        yield line("Agents stop here before they do something that matters; you approve, edit, reject or answer.", "muted")
        yield BLANK
    for label, error in now.problems:
        yield from paragraph(f"{label} cannot be loaded: {error}", "error", "✗", 3, "error")
        yield line("fix it, then press R", "muted", "", 3)
        yield BLANK
    for outage in now.outages:
        yield from paragraph(outage_told(*outage), "warning", "✗", 3, "warning")
        yield BLANK
    ready = [agent for agent in now.agents if not agent.error]
    if ready:
        yield line("to start a run of", "", "n", 3, "accent")
        column = max(len(agent.name) for agent in ready) + 3
        for agent in ready[:12]:
            yield line(agent.description.split("\n")[0], "muted", f"   {agent_name(agent.name)}", column + 3, "")
    elif now.loading:
        yield line(f"The worker is loading the agents of {', '.join(now.loading)} …")
    elif not now.problems and not now.outages:
        yield line("No agent is known here yet. Start a worker: hitl-tui worker TARGET", "muted")
    yield BLANK
    for label, warning in now.warnings:
        yield from paragraph(f"{label}: {warning}", "muted", "!", 3, "warning")
    if now.warnings:
        yield BLANK
    yield from _broken(now.agents)
    yield from _going_on(now.runs)


def _handed_back(waiting: Sequence[HandBack]) -> Iterator[Line]:
    """The hand-backs that this reviewer may confirm, the key that shows the first one's plan, and their own."""
    for place, one in enumerate(sorted((one for one in waiting if one.needs_me or one.is_mine), key=lambda one: not one.needs_me)):
        run = f"r{one.run} {agent_name(one.agent)}"
        told = f"{run}: handed back by {one_line(one.author, 40)}; read the plan, and confirm it" if one.needs_me else ""
        yield line(told or f"{run}: handed back by you; another person must confirm it", "", "t" if place == 0 else "", 3, "accent")
    if any(one.needs_me or one.is_mine for one in waiting):
        yield BLANK


def _broken(agents: Sequence[Agent]) -> Iterator[Line]:
    for agent in agents:
        if agent.error:
            yield from paragraph(f"{agent.name} is broken: {agent.error}", "error", "✗", 3, "error", agent=True)
    if any(agent.error for agent in agents):
        yield line("n shows the traceback; fix it, then press R", "muted", "", 3)
        yield BLANK


def _ended(runs: Sequence[Run]) -> Iterator[Line]:
    """How the last runs ended: the newest with its last message, the others on a line each."""
    for place, run in enumerate(runs):
        glyph, style = labels.RUNS[run.state]
        yield line(f"r{run.id} {run.agent} {HOW[run.state]} · {run.title}", "" if place == 0 else "muted", glyph, 3, style)
        said = run.error if run.state == RunState.FAILED else last_message(run)
        if place == 0 and said:
            shown = said if len(said) <= MESSAGE_CHARACTERS else f"{said[:MESSAGE_CHARACTERS]} …"
            yield from paragraph(shown, style if run.state == RunState.FAILED else "", "", 5, agent=True)
        elif said:
            yield line(shortened(said, 120), "muted", "", 5, agent=True)
    if runs:
        retries = "; ctrl+r there retries the one that failed" if runs[0].state == RunState.FAILED else ""
        yield line(f"F2 shows {'its result and trace' if len(runs) == 1 else 'their results and traces'}{retries}", "muted", "", 3)
        yield BLANK


def _going_on(runs: Sequence[Run]) -> Iterator[Line]:
    if runs:
        yield line("running now", "muted")
    for run in runs:
        glyph, style = labels.RUNS[run.state]
        yield line(f"r{run.id} {run.agent} · {run.activity or run.state} · {run.title}", "", f"{glyph}", 3, style)
