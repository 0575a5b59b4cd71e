#!/usr/bin/env python

# # A notebook, as `jupyter nbconvert --to script` writes it: it runs its graph while it is imported.

# In[1]:


from typing import TypedDict

from langgraph.checkpoint.memory import MemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

# In[2]:


class State(TypedDict):
    topic: str
    outline: str
    approved: bool


def outline(state: State):
    return {"outline": f"three parts about {state['topic']}"}


def ask(state: State):
    return {"approved": interrupt(f"Use this outline? {state['outline']}") == "yes"}


# In[3]:


builder = StateGraph(State)
builder.add_node("outline", outline)
builder.add_node("ask", ask)
builder.add_edge(START, "outline")
builder.add_edge("outline", "ask")
builder.add_edge("ask", END)
graph = builder.compile(checkpointer=MemorySaver())


# In[4]:


config = {"configurable": {"thread_id": "1"}}
print(graph.invoke({"topic": "tea"}, config))


# In[5]:


result = graph.invoke(Command(resume="yes"), config)
result["approved"]
