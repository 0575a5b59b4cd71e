"""The only SQL: the rows through which console, command line and workers communicate. A module per noun.

A statement of several lines is a constant above the functions that use it; several values are passed by name.
"""

from hitl_tui.store.connection import Store

__all__ = ["Store"]
