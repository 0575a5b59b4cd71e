"""The only Textual room: the console on the reviewer's screen. It knows the inbox, and neither LangGraph nor users' code."""
