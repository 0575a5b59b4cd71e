"""A form: one row per field, with its name, what its schema says of it, and an editor that fits its type."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from hitl_tui import canonical_json
from hitl_tui.formatting import counted
from hitl_tui.model import Json
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.fields import EXAMPLES, Field, FieldKind
from hitl_tui.ui.dialogs.text_areas import JsonArea, SendArea, TextBox
from hitl_tui.ui.widgets.border_notes import BelowNote
from hitl_tui.ui.widgets.styled_lines import Piece, StyledWidget

SHOWN = 200_000
"""Characters beyond which Textual's text area takes seconds to open."""
LEAST = 3
"""Rows that a text has at most in the smallest form."""


@dataclass
class FormChanged(Message):
    """A field has changed."""


@dataclass
class FormSent(Message):
    """Enter was pressed in the last field of a form that enter sends."""


class ChoiceField(StyledWidget, can_focus=True):
    """One of a few values, or none: chosen with left, right or space."""

    def __init__(self, values: Sequence[Json], chosen: str, id: str) -> None:
        super().__init__(id=id)
        self._values = values
        self._texts = [canonical_json.dumps(value) for value in values]
        self._place = -1
        self.text = chosen

    @property
    def text(self) -> str:
        """The value as JSON text; empty for none."""
        return self._texts[self._place] if self._place >= 0 else ""

    @text.setter
    def text(self, chosen: str) -> None:
        self._place = self._texts.index(chosen) if chosen in self._texts else -1
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        shown = [f"{'●' if place == self._place else '○'} {one_line(_label(value), 30)}   " for place, value in enumerate(self._values)]
        if sum(map(cell_len, shown)) <= width:
            return self.strip([(text, "strong" if n == self._place else "muted") for n, text in enumerate(shown)], width)
        count = f"  {self._place + 1} of {len(self._values)}" if self._place >= 0 else f"  none of {len(self._values)}"
        value = one_line(_label(self._values[self._place]), max(1, width - len(count) - 6)) if self._place >= 0 else "–"
        pieces: list[Piece] = [("◂ ", "accent"), (value, "strong"), (" ▸", "accent"), (count, "muted")]
        return self.strip(pieces, width)

    def on_key(self, event: events.Key) -> None:
        if event.key in ("right", "space", "left"):
            event.stop()
            step = -1 if event.key == "left" else 1
            self._place = (self._place + 1 + step) % (len(self._values) + 1) - 1
            self.refresh()
            self.post_message(FormChanged())


class LineField(Input):
    """A number or a date."""

    def __init__(self, text: str, placeholder: str, id: str) -> None:
        super().__init__(text, placeholder=placeholder, id=id, select_on_focus=False)

    @property
    def text(self) -> str:
        """What is typed."""
        return self.value

    @text.setter
    def text(self, text: str) -> None:
        self.value = text
        self.cursor_position = len(text)


class DateField(LineField):
    """A date, changed by a day with up and down."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("up", "shift(1)", show=False), Binding("down", "shift(-1)", show=False)]

    def action_shift(self, days: int) -> None:
        """Go so many days on; a text that is no date stays."""
        try:
            date = datetime.date.fromisoformat(self.value[:10]) + datetime.timedelta(days=days)
        except (ValueError, OverflowError):
            return
        self.text = date.isoformat() + self.value[10:]


class LongField(Static, can_focus=True):
    """A text too long to edit here."""

    def __init__(self, text: str, id: str) -> None:
        super().__init__(id=id)
        self.text = text

    @property
    def text(self) -> str:
        """The whole text."""
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text = text
        self.update(Content.styled(f"{len(text):,} characters: too long to edit here; ctrl+e opens it in $EDITOR", "$text-muted"))


Editor = ChoiceField | LineField | LongField | TextArea


class Form(VerticalScroll, can_focus=False):
    """The fields below each other; a required one has a star, a changed one a dot."""

    def __init__(self, fields: Sequence[Field], texts: Sequence[str], id: str | None = None, sends: bool = False) -> None:
        """`sends`: enter goes on to the next field, and from the last one it sends the form; else it breaks the line of a text."""
        super().__init__(id=id)
        self.fields = fields
        self._sends = sends
        self._editors = [_editor(field, text, f"field-{n}", sends) for n, (field, text) in enumerate(zip(fields, texts, strict=True))]
        self._labels = [Static(_heading(field, "")) for field in fields]
        self._below = BelowNote(self, lambda rows: self._told_below())

    def on_mount(self) -> None:
        self._below.begin()

    def compose(self) -> ComposeResult:
        for field, label, editor in zip(self.fields, self._labels, self._editors, strict=True):
            yield Vertical(*([label] if field.path else []), editor, classes="field")

    def on_resize(self, event: events.Resize) -> None:
        for area in self._editors:
            if isinstance(area, TextArea):
                area.styles.max_height = max(LEAST, self.size.height - 2)  # with its name above and the gap below, the form need not scroll
        self._below.draw()

    @property
    def content_rows(self) -> int:
        """Rows that all fields need with all of their texts."""
        texts = sum(editor.wrapped_document.height if isinstance(editor, TextArea) else 1 for editor in self._editors)
        return texts + sum(label.size.height for label in self._labels) + len(self._editors)

    def _told_below(self) -> str:
        """The fields below, and how much of the last one in view: `▾ 12 more lines of body · 4 more fields`."""
        end = int(self.scroll_y) + self.size.height
        rows = [(child.virtual_region.y, child.virtual_region.bottom) for child in self.children]
        cut = next((place for place, (first, over) in enumerate(rows) if first < end < over), None)
        below = sum(first >= end for first, _ in rows)
        name = "" if cut is None else one_line(self.fields[cut].name, 20)
        parts = [] if cut is None else [f"{counted(self._rows_below(cut, end), 'more line')} of {name}"]
        parts += [counted(below, "more field")] if below else []
        return f"▾ {' · '.join(parts)}" if parts else "▴ end"

    def _rows_below(self, place: int, end: int) -> int:
        """Rows of a field that are not in view, if the form shows its rows before `end`; what a text's own area hides counts too."""
        field, editor = self.children[place].virtual_region, self._editors[place]
        if not isinstance(editor, TextArea):
            return field.bottom - end
        in_view = max(0, min(editor.size.height, end - field.y - editor.virtual_region.y))
        return max(1, editor.wrapped_document.height - editor.scroll_offset.y - in_view)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(FormChanged())

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(FormChanged())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._go_on()

    def on_send_area_sent(self, message: SendArea.Sent) -> None:
        message.stop()
        self._go_on()

    def on_key(self, event: events.Key) -> None:
        if event.key == "enter" and self._sends and isinstance(self.screen.focused, ChoiceField):
            event.stop()
            self._go_on()

    def _go_on(self) -> None:
        """Go to the next field; from the last one, send the form if enter does."""
        if self._sends and self._editors and self._editors[-1].has_focus:
            self.post_message(FormSent())
        else:
            self.screen.focus_next()

    @property
    def texts(self) -> list[str]:
        """What the fields say."""
        return [editor.text for editor in self._editors]

    @property
    def place(self) -> int:
        """The field that has the focus, else the one with the longest text."""
        focused = next((n for n, editor in enumerate(self._editors) if editor.has_focus), None)
        return self.longest if focused is None else focused

    @property
    def longest(self) -> int:
        """The field with the longest text."""
        return max(range(len(self.fields)), key=lambda n: len(self._editors[n].text), default=0)

    def editor(self, place: int) -> Widget | None:
        """The editor of a field; None if there is no such field."""
        return self._editors[place] if place < len(self._editors) else None

    def put(self, place: int, text: str) -> None:
        """Replace the text of a field; in a text, ctrl+z brings back what was typed."""
        editor = self._editors[place]
        if isinstance(editor, TextArea):
            editor.replace(text, (0, 0), editor.document.end)
        else:
            editor.text = text
        self.post_message(FormChanged())

    def mark(self, changed: Collection[int], invalid: Collection[int]) -> None:
        """Mark the fields that are changed, and those whose text is not valid."""
        for place, (field, label) in enumerate(zip(self.fields, self._labels, strict=True)):
            label.update(_heading(field, "✗" if place in invalid else "●" if place in changed else ""))


def _heading(field: Field, mark: str) -> Content:
    """Name and help of a field. Both are the agent's words, so they are made visible."""
    style = "$text-error" if mark == "✗" else "$text-accent"
    return Content.assemble(
        (f"{mark} " if mark else "", style),
        (one_line(field.name, 40), f"bold {style}" if mark else "bold"),
        (" *" if field.required else "", "$text-warning"),
        (f"   {one_line(field.help, 200)}" if field.help else "", "$text-muted"),
    )


def _editor(field: Field, text: str, id: str, sends: bool) -> Editor:
    empty = "null" if field.value is None else "" if field.path or field.required else "not set"
    if len(text) > SHOWN:
        return LongField(text, id)
    match field.kind:
        case FieldKind.CHOICE:
            return ChoiceField(field.choices, text, id)
        case FieldKind.NUMBER:
            return LineField(text, empty or "a number", id)
        case FieldKind.DATE:
            return DateField(text, EXAMPLES[str(field.schema["format"])], id)
        case FieldKind.TEXT:
            return SendArea(text, id, empty) if sends else TextBox(text, id, empty)
        case _ if sends:
            return SendArea(text, id, empty or "JSON")
        case _:
            return JsonArea(text, id, line_numbers=False, placeholder=empty or "JSON")


def _label(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json.dumps(value)
