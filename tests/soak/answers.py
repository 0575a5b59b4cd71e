"""Random answers of a soak's reviewers: any allowed decision, mostly approve."""

from __future__ import annotations

from random import Random
from typing import Any

from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, Review

APPROVE, EDIT, REJECT, RESPOND = DecisionKind
WEIGHTS = {APPROVE: 11, EDIT: 3, REJECT: 4, RESPOND: 2}


def answer(random: Random, review: Review, action: Action, kindly: bool = False) -> Answer:
    """Return a valid random answer; with `kindly`, one that lets the run end."""
    if review.row.kind is PauseKind.QUESTION:
        return _reply(random, action, kindly)
    kinds = [kind for kind in action.allowed if not kindly or kind is APPROVE] or list(action.allowed)
    kind = random.choices(kinds, [WEIGHTS[kind] for kind in kinds])[0]
    if kind is EDIT:
        return Answer(EDIT, {**action.args, "note": f"edited {random.randint(1, 999)}"})
    return Answer(kind, message=f"said {random.randint(1, 999)}" if kind in (REJECT, RESPOND) else None)


def _reply(random: Random, action: Action, kindly: bool) -> Answer:
    if action.answer_schema:
        return Answer(RESPOND, {"stars": random.randint(1, 5)})
    if action.choices:
        return Answer(RESPOND, message=str(action.choices[0] if kindly else random.choice(action.choices)))
    values: list[Any] = [7, {"a": [1, None]}, "words", None]
    replies = [Answer(APPROVE), Answer(REJECT), Answer(RESPOND, random.choice(values)), Answer(RESPOND, message="words")]
    return random.choice([reply for reply in replies if reply.kind in action.allowed])


def whole(random: Random, review: Review, kindly: bool = False) -> dict[int, Answer]:
    """Return an answer for each action, the same one for calls that share an id."""
    answers: dict[int, Answer] = {}
    for action in review.actions:
        first = review.sharing(action)[0]
        answers[action.slot] = answers[first.slot] if first.slot in answers else answer(random, review, action, kindly)
    return answers
