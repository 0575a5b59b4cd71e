"""Durable decisions, relative to plain sqlite3 writing the same rows, with the chain's hash, in one commit of the same durability."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, Review, Viewing
from hitl_tui.store import Store, decisions
from hitl_tui.store.audit import chained
from tests.benchmarks.ratio import Ratio, median_ratio_async
from tests.ui.homes import seed

PAIRS = 1500
TOGETHER, CALLS, SETS = 40, 5, 24
"""Reviews decided together, calls of each, and number of sets, of which the first two do not count."""
WARM = 100
"""Decisions before the measurement, so that statements are compiled and the files have grown."""
VIEWING = Viewing(9000, 1.0, 1000)
INSERT_DECISION = """
INSERT INTO decisions (
    review, slot, agent, tool, kind, actor, actor_kind, actor_key, digest, effect, at, effective_at, viewed_ms, seen, reading_ms,
    identified
) VALUES (
    :review, :slot, :agent, :tool, 'approve', 'bench', 'person', 'bench', :digest, :digest, :at, :at, :viewed_ms, :seen, :reading_ms,
    'named'
)
"""
INSERT_ENTRY = "INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
UPDATE_REVIEW = """
UPDATE reviews SET state = 'decided', decided_at = :at, effective_at = :at, decision = 'approved', decided_by = 'bench',
    decided_by_kind = 'person', decided_with = '[]', decided_slots = slots, approvals = '[]'
WHERE id = :review
"""
INSERT_CHANGE = "INSERT INTO changes (review) VALUES (:review)"
WRITTEN = (
    "SELECT review, slot, agent, tool, kind, args, message, actor, actor_kind, actor_key, digest, effect, viewed_ms, seen, reading_ms, "
    "identified, superseded, undone_at, doubtful, repeats, template FROM decisions ORDER BY id",
    "SELECT seq, kind, actor, actor_kind, run, review, body FROM audit ORDER BY seq",
    "SELECT id, state, decision, decided_by, decided_by_kind, decided_with, decided_slots, approvals FROM reviews ORDER BY id",
    "SELECT seq, review, run FROM changes ORDER BY seq",
)
"""What both sides must have written, without the times and the hashes made of them."""


class Bare:
    """A copy of the same database without its triggers, into which a decision's rows are written without reading or checking anything."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._seq: int
        self._hash: str
        self._seq, self._hash = db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone() or (0, "")
        self._decisions = 0

    def decide(self, reviews: Sequence[Review], viewing: Viewing, together: int = 1) -> float:
        """Approve every call of the reviews in one transaction; seconds until it is durable."""
        began = time.perf_counter()
        self._db.execute("BEGIN IMMEDIATE")
        for review in reviews:
            now = time.time()
            for action in review.actions:
                self._approve(review, action, viewing, now, together)
            self._db.execute(UPDATE_REVIEW, {"review": review.row.id, "at": now})
            self._db.execute(INSERT_CHANGE, {"review": review.row.id})
        self._db.execute("COMMIT")
        return time.perf_counter() - began

    def _approve(self, review: Review, action: Action, viewing: Viewing, now: float, together: int) -> None:
        values = {
            "review": review.row.id,
            "slot": action.slot,
            "agent": review.row.agent,
            "tool": action.name,
            "digest": action.digest,
            "at": now,
            "viewed_ms": viewing.viewed_ms,
            "seen": viewing.seen,
            "reading_ms": viewing.reading_ms,
        }
        self._db.execute(INSERT_DECISION, values)
        self._decisions += 1
        body = {"decision": self._decisions, "slot": action.slot, "kind": "approve", "digest": action.digest, "args": None}
        body |= {"message": None, "viewed_ms": viewing.viewed_ms, "reading_ms": viewing.reading_ms}
        body["identified"] = "named"
        if viewing.seen is not None:
            body["seen"] = viewing.seen
        if together > 1:
            body["together"] = together
        self._seq += 1
        entry = (self._seq, now, "decided", "bench", "person", review.row.run, review.row.id, json.dumps(body, sort_keys=True))
        self._hash = chained(self._hash, *entry)
        self._db.execute(INSERT_ENTRY, (*entry, self._hash))


@contextlib.asynccontextmanager
async def _bare(ours: Path, path: Path) -> AsyncIterator[Bare]:
    """Copy our database. At the end, check that both sides have written the same rows."""
    with contextlib.closing(sqlite3.connect(ours)) as source, contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        source.backup(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        yield Bare(db)
        for written in WRITTEN:
            assert source.execute(written).fetchall() == db.execute(written).fetchall(), written


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
                chosen = decisions.ReviewAnswers(review.row.id, {0: Answer(DecisionKind.APPROVE)}, shown, 0.0, {0: VIEWING})
                began = time.perf_counter()
                await decisions.decide(store, chosen, inbox.actor)
                store.wait_for_disk()
                return time.perf_counter() - began

            async with _bare(ours, Path(folder) / "bare.db") as bare:

                async def write() -> float:
                    return bare.decide([next(other)], VIEWING)

                for _ in range(WARM):
                    await decide()
                    await write()
                return await median_ratio_async("a durable decision with its audit ÷ its rows alone", 2.5, PAIRS, decide, write)


async def measure_many() -> Ratio:
    """The same for 200 calls in 40 reviews that are decided together."""
    viewing = Viewing(VIEWING.viewed_ms, None, VIEWING.reading_ms)
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
                assert await inbox.reviews.decide_many(chosen, viewing.viewed_ms, reading_ms=viewing.reading_ms) == {}
                return time.perf_counter() - began

            async with _bare(ours, Path(folder) / "bare.db") as bare:

                async def write() -> float:
                    return bare.decide(next(other), viewing, TOGETHER * CALLS)

                for _ in range(2):
                    await decide()
                    await write()
                return await median_ratio_async("200 calls decided together ÷ their rows alone", 3.0, SETS - 2, decide, write)
