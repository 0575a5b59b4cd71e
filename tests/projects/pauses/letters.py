"""An assistant in the style of agent-inbox: one node triages, then asks once for each action."""

import json
from typing import Any, TypedDict

from diary import note
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

EVERYTHING = {"allow_ignore": True, "allow_respond": True, "allow_edit": True, "allow_accept": True}


class Letter(TypedDict, total=False):
    text: str
    form: str
    config: dict[str, bool]
    outcome: list[str]


def ask(action: str, args: Any, config: dict[str, bool], form: str) -> dict[str, Any]:
    request = {"action_request": {"action": action, "args": args}, "config": config, "description": f"# {action}\nplease look"}
    shown: Any = {"list": [request], "dict": request, "json": json.dumps([request])}[form]
    response = interrupt(shown)
    return response[0]  # type: ignore[no-any-return]


def act(action: str, args: dict[str, Any], response: dict[str, Any]) -> str:
    note("told", action=action, response=response)
    match response["type"]:
        case "accept":
            return f"{action} {args}"
        case "edit":
            return f"{response['args']['action']} {response['args']['args']}"
        case "response":
            return f"{action} must be redone: {response['args']}"
        case _:
            return f"{action} ignored"


def handle(state: Letter) -> Letter:
    form, config = state.get("form", "list"), state.get("config", EVERYTHING)
    outcome = []
    for action, args in (("write_mail", {"to": "ann", "content": state["text"]}), ("book_meeting", {"day": "monday", "minutes": 30})):
        outcome.append(act(action, args, ask(action, args, config, form)))
    question = ask("Question", "Shall I file this?", {**EVERYTHING, "allow_edit": False, "allow_accept": False}, form)
    outcome.append(act("Question", {}, question))
    return {"outcome": outcome}


_graph = StateGraph(Letter)
_graph.add_node("handle", handle)
_graph.add_edge(START, "handle")
assistant = _graph.compile()
