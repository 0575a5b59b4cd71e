"""A home with any number of decided reviews: the same rows for the same count, written without the triggers.

The audit has no entries for them. A test that needs an audit that verifies makes a smaller home through the inbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import digest_of
from hitl_tui.store import Store, history

DAY = 86_400.0
DAYS = 365
"""Period over which the decisions are spread evenly."""
BATCH = 20_000
A_RUN = 20
"""Reviews per run."""
TOOLS = (
    ("mail_assistant", "send_mail", ("to", "subject", "body")),
    ("mail_assistant", "archive_mail", ("id",)),
    ("mail_assistant", "read_mail", ("id",)),
    ("sql_steward", "run_sql", ("query",)),
    ("sql_steward", "explain_sql", ("query",)),
    ("support_desk", "issue_refund", ("order", "amount")),
    ("support_desk", "answer_ticket", ("ticket", "body")),
    ("report_writer", "publish_report", ("title", "body")),
)
PEOPLE = ("ann", "bob", "cleo", "dan", "eve", "policy:reading", "timeout:a day")
BUSY = (30, 20, 15, 10, 5, 15, 5)
KINDS = ("approve", "edit", "reject")
OFTEN = (80, 12, 8)
REASONS = ("wrong address", "too long", "not without asking", "amount is wrong", "already answered")
VOCABULARY = (
    "invoice receipt order customer refund ticket paid march delivery address late please thanks attached account number question answer "
    "meeting report quarter sales region table column index update select where country germany france italy budget travel hotel flight"
)
WORDS = VOCABULARY.split()
CONTEXT = canonical_json.dumps(
    {
        "conversation": [
            {"role": "user", "text": "Answer everything of today.", "name": "", "calls": []},
            {"role": "agent", "text": "I look first.", "name": "", "calls": [["look", {"day": "today"}]]},
            {"role": "tool", "text": "Two things are open, one of them since last week.", "name": "look", "calls": []},
        ],
        "reasoning": "It is open since last week.", "attempts": [], "error": "", "state": None, "before": [], "after": [], "model": "",
    }
)  # fmt: skip
SCHEMAS = {
    tool: canonical_json.dumps({"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": list(keys)})
    for _, tool, keys in TOOLS
}
TABLES = {
    "runs": "id, agent, thread, title, input, state, created_at",
    "reviews": (
        "id, run, agent, interrupt, kind, node, path, title, summary, slots, risk, confidence, note, state, decision, opened_at, "
        "decided_at, effective_at, applied_at"
    ),
    "details": "review, value, context",
    "actions": (
        "review, slot, name, args, allowed, description, args_schema, answer_schema, choices, means, digest, confidence, risk, rule, "
        "outcome"
    ),
    "decisions": (
        "id, review, slot, kind, args, message, actor, actor_kind, actor_key, digest, at, effective_at, viewed_ms, effect, agent, tool"
    ),
}  # fmt: skip


def fill(path: Path, count: int, end: float | None = None) -> None:
    """Write so many decided reviews of one action each into a new `hitl.db`, the last at the Unix time `end` (now), history caught up."""
    asyncio.run(_schema(path))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        with _without_triggers(db):
            rows = _reviews(count, time.time() if end is None else end)
            while batch := list(islice(rows, BATCH)):
                for table, columns in TABLES.items():
                    marks = ", ".join("?" * (columns.count(",") + 1))
                    db.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [one[table] for one in batch if table in one])
    asyncio.run(_remember(path))


async def _schema(path: Path) -> None:
    async with Store.open(path):
        pass


async def _remember(path: Path) -> None:
    async with Store.open(path, "NORMAL") as store:
        await history.catch_up(store)


@contextlib.contextmanager
def _without_triggers(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction without triggers; they are restored at its end."""
    triggers = db.execute(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({', '.join('?' * len(TABLES))})", tuple(TABLES)
    ).fetchall()
    db.execute("BEGIN")
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    yield
    for _, sql in triggers:
        db.execute(sql)
    db.execute("COMMIT")


def _reviews(count: int, end: float) -> Iterator[dict[str, tuple[Any, ...]]]:
    """The rows of each review by table; its run comes with the run's first review."""
    dice = random.Random(5)
    for number in range(1, count + 1):
        at = end - DAYS * DAY * (count - number) / count
        yield _review(dice, number, at)


def _review(dice: random.Random, number: int, at: float) -> dict[str, tuple[Any, ...]]:
    agent, tool, keys = dice.choice(TOOLS)
    args = {key: _text(dice, number, 12 if key in ("body", "query") else 2) for key in keys}
    (kind,), (actor,) = dice.choices(KINDS, OFTEN), dice.choices(PEOPLE, BUSY)
    kind = "reject" if actor.startswith("timeout:") else "approve" if actor.startswith("policy:") else kind
    final = {**args, keys[-1]: _text(dice, number, 8)} if kind == "edit" else None
    confidence = round(dice.betavariate(5, 2 if kind == "approve" else 4), 3)
    opened, looked = at - dice.lognormvariate(5, 1.5), None if ":" in actor else int(dice.lognormvariate(9, 1))
    digest, run = digest_of(tool, args), (number - 1) // A_RUN + 1
    made: dict[str, tuple[Any, ...]] = {
        "reviews": (
            number, run, agent, f"i{number}", "tool_calls", "tools", "[]", tool, str(next(iter(args.values()))), 1, "low", confidence, "",
            "applied", f"{kind} by {actor}", opened, at, at, at,
        ),
        "details": (number, "{}", CONTEXT),
        "actions": (
            number, 0, tool, canonical_json.dumps(args), '["approve", "edit", "reject", "respond"]', "", SCHEMAS[tool], "null", "[]", "{}",
            digest, confidence, "low", actor.partition(":")[2] or "people", "auto" if actor.startswith("policy:") else "ask",
        ),
        "decisions": (
            number, number, 0, kind, final and canonical_json.dumps(final), dice.choice(REASONS) if kind == "reject" else None, actor,
            actor.partition(":")[0] if ":" in actor else "person", actor, digest, at, at, looked,
            digest_of(tool, final) if final else digest, agent, tool,
        ),
    }  # fmt: skip
    if (number - 1) % A_RUN == 0:
        made["runs"] = (run, agent, f"t{run}", "Answer everything of today.", "{}", "done", opened)
    return made


def _text(dice: random.Random, number: int, words: int) -> str:
    """Common words, and one that no other text contains."""
    return f"{' '.join(dice.choices(WORDS, k=words))} no{number}"
