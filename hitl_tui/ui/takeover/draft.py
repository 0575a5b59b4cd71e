"""What a person has typed on the takeover screen, and the plan it makes: parsed, checked against the run, and summed up. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Json, RunHead, TakeoverPlan
from hitl_tui.ui.dialogs.edited_value import EditedValue, same_json
from hitl_tui.ui.dialogs.fields import Field, fields_of


class Intervention(StrEnum):
    """What a person can do as the agent."""

    RESULT = "result"
    REWRITE = "rewrite"
    GUIDANCE = "guidance"
    STATE = "state"
    ANSWER = "answer"
    STOP = "stop"


LABELS = {
    Intervention.RESULT: "write the tool's result",
    Intervention.REWRITE: "rewrite message or calls",
    Intervention.GUIDANCE: "guide the agent and retry",
    Intervention.STATE: "edit the state",
    Intervention.ANSWER: "finish with your answer",
    Intervention.STOP: "stop the run",
}


BRIEF = 80
"""Characters of a call's arguments beside the field for its result."""


@dataclass
class Draft:
    """What is typed; it may not be a valid plan yet."""

    head: RunHead
    schema: Json
    """JSON Schema of the graph's state; None if unknown."""
    ended: str
    """State of a run that has ended; empty while it waits."""
    values: dict[Intervention, EditedValue]
    """What is edited as values: results by tool call, the agent's message with its calls, and the state."""
    guidance: str = ""
    answer: str = ""

    @classmethod
    def start(cls, head: RunHead, schema: Json, plan: TakeoverPlan, ended: str = "", typed: Mapping[str, str] | None = None) -> Draft:
        """Begin with the run as it is, changed by a saved plan and by texts that were typed but not valid."""
        results = {call.id: "" for call in head.calls}
        rewrite = _rewrite(head.text, head.calls)
        rewritten = _rewrite(head.text if plan.text is None else plan.text, head.calls if plan.calls is None else plan.calls)
        written = {call: text for call, text in plan.results.items() if call in results}
        state = head.context.state
        edited = {**state, **plan.state} if isinstance(state, dict) else state
        values = {
            Intervention.RESULT: EditedValue(results, lambda value: _result_fields(value, head.calls), {**results, **written}, "this"),
            Intervention.REWRITE: EditedValue(
                rewrite, lambda value: _rewrite_fields(value, head), rewrite if head.text is None else rewritten, "the rewrite"
            ),
            Intervention.STATE: EditedValue(state, lambda value: fields_of(_without_messages(schema), value), edited, "the state"),
        }
        draft = cls(head, schema, ended, values, plan.guidance, plan.answer or "")
        for one, value in values.items():
            value.type_again(one, typed or {})
        return draft

    # What is possible

    def unavailable(self, intervention: Intervention) -> str:
        """Why an intervention is not possible here, as a clause; empty if it is."""
        has_messages = takeover_plan.has_messages(self.head, self.schema)
        if intervention == Intervention.RESULT and not self.head.calls:
            return "no tool call waits"
        if intervention in (Intervention.REWRITE, Intervention.GUIDANCE, Intervention.ANSWER) and not has_messages:
            return "no messages"
        if intervention == Intervention.REWRITE and self.head.text is None:
            return "nothing to rewrite"
        if intervention == Intervention.STATE and not self.has_state:
            return "no state besides messages"
        if intervention == Intervention.STOP and self.ended:
            return f"the run has {self.ended}" if self.ended == "failed" else f"the run is {self.ended}"
        return ""

    @property
    def has_state(self) -> bool:
        """Whether the state has, or may have, keys besides messages."""
        state = self.head.context.state
        return isinstance(state, dict) and bool(state or _keys(self.schema))

    # The plan

    def plan(self) -> TakeoverPlan:
        """The plan, checked.

        Raises:
            Refused: a part is invalid, parts contradict each other, or nothing is planned.
        """
        parts: dict[str, Any] = {}
        for _, read in self._parts():
            parts |= read()
        plan = TakeoverPlan(**parts)
        if plan == TakeoverPlan():
            raise Refused("nothing to hand back yet", "choose one of the six actions, or discard the takeover")
        takeover_plan.validate(plan, self.head, self.schema)
        return plan

    def valid_plan(self) -> TakeoverPlan:
        """The parts that are valid: what the store can hold."""
        parts: dict[str, Any] = {}
        for _, read in self._parts():
            with contextlib.suppress(Refused):
                parts |= read()
        return TakeoverPlan(**parts)

    def invalid_texts(self) -> dict[str, str]:
        """What is typed for invalid parts, by name."""
        return dict(self.values[one].typed(one) for one in self.problems())

    def problems(self) -> dict[Intervention, str]:
        """What is wrong, as a clause; empty if every part is valid."""
        found = {}
        for one, read in self._parts():
            try:
                read()
            except Refused as refused:
                found[one] = refused.happened
        return found

    def _parts(self) -> list[tuple[Intervention, Callable[[], dict[str, Any]]]]:
        """For each intervention what reads its parts of a plan."""
        return [
            (Intervention.STATE, self._state),
            (Intervention.REWRITE, self._rewritten),
            (Intervention.RESULT, self._results),
            (Intervention.GUIDANCE, lambda: {"guidance": self.guidance.strip()}),
            (Intervention.ANSWER, lambda: {"answer": self.answer.strip() or None}),
        ]

    def _state(self) -> dict[str, Any]:
        """The keys of the state that differ, with their new values."""
        if not self.has_state:
            return {}
        before, after = self.head.context.state, self.values[Intervention.STATE].read()
        if not isinstance(after, dict):
            raise Refused("the state is not an object", 'write it as {"key": value, …}')
        if gone := next((key for key in before if key not in after), None):
            raise Refused(f"the key {gone!r} is missing: a graph's state cannot lose a key", "give it another value, e.g. null")
        new = {key: value for key, value in after.items() if key not in before or not same_json(value, before[key])}
        return self._checked({"state": new} if new else {})

    def _rewritten(self) -> dict[str, Any]:
        """The agent's message and its calls, each only if it differs."""
        edited = self.values[Intervention.REWRITE]
        before, after = edited.original, edited.read()
        if not isinstance(after, dict) or after.keys() != before.keys():
            raise Refused(f"the rewrite does not have exactly {' and '.join(before)}", 'write it as {"message": TEXT, "calls": [{…}]}')
        found: dict[str, Any] = {}
        if not isinstance(after.get("message", ""), str):
            raise Refused("the message is not a text", "write it in quotes")
        if not isinstance(after["calls"], list):
            raise Refused("the calls are not a list", 'write them as [{"name": "tool", "args": {…}}, …]')
        if not same_json(after.get("message"), before.get("message")):
            found["text"] = after["message"]
        if not same_json(after["calls"], before["calls"]):
            found["calls"] = takeover_plan.parse({"calls": after["calls"]}).calls
        return self._checked(found)

    def _results(self) -> dict[str, Any]:
        """The results that are written, by tool call."""
        given = self.values[Intervention.RESULT].read()
        found = takeover_plan.parse({"results": given}).results
        written = {call: text for call, text in found.items() if text.strip()}
        return {"results": written}

    def _checked(self, parts: dict[str, Any]) -> dict[str, Any]:
        if parts:
            takeover_plan.validate(TakeoverPlan(**parts), self.head, self.schema)
        return parts

    # Words

    def progress(self, intervention: Intervention, plan: TakeoverPlan) -> str:
        """What a plan holds of one intervention, in a word or two; empty for nothing."""
        match intervention:
            case Intervention.RESULT:
                return f"{len(plan.results)} of {len(self.head.calls)} answered" if plan.results else ""
            case Intervention.REWRITE:
                return "rewritten" if plan.text is not None or plan.calls is not None else ""
            case Intervention.GUIDANCE:
                return "written" if plan.guidance else ""
            case Intervention.STATE:
                return f"{counted(len(plan.state), 'key')} changed" if plan.state else ""
            case Intervention.ANSWER:
                return "written" if plan.answer else ""
            case _:
                return ""

    def summary(self) -> str:
        """What happens on hand-back, in numbers.

        Raises:
            Refused: it cannot be handed back.
        """
        plan = self.plan()
        return f"{', '.join(_changes(plan, self.head))}; {_outcome(plan, self.head)}"


def _keys(schema: Json) -> set[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) - {"messages"} if isinstance(properties, dict) else set()


def _without_messages(schema: Json) -> Json:
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        return schema
    return {**schema, "properties": {key: part for key, part in schema["properties"].items() if key != "messages"}}


def _rewrite(text: str | None, calls: Sequence[Call]) -> dict[str, Json]:
    """The agent's message and its tool calls, as the JSON a person edits; no message if it cannot be rewritten."""
    shown = [{**({"id": call.id} if call.id else {}), "name": call.name, "args": call.args} for call in calls]
    return {**({} if text is None else {"message": text}), "calls": shown}


def _rewrite_fields(value: Json, head: RunHead) -> Iterator[Field]:
    """The message, and the arguments of each call by the schema of its tool.

    Raises:
        Refused: it is not a message with calls.
    """
    calls = value.get("calls") if isinstance(value, dict) else None
    if not isinstance(calls, list) or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise Refused("it is not a message with calls", 'write it as {"message": TEXT, "calls": [{"name": "tool", "args": {…}}]}')
    if "message" in value:
        yield replace(fields_of(None, value["message"])[0], path=("message",), title="message", required=False)
    for place, call in enumerate(calls):
        name = f"{place + 1} {call['name']}" if len(calls) > 1 else call["name"]
        args = call.get("args", {})
        fields = fields_of(head.schemas.get(call["name"]), args) or fields_of(None, [])
        for field in fields:
            at = ("calls", place, "args", *field.path)
            yield replace(field, path=at, title=f"{name} · {field.name}" if field.path else name, value=field.value if field.path else args)


def _result_fields(value: Json, calls: Sequence[Call]) -> Iterator[Field]:
    """A text for each open call.

    Raises:
        Refused: it does not have exactly these calls.
    """
    if not isinstance(value, dict) or value.keys() != {call.id for call in calls}:
        raise Refused("these are not results of the open calls", f"write one for each of {', '.join(call.id for call in calls)}")
    for call in calls:
        (field,) = fields_of(None, value[call.id])
        yield replace(
            field, path=(call.id,), title=call.name, required=False, schema={"description": canonical_json.one_line(call.args, BRIEF)}
        )


def _changes(plan: TakeoverPlan, head: RunHead) -> Iterator[str]:
    if plan.state:
        yield f"{counted(len(plan.state), 'state key')} changed"
    if plan.text is not None:
        yield "the agent's message rewritten"
    if plan.calls is not None:
        same = len(plan.calls) == len(head.calls)
        yield f"{counted(len(plan.calls), 'call')} {'rewritten' if same else f'instead of {len(head.calls)}'}"
    if plan.results:
        yield f"{counted(len(plan.results), 'call')} answered by you"
    if plan.guidance:
        yield "guidance written"
    if plan.answer:
        yield "final answer written"


def _outcome(plan: TakeoverPlan, head: RunHead) -> str:
    left = len([call for call in (head.calls if plan.calls is None else plan.calls) if call.id not in plan.results])
    dropped = f"{counted(left, 'open call')} {'does' if left == 1 else 'do'} not run, and " if left else ""
    asked = "asks again before it runs" if left == 1 else "ask again before they run"
    if plan.answer:
        return f"{dropped}the run ends with your answer"
    if plan.guidance:
        return f"{dropped}the agent reads the guidance and tries again"
    return f"{counted(left, 'call')} {asked}" if left else "the agent goes on"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
