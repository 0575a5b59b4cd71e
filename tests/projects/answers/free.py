"""Free questions in the shapes that public projects use: what their graphs read from the answer, and fail without."""

from typing import Any

from langgraph.graph import START, StateGraph
from langgraph.types import interrupt
from typing_extensions import TypedDict


class State(TypedDict, total=False):
    text: str
    answer: Any


def graph_of(read: Any) -> Any:
    def ask(state: State) -> State:
        return {"answer": read(state)}

    return StateGraph(State).add_node("ask", ask).add_edge(START, "ask").compile()


def read_hours(state: State) -> str:
    answer = interrupt("How many hours may it take?")
    if isinstance(answer, bool):
        raise TypeError("true is no number of hours")
    return f"{int(answer)} h"


def read_boolean(state: State) -> str:
    return "goes on" if interrupt("Go on?", response_schema={"type": "boolean"}) is True else "stops"


def read_yes_no(state: State) -> str:
    return "deleted" if interrupt("Delete the file? (yes/no)").strip().lower() == "yes" else "kept"


def read_confirm(state: State) -> str:
    answer = interrupt({"type": "ask_user", "mode": "confirm", "question": "Publish it?", "options": ["Yes", "No"]})
    return "published" if answer == "Yes" else "not published"


def read_approved(state: State) -> str:
    answer = interrupt({"question": "Send it?", "draft": "Dear Ann", "id": 7})
    return "sent" if answer["approved"] else f"cancelled: {answer['reason']}"


def read_accept(state: State) -> str:
    answer = interrupt({"message": "Please review the plan."})
    return {"accept": "accepted", "reject": "rejected"}[answer["type"]]


def read_strict(state: State) -> str:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
    return "ok" if interrupt("Is it good?", response_schema=schema)["ok"] else "not ok"


def read_option(state: State) -> str:
    rooms = [{"id": "hall", "title": "The hall"}, {"id": "attic", "title": "The attic"}]
    return {"hall": "100 seats", "attic": "12 seats"}[interrupt({"question": "Which room?", "options": rooms})]


def read_slot(state: State) -> str:
    answer = interrupt({"message": "When?", "slots": [{"day": "monday", "hour": 9}, {"day": "friday", "hour": 14}]})
    return f"{answer['day']} at {answer['hour']}"


def read_named(state: State) -> str:
    size = {"id": "size", "question": "How large?", "choices": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]}
    answer = interrupt({"questions": [size, {"id": "note", "question": "Anything else?"}]})
    return f"{answer['size']}: {answer['note']}"


def read_listed(state: State) -> str:
    questions = [{"question": "Which colour?", "choices": ["red", "blue"]}, {"question": "Which form?", "choices": ["round", "square"]}]
    return " ".join(interrupt({"questions": questions}))


hours, boolean, yes_no, confirm = map(graph_of, (read_hours, read_boolean, read_yes_no, read_confirm))
approved, accept, strict = map(graph_of, (read_approved, read_accept, read_strict))
options, slots, named, listed = map(graph_of, (read_option, read_slot, read_named, read_listed))
