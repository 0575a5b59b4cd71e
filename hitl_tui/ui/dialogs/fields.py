"""A JSON value as fields that a person fills in: which there are, how each value is written as text, and how texts are read. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any, Final

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json
from hitl_tui.sanitize import INVISIBLE

FEW = 20
"""Plain values up to which an object without a schema is shown as fields."""
DEPTH = 3
"""Objects nested deeper than this are one JSON field."""
DATES: Mapping[str, Callable[[str], object]] = {
    "date": datetime.date.fromisoformat,
    "date-time": datetime.datetime.fromisoformat,
    "time": datetime.time.fromisoformat,
}
"""JSON Schema's formats of dates, and what reads each."""
EXAMPLES = {"date": "2026-03-31", "date-time": "2026-03-31T14:00:00Z", "time": "14:00:00"}
TYPES = {"string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a JSON list"}
"""Types as people read them."""
LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches {}",
    "format": "{}",
    "default": "default {}",
}
"""Limits that a schema sets, as people read them."""


class Absent(Enum):
    """There is no such key."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class FieldKind(StrEnum):
    """How a field is filled in."""

    TEXT = "text"
    NUMBER = "number"
    CHOICE = "choice"
    DATE = "date"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Field:
    """One value that is filled in on its own."""

    path: tuple[str | int, ...]
    """Keys of objects and places in lists down to it; empty if it is the whole value."""
    kind: FieldKind
    schema: Mapping[str, Any]
    """Its part of the schema, with references followed."""
    required: bool
    value: Json | Absent
    """As it was; `ABSENT` if the object has no such key."""
    choices: tuple[Json, ...] = ()
    nullable: bool = False
    title: str = ""
    """Its name, if the path does not say it."""

    @property
    def name(self) -> str:
        """Its title, else the keys down to it, with dots."""
        return self.title or ".".join(map(str, self.path))

    @property
    def help(self) -> str:
        """What its schema says: description, type and limits; empty without a schema."""
        kind = self.schema.get("type")
        known = ["" if self.kind is FieldKind.CHOICE or kind == "string" else TYPES.get(str(kind), "")]
        known += [LIMITS[key].format(_plain(self.schema[key])) for key in LIMITS if self.schema.get(key) is not None]
        description = self.schema.get("description")
        return " · ".join(filter(None, [*known, description if isinstance(description, str) else ""]))

    @property
    def start(self) -> str:
        """The text of its value."""
        return self.write(self.value)

    def write(self, value: Json | Absent) -> str:
        """A value as text; empty for none."""
        if value is ABSENT or (value is None and self.kind is not FieldKind.JSON):
            return ""
        if isinstance(value, str) and self.kind in (FieldKind.TEXT, FieldKind.DATE):
            return value.replace("\r\n", "\n")
        return escaped(canonical_json.dumps(value, indent=2 if self.kind is FieldKind.JSON else None))

    def read(self, text: str) -> Json | Absent:
        """The value of a text. A text that was not changed is the value as it was, to the last detail.

        Raises:
            Refused: the text is not of the field's type.
        """
        if text == self.start:
            return self.value
        if text == "" and self.kind is not FieldKind.TEXT:
            return None if self.nullable and self.value is not ABSENT else ABSENT
        match self.kind:
            case FieldKind.TEXT:
                return text.replace("\n", "\r\n") if isinstance(self.value, str) and "\r\n" in self.value else text
            case FieldKind.DATE:
                return self._read_date(text)
            case FieldKind.NUMBER:
                return self._read_number(text)
            case _:
                return canonical_json.loads(text, self.name or "this")

    def _read_date(self, text: str) -> str:
        kind = str(self.schema["format"])
        try:
            DATES[kind](text)
        except ValueError:
            raise Refused(f"{self.name} is not a {kind}", f"write it like {EXAMPLES[kind]}") from None
        return text

    def _read_number(self, text: str) -> Json:
        whole = self.schema.get("type") == "integer"
        try:
            value = canonical_json.loads(text.strip())
        except Refused:
            value = None
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            raise Refused(f"{self.name} is not {'a whole number' if whole else 'a number'}", "correct it")
        return value


def fields_of(schema: Json, value: Json | Absent) -> tuple[Field, ...]:
    """The fields of a value: one for each key of an object, those of nested objects in its place, or one for any other value."""
    root = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict) or value is ABSENT:
        return tuple(_inside(root, root, value, ()))
    return (_field(root, root, value, (), True),)


def is_form(schema: Json) -> bool:
    """Whether an answer of this schema can be filled in as fields."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return isinstance(properties, dict) and bool(properties) and isinstance(schema, dict) and schema.get("type") == "object"


def filled_in(fields: Sequence[Field], texts: Sequence[str], value: Json | Absent) -> Json:
    """The value with every changed field in its place; keys keep their order, and new ones follow.

    Raises:
        Refused: a text is not of its field's type.
    """
    for field, text in zip(fields, texts, strict=True):
        if text != field.start:
            value = _put(value, field.path, field.read(text))
    return {} if value is ABSENT else value


def at(value: Json | Absent, path: Sequence[str | int]) -> Json | Absent:
    """The part of a value behind these keys; `ABSENT` if there is none."""
    for key in path:
        if isinstance(value, list):
            value = value[key] if isinstance(key, int) and key < len(value) else ABSENT
        else:
            value = value[key] if isinstance(value, dict) and key in value else ABSENT
    return value


def texts_for(fields: Sequence[Field], others: Sequence[Field]) -> list[str] | None:
    """Texts that make the fields say what others do, which another value has; None if they are not the same fields."""

    def shape(field: Field) -> tuple[object, ...]:
        return field.path, field.kind, field.value is ABSENT, field.value is None, isinstance(field.value, str) and "\r\n" in field.value

    if list(map(shape, fields)) != list(map(shape, others)):
        return None
    return [field.write(other.value) for field, other in zip(fields, others, strict=True)]


def escaped(json_text: str) -> str:
    """The same JSON with invisible characters escaped, so that an editor shows them."""
    return INVISIBLE.sub(lambda match: _escape(match[0]), json_text)


def _escape(character: str) -> str:
    point = ord(character)
    if point < 0x10000:
        return f"\\u{point:04x}"
    point -= 0x10000
    return f"\\u{0xD800 + (point >> 10):04x}\\u{0xDC00 + (point & 0x3FF):04x}"


def _inside(root: Mapping[str, Any], schema: Mapping[str, Any], value: Json | Absent, path: tuple[str, ...]) -> Iterator[Field]:
    """The fields of an object: its own keys first, then those that only the schema knows."""
    parts = schema.get("properties")
    parts = parts if isinstance(parts, dict) else {}
    required = schema.get("required")
    own = value if isinstance(value, dict) else {}
    for key in [*own, *(key for key in parts if key not in own)]:
        item = own.get(key, ABSENT)
        part, nullable = _resolved(root, parts.get(key))
        here = (*path, key)
        if len(here) < DEPTH and _is_object(part, item):
            yield from _inside(root, part, item, here)
        else:
            yield _field(root, part, item, here, isinstance(required, list) and key in required, nullable)


def _field(
    root: Mapping[str, Any], schema: Mapping[str, Any], value: Json | Absent, path: tuple[str, ...], required: bool, nullable: bool = False
) -> Field:
    choices = _choices(schema) or ((True, False) if isinstance(value, bool) and "type" not in schema else ())
    kind = _kind(schema, choices, value, nullable)
    return Field(path, kind, schema, required, value, choices if kind is FieldKind.CHOICE else (), nullable)


def _kind(schema: Mapping[str, Any], choices: tuple[Json, ...], value: Json | Absent, nullable: bool) -> FieldKind:
    """How a value is filled in: as its schema says if it is of that type, as JSON if it is of another."""
    kind = schema.get("type")
    none = value is ABSENT or (value is None and nullable)
    if choices:
        known = none or any(canonical_json.canonical(choice) == canonical_json.canonical(value) for choice in choices)
        return FieldKind.CHOICE if known else FieldKind.JSON
    if kind == "string" if none else isinstance(value, str) and kind in ("string", None) and _is_editable(value):
        return FieldKind.DATE if schema.get("format") in DATES else FieldKind.TEXT
    if kind in ("integer", "number") if none else _is_number(value) and kind in ("integer", "number", None):
        return FieldKind.NUMBER
    return FieldKind.JSON


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_editable(text: str) -> bool:
    """Whether a text area shows and keeps a text exactly: no invisible characters, and line breaks all of one kind."""
    plain = text.replace("\r\n", "\n")
    return not INVISIBLE.search(plain) and (plain == text or text.count("\n") == text.count("\r\n"))


def _is_object(schema: Mapping[str, Any], value: Json | Absent) -> bool:
    """Whether a value is shown as fields of its own: an object its schema describes, or one with a few plain values."""
    if isinstance(schema.get("properties"), dict) and schema["properties"]:
        return value is ABSENT or isinstance(value, dict)
    plain = isinstance(value, dict) and 1 < len(value) <= FEW and not any(isinstance(item, dict | list) for item in value.values())
    return plain and schema.get("type") in ("object", None)


def _choices(schema: Mapping[str, Any]) -> tuple[Json, ...]:
    if isinstance(schema.get("enum"), list):
        return tuple(schema["enum"])
    if schema.get("type") == "boolean":
        return (True, False)
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list) and options and all(isinstance(one, dict) and "const" in one for one in options):
        return tuple(one["const"] for one in options)
    return (schema["const"],) if "const" in schema else ()


def _resolved(root: Mapping[str, Any], schema: Any) -> tuple[Mapping[str, Any], bool]:
    """A part of a schema with its references followed, and whether it takes null, too."""
    nullable = False
    for _ in range(DEPTH * 4):  # references may go in a circle
        if not isinstance(schema, dict):
            return {}, nullable
        kind, options = schema.get("type"), schema.get("anyOf") or schema.get("oneOf")
        others = [one for one in options if not (isinstance(one, dict) and one.get("type") == "null")] if isinstance(options, list) else []
        if isinstance(schema.get("$ref"), str):
            following = _referred(root, schema["$ref"])
        elif isinstance(kind, list) and len(kind) == 2 and "null" in kind:
            nullable, following = True, {"type": next((one for one in kind if one != "null"), None)}
        elif isinstance(options, list) and len(others) == 1 and isinstance(others[0], dict):
            nullable, following = nullable or len(options) > 1, others[0]
        else:
            return schema, nullable
        schema = {**following, **{key: part for key, part in schema.items() if key not in ("$ref", "anyOf", "oneOf", "type")}}
    return {}, nullable


def _referred(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    found: Any = root
    for step in reference.removeprefix("#/").split("/") if reference.startswith("#/") else ():
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and found is not root else {}


def _put(value: Json | Absent, path: Sequence[str | int], item: Json | Absent) -> Json | Absent:
    """The value with one part replaced, added or removed. A list keeps its length."""
    if not path:
        return item
    if isinstance(value, list):
        return [_put(part, path[1:], item) if place == path[0] else part for place, part in enumerate(value)]
    own = dict(value) if isinstance(value, dict) else {}
    inner = _put(own.get(path[0], ABSENT), path[1:], item)
    if inner is ABSENT:
        own.pop(path[0], None)
    else:
        own[path[0]] = inner
    return own


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json.dumps(value)
