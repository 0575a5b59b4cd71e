"""What went wrong in an agent, as a sentence."""

from __future__ import annotations

from langgraph.errors import GraphDrained, GraphRecursionError

from hitl_tui.agents.loader import describe
from hitl_tui.errors import HitlError

Drained = GraphDrained
"""Not a fault: the run stopped at a step's boundary because it was asked to."""


def explain(error: BaseException) -> str:
    """The sentence for an exception that came out of a graph."""
    if isinstance(error, HitlError):
        return str(error)
    if isinstance(error, GraphRecursionError):
        return f"it went on for too many steps without an end: {describe(error)}"
    if isinstance(error, TypeError) and "serializable" in str(error):
        return f"its state holds something that cannot be stored: {describe(error)}"
    return describe(error)
