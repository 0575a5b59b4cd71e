"""Strict deserialisation of checkpoints, which anybody may have written: only types that the loaded graphs declare are rebuilt.

LangGraph's own reader imports whatever class a checkpoint names (CONTRACT 4.3). This one imports nothing: a type that no graph of this
process declares comes back as the plain data it was stored with.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import sys
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Any

from langgraph.checkpoint.serde.event_hooks import SerdeEvent, register_serde_event_listener
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.func import _TaskFunction
from langgraph.pregel import Pregel
from pydantic import BaseModel, SecretBytes, SecretStr

MAX_REPORTED = 50
"""Foreign types that are reported; a hostile file could name any number."""
LIBRARIES = frozenset({"builtins", "enum", "typing", "abc", "pydantic", "langchain", "langchain_core", "langgraph"})
"""Packages whose classes are base classes: a schema that names one does not mean all of its subclasses."""


class StrictSerializer(JsonPlusSerializer):
    """LangGraph's serializer with a list of allowed types that only grows."""

    def __init__(self) -> None:
        super().__init__(allowed_msgpack_modules=None)
        self._reader = JsonPlusSerializer(allowed_msgpack_modules=None)

    def with_msgpack_allowlist(self, extra_allowlist: Iterable[tuple[str, ...] | type]) -> StrictSerializer:
        """Allow more types, everywhere this serializer is used."""
        self._reader = self._reader.with_msgpack_allowlist(extra_allowlist)
        return self

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """A stored value. LangGraph's older JSON format can name constructors, so it is read as plain JSON."""
        return json.loads(data[1]) if data[0] == "json" else self._reader.loads_typed(data)


def report_foreign_types(say: Callable[[str], None]) -> None:
    """Report each type that was not rebuilt once, instead of LangGraph's own warnings."""
    reported: set[tuple[str, str]] = set()

    def report(event: SerdeEvent) -> None:
        key = (event["module"], event["name"])
        if event["kind"].endswith("blocked") and key not in reported and len(reported) < MAX_REPORTED:
            reported.add(key)
            say(f"a checkpoint holds a {key[0]}.{key[1]}, which no schema of these graphs names: it is read as plain data")

    register_serde_event_listener(report)
    logging.getLogger("langgraph.checkpoint.serde.jsonplus").setLevel(logging.ERROR)


def declared_types(graph: Pregel[Any, Any, Any, Any]) -> set[type]:
    """Classes named in the schemas of a graph and its subgraphs, at any depth."""
    graphs = [graph, *_subgraphs(graph)]
    return _classes(hint for one in graphs for hint in _schemas(one))


def types_of_this_process() -> set[type]:
    """Classes named by every graph in this process, also by graphs that only a tool calls.

    Includes the annotated results of `@task` functions and the structured answers that agents give.
    """
    kinds: tuple[type, ...] = (Pregel, _TaskFunction)
    structured = sys.modules.get("langchain.agents.structured_output")
    if structured:
        kinds += (structured.ToolStrategy, structured.ProviderStrategy, structured.AutoStrategy)
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), kinds)]
    return _classes(hint for thing in found for hint in _declared_by(thing))


def _declared_by(thing: Any) -> list[Any]:
    if isinstance(thing, Pregel):
        return _schemas(thing)
    if isinstance(thing, _TaskFunction):
        return list(_hints(thing.func).values())
    return [getattr(thing, "schema", None)]


def _subgraphs(graph: Pregel[Any, Any, Any, Any]) -> list[Any]:
    try:
        return [sub for _, sub in graph.get_subgraphs(recurse=True)]
    except Exception:  # noqa: BLE001 - user code may stand behind any attribute; what cannot be read is not allowed
        return []


def _schemas(graph: Pregel[Any, Any, Any, Any]) -> list[Any]:
    """All type hints of the values a graph stores."""
    hints = [getattr(graph, "context_schema", None)]
    for channel in graph.channels.values():
        hints += [getattr(channel, "ValueType", None), getattr(channel, "UpdateType", None)]
    builder = getattr(graph, "builder", None)
    if builder is not None:
        hints += [builder.state_schema, builder.input_schema, builder.output_schema]
        hints += [node.input_schema for node in builder.nodes.values()]
        hints += [branch.input_schema for branches in builder.branches.values() for branch in branches.values()]
    return hints


def _classes(hints: Iterable[Any]) -> set[type]:
    """Classes in type hints that a checkpoint can contain: models, dataclasses, enums, named tuples, and their subclasses."""
    found: set[type] = set()
    seen: set[int] = set()
    kept = []  # an id is only unique while its object lives
    left = list(hints)
    while left:
        hint = left.pop()
        if id(hint) in seen:
            continue
        seen.add(id(hint))
        kept.append(hint)
        left += _within(hint)
        if isinstance(hint, type) and _is_data(hint):
            found.add(hint)
    return found


def _within(hint: Any) -> Iterator[Any]:
    """Hints one level down: arguments of a generic, fields of a class, and its subclasses, because a field may contain one of them."""
    yield from typing.get_args(hint) if typing.get_origin(hint) is not typing.Literal else ()
    yield from (typing.get_origin(hint), getattr(hint, "__supertype__", None), getattr(hint, "__value__", None))
    if isinstance(hint, type) and (_is_data(hint) or typing.is_typeddict(hint)):
        yield from _hints(hint).values()
        if hint.__module__.partition(".")[0] not in LIBRARIES:
            yield from hint.__subclasses__()


def _is_data(cls: type) -> bool:
    if issubclass(cls, BaseModel | Enum | SecretStr | SecretBytes) or dataclasses.is_dataclass(cls):
        return cls not in (BaseModel, Enum)
    return issubclass(cls, tuple) and hasattr(cls, "_asdict")


def _hints(thing: Any) -> dict[str, Any]:
    """Annotations of a class or function, resolved as far as possible."""
    try:
        return typing.get_type_hints(thing, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are user code: names that do not exist, calls that fail
        fields = getattr(thing, "model_fields", None)
        known = {name: field.annotation for name, field in fields.items()} if isinstance(fields, dict) else {}
        return {**getattr(thing, "__annotations__", {}), **known}
