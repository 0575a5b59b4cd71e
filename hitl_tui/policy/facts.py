"""What policy may know of an action: of one that a graph asks now, and of one that is stored. Pure."""

from __future__ import annotations

from hitl_tui import sanitize
from hitl_tui.model import Action, Facts, Pause, PauseKind, Review, ReviewState, Risk, Run

GONE = frozenset({ReviewState.STALE, ReviewState.EXPIRED, ReviewState.FAILED})
"""States whose note says how a review ended, and nothing of what was asked."""


def of_pause(run: Run, pause: Pause, action: Action) -> Facts:
    """Of an action that is about to be put before policy."""
    return _facts(run, action, action.risk, pause.kind, pause.note, pause.interrupt)


def of_review(run: Run, review: Review, action: Action) -> Facts:
    """Of one that was, as far as its rows tell."""
    return _facts(run, action, action.declared, review.row.kind, warning_of(review), review.interrupt)


def warning_of(review: Review) -> str:
    """The warning with which it was asked; what was said of the policy itself is no part of it."""
    return "" if review.row.state in GONE else review.row.warning


def _facts(run: Run, action: Action, risk: str | None, kind: PauseKind, note: str, interrupt: str) -> Facts:
    return Facts(
        run.agent,
        action.name,
        action.args,
        kind,
        Risk(risk) if risk in list(Risk) else None,
        action.confidence.value,
        (*([note] if note else []), *sanitize.findings(action.name, action.args)),
        known_shape=isinstance(action.args, dict),
        tags=run.options.tags,
        allowed=action.allowed,
        id=f"{run.thread}:{interrupt}:{action.slot}",
    )
