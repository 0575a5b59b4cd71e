"""Edit the arguments of a call as JSON, checked while typing, with the difference to the proposal beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json, validation
from hitl_tui.errors import HitlError
from hitl_tui.model import Action, Answer, DecisionKind, PauseKind
from hitl_tui.ui.dialogs.base import AnswerScreen
from hitl_tui.ui.dialogs.text_areas import JsonArea, escaped
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.widgets.text_view import TextView

CHECK_S = 0.15
"""Pause in typing after which the text is checked."""

SHOWN = 200_000
"""Characters beyond which Textual's text area takes seconds to open."""
TOO_LONG = "The arguments are too long to edit here; ctrl+e opens them in $EDITOR."


class EditScreen(AnswerScreen):
    """Returns the edit, exactly as typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "send", "send", show=False, priority=True),
        Binding("ctrl+e", "outside", "$EDITOR", show=False, priority=True),
    ]

    def __init__(self, kind: PauseKind, action: Action, text: str) -> None:
        super().__init__(
            f"Edit {action.name}", [("ctrl+s", "run it with these arguments"), ("ctrl+e", "$EDITOR"), ("esc", "back, keeps the text")]
        )
        self._kind = kind
        self._action = action
        self.draft = escaped(text)
        self._timer: Timer | None = None

    def body(self) -> Iterable[Widget]:
        editor = JsonArea(self.draft, id="edit-text") if len(self.draft) <= SHOWN else Static(TOO_LONG, id="edit-too-long")
        yield Horizontal(editor, TextView(id="edit-difference"), id="edit-panes")

    def field(self) -> Widget | None:
        return next(iter(self.query(JsonArea)), None)

    def on_mount(self) -> None:
        self._check()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.draft = event.text_area.text
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_S, self._check)

    def action_send(self) -> None:
        answer = self._check()
        if answer is not None:
            self.dismiss(answer)

    def action_outside(self) -> None:
        try:
            text = edit_outside(self.app, self.draft)
        except HitlError as error:
            self.complain(str(error))
            return
        for area in self.query(JsonArea):
            area.text = text
        self.draft = text
        self._check()

    def _check(self) -> Answer | None:
        for area in self.query(JsonArea):
            self.draft = area.text
        try:
            answer = Answer(DecisionKind.EDIT, args=canonical_json.loads(self.draft, "this"))
            self.query_one("#edit-difference", TextView).show(difference_lines(self._action.args, answer.args))
            validation.check(self._kind, self._action, answer)
        except HitlError as error:
            self.complain(error.happened)
            return None
        self.complain("")
        return answer
