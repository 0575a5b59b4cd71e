"""The reviewer's verbs, shared by the console, the command line and scripts. They know rows, but neither screens nor LangGraph."""

from hitl_tui.inbox.inbox import Changes, Inbox, reviewer_name
from hitl_tui.store.changefeed import Rev

__all__ = ["Changes", "Inbox", "Rev", "reviewer_name"]
