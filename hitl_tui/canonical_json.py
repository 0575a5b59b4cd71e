"""JSON: canonical text for digests, strict parsing of typed text, and conversion of any Python value to JSON."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from hitl_tui.errors import Refused

_BLANKS = re.compile(r"(?:[ \t\n]|\r\n)+")
DEPTH = 100
"""Most levels of nesting; deeper values become text, before Python's recursion limit."""
_HALVES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
"""Two halves of one character: stored and read again, they would be that character."""
NODES = 100_000
"""Values inside one that is too large to be shown that are read to tell it from others."""
BITS = 10_000
"""Most bits of a whole number; Python refuses to print longer ones."""


def dumps(value: Any, indent: int | None = None) -> str:
    """JSON text of a JSON value. Non-ASCII characters are escaped only if the text could not be encoded otherwise (lone surrogates)."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text if encodable(text) else json.dumps(value, indent=indent)


_canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def canonical(value: Any) -> str:
    """The canonical text of a JSON value, for digests: sorted keys, no spaces."""
    return _canonical.encode(value)


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
    """Convert any Python value to a JSON value; different values never become the same one. Never raises.

    A value without a JSON form becomes `{"⟨type⟩": text}`, and a key that is no text `⟨type⟩ text`; what would read like these is marked
    `⟨str⟩`. NaN and infinity are `{"float": "nan"}`, as people type them. As LangGraph's checkpoints do not keep the difference, a tuple is
    a list, and a dataclass or model an object of its fields. Objects of other classes are as different as their `repr`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = str.__str__(value)
        return {"⟨str⟩": ascii(text)} if _HALVES.search(text) else text
    if isinstance(value, int):
        return int(value) if value.bit_length() <= BITS else {"⟨int⟩": f"a number of {value.bit_length()} bits, {_hash(value)}"}
    if isinstance(value, float):
        return float(value) if value == value and abs(value) != float("inf") else {"float": repr(float(value))}
    if depth <= 0:
        return {f"⟨{type(value).__name__}⟩": f"nested too deeply to show, {_hash(value)}"}
    try:
        return _container(value, depth - 1)
    except Exception as error:  # noqa: BLE001 - the value is the agent's: whatever its own code raises is shown
        return {f"⟨{type(value).__name__}⟩": f"cannot be shown: {type(error).__name__}"}


def _container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {shown: as_json(value[key], depth) for shown, key in _keys_of(value).items()}
    if isinstance(value, list | tuple):
        return [as_json(item, depth) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: as_json(getattr(value, f.name), depth) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        return as_json(dump(), depth)
    name = type(value).__qualname__ if type(value).__module__ == "builtins" else f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, set | frozenset):
        return {f"⟨{name}⟩": sorted((as_json(item, depth) for item in value), key=canonical)}
    return {f"⟨{name}⟩": repr(value)}


def _keys_of(value: Mapping[Any, Any]) -> dict[str, Any]:
    """The keys of an object as they are shown, with what they are."""
    if len(value) == 1 and value.get("float") in ("nan", "inf", "-inf"):
        return {"⟨str⟩ float": "float"}
    found: dict[str, Any] = {}
    for key in value:
        shown = _key(key)
        while shown in found:  # two objects of one repr
            shown += "′"
        found[shown] = key
    return found


def _key(key: Any) -> str:
    if isinstance(key, str) and not key.startswith("⟨") and not _HALVES.search(key):
        return str.__str__(key)
    shown = as_json(key)
    if isinstance(key, str):
        return f"⟨str⟩ {shown if isinstance(shown, str) else ascii(str.__str__(key))}"
    text = repr(key) if isinstance(key, bool | int | float | type(None)) else canonical(shown)
    return f"⟨{type(key).__name__}⟩ {text}" if not isinstance(key, int) or key.bit_length() <= BITS else f"⟨int⟩ {canonical(shown)}"


def _hash(value: Any) -> str:
    """The beginning of a SHA-256 of a value that is too large to be shown."""
    hashed, waiting, left = hashlib.sha256(), [value], NODES
    while waiting and left:
        one, left = waiting.pop(), left - 1
        if isinstance(one, int) and not isinstance(one, bool):
            part = hex(one)
        elif isinstance(one, Mapping | list | tuple):
            part = f"{type(one).__name__} of {len(one)}"
            waiting += [part for pair in one.items() for part in pair] if isinstance(one, Mapping) else one
        else:
            try:
                part = repr(one)
            except Exception as error:  # noqa: BLE001 - the value is the agent's
                part = type(error).__name__
        hashed.update(f"{type(one).__name__} {len(part)} {part}".encode("utf-8", "surrogatepass"))
    return f"SHA-256 {hashed.hexdigest()[:16]}"


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
        keys = _keys_of(parts)
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
    found = _BLANKS.sub(" ", text[: limit and limit * 4]).strip(" ")
    is_cut = limit is not None and (len(found) > limit or bool(text[limit * 4 :].strip(" \t\r\n")))
    return storable(f"{found[: limit - 1]}…" if limit is not None and is_cut else found)


def _brief(value: Any, limit: int | None) -> str:
    text = value if isinstance(value, str) else dumps(value)
    return text if limit is None or len(text) <= limit else f"{text[: limit - 1]}…"
