"""The same word for the same thing everywhere on the screen: ages, states, kinds of pause, decisions. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_tui.effects.view import GRAVE
from hitl_tui.model import (
    Action,
    ActorKind,
    Answer,
    DecisionKind,
    Identified,
    PauseKind,
    Rating,
    ReviewRow,
    ReviewState,
    Run,
    RunOptions,
    RunState,
    same_person,
)
from hitl_tui.sanitize import one_line

KINDS = {
    PauseKind.TOOL_CALLS: "tool call",
    PauseKind.TOOL_APPROVAL: "tool call",
    PauseKind.TOOL_GATE: "tool call, stopped before its node",
    PauseKind.GATE: "gate: the graph stops here by design",
    PauseKind.FRONTEND_TOOLS: "front-end tool call",
    PauseKind.AGENT_INBOX: "agent-inbox request",
    PauseKind.MCP_ELICITATION: "question from an MCP server",
    PauseKind.ESCALATION: "the agent asks for a person",
    PauseKind.DRAFT: "draft: revised until a version is accepted",
    PauseKind.FAILURE: "failed run",
    PauseKind.QUESTION: "question",
}
DECIDED = {
    DecisionKind.APPROVE: ("✓", "approved", "success"),
    DecisionKind.EDIT: ("✎", "edited", "accent"),
    DecisionKind.REJECT: ("✗", "rejected", "error"),
    DecisionKind.RESPOND: ("↩", "answered", "accent"),
}
"""Decision → glyph, word, style."""
SENT_BACK = ("↻", "sent back", "accent")
"""The same for a rejection that sends a call back for revision."""
RATINGS: dict[Rating, tuple[str, str, str]] = {1: ("▲", "thumbs up", "success"), -1: ("▼", "thumbs down", "error")}
"""Rating → glyph, words, style."""
AGAIN = {
    DecisionKind.APPROVE: "approve the same",
    DecisionKind.EDIT: "edit it into the same",
    DecisionKind.REJECT: "reject it too",
    DecisionKind.RESPOND: "answer the same",
}
"""What the next of several people must do."""
RUNS = {
    RunState.QUEUED: ("◌", "muted"),
    RunState.RUNNING: ("●", "accent"),
    RunState.WAITING: ("◆", "warning"),
    RunState.DONE: ("✓", "success"),
    RunState.FAILED: ("✗", "error"),
    RunState.CANCELLED: ("⊘", "muted"),
}
"""State of a run → glyph and style."""
PROPOSED = "◇"
"""What the console proposes and a person has not said anything about yet: a higher autonomy level, a lesson."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person a text is written for, and the time it is written at."""

    reviewer: str
    now: float
    """Unix time, seconds."""


def closing(row: ReviewRow, reviewer: str) -> tuple[str, str, str]:
    """Glyph, words and style of a review that is no longer open."""
    gone = {ReviewState.STALE: "gone", ReviewState.EXPIRED: "expired", ReviewState.FAILED: "failed"}.get(row.state)
    if gone or not row.decided:
        word = gone or str(row.state)
        return "⊘", f"{word}: {row.note}" if row.note else word, "muted"
    decided = row.progress.told(reviewer)
    for glyph, word, style in (*DECIDED.values(), SENT_BACK):
        if row.progress.decision == word:
            return glyph, decided, style
    return "✓", decided, "success"


def decided(kind: PauseKind, answer: Answer) -> tuple[str, str, str]:
    """Glyph, word and style of a decision."""
    back = answer.kind is DecisionKind.REJECT and (answer.args is not None or kind is PauseKind.DRAFT)
    return SENT_BACK if back else DECIDED[answer.kind]


def actor(name: str, reviewer: str, kind: ActorKind = ActorKind.PERSON) -> str:
    """Who did something, as the subject of a sentence."""
    match kind:
        case ActorKind.PERSON:
            return "you" if same_person(name, reviewer) else one_line(name, 40)
        case ActorKind.AGENT:
            return "the agent"
        case ActorKind.TIMEOUT:
            return f"its deadline ({one_line(name.removeprefix('timeout:'), 40)})"
        case ActorKind.POLICY:
            return f"policy ({one_line(name.removeprefix('policy:'), 40)})"
        case ActorKind.GRANT:
            return one_line(name.replace(":", " ", 1), 40)
        case _:
            return one_line(name, 40)


def gauge(confidence: float) -> str:
    """Five marks."""
    full = max(0, min(5, round(confidence * 5)))
    return f"{'▰' * full}{'▱' * (5 - full)}"


def risk_style(risk: str) -> str:
    """The style of a risk's name."""
    return "error" if risk in GRAVE else "warning" if risk == "medium" else "muted"


def meaning(action: Action, kind: DecisionKind) -> str:
    """What a decision does here, when that is not obvious."""
    return action.means.get(kind, "")


def run_state(run: Run, now: float) -> str:
    """A run's state in words."""
    return "not responding" if run.silent_s(now) else "cancelling" if run.cancelling else str(run.state)


def options(asked: RunOptions) -> str:
    """What the launch asked for, on one line; empty when it is nothing."""
    gates = (("before", asked.gates_before), ("after", asked.gates_after))
    stops = [f"{where} {'every node' if '*' in nodes else ', '.join(nodes)}" for where, nodes in gates if nodes]
    parts = [f"stops {' and '.join(stops)}"] if stops else []
    parts += [f"time limit {asked.time_limit_s:g} s"] if asked.time_limit_s is not None else []
    parts += [f"tags {', '.join(asked.tags)}"] if asked.tags else []
    return " · ".join(parts)


def identified(how: Identified | None) -> str:
    """How a person was identified, after their name: ` (login)`; empty where nothing was checked."""
    return f" ({how})" if how and how is not Identified.NAMED else ""
