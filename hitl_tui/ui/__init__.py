"""All of Textual: the console on the reviewer's screen. It uses the inbox, and neither LangGraph nor users' code."""
