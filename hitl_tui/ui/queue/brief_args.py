"""Where the arguments of neighbouring reviews differ, in few words for the list. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from hitl_tui import canonical_json
from hitl_tui.model import Json, ReviewRow
from hitl_tui.sanitize import one_line

VALUE_CELLS = 40
"""Cells of one value."""


def differing(row: ReviewRow, above: ReviewRow | None) -> str:
    """The arguments in which a review differs from the one above it that calls the same tool; empty where there is nothing to compare."""
    if above is None or (row.agent, row.tools) != (above.agent, above.tools) or len(row.tools) != 1:
        return ""
    mine, other = _read(row.first_args), _read(above.first_args)
    if mine is None or other is None:
        return ""
    if row.first_args == above.first_args:
        return "same arguments as above"
    names = [name for name in mine if name not in other or mine[name] != other[name]]
    gone = [f"no {one_line(name, 20)}" for name in other if name not in mine]
    return " · ".join([f"{one_line(name, 20)} {_brief(mine[name])}" for name in names] + gone)


def group_differences(args: Sequence[str]) -> str:
    """How the first calls of a group differ: `only host differs: web-01 … web-38`; empty where that cannot be told."""
    read = [_read(text) for text in args]
    known = [one for one in read if one is not None]
    if len(known) < len(read):
        return ""
    names = dict.fromkeys(name for one in known for name in one)
    values = {name: {canonical_json.canonical(one[name]) if name in one else "" for one in known} for name in names}
    differ = [name for name in names if len(values[name]) > 1]
    if not differ:
        return "all calls are identical"
    if len(differ) > 1:
        return f"{', '.join(one_line(name, 20) for name in differ)} differ"
    (name,) = differ
    first, *_, last = sorted(_brief(one.get(name)) for one in known)
    return f"only {one_line(name, 20)} differs: {first} … {last}"


@lru_cache(2048)
def _read(text: str) -> dict[str, Json] | None:
    """The arguments; None where they are cut off or no object."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _brief(value: Json) -> str:
    return one_line(value if isinstance(value, str) else canonical_json.dumps(value), VALUE_CELLS)
