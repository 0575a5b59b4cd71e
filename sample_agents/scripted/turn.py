"""What a script reads from a conversation: the person's last request, and every tool call made for it so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage


@dataclass(frozen=True)
class AnsweredCall:
    """A tool call of this turn with its result, from the tool or from a person."""

    name: str
    args: dict[str, Any]
    """As the model proposed them; what ran after an edit is in the result."""
    result: str
    failed: bool


@dataclass(frozen=True)
class Turn:
    """Everything since the person's last message."""

    request: str
    rounds: tuple[tuple[AnsweredCall, ...], ...]
    """The calls of each message that called tools."""

    def calls(self, *names: str) -> list[AnsweredCall]:
        return [call for calls in self.rounds for call in calls if call.name in names]


def current_turn(messages: Sequence[BaseMessage]) -> Turn:
    asked = [place for place, message in enumerate(messages) if isinstance(message, HumanMessage)]
    if not asked:
        return Turn("", ())
    since = messages[asked[-1] :]
    results = {message.tool_call_id: message for message in since if isinstance(message, ToolMessage)}
    rounds = [_answered(message, results) for message in since if isinstance(message, AIMessage)]
    return Turn(str(since[0].text), tuple(calls for calls in rounds if calls))


def _answered(message: AIMessage, results: dict[str, ToolMessage]) -> tuple[AnsweredCall, ...]:
    calls = []
    for call in message.tool_calls:
        result = results.get(call["id"] or "")
        text, failed = (str(result.text), result.status == "error") if result else ("no answer came", True)
        calls.append(AnsweredCall(call["name"], call["args"], text, failed))
    return tuple(calls)
