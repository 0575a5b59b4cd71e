"""A durable decision with its audit entry, relative to plain sqlite3 writing the same two rows in one commit."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review, Viewing
from hitl_tui.store import Store, decisions
from hitl_tui.store.audit import chained
from tests.benchmarks.ratio import Ratio, median_ratio_async
from tests.ui.homes import seed

PAIRS = 1500
WARM = 100
"""Decisions before it counts: statements are compiled, and the files have grown."""
LOOKED_MS = 9000


class Bare:
    """The two tables with their indexes, and no trigger; the hash of the chain is made as the log makes it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seq, self._hash = 0, ""

    def decide(self, review: Review) -> float:
        """Seconds to write both rows for good."""
        began = time.perf_counter()
        self._seq += 1
        now, digest = time.time(), review.actions[0].digest
        body = json.dumps(
            {"decision": self._seq, "slot": 0, "kind": "approve", "digest": digest, "args": None, "message": None, "viewed_ms": LOOKED_MS}
        )
        entry = (self._seq, now, "decided", "bench", "person", review.row.run, review.row.id, body)
        self._hash = chained(self._hash, *entry)
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute(
            "INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, at, effective_at, viewed_ms, effect, "
            "agent, tool) VALUES (?, 0, 'approve', 'bench', 'person', 'bench', ?, ?, ?, ?, ?, ?, ?)",
            (review.row.id, digest, now, now, LOOKED_MS, digest, review.row.agent, review.actions[0].name),
        )
        self._db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*entry, self._hash))
        self._db.execute("COMMIT")
        return time.perf_counter() - began


@contextlib.contextmanager
def _bare(ours: Path, path: Path) -> Iterator[Bare]:
    with contextlib.closing(sqlite3.connect(ours)) as db:
        tables = db.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name IN ('decisions', 'audit') AND type IN ('table', 'index')"
        ).fetchall()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        for (sql,) in tables:
            if sql:
                db.execute(sql)
        yield Bare(db)


async def measure() -> Ratio:
    """The ratio of medians, each side's decision in turn, in files of one folder."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "hitl.db"
        async with Store.open(ours) as store:
            await seed.add_many_reviews(store, PAIRS + WARM)
            inbox = Inbox(store, "bench")
            waiting = [await inbox.reviews.get(id_) for id_ in await inbox.reviews.open_ids()]
            one, other = iter(waiting), iter(waiting)

            async def decide() -> float:
                review = next(one)
                shown = {action.slot: action for action in review.actions}
                began = time.perf_counter()
                await decisions.decide(
                    store, review.row.id, {0: Answer(DecisionKind.APPROVE)}, shown, "bench", 0.0, Viewing(LOOKED_MS, 1.0, 1000)
                )
                return time.perf_counter() - began

            with _bare(ours, Path(folder) / "bare.db") as bare:

                async def write() -> float:
                    return bare.decide(next(other))

                for _ in range(WARM):
                    await decide()
                    await write()
                return await median_ratio_async("a durable decision with its audit ÷ its two rows alone", 2.5, PAIRS, decide, write)
