"""Raises an error whose message is not valid Unicode."""

raise ImportError("no module named nothing\ud800")
