"""What somebody may have meant by a word nobody knows."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint: the nearest of the known words, else all of them."""
    import difflib  # only for those who mistyped

    words = sorted(known)
    close = difflib.get_close_matches(word, words, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(words)}" if words else "there are none"
