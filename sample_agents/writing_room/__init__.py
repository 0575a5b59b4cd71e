"""Writes texts from notes; a person and the agent revise each draft until the person accepts it."""
