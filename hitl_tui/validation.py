"""Validates answers against their action and its schema, completely and before they are stored: a bad one can poison a thread for good."""

from __future__ import annotations

import math
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import UNCHECKED_SCHEMA, Action, Answer, DecisionKind, Json, PauseKind


def check(kind: PauseKind, action: Action, answer: Answer) -> None:
    """Check that an answer can be sent to the graph.

    Raises:
        Refused: the kind is not allowed, a part is missing, or a value breaks the schema or cannot be stored.
    """
    if answer.kind not in action.allowed:
        raise not_allowed(kind, action, answer.kind)
    before = action.args if answer.kind in (DecisionKind.EDIT, DecisionKind.REJECT) else None
    if problem := _template_problem(answer.template, action):
        raise Refused(f"the answer template does not fit what {action.name} asks for: {problem}", "correct it in policy.toml")
    if problem := storage_problem([answer.message, canonical_json.changed(answer.args, before)]):
        raise Refused(f"the answer {problem}", "correct it")
    match answer.kind:
        case DecisionKind.EDIT:
            _check_edit(action, answer)
        case DecisionKind.RESPOND:
            _check_response(kind, action, answer)
        case DecisionKind.REJECT if answer.args is not None:
            _check_revision(kind, action, answer)
        case _ if answer.args is not None:
            raise Refused(f"{answer.kind} takes no arguments", "to change the arguments, edit")


def _template_problem(template: Json, action: Action) -> str:
    return "" if template is None else storage_problem(template) or schema_problem(template, action.answer_schema)


def not_allowed(kind: PauseKind, action: Action, decision: DecisionKind) -> Refused:
    """Why an action cannot get a decision of that kind."""
    allowed = f"allowed: {', '.join(action.allowed) or 'none'}"
    if template := action.templates.get(decision):
        return Refused(f"the answer template of {action.name} {template.problem}", f"correct it in policy.toml; {allowed}")
    if kind is PauseKind.QUESTION and decision in (DecisionKind.APPROVE, DecisionKind.REJECT):
        return Refused(f"{action.name} takes no yes or no, so it cannot be answered with {decision}", allowed)
    return Refused(f"{action.name} cannot be answered with {decision}", allowed)


def can_revise(kind: PauseKind, action: Action) -> bool:
    """Whether a person can send an action back to the agent for revision."""
    return kind.is_revisable and DecisionKind.REJECT in action.allowed


def _check_revision(kind: PauseKind, action: Action, answer: Answer) -> None:
    """Check a request for revision: a rejection with a note and the person's version of the arguments, which need not fit the schema."""
    if not can_revise(kind, action):
        raise Refused(f"{action.name} cannot be revised: its graph does not read why it is rejected", "reject it without arguments")
    if not (answer.message or "").strip():
        raise Refused("a revision needs a note", "say what the agent should change (--message)")
    if not isinstance(answer.args, str if isinstance(action.args, str) else dict):
        wanted = "a text" if isinstance(action.args, str) else 'an object, like {"name": value, …}'
        raise Refused(f"your version of {action.name} is not {wanted}", "correct it")


def _check_edit(action: Action, answer: Answer) -> None:
    if isinstance(action.args, str):
        if not isinstance(answer.args, str):
            raise Refused(f"{action.name} is a text, and the edited one is not", 'give a text; as JSON, put it into "quotes"')
        return
    if not isinstance(answer.args, dict):
        raise Refused("the edited arguments are not an object", 'write them as {"name": value, …}')
    problem = edit_problem(answer.args, action.args, action.args_schema) or _unknown_argument(answer.args, action)
    if problem:
        raise Refused(f"the edited arguments do not fit {action.name}: {problem}", "correct them")


def edit_problem(edited: Json, before: Json, schema: Json) -> str:
    """The first way in which a person's changes break a schema, as a phrase. What they left as it was is not theirs to correct."""
    restored = canonical_json.restored(edited, _with_floats(before))
    return next((_phrase(error) for error in _errors(restored, schema) if not _is_untouched(error, edited, before)), "")


def _with_floats(value: Json) -> Any:
    """The value with the numbers that JSON does not have in place of their safe form."""
    if isinstance(value, dict):
        if value.keys() == {"float"} and value["float"] in ("nan", "inf", "-inf"):
            return float(value["float"])
        return {key: _with_floats(item) for key, item in value.items()}
    return [_with_floats(item) for item in value] if isinstance(value, list) else value


def _is_untouched(error: Any, args: Json, proposed: Json) -> bool:
    """Whether the value that an error is about is as it was proposed."""
    try:
        for step in error.absolute_path:
            args, proposed = args[step], proposed[step]
    except (KeyError, IndexError, TypeError):
        return False
    return canonical_json.canonical(args) == canonical_json.canonical(proposed)


def _unknown_argument(args: dict[str, Json], action: Action) -> str:
    """Report an argument that neither the tool's schema nor the proposal has, as a clause: most tools drop unknown arguments silently."""
    schema = action.args_schema
    if not isinstance(schema, dict) or "properties" not in schema or schema.get("additionalProperties") or "patternProperties" in schema:
        return ""
    known = set(schema["properties"]) | set(action.args if isinstance(action.args, dict) else ())
    return next((f"there is no argument {name!r}" for name in args if name not in known), "")


def _check_response(kind: PauseKind, action: Action, answer: Answer) -> None:
    if kind.is_tool_call and (answer.message is None or answer.args is not None):
        raise Refused("a response replaces the tool's result and is text", "give it as a message")
    if answer.message is not None and answer.args is not None:
        raise Refused("an answer is text or JSON, not both", "give one of them")
    problem = (_form_problem(response_value(answer)) if kind is PauseKind.MCP_ELICITATION else "") or schema_problem(
        response_value(answer), action.answer_schema
    )
    if problem:
        raise Refused(f"the answer does not fit what {action.name} asks for: {problem}", "correct it")


def _form_problem(value: Json) -> str:
    """Why MCP's protocol cannot carry a value as form data, whatever schema the server gave; empty if it can."""
    if not isinstance(value, dict):
        return "it is not an object"
    for name, part in value.items():
        is_texts = isinstance(part, list) and all(isinstance(item, str) for item in part)
        if not is_texts and not isinstance(part, str | int | float | None):
            return f"{name!r} is neither text, a number, true, false, null nor a list of texts"
    return ""


def rejection_text(proposed: Json, answer: Answer) -> str | None:
    """What an agent reads about a rejection: the reason, and the person's version of changed arguments; None if there is neither."""
    if answer.args is None or answer.args == proposed:
        return answer.message or None
    return f"{answer.message}\n\nThe arguments as the reviewer left them: {canonical_json.dumps(answer.args)}"


def response_value(answer: Answer) -> Json:
    """The value that a `respond` answer sends: the message as text, or the JSON value."""
    return answer.args if answer.message is None else answer.message


def storage_problem(value: Json, depth: int = canonical_json.DEPTH) -> str:
    """Why a checkpoint cannot store a JSON value exactly, as a phrase; empty if it can."""
    if isinstance(value, str):
        return "" if canonical_json.encodable(value) else "has characters that cannot be encoded (lone surrogates)"
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**64 else "has a whole number of more than 64 bits"
    if isinstance(value, float):
        return "" if math.isfinite(value) else "has a number that JSON does not have"
    if not value or not isinstance(value, list | dict):
        return ""
    parts = value if isinstance(value, list) else [*value, *value.values()]
    return next(filter(None, (storage_problem(part, depth - 1) for part in parts)), "") if depth else "is nested too deeply"


def schema_problem(value: Json, schema: Json) -> str:
    """The first violation of a JSON Schema, as a phrase; empty if the value fits or the schema is missing or broken."""
    return next((_phrase(error) for error in _errors(value, schema)), "")


def _errors(value: Json, schema: Json) -> list[Any]:
    """How the value breaks the JSON Schema, the most telling error first. Of a schema that only describes, the type alone counts."""
    if not isinstance(schema, dict):
        return []
    if schema.get(UNCHECKED_SCHEMA):
        schema = {"type": schema["type"]} if "type" in schema else {}
    from jsonschema import Draft202012Validator, exceptions  # 60 ms: only for those who edit
    from referencing import Registry

    try:
        validator = Draft202012Validator(schema, registry=Registry())  # an empty registry: a $ref never reaches the network
        errors = list(validator.iter_errors(value))
        best = exceptions.best_match(errors)
    except Exception:  # noqa: BLE001 - the schema is the agent's, and a broken one constrains nothing
        return []
    return [best, *errors] if best else []


def _phrase(error: Any) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    message = error.message if len(error.message) <= 200 else error.message[:199] + "…"
    return f"{where}: {message}" if where else message
