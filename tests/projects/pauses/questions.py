"""Graphs that ask for a value: scalars, choices, and answers with a schema."""

from typing import Any, Literal

import pydantic
from diary import note
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from typing_extensions import TypedDict


class Ask(TypedDict, total=False):
    value: Any
    answer: Any


def graph_of(node: Any, state: Any = Ask) -> Any:
    graph = StateGraph(state)
    graph.add_node("ask", node)
    graph.add_edge(START, "ask")
    return graph.compile()


def ask_anything(state: Ask) -> Ask:
    answer = interrupt(state["value"])
    note("answered", answer=answer)
    return {"answer": answer}


anything = graph_of(ask_anything)


class Tone(TypedDict, total=False):
    tone: str


def ask_with_settings(state: Ask, config: RunnableConfig, runtime: Runtime[Tone]) -> Ask:
    """Tells how it was launched."""
    interrupt(state["value"])
    return {"answer": [config["configurable"].get("carrier"), config.get("recursion_limit"), (runtime.context or {}).get("tone")]}


settings = StateGraph(Ask, context_schema=Tone).add_node("ask", ask_with_settings).add_edge(START, "ask").compile()


async def read_lessons(state: Ask, runtime: Runtime) -> Ask:
    """Tells the lessons of an agent, as `hitl_tui.patterns.alessons` reads them; a server's environment need not have hitl-tui."""
    assert runtime.store
    return {"answer": [item.value["text"] for item in await runtime.store.asearch(("hitl", "lessons", state["value"]), limit=100)]}


taught = graph_of(read_lessons)


class Address(pydantic.BaseModel):
    street: str
    number: int = pydantic.Field(ge=1)


class Booking(TypedDict):
    day: Literal["monday", "friday"]
    people: int


RATING = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 5}}, "required": ["stars"]}
SCHEMAS: dict[str, Any] = {"pydantic": Address, "typed_dict": Booking, "json": RATING, "bool": bool}


def ask_form(state: Ask) -> Ask:
    answer = interrupt({"question": "please fill in"}, response_schema=SCHEMAS[state["value"]])
    plain = answer.model_dump() if isinstance(answer, pydantic.BaseModel) else answer
    note("answered", answer=plain)
    return {"answer": plain}


form = graph_of(ask_form)


def ask_and_fail(state: Ask) -> Ask:
    """Raises after the answer unless it is `good`, which poisons the thread."""
    answer = interrupt({"question": "what is the word?"})
    note("heard", answer=answer)
    if answer != "good":
        raise ValueError(f"{answer} is not good")
    return {"answer": answer}


fussy = graph_of(ask_and_fail)


def ask_twice(state: Ask) -> Ask:
    note("before")
    first = interrupt("first?")
    note("between", first=first)
    second = interrupt("second?")
    return {"answer": [first, second]}


twice = graph_of(ask_twice)
