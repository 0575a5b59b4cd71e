"""A decision as a row: the one statement that stores it, whoever decides, and the one for what a first of several people says."""

from __future__ import annotations

import json
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Action, Answer, DecisionKind, Json, effect_of

BY_ITSELF = "(?4 GLOB 'policy:*' OR ?4 GLOB 'timeout:*')"
"""Rules and deadlines sign so: they are bound by no claim, and are nobody where people are counted."""
ASKED = (
    "FROM reviews v JOIN actions a ON a.review = v.id WHERE v.id = ?9 AND v.state = 'open' AND a.slot = ?10 AND a.digest = ?11 "
    "AND (v.claimed_by IS NULL OR v.claimed_until <= ?5 OR v.claimed_by = ?4 COLLATE NOCASE OR " + BY_ITSELF + ")"
)
SUPPORTED = (
    "(SELECT count(*) FROM endorsements e WHERE e.review = v.id AND e.slot = a.slot AND e.withdrawn_at IS NULL AND e.digest = a.digest "
    "AND e.effect = ?8 AND e.actor != ?4 COLLATE NOCASE) >= a.reviewers - 1"
)
"""So many others have said the same of the very action that no more are needed than this one."""
SAID = (
    "EXISTS (SELECT 1 FROM endorsements m WHERE m.review = v.id AND m.slot = a.slot AND m.withdrawn_at IS NULL AND m.digest = a.digest "
    "AND m.effect = ?8 AND m.actor = ?4 COLLATE NOCASE)"
)
DECIDE = (  # an earlier decision of the same effect on the same call, which may have had it already, lends its number
    "INSERT INTO decisions (review, slot, digest, kind, args, message, actor, at, effective_at, looked_ms, effect, agent, tool, repeats) "
    f"VALUES ((SELECT v.id {ASKED} AND (a.reviewers < 2 OR ?1 = 'reject' OR (NOT {BY_ITSELF} AND {SUPPORTED}))), "
    "?10, ?11, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT agent FROM reviews WHERE id = ?9), "
    "(SELECT name FROM actions WHERE review = ?9 AND slot = ?10), (SELECT coalesce(o.repeats, max(o.id)) FROM reviews v "
    "JOIN actions a ON a.review = v.id JOIN reviews w ON w.run = v.run JOIN decisions o ON o.review = w.id AND o.doubtful "
    "JOIN actions b ON b.review = o.review AND b.slot = o.slot WHERE v.id = ?9 AND a.slot = ?10 AND o.effect = ?8 "
    "AND (b.tool_call = a.tool_call OR (b.review = a.review AND b.slot = a.slot))))"
)
"""Without a review, where there is none to decide so: a trigger passes over such a row."""
ENDORSE = (  # not what this person has said already, and not what the others' word is enough for
    "INSERT INTO endorsements (review, slot, digest, kind, args, message, actor, at, looked_ms, effect) "
    f"SELECT v.id, a.slot, a.digest, ?1, ?2, ?3, ?4, ?5, ?7, ?8 {ASKED} AND a.reviewers > 1 AND ?1 != 'reject' AND NOT {BY_ITSELF} "
    f"AND NOT {SUPPORTED} AND NOT {SAID}"
)
SAID_ALREADY = f"SELECT 1 {ASKED} AND ?1 != 'reject' AND {SAID} AND NOT {SUPPORTED}"


def row_of(
    review: int, shown: Action, answer: Answer, actor: str, at: float, effective_at: float, looked_ms: int | None
) -> tuple[Any, ...]:
    """What `DECIDE` and `ENDORSE` are to be given: `shown` is the action as whoever decides knew it."""
    args = None if answer.args is None and answer.kind != DecisionKind.RESPOND else canonical_json.dumps(answer.args)
    effect = effect_of(shown, answer)
    return answer.kind, args, answer.message, actor, at, effective_at, looked_ms, effect, review, shown.slot, shown.digest


def answer_of(kind: str, args: str | None, message: str | None) -> Answer:
    """The answer in such a row."""
    return Answer(DecisionKind(kind), parsed(args), message)


def parsed(text: str | None) -> Json:
    """JSON as it is stored; None for NULL."""
    return None if text is None else json.loads(text)
