"""The tables held against the log, and the history against the tables: the first row that was changed, as a sentence.

Rows are read one after the other by their keys: it takes as long as there are decisions, and no memory.
"""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from hitl_tui.model import Json, call_id, digest_of

DELETED_DECISIONS = """
SELECT json_extract(body, '$.decision'), review, json_extract(body, '$.slot') FROM audit
WHERE kind = 'decided' AND json_extract(body, '$.decision') NOT IN (SELECT id FROM decisions) LIMIT 1
"""
CHANGED_DECISIONS = """
SELECT d.id, d.review, d.slot FROM decisions d
WHERE d.id >= (SELECT json_extract(body, '$.decision') FROM audit WHERE kind = 'decided' ORDER BY seq LIMIT 1)
    AND NOT (
        EXISTS (
            SELECT 1 FROM audit t
            WHERE t.review = d.review AND t.kind = 'decided'
                AND (t.at, t.actor, t.actor_kind, json_extract(t.body, '$.decision'), json_extract(t.body, '$.slot'),
                    json_extract(t.body, '$.kind'), json_extract(t.body, '$.digest'), json_extract(t.body, '$.args'),
                    json_extract(t.body, '$.message'), json_extract(t.body, '$.viewed_ms'), json_extract(t.body, '$.seen'),
                    json_extract(t.body, '$.reading_ms'), json_extract(t.body, '$.template'))
                IS (d.at, d.actor, d.actor_kind, d.id, d.slot, d.kind, d.digest, d.args, d.message, d.viewed_ms, d.seen, d.reading_ms,
                    d.template)
        )
        AND (d.undone_at IS NULL OR d.superseded)
        AND d.undone_at IS (
            SELECT t.at FROM audit t
            WHERE t.review = d.review AND t.kind = 'undone' AND json_extract(t.body, '$.decision') = d.id
        )
    )
LIMIT 1
"""
"""Decisions that differ from their audit entries; those from before the first entry have none."""
CHANGED_ACTIONS = """
SELECT d.id, d.review, d.slot, a.review IS NULL
FROM decisions d LEFT JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE a.digest IS NOT d.digest LIMIT 1
"""
ACTIONS = "SELECT review, slot, name, args, digest FROM actions"
DECISION = "SELECT id FROM decisions WHERE review = ? AND slot = ? ORDER BY id DESC LIMIT 1"
COLUMNS = (
    "at, run, review, slot, agent, tool, kind, actor, actor_kind, actor_key, confidence, opened_at, viewed_ms, size, spot_check, in_force, "
    "seen, reading_ms"
)
CHANGED_HISTORY = f"""
SELECT decision, review, slot FROM history h
WHERE ({COLUMNS}, rule) IS NOT (
    SELECT {COLUMNS}, CASE WHEN rule = 'safety' AND NOT in_force THEN h.rule ELSE rule END
    FROM history_source r WHERE r.decision = h.decision
)
LIMIT 1
"""
"""What policy decided and a person must decide after all has another rule than its history: `reconcile._ask_again`."""
DELETED_HISTORY = """
SELECT decision, review, slot FROM history_source r
WHERE decision <= (SELECT max(decision) FROM history) AND NOT EXISTS (SELECT 1 FROM history h WHERE h.decision = r.decision) LIMIT 1
"""
ANEW = "it is only an index; `hitl-tui doctor --repair` makes it anew"
HALF = re.compile(r"\\u(d[89a-f][0-9a-f]{2})")


def found(db: sqlite3.Connection) -> str:
    """What was changed of decisions, of actions and of the history; an empty sentence when nothing was."""
    for look in (_decisions, _actions, _history):
        if said := look(db):
            return said
    return ""


def _decisions(db: sqlite3.Connection) -> str:
    if row := db.execute(DELETED_DECISIONS).fetchone():
        return f"{_decision(*row)} is gone from its table"
    if row := db.execute(CHANGED_DECISIONS).fetchone():
        return f"{_decision(*row)} is not what the log says of it: its row was changed"
    return ""


def _actions(db: sqlite3.Connection) -> str:
    if row := db.execute(CHANGED_ACTIONS).fetchone():
        return _changed_action(*row)
    for review, slot, name, args, digest in db.execute(ACTIONS):
        if not _fits(name, args, digest):
            decided = db.execute(DECISION, (review, slot)).fetchone()
            if decided:
                return _changed_action(decided[0], review, slot, False)
            return f"the action of review {call_id(review, slot)} is not what was asked: its row was changed"
    return ""


def _history(db: sqlite3.Connection) -> str:
    if row := db.execute(CHANGED_HISTORY).fetchone():
        return f"{_decision(*row)} is not in the history as it was made: the history was changed; {ANEW}"
    if row := db.execute(DELETED_HISTORY).fetchone():
        return f"{_decision(*row)} is gone from the history: the history was changed; {ANEW}"
    return ""


def _decision(decision: int, review: int, slot: int) -> str:
    return f"decision {decision} (review {call_id(review, slot)})"


def _changed_action(decision: int, review: int, slot: int, is_gone: bool) -> str:
    which = f"the action of {_decision(decision, review, slot)}"
    return f"{which} is gone from its table" if is_gone else f"{which} is not what was decided: its row was changed after that"


def _fits(name: Any, args: Any, digest: Any) -> bool:
    """Whether the digest was taken of the action that is stored in these words."""
    try:
        value = json.loads(args)
        return digest_of(name, value) == digest or digest_of(_unescaped(name), value) == digest or _fits_in_halves(name, args, digest)
    except (TypeError, ValueError, RecursionError):  # no JSON, or no text
        return False


def _fits_in_halves(name: str, args: str, digest: str) -> bool:
    """The same of an agent that joined a character's two halves of UTF-16 itself: stored, they are one."""
    return bool(HALF.search(args)) and digest_of(_unescaped(name), _in_halves(json.loads(args))) == digest


def _unescaped(name: str) -> str:
    """The name with those halves of characters that `canonical_json.storable` wrote as escapes."""
    return HALF.sub(lambda found: chr(int(found[1], 16)), name)


def _in_halves(value: Json) -> Json:
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        return "".join(chr(units[at] << 8 | units[at + 1]) for at in range(0, len(units), 2))
    if isinstance(value, list):
        return [_in_halves(item) for item in value]
    return {_in_halves(key): _in_halves(item) for key, item in value.items()} if isinstance(value, dict) else value
