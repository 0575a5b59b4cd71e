"""What the command line prints: the documented JSON shapes, and the same as text."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from hitl_tui import canonical_json
from hitl_tui.argument_text import drawn, name_line, name_text, text_rows, value_rows
from hitl_tui.effects.provenance import Provenance
from hitl_tui.effects.view import Section, destruction, problem_of, risk_told, title_of, worth_showing
from hitl_tui.formatting import age
from hitl_tui.model import (
    Action,
    Agent,
    Answer,
    Context,
    Decision,
    Endorsement,
    Escalation,
    Event,
    Feedback,
    Identified,
    Json,
    Notification,
    Outcome,
    PauseKind,
    ProposalVersion,
    Rating,
    Review,
    ReviewRow,
    ReviewState,
    ReviewView,
    Run,
    call_id,
)
from hitl_tui.sanitize import exact_line, whole_line


def as_json(value: Any) -> str:
    """JSON in ASCII only, so that nothing in it can act on a terminal."""
    return json.dumps(value, indent=2)


def run_id(run: int) -> str:
    """A run's id as it is printed, like r3."""
    return f"r{run}"


def action_json(action: Action) -> dict[str, Any]:
    """One action of a review."""
    return {
        "call": action.number,
        "slot": action.slot,
        "name": action.name,
        "args": action.args,
        "allowed": list(action.allowed),
        "digest": action.digest,
        "description": action.description,
        "tool_call": action.tool_call,
        "args_schema": action.args_schema,
        "answer_schema": action.answer_schema,
        "choices": list(action.choices),
        "means": dict(action.means),
        "risk": action.risk,
        "confidence": {"value": action.confidence.value, "source": action.confidence.source or None, "note": action.confidence.note},
        "route": action.outcome,
        "rule": action.rule or None,
        "reason": action.reason or None,
        "reviewers": action.reviewers,
        "decider": action.decider or None,
        "separate": list(action.separate),
        "signed": action.signed,
        "blind": action.blind,
    }


def times_json(review: Review, slot: int, views: Sequence[ReviewView]) -> dict[str, Any]:
    """When an action was opened, first viewed and decided, as Unix times, and how long the decider viewed it."""
    decision = review.decisions.get(slot)
    return {
        "opened_at": review.row.opened_at,
        "first_viewed_at": min((view.first_at for view in views), default=None),
        "decided_at": decision.at if decision else None,
        "viewed_ms": decision.viewed_ms if decision else None,
        "seen": decision.seen if decision else None,
    }


def review_json(review: Review, now: float, views: Sequence[ReviewView] = ()) -> dict[str, Any]:
    """One review, as `queue --json` lists it."""
    row = review.row
    return {
        "review": str(row.id),
        "run": run_id(row.run),
        "agent": row.agent,
        "thread": review.thread,
        "kind": row.kind,
        "state": row.state,
        "waiting_s": round(max(0.0, (review.decided_at or now) - row.opened_at), 3),
        "interrupt": review.interrupt,
        "node": review.node,
        "path": list(review.path),
        "note": row.note,
        "risk": row.risk,
        "confidence": row.confidence,
        "route": row.route,
        "claim": {"by": row.claimed_by, "until": row.claimed_until} if row.claimant(now) else None,
        "deadline": {"at": row.deadline_at, "then": row.deadline_then} if row.deadline_at is not None else None,
        "recipient": row.recipient or None,
        "escalated_to": row.escalated or None,
        "value": review.value,
        "actions": [{**action_json(action), **times_json(review, action.slot, views)} for action in review.actions],
        "decisions": [
            {
                "slot": d.slot,
                "decision": d.answer.kind,
                "args": d.answer.args,
                "message": d.answer.message,
                "by": d.actor,
                "at": d.at,
                "digest": d.digest,
                "viewed_ms": d.viewed_ms,
                "seen": d.seen,
                "template": d.answer.template,
                "identified": d.identified,
            }
            for d in review.decisions.values()
        ],
    }


def people_json(endorsements: Iterable[Endorsement], views: Iterable[ReviewView]) -> dict[str, Any]:
    """First decisions of actions that need several people, and who viewed the review, as `queue` and `show` add them."""
    return {
        "endorsements": [
            {
                "slot": e.slot,
                "decision": None if e.is_hidden else e.answer.kind,
                "args": e.answer.args,
                "message": e.answer.message,
                "by": e.actor,
                "at": e.at,
                "identified": e.identified,
            }
            for e in endorsements
        ],
        "seen_by": [{"by": s.reviewer, "first_at": s.first_at, "last_at": s.last_at, "viewed_ms": s.viewed_ms} for s in views],
    }


def rating(value: Rating | None) -> str | None:
    """A rating in JSON: `up`, `down`, or null."""
    return None if value is None else "up" if value > 0 else "down"


def feedback_json(one: Feedback) -> dict[str, Any]:
    """One rating, as `show --json` and `rate --json` print it: of a decision, a line of a run's trace, or a whole run."""
    subject = one.subject
    return {
        "run": run_id(subject.run),
        "review": None if subject.review is None else str(subject.review),
        "slot": subject.slot,
        "line": subject.event,
        "rating": rating(one.rating),
        "comment": one.comment,
        "tags": list(one.tags),
        "by": one.actor,
        "at": one.at,
    }


def feedback_text(feedback: Iterable[Feedback]) -> str:
    """Ratings as text."""
    lines = []
    for one in feedback:
        subject = one.subject
        inside = f"line {subject.event}" if subject.review is None else call_id(subject.review, subject.slot or 0)
        on = "the whole run" if subject.is_whole_run else inside
        words = (f": {one.comment}" if one.comment else "") + "".join(f" [{tag}]" for tag in one.tags)
        lines.append(exact_line(f"thumbs {rating(one.rating)} on {on} by {one.actor}{words}"))
    return "\n".join(lines)


def context_json(context: Context) -> dict[str, Any]:
    """A review's context, as `show REVIEW --json` adds it."""
    return {
        "reasoning": context.reasoning,
        "conversation": [message.as_json() for message in context.conversation],
        "attempts": [{"name": a.name, "args": a.args, "result": a.result, "failed": a.failed} for a in context.attempts],
        "error": context.error,
        "state": context.state,
        "model": context.model,
    }


def run_json(run: Run) -> dict[str, Any]:
    """One run, as `runs --json` lists it."""
    return {
        "run": run_id(run.id),
        "agent": run.agent,
        "thread": run.thread,
        "state": run.state,
        "title": run.title,
        "tags": list(run.options.tags),
        "limits": list(run.options.limits),
        "error": run.error or None,
        "result": run.result,
        "activity": run.activity,
        "silent_s": round(run.silent_s(time.time())) or None,
        "input": run.input,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def event_json(event: Event) -> dict[str, Any]:
    """One line of a trace."""
    return {"seq": event.seq, "at": event.at, "kind": event.kind, "node": event.node, "path": list(event.path), "body": event.body}


def agent_json(agent: Agent) -> dict[str, Any]:
    """One agent, as `agents --json` lists it."""
    return {
        "agent": agent.name,
        "project": agent.project,
        "label": agent.label,
        "description": agent.description,
        "takes_text": agent.takes_text,
        "input_schema": agent.input_schema,
        "context_schema": agent.context_schema,
        "error": agent.error or None,
    }


GAP = "  "
AGENT = "┃"
"""Stands before lines that an agent wrote, so that they cannot imitate others."""
NAME_CELLS = 22
"""Most cells of the column of names beside a call's arguments."""
EFFECT_CELLS = 18
"""Cells of the words about what a call would do, before the agent's text that they are about."""
Effects: TypeAlias = tuple[Sequence[Section], Sequence[Provenance]]
"""What a call would do, and where its values come from."""
NO_EFFECTS: Mapping[int, Effects] = {}
LEAST_CELLS = 6
"""A column is never cut below this width."""


def terminal_cells() -> int | None:
    """Columns of the terminal that the output goes to; None where it goes into a file or a pipe, which takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(rows: Iterable[tuple[str, ...]], indent: str = "", whole: bool = False) -> str:
    """Rows in aligned columns, in which agent text cannot act on the terminal.

    In a terminal they are cut to its width, the widest columns first; `whole` rows, which hold sentences, are not.
    """
    shown = [tuple(map(whole_line, row)) for row in rows]
    if not shown:
        return ""
    widths = [max(cells(row[i]) for row in shown) for i in range(len(shown[0]))]
    room = None if whole else terminal_cells()
    if room is not None:
        widths = _narrowed(widths, room - len(indent) - len(GAP) * (len(widths) - 1))
    return "\n".join(indent + GAP.join(map(_fit, row, widths)).rstrip() for row in shown)


def _narrowed(widths: Sequence[int], room: int) -> list[int]:
    """Widths of the columns that fit into the room, as far as they can."""
    found = [min(width, max(room, LEAST_CELLS)) for width in widths]
    while sum(found) > room and max(found) > LEAST_CELLS:
        found[found.index(max(found))] -= 1
    return found


def cells(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # only where needed: most output has no wide characters

    return cell_len(text)


def _fit(text: str, width: int) -> str:
    """A text filled up, or cut, to a width."""
    size = cells(text)
    if size <= width:
        return text + " " * (width - size)
    from rich.cells import set_cell_size

    return f"{set_cell_size(text, width - 1)}…"


def state_of(row: ReviewRow, now: float) -> str:
    """A review's state; for an open one also its claim, recipient and deadline."""
    if row.state != ReviewState.OPEN:
        return row.decided or str(row.state)
    takeover = "human takeover" if row.route == Outcome.TAKEOVER else ""
    return " · ".join(filter(None, [takeover, row.decided, *_assignment(row, now)])) or str(row.state)


def _assignment(row: ReviewRow, now: float) -> Iterator[str]:
    if claimant := row.claimant(now):
        yield f"claimed by {claimant}"
    if row.escalated:
        yield "escalated, unassigned" if row.escalated == "anybody" else f"escalated to {row.escalated}"
    elif row.recipient:
        yield f"for {row.recipient}"
    if row.deadline_at is not None:
        left = row.deadline_at - now
        then = "rejected" if row.deadline_then == "reject" else "escalated"
        yield f"{then} in {age(left)} if nobody decides" if left > 0 else "deadline passed"


def queue_table(reviews: Iterable[ReviewRow]) -> str:
    """The queue as text."""
    now = time.time()
    return table(
        (
            str(r.id),
            name_text(r.title) if r.slots == 1 else f"{name_text(r.title)} +{r.slots - 1}",
            r.agent,
            state_of(r, now),
            age(now - r.opened_at),
            _by_agent(r.summary),
        )
        for r in reviews
    )


def runs_table(runs: Iterable[Run]) -> str:
    """Runs as text."""
    now = time.time()
    return table(
        (run_id(r.id), r.state, r.agent, age(now - r.created_at), _silence(r, now) or _by_agent(r.error or r.activity or r.title))
        for r in runs
    )


def _silence(run: Run, now: float) -> str:
    """That a run's worker does not respond; empty if it does."""
    silent_s = run.silent_s(now)
    return f"its worker has not responded for {age(silent_s)}: `hitl-tui release {run_id(run.id)}`" if silent_s else ""


def review_text(
    review: Review,
    context: Context,
    endorsements: Sequence[Endorsement] = (),
    views: Sequence[ReviewView] = (),
    effects: Mapping[int, Effects] = NO_EFFECTS,
) -> str:
    """One review as text: its assignment, its actions with what they would do and the allowed decisions, and the agent's reasoning."""
    row, now = review.row, time.time()
    node = "after its last node" if row.kind is PauseKind.FRONTEND_TOOLS else f"node {'/'.join((*review.path, review.node))}"
    lines = [f"review {row.id} · {row.state} · {row.agent} · run {run_id(row.run)} · {node}"]
    lines += [f"note: {row.note}"] if row.note else []
    lines += [state_of(row, now)] if state_of(row, now) != row.state else []
    lines += ["viewed by " + ", ".join(f"{view.reviewer} ({age(view.viewed_ms / 1000)})" for view in views)] if views else []
    lines = list(map(exact_line, lines))
    for action in review.actions:
        told = effects.get(action.slot, ((), ()))
        known = row.kind.is_tool_call or review.risk_of(action) is not None
        risk = " · ".join(filter(None, risk_told(review.risk_of(action), destruction(told[0])))) if known else ""
        lines += ["", *_action_lines(action, review.decisions.get(action.slot), risk, told)]
        lines += [f"  {action.reviewers} people must approve the same"] if action.reviewers > 1 else []
        lines += [exact_line(f"  for {action.decider} to decide")] if action.decider else []
        lines += ["  every decision on it needs a signature"] if action.signed else []
        answered = sum(one.slot == action.slot for one in endorsements)
        blind = "the two answers differ, and the next one decides" if answered > 1 else "the two do not see each other's answer"
        lines += [f"  {blind}"] if action.blind else []
        for one in endorsements:
            if one.slot == action.slot:
                by = who(one.actor, one.identified)
                lines += [exact_line(f"  answered by {by}: hidden until another person has answered")] if one.is_hidden else []
                lines += [] if one.is_hidden else _decision_lines(one.answer, by)
    lines += ["", "why:", *agent_lines(context.reasoning)] if context.reasoning else []
    lines += ["", "last error:", *agent_lines(context.error)] if context.error else []
    return "\n".join(lines)


def _action_lines(action: Action, decision: Decision | None, risk: str, effects: Effects) -> list[str]:
    lines = [f"#{action.number} {name_text(action.name)}"]
    lines += [f"  {AGENT} {line}" for line in _args_lines(action.args)]
    lines += effects_lines(effects[0])
    lines += origins_lines(effects[1])
    told = [f"  risk: {risk.removeprefix('risk ')}"] if risk else []
    told += [f"  {action.confidence.told()}"] if action.confidence.source else []
    told += [f"  {action.routed()}"] if action.outcome else []
    told.append(f"  allowed: {', '.join(f'{k} ({action.means[k]})' if k in action.means else k for k in action.allowed)}")
    lines += map(exact_line, told)
    return lines + (_decision_lines(decision.answer, who(decision.actor, decision.identified)) if decision else [])


def origins_lines(origins: Sequence[Provenance]) -> list[str]:
    """Where the values of a call come from, each with the passage that holds it."""
    lines = []
    for one in origins:
        lines.append(exact_line(f"  {name_line(one.path, NAME_CELLS * 2)}: {one.told()}"))
        lines += [f"    {AGENT} {whole_line(one.passage)}"] if one.passage else []
    return lines


def effects_lines(effects: Sequence[Section]) -> list[str]:
    """What a call would do: a heading for each argument, and below it a row for each effect, an agent's text after its mark."""
    lines = []
    for section in worth_showing(effects):
        heading = title_of(section, name_line(section.argument, NAME_CELLS * 2))
        lines.append(exact_line(f"  {heading}: {problem_of(section)}" if section.problem else f"  {heading}"))
        for one in section.effects:
            marks = exact_line(", ".join(one.marks))
            text = whole_line("  " * one.depth + one.text) if one.text else ""
            lines += [f"    {marks}{' ' * max(1, EFFECT_CELLS - cells(marks))}{AGENT} {text}"] if text or one.marks else []
            lines += [f"    {' ' * EFFECT_CELLS}{AGENT}   {whole_line(one.detail)}"] if one.detail else []
    return lines


def who(actor: str, how: Identified | None) -> str:
    """Who decided, and how they were identified: `ann (login)`; the name alone where nothing was checked."""
    return f"{actor} ({how})" if how and how is not Identified.NAMED else actor


def _decision_lines(answer: Answer, actor: str) -> list[str]:
    lines = [f"  {answer.kind} by {actor}" + (f": {answer.message}" if answer.message else "")]
    lines += [] if answer.template is None else [f"  sent {canonical_json.dumps(answer.template)}"]
    return [*map(exact_line, lines), *(f"    {line}" for line in (_args_lines(answer.args) if answer.args is not None else []))]


def version_json(version: ProposalVersion) -> dict[str, Any]:
    """One version that was sent back for revision, as `show REVIEW --json` adds it."""
    return {
        "review": str(version.review),
        "slot": version.slot,
        "name": version.name,
        "proposal": version.proposal,
        "left": version.left,
        "note": version.note,
        "by": version.actor,
        "at": version.at,
    }


def versions_text(versions: Iterable[ProposalVersion]) -> str:
    """Earlier versions of a review as text: each with the reviewer's changes and note."""
    lines: list[str] = []
    for number, version in enumerate(versions, 1):
        note = f": {version.note}" if version.note else ""
        sent_back = exact_line(f" (review {version.review}), sent back by {version.actor}{note}")
        lines += ["", f"version {number} of {name_text(version.name)}{sent_back}"]
        lines += [f"  {AGENT} {line}" for line in _args_lines(version.left)]
    return "\n".join(lines)


def escalation_json(one: Escalation) -> dict[str, Any]:
    """One escalation, as `show REVIEW --json` adds it."""
    return {
        "escalation": one.id,
        "at": one.at,
        "to": one.recipient or None,
        "by": one.actor,
        "why": one.why,
        "note": one.note or None,
        "step": one.step,
        "next_at": one.next_at,
        "acknowledged": {"by": one.acknowledged_by, "at": one.acknowledged_at} if one.acknowledged_at is not None else None,
    }


def escalations_text(escalations: Iterable[Escalation], now: float) -> str:
    """Escalations as text: to whom, by whom, and why."""
    lines = []
    for one in escalations:
        claimed = f"; claimed by {one.acknowledged_by}" if one.acknowledged_by else ""
        to = f"to {one.recipient}" if one.recipient else "(unassigned)"
        lines += [exact_line(f"escalated {to} {age(now - one.at)} ago by {one.actor}: {one.why}{claimed}")]
        lines += [f"  {drawn(row)}" for row in text_rows(one.note)] if one.note else []
    return "\n".join(lines)


def notification_json(notification: Notification) -> dict[str, Any]:
    """One notification, as `show REVIEW --json` adds it."""
    return {
        "escalation": notification.escalation,
        "channel": notification.channel,
        "state": notification.state,
        "due_at": notification.due_at,
        "tries": notification.tries,
        "error": notification.error or None,
    }


def notifications_text(notifications: Iterable[Notification]) -> str:
    """Failed notifications as text."""
    return "\n".join(f"note: {exact_line(told)}" for told in map(Notification.told, notifications) if told)


def _args_lines(args: Json) -> list[str]:
    """A call's arguments as the console shows them: a column of names, text with its own lines, anything nested as JSON."""
    if not isinstance(args, dict):
        return list(map(drawn, value_rows(args)))
    names = list(map(name_text, args))
    column = min(max(map(cells, names), default=0), NAME_CELLS)
    lines = []
    for name, value in zip(names, args.values(), strict=True):
        first, *rest = map(drawn, value_rows(value))
        if cells(name) > NAME_CELLS:  # beside its value it could be taken for a shorter name with another value
            lines.append(name if name.startswith('"') else f'"{name}"')
            name = ""
        lines += [f"{name}{' ' * (column - cells(name))}  {first}", *(f"{' ' * column}  {line}" for line in rest)]
    return lines


def run_text(run: Run, trace: Iterable[Event], reviews: Iterable[ReviewRow]) -> str:
    """One run as text: state, trace, reviews and result."""
    lines = [f"run {run_id(run.id)} · {run.state} · {run.agent} · thread {run.thread}", f"title: {run.title}"]
    lines += [f"tags: {', '.join(run.options.tags)}"] if run.options.tags else []
    lines += [f"limits: {'; '.join(run.options.limits)}"] if run.options.limits else []
    lines += [silence] if (silence := _silence(run, time.time())) else []
    lines = list(map(exact_line, lines))
    steps = table(((e.kind, "/".join((*e.path, e.node)), _by_agent(canonical_json.one_line(e.body, None))) for e in trace), indent="  ")
    lines += steps.split("\n") if steps else []
    lines += [exact_line(f"review {r.id}: {r.title} · {r.decided or r.state}") for r in reviews]
    lines += ["result:", *(f"  {AGENT} {drawn(row)}" for row in value_rows(run.result))] if run.result is not None else []
    lines += ["error:", *agent_lines(run.error), *agent_lines(run.traceback)] if run.error else []
    return "\n".join(lines)


def agent_lines(text: str) -> list[str]:
    """The lines of a text that an agent wrote, each after its mark."""
    return [f"  {AGENT} {drawn(row)}" for row in text_rows(text)] if text else []


def _by_agent(text: str) -> str:
    return f"{AGENT} {text}" if text else ""
