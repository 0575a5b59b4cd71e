"""How often each rule of the policy matched, and which policies were in force and when."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from hitl_tui import canonical_json
from hitl_tui.home import sample_agents
from hitl_tui.model import PROGRAM, Actor, Outcome, RuleCount, Verdict
from hitl_tui.store import audit
from hitl_tui.store.connection import Store, Transaction

COUNT = """
INSERT INTO rule_counts (rule, outcome, actions, last_at) VALUES (:rule, :outcome, 1, :at)
ON CONFLICT (rule, outcome) DO UPDATE SET actions = actions + 1, last_at = excluded.last_at
"""
PACKAGED = "0d3ac42c2d27bc2d692f6f2f7a5051de21785680a6a763b35416b74401d1a5f2"
"""Digest of the sample agents' policy.toml as it is packaged: in their own folder it counts as accepted."""
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


ACCEPTED = """
SELECT json_extract(body, '$.hash') FROM audit INDEXED BY audit_policies
WHERE kind = 'policy' AND json_extract(body, '$.path') = :path AND json_extract(body, '$.accepted') ORDER BY seq DESC LIMIT 1
"""


def is_packaged(path: Path, digest: str) -> bool:
    """Whether this is the sample agents' own policy, unchanged."""
    return digest == PACKAGED and path == sample_agents().resolve() / "policy.toml"


def is_accepted(store: Store, path: Path, digest: str) -> bool:
    """Whether a person has accepted the policy at a path as it is: its digest is the one accepted there last. Reads at once."""
    found = store.read_now(ACCEPTED, {"path": canonical_json.storable(str(path))})
    return is_packaged(path, digest) or [digest] == [hash_ for (hash_,) in found]


async def accept(store: Store, path: Path, digest: str, rules: int, actor: str) -> None:
    """Log that a person accepts a policy."""
    body = {"path": canonical_json.storable(str(path)), "hash": digest, "rules": rules, "problem": "", "accepted": True}
    async with store.transaction() as db:
        audit.note(db, time.time(), "policy", Actor(actor), body)


async def note_policy(store: Store, path: str, digest: str, rules: int, problem: str) -> None:
    """Log the policy at a path if it differs from the last one logged there; an empty digest means that there is none.

    Several workers may see the same change; it is logged once.
    """
    body = {"path": canonical_json.storable(path), "hash": digest, "rules": rules, "problem": canonical_json.storable(problem)}
    async with store.transaction() as db:
        last = db.row(LAST, {"path": body["path"]})
        if digest != (last[0] if last else ""):
            audit.note(db, time.time(), "policy", PROGRAM, body)
