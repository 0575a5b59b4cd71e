"""A package as LangGraph's template makes it: the graph is imported here, and the graph imports its neighbours."""

from myagent.graph import graph

__all__ = ["graph"]
