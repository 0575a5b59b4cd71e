"""A graph that searches its long-term memory by meaning."""

from typing import TypedDict

from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore

NOTES = {"1": "the cat sleeps", "2": "an invoice is open", "3": "rain is coming"}


class State(TypedDict):
    text: str


async def recall(state: State, *, store: BaseStore) -> dict[str, str]:
    for key, note in NOTES.items():
        await store.aput(("notes",), key, {"note": note})
    found = await store.asearch(("notes",), query=state["text"], limit=1)
    return {"text": found[0].value["note"]}


graph = StateGraph(State).add_node("recall", recall).add_edge(START, "recall").compile()
