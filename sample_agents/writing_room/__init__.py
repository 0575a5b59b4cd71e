"""Writes texts from a folder of notes; a person refines them, and the agent polishes, until one is accepted."""
