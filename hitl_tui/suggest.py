"""Suggests the known word closest to a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint: `did you mean approve?`, or all known words if none is close."""
    import difflib  # imported late: only needed after a typo

    words = sorted(known)
    close = difflib.get_close_matches(word, words, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(words)}" if words else "there are none"
