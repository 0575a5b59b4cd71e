"""The difference between what was proposed and what a person made of it, argument by argument. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from hitl_tui import canonical_json
from hitl_tui.model import Json
from hitl_tui.ui.text.lines import BLANK, Line, line

COMPARED = 4000
"""Lines beyond which a difference is only counted."""


def difference_lines(before: Json, after: Json, same: str = "no difference to the proposal") -> Iterator[Line]:
    """Only what differs, or `same`; whole values by name, texts line by line."""
    if _same(before, after):
        yield line(same, "muted")
        return
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield from _lines(_rows(before), _rows(after))
        return
    for name in [*before, *(name for name in after if name not in before)]:
        if name in before and name in after and _same(before[name], after[name]):
            continue
        word = "" if name in before and name in after else "  added" if name in after else "  removed"
        yield line(name + word, "strong")
        yield from _lines(_rows(before[name]) if name in before else [], _rows(after[name]) if name in after else [])
        yield BLANK


def _same(a: Json, b: Json) -> bool:
    return canonical_json.canonical(a) == canonical_json.canonical(b)


def _rows(value: Json) -> list[str]:
    return value.split("\n") if isinstance(value, str) else canonical_json.dumps(value, indent=2).split("\n")


def _lines(before: list[str], after: list[str]) -> Iterator[Line]:
    if len(before) + len(after) > COMPARED:
        yield line(f"{len(before):,} lines become {len(after):,}: too many to compare here", "muted")
        return
    for row in difflib.ndiff(before, after) if len(before) + len(after) < 200 else _unified(before, after):
        if row.startswith("? "):
            continue
        style = {"-": "removed", "+": "added"}.get(row[:1], "muted")
        yield line(row[2:], style, row[:1], 2, style)
    if not _same(before, after) and "\n".join(before) == "\n".join(after):
        yield line("the type changes: text and not text", "warning")


def _unified(before: list[str], after: list[str]) -> Iterator[str]:
    for row in difflib.unified_diff(before, after, lineterm="", n=2):
        if not row.startswith(("---", "+++")):
            yield f"{row[:1]} {row[1:]}"
