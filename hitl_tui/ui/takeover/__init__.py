"""The take-over workspace: a whole run before a person, and what can be done in its agent's place."""
