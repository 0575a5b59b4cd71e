"""Who is responsible for a review: recipient, escalation, claim, approvals and deadline. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from rich.cells import cell_len

from hitl_tui.formatting import remaining, until_time
from hitl_tui.model import (
    Action,
    DecisionKind,
    Endorsement,
    Escalation,
    HandBack,
    Progress,
    ProposalVersion,
    Review,
    ReviewRow,
    ReviewState,
    effect_of,
    person_key,
    same_person,
)
from hitl_tui.sanitize import one_line
from hitl_tui.ui.text import labels

GAP = "   "
"""What stands between two phrases in the details."""
ANYBODY = "anybody"
"""Recipient in the store of an escalation that names nobody."""
LAST = 0.1
"""Share of the time left from which a deadline is drawn as a warning."""
NAME = 24
NAMES = re.compile(", by [^;]*")
PLURALS = {
    DecisionKind.APPROVE: "approvals",
    DecisionKind.EDIT: "edits",
    DecisionKind.REJECT: "rejections",
    DecisionKind.RESPOND: "answers",
}


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text in forms of decreasing length, of which the first that fits is shown."""

    forms: tuple[str, ...]
    """The longest first."""
    style: str


@dataclass(frozen=True, slots=True)
class ReviewActivity:
    """Approvals, escalations and versions of an open review."""

    endorsements: Sequence[Endorsement] = ()
    """Decisions of an action that needs several people."""
    escalations: Sequence[Escalation] = ()
    """The oldest first."""
    versions: Sequence[ProposalVersion] = ()
    """Earlier versions, oldest first."""


NO_ACTIVITY = ReviewActivity()


def recipient(to: str, reviewer: str) -> str:
    """` to finance`, or `, unassigned` if an escalation names nobody: the end of a phrase."""
    return f" to {labels.actor(to, reviewer)}" if to else ", unassigned"


def first_claim(row: ReviewRow, now: float) -> str:
    """Why a review that somebody else has claimed cannot be decided, and what to do."""
    who, until = one_line(row.claimed_by or "", NAME), until_time(row.claimed_until or now, now)
    return f"{who} has claimed it {until}; claim it first, with a reason"


def mine(activity: ReviewActivity, reviewer: str) -> set[int]:
    """Slots this person has decided already."""
    return {one.slot for one in activity.endorsements if same_person(one.actor, reviewer)}


def phrases(row: ReviewRow, reviewer: str, now: float, viewers: Sequence[str] = (), hand_back: HandBack | None = None) -> list[Phrase]:
    """State of an open review, most important first; `viewers` look at it now, and `hand_back` of its run waits for other people."""
    said: list[Phrase] = []
    if row.decided:
        progress = one_line(row.progress.told(reviewer), 60)
        said.append(Phrase((progress, NAMES.sub("", progress)), "warning"))
    if hand_back is not None and row.is_taken_over:
        said.append(_handed_back(hand_back))
    elif (claim := _claim(row, reviewer, now)) is not None:
        said.append(claim)
    if viewers:
        said.append(_looking(viewers))
    if row.escalated:
        to = one_line(row.escalated, NAME)
        unassigned = row.escalated == ANYBODY
        said.append(Phrase(("escalated, unassigned", "unassigned") if unassigned else (f"escalated to {to}", f"↑ {to}"), "warning"))
    elif row.recipient:
        said.append(Phrase((f"for {one_line(row.recipient, NAME)}",), "accent"))
    if (end := _deadline(row, now)) is not None:
        said.insert(0, replace(end, forms=end.forms[1:]))  # the details have room for a sentence
    return said


def _looking(viewers: Sequence[str]) -> Phrase:
    """Who looks at it now: one by name, several by the first name and a number."""
    more = f" +{len(viewers) - 1}" if len(viewers) > 1 else ""
    who = f"{one_line(viewers[0], NAME)}{more}"
    return Phrase((f"{who} {'are' if more else 'is'} looking at it", f"{who} looking"), "accent")


def _handed_back(waiting: HandBack) -> Phrase:
    author = "you" if waiting.is_mine else one_line(waiting.author, NAME)
    if waiting.needs_me:
        return Phrase((f"handed back by {author}: confirm it", f"confirm for {author}"), "warning")
    return Phrase((f"handed back by {author}, not confirmed yet", "not confirmed yet"), "muted")


def _claim(row: ReviewRow, reviewer: str, now: float) -> Phrase | None:
    who = row.claimant(now)
    if who is None or row.claimed_until is None:
        return None
    if row.is_taken_over:
        name = "you" if same_person(who, reviewer) else one_line(who, NAME)
        return Phrase((f"taken over by {name}", f"taken by {name}"), "warning")
    mine, end = same_person(who, reviewer), until_time(row.claimed_until, now)
    name = "you" if mine else one_line(who, NAME)
    return Phrase((f"claimed by {name} {end}", f"claimed by {name}"), "accent" if mine else "muted")


def _deadline(row: ReviewRow, now: float) -> Phrase | None:
    """What happens if nobody decides, and when."""
    if row.deadline_at is None or row.state != ReviewState.OPEN:
        return None
    seconds, is_reject = row.deadline_at - now, row.deadline_then == "reject"
    when = f"in {remaining(seconds)}" if seconds > 0 else "now"
    is_near = seconds <= LAST * (row.deadline_at - row.opened_at)
    done, does = ("rejected", "reject") if is_reject else ("escalated", "escalate")
    forms = (f"{done} {when} if nobody decides", f"auto-{does} {when}", f"{does} {when}")  # never `rejected in 4 min` alone
    return Phrase(forms, "warning" if is_near else "muted")


def told(
    review: Review,
    action: Action,
    activity: ReviewActivity,
    reviewer: str,
    now: float,
    room: int,
    viewers: Sequence[str] = (),
    hand_back: HandBack | None = None,
) -> list[tuple[str, str]]:
    """The same for the details of one action: texts and styles, in forms that fit into `room` cells with `GAP` between them."""
    row = review.row
    if row.state != ReviewState.OPEN:
        return []
    plain = replace(row, progress=Progress(), deadline_at=None)
    lines = reversed(phrases(plain, reviewer, now, viewers, hand_back))  # there is room for all: who waits comes first
    parts = [
        Phrase(tuple(f"↑ {form.removeprefix('↑ ')}" for form in one.forms), one.style) if one.style == "warning" else one for one in lines
    ]
    if action.may_need_several and action.slot in review.undecided and (agreed_so_far := agreed(action, activity, reviewer)):
        parts.append(Phrase((agreed_so_far,), "warning"))
    if (end := _deadline(row, now)) is not None:
        parts.append(end)
    return fitted(parts, room + len(GAP), GAP) if parts else []


def agreed(action: Action, activity: ReviewActivity, reviewer: str) -> str:
    """How many of the required people decided the same, and who."""
    same: dict[str, list[Endorsement]] = {}
    for one in activity.endorsements:
        if one.slot == action.slot:
            same.setdefault(effect_of(action, one.answer), []).append(one)
    told = []
    for ones in same.values():
        people = " and ".join(labels.actor(one.actor, reviewer) for one in ones)
        needed = max(action.reviewers, len(ones) + 1)
        told.append(f"{len(ones)} of {needed} {PLURALS[ones[0].answer.kind]}, by {people}")
    return "; ".join(told) or (
        f"needs {action.reviewers} {'blind answers' if action.blind else 'approvals'}" if action.reviewers > 1 else ""
    )


def differ(action: Action, activity: ReviewActivity) -> bool:
    """Whether two people have answered an action and said different things."""
    people = {person_key(one.actor) for one in activity.endorsements if one.slot == action.slot}
    return action.blind and len(people) > 1


def blind_need(action: Action, activity: ReviewActivity) -> str:
    """What an action that two people answer blind waits for."""
    if differ(action, activity):
        return "the answers differ, and the next one decides: of somebody else, or of one of the two"
    return "another person answers without seeing it"


def fitted(said: Sequence[Phrase], room: int, between: str = " · ") -> list[tuple[str, str]]:
    """Each phrase with its style, as long as there is room for; where there is none for all, the last ones go."""
    chosen = [len(phrase.forms) - 1 for phrase in said]

    def cells() -> int:
        return sum(cell_len(one.forms[form]) + cell_len(between) for one, form in zip(said, chosen, strict=False))

    while chosen and cells() > room:
        chosen.pop()
    for place in range(len(chosen)):
        shortest = chosen[place]
        for form in range(shortest):
            chosen[place] = form
            if cells() <= room:
                break
            chosen[place] = shortest
    return [(one.forms[form], one.style) for one, form in zip(said, chosen, strict=False)]


def undo_seconds(row: ReviewRow, reviewer: str, now: float) -> int:
    """Whole seconds in which this reviewer can still take it back; 0 when they cannot."""
    if row.state != ReviewState.DECIDED or row.effective_at is None or not decided_by(row, reviewer):
        return 0
    return max(0, ceil(row.effective_at - now))


def decided_by(row: ReviewRow, reviewer: str) -> bool:
    """Whether this reviewer made its last decision."""
    return row.state != ReviewState.OPEN and row.progress.is_by(reviewer)
