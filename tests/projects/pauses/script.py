"""A model that follows the request, a JSON list of rounds, each a list of tool calls, with an id or without; then it sums up."""

import json
from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage

from scripted.model import ScriptedChatModel


def say(messages: Sequence[BaseMessage]) -> AIMessage:
    asked = max(place for place, message in enumerate(messages) if isinstance(message, HumanMessage))
    rounds = json.loads(str(messages[asked].text)) if str(messages[asked].text).startswith("[") else []
    done = sum(isinstance(message, AIMessage) for message in messages[asked:])
    if done < len(rounds):
        calls = [ToolCall(name=name, args=args, id=next(iter(given), None), type="tool_call") for name, args, *given in rounds[done]]
        return AIMessage(f"round {done + 1}: I need {', '.join(call['name'] for call in calls)}", tool_calls=calls)
    results = [f"{message.name}={str(message.text)[:200]}" for message in messages[asked:] if isinstance(message, ToolMessage)]
    return AIMessage("done: " + "; ".join(results))


model = ScriptedChatModel(script=say)
