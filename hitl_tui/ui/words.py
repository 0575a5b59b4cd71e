"""The same word for the same thing everywhere on the screen: ages, states, kinds of pause, decisions. Pure."""

from __future__ import annotations

from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, ReviewRow, ReviewState, Run, RunState

KINDS = {
    PauseKind.TOOL_CALLS: "tool call",
    PauseKind.TOOL_APPROVAL: "tool call",
    PauseKind.TOOL_GATE: "tool call, stopped before its node",
    PauseKind.GATE: "gate: the graph stops here by design",
    PauseKind.AGENT_INBOX: "agent-inbox request",
    PauseKind.QUESTION: "question",
}
DECIDED = {
    DecisionKind.APPROVE: ("✓", "approved", "success"),
    DecisionKind.EDIT: ("✎", "edited", "accent"),
    DecisionKind.REJECT: ("✗", "rejected", "error"),
    DecisionKind.RESPOND: ("↩", "answered", "accent"),
}
"""Decision → glyph, word, ink."""
RUNS = {
    RunState.QUEUED: ("◌", "muted"),
    RunState.RUNNING: ("●", "accent"),
    RunState.WAITING: ("◆", "warning"),
    RunState.DONE: ("✓", "success"),
    RunState.FAILED: ("✗", "error"),
    RunState.CANCELLED: ("⊘", "muted"),
}
"""State of a run → glyph and ink."""
RISKY = frozenset({"high", "critical", "irreversible"})


def ago(seconds: float) -> str:
    """A duration in one unit."""
    seconds = max(0, int(seconds))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def closing(row: ReviewRow) -> tuple[str, str, str]:
    """Glyph, word and ink of a review that is no longer open."""
    for glyph, word, ink in DECIDED.values():
        if row.decided.startswith(word):
            return glyph, row.decided, ink
    if row.decided:
        return "✓", row.decided, "success"
    word = {ReviewState.STALE: "gone", ReviewState.EXPIRED: "expired", ReviewState.FAILED: "failed"}.get(row.state, str(row.state))
    return "⊘", f"{word}: {row.note}" if row.note else word, "muted"


def gauge(confidence: float) -> str:
    """Five marks and the number."""
    full = max(0, min(5, round(confidence * 5)))
    return f"{'▰' * full}{'▱' * (5 - full)} {confidence:.2f}"


def risk_ink(risk: str) -> str:
    """The ink of a risk's name."""
    return "error" if risk in RISKY else "warning" if risk == "medium" else "muted"


def meaning(action: Action, kind: DecisionKind) -> str:
    """What a decision does here, when that is not obvious."""
    return action.means.get(kind, "")


def said(answer: Answer) -> str:
    """A decision in the imperative, with what it carries."""
    return f"{answer.kind}: {answer.message}" if answer.message else str(answer.kind)


def run_state(run: Run) -> str:
    """A run's state in words."""
    return "cancelling" if run.cancelling else str(run.state)
