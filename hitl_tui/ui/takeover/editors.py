"""The editors of the takeover screen, one per intervention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import App, ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.errors import Refused
from hitl_tui.ui.dialogs.edited_value import same_json
from hitl_tui.ui.dialogs.form import SHOWN, Form, LongField
from hitl_tui.ui.dialogs.text_areas import TextBox
from hitl_tui.ui.dialogs.value_editor import ValueEditor
from hitl_tui.ui.runtime.external_editor import edit_outside, file_name
from hitl_tui.ui.takeover.draft import Draft, Intervention
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

ABOUT = {
    Intervention.RESULT: "Your text becomes the tool's result. The call itself never runs.",
    Intervention.REWRITE: "Replaces the agent's last message. Its calls ask again before they run.",
    Intervention.GUIDANCE: "The agent reads this and tries again. Its open calls do not run.",
    Intervention.STATE: "Only the keys you change are written. Messages cannot be edited here.",
    Intervention.ANSWER: "Your text ends the conversation and the run.",
    Intervention.STOP: "Ends the run. Its open requests are closed; what it did stays done. Enter asks for confirmation.",
}
WHY_NOT = {
    "no tool call waits": "No tool call waits for a result.",
    "no messages": "The graph keeps no messages: edit the state, or decide the review.",
    "nothing to rewrite": "The last message is not the agent's: guide the agent instead.",
    "no state besides messages": "The graph's state has nothing besides messages: rewrite the message, or guide the agent.",
}
"""In full, what the list says in short."""
PLACEHOLDERS = {Intervention.GUIDANCE: "what the agent should know or do differently", Intervention.ANSWER: "your final answer"}
COMPARED = {Intervention.REWRITE: "nothing changed", Intervention.STATE: "no key changed"}
"""Interventions that show the difference to the run as it is, and what they say while there is none."""


class Editor(Vertical):
    """Writes what is typed for one intervention into the draft. Its fields are made when it is first opened."""

    def __init__(self, intervention: Intervention, draft: Draft) -> None:
        super().__init__(id=f"edit-{intervention}", classes="editor")
        self.intervention = intervention
        self.draft = draft
        self._is_open = False

    def compose(self) -> ComposeResult:
        unavailable = self.draft.unavailable(self.intervention)
        about = f"Not here: {WHY_NOT.get(unavailable, unavailable)}" if unavailable else ABOUT[self.intervention]
        yield Static(Content(about), classes="note" if unavailable else "note about")

    async def open(self) -> None:
        """Make the fields, if they are not there yet."""
        if not self._is_open and not self.draft.unavailable(self.intervention):
            self._is_open = True
            await self.mount(*self._fields())
            self.check()

    def _fields(self) -> Iterable[Widget]:
        if self.intervention in PLACEHOLDERS:
            yield self._text_field()
        elif self.intervention in self.draft.values:
            yield ValueEditor(self.draft.values[self.intervention], self.intervention)
        if self.intervention in COMPARED:
            yield TextView(classes="difference")

    def _text_field(self) -> Widget:
        text = str(getattr(self.draft, self.intervention))
        if len(text) > SHOWN:
            return LongField(text, self.intervention)
        area = TextBox(text, self.intervention, PLACEHOLDERS[self.intervention])
        area.move_cursor(area.document.end)
        return area

    @property
    def _value(self) -> ValueEditor | None:
        return next(iter(self.query(ValueEditor)), None)

    @property
    def _text(self) -> TextArea | LongField | None:
        return next((field for field in self.children if isinstance(field, TextArea | LongField)), None)

    def first_field(self) -> Widget | None:
        """What takes the focus first: a field that is invalid, else the first one; None without any."""
        editor = self._value
        if editor is None:
            return self._text
        invalid = next(iter(editor.edited.invalid()), 0)
        return next((form.editor(invalid) for form in self.query(Form)), None) or editor.first()

    @property
    def other_form(self) -> str:
        """What `toggle` would show: `JSON` or `fields`; empty if there is no other form."""
        editor = self._value
        return "" if editor is None else "fields" if editor.edited.is_raw else "JSON"

    async def toggle(self) -> None:
        """Change between fields and the whole as JSON.

        Raises:
            Refused: what is typed is not valid, or there is no other form.
        """
        editor = self._value
        if editor is None:
            raise Refused("this has no JSON")
        await editor.toggle()

    def edit_outside(self, app: App[object]) -> None:
        """Open the focused field in $EDITOR, else the one with the longest text.

        Raises:
            Refused: there is no text here, or the editor failed.
        """
        editor, area = self._value, self._text
        if editor is not None:
            editor.edit_outside(app)
        elif area is not None:
            text = edit_outside(app, area.text, file_name(self.intervention, area.text))
            if isinstance(area, TextArea):
                area.replace(text, (0, 0), area.document.end)
            else:
                area.text = text
        else:
            raise Refused("there is no text here to open in $EDITOR")
        self.keep()

    def keep(self) -> None:
        """Write what is typed into the draft."""
        if (editor := self._value) is not None:
            editor.keep()
        elif (area := self._text) is not None:
            setattr(self.draft, self.intervention, area.text)

    def check(self) -> None:
        """Mark what is changed or invalid, and show the difference."""
        for editor in self.query(ValueEditor):
            editor.mark()
        for view in self.query(".difference").results(TextView):
            edited = self.draft.values[self.intervention]
            view.set_class(self.intervention not in self.draft.problems() and same_json(edited.read(), edited.original), "-same")
            view.show(self._difference())

    def _difference(self) -> Iterator[Line]:
        problem = self.draft.problems().get(self.intervention)
        if problem:
            yield from paragraph(problem, "error", "✗", 2, "error")
            yield BLANK
        edited = self.draft.values[self.intervention]
        after, _ = edited.valid()
        if not problem or not same_json(after, edited.original):
            yield from difference_lines(edited.original, after, COMPARED[self.intervention])
