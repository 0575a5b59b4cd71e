"""`hitl-tui history`: lists decisions, and shows one in full."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click

from hitl_tui import canonical_json
from hitl_tui.argument_text import name_text
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, json_option, number
from hitl_tui.effects import remark_sections
from hitl_tui.formatting import age, local_time
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, HistoryDetails, HistoryEntry, HistoryRow, Json, call_id
from hitl_tui.model.history import COLUMNS
from hitl_tui.sanitize import exact_line

PAST_TENSE = {
    DecisionKind.APPROVE: "approved",
    DecisionKind.EDIT: "edited",
    DecisionKind.REJECT: "rejected",
    DecisionKind.RESPOND: "answered",
}


@command("hitl-tui history", "hitl-tui history 'agent:mail* decided:edit,reject since:30d'", "hitl-tui history --show 12")
@click.argument("filter_", metavar="[FILTER]", required=False, default="")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="List at most this many.")
@click.option("--before", metavar="DECISION", help="List decisions before this one; for the next page.")
@click.option("--show", "shown", metavar="DECISION", help="Show one decision in full, with its context at the time.")
@json_option
@common_options
def history(
    filter_: str, limit: int, before: str | None, shown: str | None, json_: bool, home: str | None, reviewer: str | None
) -> None:  # fmt: skip
    """List decisions, newest first.

    FILTER selects some of them, like "agent:mail* decided:reject since:7d".
    """
    if shown is not None:
        one = _number(shown)
        print_from_inbox(lambda inbox: _opened(inbox, one, json_), home, reviewer)
        return
    last = None if before is None else _number(before)

    async def work(inbox: Inbox) -> str:
        found = await inbox.history.search_details(filter_, last, limit)
        if json_:
            return output.as_json([details_json(one) for one in found])
        return output.table(map(_line, found)) or "no decisions" + (" match" if filter_.strip() else " yet")

    print_from_inbox(work, home, reviewer)


def _number(text: str) -> int:
    return number(text, "a decision, like 12")


async def _opened(inbox: Inbox, decision: int, as_json: bool) -> str:
    entry = await inbox.history.get(decision)
    return output.as_json(_entry_json(entry)) if as_json else _entry_text(entry)


def details_json(one: HistoryDetails) -> dict[str, Any]:
    """A decision, with the field names of `export --format jsonl`."""
    row = one.row
    return {
        "number": row.decision,
        "review": str(row.review),
        "call": row.slot + 1,
        "slot": row.slot,
        "run": output.run_id(row.run),
        "agent": row.agent,
        "tool": row.tool,
        "decision": row.kind,
        "by": row.actor,
        "identified": row.identified,
        "reason": one.answer.message,
        "args": one.args,
        "final": _final(one.args, one.answer),
        "opened_at": row.opened_at,
        "first_viewed_at": one.first_viewed_at,
        "decided_at": row.at,
        **{column.name: column.value(row) for column in COLUMNS},
        "confidence": row.confidence,
        "rule": row.rule or None,
        "in_force": row.in_force,
        "taken_back_at": row.undone_at,
        "rating": output.rating(row.rating),
    }


def _entry_json(entry: HistoryEntry) -> dict[str, Any]:
    seen = min((view.first_at for view in entry.views), default=None)
    return {
        **details_json(HistoryDetails(entry.row, entry.action.args, entry.decision.answer, seen)),
        "digest": entry.decision.digest,
        **output.people_json(entry.endorsements, entry.views),
        "escalations": [output.escalation_json(one) for one in entry.escalations],
        "context": output.context_json(entry.context),
        "log": [
            {"seq": one.seq, "at": one.at, "kind": one.kind, "by": one.actor or None, "body": one.body, "hash": one.hash}
            for one in entry.log
        ],
    }


def _remarked(entry: HistoryEntry) -> dict[int, output.Effects]:
    """By slot, the remarks on the calls that were made before the decision."""
    return {action.slot: (remark_sections.sections_of(action.name, action.slot, entry.remarks), ()) for action in entry.review.actions}


def _entry_text(entry: HistoryEntry) -> str:
    row, answer = entry.row, entry.decision.answer
    lines = [
        f"decision {row.decision} · {call_id(row.review, row.slot)} · {_outcome(row)} {local_time(row.at)}",
        ", ".join(filter(None, (column.text(row) for column in COLUMNS))),
    ]
    lines += [f"reason: {answer.message}"] if answer.message else []
    lines += [f"changed: {change}" for change in changes(entry.action.args, answer.args)] if _is_change(answer) else []
    parts = [
        "\n".join(map(exact_line, lines)),
        output.review_text(entry.review, entry.context, entry.endorsements, entry.views, _remarked(entry)),
        output.escalations_text(entry.escalations, time.time()),
        "\n".join(
            exact_line(f"{one.seq:>8}  {local_time(one.at)}  {one.kind}" + (f" by {one.actor}" if one.actor else "")) for one in entry.log
        ),
    ]
    return "\n\n".join(filter(None, parts))


def _line(one: HistoryDetails) -> tuple[str, ...]:
    row, answer = one.row, one.answer
    changed = " · ".join(changes(one.args, answer.args)) if _is_change(answer) else ""
    proposed = canonical_json.one_line(one.args, None)
    reason = f"“{canonical_json.one_line(answer.message, None)}”" if answer.message else ""
    ago = age(time.time() - row.at)
    return (
        str(row.decision),
        f"{ago} ago",
        call_id(row.review, row.slot),
        name_text(row.tool),
        row.agent,
        _outcome(row),
        *(column.text(row) for column in COLUMNS),
        f"{output.AGENT} {changed or proposed}",
        reason,
    )


def _outcome(row: HistoryRow) -> str:
    word = "sent back" if row.sent_back else PAST_TENSE[row.kind]
    return f"{word} by {output.who(row.actor, row.identified)}" + (f", {row.replaced}" if row.replaced else "")


def _is_change(answer: Answer) -> bool:
    """Whether the answer holds the person's version of the arguments."""
    return answer.kind in (DecisionKind.EDIT, DecisionKind.REJECT) and answer.args is not None


def _final(args: Json, answer: Answer) -> Json:
    """The arguments that ran; None if nothing ran."""
    return args if answer.kind is DecisionKind.APPROVE else answer.args if answer.kind is DecisionKind.EDIT else None


def changes(before: Json, after: Json) -> Iterator[str]:
    """The difference of two argument sets, one line per argument: `to: Bob → Ann`, `cc added: Eve`, `bcc removed`."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield f"{canonical_json.one_line(before, None)} → {canonical_json.one_line(after, None)}"
        return
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            yield f"{name} removed"
        elif name not in before:
            yield f"{name} added: {canonical_json.one_line(after[name], None)}"
        elif canonical_json.canonical(before[name]) != canonical_json.canonical(after[name]):
            yield f"{name}: {canonical_json.one_line(before[name], None)} → {canonical_json.one_line(after[name], None)}"
