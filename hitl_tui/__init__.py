"""A terminal console where people review what LangGraph agents are about to do."""

__version__ = "0.1.0"
