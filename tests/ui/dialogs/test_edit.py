"""Editing field by field: every value as what it is, and what is not touched stays exact."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.geometry import Region
from textual.widgets import TextArea

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import Json, PauseKind
from hitl_tui.ui.dialogs.fields import ABSENT, Field, FieldKind, at, fields_of, filled_in, texts_for
from hitl_tui.ui.dialogs.form import Form
from hitl_tui.ui.dialogs.text_areas import JsonArea, SendArea, TextBox
from hitl_tui.ui.runtime.external_editor import file_name
from hitl_tui.ui.text.diff import difference_lines
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed

SCHEMA = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "amount": {"type": "integer", "minimum": 1, "maximum": 500, "description": "euros"},
        "due": {"type": "string", "format": "date"},
        "urgent": {"type": "boolean"},
        "channel": {"enum": ["mail", "letter"]},
        "address": {"$ref": "#/$defs/Address"},
        "tags": {"type": "array", "items": {"type": "number"}},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["customer", "amount"],
    "$defs": {"Address": {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
}
ARGS: dict[str, Json] = {
    "customer": "Ann",
    "amount": 42,
    "due": "2026-03-31",
    "urgent": True,
    "channel": "mail",
    "address": {"street": "Main St 5", "city": "Bonn"},
    "tags": [{"float": "nan"}],
    "note": None,
}
TEXT = st.text(st.characters(codec=None), max_size=10)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc") | TEXT, inner, max_size=3),
    max_leaves=8,
)
PARTS: list[Json] = [
    {"type": "integer"},
    {"type": "string", "format": "date"},
    {"type": "string"},
    {"enum": ["a", 1]},
    {"type": ["string", "null"]},
    {"type": "object", "properties": {"x": {"type": "string"}}},
    {"$ref": "#"},
    {"anyOf": [{"type": "number"}, {"type": "null"}]},
]
SCHEMAS = VALUES | st.dictionaries(st.sampled_from("abc"), st.sampled_from(PARTS)).map(
    lambda parts: {"type": "object", "properties": parts}
)


@given(SCHEMAS, VALUES, st.data())
def test_fields_when_one_is_changed_leave_every_other_value_exact(schema: Any, given_value: Any, data: st.DataObject) -> None:
    value = canonical_json.as_json(given_value)
    fields = fields_of(schema, value)
    texts = [field.start for field in fields]
    assert texts_for(fields, fields_of(schema, value)) == texts
    assert canonical_json.dumps(filled_in(fields, texts, value)) == canonical_json.dumps(value)
    assert all(isinstance(field.help, str) for field in fields)
    plain = [n for n, field in enumerate(fields) if field.kind is FieldKind.TEXT]
    if plain:
        place = data.draw(st.sampled_from(plain))
        texts[place] += "new"
        edited = filled_in(fields, texts, value)
        assert str(at(edited, fields[place].path)).endswith("new")
        assert all(at(edited, field.path) is field.value for n, field in enumerate(fields) if n != place)


@given(VALUES)
def test_field_when_its_text_is_typed_anew_reads_the_same_value(given_value: Any) -> None:
    value = canonical_json.as_json(given_value)
    for field in fields_of(None, value):
        if field.kind is FieldKind.JSON:
            typed = replace(field, value=ABSENT).read(field.write(field.value))
            assert canonical_json.canonical(typed) == canonical_json.canonical(field.value)


@pytest.mark.slow
async def test_edit_when_arguments_have_types_fills_in_each_as_what_it_is(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(60, 16)) as console:
        action = seed.action("send_invoice", ARGS, args_schema=SCHEMA)
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, action))
        await console.until_keys_accepted()
        await console.press("enter", "e", "enter", *"Bo", "tab", "x")
        await console.until_shown("amount is not a whole number")
        assert "no difference" not in console.screen_text()
        await console.press("backspace", "0", "0", "ctrl+s")
        await console.until_shown("4200 is greater than the maximum")
        await console.press("backspace", "backspace", "1", "tab", "up", "tab", "right", "tab", "right", "tab", "tab", "tab", "tab")
        form = console.app.screen.query_one(Form)
        focused = console.app.screen.focused
        assert focused is not None and focused is form.editor(8) and form.region.contains_region(focused.region)
        await console.press(*"hi", "ctrl+s")
        ((_, kind, args, _),) = await console.decisions_of(review)
        edited = {"customer": "\nBoAnn", "amount": 421, "due": "2026-04-01", "urgent": False, "channel": "letter", "note": "hi"}
        assert kind == "edit" and json.loads(str(args)) == {**ARGS, **edited}
        assert list(json.loads(str(args))) == list(ARGS)


async def test_edit_when_shown_as_json_and_back_keeps_what_was_typed(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("e", *"x", "ctrl+t")
        shown = console.app.screen.query_one("#edit-text")
        assert json.loads(getattr(shown, "text", ""))["to"] == "xann@example.com"
        await console.press("ctrl+t")
        assert console.app.screen.query_one(Form).texts[0] == "xann@example.com"
        await console.press("escape", "e")
        assert console.app.screen.query_one(Form).texts[0] == "xann@example.com"


async def test_edit_when_arguments_have_too_many_fields_shows_json(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        args = {f"key{number}": number for number in range(150)}
        action = seed.action("write_many", args)
        await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, action))
        await console.until_keys_accepted()
        await console.press("e")
        area = console.app.screen.query_one("#edit-text")
        assert isinstance(area, JsonArea) and json.loads(area.text) == args
        await console.press("ctrl+t")
        await console.until_shown("this has 150 fields, too many for a form")


@pytest.mark.parametrize(
    ("name", "text", "is_json", "expected"),
    [
        ("body", "Dear Ann", False, "body.md"),
        ("query", "UPDATE customers\nSET country = 'DE'", False, "query.sql"),
        ("query", "lamps from Bonn", False, "query.md"),
        ("shell_command", "ls", False, "shell_command.sh"),
        ("text", "#!/usr/bin/env python3\n", False, "text.py"),
        ("../lines", "[]", True, "lines.json"),
    ],
)
def test_external_editor_names_its_file_by_what_it_holds(name: str, text: str, is_json: bool, expected: str) -> None:
    assert file_name(name, text, is_json) == expected


def test_difference_when_a_word_changes_marks_that_word() -> None:
    before = {"body": "Dear Ann,\nthe invoice was paid\u200b on 3 March.\nBye"}
    after = {"body": "Dear Ann,\nthe invoice was sent\u200b on 3 March.\nBye"}
    marked = [(one.lead, one.text[a:b]) for one in difference_lines(before, after) for a, b, style in one.spans if style.endswith("-word")]
    assert marked == [("-", "paid"), ("+", "sent")]


@pytest.mark.parametrize("kind", [JsonArea, TextBox, SendArea])
async def test_text_area_when_painted_after_its_removal_is_blank(kind: type[TextArea], start_console: StartConsole) -> None:
    async with start_console() as console:
        area = kind("some text", id="removed")
        await console.app.screen.mount(area)
        await console.pilot.pause()
        await area.remove()
        assert [strip.text for strip in area.render_lines(Region(0, 0, 4, 2))] == ["    ", "    "]


def only(schema: Any, value: Any = ABSENT) -> Field:
    """The field of a form with one."""
    (field,) = fields_of({"type": "object", "properties": {"x": schema}, "$defs": CIRCLES}, value)
    return field


CIRCLES = {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "kind", "choices"),
    [
        ({"anyOf": [{"const": "s"}, {"const": "m"}]}, FieldKind.CHOICE, ("s", "m")),
        ({"oneOf": [{"const": 1}, {"const": None}]}, FieldKind.CHOICE, (1, None)),
        ({"const": 4}, FieldKind.CHOICE, (4,)),
        ({"$ref": "#/$defs/A"}, FieldKind.JSON, ()),
        ({"$ref": "#/$defs/none"}, FieldKind.JSON, ()),
        ({"$ref": "elsewhere.json"}, FieldKind.JSON, ()),
        (True, FieldKind.JSON, ()),
    ],
)
def test_field_is_filled_in_as_its_schema_says(schema: Any, kind: FieldKind, choices: tuple[Any, ...]) -> None:
    field = only(schema)
    assert (field.kind, field.choices) == (kind, choices)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "text"), [("date", "2026-02-30"), ("date", "tomorrow"), ("time", "25:00"), ("date-time", "2026-02-03 at noon")]
)
def test_date_that_is_none_is_refused_with_an_example(format_: str, text: str) -> None:
    field = only({"type": "string", "format": format_})
    with pytest.raises(Refused, match=f"x is not a {format_}; write it like "):
        field.read(text)


@pytest.mark.slow
@pytest.mark.parametrize("other", [{"x": None}, {"x": "a\r\nb"}, {"y": "a"}, {"x": "a", "y": "b"}, {}])
def test_texts_of_a_value_with_other_fields_are_not_put_into_these(other: dict[str, Any]) -> None:
    fields = fields_of(None, {"x": "a"})
    assert texts_for(fields, fields_of(None, other)) is None
    assert texts_for(fields, fields_of(None, {"x": "b"})) == ["b"]
