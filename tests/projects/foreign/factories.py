"""Factories as LangGraph's server calls them: with a config in spite of its default, and with the server's runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph

if TYPE_CHECKING:
    from langgraph_sdk.runtime import ServerRuntime


class State(TypedDict):
    text: str


def graph_saying(text: str) -> Any:
    return StateGraph(State).add_node("say", lambda _: {"text": text}).add_edge(START, "say").compile()


def default_config(config: RunnableConfig | None = None) -> Any:
    return graph_saying(f"model {config['configurable'].get('model', 'default')}" if config else "no config")


async def server_runtime(runtime: ServerRuntime[dict[str, str]]) -> Any:
    running = runtime.execution_runtime
    return graph_saying(f"{runtime.access_context} {running.context if running else ''} {runtime.store is not None}")


def config_and_runtime(runtime: ServerRuntime, /, config: RunnableConfig) -> Any:
    return graph_saying(f"{runtime.access_context} in {config['configurable']['thread_id']}")
