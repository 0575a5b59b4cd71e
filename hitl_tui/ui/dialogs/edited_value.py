"""A JSON value while a person edits it, field by field or whole as JSON. What is typed need not be valid yet. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json
from hitl_tui.ui.dialogs.fields import Field, at, escaped, filled_in, texts_for

MOST = 100
"""Fields up to which there is a form: each is a widget of its own."""
WHOLE = "JSON"
"""Name of the whole value where it is edited as JSON."""


class EditedValue:
    """The value as it was, and what is typed. What is not touched stays exact."""

    def __init__(self, original: Json, fields_of: Callable[[Json], Iterable[Field]], start: Json = None, what: str = "this") -> None:
        """`start` is the value to begin with, the original if None; error messages call the JSON of the whole `what`."""
        self.original = original
        self._fields_of = fields_of
        self._what = what
        self.json = ""
        """The whole as JSON, as typed."""
        self.is_raw = False
        """Whether the whole is edited as JSON."""
        self.begin(original if start is None else start)
        if len(self.fields) > MOST:
            self.show_json()

    def begin(self, value: Json) -> None:
        """Fill the fields with another value.

        Raises:
            Refused: it has no fields.
        """
        self.fields = tuple(self._fields_of(value))
        self._value = value
        self.texts = [field.start for field in self.fields]

    def texts_of(self, value: Json) -> list[str] | None:
        """Texts that make the present fields say another value; None if that value has other fields."""
        return texts_for(self.fields, tuple(self._fields_of(value)))

    def show_json(self) -> None:
        """Edit the whole as JSON from now on.

        Raises:
            Refused: a text is not of its field's type.
        """
        self.json, self.is_raw = json_text(filled_in(self.fields, self.texts, self._value)), True

    def show_fields(self) -> None:
        """Edit field by field from now on.

        Raises:
            Refused: the JSON is not valid, or has no such fields or too many.
        """
        value = canonical_json.loads(self.json, self._what)
        if (count := len(tuple(self._fields_of(value)))) > MOST:
            raise Refused(f"{self._what} has {count} fields, too many for a form", "edit the JSON")
        self.begin(value)
        self.is_raw = False

    def read(self) -> Json:
        """The value as typed.

        Raises:
            Refused: a text is not of its field's type, or the JSON is not valid.
        """
        value, problems = self.valid()
        if problems:
            raise next(iter(problems.values()))
        return value

    def valid(self) -> tuple[Json, dict[str, Refused]]:
        """The value of the valid fields, and what is wrong with others by name. Of invalid JSON, the value is the original."""
        if self.is_raw:
            try:
                return canonical_json.loads(self.json, self._what), {}
            except Refused as problem:
                return self.original, {WHOLE: problem}
        invalid = self.invalid()
        texts = [field.start if place in invalid else self.texts[place] for place, field in enumerate(self.fields)]
        return filled_in(self.fields, texts, self._value), {self.fields[place].name: problem for place, problem in invalid.items()}

    def invalid(self) -> dict[int, Refused]:
        """What is wrong, by the place of the field."""
        found = {}
        for place, field in enumerate(self.fields):
            try:
                field.read(self.texts[place])
            except Refused as problem:
                found[place] = problem
        return found

    def changed(self) -> set[int]:
        """Places of the fields whose value is not the original's."""
        value, _ = self.valid()
        return {place for place, field in enumerate(self.fields) if not same_json(at(value, field.path), at(self.original, field.path))}

    # What is typed, to be kept

    def kept(self) -> dict[str, Json]:
        """Everything that is typed, as JSON for `restore`."""
        return {"value": self._value, "texts": self.texts, "raw": self.is_raw, "json": self.json}

    def restore(self, kept: Mapping[str, Json]) -> None:
        """Go on with what `kept` returned for the same original."""
        self.begin(kept["value"])
        self.texts, self.is_raw, self.json = kept["texts"], kept["raw"], kept["json"]

    def typed(self, name: str) -> tuple[str, str]:
        """What is typed, as a text with a name of its own: the JSON as it is, or the texts of the changed fields as JSON."""
        if self.is_raw:
            return name, self.json
        changed = {field.name: text for field, text in zip(self.fields, self.texts, strict=True) if text != field.start}
        return f"{name} fields", canonical_json.dumps(changed)

    def type_again(self, name: str, texts: Mapping[str, str]) -> None:
        """Go on with what `typed` returned, if it is among these texts. A field that is gone is ignored."""
        if name in texts:
            self.json, self.is_raw = texts[name], True
            return
        changed = canonical_json.loads(texts.get(f"{name} fields", "{}"))
        self.texts = [changed.get(field.name, text) for field, text in zip(self.fields, self.texts, strict=True)]


def json_text(value: Json) -> str:
    """A value as the JSON that a person edits: invisible characters are escaped."""
    return escaped(canonical_json.dumps(value, indent=2))


def same_json(a: object, b: object) -> bool:
    """Whether two values, or `ABSENT`, are the same JSON."""
    return a is b or (type(a) is type(b) and canonical_json.canonical(a) == canonical_json.canonical(b))
