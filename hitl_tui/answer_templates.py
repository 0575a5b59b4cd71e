"""Applies the policy's answer templates to free questions: what approve and reject send, checked against the response schema."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, AnswerTemplate, DecisionKind, Json, PauseKind
from hitl_tui.policy import answers
from hitl_tui.validation import schema_problem, storage_problem

if TYPE_CHECKING:
    from hitl_tui.policy.schema import Policy  # the console imports this module before its first frame, and needs no policy then

SAMPLE = "some text"
"""Stands for what is not known before somebody decides."""


def with_templates(action: Action, kind: PauseKind, agent: str, policy: Policy | None) -> Action:
    """The action with what an answer template makes of approve and reject; unchanged if it is no free question or has no template.

    A template that the question cannot take keeps its decision from being offered, and says why.
    """
    rule = answers.first_match(policy.answers, agent, action.name) if policy and kind is PauseKind.QUESTION else None
    if rule is None:
        return action
    templates = {decision: _template(value, decision, action) for decision, value in rule.templates.items()}
    usable = {decision: template for decision, template in templates.items() if not template.problem}
    allowed = tuple(one for one in DecisionKind if one in usable or (one in action.allowed and one not in templates))
    means = {name: does for name, does in action.means.items() if name not in templates}
    sends = {decision.value: f"sends {canonical_json.dumps(template.value)}" for decision, template in usable.items()}
    return replace(action, allowed=allowed, means=means | sends, templates=templates)


def _template(value: Json, decision: DecisionKind, action: Action) -> AnswerTemplate:
    asks = answers.takes(value, answers.MESSAGE)
    if decision is DecisionKind.APPROVE and action.reviewers > 1 and (asks or answers.takes(value, answers.PERSON)):
        problem = f"holds what each person says or is called, and {action.reviewers} people must approve the same"
    else:
        try:
            problem = _misfit(answers.filled(value, SAMPLE, SAMPLE, action.args), action)
        except Refused as error:
            problem = f"cannot be filled in: {error.happened}"
    return AnswerTemplate(value, problem, asks)


def _misfit(value: Json, action: Action) -> str:
    """Why the question cannot take a value, as a predicate; empty if it can."""
    if problem := schema_problem(value, action.answer_schema):
        return f"does not fit the response schema: {problem}"
    return storage_problem(value)


def filled_in(action: Action, answer: Answer, person: str) -> Answer:
    """The answer with what its template sends; unchanged if the action has no template for it.

    Raises:
        Refused: it has one, and the question cannot take it.
    """
    template = action.templates.get(answer.kind)
    if template is None:
        return answer
    value = answers.filled(template.value, answer.message or "", person, action.args)
    if problem := template.problem or _misfit(value, action):
        raise Refused(f"the answer template of {action.name} {problem}", "correct it in policy.toml")
    return replace(answer, template=value)
