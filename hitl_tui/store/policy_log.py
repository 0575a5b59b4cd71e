"""How often each rule of the policy spoke, and which policies there have been."""

from __future__ import annotations

import time

from hitl_tui import canonical_json
from hitl_tui.model import Outcome, RuleCount
from hitl_tui.store.connection import Store

NOTE = (  # what is logged already of a path is not logged again, whichever worker sees it first
    "INSERT INTO log (at, kind, actor, run, review, body) SELECT ?1, 'policy', '', NULL, NULL, ?2 WHERE ?4 IS NOT coalesce(("
    "SELECT json_extract(body, '$.hash') FROM audit INDEXED BY audit_policies WHERE kind = 'policy' AND json_extract(body, '$.path') = ?3 "
    "ORDER BY seq DESC LIMIT 1), '')"
)


async def counts(store: Store) -> list[RuleCount]:
    """How often each rule spoke, by outcome; `thresholds`, `safety` and `no policy` among them."""
    found = await store.all("SELECT rule, outcome, actions, last_at FROM rule_counts ORDER BY rule, outcome")
    return [RuleCount(rule, Outcome(outcome), actions, last_at) for rule, outcome, actions, last_at in found]


async def note_policy(store: Store, path: str, digest: str, rules: int, problem: str) -> None:
    """Log that the policy of that path is another than the last one logged of it; an empty digest says that there is none."""
    path = canonical_json.plain(path)
    body = canonical_json.dumps({"path": path, "hash": digest, "rules": rules, "problem": canonical_json.plain(problem)})
    async with store.transaction() as db:
        await db.execute(NOTE, (time.time(), body, path, digest))
