"""Rows that no program would leave behind by itself: put right, each with a line that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Worker
from hitl_tui.store import audit_verify
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.runs import GIVE_BACK

MAY_HAVE_RUN = "may have run once: its run stopped while it was being applied"
QUEUE = f"state = 'queued', {GIVE_BACK}, resuming = 1, activity = ''"
LIVE = "('open', 'decided', 'submitted')"
OVER = "('done', 'failed', 'cancelled')"
ASKS_GRAPH = "(kind != 'failure' OR run NOT IN (SELECT id FROM runs WHERE state = 'failed'))"
"""A review of why a run failed is open while it stays so."""

STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "{rows} driven by no known worker: queued, to go on from {their} checkpoint",
        "SELECT 'r' || id FROM runs WHERE state = 'running' AND (worker IS NULL OR worker NOT IN (SELECT id FROM workers))",
        (f"UPDATE runs SET {QUEUE} WHERE state = 'running' AND (worker IS NULL OR worker NOT IN (SELECT id FROM workers))",),
    ),
    (
        "{rows} not running and yet leased: the lease is given back",
        "SELECT 'r' || id FROM runs WHERE state != 'running' AND worker IS NOT NULL",
        (f"UPDATE runs SET {GIVE_BACK} WHERE state != 'running' AND worker IS NOT NULL",),
    ),
    (
        "{rows} live though the run is over: closed",
        f"SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state IN {LIVE} AND r.state IN {OVER} AND {ASKS_GRAPH}",
        (
            "UPDATE reviews SET state = 'failed', note = 'the run is over; this may have run' "
            f"WHERE state = 'submitted' AND run IN (SELECT id FROM runs WHERE state IN {OVER})",
            "UPDATE reviews SET state = 'stale', note = 'the run is ' || (SELECT state FROM runs WHERE id = run) "
            f"WHERE state IN ('open', 'decided') AND run IN (SELECT id FROM runs WHERE state IN {OVER}) AND {ASKS_GRAPH}",
        ),
    ),
    (
        "{rows} sent while nobody runs the run: back to a person, marked that it may have run once",
        "SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state = 'submitted' AND r.state = 'waiting'",
        (
            "UPDATE decisions SET superseded = 1 WHERE review IN "
            "(SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state = 'submitted' AND r.state = 'waiting')",
            "UPDATE endorsements SET withdrawn_at = (julianday('now') - 2440587.5) * 86400.0 WHERE withdrawn_at IS NULL AND review IN "
            "(SELECT v.id FROM reviews v JOIN runs r ON r.id = v.run WHERE v.state = 'submitted' AND r.state = 'waiting')",
            f"UPDATE reviews SET state = 'open', note = '{MAY_HAVE_RUN}', decided = '', decided_at = NULL, effective_at = NULL, "
            "submitted_by = NULL WHERE state = 'submitted' AND run IN (SELECT id FROM runs WHERE state = 'waiting')",
        ),
    ),
    (
        "{rows} decided, but not every decision is there: open again",
        "SELECT id FROM reviews WHERE state = 'decided' AND slots > "
        "(SELECT count(*) FROM decisions WHERE review = reviews.id AND NOT superseded)",
        (
            "UPDATE reviews SET state = 'open', decided = '', decided_at = NULL, effective_at = NULL WHERE state = 'decided' AND slots > "
            "(SELECT count(*) FROM decisions WHERE review = reviews.id AND NOT superseded)",
        ),
    ),
    (
        "{rows} without all that was asked: closed, to be asked again",
        f"SELECT id FROM reviews WHERE state IN {LIVE} AND (slots > (SELECT count(*) FROM actions WHERE review = reviews.id) "
        "OR NOT EXISTS (SELECT 1 FROM details WHERE review = reviews.id))",
        (
            f"UPDATE reviews SET state = 'stale', note = 'was lost in part' WHERE state IN {LIVE} AND "
            "(slots > (SELECT count(*) FROM actions WHERE review = reviews.id) "
            "OR NOT EXISTS (SELECT 1 FROM details WHERE review = reviews.id))",
        ),
    ),
    (
        "{rows} waiting for nothing: queued, so that a worker looks what {their} checkpoint asks",
        "SELECT 'r' || id FROM runs WHERE state = 'waiting' AND NOT attention AND NOT EXISTS "
        f"(SELECT 1 FROM reviews WHERE run = runs.id AND state IN {LIVE})",
        (
            f"UPDATE runs SET {QUEUE} WHERE state = 'waiting' AND NOT attention AND NOT EXISTS "
            f"(SELECT 1 FROM reviews WHERE run = runs.id AND state IN {LIVE})",
        ),
    ),
)


FORGET = (
    "DELETE FROM history",
    "DELETE FROM history_names",
    "INSERT INTO history_text (history_text) VALUES ('delete-all')",
    "DELETE FROM tallies",
    "DELETE FROM beliefs",
    "DELETE FROM cells",
)


class _LookOnly(Exception):
    """Takes everything back."""


async def mend(store: Store, is_gone: Callable[[Worker, str], bool], workers: Sequence[tuple[Worker, str]], keep: bool) -> list[str]:
    """Put right what is stuck, and say what it was; without `keep` only say it."""
    said: list[str] = []
    try:
        async with store.transaction() as db:
            for worker, host in workers:
                if is_gone(worker, host):
                    said.append(await _forget(db, worker))
            for sentence, find, statements in STEPS:
                found = [str(row[0]) for row in await db.execute_fetchall(find)]
                if found:
                    said.append(_sentence(sentence, found))
                    for statement in statements:
                        await db.execute(statement)
            if not keep:
                raise _LookOnly
    except _LookOnly:
        pass
    return said


async def _forget(db: Transaction, worker: Worker) -> str:
    rows = await db.execute_fetchall(
        f"UPDATE runs SET {QUEUE}, crashes = crashes + 1 WHERE worker = ? AND state = 'running' RETURNING id", (worker.id,)
    )
    await db.execute("DELETE FROM workers WHERE id = ?", (worker.id,))
    runs = f"; what it drove is queued: {_listed([f'r{row[0]}' for row in rows])}" if rows else ""
    return f"the worker of {worker.label} (process {worker.pid}) is gone{runs}"


async def remember(store: Store, keep: bool) -> list[str]:
    """Forget a history that is not what was decided, with its figures: whoever looks next makes them anew. Without `keep` only say it."""
    if not (await store.one(audit_verify.MISREMEMBERED) or await store.one(audit_verify.FORGOTTEN)):
        return []
    if keep:
        async with store.transaction() as db:
            for statement in FORGET:
                await db.execute(statement)
    return ["the history was changed, and is not what was decided: it is made anew, with its figures, when somebody looks at it next"]


async def adopt(store: Store, found: Sequence[tuple[str, str, int]], keep: bool) -> list[str]:
    """Make runs for waiting threads that are unknown here, given as (thread, agent, the run it was); their questions come back.

    A run has its old number where that is free: its checkpoints name it.
    """
    said: list[str] = []
    async with store.transaction() as db:
        for thread, agent, was in found:
            if await db.execute_fetchall("SELECT 1 FROM runs WHERE thread = ?", (thread,)):
                continue
            said.append(f"thread {thread} of {agent} waits, and hitl.db does not know it: it becomes a run, and asks again")
            if keep:
                await _make_run(db, thread, agent, was)
    return said


async def _make_run(db: Transaction, thread: str, agent: str, was: int) -> None:
    values: dict[str, Any] = {"thread": thread, "agent": agent, "input": canonical_json.dumps({"input": None, "adopted": was}), "was": was}
    await db.execute(
        "INSERT INTO runs (id, agent, thread, title, input, state, resuming, created_at) "
        "VALUES ((SELECT :was WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = :was)), :agent, :thread, "
        "'found in checkpoints.db', :input, 'queued', 1, (julianday('now') - 2440587.5) * 86400.0)",
        values,
    )


def _sentence(text: str, found: Sequence[str]) -> str:
    run = found[0].startswith("r")
    kind = ("run" if run else "review") if len(found) == 1 else ("runs" if run else "reviews")
    are = "is" if len(found) == 1 else "are"
    return text.format(rows=f"{kind} {_listed(found)} {are}", their="its" if len(found) == 1 else "their")


def _listed(found: Sequence[str]) -> str:
    return ", ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
