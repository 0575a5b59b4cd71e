"""What a notice says: no more than the policy lets out. What agents wrote is data: it is made visible, and forges no line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.model import Escalation, Review
from hitl_tui.policy.schema import Content
from hitl_tui.sanitize import one_line

NAME = 60
LINE = 300
MOST = 5
"""Actions that are told; of the others, how many there are."""
BARE = "hitl-tui"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent."""

    title: str
    body: str
    """Its last line is the link."""
    link: str
    """What shows the review: `hitl-tui show 12`."""
    review: str


def message_of(content: Content, escalation: Escalation, review: Review) -> Message:
    """Tell of an escalation: with `nothing` but the link, the `names` of agent and tools, or a `summary` with arguments and reasons."""
    number = str(review.row.id)
    link = f"hitl-tui show {number}"
    if content == "nothing":
        return Message(BARE, link, link, number)
    tools = list(dict.fromkeys(one_line(action.name, NAME) for action in review.actions))
    named = ", ".join(tools[:MOST]) + (f" and {len(tools) - MOST} more" if len(tools) > MOST else "")
    title = f"{BARE}: {named} by {one_line(review.row.agent, NAME)}"
    lines = _summary(escalation, review) if content == "summary" else iter([f"{one_line(review.row.agent, NAME)} waits with {named}"])
    return Message(title, "\n".join([*lines, link]), link, number)


def _summary(escalation: Escalation, review: Review) -> Iterator[str]:
    for action in review.actions[:MOST]:
        yield f"{one_line(action.name, NAME)}: {one_line(canonical_json.one_line(action.args, LINE), LINE)}"
    if len(review.actions) > MOST:
        yield f"and {len(review.actions) - MOST} more"
    for name, text in (("for", escalation.recipient), ("why", escalation.why), ("note", escalation.note)):
        if text:
            yield f"{name}: {one_line(text, LINE)}"


def trial_message() -> Message:
    """What `policy notify-test` sends."""
    link = "hitl-tui policy notify-test"
    return Message(f"{BARE}: a test", f"People are told of escalations this way.\n{link}", link, "")
