"""What the calls of a review ask for, and where neighbouring reviews differ, in few words for the list. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from hitl_tui import canonical_json
from hitl_tui.model import CallVariant, Json, ReviewRow
from hitl_tui.sanitize import shortened

VALUE_CELLS = 40
"""Cells of one value."""
NAME_CELLS = 20
"""Cells of a name."""
LONG, SAME, KEPT = 24, 6, 8
"""Characters of a value from which its beginning may be left out, of what is worth leaving out, and of what stays before a difference."""
_BREAKS = re.compile(r"[\s/,;]+")
VALUES = 3
"""Values of an argument that are named where the calls of a review differ in it."""


def asked(row: ReviewRow, above: ReviewRow | None) -> str | None:
    """What a review asks for: only what differs from the one above it, where that calls the same tools of the same agent.

    None if nothing differs.
    """
    is_alike = above is not None and (row.agent, row.tools) == (above.agent, above.tools)
    other = above.variants if above is not None and is_alike else ()
    if is_alike and row.variants == other:
        return None
    if len(row.variants) < 2:
        return (_differing(row.variants[0], other[0]) if row.variants and other else "") or row.summary
    tools = {name: _calls(_of(row.variants, name), _of(other, name)) for name in row.tool_counts}
    told = {name: text for name, text in tools.items() if text}
    parts = told.values() if len(tools) == 1 else (f"{shortened(name, NAME_CELLS)} {text}" for name, text in told.items())
    return " · ".join(parts) or row.summary


def _of(calls: Sequence[CallVariant], name: str) -> list[CallVariant]:
    return [one for one in calls if one.name == name]


def _calls(calls: Sequence[CallVariant], other: Sequence[CallVariant]) -> str:
    """What one tool of several is asked for: `to ann, bob`; empty where its calls are those of the row above."""
    if not calls or calls == other:
        return ""
    args = [_read(call.args) for call in calls]
    known = [one for one in args if one is not None]
    if len(known) < len(calls):
        return shortened(calls[0].args, VALUE_CELLS)
    if len(known) == 1:
        return (_differing(calls[0], other[0]) if len(other) == 1 else "") or " ".join(_brief(value) for value in known[0].values())
    return " ".join(f"{shortened(key, NAME_CELLS)} {_listed(key, known)}" for key in _uneven(known))


def _uneven(args: Sequence[Mapping[str, Json]]) -> list[str]:
    """The names of arguments that are not the same in all calls."""
    names = dict.fromkeys(name for one in args for name in one)
    return [name for name in names if len({canonical_json.canonical(one[name]) if name in one else "" for one in args}) > 1]


def _listed(name: str, args: Sequence[Mapping[str, Json]]) -> str:
    values = {_plain(one[name]) if name in one else "none": None for one in args}
    first, *others = values
    told = [shortened(first, VALUE_CELLS), *(_apart(one, first) for one in others)]
    return ", ".join([*told[:VALUES], *(["…"] if len(told) > VALUES else [])])


def _differing(call: CallVariant, other: CallVariant) -> str:
    """The arguments in which a call differs from another; empty where that cannot be told."""
    mine, theirs = _read(call.args), _read(other.args)
    if mine is None or theirs is None:
        return ""
    names = [name for name in mine if name not in theirs or mine[name] != theirs[name]]
    gone = [f"no {shortened(name, NAME_CELLS)}" for name in theirs if name not in mine]
    return " · ".join([f"{shortened(name, NAME_CELLS)} {_apart(mine[name], theirs.get(name))}" for name in names] + gone)


def group_differences(args: Sequence[str]) -> str:
    """How the first calls of a group differ: `only host differs: web-01 … web-38`; empty where that cannot be told."""
    read = [_read(text) for text in args]
    known = [one for one in read if one is not None]
    if len(known) < len(read):
        return ""
    differ = _uneven(known)
    if not differ:
        return "all calls are identical"
    if len(differ) > 1:
        return f"{', '.join(shortened(name, 20) for name in differ)} differ"
    (name,) = differ
    first, *_, last = sorted(_plain(one.get(name)) for one in known)
    return f"only {shortened(name, 20)} differs: {shortened(first, VALUE_CELLS)} … {_apart(last, first)}"


@lru_cache(2048)
def _read(text: str) -> dict[str, Json] | None:
    """The arguments; None where they are cut off or no object."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _apart(value: Json, other: Json) -> str:
    """A value; where it is long and begins as another one does, from a word or two before the difference."""
    mine, theirs = _plain(value), _plain(other)
    pairs = enumerate(zip(mine, theirs, strict=False))
    same = next((place for place, (one, another) in pairs if one != another), min(len(mine), len(theirs))) - KEPT
    begin = max((found.end() for found in _BREAKS.finditer(mine, 0, max(0, same))), default=0)
    is_cut = begin >= SAME and len(mine) > LONG and not mine[:begin].isspace()
    return f"…{shortened(mine[begin:], VALUE_CELLS)}" if is_cut else shortened(mine, VALUE_CELLS)


def _brief(value: Json) -> str:
    return shortened(_plain(value), VALUE_CELLS)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json.dumps(value)
