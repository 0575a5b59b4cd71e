"""A soak's tool calls as traces of agentack, whose checks of approval controls judge them independently of our own invariants.

One session for each run, with each decision that was not taken back as one approval of its call: proposed, asked, decided, and what ran for
it. An edit denies the call that was proposed and allows the one that was written in its place. Of agentack's rules,

- ACK004, one use of an approval, and ACK007, which finds no unused approval after a refusal, and so none after an edit: a call may
  run again for the same decision after its worker ended or somebody retried the run, with the same `hitl_decision_id`, by which
  idempotent tools act once. Repetitions that our own invariant explains are accepted, no others;
- ACK005, expiry: approvals do not expire here, but agentack's own limit of five minutes holds for what ran;
- ACK008, interrupts: a run that was cancelled can be retried, so that no interrupt is final. None is written into the trace.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from agentack.engine import evaluate_events
from agentack.models import Action, TraceEvent
from agentack.policy import Policy

from tests.soak.evidence import Effect, Row
from tests.soak.invariants import Checker

POLICY = Policy(require_approval_for=("*:*",))
CALLS = ("tool_calls", "tool_approval", "tool_gate")
"""Kinds of reviews whose actions are tool calls."""
REPEATED = ("ACK004", "ACK007")
"""Rules that find what runs again for the same decision."""
Line = tuple[TraceEvent, Effect | None]
"""An event, and the effect that it is about."""


def findings(checker: Checker) -> list[str]:
    """What agentack finds, as sentences, but for the repetitions that are explained. Evidence that is incomplete is a finding, too."""
    explained = {id(then) for first, then in checker.repeats if checker.ended(first, then) or checker.taken_up(first, then)}
    explained |= {id(effect) for effect in checker.asked_for if checker.is_late(effect)}
    found = []
    for run in checker.evidence.runs.values():
        lines = trace(checker, run)
        for one in evaluate_events([event for event, _ in lines], policy=POLICY).findings:
            effect = lines[one.line - 1][1] if one.line else None
            if one.rule_id not in REPEATED or id(effect) not in explained:
                found.append(f"r{run['id']}: {one.rule_id} {one.title}: {one.message}")
    return found


def trace(checker: Checker, run: Row) -> list[Line]:
    """The events of a run, in the order in which they happened; numbered from 1."""
    made = list(_approvals(checker, run))
    executed = [
        one for effect in checker.asked_for if effect.what == "tool" and effect.thread == run["thread"] for one in _ran(checker, effect)
    ]
    used = {event.action_id for event, _ in executed}
    allowed = [event for event, _ in made if event.type == "approval_decision"]
    blocked = [
        _event("action_blocked", run, event.timestamp.timestamp(), event.action_id, approval_id=event.approval_id)
        for event in allowed
        if event.action_id not in used
    ]
    ordered = sorted([*made, *((event, None) for event in blocked), *executed], key=lambda one: one[0].timestamp)
    end = _event("session_end", run, ordered[-1][0].timestamp.timestamp() if ordered else 0.0)
    return [(_numbered(event, line), effect) for line, (event, effect) in enumerate([*ordered, (end, None)], 1)]


def _approvals(checker: Checker, run: Row) -> Iterator[Line]:
    """Each decision on a tool call of a run, with what it was asked about; also the call that an edit put in its place."""
    for row in checker.decided(run):
        if checker.kind_of(row) not in CALLS:
            continue
        action = checker.action_of(row)
        asked = Action(action["name"], "call", None, action["args"])
        yield from _approval(run, row, f"call {row['id']}", asked, row["kind"] == "approve")
        if row["kind"] == "edit":
            yield from _approval(run, row, f"edited {row['id']}", Action(action["name"], "call", None, row["args"]), True)


def _approval(run: Row, row: Row, name: str, action: Action, allows: bool) -> Iterator[Line]:
    intent = f"{action.tool} {action.parameters.get('ref')}"
    yield _event("action_proposed", run, row["at"], name, intent, action=action), None
    yield _event("approval_requested", run, row["at"], name, intent, approval_id=f"approval of {name}", action=action), None
    decision = "allow" if allows else "deny"
    yield _event("approval_decision", run, row["at"], name, intent, approval_id=f"approval of {name}", decision=decision), None


def _ran(checker: Checker, effect: Effect) -> Iterator[Line]:
    """A tool that ran, with the newest decision on its call that its id names, also as the first of several of one effect; or with none."""
    run, about = checker.threads[effect.thread], checker.about(effect)
    ids = {row["id"] for row in checker.evidence.decisions_in(effect.key)}
    named = [row for row in about if row["id"] in ids or row.get("repeats") in ids] or about
    action = Action(effect.name, "call", None, effect.args)
    if not named:
        yield _event("action_executed", run, effect.at, f"unknown {effect.call}", action=action), effect
        return
    row = next((one for one in reversed(named) if checker.allows_effect(one, effect)), named[-1])
    name = f"{'edited' if row['kind'] == 'edit' else 'call'} {row['id']}"
    yield _event("action_executed", run, effect.at, name, approval_id=f"approval of {name}", action=action), effect


def _event(type_: Any, run: Row, at: float, action_id: str | None = None, intent: str | None = None, **more: Any) -> TraceEvent:
    return TraceEvent(type_, datetime.fromtimestamp(at, UTC), run["thread"], action_id, intent, **more)


def _numbered(event: TraceEvent, line: int) -> TraceEvent:
    """The event as agentack reads it from a file, which checks its form."""
    return TraceEvent.from_dict(event.to_dict(), line=line)
