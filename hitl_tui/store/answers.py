"""A decision as a row: the one statement that stores it, whoever decides."""

from __future__ import annotations

from typing import Any

from hitl_tui import jsontext
from hitl_tui.model import Action, Answer, DecisionKind, effect_of

DECIDE = (  # an earlier decision of the same effect on the same call, which may have had it already, lends its number
    "INSERT INTO decisions (review, slot, digest, kind, args, message, actor, at, effective_at, looked_ms, effect, repeats) "
    "SELECT v.id, a.slot, a.digest, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, (SELECT coalesce(o.repeats, o.id) FROM reviews w "
    "JOIN decisions o ON o.review = w.id AND o.doubtful JOIN actions b ON b.review = o.review AND b.slot = o.slot "
    "WHERE w.run = v.run AND o.effect = ?8 AND (b.tool_call = a.tool_call OR (b.review = a.review AND b.slot = a.slot)) "
    "ORDER BY o.id DESC LIMIT 1) "
    "FROM reviews v JOIN actions a ON a.review = v.id WHERE v.id = ?9 AND v.state = 'open' AND a.slot = ?10 AND a.digest = ?11"
)


def row_of(
    review: int, shown: Action, answer: Answer, actor: str, at: float, effective_at: float, looked_ms: int | None
) -> tuple[Any, ...]:
    """What `DECIDE` is to be given: `shown` is the action as whoever decides knew it."""
    args = None if answer.args is None and answer.kind != DecisionKind.RESPOND else jsontext.dumps(answer.args)
    effect = effect_of(shown, answer)
    return answer.kind, args, answer.message, actor, at, effective_at, looked_ms, effect, review, shown.slot, shown.digest
