"""How often each rule of the policy matched, and which policies were in force and when."""

from __future__ import annotations

import time
from collections.abc import Iterable

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, Outcome, RuleCount, Verdict
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction

COUNT = """
INSERT INTO rule_counts (rule, outcome, actions, last_at) VALUES (:rule, :outcome, 1, :at)
ON CONFLICT (rule, outcome) DO UPDATE SET actions = actions + 1, last_at = excluded.last_at
"""
LAST = """
SELECT json_extract(body, '$.hash') FROM audit INDEXED BY audit_policies
WHERE kind = 'policy' AND json_extract(body, '$.path') = :path ORDER BY seq DESC LIMIT 1
"""


async def counts(store: Store) -> list[RuleCount]:
    """How often each rule matched, by outcome; including `thresholds`, `safety` and `no policy`."""
    found = await store.all("SELECT rule, outcome, actions, last_at FROM rule_counts ORDER BY rule, outcome")
    return [RuleCount(rule, Outcome(outcome), actions, last_at) for rule, outcome, actions, last_at in found]


def count(db: Transaction, verdicts: Iterable[Verdict], at: float) -> None:
    """Within a transaction: count the rules of verdicts that were just given."""
    plain = canonical_json.storable
    db.executemany(COUNT, [{"rule": plain(verdict.rule), "outcome": verdict.outcome, "at": at} for verdict in verdicts])


async def note_policy(store: Store, path: str, digest: str, rules: int, problem: str) -> None:
    """Log the policy at a path if it differs from the last one logged there; an empty digest means that there is none.

    Several workers may see the same change; it is logged once.
    """
    body = {"path": canonical_json.storable(path), "hash": digest, "rules": rules, "problem": canonical_json.storable(problem)}
    async with store.transaction() as db:
        last = db.row(LAST, {"path": body["path"]})
        if digest != (last[0] if last else ""):
            audit.note(db, time.time(), "policy", PROGRAM, body)
