"""Holds new calls against the limits of their run, and counts what it has done, in the transaction that opens them."""

from __future__ import annotations

import json
from dataclasses import replace

from hitl_tui.model import DecisionKind, Facts, Outcome, Pause, Routed
from hitl_tui.policy.limits import Call, limited, outside
from hitl_tui.store.connection import Transaction

COUNTED = """
SELECT a.name, a.args, d.args
FROM reviews v
JOIN actions a ON a.review = v.id
LEFT JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded
WHERE v.run = :run AND (
    v.may_have_run
    OR (d.kind IN ('approve', 'edit') AND v.state NOT IN ('stale', 'expired'))
    OR (d.kind IS NULL AND v.state = 'open')
)
"""
"""Calls of a run that were approved, that wait for people, or that may have run once. What was rejected or never sent is not among them."""


def applied(db: Transaction, run: int, agent: str, pause: Pause, routed: Routed) -> Routed:
    """The verdicts on a new pause, where a call outside its run's limits asks a person, or is denied, instead of running by itself.

    To be called before the pause's own rows are written.
    """
    row = db.row("SELECT limits FROM runs WHERE id = ?", (run,))
    limits = json.loads(row[0]) if row else []
    if not limits or not pause.kind.is_tool_call:
        return routed
    others: list[Call] = [
        (str(name), json.loads(edited if edited is not None else args)) for name, args, edited in db.rows(COUNTED, {"run": run})
    ]
    verdicts = dict(routed.verdicts)
    for action in pause.actions:
        facts = Facts(agent, action.name, action.args, pause.kind, conversation=pause.context.conversation or None)
        found = outside(limits, facts, others)
        if found:
            may_deny = not pause.warning and DecisionKind.REJECT in action.allowed
            verdicts[action.slot] = limited(verdicts.get(action.slot), found, may_deny)
        if action.slot not in verdicts or verdicts[action.slot].outcome is not Outcome.DENY:
            others.append((action.name, action.args))
    return replace(routed, verdicts=verdicts)
