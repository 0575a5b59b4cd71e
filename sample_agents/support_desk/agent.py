"""The support desk: the agent's confidence decides who acts.

agent ──▶ reads ──▶ agent            looking things up needs no approval
agent ──▶ act ──▶ agent              high confidence: the refund or reply runs by itself
agent ──▶ [gate] ask ──▶ agent       medium confidence: a person approves, edits or rejects the calls
agent ──▶ stuck ──▶ agent            low confidence: a person says what to do, and the agent continues with that
"""

from langchain_core.messages import AIMessage, AnyMessage, SystemMessage, ToolMessage
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime

from hitl_tui.patterns import alessons, confidence_router, escalate, extract_confidence
from scripted.model import chat_model
from support_desk.prompts import STUCK, SYSTEM_PROMPT
from support_desk.script import desk_script
from support_desk.tools import ACTS, READS

model = chat_model(desk_script).bind_tools([*READS, *ACTS])
by_confidence = confidence_router(auto=0.9, approve=0.6)


async def call_model(state: MessagesState, runtime: Runtime) -> dict[str, list[AnyMessage]]:
    system = f"{SYSTEM_PROMPT}\n\n{await alessons(runtime.store, 'support_desk')}".strip()
    return {"messages": [await model.ainvoke([SystemMessage(system), *state["messages"]])]}


def next_node(state: MessagesState) -> str:
    last = state["messages"][-1]
    calls = last.tool_calls if isinstance(last, AIMessage) else []
    if not calls:
        return END
    return by_confidence(state) if {call["name"] for call in calls} & {tool.name for tool in ACTS} else "reads"


def stuck(state: MessagesState) -> dict[str, list[AnyMessage]]:
    """Escalate to a person. The calls do not run; the person's answer becomes their result."""
    last = state["messages"][-1]
    assert isinstance(last, AIMessage)
    proposed = [{"name": call["name"], "args": call["args"]} for call in last.tool_calls]
    confidence = extract_confidence(last)
    answer = escalate(last.text.split("\n")[0], question=STUCK, context={"proposed calls": proposed, "confidence": confidence.told()})
    text = "Nobody can help with this ticket." if answer is None else f"Not run. A person answered: {answer}"
    status = "error" if answer is None else "success"
    return {"messages": [ToolMessage(text, tool_call_id=call["id"], name=call["name"], status=status) for call in last.tool_calls]}


builder = StateGraph(MessagesState)
builder.add_node("agent", call_model)
builder.add_node("reads", ToolNode(READS, name="reads"))
builder.add_node("act", ToolNode([*READS, *ACTS], name="act"))
builder.add_node("ask", ToolNode([*READS, *ACTS], name="ask"))
builder.add_node("stuck", stuck)
builder.add_edge(START, "agent")
builder.add_conditional_edges("agent", next_node, {"reads": "reads", "auto": "act", "approve": "ask", "takeover": "stuck", END: END})
for node in ("reads", "act", "ask", "stuck"):
    builder.add_edge(node, "agent")

agent = builder.compile(interrupt_before=["ask"], name="support_desk")
