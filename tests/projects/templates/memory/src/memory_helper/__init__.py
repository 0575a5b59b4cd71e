"""A chat with a long-term memory, laid out as LangGraph's template for one: the package imports its graph."""

from memory_helper.graph import graph

__all__ = ["graph"]
