"""Graphs that ask for a value: alone, with a schema, several times, fanned out, side by side, and from within other graphs.

Every question contains the run's `ref`, so that a misdelivered answer is noticed.
"""

import operator
from typing import Annotated, Any

from deeds import heard
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt
from typing_extensions import TypedDict

EVERYTHING = {"allow_ignore": True, "allow_respond": True, "allow_edit": True, "allow_accept": True}
RATING = {
    "type": "object",
    "properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["stars"],
    "additionalProperties": False,
}


class Asking(TypedDict, total=False):
    ref: str
    people: list[str]
    answer: Any
    answers: Annotated[list[Any], operator.add]


def graph_of(name: str, node: Any) -> Any:
    graph = StateGraph(Asking)
    graph.add_node(name, node)
    graph.add_edge(START, name)
    return graph.compile()


def question(state: Asking, what: str = "go on?", **more: Any) -> dict[str, Any]:
    """A question that true and false answer, too, so that reviewers also approve and reject it."""
    return {"question": what, "type": "boolean", "ref": state["ref"], **more}


def ask(state: Asking) -> Asking:
    asked = question(state)
    answer = interrupt(asked)
    heard((asked, answer))
    return {"answer": answer}


anything = graph_of("ask", ask)
inner_question = graph_of("ask", ask)
nested = graph_of("outer", graph_of("ask", ask))
nested_twice = graph_of("outermost", graph_of("outer", graph_of("ask", ask)))
nested_thrice = graph_of("whole", graph_of("outermost", graph_of("outer", graph_of("ask", ask))))


async def call(state: Asking) -> Asking:
    return {"answer": (await inner_question.ainvoke({"ref": state["ref"]}))["answer"]}


called = graph_of("call", call)


def fill_in(state: Asking) -> Asking:
    asked = question(state, "how many stars?")
    answer = interrupt(asked, response_schema=RATING)
    heard((asked, answer))
    return {"answer": answer}


form = graph_of("fill_in", fill_in)


def ask_and_fail(state: Asking) -> Asking:
    """Raises after the answer unless it is `good`, which poisons the thread."""
    asked = question(state, "what is the word?", options=["good", "bad"])
    answer = interrupt(asked)
    heard((asked, answer))
    if answer != "good":
        raise ValueError(f"planned: {answer} is not good")
    return {"answer": answer}


fussy = graph_of("ask_and_fail", ask_and_fail)


def ask_thrice(state: Asking) -> Asking:
    """The third question is the same as the second."""
    asked = [question(state, "first?"), question(state, "again?"), question(state, "again?")]
    answers = [interrupt(one) for one in asked]
    heard(*zip(asked, answers, strict=True))
    return {"answer": answers}


thrice = graph_of("ask_thrice", ask_thrice)


def triage(state: Asking) -> Asking:
    requests = [
        {"action_request": {"action": action, "args": {"ref": state["ref"], "note": action}}, "config": EVERYTHING, "description": action}
        for action in ("write_mail", "book_meeting")
    ]
    answers = [interrupt([request])[0] for request in requests]
    heard(*(([request], [answer]) for request, answer in zip(requests, answers, strict=True)))
    return {"answer": answers}


letters = graph_of("triage", triage)


def each(state: Asking) -> list[Send]:
    return [Send("ask_one", {"ref": f"{state['ref']}-{person}"}) for person in state["people"]]


def ask_one(state: Asking) -> Asking:
    asked = question(state)
    answer = interrupt(asked)
    heard((asked, answer))
    return {"answers": [[state["ref"], answer]]}


_fan = StateGraph(Asking)
_fan.add_node("ask_one", ask_one)
_fan.add_conditional_edges(START, each, ["ask_one"])
fan_out = _fan.compile()


def ask_beside(name: str) -> Any:
    def node(state: Asking) -> Asking:
        asked = question(state, f"{name}?")
        answer = interrupt(asked)
        heard((asked, answer))
        return {"answers": [[name, answer]]}

    return node


_beside = StateGraph(Asking)
for _name in ("left", "middle", "right"):
    _beside.add_node(_name, (lambda state: {"answers": [["middle", "done"]]}) if _name == "middle" else ask_beside(_name))
    _beside.add_edge(START, _name)
beside = _beside.compile()


@task
def prepare(ref: str) -> str:
    return ref.upper()


@entrypoint()
def function(given: dict[str, str]) -> dict[str, Any]:
    """A functional agent: one task, then a question."""
    asked = {"question": f"is {prepare(given['ref']).result()} right?", "options": ["yes", "no"]}
    answer = interrupt(asked)
    heard((asked, answer))
    return {"answer": answer}
