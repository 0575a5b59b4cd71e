"""The only SQL: the rendezvous where console, command line and workers meet, as rows."""

from hitl_tui.store.connection import Store

__all__ = ["Store"]
