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
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, Review, Viewing
from hitl_tui.store import Store, decisions
from hitl_tui.store.audit import chained
from tests.benchmarks.ratio import Ratio, median_ratio_async
from tests.ui.homes import seed

PAIRS = 1500
TOGETHER, CALLS, SETS = 40, 5, 12
"""Reviews decided together, calls of each, and number of sets, of which the first two do not count."""
WARM = 100
"""Decisions before the measurement, so that statements are compiled and the files have grown."""
LOOKED_MS = 9000


class Bare:
    """The two tables with their indexes, without triggers. The hash of the chain is computed as the audit computes it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seq, self._hash = 0, ""

    def decide(self, *reviews: Review) -> float:
        """Seconds to write both rows of every call durably, in one transaction."""
        began = time.perf_counter()
        self._db.execute("BEGIN IMMEDIATE")
        for review in reviews:
            for action in review.actions:
                self._write(review, action)
        self._db.execute("COMMIT")
        return time.perf_counter() - began

    def _write(self, review: Review, action: Action) -> None:
        self._seq += 1
        now, digest, slot = time.time(), action.digest, action.slot
        body = json.dumps(
            {
                "decision": self._seq,
                "slot": slot,
                "kind": "approve",
                "digest": digest,
                "args": None,
                "message": None,
                "viewed_ms": LOOKED_MS,
            }
        )
        entry = (self._seq, now, "decided", "bench", "person", review.row.run, review.row.id, body)
        self._hash = chained(self._hash, *entry)
        self._db.execute(
            "INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, at, effective_at, viewed_ms, effect, "
            "agent, tool) VALUES (?, ?, 'approve', 'bench', 'person', 'bench', ?, ?, ?, ?, ?, ?, ?)",
            (review.row.id, slot, digest, now, now, LOOKED_MS, digest, review.row.agent, action.name),
        )
        self._db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*entry, self._hash))


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
    """The ratio of medians. Both sides decide in turn, in files of one folder."""
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


async def measure_many() -> Ratio:
    """The same for 200 calls in 40 reviews that are decided together."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "hitl.db"
        async with Store.open(ours) as store:
            project = await seed.add_project(store)
            pause = seed.pause(PauseKind.TOOL_CALLS, *(seed.mail(f"p{slot}@example.com", slot) for slot in range(CALLS)))
            ids = [await seed.add_waiting_run(store, project, "mail_assistant", pause) for _ in range(TOGETHER * SETS)]
            inbox = Inbox(store, "bench")
            waiting = [await inbox.reviews.get(id_) for id_ in ids]
            sets = [waiting[at : at + TOGETHER] for at in range(0, len(waiting), TOGETHER)]
            one, other = iter(sets), iter(sets)

            async def decide() -> float:
                answers = dict.fromkeys(range(CALLS), Answer(DecisionKind.APPROVE))
                chosen = [(review, answers) for review in next(one)]
                began = time.perf_counter()
                assert await inbox.reviews.decide_many(chosen, LOOKED_MS, reading_ms=1000) == {}
                return time.perf_counter() - began

            with _bare(ours, Path(folder) / "bare.db") as bare:

                async def write() -> float:
                    return bare.decide(*next(other))

                for _ in range(2):
                    await decide()
                    await write()
                return await median_ratio_async("200 calls decided together ÷ their rows alone", 3.0, SETS - 2, decide, write)
