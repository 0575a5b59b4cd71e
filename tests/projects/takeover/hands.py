"""Graphs for takeovers: typed states with reducers, steps that fail until a person helps, and unusual edges."""

import datetime
import math
import operator
from typing import Annotated, Any, Literal, NotRequired

import pydantic
from diary import note
from gates import Talk, react_loop
from langchain.agents import AgentState, create_agent
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, interrupt
from script import model
from tools import burst
from typing_extensions import TypedDict


class Address(pydantic.BaseModel):
    street: str
    number: int = pydantic.Field(ge=1)


class Budget(TypedDict, total=False):
    amount: int
    tags: Annotated[list[str], operator.add]
    address: Address
    limit: Literal["low", "high"]


def plan(state: Budget) -> Budget:
    note("plan")
    return {"tags": ["planned"], "address": Address(street="Main", number=1), "limit": "low"}


def spend(state: Budget) -> Budget:
    address = state["address"]
    note("spend", amount=state["amount"], tags=state["tags"], to=f"{address.street} {address.number}", limit=state["limit"])
    return {"tags": ["spent"]}


_spender = StateGraph(Budget)
_spender.add_node("plan", plan)
_spender.add_node("spend", spend)
_spender.add_edge(START, "plan")
_spender.add_edge("plan", "spend")
spender = _spender.compile(interrupt_before=["spend"])


class Measured(TypedDict, total=False):
    readings: dict[str, float]
    address: Address
    other: Any


def report(state: Measured) -> Measured:
    note("report", readings=repr(state["readings"]), other=repr(state["other"]), address=repr(state["address"]))
    return {}


_measured = StateGraph(Measured)
_measured.add_node(
    "measure",
    lambda _: {
        "readings": {"a": math.nan, "b": 2.0},
        "other": {"at": datetime.date(2026, 3, 31), "size": {1, 2}, "n": 1},
        "address": Address(street="Main", number=1),
    },
)
_measured.add_node("report", report)
_measured.add_edge(START, "measure")
_measured.add_edge("measure", "report")
measured = _measured.compile(interrupt_before=["report"])


class Given(TypedDict):
    text: str


class Line(Given):
    up: NotRequired[bool]


def dial(state: Line) -> dict[str, Any]:
    note("dial", up=state.get("up"))
    if not state.get("up"):
        raise ConnectionError("the line is dead")
    return {}


_first = StateGraph(Line, input_schema=Given)
_first.add_node("dial", dial)
_first.add_edge(START, "dial")
first_fails = _first.compile()


def talk(state: Talk) -> dict[str, Any]:
    """Produces no message until a person helps."""
    last = state["messages"][-1]
    note("talk", heard=len(state["messages"]))
    if last.name != "reviewer":
        raise ConnectionError("the model does not answer")
    return {"messages": [AIMessage(f"you said: {last.text}")]}


talker = StateGraph(Talk).add_node("talk", talk).add_edge(START, "talk").compile()


def ask(state: Talk) -> dict[str, Any]:
    answer = interrupt("shall I?")
    note("asked", answer=answer)
    return {"messages": [AIMessage(f"I was told {answer}")]}


_asks = StateGraph(Talk)
_asks.add_node("hear", lambda state: {"messages": [AIMessage(f"I heard {len(state['messages'])}")]})
_asks.add_node("ask", ask)
_asks.add_edge(START, "hear")
_asks.add_edge("hear", "ask")
asks_in_talk = _asks.compile()


class Way(TypedDict, total=False):
    text: str
    mood: str


def choose(state: Way) -> Command[Any]:
    return Command(goto="act")


def act(state: Way) -> Way:
    if state.get("mood") != "good":
        raise ValueError("not in the mood")
    note("act")
    return {}


_goes = StateGraph(Way)
_goes.add_node("choose", choose)
_goes.add_node("act", act)
_goes.add_edge(START, "choose")
goes_to = _goes.compile()


class Both(TypedDict, total=False):
    text: str
    said: Annotated[list[str], operator.add]


def quick(state: Both) -> Both:
    note("quick")
    return {"said": ["quick"]}


_beside = StateGraph(Both)
_beside.add_node("quick", quick)
_beside.add_node("slow", lambda state: {"said": [interrupt("go on?")]})
_beside.add_edge(START, "quick")
_beside.add_edge(START, "slow")
beside = _beside.compile()

_deep = StateGraph(Talk)
_deep.add_node("desk", react_loop().compile(interrupt_before=["tools"]))
_deep.add_edge(START, "desk")
deep_talk = _deep.compile()


class Mood(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    mood: str


def route(state: Mood) -> str:
    if state.get("mood") == "bad":
        raise ValueError("no way in this mood")
    return "end"


_fickle = StateGraph(Mood)
_fickle.add_node("hear", lambda state: {"messages": [HumanMessage("…")]})
_fickle.add_node("end", lambda state: note("end"))
_fickle.add_edge(START, "hear")
_fickle.add_conditional_edges("hear", route, ["end", END])
fickle = _fickle.compile(interrupt_before=["end"])


class Counted(AgentState[Any]):
    count: NotRequired[Annotated[int, operator.add]]


@tool
async def add(number: int, call: Annotated[str, InjectedToolCallId]) -> Command[Any]:
    """Add a number to the count."""
    note("add", number=number)
    return Command(update={"count": number, "messages": [ToolMessage("added", tool_call_id=call, name="add")]})


counting = create_agent(model, [add, burst], state_schema=Counted)


class Announced(TypedDict, total=False):
    messages: Annotated[list[AnyMessage], add_messages]
    amount: int


def announce(state: Announced) -> dict[str, Any]:
    note("announce")
    call = {"name": "transfer", "args": {"amount": state.get("amount", 1)}, "id": "t1"}
    return {"messages": [AIMessage("I will transfer it", tool_calls=[call])]}


def book(state: Announced) -> dict[str, Any]:
    """Act on the last message, whoever wrote it."""
    last = state["messages"][-1]
    note("book", last=last.text, kind=last.type, amount=state.get("amount", 1))
    return {"messages": [AIMessage("booked")]}


_announces = StateGraph(Announced)
_announces.add_node("announce", announce)
_announces.add_node("book", book)
_announces.add_edge(START, "announce")
_announces.add_edge("announce", "book")
announces = _announces.compile(interrupt_after=["announce"])
