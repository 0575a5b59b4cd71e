"""Edit a draft or a call's arguments, then accept them or send them back for revision with a note."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json, validation
from hitl_tui.errors import HitlError
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind, Version
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import AnswerScreen
from hitl_tui.ui.dialogs.edit import CHECK_S, SHOWN, TOO_LONG
from hitl_tui.ui.dialogs.text_areas import JsonArea, SendArea, escaped
from hitl_tui.ui.review import drafts
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.widgets.text_view import TextView

DONE = {DecisionKind.EDIT: "accept", DecisionKind.REJECT: "send back"}


class TextEdit(TextArea):
    """Plain text: enter breaks the line."""

    def __init__(self, text: str, id: str) -> None:
        super().__init__(text, id=id, tab_behavior="focus", highlight_cursor_line=False)


class DraftScreen(AnswerScreen):
    """Returns an edit that accepts the draft, or a rejection that sends it back for revision."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "send", "send", show=False, priority=True),
        Binding("ctrl+o", "older", "older version", show=False, priority=True),
        Binding("ctrl+e", "outside", "$EDITOR", show=False, priority=True),
    ]

    def __init__(
        self, kind: PauseKind, action: Action, decision: DecisionKind, draft: str, versions: Sequence[Version], outside: bool
    ) -> None:
        """`versions` are the earlier drafts of the same text; `outside` opens $EDITOR at once."""
        older = [("ctrl+o", "older")] if versions else []
        fields = [("tab", "draft")] if decision == DecisionKind.REJECT else []
        super().__init__(
            f"{'Send back for revision:' if decision == DecisionKind.REJECT else 'Accept'} {action.name}",
            [("ctrl+s", DONE[decision]), *fields, *older, ("ctrl+e", "$EDITOR"), ("esc", "back")],
        )
        self._kind = kind
        self._action = action
        self._decision = decision
        self._choices = drafts.choices(versions, action)
        self._chosen = 0
        self._plain = all(_is_plain(value) for _, value in self._choices)
        kept: dict[str, str] = canonical_json.loads(draft) if draft else {}
        self._text = kept.get("text", self._written(action.args))
        self._note = kept.get("note", "")
        self.draft = draft
        self._outside = outside
        self._timer: Timer | None = None
        self._tried = False

    def body(self) -> Iterable[Widget]:
        yield Static(Content(self._choices[0][0]), id="which", classes="label")
        yield Horizontal(self._editor(), TextView(id="draft-difference"), id="draft-panes")
        if self._decision == DecisionKind.REJECT:
            yield SendArea(self._note, id="note", placeholder="what the agent should change; enter sends it back")

    def _editor(self) -> Widget:
        if len(self._text) > SHOWN:
            return Static(TOO_LONG, id="draft-too-long")
        return TextEdit(self._text, id="draft-text") if self._plain else JsonArea(escaped(self._text), id="draft-text")

    def field(self) -> Widget | None:
        return next(iter([*self.query("#note"), *self.query("#draft-text")]), None)

    def on_mount(self) -> None:
        self.set_focus(self.field())
        self._check()
        if self._outside:
            self.call_after_refresh(self.action_outside)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if self._timer:
            self._timer.stop()
        self._keep()
        self._timer = self.set_timer(CHECK_S, self._check)

    def on_send_area_sent(self, message: SendArea.Sent) -> None:
        self.action_send()

    def action_send(self) -> None:
        answer = self._check(sending=True)
        if answer is not None:
            self.dismiss(answer)

    def action_older(self) -> None:
        """Start from an older version; ctrl+z brings back what was typed."""
        self._chosen = (self._chosen + 1) % len(self._choices)
        name, value = self._choices[self._chosen]
        self.query_one("#which", Static).update(Content(visible(name)))
        self._put(self._written(value))

    def action_outside(self) -> None:
        try:
            self._put(edit_outside(self.app, self._text, "draft.md" if self._plain else "arguments.json"))
        except HitlError as error:
            self.complain(str(error))

    def _put(self, text: str) -> None:
        self._text = text
        for area in self.query("#draft-text").results(TextArea):
            area.replace(text, (0, 0), area.document.end)
        self._check()

    def _written(self, value: Json) -> str:
        return value if self._plain and isinstance(value, str) else escaped(canonical_json.dumps(value, indent=2))

    def _keep(self) -> None:
        for area in self.query("#draft-text").results(TextArea):
            self._text = area.text
        for note in self.query("#note").results(TextArea):
            self._note = note.text
        self.draft = canonical_json.dumps({"text": self._text, "note": self._note})

    def _check(self, sending: bool = False) -> Answer | None:
        self._keep()
        self._tried = self._tried or sending
        try:
            left = self._text if self._plain else canonical_json.loads(self._text, "this")
            same = "no changes" if self._decision == DecisionKind.REJECT else "no difference to the proposal"
            self.query_one("#draft-difference", TextView).show(difference_lines(self._action.args, left, same))
            answer = Answer(self._decision, left, self._note.strip() if self._decision == DecisionKind.REJECT else None)
            if self._tried or self._note.strip() or self._decision == DecisionKind.EDIT:
                validation.check(self._kind, self._action, answer)
        except HitlError as error:
            self.complain(str(error) if sending else error.happened)
            return None
        self.complain("")
        return answer


def _is_plain(value: Json) -> bool:
    """Whether a plain text editor shows and keeps the value exactly: no invisible characters."""
    return isinstance(value, str) and escaped(value) == value
