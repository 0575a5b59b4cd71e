"""Reads the value of one interrupt as actions of a kind of pause, and writes answers as resume values (CONTRACT 1.5, 1.7, 1.8)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.free_questions import choices_of, yes_no
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind, digest_of
from hitl_tui.validation import rejection_text, response_value, schema_problem, storage_problem

ALL = tuple(DecisionKind)
APPROVE, EDIT, REJECT, RESPOND = ALL
INBOX_FLAGS = {"allow_accept": APPROVE, "allow_edit": EDIT, "allow_ignore": REJECT, "allow_respond": RESPOND}

Schemas = Mapping[str, Json]
"""JSON Schema of the arguments, by tool name."""


def action(slot: int, name: str, args: Json, allowed: Sequence[DecisionKind], **more: Any) -> Action:
    """An action, with its digest computed."""
    return Action(slot, name, args, tuple(allowed), digest=digest_of(name, args), **more)


def normalise(value: Any, node: str, schemas: Schemas, response_schema: Json = None) -> tuple[PauseKind, tuple[Action, ...]]:
    """The kind of an interrupt's value, and its actions: at least one. Only decisions that the graph accepts are allowed."""
    plain = canonical_json.as_json(value)
    if isinstance(plain, dict):
        if actions := _tool_calls(plain, schemas):
            return PauseKind.TOOL_CALLS, actions
        if plain.get("type") == "tool_approval" and (actions := _tool_approval(plain, schemas, response_schema)):
            return PauseKind.TOOL_APPROVAL, actions
        if plain.get("type") == "mcp_elicitation" and (actions := _elicitation(plain)):
            return PauseKind.MCP_ELICITATION, actions
        if plain.get("type") == "escalation" and (actions := _escalation(plain, node, response_schema)):
            return PauseKind.ESCALATION, actions
        if plain.get("type") == "draft" and (actions := _draft(plain)):
            return PauseKind.DRAFT, actions
    if actions := _agent_inbox(plain, schemas):
        return PauseKind.AGENT_INBOX, actions
    return PauseKind.QUESTION, (_question(plain, node, response_schema),)


def _tool_calls(value: dict[str, Any], schemas: Schemas) -> tuple[Action, ...]:
    requests, configs = _dicts(value.get("action_requests")), _dicts(value.get("review_configs"))
    if len(requests) != len(configs):
        return ()
    made = []
    for slot, (request, config) in enumerate(zip(requests, configs, strict=True)):
        name, args, allowed = request.get("name"), request.get("args"), config.get("allowed_decisions")
        if not isinstance(name, str) or not isinstance(args, dict) or not isinstance(allowed, list):
            return ()
        described = request.get("description")
        made.append(action(slot, name, args, _known(allowed), description=_text(described), args_schema=schemas.get(name)))
    return tuple(made) if all(a.allowed for a in made) else ()


def _tool_approval(value: dict[str, Any], schemas: Schemas, response_schema: Json) -> tuple[Action, ...]:
    name, args = value.get("name"), value.get("args")
    if not isinstance(name, str) or not isinstance(args, dict):
        return ()
    allowed = _known(_decision_types(response_schema))
    call = value.get("tool_call_id")
    made = action(
        0, name, args, allowed, description=_text(value.get("description")), args_schema=schemas.get(name),
        tool_call=call if isinstance(call, str) else None,
    )  # fmt: skip
    return (made,) if allowed else ()


def _decision_types(schema: Json) -> list[Any]:
    """The decision types a per_call response schema accepts: a `oneOf` with a discriminator, or one object."""
    discriminator, properties = _dict_in(schema, "discriminator"), _dict_in(schema, "properties")
    if isinstance(discriminator.get("mapping"), dict):
        return list(discriminator["mapping"])
    kind = _dict_in(properties, "type")
    listed = [kind["const"]] if "const" in kind else kind.get("enum")
    return listed if isinstance(listed, list) else []


def _elicitation(value: dict[str, Any]) -> tuple[Action, ...]:
    """Questions of an MCP server in the form of `langchain.mcp.elicitation`: data that fits a schema, or a visit to an address."""
    tool, requests = value.get("tool_name"), _dicts(value.get("requests"))
    keys = [request.get("key") for request in requests]
    if not isinstance(tool, str) or not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        return ()
    made = [_elicited(slot, tool, request) for slot, request in enumerate(requests)]
    return tuple(a for a in made if a) if all(made) else ()


def _elicited(slot: int, tool: str, request: dict[str, Any]) -> Action | None:
    shown = {name: request[name] for name in ("message", "url", "mode", "key") if name in request}
    if request.get("mode") == "url":
        means = {"approve": "tells the server that you agree to visit the address", "reject": "declines, and the server is told"}
        return action(slot, tool, shown, (APPROVE, REJECT), means=means)
    schema = request.get("requested_schema")
    if not isinstance(schema, dict) or request.get("mode") != "form":
        return None
    allowed = [RESPOND, REJECT] if schema_problem({}, schema) else [APPROVE, RESPOND, REJECT]
    means = {
        "approve": "accepts, and gives the server no data",
        "respond": "accepts, with this as the data",
        "reject": "declines, and the server is told",
    }
    return action(slot, tool, shown, allowed, answer_schema=schema, means=means)


def _escalation(value: dict[str, Any], node: str, response_schema: Json) -> tuple[Action, ...]:
    """An escalation by `hitl_tui.patterns.escalate`. One written by hand needs only a reason, and takes any answer."""
    reason = value.get("reason")
    if not isinstance(reason, str) or not reason.strip() or not isinstance(value.get("to", ""), str):
        return ()
    schema = response_schema if isinstance(response_schema, dict) else None
    allowed = [RESPOND, *([REJECT] if "decline" in _words(value.get("answers")) and not schema_problem(None, schema) else [])]
    shown = {name: part for name, part in value.items() if name not in ("type", "answers")}
    means = {"respond": "gives the agent this answer", "reject": "tells the agent that nobody can help"}
    return (action(0, node, shown, allowed, answer_schema=schema, choices=_listed(value), means=means),)


def _listed(value: dict[str, Any]) -> tuple[Json, ...]:
    return next((tuple(listed) for key in ("options", "choices") if isinstance(listed := value.get(key), list) and listed), ())


def _draft(value: dict[str, Any]) -> tuple[Action, ...]:
    """A draft by `hitl_tui.patterns.draft`. It must say which answers it takes: others use the word `draft` for something else."""
    name, shown, answers = value.get("key"), value.get("draft"), _words(value.get("answers"))
    allowed = [APPROVE, EDIT] if "accept" in answers else []
    allowed += [REJECT] if "revise" in answers else []
    if not isinstance(name, str) or not name or not isinstance(shown, str | dict) or storage_problem(shown) or not allowed:
        return ()
    means = {
        "approve": "accepts the draft as it is",
        "edit": "accepts the draft with your changes",
        "reject": "sends the draft back for revision",
    }
    description = "\n".join(filter(None, (_text(value.get(part)) for part in ("note", "instructions", "problem"))))
    return (action(0, name, shown, allowed, description=description, means=means),)


def _words(value: Json) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _agent_inbox(value: Json, schemas: Schemas) -> tuple[Action, ...]:
    if isinstance(value, str) and "action_request" in value:
        try:
            value = json.loads(value)
        except (json.JSONDecodeError, RecursionError):
            return ()
    requests = value if isinstance(value, list) else [value]
    made = [_inbox_action(slot, request, schemas) for slot, request in enumerate(requests)]
    return tuple(a for a in made if a) if made and all(made) else ()


def _inbox_action(slot: int, request: Json, schemas: Schemas) -> Action | None:
    if not isinstance(request, dict):
        return None
    asked, config = request.get("action_request"), request.get("config")
    if not isinstance(asked, dict) or not isinstance(config, dict) or not isinstance(asked.get("action"), str):
        return None
    allowed = [kind for flag, kind in INBOX_FLAGS.items() if config.get(flag) is True]
    if not isinstance(asked.get("args"), dict):
        allowed = [kind for kind in allowed if kind != EDIT]
    if not allowed:
        return None
    means = {
        "respond": "sends the agent this text: the graph decides what it does with it",
        "reject": "ignores it: the graph decides what that means",
    }
    name = asked["action"]
    return action(
        slot, name, asked.get("args"), allowed, description=_text(request.get("description")), args_schema=schemas.get(name), means=means
    )


def _question(value: Json, node: str, response_schema: Json) -> Action:
    schema = response_schema if isinstance(response_schema, dict) else None
    choices = choices_of(value, schema)
    sent = {} if _is_malformed(value) else yes_no(value, choices, schema)
    means = {kind.value: f"answers {canonical_json.dumps(answer)}" for kind, answer in sent.items()}
    return action(0, node, value, (RESPOND, *sent), answer_schema=schema, choices=choices, means=means)


def _is_malformed(value: Json) -> bool:
    """Whether this is a known shape with a mistake in it. True or false would break its graph, which expects that shape's answers."""
    known = ("tool_approval", "mcp_elicitation")
    if isinstance(value, dict) and value.get("type") in ("escalation", "draft"):
        return "answers" in value
    return isinstance(value, dict) and ("action_requests" in value or "action_request" in value or value.get("type") in known)


def _known(kinds: Sequence[Any]) -> list[DecisionKind]:
    return [kind for kind in ALL if kind.value in kinds]


def _dicts(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else []


def _dict_in(value: Json, name: str) -> dict[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else canonical_json.dumps(value)


def with_exact_args(kind: PauseKind, value: Any, answers: Mapping[int, Answer]) -> dict[int, Answer]:
    """The answers, with the interrupt's own values for arguments that an edit left unchanged: JSON cannot represent all of them."""
    proposed = {slot: _raw_args(kind, value, slot) for slot, answer in answers.items() if answer.kind is DecisionKind.EDIT}
    return {
        slot: replace(answer, args=canonical_json.restored(answer.args, proposed[slot])) if proposed.get(slot) is not None else answer
        for slot, answer in answers.items()
    }


def _raw_args(kind: PauseKind, value: Any, slot: int) -> Any:
    """The arguments of an action as the interrupt has them; None if it does not have them as plain data."""
    try:
        match kind:
            case PauseKind.TOOL_CALLS:
                return value["action_requests"][slot]["args"]
            case PauseKind.TOOL_APPROVAL:
                return value["args"]
            case PauseKind.AGENT_INBOX:
                requests = json.loads(value) if isinstance(value, str) else value
                return (requests if isinstance(requests, list) else [requests])[slot]["action_request"]["args"]
    except (KeyError, IndexError, TypeError):
        return None
    return None


def resume_value(kind: PauseKind, actions: Sequence[Action], answers: Mapping[int, Answer]) -> Json:
    """The value with which LangGraph is resumed. `answers` has one for each action, by slot."""
    match kind:
        case PauseKind.TOOL_CALLS:
            return {"decisions": [_decision(a, answers[a.slot]) for a in actions]}
        case PauseKind.TOOL_APPROVAL:
            return _decision(actions[0], answers[0])
        case PauseKind.AGENT_INBOX:
            return [_inbox_response(a, answers[a.slot]) for a in actions]
        case PauseKind.MCP_ELICITATION:
            return {"responses": {a.args["key"]: _elicitation_response(a, answers[a.slot]) for a in actions}}
        case PauseKind.QUESTION:
            return _plain_answer(actions[0], answers[0])
        case PauseKind.ESCALATION:
            return None if answers[0].kind is DecisionKind.REJECT else response_value(answers[0])
        case PauseKind.DRAFT:
            return _draft_answer(actions[0], answers[0])
        case _:
            raise ValueError(f"a {kind} is not resumed with a value")


def _decision(asked: Action, answer: Answer) -> Json:
    match answer.kind:
        case DecisionKind.EDIT:
            return {"type": "edit", "edited_action": {"name": asked.name, "args": answer.args}}
        case DecisionKind.REJECT:
            reason = rejection_text(asked.args, answer)
            return {"type": "reject", "message": reason} if reason else {"type": "reject"}
        case DecisionKind.RESPOND:
            return {"type": "respond", "message": answer.message}
        case _:
            return {"type": "approve"}


def _inbox_response(asked: Action, answer: Answer) -> Json:
    match answer.kind:
        case DecisionKind.EDIT:
            return {"type": "edit", "args": {"action": asked.name, "args": answer.args}}
        case DecisionKind.REJECT:
            return {"type": "ignore", "args": None}
        case DecisionKind.RESPOND:
            return {"type": "response", "args": answer.message}
        case _:
            return {"type": "accept", "args": None}


def _elicitation_response(asked: Action, answer: Answer) -> Json:
    if answer.kind is DecisionKind.REJECT:
        return {"action": "decline"}
    if asked.args["mode"] == "url":
        return {"action": "accept"}
    return {"action": "accept", "content": answer.args if answer.kind is DecisionKind.RESPOND else {}}


def _draft_answer(asked: Action, answer: Answer) -> Json:
    """Every answer carries the draft: what is accepted is what was shown, even if the node writes another when it runs again."""
    left = asked.args if answer.args is None else answer.args
    if answer.kind is DecisionKind.REJECT:
        return {"type": "revise", "draft": left, "note": answer.message or ""}
    return {"type": "accept", "draft": left}


def _plain_answer(asked: Action, answer: Answer) -> Json:
    if answer.kind is DecisionKind.RESPOND:
        return response_value(answer)
    if answer.template is not None:
        return answer.template
    sent = yes_no(asked.args, asked.choices, asked.answer_schema)
    return sent.get(answer.kind, answer.kind is APPROVE)  # one that was decided when every question took true and false
