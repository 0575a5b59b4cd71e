"""The reviewer's verbs, the same for the console, the command line and scripts. They know rows, and neither screens nor LangGraph."""

from hitl_tui.inbox.inbox import Changes, Inbox, new_run_input, signature
from hitl_tui.store.changefeed import Rev

__all__ = ["Changes", "Inbox", "Rev", "new_run_input", "signature"]
