"""Derives the answers to a free question: yes and no, one of a list, or one choice per question. Pure.

A free question is an `interrupt(...)` of no known shape. Approve and reject exist for it only where its payload or its response schema
says what they send: `yes_no` decides that for every key, command and policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import DecisionKind, Json
from hitl_tui.validation import schema_problem

ANSWERS = ("options", "choices")
"""Keys of a payload that list its answers."""
THINGS = ("actions", "slots", "steps")
"""Keys of a payload that list things to choose one of, unless it takes yes or no."""
KEYS = ("id", "key", "name", "field")
"""Keys of a question whose value names it in the answer."""
VALUES = ("value", "id", "key")
"""Keys of an option whose value is the answer, in this order."""
LABELS = ("label", "title", "name", "text", "question")
"""Keys by which an option is shown, in this order."""
DETAILS = ("description", "detail", "details", "help", "hint")
NAMING = frozenset({*LABELS, *DETAILS})
"""Keys that only say how an option is shown."""
ASKING = ("question", "prompt", "message", "text", "title", "query", "instruction", "instructions", "hint")
"""Keys of a payload that hold its words to the person."""
TYPES = ("type", "answer_type", "response_type", "input_type")
"""Keys of a payload that may name the type of its answer."""
PAIRS = (("yes", "no"), ("y", "n"), ("approve", "reject"), ("accept", "reject"), ("approved", "rejected"), ("true", "false"))
"""Answers that mean approve and reject, where a list has both."""
WORDS = [re.compile(rf"(?<![\w/])({yes})['\"`]?\s*(?:/|\bor\b)\s*['\"`]?({no})(?![\w/])", re.IGNORECASE) for yes, no in PAIRS[:2]]
"""Yes and no, or y and n, named by a text as its answers."""
DEPTH = 8
"""Parts of a schema inside each other that are followed."""


def yes_no(value: Json, choices: Sequence[Json], schema: Json) -> dict[DecisionKind, Json]:
    """The values that approve and reject send to a free question; a missing key means that the decision is not possible.

    Args:
        value: the interrupt's value.
        choices: the answers it lists, as they are in it.
        schema: JSON Schema of the answer; None without one.
    """
    for pair in _declared(value, choices, schema):
        sent = zip((DecisionKind.APPROVE, DecisionKind.REJECT), pair, strict=True)
        if fitting := {kind: answer for kind, answer in sent if not schema_problem(answer, schema)}:
            return fitting
    return {}


def _declared(value: Json, choices: Sequence[Json], schema: Json) -> Iterator[tuple[Json, Json]]:
    """Answers that mean yes and no, the one that is declared most clearly first."""
    if _takes_boolean(schema, schema):
        yield True, False
    if isinstance(schema, dict) and isinstance(schema.get("enum"), list):
        yield from _pairs(schema["enum"])
    if choices:
        yield from _pairs([answer_of(choice) for choice in choices])
        return
    if isinstance(value, dict):
        named = {str(value[key]).lower() for key in TYPES if isinstance(value.get(key), str)}
        if named & {"boolean", "bool"}:
            yield True, False
        if named & {"yes_no", "yesno", "yes/no", "yes-no"}:
            yield "yes", "no"
    for text in [value] if isinstance(value, str) else [value.get(key) for key in ASKING] if isinstance(value, dict) else []:
        for words in WORDS:
            if isinstance(text, str) and (found := words.search(text)):
                as_written = found[1][0].islower() == found[2][0].islower()  # [Y/n] only marks the usual answer
                yield (found[1], found[2]) if as_written else (found[1].lower(), found[2].lower())


def _takes_boolean(root: Json, schema: Json, depth: int = DEPTH) -> bool:
    """Whether a JSON Schema declares a boolean answer. A schema that accepts everything does not."""
    if not isinstance(schema, dict) or not depth:
        return False
    kind, listed = schema.get("type"), [*_list(schema.get("enum")), schema.get("const")]
    if kind == "boolean" or "boolean" in _list(kind) or any(isinstance(one, bool) for one in listed):
        return True
    parts = [part for key in ("anyOf", "oneOf", "allOf") for part in _list(schema.get(key))]
    if isinstance(schema.get("$ref"), str):
        parts.append(_referred(root, schema["$ref"]))
    return any(_takes_boolean(root, part, depth - 1) for part in parts)


def _referred(root: Json, reference: str) -> Json:
    found = root
    for step in reference.removeprefix("#/").split("/") if reference.startswith("#/") else ():
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _pairs(answers: Sequence[Json]) -> Iterator[tuple[Json, Json]]:
    """The answers of a list that mean yes and no, as they are listed."""
    if any(one is True for one in answers) and any(one is False for one in answers):
        yield True, False
    words = {one.strip().lower(): one for one in answers if isinstance(one, str)}
    yield from ((words[yes], words[no]) for yes, no in PAIRS if yes in words and no in words)


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


# One of a list


def choices_of(value: Json, schema: Json = None) -> tuple[Json, ...]:
    """The choices that a payload lists, unchanged; empty if the response schema rejects one of them."""
    if not isinstance(value, dict):
        return ()
    for key in (*ANSWERS, *THINGS):
        listed = tuple(_list(value.get(key)))
        if not listed or any(schema_problem(answer_of(choice), schema) for choice in listed):
            continue
        if key in ANSWERS or not yes_no(value, (), schema):
            return listed
    return ()


def answer_of(choice: Json) -> Json:
    """What a choice sends: its `value`, `id` or `key`; its label if it has nothing but a label and a description; else all of it."""
    if not isinstance(choice, dict):
        return choice
    if named := next((key for key in VALUES if choice.get(key) is not None), None):
        return choice[named]
    label = next((choice[key] for key in LABELS if isinstance(choice.get(key), str)), None)
    return choice if label is None or choice.keys() - NAMING else label


def label_of(choice: Json) -> str:
    """A choice as it is shown: its label, with its description."""
    if not isinstance(choice, dict):
        return choice if isinstance(choice, str) else canonical_json.dumps(choice)
    texts = [next((text for key in keys if isinstance(text := choice.get(key), str) and text), "") for keys in (LABELS, DETAILS)]
    shown = " – ".join(filter(None, texts))
    sent = answer_of(choice)
    return shown if shown and sent is not choice else f"{shown} {canonical_json.dumps(sent)}".strip()


# A choice for each of several questions


@dataclass(frozen=True, slots=True)
class Question:
    """One of several questions in a payload."""

    key: str
    """Names it in the answer; empty if the answer is a list."""
    text: str
    choices: tuple[Json, ...]
    """As they are in the payload; empty if it takes a text."""

    def labels(self) -> tuple[str, ...]:
        """Its choices as they are shown, each different."""
        seen: dict[str, int] = {}
        shown = []
        for label in map(label_of, self.choices):
            seen[label] = seen.get(label, 0) + 1
            shown.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
        return tuple(shown)


def questions_of(value: Json) -> tuple[Question, ...]:
    """The questions of a payload with `questions`, if one of them lists choices; else none."""
    listed = _list(value.get("questions")) if isinstance(value, dict) else []
    if not all(isinstance(one, dict) for one in listed):
        return ()
    found = [Question(_key(one), _text(one, number), choices_of(one)) for number, one in enumerate(listed, 1)]
    if not any(question.choices for question in found):
        return ()
    keys = {question.key for question in found}
    named = "" not in keys and len(keys) == len(found)
    return tuple(found) if named else tuple(Question("", question.text, question.choices) for question in found)


def _key(question: Mapping[str, Json]) -> str:
    return next((str(found) for key in KEYS if isinstance(found := question.get(key), str | int) and not isinstance(found, bool)), "")


def _text(question: Mapping[str, Json], number: int) -> str:
    return next((text for key in (*ASKING, *LABELS) if isinstance(text := question.get(key), str) and text), f"question {number}")


def answers_to(questions: Sequence[Question], said: Sequence[str]) -> Json:
    """The answer to several questions: an object by their keys, or a list in their order.

    Args:
        questions: as `questions_of` gives them.
        said: for each question the label of a choice, or the text; empty for none.

    Raises:
        Refused: a question with choices has no answer.
    """
    answers = [_answer(question, text) for question, text in zip(questions, said, strict=True)]
    if questions and questions[0].key:
        return {question.key: answer for question, answer in zip(questions, answers, strict=True)}
    return answers


def _answer(question: Question, said: str) -> Json:
    if not question.choices:
        return said
    labels = question.labels()
    if said not in labels:
        raise Refused(f"{canonical_json.one_line(question.text, 60)} has no answer yet", "choose one")
    return answer_of(question.choices[labels.index(said)])
