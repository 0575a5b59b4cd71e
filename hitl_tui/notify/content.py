"""Text of a notification, with no more detail than the policy allows. Agents' text is sanitized, and cannot fake a line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.model import Escalation, Review, Takeover
from hitl_tui.policy.notification import Content
from hitl_tui.sanitize import one_line

NAME = 60
LINE = 300
MAX_ACTIONS = 5
"""Actions that are named; the others are counted."""
APP = "hitl-tui"


@dataclass(frozen=True, slots=True)
class NotificationMessage:
    """A notification as it is sent."""

    title: str
    body: str
    """Its last line is the link."""
    link: str
    """The command that shows what it is about: `hitl-tui show 12`, or `hitl-tui confirm r3`."""
    review: str
    """The review's number; empty if it is about none."""
    answer: str = ""
    """Address of a page where the person decides the call; empty for none."""


def message_of(content: Content, escalation: Escalation, review: Review, answer: str = "") -> NotificationMessage:
    """The message about an escalation: with `nothing` but a link, the `names` of agent and tools, or a `summary` with arguments."""
    number = str(review.row.id)
    link = f"hitl-tui show {number}"
    answering = [f"approve or reject: {answer}"] if answer else []
    if content == "nothing":
        return NotificationMessage(APP, "\n".join([*answering, link]), link, number, answer)
    tools = list(dict.fromkeys(one_line(action.name, NAME) for action in review.actions))
    named = ", ".join(tools[:MAX_ACTIONS]) + (f" and {len(tools) - MAX_ACTIONS} more" if len(tools) > MAX_ACTIONS else "")
    title = f"{APP}: {named} by {one_line(review.row.agent, NAME)}"
    lines = _summary(escalation, review) if content == "summary" else iter([f"{one_line(review.row.agent, NAME)} waits with {named}"])
    return NotificationMessage(title, "\n".join([*lines, *answering, link]), link, number, answer)


def _summary(escalation: Escalation, review: Review) -> Iterator[str]:
    for action in review.actions[:MAX_ACTIONS]:
        yield f"{one_line(action.name, NAME)}: {one_line(canonical_json.one_line(action.args, LINE), LINE)}"
    if len(review.actions) > MAX_ACTIONS:
        yield f"and {len(review.actions) - MAX_ACTIONS} more"
    for name, text in (("for", escalation.recipient), ("why", escalation.why), ("note", escalation.note)):
        if text:
            yield f"{name}: {one_line(text, LINE)}"


def message_of_hand_back(content: Content, takeover: Takeover, agent: str) -> NotificationMessage:
    """The message about a hand-back that others must confirm: with `nothing` but a link, the agent's name, or a summary of the plan."""
    link = f"hitl-tui confirm r{takeover.run}"
    if content == "nothing":
        return NotificationMessage(APP, link, link, "")
    title = f"{APP}: r{takeover.run} of {one_line(agent, NAME)} was handed back"
    lines = ["another person must confirm the plan"]
    if content == "summary":
        plan = canonical_json.one_line(takeover_plan.as_json(takeover.plan), LINE)
        lines += [f"plan: {one_line(plan, LINE)}", f"by: {one_line(takeover.actor, NAME)}"]
    return NotificationMessage(title, "\n".join([*lines, link]), link, "")


def sample_notification() -> NotificationMessage:
    """The message that `policy notify-test` sends."""
    link = "hitl-tui policy notify-test"
    return NotificationMessage(f"{APP}: a test", f"People are told of escalations this way.\n{link}", link, "")
