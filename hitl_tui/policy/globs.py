"""Globs with `*` (any text) and `?` (one character). Matching takes bounded time for every pattern."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.model import graph_of


def is_plain(glob: str) -> bool:
    """Whether the glob has no wildcards."""
    return "*" not in glob and "?" not in glob


def names(glob: str, agent: str) -> bool:
    """Whether a glob names an agent: by its name in this home, or by that of its graph, which agents of other projects may have too."""
    return matches(glob, agent) or matches(glob, graph_of(agent))


def matches(glob: str, text: str) -> bool:
    """Whether the whole text matches. Case-sensitive."""
    if is_plain(glob):
        return glob == text
    first, *rest = glob.split("*")
    if not rest:
        return len(glob) == len(text) and _fits(glob, text, 0)
    *middle, last = rest
    if len(first) + len(last) > len(text) or not _fits(first, text, 0) or not _fits(last, text, len(text) - len(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = _find(piece, text, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _fits(piece: str, text: str, at: int) -> bool:
    if "?" not in piece:
        return text.startswith(piece, at)
    return all(c in ("?", text[at + n]) for n, c in enumerate(piece))


def _find(piece: str, text: str, start: int, end: int) -> int:
    """Index of the first match of the piece, or -1."""
    if "?" not in piece:
        return text.find(piece, start, end)
    return next((at for at in range(start, end - len(piece) + 1) if _fits(piece, text, at)), -1)


def covers(wide: str, narrow: str) -> bool:
    """Whether `wide` matches every text that `narrow` matches. True is certain; False may rarely be wrong."""
    reached = {0}
    for symbol in wide:
        if symbol == "*":
            reached = set(range(min(reached), len(narrow) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(narrow) and _one(symbol, narrow[at])}
        if not reached:
            return False
    return len(narrow) in reached


def _one(symbol: str, character: str) -> bool:
    return character != "*" and symbol in ("?", character)


def all_covered(wide: Sequence[str], narrow: Sequence[str]) -> bool:
    """Whether each of the narrow globs is covered by at least one of the wide ones."""
    return all(any(covers(one, other) for one in wide) for other in narrow)
