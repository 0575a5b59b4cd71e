"""Builds the `Facts` that policy judges, of a new pause, a stored review or a past action; the class is in `model/verdicts.py`. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui import sanitize
from hitl_tui.model import Action, Context, Facts, PastDecision, Pause, PauseKind, Review, ReviewState, Risk, Run
from hitl_tui.policy.answers import AnswerRule, first_match

GONE = frozenset({ReviewState.STALE, ReviewState.EXPIRED, ReviewState.FAILED})
"""States of a review whose note says how the review ended; in the other states the note may hold a warning about the action."""


def of_pause(run: Run, pause: Pause, action: Action) -> Facts:
    """Facts of an action in a new pause."""
    return _facts(run, action, action.risk, pause.kind, pause.warning, pause.interrupt, pause.context)


def of_review(run: Run, review: Review, action: Action, context: Context | None = None) -> Facts:
    """Facts of an action in a stored review, as they were when it opened; without its context what was said before is not known."""
    return _facts(run, action, action.declared, review.row.kind, warning_of(review), review.interrupt, context)


def of_past(past: PastDecision, answers: Sequence[AnswerRule] = ()) -> Facts:
    """Facts of an action that was decided long ago, as far as they are stored. Its warning counts as a finding.

    `answers` are the answer templates of the policy that judges it; whether they fit its response schema is not known any more.
    """
    risk = Risk(past.risk) if past.risk in list(Risk) else None
    rule = first_match(answers, past.agent, past.tool) if past.kind is PauseKind.QUESTION else None
    templates = tuple(rule.templates) if rule else ()
    return Facts(
        past.agent, past.tool, past.args, past.kind, risk, past.confidence, (past.note,) if past.note else (),
        tags=past.tags, allowed=tuple(dict.fromkeys((*past.allowed, *templates))), templates=templates, id=f"{past.review}:{past.slot}",
        confidence_source=past.confidence_source, conversation=past.conversation, launch_input=past.launch_input,
    )  # fmt: skip


def warning_of(review: Review) -> str:
    """The warning about the actions of a stored review, such as that a call may have run once; empty for none."""
    return "" if review.row.state in GONE else review.row.warning


def _facts(run: Run, action: Action, risk: str | None, kind: PauseKind, note: str, interrupt: str, context: Context | None) -> Facts:
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
        templates=tuple(decision for decision, template in action.templates.items() if not template.problem),
        id=f"{run.thread}:{interrupt}:{action.slot}",
        conversation=context.conversation or None if context else None,
        launch_input=run.input,
        confidence_source=action.confidence.source,
        digest=action.digest,
    )
