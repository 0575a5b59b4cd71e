"""Attention checks on their way into the queue: when one is due, what it can be made after, and its rows."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Pause, PauseKind, Review, Routed
from hitl_tui.oversight import attention_checks
from hitl_tui.store import reviews
from hitl_tui.store.connection import Store, Transaction
from hitl_tui.store.maintenance.prune import PRUNED

LAST = 20
"""A check is made after one of so many last approved calls."""
EVENTS = 500
CALLS = (PauseKind.TOOL_CALLS, PauseKind.TOOL_APPROVAL, PauseKind.TOOL_GATE, PauseKind.AGENT_INBOX)
PEOPLE = "NOT (d.actor GLOB 'policy:*' OR d.actor GLOB 'timeout:*')"
SINCE = (
    "FROM decisions d JOIN reviews v ON v.id = d.review JOIN runs r ON r.id = v.run "
    f"WHERE d.id > ? AND r.project = ? AND NOT r.attention AND {PEOPLE}"
)


@dataclass(frozen=True, slots=True)
class Since:
    """Where a project stands since its last check."""

    checks: int
    """How many there were."""
    last: int
    """The newest decision when the last one was made; 0 before any."""
    is_open: bool
    """Whether one waits for people now."""


def newest_decision(store: Store) -> int:
    """The number of the last decision of all; 0 before any."""
    return int(store.glance("SELECT coalesce(max(id), 0) FROM decisions")[0][0])


def since(store: Store, project: int) -> Since:
    """Where a project stands."""
    [(checks, last, waiting)] = store.glance(
        "SELECT count(*), coalesce(max(t.last), 0), coalesce(max(v.state = 'open'), 0) FROM attention t JOIN reviews v ON v.id = t.review "
        "JOIN runs r ON r.id = v.run WHERE r.project = ?",
        (project,),
    )
    return Since(int(checks), int(last), bool(waiting))


async def decided(store: Store, project: int, last: int, most: int) -> int:
    """How often people decided something of a project's runs since that decision, counted up to `most`."""
    return int((await store.one(f"SELECT count(*) FROM (SELECT 1 {SINCE} LIMIT ?)", (last, project, most)))[0])


async def home_of(store: Store) -> str:
    """What tells this home from others, and nobody has in their head: the hash of the log's first entry."""
    row = await store.one("SELECT hash FROM audit WHERE seq = 1")
    return str(row[0]) if row else ""


async def sources(store: Store, project: int) -> list[Review]:
    """The last single tool calls of a project that policy asked people about and they approved as they were; the newest first."""
    marks = ", ".join("?" * len(CALLS))
    found = await store.all(
        f"SELECT v.id {SINCE} AND d.kind = 'approve' AND NOT d.superseded AND v.slots = 1 AND v.kind IN ({marks}) AND v.note = '' "
        "AND v.state = 'applied' AND coalesce(v.route, 'ask') = 'ask' AND v.escalated = '' AND r.input != ? ORDER BY d.id DESC LIMIT ?",
        (0, project, *CALLS, PRUNED, LAST),
    )
    made = [await reviews.get(store, int(row[0])) for row in found]
    return [review for review in made if review is not None]


async def put(
    store: Store, source: Review, pause: Pause, routed: Routed, wrong: attention_checks.Wrong, number: int, seed: str
) -> int | None:
    """Put a project's check of that number into the queue, as a review of a run of its own that looks like the source's.

    None when somebody else has.
    """
    now, correct = time.time(), source.actions[0].args
    async with store.transaction() as db:
        [(known,)] = await db.execute_fetchall(
            "SELECT count(*) FROM runs WHERE attention AND project = (SELECT project FROM runs WHERE id = ?)", (source.row.run,)
        )
        if known != number:
            return None
        trace = await _trace(db, source)
        later_s = now - trace[-1][1] if trace else 0.0
        cursor = await db.execute(
            "INSERT INTO runs (project, agent, thread, title, input, state, attention, gates_before, gates_after, tags, time_limit_s, "
            "launched_by, created_at, started_at) SELECT project, agent, ?1, title, input, 'waiting', 1, gates_before, gates_after, tags, "
            "time_limit_s, launched_by, min(max(created_at, ?2 - 1), ?2) + ?3, min(max(coalesce(started_at, ?2), ?2 - 1), ?2) + ?3 "
            "FROM runs WHERE id = ?4",
            (attention_checks.other_id(source.thread, seed), trace[0][1] if trace else now, later_s, source.row.run),
        )
        run = int(cursor.lastrowid or 0)
        review, _ = await reviews.insert(db, run, source.row.agent, pause, routed)
        await db.execute(
            "INSERT INTO attention (review, source, wrong, correct, made_at, last) "
            "VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(id), 0) FROM decisions))",
            (review, source.row.id, wrong.clause, canonical_json.dumps(correct), now),
        )
        for seq, at, kind, node, path, body in trace:
            changed = body if kind == "input" else canonical_json.dumps(attention_checks.alike(json.loads(body), correct, wrong.args))
            await db.execute(
                "INSERT INTO events (run, seq, at, kind, node, path, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (run, seq, at + later_s, kind, node, path, changed),
            )
        return review


async def _trace(db: Transaction, source: Review) -> list[Any]:
    """What led to the source, up to its run's first pause: it led to the check too, as long ago as that was."""
    rows = await db.execute_fetchall(
        "SELECT seq, at, kind, node, path, body FROM events WHERE run = ? AND at <= ? ORDER BY seq LIMIT ?",
        (source.row.run, source.row.opened_at + 1, EVENTS),
    )
    until = next((number for number, row in enumerate(rows, 1) if row[2] == "paused"), len(rows))
    return rows[:until]
