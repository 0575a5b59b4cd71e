"""How reviews and their actions stand in the tables: columns in order, and rows turned into nouns."""

from __future__ import annotations

import json
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Action, Attempt, Confidence, Context, DecisionKind, Message, Outcome, PauseKind, ReviewRow, ReviewState

ROW = (
    "v.id, v.run, v.agent, v.kind, v.state, v.title, v.summary, v.slots, v.opened_at, v.risk, v.confidence, v.note, v.decided, "
    "v.effective_at, v.route, v.recipient, v.escalated, v.claimed_by, v.claimed_until, v.deadline_at, v.deadline_then"
)
WIDTH = ROW.count(",") + 1
ACTION = (
    "slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest, confidence, confidence_source, "
    "confidence_note, risk, outcome, rule, reason, reviewers, declared, spot_check"
)


def action_values(a: Action) -> tuple[Any, ...]:
    """An action's columns, `ACTION`."""
    plain, dumps = canonical_json.plain, canonical_json.dumps
    return (
        a.slot, plain(a.name), dumps(a.args), dumps(list(a.allowed)), plain(a.description), dumps(a.args_schema), dumps(a.answer_schema),
        dumps(list(a.choices)), a.tool_call and plain(a.tool_call), dumps(dict(a.means)), a.digest, a.confidence.value, a.confidence.source,
        plain(a.confidence.note), a.risk and plain(a.risk), a.outcome, plain(a.rule), plain(a.reason), a.reviewers,
        a.declared and plain(a.declared), a.spot_check,
    )  # fmt: skip


def read_action(row: Any) -> Action:
    """The action of such a row."""
    slot, name, args, allowed, description, args_schema, answer_schema, choices, tool_call, means, digest = row[:11]
    confidence, source, why, risk, outcome, rule, reason, reviewers, declared, spot_check = row[11:]
    return Action(
        slot, name, json.loads(args), tuple(DecisionKind(k) for k in json.loads(allowed)), description, json.loads(args_schema),
        json.loads(answer_schema), tuple(json.loads(choices)), tool_call, digest, json.loads(means), Confidence(confidence, source, why),
        risk, outcome and Outcome(outcome), rule, reason, reviewers, declared, bool(spot_check),
    )  # fmt: skip


def read_row(row: Any) -> ReviewRow:
    """The review of a row of `ROW`."""
    id_, run, agent, kind, state, title, summary, slots, opened_at, risk, confidence, note, decided, effective_at, route = row[:15]
    return ReviewRow(
        id_,
        run,
        agent,
        PauseKind(kind),
        ReviewState(state),
        title,
        summary,
        slots,
        opened_at,
        risk,
        confidence,
        note,
        decided,
        effective_at,
        route and Outcome(route),
        *row[15:],
    )


def read_context(raw: dict[str, Any]) -> Context:
    """A stored context."""
    return Context(
        conversation=tuple(Message(**{**m, "calls": tuple((name, args) for name, args in m["calls"])}) for m in raw["conversation"]),
        reasoning=raw["reasoning"],
        attempts=tuple(Attempt(**a) for a in raw["attempts"]),
        error=raw["error"],
        state=raw["state"],
        before=tuple(raw["before"]),
        after=tuple(raw["after"]),
        model=raw["model"],
    )
