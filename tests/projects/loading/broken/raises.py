"""Breaks, in words that are no Unicode."""

raise ImportError("no module named nothing\ud800")
