"""Keep what people say, once they agree, and answer with what is known."""

from typing import Any, cast

from langchain_core.messages import AIMessage
from langgraph.graph import END, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore
from langgraph.types import interrupt
from script import model

from memory_helper.context import Context
from memory_helper.state import State


def upsert_memory(content: str) -> None:
    """Remember something about the user."""


def notes_of(context: Context) -> tuple[str, ...]:
    return ("memories", context.user_id)


async def call_model(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    if state.messages[-1].type == "tool":
        found = await cast(BaseStore, runtime.store).asearch(notes_of(runtime.context), query="a hot tea", limit=1)
        told = f"{runtime.context.tone} {runtime.context.user_id}: {found[0].value['content']} {found[0].score:.1f}"
        return {"messages": [AIMessage(told)]}
    return {"messages": [await model.bind_tools([upsert_memory]).ainvoke(state.messages)]}


async def store_memory(state: State, runtime: Runtime[Context]) -> dict[str, Any]:
    calls = state.messages[-1].tool_calls
    if not interrupt(f"Remember {calls[0]['args']['content']}?", response_schema={"type": "boolean"}):
        return {"messages": [{"role": "tool", "content": "not stored", "tool_call_id": call["id"]} for call in calls]}
    for call in calls:
        await cast(BaseStore, runtime.store).aput(notes_of(runtime.context), key=call["id"], value=call["args"])
    return {"messages": [{"role": "tool", "content": "stored", "tool_call_id": call["id"]} for call in calls]}


def route_message(state: State) -> str:
    return "store_memory" if state.messages[-1].tool_calls else END


builder = StateGraph(State, context_schema=Context)
builder.add_node(call_model)
builder.add_edge("__start__", "call_model")
builder.add_node(store_memory)
builder.add_conditional_edges("call_model", route_message, ["store_memory", END])
builder.add_edge("store_memory", "call_model")
graph = builder.compile()
graph.name = "MemoryHelper"
