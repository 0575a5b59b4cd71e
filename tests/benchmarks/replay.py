"""Replaying a policy on 12,000 recorded actions, relative to only reading their rows."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from hitl_tui import canonical_json
from hitl_tui.home import sample_agents
from hitl_tui.model import digest_of
from hitl_tui.policy.loader import read_policy
from hitl_tui.policy.replay import Replay
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, history
from tests.benchmarks.ratio import Ratio, median_ratio_async

COUNT = 12_000
PAIRS = 7
TOOLS = (
    ("send_mail", {"to": "ann@example.com", "subject": "Re: invoice", "body": "Dear Ann, the invoice was paid on 3 March. " * 5}),
    ("execute", {"sql": "DELETE FROM customers WHERE last_seen < '2020-01-01' AND notes IS NULL"}),
    ("archive_mail", {"message_id": "m-101"}),
    ("delete_mail", {"message_id": "m-102"}),
    ("query", {"sql": "SELECT * FROM customers"}),
)


async def record(store: Store, count: int) -> None:
    """Add so many reviews of one action each, decided by a person."""
    now = time.time()
    async with store.transaction() as db:
        db.execute(
            "INSERT INTO runs (agent, thread, title, input, state, created_at) VALUES ('sql_steward', 't', '', '{}', 'done', ?)", (now,)
        )
        [(run,)] = db.rows("SELECT max(id) FROM runs")
        for number in range(count):
            name, args = TOOLS[number % len(TOOLS)]
            kind = "reject" if number % 7 == 0 else "approve"
            cursor = db.execute(
                "INSERT INTO reviews (run, agent, interrupt, kind, node, path, title, summary, slots, risk, confidence, note, opened_at) "
                "VALUES (?, 'sql_steward', ?, 'tool_calls', 'tools', '[]', ?, '', 1, NULL, ?, '', ?)",
                (run, f"i{number}", name, number % 100 / 100, now - number),
            )
            digest = digest_of(name, args)
            db.execute(
                "INSERT INTO actions (review, slot, name, args, allowed, description, choices, means, digest) VALUES (?, 0, ?, ?, ?, '', "
                "'[]', '{}', ?)",
                (cursor.lastrowid, name, canonical_json.dumps(args), '["approve", "edit", "reject", "respond"]', digest),
            )
            db.execute(
                "INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, at, effective_at) "
                "VALUES (?, 0, ?, 'ann', 'person', 'ann', ?, ?, ?)",
                (cursor.lastrowid, kind, digest, now - number, now - number),
            )


async def read(store: Store) -> float:
    """Seconds to read every row."""
    began, count = time.perf_counter(), 0
    async for batch in history.decided_since(store, 0.0):
        count += len(batch)
    assert count == COUNT
    return time.perf_counter() - began


async def replay(store: Store, policy: Policy) -> float:
    """Seconds to read and judge every row."""
    began, found = time.perf_counter(), Replay()
    async for batch in history.decided_since(store, 0.0):
        found.add(batch, policy)
    assert found.actions == COUNT
    assert found.let_through
    return time.perf_counter() - began


async def measure() -> Ratio:
    """One ratio of medians, with the policy of the sample agents."""
    policy = read_policy(sample_agents() / "policy.toml")
    with tempfile.TemporaryDirectory() as folder:
        async with Store.open(Path(folder) / "hitl.db") as store:
            await record(store, COUNT)
            name = f"policy replay of {COUNT:,} actions ÷ reading their rows"
            return await median_ratio_async(name, 10, PAIRS, lambda: replay(store, policy), lambda: read(store))
