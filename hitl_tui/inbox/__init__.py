"""What a reviewer can do, as methods by theme: a verb of reviews is a method in `reviews.py` here, a verb of runs in `runs.py`.

For the console, the command line and scripts. Uses the store; no screens, no LangGraph.
"""

from hitl_tui.inbox.inbox import Changes, Inbox, reviewer_name
from hitl_tui.store.changefeed import Rev

__all__ = ["Changes", "Inbox", "Rev", "reviewer_name"]
