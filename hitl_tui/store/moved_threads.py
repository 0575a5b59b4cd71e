"""Threads that others move on a server: which of them get a run in this home, and which runs are looked at again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from hitl_tui import canonical_json
from hitl_tui.model import MovedThread, ReviewState, RunState
from hitl_tui.store import run_states
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.pauses import NOT_PAUSED
from hitl_tui.store.run_states import LIVE_TAKEOVER

LATEST = f"""
SELECT id, state, worker IS NOT NULL OR cancelling
    OR EXISTS (SELECT 1 FROM takeovers t WHERE t.run = runs.id AND t.state IN {LIVE_TAKEOVER})
FROM runs WHERE thread = :thread AND project = :project ORDER BY id DESC LIMIT 1
"""
ADOPT = """
INSERT INTO runs (project, agent, thread, title, input, created_at, resuming)
VALUES (:project, :agent, :thread, :title, :input, :now, 1)
"""
LOOK_AGAIN = "UPDATE runs SET state = 'queued', resuming = 1, ended_at = NULL, activity = '' WHERE id = :run"
REMEMBER = """
INSERT INTO thread_versions (project, thread, version) VALUES (:project, :thread, :version)
ON CONFLICT (project, thread) DO UPDATE SET version = excluded.version
"""
VERSIONS = "SELECT thread, version FROM thread_versions WHERE project = ? AND thread IN (SELECT value FROM json_each(?))"
QUEUED = f"SELECT count(*) FROM runs WHERE state = 'queued' AND project = ? AND {NOT_PAUSED.format(agent='runs.agent')}"
WAITING = "SELECT thread FROM runs WHERE state = 'waiting' AND project = ? AND NOT attention"


def versions(store: Store, project: int, threads: Sequence[str]) -> dict[str, str]:
    """The versions under which these threads were handled last, of those that were. Reads at once."""
    return {str(thread): str(version) for thread, version in store.read_now(VERSIONS, (project, json.dumps(list(threads))))}


def waiting(store: Store, project: int) -> list[str]:
    """The threads of the runs of a project that wait for a person. Reads at once."""
    return [str(thread) for (thread,) in store.read_now(WAITING, (project,))]


def queued(store: Store, project: int) -> int:
    """How many runs of a project wait for a worker, and not for a pause of their agent to end. Reads at once."""
    [(found,)] = store.read_now(QUEUED, (project,))
    return int(found)


async def take_up(store: Store, project: int, moved: Sequence[MovedThread]) -> bool:
    """Queue a run for each of these threads that waits and has none, and those whose thread was moved. True if any was queued.

    A worker only looks at such a run (`Run.is_retry` is false): it opens and closes reviews, and starts nothing. A run that a worker
    drives, or that a person has taken over, is left alone; its thread is handled when it is reported next.
    """
    async with store.transaction() as db:
        return any([_take_up(db, project, one) for one in moved])


def _take_up(db: Transaction, project: int, one: MovedThread) -> bool:
    values = {
        "project": project,
        "agent": one.agent,
        "thread": one.thread,
        "title": canonical_json.storable(one.title),
        "version": one.version,
        "input": canonical_json.dumps({"input": None, "elsewhere": True}),
        "now": time.time(),
    }
    found = db.row(LATEST, values)
    queued = False
    if not one.is_known:
        if found and found[2]:
            return False
        state = RunState(found[1]) if found else None
        if state in (RunState.WAITING, RunState.FAILED) and (state is RunState.WAITING or one.waits):
            queued = _look_again(db, int(found[0]), RunState(found[1]))
        elif one.waits and (found is None or (state in (RunState.DONE, RunState.CANCELLED) and _is_newer(db, values))):
            run = int(db.execute(ADOPT, values).lastrowid or 0)
            run_states.note_launch(db, run)
            queued = True
    db.execute(REMEMBER, values)
    return queued


def _look_again(db: Transaction, run: int, was: RunState) -> bool:
    """Queue a run that waits or has failed, unless an answer to it is about to be sent: sending looks, too."""
    decided = "SELECT 1 FROM reviews WHERE run = ? AND state = ?"
    if was is RunState.WAITING and db.row(decided, (run, ReviewState.DECIDED)):
        return False
    db.execute(LOOK_AGAIN, {"run": run})
    run_states.changed(db, run, was, RunState.QUEUED)
    return True


def _is_newer(db: Transaction, values: dict[str, object]) -> bool:
    """Whether a thread has changed since its run here was over."""
    was = db.row("SELECT version FROM thread_versions WHERE project = :project AND thread = :thread", values)
    return was is not None and was[0] != values["version"]
