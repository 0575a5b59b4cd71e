"""JSON: canonical text for digests, strict parsing of typed text, and conversion of any Python value to JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from hitl_tui.errors import Refused

DEPTH = 100
"""Most levels of nesting; deeper values become text, before Python's recursion limit."""
BITS = 10_000
"""Most bits of a whole number; Python refuses to print longer ones."""


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON text of a JSON value. Non-ASCII characters are escaped only if the text could not be encoded otherwise (lone surrogates)."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if encodable(text) else json.dumps(value, indent=indent)


def canonical(value: Any) -> str:
    """The canonical text of a JSON value, for digests: sorted keys, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def encodable(text: str) -> bool:
    """Whether the text can be stored as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """The text with characters that UTF-8 cannot encode as escapes, so that it can be stored."""
    return text if encodable(text) else text.encode("utf-8", "backslashreplace").decode()


def loads(text: str, what: str = "the text") -> Any:
    """Parse JSON that a person typed. Duplicate keys, NaN and Infinity are refused.

    Raises:
        Refused: the text is not such JSON. The message calls it `what`, and gives line and column of the mistake.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Refused(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", "correct it") from None
    except _NotPlain as error:
        raise Refused(f"{what} is not plain JSON: {error}", "correct it") from None
    except RecursionError:
        raise Refused(f"{what} is nested too deeply", "flatten it") from None
    except ValueError:
        raise Refused(f"{what} has a number of thousands of digits", "write it as a string") from None


class _NotPlain(ValueError):
    pass


def _unique_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _NotPlain(f"the key {key!r} occurs twice")
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise _NotPlain(f"{name} has no JSON form")


def as_json(value: Any, depth: int = DEPTH) -> Any:
    """Convert any Python value to a JSON value. A value without a JSON form becomes `{"<type>": text}`. Never raises."""
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= BITS else {"int": f"a number of {value.bit_length()} bits"}
    if isinstance(value, float):
        return float(value) if value == value and abs(value) != float("inf") else {"float": repr(value)}
    if depth <= 0:
        return {type(value).__name__: "nested too deeply to show"}
    try:
        return _container(value, depth - 1)
    except Exception as error:  # noqa: BLE001 - the value is the agent's: whatever its own code raises is shown
        return {type(value).__name__: f"cannot be shown: {type(error).__name__}"}


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else repr(key): as_json(item, depth) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(item, depth) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name), depth) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return as_json(dump(), depth)
    if isinstance(value, set | frozenset):
        return {"set": sorted((as_json(item, depth) for item in value), key=canonical)}
    return {type(value).__name__: repr(value)}


def restored(value: Any, original: Any) -> Any:
    """A person's edit of `as_json(original)`, with the original wherever it is unchanged: NaN and other types included.

    A dataclass or model that is changed becomes an object of its fields.
    """
    return _restored(value, original, as_json(original))


def _restored(value: Any, original: Any, shown: Any) -> Any:
    """`shown` is what the person saw of the original."""
    if canonical(value) == canonical(shown):
        return original
    if isinstance(value, dict) and isinstance(shown, dict):
        parts = original if isinstance(original, Mapping) else _fields_of(original, shown)
        keys = {key if isinstance(key, str) else repr(key): key for key in parts}
        return {keys.get(key, key): _restored(item, parts[keys[key]], shown[key]) if key in keys else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(original, list | tuple) and isinstance(shown, list):
        kept = {canonical(before): item for before, item in zip(shown, original, strict=True)}  # also of items that moved
        beside = [*zip(original, shown, strict=True), *[(None, None)] * len(value)]
        return [kept[text] if (text := canonical(item)) in kept else _restored(item, *beside[n]) for n, item in enumerate(value)]
    return value


def _fields_of(original: Any, shown: Mapping[str, Any]) -> dict[str, Any]:
    if not dataclasses.is_dataclass(original) and not hasattr(original, "model_dump"):
        return {}
    return {name: getattr(original, name) for name in shown if hasattr(original, name)}


def changed(value: Any, before: Any) -> Any:
    """The JSON value with null for every part that is as it was before."""
    if value is before or canonical(value) == canonical(before):
        return None
    if isinstance(value, dict) and isinstance(before, dict):
        return {key: changed(item, before[key]) if key in before else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(before, list):
        kept = {canonical(item) for item in before}
        beside = [*before, *[None] * len(value)]
        return [None if canonical(item) in kept else changed(item, beside[n]) for n, item in enumerate(value)]
    return value


def one_line(value: Any, limit: int | None = 200) -> str:
    """A value as one line of at most `limit` characters (None: all), for lists: of an object only its values, text without quotes."""
    if isinstance(value, str):
        text = value
    elif isinstance(value, dict):
        text = " · ".join(_brief(item, limit and 200) for item in value.values())
    else:
        text = dumps(value)
    text = " ".join(text[: limit and limit * 4].split())
    text = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return storable(text)


def _brief(value: Any, limit: int | None) -> str:
    return (value if isinstance(value, str) else dumps(value))[:limit]
