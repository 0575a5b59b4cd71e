"""Graphs whose nodes read a context, of each type that LangGraph takes."""

from dataclasses import dataclass
from typing import Any, TypedDict

from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import interrupt
from pydantic import BaseModel


class State(TypedDict):
    text: str


@dataclass
class Defaults:
    user: str = "nobody"
    limit: int = 3


@dataclass
class Required:
    user: str
    limit: int = 3


class TypedContext(TypedDict, total=False):
    user: str


class Model(BaseModel):
    user: str = "nobody"
    limit: int = 3


def read(state: State, runtime: Runtime[Any]) -> dict[str, str]:
    is_dict = isinstance(runtime.context, dict)
    user = runtime.context.get("user", "nobody") if is_dict else runtime.context.user
    asked = f" {interrupt('Go on?')}" if state["text"] == "ask" else ""
    return {"text": f"{'dict' if is_dict else type(runtime.context).__name__} {user}{asked}"}


def graph_with(context: type) -> Any:
    return StateGraph(State, context_schema=context).add_node("read", read).add_edge(START, "read").compile()


defaults, required, typed_dict, pydantic_model = map(graph_with, (Defaults, Required, TypedContext, Model))
