"""The writing room: a draft goes back and forth between a person and the agent until the person accepts a version.

choose ──▶ write ──▶ refine ⟲ (person, model, person …) ──▶ publish

The first draft has a node of its own, because `refine` runs again from its top after every answer and must not call the model for it twice.
"""

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, MessagesState, StateGraph

from hitl_tui.patterns import arefine
from scripted.model import chat_model
from writing_room.notes import notes, publish, wanted
from writing_room.prompts import INSTRUCTIONS, REVISE, SYSTEM_PROMPT, WRITE
from writing_room.script import writing_script

model = chat_model(writing_script)


class State(MessagesState, total=False):
    """The conversation and the current text."""

    topic: str
    text: str


async def ask_model(prompt: str) -> str:
    return (await model.ainvoke([SystemMessage(SYSTEM_PROMPT), HumanMessage(prompt)])).text


def choose(state: State, config: RunnableConfig) -> dict[str, str | list[AnyMessage]]:
    names = list(notes(config))
    topic = wanted(state["messages"][-1].text, names)
    listed = "\n".join(f"- write about the {name.replace('-', ' ')}" for name in names)
    return {"topic": topic, "messages": [] if topic else [AIMessage(f"I write texts from notes. You can ask me, for example:\n{listed}")]}


def chosen(state: State) -> str:
    return "write" if state.get("topic") else END


async def write(state: State, config: RunnableConfig) -> dict[str, str | list[AnyMessage]]:
    name = state["topic"]
    text = await ask_model(WRITE.format(notes=notes(config)[name]))
    return {"text": text, "messages": [AIMessage(f"I wrote {len(text.split())} words from the notes “{name}”; please review them.")]}


async def revise(text: str, note: str) -> str:
    return await ask_model(REVISE.format(text=text, note=note))


async def refine(state: State) -> dict[str, str]:
    return {"text": await arefine(state["text"], revise, instructions=INSTRUCTIONS, key=state["topic"])}


def publish_text(state: State, config: RunnableConfig) -> dict[str, list[AnyMessage]]:
    path = publish(config, state["topic"], state["text"])
    return {"messages": [AIMessage(f"Published {path}, {len(state['text'].split())} words.")]}


builder = StateGraph(State)
builder.add_node("choose", choose)
builder.add_node("write", write)
builder.add_node("refine", refine)
builder.add_node("publish", publish_text)
builder.add_edge(START, "choose")
builder.add_conditional_edges("choose", chosen, ["write", END])
builder.add_edge("write", "refine")
builder.add_edge("refine", "publish")
builder.add_edge("publish", END)

agent = builder.compile(name="writing_room")
