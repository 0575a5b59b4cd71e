"""Takeover plans: parse one from JSON, write it as JSON, and validate it against the run's head and state schema. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hitl_tui import canonical_json, validation
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Json, RunHead, TakeoverPlan

SHAPE = (
    '{"state": {KEY: VALUE}, "text": TEXT, "calls": [{"id": ID, "name": TOOL, "args": {…}}], "results": {CALL: TEXT}, '
    '"guidance": TEXT, "answer": TEXT}'
)
"""The JSON form of a plan, for error messages; every part is optional."""
PARTS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "state": (dict, "an object of new values by key"),
    "text": ((str, type(None)), "a text"),
    "calls": ((list, type(None)), "a list of calls"),
    "results": (dict, "an object of texts by tool call"),
    "guidance": (str, "a text"),
    "answer": ((str, type(None)), "a text"),
}


def as_json(plan: TakeoverPlan) -> Json:
    """Return a plan as JSON, without its empty parts."""
    calls = None if plan.calls is None else _calls_json(plan.calls)
    texts = {"text": plan.text, "calls": calls, "answer": plan.answer}
    others = {"state": dict(plan.state), "results": dict(plan.results), "guidance": plan.guidance}
    return {
        **{name: value for name, value in texts.items() if value is not None},
        **{name: value for name, value in others.items() if value},
    }


def _calls_json(calls: Sequence[Call]) -> list[Json]:
    return [{"id": call.id, "name": call.name, "args": call.args} for call in calls]


def parse(given: Json) -> TakeoverPlan:
    """Parse a plan from JSON.

    Raises:
        Refused: the JSON is not a plan.
    """
    if not isinstance(given, dict):
        raise Refused("the plan is not an object", f"write it as {SHAPE}")
    for name, value in given.items():
        if name not in PARTS:
            raise Refused(f"a plan has no {name!r}", f"it has {', '.join(PARTS)}")
        kind, words = PARTS[name]
        if not isinstance(value, kind):
            raise Refused(f"{name!r} of the plan is not {words}", f"write it as {SHAPE}")
    if not all(isinstance(text, str) for text in given.get("results", {}).values()):
        raise Refused("a result in the plan is not a text", "write each tool result as text")
    calls = given.get("calls")
    return TakeoverPlan(**{**given, "calls": None if calls is None else tuple(_call(one) for one in calls)})


def _call(given: Json) -> Call:
    named = isinstance(given, dict) and isinstance(given.get("name"), str) and isinstance(given.get("args"), dict)
    if not named or not isinstance(given.get("id", ""), str) or given.keys() - {"id", "name", "args"}:
        raise Refused("a call in the plan is malformed", 'write it as {"id": ID, "name": TOOL, "args": {…}}; a new one has no id')
    return Call(given.get("id", ""), given["name"], given["args"])


def validate(plan: TakeoverPlan, head: RunHead, schema: Json) -> None:
    """Check that a plan can be applied to a run.

    Args:
        plan: the plan.
        head: the state of the run.
        schema: JSON Schema of the graph's state; None if it is unknown.

    Raises:
        Refused: the plan does nothing, contradicts itself, or does not fit the run.
    """
    if plan == TakeoverPlan():
        raise Refused("the plan does nothing", "add something to do, or discard the takeover")
    if plan.answer is not None and (plan.guidance or not plan.answer.strip()):
        why = "an answer ends the run, and guidance lets the agent go on" if plan.guidance else "the answer is empty"
        raise Refused(why, "give either an answer or guidance")
    if plan.calls and (plan.answer is not None or plan.guidance):
        why = "an answer ends the run" if plan.answer is not None else "with guidance the agent tries again"
        raise Refused(f"{why}: the rewritten calls would never run", "remove one of the two")
    speaks = [part for part in ("text", "calls", "results", "guidance", "answer") if getattr(plan, part) not in (None, {}, "")]
    if speaks and not has_messages(head, schema):
        raise Refused(f"the graph keeps no messages, so the plan cannot have {speaks[0]!r}", "edit the state, or decide the review")
    state = head.context.state if isinstance(head.context.state, dict) else {}
    before = {"state": {key: state[key] for key in plan.state if key in state}, "calls": _calls_json(head.calls)}
    if problem := validation.storage_problem(canonical_json.changed(as_json(plan), before)):
        raise Refused(f"the plan {problem}", "correct it")
    validate_state(plan.state, schema, head.context.state)
    if plan.text is not None and head.text is None:
        raise Refused("the last message is not the agent's: it cannot be rewritten", "guide the agent instead")
    _check_calls(plan.calls or (), head)
    if plan.calls is not None and head.text is None:
        raise Refused("the last message is not the agent's: it has no calls to rewrite", "guide the agent instead")
    _check_results(plan.results, head.calls if plan.calls is None else plan.calls)


def validate_state(edits: Mapping[str, Json], schema: Json, before: Json) -> None:
    """Check that new values fit the schema of a graph's state. Parts of them that are as they were `before` need not.

    Raises:
        Refused: a key is unknown or `messages`, or a value does not fit the schema.
    """
    if "messages" in edits:
        raise Refused("messages cannot be edited as state", "rewrite the agent's last message, answer, or guide the agent")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return
    for name in edits:
        if name not in properties:
            raise Refused(f"the graph's state has no {name!r}", f"it has {', '.join(key for key in properties if key != 'messages')}")
    if problem := validation.edit_problem(dict(edits), before, {**schema, "properties": properties, "required": []}):
        raise Refused(f"the state does not fit the graph: {problem}", "correct it")


def has_messages(head: RunHead, schema: Json) -> bool:
    """Whether a graph keeps messages, so that a person can rewrite them, answer or guide."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return bool(head.context.conversation) or "messages" in properties


def _check_calls(calls: Sequence[Call], head: RunHead) -> None:
    named: list[Any] = [call.id for call in calls if call.id]
    if len(set(named)) < len(named):
        raise Refused("two calls have the same id", "leave out the id of a new call")
    before = {call.id: call.args for call in head.calls}
    for call in calls:
        if head.schemas and call.name not in head.schemas:
            raise Refused(f"the agent has no tool {call.name}", f"it has {', '.join(sorted(head.schemas))}")
        if problem := validation.edit_problem(call.args, before.get(call.id), head.schemas.get(call.name)):
            raise Refused(f"the arguments of {call.name} do not fit: {problem}", "correct them")


def _check_results(results: Mapping[str, str], calls: Sequence[Call]) -> None:
    known = [call.id for call in calls if call.id]
    for call in results:
        if call not in known:
            raise Refused(f"no tool call {call!r} waits for a result", f"those that do: {', '.join(known)}" if known else "none does")
