"""Decisions at a gate before tools: which calls run, with which arguments, and what the model reads about the others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langgraph.types import StateSnapshot

from hitl_tui import canonical_json
from hitl_tui.agents.interrupts import EDITED, as_edited, waiting_calls
from hitl_tui.agents.messages import messages_in
from hitl_tui.agents.proposals import without
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind, Submission
from hitl_tui.validation import rejection_text

INPUT = "__input__"
"""The node as which LangGraph's `update_state` stores an input, without running anything."""
DIVIDED = "divided"
"""What the console did to a message that it made from calls of another."""


@dataclass(frozen=True, slots=True)
class Passage:
    """How to pass a tool gate with one mix of answers, by the recipes of CONTRACT 2.3."""

    ended: list[ToolMessage]
    """Results of calls of this step that ran already: an update without them would forget those."""
    message: AIMessage
    """The gated message, with all its calls as decided."""
    is_changed: bool
    """Somebody edited a call."""
    kept: list[dict[str, Any]]
    """The calls that run now."""
    refused: list[ToolMessage]
    """The results that the reviewer gives in place of the tool."""
    moved_edits: dict[str, Any]
    """State update that goes with the message: it removes edits that the middleware stored apart, as they are now in the message."""

    @property
    def must_divide(self) -> bool:
        """Whether the calls that run now need a message of their own, because the state changes in the middle of a step.

        Graphs decide what runs by the ids in the last message, and some run all of it: a call would run twice, or not at all if it shares
        the id of one that has ended. If nothing changes, LangGraph itself goes on with the step.
        """
        return bool(self.ended and self.kept and (self.is_changed or self.refused))

    def divided(self) -> list[BaseMessage]:
        """The message with the calls that have a result now, their results, and a message with the calls that run now."""
        return [with_calls(self.message, without(self.message.tool_calls, self.kept)), *self.ended, *self.refused, message_of(self.kept)]


def passage(snapshot: StateSnapshot, actions: Sequence[Action], answers: Mapping[int, Answer]) -> Passage:
    """How these answers, by slot, pass the gate at which a thread stands."""
    message, waiting = waiting_calls(snapshot)
    if message is None:
        raise RuntimeError("the gated message is gone")
    by_call = {action.tool_call: answers[action.slot] for action in actions}
    proposed, moved_edits = as_proposed(message, snapshot.values)
    whole = _edited(proposed, by_call)
    refused = [refusal(call, by_call[call["id"]]) for call in waiting if is_refused(by_call.get(call["id"]))]
    kept = [call for call in waiting if not is_refused(by_call.get(call["id"]))]
    kept = _with_edits(as_edited(kept, snapshot.values), by_call)
    return Passage(results(snapshot), whole, whole is not proposed, kept, refused, moved_edits)


def as_proposed(message: AIMessage, values: Any) -> tuple[AIMessage, dict[str, Any]]:
    """The message with the edits that LangChain's middleware stores beside it, and the state update that removes those."""
    if not (isinstance(values, Mapping) and values.get(EDITED)):
        return message, {}
    return with_calls(message, as_edited(message.tool_calls, values)), {EDITED: {}}


def results(snapshot: StateSnapshot) -> list[ToolMessage]:
    """Results of calls that ran in an unfinished step; the state does not have them before the step ends."""
    found = (messages_in(task.result) for task in snapshot.tasks if task.result is not None)
    return [message for messages in found for message in messages if isinstance(message, ToolMessage)]


def is_refused(answer: Answer | None) -> bool:
    """Whether this answer keeps a call from running."""
    return answer is not None and answer.kind in (DecisionKind.REJECT, DecisionKind.RESPOND)


def refusal(call: Mapping[str, Any], answer: Answer) -> ToolMessage:
    """The result that the model reads in place of the tool's."""
    if answer.kind is DecisionKind.RESPOND:
        return ToolMessage(answer.message or "", tool_call_id=call["id"], name=call["name"], status="success")
    text = rejection_text(call["args"], answer) or f"A reviewer rejected the call of {call['name']}; it did not run."
    return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")


def given_results(actions: Sequence[Action], answers: Mapping[int, Answer]) -> list[ToolMessage]:
    """What a person gives as the results of these calls, by an answer for each slot."""
    calls = [(action.slot, {"id": action.tool_call, "name": action.name, "args": action.args}) for action in actions]
    return [refusal(call, answers[slot]) for slot, call in calls]


def with_calls(message: AIMessage, calls: Sequence[Any]) -> AIMessage:
    """The same message, by id, with these calls. Providers' own copies of the calls in its content follow."""
    args: dict[str | None, list[Any]] = {}
    for call in calls:
        args.setdefault(call["id"], []).append(call["args"])
    content = message.content
    if isinstance(content, list):
        content = [
            {**block, "input": args[block["id"]].pop(0)} if isinstance(block, dict) and block.get("type") == "tool_use" else block
            for block in content
            if not (isinstance(block, dict) and block.get("type") == "tool_use" and not args.get(block.get("id")))
        ]
    extra = {key: value for key, value in message.additional_kwargs.items() if key not in ("tool_calls", "function_call")}
    return message.model_copy(update={"tool_calls": list(calls), "content": content, "additional_kwargs": extra})


def message_of(calls: Sequence[Any], by: str = "") -> AIMessage:
    """A message with these calls of the message before it, signed by a person or by nobody."""
    signed = {"hitl": {**({"by": by} if by else {}), "did": DIVIDED}}
    return AIMessage("", tool_calls=list(calls), id=str(uuid.uuid4()), additional_kwargs=signed)


def _edited(message: AIMessage, answers: Mapping[str | None, Answer]) -> AIMessage:
    if all(answer.kind is not DecisionKind.EDIT for answer in answers.values()):
        return message
    return with_calls(message, _with_edits(message.tool_calls, answers))


def _with_edits(calls: Sequence[Any], answers: Mapping[str | None, Answer]) -> list[dict[str, Any]]:
    edits = {call: answer.args for call, answer in answers.items() if answer.kind is DecisionKind.EDIT}
    return [
        {**call, "args": canonical_json.restored(edits[call["id"]], call["args"])} if call["id"] in edits else dict(call) for call in calls
    ]


# After a crash between the two halves of a mixed decision


def message_without_refusals(values: Any, sent: Submission) -> AIMessage | None:
    """The gated message, if the refused calls are still missing from it: the worker died before it put them back."""
    if sent.kind is not PauseKind.TOOL_GATE:
        return None
    refused = {action.tool_call for action in sent.actions if is_refused(sent.by_slot[action.slot])}
    kept = {action.tool_call for action in sent.actions} - refused
    for message in reversed(messages_in(values)):
        calls = {call["id"] for call in message.tool_calls} if isinstance(message, AIMessage) else set()
        if calls & kept:
            lacks = isinstance(message, AIMessage) and bool(refused) and not calls & refused and not _is_divided(message)
            return message if isinstance(message, AIMessage) and lacks else None
    return None


def _is_divided(message: AIMessage) -> bool:
    """Whether this message got its calls from one before it, which has the results of all others."""
    signed = message.additional_kwargs.get("hitl")
    return isinstance(signed, Mapping) and signed.get("did") == DIVIDED


def approved_calls_ended(values: Any, sent: Submission) -> bool:
    """Whether every approved call has its result."""
    done = {m.tool_call_id for m in messages_in(values) if isinstance(m, ToolMessage)}
    approved = (action.tool_call for action in sent.actions if not is_refused(sent.by_slot[action.slot]))
    return all(call in done for call in approved)


def calls_of(sent: Submission, message: AIMessage) -> dict[int, Mapping[str, Any]]:
    """Every call of the gate by slot, as a message has it, with the arguments that were decided."""
    held: dict[str | None, Mapping[str, Any]] = {call["id"]: dict(call) for call in message.tool_calls}
    return {
        action.slot: held.get(action.tool_call)
        or {"name": action.name, "args": _decided_args(action, sent), "id": action.tool_call, "type": "tool_call"}
        for action in sent.actions
    }


def _decided_args(action: Action, sent: Submission) -> Any:
    answer = sent.by_slot[action.slot]
    return answer.args if answer.kind is DecisionKind.EDIT else action.args
