"""A past decision as lines: the decision, the difference, the proposal, the log, and the people involved. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hitl_tui import canonical_json
from hitl_tui.effects import remark_sections
from hitl_tui.formatting import age, at_time, percent, viewed_duration
from hitl_tui.model import ActorKind, Answer, AuditEntry, DecisionKind, HistoryEntry, Json, person_key
from hitl_tui.ui.review import render
from hitl_tui.ui.review.context import LEAD, escalation_lines
from hitl_tui.ui.review.effects import effect_lines
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, table, value_lines, without_last_blank
from hitl_tui.ui.text.ratings import rating_lines

TABS = ("Log", "People", "Conversation", "Done so far", "Graph", "State", "Raw")
HASH, HASH_SHOWN = re.compile(r"\b[0-9a-f]{32,}\b"), 12
"""Hashes in the log, and the characters of them that are shown."""
CHANGED = frozenset({DecisionKind.EDIT, DecisionKind.REJECT})
"""Decisions whose arguments are an edited proposal."""


def titles(entry: HistoryEntry | None) -> dict[str, str]:
    """Tab → title, some with a count."""
    if entry is None:
        return {tab: tab for tab in TABS}
    people = {person_key(one.reviewer) for one in entry.views} | {person_key(one.actor) for one in entry.endorsements}
    people |= {person_key(one.actor) for one in entry.escalations if one.actor_kind is ActorKind.PERSON}
    people |= {person_key(entry.row.actor)} if entry.row.actor_kind is ActorKind.PERSON else set()
    counts = {
        "Log": len(entry.log),
        "People": len(people),
        "Conversation": len(entry.context.conversation),
        "Done so far": len(entry.context.attempts),
    }
    return {tab: f"{tab} {counts[tab]}" if tab in counts else tab for tab in TABS}


def entry_lines(entry: HistoryEntry, viewer: Viewer) -> Iterator[Line]:
    """The decision and its reason, what it changed, and what was proposed."""
    row, answer = entry.row, entry.decision.answer
    glyph, word, style = labels.decided(entry.review.row.kind, answer)
    who = labels.actor(row.actor, viewer.reviewer, row.actor_kind)
    who += labels.identified(entry.decision.identified)
    yield line(f"{word} by {who} {at_time(row.at, viewer.now)}", "strong" if row.in_force else "muted", glyph, 2, style)
    if row.undone_at is not None:
        yield line(f"undone {at_time(row.undone_at, viewer.now)}", "warning", "", 2)
    elif row.replaced:
        yield line(row.replaced, "warning", "", 2)
    viewed = "" if row.viewed_ms is None else f", viewed for {viewed_duration(row.viewed_ms)}"
    yield line(f"waited {age(row.waited_s)}{viewed}{_outcome(entry, viewer)}", "muted", "", 2)
    if row.together:
        yield line(f"decided together with {row.set_size - 1:,} more: /set:{row.set_first} lists them", "muted", "", 2)
    if row.actor_kind is ActorKind.PERSON:
        yield line(_seen(row.seen), "warning" if row.seen is not None and row.seen < 1 else "muted", "", 2)
    if row.rule:
        yield line(entry.action.routed() if entry.action.outcome else f"rule {row.rule}", "muted", "", 2)
    yield from rating_lines(entry.feedback, viewer)
    yield from _reason(answer)
    yield from _changes(entry, answer)
    yield BLANK
    yield line("proposal", "title")
    args = entry.action.args
    if isinstance(args, dict) and args:
        yield from table(args.items())
    else:
        yield from value_lines(args)
    if told := remark_sections.sections_of(entry.action.name, entry.action.slot, entry.remarks):
        yield BLANK
        yield from effect_lines(told)


def _seen(share: float | None) -> str:
    return "share seen: not measured" if share is None else f"{percent(share)} of it was on the screen"


def _outcome(entry: HistoryEntry, viewer: Viewer) -> str:
    review = entry.review
    if not entry.row.in_force:
        return ""
    if review.applied_at is not None:
        return f", applied {at_time(review.applied_at, viewer.now)}"
    gone = review.row.state in render.GONE
    return f", {labels.closing(review.row, viewer.reviewer)[1]}" if gone else ""


def _reason(answer: Answer) -> Iterator[Line]:
    if answer.template is not None:
        yield BLANK
        yield line("sent by a template of the policy", "title")
        yield from value_lines(answer.template, agent=False)
    if answer.message is not None and answer.message.strip():
        yield BLANK
        yield line("answer" if answer.kind is DecisionKind.RESPOND else "reason", "title")
        yield from paragraph(answer.message)


def _changes(entry: HistoryEntry, answer: Answer) -> Iterator[Line]:
    if answer.args is None:
        return
    yield BLANK
    if answer.kind in CHANGED:
        yield line("changes", "title")
        yield from without_last_blank(difference_lines(entry.action.args, answer.args))
    else:
        yield line("answer", "title")
        yield from value_lines(answer.args, agent=False)


def tab_lines(tab: str, entry: HistoryEntry, viewer: Viewer) -> Iterator[Line]:
    """The lines of one of the lower tabs."""
    if tab == "Log":
        for one in entry.log:
            yield from _log_entry(one, viewer)
    elif tab == "People":
        yield from _people(entry, viewer)
    else:
        yield from render.tab_lines(tab, entry.review, entry.action, entry.context, None, viewer)


def _log_entry(one: AuditEntry, viewer: Viewer) -> Iterator[Line]:
    number = str(one.seq)
    by = f" by {labels.actor(one.actor, viewer.reviewer, one.actor_kind)}" if one.actor else ""
    yield line(f"{one.kind.replace('_', ' ')}{by} {at_time(one.at, viewer.now)}", "", number, len(number) + 2, "accent")
    if fields := _fields(one.body):
        yield line(fields, "muted", "", 1)
    yield line(f"hash {_short(one.hash)}", "muted", "", 1)


def _fields(body: Json) -> str:
    """The entry's fields on one line, without empty ones."""
    if not isinstance(body, dict):
        return canonical_json.dumps(body)
    parts = [(name, value) for name, value in body.items() if value is not None and value != ""]
    parts = [("call", value + 1) if name == "slot" and isinstance(value, int) else (name, value) for name, value in parts]
    texts = [(name, value if isinstance(value, str) else canonical_json.dumps(value)) for name, value in parts]
    return " · ".join(f"{name} {_short(text)}".replace("\n", "⏎") for name, text in texts)


def _short(text: str) -> str:
    """A text with the beginnings of its hashes: `hitl-tui audit` has them whole."""
    return HASH.sub(lambda found: f"{found[0][:HASH_SHOWN]}…", text)


def _people(entry: HistoryEntry, viewer: Viewer) -> Iterator[Line]:
    yield line(f"{at_time(entry.review.row.opened_at, viewer.now)} by {entry.row.agent}", "", "opened", LEAD)
    for one in entry.escalations:
        yield from escalation_lines(one, viewer.reviewer, viewer.now)
    for endorsement in entry.endorsements:
        word, who = labels.DECIDED[endorsement.answer.kind][1], labels.actor(endorsement.actor, viewer.reviewer)
        who += labels.identified(endorsement.identified)
        number = f" call {endorsement.slot + 1}" if len(entry.review.actions) > 1 else ""
        yield line(f"{word}{number} by {who} {at_time(endorsement.at, viewer.now)}", "", "agreed", LEAD, "accent")
    lead = "seen"
    for view in entry.views:
        who = labels.actor(view.reviewer, viewer.reviewer)
        yield line(f"by {who} for {viewed_duration(view.viewed_ms)}, last {at_time(view.last_at, viewer.now)}", "", lead, LEAD)
        lead = ""
    if not entry.views:
        yield line("by nobody", "muted", lead, LEAD)


def no_history_lines() -> Iterator[Line]:
    """The page shown while there are no decisions."""
    yield line("No decisions yet.", "strong")
    yield BLANK
    yield line("This page will show every decision of people, rules and deadlines, with the proposal and who saw it.")
    yield line("F1 shows the queue.")
