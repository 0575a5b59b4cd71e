"""A review's context: similar past decisions and the people involved. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hitl_tui import canonical_json
from hitl_tui.argument_text import name_line
from hitl_tui.formatting import age, at_time, remaining, until_time, viewed_duration
from hitl_tui.model import (
    Action,
    ActorKind,
    Decision,
    DecisionKind,
    Escalation,
    Json,
    Notification,
    PastDecision,
    ReviewRow,
    ReviewView,
    person_key,
)
from hitl_tui.sanitize import exact_line, one_line
from hitl_tui.ui.review import assignment
from hitl_tui.ui.review.assignment import NO_ACTIVITY, ReviewActivity
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph

LEAD = 14
"""Cells of the column that says what happened."""
VALUE = 120
"""Characters of a value that are told of a similar review; the review itself has it whole."""


@dataclass(frozen=True, slots=True)
class ReviewContext:
    """Similar decisions, views, approvals, escalations and notices."""

    similar: Sequence[PastDecision] = ()
    """The newest first."""
    edits: Mapping[int, Mapping[int, Decision]] = field(default_factory=dict)
    """The decisions, by slot, of those similar reviews that were edited."""
    views: Sequence[ReviewView] = ()
    activity: ReviewActivity = NO_ACTIVITY
    notifications: Sequence[Notification] = ()
    """Notifications of its escalations."""


def similar_title(review_context: ReviewContext | None) -> str:
    """Tab title with the share of similar actions approved unchanged, or their number if they can only be answered."""
    if review_context is None or not review_context.similar:
        return "Similar"
    if not any({DecisionKind.APPROVE, DecisionKind.REJECT} & set(past.allowed) for past in review_context.similar):
        return f"Similar {len(review_context.similar)}"
    approved = sum(past.decision is DecisionKind.APPROVE for past in review_context.similar)
    return f"Similar {approved} of {len(review_context.similar)} approved"


def similar_lines(action: Action, review_context: ReviewContext, reviewer: str, now: float) -> Iterator[Line]:
    """What was decided by whom, and what was edited."""
    if not review_context.similar:
        yield line(f"no earlier decision on {name_line(action.name, 40)} of this agent", "muted")
    for past in review_context.similar:
        glyph, word, style = labels.DECIDED[past.decision]
        who = labels.actor(past.actor, reviewer, past.actor_kind)
        yield line(f"{word} by {who} {age(now - past.decided_at)} ago", "", glyph, 2, style)
        yield line(canonical_json.one_line(past.args, VALUE), "muted", "", 2)
        decision = review_context.edits.get(past.review, {}).get(past.slot)
        if decision is not None and past.decision is DecisionKind.EDIT:
            yield from _edited(past.args, decision.answer.args)


def _edited(before: Json, after: Json) -> Iterator[Line]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield line(f"into {canonical_json.one_line(after, VALUE)}", "accent", "", 4)
        return
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = (canonical_json.one_line(values[name], VALUE) if name in values else "nothing" for values in (before, after))
        if old != new or before.get(name) != after.get(name):
            yield line(f"{one_line(name, 40)}: {exact_line(old)} → {exact_line(new)}", "accent", "", 4)


def people_title(row: ReviewRow | None, review_context: ReviewContext | None, reviewer: str, now: float) -> str:
    """How many other people had to do with it."""
    if row is None or review_context is None:
        return "People"
    activity = review_context.activity
    names = {view.reviewer for view in review_context.views} | {one.actor for one in activity.endorsements}
    names |= {one.actor for one in activity.escalations if one.actor_kind is ActorKind.PERSON} | {row.claimant(now) or reviewer}
    others = len({person_key(name) for name in names} - {person_key(reviewer)})
    return f"People {others}" if others else "People"


def people_lines(row: ReviewRow, review_context: ReviewContext, reviewer: str, now: float) -> Iterator[Line]:
    """Escalations with their notes, approvals so far, the claim, and who viewed it for how long."""
    for one in reversed(review_context.activity.escalations):
        yield from escalation_lines(one, reviewer, now)
        yield from _notification_lines([notification for notification in review_context.notifications if notification.escalation == one.id])
    for endorsement in review_context.activity.endorsements:
        word, who = labels.DECIDED[endorsement.answer.kind][1], labels.actor(endorsement.actor, reviewer)
        rest = "what they say is hidden until another person has answered" if endorsement.is_hidden else "another person must do the same"
        yield line(f"{word} by {who} {at_time(endorsement.at, now)}; {rest}", "", "agreed", LEAD, "warning")
        if endorsement.answer.args is not None:
            yield line(canonical_json.one_line(endorsement.answer.args, VALUE), "muted", "", LEAD)
    if (claimant := row.claimant(now)) and row.claimed_until:
        yield line(f"by {labels.actor(claimant, reviewer)} {until_time(row.claimed_until, now)}", "", "claimed", LEAD, "accent")
    if review_context.activity.escalations or review_context.activity.endorsements or claimant:
        yield BLANK
    lead = "seen"
    for view in review_context.views:
        told = f"by {labels.actor(view.reviewer, reviewer)} for {viewed_duration(view.viewed_ms)}, last {at_time(view.last_at, now)}"
        yield line(told, "", lead, LEAD)
        lead = ""
    if not review_context.views:
        yield line("by nobody yet", "muted", lead, LEAD)


def escalation_lines(one: Escalation, reviewer: str, now: float) -> Iterator[Line]:
    """Who escalated it to whom and why, the note, and whether somebody has claimed it."""
    to = assignment.recipient(one.recipient, reviewer)
    why = f": {one.why}" if one.why and one.actor_kind is not ActorKind.PERSON else ""  # of a person it only says who
    yield line(
        f"by {labels.actor(one.actor, reviewer, one.actor_kind)}{to} {at_time(one.at, now)}{why}", "", "↑ escalated", LEAD, "warning"
    )
    if one.note.strip():
        yield from paragraph(one.note.strip(), "strong", "", LEAD)
    if one.acknowledged_at is not None:
        who = labels.actor(one.acknowledged_by or "", reviewer)
        yield line(f"claimed by {who} {at_time(one.acknowledged_at, now)}", "muted", "", LEAD)
    elif one.next_at is not None:
        yield line(f"goes to the next step of the chain in {remaining(one.next_at - now)} unless somebody claims it", "muted", "", LEAD)


def _notification_lines(notifications: Sequence[Notification]) -> Iterator[Line]:
    """Channels that notified people of it, and the problems of those that could not."""
    if sent := [notification.channel for notification in notifications if notification.state == "sent"]:
        yield line(f"notified by {', '.join(sent)}", "muted", "", LEAD)
    for told in filter(None, map(Notification.told, notifications)):
        yield line(told, "warning", "", LEAD)
