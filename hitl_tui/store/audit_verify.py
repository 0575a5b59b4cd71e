"""The tables held against the log in both directions, and the history against the tables: the first row that differs, as a sentence.

Rows are read one after the other by their keys: it takes as long as there are decisions, and no memory.
"""

from __future__ import annotations

import json
import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from hitl_tui.model import Json, call_id, has_digest

DELETED_DECISIONS = """
SELECT json_extract(body, '$.decision'), review, json_extract(body, '$.slot') FROM audit
WHERE kind = 'decided' AND json_extract(body, '$.decision') NOT IN (SELECT id FROM decisions) LIMIT 1
"""
DECISION_IS_LOGGED = """EXISTS (
            SELECT 1 FROM audit t
            WHERE t.review = d.review AND t.kind = 'decided'
                AND (t.at, t.actor, t.actor_kind, json_extract(t.body, '$.decision'), json_extract(t.body, '$.slot'),
                    json_extract(t.body, '$.kind'), json_extract(t.body, '$.digest'), json_extract(t.body, '$.args'),
                    json_extract(t.body, '$.message'), json_extract(t.body, '$.viewed_ms'), json_extract(t.body, '$.seen'),
                    json_extract(t.body, '$.reading_ms'), json_extract(t.body, '$.template'), json_extract(t.body, '$.identified'),
                    json_extract(t.body, '$.signature'))
                IS (d.at, d.actor, d.actor_kind, d.id, d.slot, d.kind, d.digest, d.args, d.message, d.viewed_ms, d.seen, d.reading_ms,
                    d.template, d.identified, d.signature)
        )"""
"""Whether the log has a decision `d` as it is in its table."""
CHANGED_DECISIONS = f"""
SELECT d.id, d.review, d.slot FROM decisions d
WHERE NOT (
        {DECISION_IS_LOGGED}
        AND (d.undone_at IS NULL OR d.superseded)
        AND d.undone_at IS (
            SELECT t.at FROM audit t
            WHERE t.review = d.review AND t.kind = 'undone' AND json_extract(t.body, '$.decision') = d.id
        )
    )
LIMIT 1
"""
"""Decisions that differ from their audit entries, or have none."""
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
RAISED = """
(SELECT json_group_array(json(json_extract(raised.body, '$.raised'))) FROM audit raised
    WHERE raised.review = {review} AND raised.kind = 'not_accepted' AND json_extract(raised.body, '$.raised') IS NOT NULL)
"""
"""What was demanded of a review's calls beyond what was demanded when it opened: see `demanded`."""
OPENED = f"""
SELECT t.review, t.body, {RAISED.format(review="t.review")},
    (SELECT json_group_array(json_array(digest, reviewers, decider, json(separate)))
        FROM (SELECT digest, reviewers, decider, separate FROM actions WHERE review = t.review ORDER BY slot)),
    (SELECT json_group_array(slot) FROM (SELECT slot FROM actions WHERE review = t.review AND signed ORDER BY slot)),
    (SELECT json_group_object(slot, grant_id) FROM actions WHERE review = t.review AND grant_id IS NOT NULL)
FROM audit t WHERE t.kind = 'opened' AND json_extract(t.body, '$.calls') IS NOT NULL
"""
"""What opened, with its calls as they are now. Versions before 0.2.0 logged no calls."""
ENDED = "('applied', 'stale', 'expired', 'failed')"
"""States in which a review stays."""


@dataclass(frozen=True, slots=True)
class _Mirrored:
    """A table whose rows the log describes, and queries for rows and entries without their counterpart. They give a number each."""

    noun: str
    """With `{}` for the number."""
    changed: str
    """Rows that have no entry, or another one."""
    gone: str
    """Entries that have no row."""


def _mirrored(noun: str, table: str, kind: str, same: str, is_kept: str = "") -> _Mirrored:
    """A table whose rows have the number of their entry; `same` compares both, `is_kept` excludes entries whose row may be gone."""
    entry = f"SELECT 1 FROM logged l JOIN audit t ON t.seq = l.seq WHERE l.kind = '{kind}' AND l.number = r.id AND {same}"
    missing = f"l.kind = '{kind}' AND l.number NOT IN (SELECT id FROM {table}) {is_kept}"
    return _Mirrored(
        noun,
        f"SELECT r.id FROM {table} r WHERE NOT EXISTS ({entry}) ORDER BY r.id LIMIT 1",
        f"SELECT l.number FROM logged l JOIN audit t ON t.seq = l.seq WHERE {missing} ORDER BY l.seq LIMIT 1",
    )


GRANTED = ("review", "slot", "decision", "agent", "run", "tool", "digest", "scope", "sources", "risk", "uses", "for_s", "identified")
"""Columns of a grant that its entry has too."""
_ENTRY = ", ".join(f"json_extract(t.body, '$.{name}')" for name in GRANTED)
SAME_GRANT = f"(t.at, t.actor, json_extract(t.body, '$.signature'), {_ENTRY}) IS (r.at, r.actor, r.signature, r.{', r.'.join(GRANTED)})"
"""Whether an entry `t` says of a grant `r` what its row says."""
SAME_APPROVAL = (
    "(t.at, t.review, t.actor, json_extract(t.body, '$.slot'), json_extract(t.body, '$.kind'), json_extract(t.body, '$.digest'), "
    "json_extract(t.body, '$.args'), json_extract(t.body, '$.message'), json_extract(t.body, '$.identified'), "
    "json_extract(t.body, '$.signature'), json_extract(t.body, '$.template')) "
    "IS (r.at, r.review, r.actor, r.slot, r.kind, r.digest, r.args, r.message, r.identified, r.signature, r.template)"
)
"""Whether an entry `t` says of an approval `r` what its row says."""
NOT_PRUNED = "AND t.run NOT IN (SELECT run FROM pruned)"
MIRRORED = (
    _mirrored(
        "run r{}", "runs", "launched", "(t.at, json_extract(t.body, '$.thread')) IS (r.created_at, r.thread)", NOT_PRUNED
    ),
    _mirrored(
        "review {}", "reviews", "opened",
        "(t.at, t.run, json_extract(t.body, '$.kind'), json_extract(t.body, '$.interrupt')) IS (r.opened_at, r.run, r.kind, r.interrupt)",
    ),
    _mirrored(
        "approval {}", "endorsements", "endorsed",
        SAME_APPROVAL,
    ),
    _mirrored(
        "rating {}", "feedback", "rated",
        "(t.at, t.actor, t.run, t.review, json_extract(t.body, '$.rating'), json_extract(t.body, '$.comment')) "
        "IS (r.at, r.actor, r.run, r.review, r.rating, r.comment)",
    ),
    _mirrored(
        "takeover {}", "takeovers", "taken_over",
        "(t.at, t.actor, t.run, json_extract(t.body, '$.head'), json_extract(t.body, '$.identified')) "
        "IS (r.at, r.actor, r.run, r.head, r.identified)", NOT_PRUNED,
    ),
    _Mirrored(
        "review {}, or the log of how it ended,",
        f"SELECT v.id FROM reviews v WHERE (v.state IN {ENDED}) IS NOT EXISTS "
        f"(SELECT 1 FROM audit t WHERE t.review = v.id AND t.kind IN {ENDED} AND (v.state = t.kind OR v.state NOT IN {ENDED})) LIMIT 1",
        "SELECT 1 WHERE 0",
    ),
    _Mirrored(
        "escalation of review {}",
        "SELECT r.review FROM escalations r WHERE NOT EXISTS (SELECT 1 FROM audit t WHERE t.kind = 'escalated' AND t.review = r.review "
        "AND (t.at, t.actor, t.actor_kind) IS (r.at, r.actor, r.actor_kind)) LIMIT 1",
        "SELECT t.review FROM audit t WHERE t.kind = 'escalated' AND t.review IS NOT NULL AND NOT EXISTS "
        "(SELECT 1 FROM escalations r WHERE r.review = t.review AND r.at = t.at) LIMIT 1",
    ),
    _Mirrored(
        "change {} of an autonomy level",
        "SELECT r.id FROM autonomy r WHERE NOT EXISTS (SELECT 1 FROM audit t WHERE t.kind = 'autonomy' AND (t.at, t.actor, t.actor_kind, "
        "json_extract(t.body, '$.agent'), json_extract(t.body, '$.tool'), json_extract(t.body, '$.was'), json_extract(t.body, '$.level'), "
        "json_extract(t.body, '$.why')) IS (r.at, r.actor, r.actor_kind, r.agent, r.tool, r.was, r.level, r.why)) LIMIT 1",
        "SELECT t.seq FROM audit t WHERE t.kind = 'autonomy' AND NOT EXISTS (SELECT 1 FROM autonomy r WHERE "
        "(t.at, json_extract(t.body, '$.agent'), json_extract(t.body, '$.tool'), json_extract(t.body, '$.level')) "
        "IS (r.at, r.agent, r.tool, r.level)) LIMIT 1",
    ),
    _mirrored("grant {}", "grants", "granted", SAME_GRANT),
    _Mirrored(
        "grant {}, or how it ended,",
        "SELECT r.id FROM grants r LEFT JOIN logged l ON l.kind = 'grant_revoked' AND l.number = r.id LEFT JOIN audit t ON t.seq = l.seq "
        "WHERE (t.at, t.actor, json_extract(t.body, '$.why')) IS NOT (r.revoked_at, r.revoked_by, nullif(r.why, '')) LIMIT 1",
        "SELECT number FROM logged WHERE kind = 'grant_revoked' AND number NOT IN (SELECT id FROM grants) LIMIT 1",
    ),
    _Mirrored(
        "grant {}, or how often it was used,",
        "SELECT r.id FROM grants r WHERE r.taken > r.uses OR r.taken != (SELECT count(*) FROM decisions d JOIN actions a "
        "ON a.review = d.review AND a.slot = d.slot WHERE a.grant_id = r.id AND d.actor_kind = 'grant') LIMIT 1",
        "SELECT d.id FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot "
        "WHERE d.actor_kind = 'grant' AND d.actor IS NOT 'grant:' || a.grant_id LIMIT 1",
    ),
    _Mirrored(
        "grant {}, or its time,",
        "SELECT r.id FROM grants r WHERE r.expires_at > r.at + r.for_s + 1 + coalesce((SELECT sum(json_extract(t.body, '$.by_s')) "
        "FROM audit t WHERE t.kind = 'clock' AND t.seq > (SELECT seq FROM logged WHERE kind = 'granted' AND number = r.id)), 0) LIMIT 1",
        "SELECT 1 WHERE 0",
    ),
    _Mirrored(
        "lesson {}",
        "SELECT r.id FROM lessons r WHERE (r.state, r.text) IS NOT (SELECT json_extract(t.body, '$.state'), json_extract(t.body, '$.text') "
        "FROM logged l JOIN audit t ON t.seq = l.seq WHERE l.kind = 'lesson' AND l.number = r.id ORDER BY l.seq DESC LIMIT 1) LIMIT 1",
        "SELECT number FROM logged WHERE kind = 'lesson' AND number NOT IN (SELECT id FROM lessons) LIMIT 1",
    ),
)  # fmt: skip
COUNTED = (("decision", "decisions", "decided"), ("review", "reviews", "opened"), ("run", "runs", "launched"))
"""Tables whose numbers SQLite counts: what was made is known although both its row and its entry are gone."""
NUMBERS = """
CREATE TEMP TABLE logged (kind TEXT NOT NULL, number INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (kind, number, seq)) WITHOUT ROWID;
CREATE TEMP TABLE pruned (run INTEGER PRIMARY KEY);
INSERT INTO logged SELECT kind, number, seq FROM (
    SELECT kind, seq, CASE kind WHEN 'launched' THEN run WHEN 'opened' THEN review
        WHEN 'decided' THEN json_extract(body, '$.decision') WHEN 'endorsed' THEN json_extract(body, '$.endorsement')
        WHEN 'rated' THEN json_extract(body, '$.feedback') WHEN 'taken_over' THEN json_extract(body, '$.takeover')
        WHEN 'lesson' THEN json_extract(body, '$.lesson') WHEN 'granted' THEN json_extract(body, '$.grant')
        WHEN 'grant_revoked' THEN json_extract(body, '$.grant') END AS number
    FROM audit
) WHERE number IS NOT NULL;
INSERT OR IGNORE INTO pruned SELECT e.value FROM audit t, json_each(t.body, '$.runs') e WHERE t.kind = 'pruned';
"""
"""The numbers that entries give, so that no row needs a search of the whole log. They are outside the database, which is only read."""
ANEW = "it is only an index; `hitl-tui doctor --repair` makes it anew"
HALF = re.compile(r"\\u(d[89a-f][0-9a-f]{2})")


def found(db: sqlite3.Connection) -> str:
    """What was changed of decisions, of actions and of the history; an empty sentence when nothing was."""
    for statement in NUMBERS.split(";"):
        db.execute(statement)
    for look in (_decisions, _actions, _opened, _mirrors, _counted, _history):
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
        if not fits(name, args, digest):
            decided = db.execute(DECISION, (review, slot)).fetchone()
            if decided:
                return _changed_action(decided[0], review, slot, False)
            return f"the action of review {call_id(review, slot)} is not what was asked: its row was changed"
    return ""


def _opened(db: sqlite3.Connection) -> str:
    """The first review whose calls are others than when it opened."""
    for review, text, raised, calls, signed, granted in db.execute(OPENED):
        logged = (*demanded(text, raised), json.loads(text).get("grants", {}))
        if logged != (json.loads(calls), json.loads(signed), json.loads(granted)):
            return f"the calls of review {review} are not those that were asked: their rows were changed"
    return ""


def demanded(opened: str, raised: str) -> tuple[list[list[Any]], list[int]]:
    """What the log says that rules demand of a review's calls: digest, reviewers, decider and what is separate; and which must be signed.

    Args:
        opened: body of the entry that opened it, which has calls.
        raised: what later entries say of it, as `RAISED` reads them: by slot, how many reviewers, and whether it must be signed.
    """
    body = json.loads(opened)
    calls, signed = [[*call, *["", []][len(call) - 2 :]] for call in body["calls"]], set(body.get("signed", []))
    for slot, (reviewers, is_signed) in (one for entry in json.loads(raised) for one in entry.items()):
        calls[int(slot)][1] = max(calls[int(slot)][1], reviewers)
        signed |= {int(slot)} if is_signed else set()
    return calls, sorted(signed)


def _mirrors(db: sqlite3.Connection) -> str:
    for table in MIRRORED:
        if row := db.execute(table.changed).fetchone():
            return f"{table.noun.format(row[0])} is not what the log says of it, or the log says nothing: its row or its entry was changed"
        if row := db.execute(table.gone).fetchone():
            return f"{table.noun.format(row[0])} is in the log and gone from its table"
    return ""


def _counted(db: sqlite3.Connection) -> str:
    for noun, table, kind in COUNTED:
        (made,) = db.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        (known,) = db.execute("SELECT coalesce(max(number), 0) FROM logged WHERE kind = ?", (kind,)).fetchone()
        if made != known:
            return f"{noun} {made} was made, and the last one in the log is {known}: entries were deleted, or rows were written without one"
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


def fits(name: Any, args: Any, digest: Any) -> bool:
    """Whether the digest was taken of the action that is stored in these words."""
    try:
        value = json.loads(args)
        return has_digest(digest, name, value) or has_digest(digest, _unescaped(name), value) or _fits_in_halves(name, args, digest)
    except (AttributeError, TypeError, ValueError, RecursionError):  # no JSON, or no text
        return False


def _fits_in_halves(name: str, args: str, digest: str) -> bool:
    """The same of an agent that joined a character's two halves of UTF-16 itself: stored, they are one."""
    return bool(HALF.search(args)) and has_digest(digest, _unescaped(name), _in_halves(json.loads(args)))


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
