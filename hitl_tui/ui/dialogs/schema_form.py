"""A form for an answer whose schema is an object: a field per property; nested values are entered as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widgets import Input, Static

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.widgets.styled_lines import StyledWidget


@dataclass
class FormChanged(Message):
    """A field has changed."""


def is_form(schema: Json) -> bool:
    """Whether the schema can be shown as a form."""
    return (
        isinstance(schema, dict)
        and isinstance(schema.get("properties"), dict)
        and bool(schema["properties"])
        and schema.get("type") == "object"
    )


class ChoiceField(StyledWidget, can_focus=True):
    """One of a few values, or none: chosen with left, right or space."""

    def __init__(self, values: Sequence[Json], chosen: str, id: str) -> None:
        super().__init__(id=id)
        self._values = values
        shown = [canonical_json.dumps(value) for value in values]
        self._place = shown.index(chosen) if chosen in shown else -1

    @property
    def value(self) -> str:
        """The value as JSON text; empty for none."""
        return canonical_json.dumps(self._values[self._place]) if self._place >= 0 else ""

    def render_line(self, y: int) -> Strip:
        pieces = []
        for place, value in enumerate(self._values):
            here = place == self._place
            text = value if isinstance(value, str) else canonical_json.dumps(value)
            pieces.append((f"{'●' if here else '○'} {one_line(text, 30)}   ", "strong" if here else "muted"))
        return self.strip(pieces, self.size.width)

    def on_key(self, event: events.Key) -> None:
        if event.key in ("right", "space", "left"):
            event.stop()
            step = -1 if event.key == "left" else 1
            self._place = (self._place + 1 + step) % (len(self._values) + 1) - 1
            self.refresh()
            self.post_message(FormChanged())


class Form(VerticalScroll, can_focus=False):
    """One row per property; required ones have a star."""

    def __init__(self, schema: Mapping[str, Any], raw: Mapping[str, str], id: str | None = None) -> None:
        super().__init__(id=id)
        self._properties: dict[str, dict[str, Any]] = {
            name: part if isinstance(part, dict) else {} for name, part in schema["properties"].items()
        }
        self._required = set(schema.get("required") or ())
        self._raw = raw

    def compose(self) -> ComposeResult:
        for place, (name, part) in enumerate(self._properties.items()):
            label = Content.assemble(one_line(name, 20), (" *" if name in self._required else "", "$text-warning"))
            raw = self._raw.get(name, canonical_json.dumps(part["default"]) if "default" in part else "")
            with Horizontal(classes="field gap"):
                yield Static(label)
                yield from self._field(place, part, raw)

    def _field(self, place: int, part: Mapping[str, Any], raw: str) -> Iterator[Input | ChoiceField]:
        hint = one_line(visible(str(part.get("description") or part.get("type") or "JSON")), 60)
        if isinstance(part.get("enum"), list):
            yield ChoiceField(part["enum"], raw, id=f"field-{place}")
        elif part.get("type") == "boolean":
            yield ChoiceField([True, False], raw, id=f"field-{place}")
        else:
            plain = part.get("type") == "string" and raw.startswith('"') and "default" in part
            yield Input(str(canonical_json.loads(raw)) if plain else raw, placeholder=hint, id=f"field-{place}")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(FormChanged())

    def raw(self) -> dict[str, str]:
        """The texts of the fields."""
        found = {}
        for place, name in enumerate(self._properties):
            field = self.query_one(f"#field-{place}")
            found[name] = field.value if isinstance(field, Input | ChoiceField) else ""
        return found

    def value(self) -> dict[str, Json]:
        """The object that the fields describe; empty fields are left out.

        Raises:
            Refused: a field is not of its type.
        """
        return {name: self._read(name, raw) for name, raw in self.raw().items() if raw != ""}

    def _read(self, name: str, raw: str) -> Json:
        part = self._properties[name]
        if part.get("type") == "string" and "enum" not in part:
            return raw
        try:
            return canonical_json.loads(raw)
        except Refused:
            raise Refused(f"{name} is not {_type_name(part.get('type'))}", "correct it") from None


def _type_name(kind: object) -> str:
    return {"integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a JSON list"}.get(str(kind), "JSON")
