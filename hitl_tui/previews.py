"""Previews of tool calls: what a tool's author shows of a call that waits, as a text, a table or a difference. Needs no other package.

`patterns.preview` registers a function for a tool, the worker calls it, and what it returns is stored as bounded JSON.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Json, graph_of

LONGEST_TEXT = 20_000
"""Characters of a text, or of one side of a difference, that are kept."""
MOST_ROWS, MOST_COLUMNS, LONGEST_CELL = 100, 20, 200
USUAL_S, LONGEST_S = 5.0, 60.0


@dataclass(frozen=True, slots=True)
class PreviewTable:
    """A preview as a table."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    """What stands above it, such as how many rows would change."""


@dataclass(frozen=True, slots=True)
class PreviewDifference:
    """A preview as the difference between two texts, line by line."""

    before: str
    after: str
    note: str = ""
    """What stands above it."""


PreviewFunction = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """A preview function with its time limit."""

    function: PreviewFunction
    timeout_s: float = USUAL_S

    def run(self, args: Mapping[str, Any], config: Mapping[str, Any]) -> Json:
        """Call the function, in a thread of its own, and return what it shows as bounded JSON; see `body_of`.

        Raises whatever the function raises, and `ValueError` if it returns what no preview is.
        """
        found = self.function(dict(args), config) if _takes_config(self.function) else self.function(dict(args))
        if inspect.isawaitable(found):
            import asyncio  # only here: graphs import this module at their start

            found = asyncio.run(_awaited(found))
        return body_of(found)


@dataclass(slots=True)
class Registry:
    """The preview functions of this process, by agent (empty for every agent) and tool."""

    functions: dict[tuple[str, str], Registered] = field(default_factory=dict)

    def add(self, tool: str, function: PreviewFunction, agent: str = "", timeout_s: float = USUAL_S) -> None:
        """Register a function, in place of an earlier one of the same tool and agent.

        Raises:
            ValueError: the tool has no name, the function cannot be called, or the time limit is not from 0 to 60 seconds.
        """
        if not isinstance(tool, str) or not tool:
            raise ValueError("a preview needs the name of a tool")
        if not callable(function):
            raise ValueError(f"the preview of {tool} is a {type(function).__name__}, which cannot be called")
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s <= LONGEST_S:
            raise ValueError(f"the time limit of the preview of {tool} is {timeout_s!r}; give seconds, at most {LONGEST_S:g}")
        self.functions[agent, tool] = Registered(function, float(timeout_s))

    def of(self, agent: str, tool: str) -> Registered | None:
        """The function for a call of an agent, whose name may be that of its graph with its project."""
        wanted = ((name, tool) for name in (agent, graph_of(agent), ""))
        return next((self.functions[one] for one in wanted if one in self.functions), None)

    @property
    def tools(self) -> list[str]:
        """Names of tools that have a function."""
        return list({tool for _, tool in self.functions})


REGISTRY = Registry()
"""Those of this process."""


async def _awaited(found: Any) -> Any:
    return await found


def _takes_config(function: PreviewFunction) -> bool:
    """Whether a function takes the run's configuration beside the arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    given = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty]
    return len(given) > 1 or any(one.name == "config" for one in parameters)


# As it is stored


def body_of(found: Any) -> Json:
    """What a preview function returned as bounded JSON: `{kind, …, cut}`, where `cut` says that not all of it was kept.

    `{kind: "text", text}`, `{kind: "table", columns, rows, note}` or `{kind: "difference", before, after, note}`.

    Raises:
        ValueError: it is none of them.
    """
    match found:
        case str():
            return {"kind": "text", "text": _text(found), "cut": len(found) > LONGEST_TEXT}
        case PreviewTable():
            return _table(found)
        case PreviewDifference():
            sides = (str(found.before), str(found.after))
            body: dict[str, Json] = {"kind": "difference", "before": _text(sides[0]), "after": _text(sides[1])}
            return {**body, "note": _cell(found.note), "cut": any(len(one) > LONGEST_TEXT for one in sides)}
    raise ValueError(f"a preview is a text, a PreviewTable or a PreviewDifference, and not a {type(found).__name__}")


def _table(found: PreviewTable) -> Json:
    columns = list(found.columns)
    rows = [list(row) for row in list(found.rows)[: MOST_ROWS + 1]]
    cut = len(rows) > MOST_ROWS or len(columns) > MOST_COLUMNS or any(len(row) > MOST_COLUMNS for row in rows)
    kept: list[Json] = [[_cell(value) for value in row[:MOST_COLUMNS]] for row in rows[:MOST_ROWS]]
    names: list[Json] = [_cell(name) for name in columns[:MOST_COLUMNS]]
    return {"kind": "table", "columns": names, "rows": kept, "note": _cell(found.note), "cut": cut}


def _text(text: str) -> str:
    return canonical_json.storable(text[:LONGEST_TEXT])


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return canonical_json.storable(text if len(text) <= LONGEST_CELL else text[: LONGEST_CELL - 1] + "…")
