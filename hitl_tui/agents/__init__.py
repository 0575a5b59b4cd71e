"""The only package that imports LangGraph: loads projects, runs their graphs, reads interrupts as actions and sends answers."""
