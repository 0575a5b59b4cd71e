"""Graphs whose state contains custom types, which must survive the process that wrote them."""

import datetime
import pathlib
import uuid
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from diary import note
from goods import Address, Basket, Grade, Item, Rare, Spot, Told, Undeclared
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.types import Send, interrupt
from pydantic import BaseModel


def newest(_: Any, new: Any) -> Any:
    return new


@dataclass
class Order:
    basket: Annotated[Basket | None, newest] = None
    extra: Any = None
    at: datetime.datetime | None = None
    number: uuid.UUID | None = None
    path: pathlib.Path | None = None
    answer: Any = None


def kind(value: Any) -> str:
    return type(value).__name__


def fill(order: Order) -> dict[str, Any]:
    items = [Item("tea", Grade.FINE, Spot(1, 2)), Rare("book", Grade.POOR, Spot(3, 4), 1666)]
    return {
        "basket": Basket(items, Address(street="High Street")),
        "extra": Undeclared("only here"),
        "at": datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        "number": uuid.UUID(int=5),
        "path": pathlib.Path("a/b"),
    }


def ask(order: Order) -> dict[str, Any]:
    assert order.basket and order.basket.to
    answer = interrupt(order.basket.items[0])
    first, second = order.basket.items
    note(
        "types",
        basket=kind(order.basket), items=[kind(first), kind(second)], grades=[kind(first.grade), second.grade.value], spot=kind(first.spot),
        year=second.year, to=kind(order.basket.to), street=order.basket.to.grade.name, extra=kind(order.extra),
        rest=[kind(order.at), kind(order.number), kind(order.path)],
    )  # fmt: skip
    return {"answer": answer}


def built(schema: Any, *nodes: Any) -> Any:
    graph = StateGraph(schema)
    for before, node in zip((START, *(n.__name__ for n in nodes)), nodes, strict=False):
        graph.add_node(node.__name__, node)
        graph.add_edge(before, node.__name__)
    return graph.compile()


orders = built(Order, fill, ask)


def made(config: Any) -> Any:
    """A factory: its graph, and a class in its state, exist only while it is used."""
    return built(Order, fill, ask)


@task
def gather(street: str) -> Told:
    return Told(Basket([], Address(street=street)))


@entrypoint()
def tasks(given: dict[str, str]) -> Any:
    told = gather(given["street"]).result()
    answer = interrupt("send it?")
    note("task", told=kind(told), basket=kind(told.basket), to=kind(told.basket.to))
    return answer


class Outer(TypedDict, total=False):
    streets: list[str]
    said: str


class Parcel(BaseModel):
    """The value of a Send, which only its node declares."""

    address: Address


def spread(state: Outer) -> list[Send]:
    return [Send("carry", Parcel(address=Address(street=street))) for street in state["streets"]]


def carry(parcel: Parcel) -> dict[str, Any]:
    answer = interrupt(f"carry to {parcel.address.street}?")
    note("carry", parcel=kind(parcel), address=kind(parcel.address))
    return {"said": str(answer)}


_inner = StateGraph(Outer)
_inner.add_node("carry", carry, input_schema=Parcel)
_inner.add_conditional_edges(START, spread, ["carry"])
_outer = StateGraph(Outer)
_outer.add_node("inner", _inner.compile())
_outer.add_edge(START, "inner")
nested = _outer.compile()
