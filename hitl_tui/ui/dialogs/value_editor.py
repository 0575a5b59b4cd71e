"""Edits a JSON value on the screen: a form with a field for each part, or one text with the whole as JSON."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.widget import Widget
from textual.widgets import TextArea

from hitl_tui.errors import Refused
from hitl_tui.model import Json
from hitl_tui.ui.dialogs.edited_value import EditedValue, json_text
from hitl_tui.ui.dialogs.fields import FieldKind
from hitl_tui.ui.dialogs.form import SHOWN, Form, FormChanged, LongField
from hitl_tui.ui.dialogs.text_areas import JsonArea
from hitl_tui.ui.runtime.external_editor import edit_outside, file_name


class ValueEditor(Vertical):
    """Writes what is typed into an `EditedValue`, and posts `FormChanged`."""

    def __init__(self, edited: EditedValue, what: str, id: str | None = None) -> None:
        """`what` names the file that $EDITOR gets for the whole value."""
        super().__init__(id=id)
        self.edited = edited
        self._what = what

    def compose(self) -> ComposeResult:
        yield self._made()

    def _made(self) -> Widget:
        edited = self.edited
        if not edited.is_raw:
            return Form(edited.fields, edited.texts, id="form")
        return JsonArea(edited.json, id="edit-text") if len(edited.json) <= SHOWN else LongField(edited.json, id="edit-text")

    @property
    def content_rows(self) -> int:
        """Rows that all of it needs."""
        areas = self.query(JsonArea).results(TextArea) if self.edited.is_raw else ()
        return sum(form.content_rows for form in self.query(Form)) + sum(area.wrapped_document.height for area in areas)

    def first(self, longest: bool = False) -> Widget | None:
        """What takes the focus: the first field, or the one with the longest text."""
        for form in self.query(Form):
            return form.editor(form.longest if longest else 0)
        return next(iter(self.query("#edit-text")), None)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(FormChanged())

    def on_form_changed(self) -> None:
        self.keep()

    def keep(self) -> None:
        """Take in what is typed."""
        for form in self.query(Form):
            self.edited.texts = form.texts
        for area in self.query("#edit-text"):
            self.edited.json = area.text if isinstance(area, JsonArea | LongField) else self.edited.json

    def mark(self) -> None:
        """Mark the fields that are changed or invalid."""
        for form in self.query(Form):
            form.mark(self.edited.changed(), self.edited.invalid())

    async def toggle(self) -> None:
        """Change between the fields and the whole as JSON.

        Raises:
            Refused: what is typed is not valid.
        """
        self.keep()
        if self.edited.is_raw:
            self.edited.show_fields()
        else:
            self.edited.show_json()
        await self._remake()

    async def put(self, value: Json) -> None:
        """Replace the whole value. In what is shown already, ctrl+z brings back what was typed."""
        self.keep()
        if self.edited.is_raw:
            self._put_json(json_text(value))
        elif (texts := self.edited.texts_of(value)) is not None:
            for place, text in enumerate(texts):
                if text != self.edited.texts[place]:
                    self.query_one(Form).put(place, text)
        else:
            self.edited.begin(value)
            await self._remake()

    def edit_outside(self, app: App[object], longest: bool = False) -> None:
        """Open the focused field in $EDITOR, else the one with the longest text.

        Raises:
            Refused: there is no field, or the editor failed.
        """
        self.keep()
        if self.edited.is_raw:
            self._put_json(edit_outside(app, self.edited.json, file_name(self._what, self.edited.json, is_json=True)))
            return
        form = self.query_one(Form)
        if not self.edited.fields:
            raise Refused("there is no field to edit", "ctrl+t shows the JSON")
        place = form.longest if longest else form.place
        field, text = self.edited.fields[place], self.edited.texts[place]
        is_json = field.kind not in (FieldKind.TEXT, FieldKind.DATE)
        form.put(place, edit_outside(app, text, file_name(field.name or self._what, text, is_json)))
        self.keep()

    def _put_json(self, text: str) -> None:
        editor = self.query_one("#edit-text")
        if isinstance(editor, TextArea):
            editor.replace(text, (0, 0), editor.document.end)
        elif isinstance(editor, LongField):
            editor.text = text
        self.keep()

    async def _remake(self) -> None:
        await self.remove_children()
        await self.mount(self._made())
        self.screen.set_focus(self.first())
