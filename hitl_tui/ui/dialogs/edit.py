"""Edit arguments or a draft field by field, to run or accept them, or to send them back for revision with a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json, validation
from hitl_tui.argument_text import name_line
from hitl_tui.errors import HitlError, Refused
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind, ProposalVersion
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import AnswerScreen, TallScreen
from hitl_tui.ui.dialogs.edited_value import EditedValue, same_json
from hitl_tui.ui.dialogs.fields import fields_of
from hitl_tui.ui.dialogs.form import FormChanged
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.dialogs.value_editor import ValueEditor
from hitl_tui.ui.review import drafts
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

CHECK_S = 0.15
"""Pause in typing after which the text is checked."""


class EditScreen(TallScreen[Answer], AnswerScreen):
    """Returns an edit, or with `decision` reject a rejection that sends the arguments back with a note. Untouched values stay exact."""

    WIDTH = 140
    FILLED = "#edit-panes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "mode", "JSON or fields", show=False, priority=True),
        Binding("ctrl+o", "older", "older version", show=False, priority=True),
    ]

    def __init__(
        self,
        kind: PauseKind,
        action: Action,
        draft: str = "",
        decision: DecisionKind = DecisionKind.EDIT,
        versions: Sequence[ProposalVersion] = (),
        outside: bool = False,
    ) -> None:
        """`versions` are the earlier drafts of the same text; `outside` opens the longest text in $EDITOR at once."""
        revise = decision is DecisionKind.REJECT
        super().__init__(f"{'Send back for revision:' if revise else 'Edit'} {action.name}", [])
        self._kind = kind
        self._action = action
        self._decision = decision
        self._choices = drafts.choices(versions, action)
        self._chosen = 0
        self._outside = outside
        kept = canonical_json.loads(draft) if draft else {}
        self._edited = EditedValue(action.args, lambda value: fields_of(action.args_schema, value))
        if kept:
            self._edited.restore(kept)
        self._note: str = kept.get("note", "")
        self.draft = draft
        self._timer: Timer | None = None
        self._tried = False

    def body(self) -> Iterable[Widget]:
        if len(self._choices) > 1:
            yield Static(Content(visible(self._choices[0][0])), id="which", classes="label")
        if self._decision is DecisionKind.REJECT:
            yield SendArea(self._note, id="note", placeholder="what the agent should change; enter sends it back")
        yield Horizontal(ValueEditor(self._edited, self._action.name, id="edit-values"), TextView(id="edit-difference"), id="edit-panes")
        yield Static(id="effect")

    @property
    def _editor(self) -> ValueEditor:
        return self.query_one(ValueEditor)

    def content_rows(self) -> int:
        return max(self._editor.content_rows, self.query_one("#edit-difference", TextView).virtual_size.height)

    def field(self) -> Widget | None:
        note = next(iter(self.query("#note")), None)
        return note or self._editor.first(self._outside)

    def on_mount(self) -> None:
        super().on_mount()
        self._show_keys()
        self.set_focus(self.field())
        self._check()
        if self._outside:
            self.call_after_refresh(self.action_outside)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._check_soon()

    def on_form_changed(self, message: FormChanged) -> None:
        self._check_soon()

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        answer = self._check(sending=True)
        if answer is not None:
            self.dismiss(answer)

    async def action_mode(self) -> None:
        """Change between fields and the whole as JSON."""
        try:
            await self._editor.toggle()
        except HitlError as error:
            self.complain(str(error))
        else:
            self._show_keys()
            self._check()

    async def action_older(self) -> None:
        """Start from an older version; ctrl+z brings back what was typed."""
        if len(self._choices) == 1:
            return
        self._chosen = (self._chosen + 1) % len(self._choices)
        name, value = self._choices[self._chosen]
        self.query_one("#which", Static).update(Content(visible(name)))
        await self._editor.put(value)
        self._check()

    async def action_outside(self) -> None:
        """Open the focused text in $EDITOR."""
        note = next(iter(self.query("#note").results(SendArea)), None)
        try:
            if note is not None and note.has_focus and not self._outside:
                note.text = edit_outside(self.app, note.text, "note.md")
            else:
                self._editor.edit_outside(self.app, self._outside)
        except HitlError as error:
            self.complain(str(error))
            return
        finally:
            self._outside = False
        self._check()

    def _show_keys(self) -> None:
        submit = "send back" if self._decision is DecisionKind.REJECT else "accept" if self._kind is PauseKind.DRAFT else "run it"
        older = [("ctrl+o", "older")] if len(self._choices) > 1 else []
        keys = [("ctrl+s", submit), ("tab", "next"), ("ctrl+t", "fields" if self._edited.is_raw else "JSON"), *older]
        self.rekey([*keys, ("ctrl+e", "$EDITOR"), ("esc", "back, keeps it")])

    def _check_soon(self) -> None:
        self._keep()
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_S, self._check)

    def _keep(self) -> None:
        """Keep what is typed."""
        self._editor.keep()
        for note in self.query("#note").results(SendArea):
            self._note = note.text
        self.draft = canonical_json.dumps({**self._edited.kept(), "note": self._note})

    def _check(self, sending: bool = False) -> Answer | None:
        """Show the difference, the effect and what is wrong; the answer if nothing is."""
        self._keep()
        self._tried = self._tried or sending
        value, problems = self._edited.valid()
        self._editor.mark()
        difference = self.query_one("#edit-difference", TextView)
        difference.set_class(not problems and same_json(value, self._action.args), "-same")
        difference.show(self._difference(value, problems))
        self._draw_effect(value, problems)
        self.fit()
        revise = self._decision is DecisionKind.REJECT
        try:
            if problems:
                raise next(iter(problems.values()))
            answer = Answer(self._decision, value, self._note.strip() if revise else None)
            if self._tried or self._note.strip() or not revise:
                validation.check(self._kind, self._action, answer)
        except HitlError as error:
            self.complain(str(error) if sending else error.happened)
            return None
        self.complain("")
        return answer

    def _difference(self, value: Json, problems: dict[str, Refused]) -> Iterator[Line]:
        """What differs from the proposal. While something is invalid, it never says that nothing does."""
        for name, problem in problems.items():
            yield line(f"{name or self._action.name}  not valid yet", "strong")
            yield from paragraph(problem.happened, "error", "✗", 2, "error")
            yield BLANK
        if not problems or not same_json(value, self._action.args):
            same = "no changes" if self._decision is DecisionKind.REJECT else "no difference to the proposal"
            yield from difference_lines(self._action.args, value, same)

    def _draw_effect(self, value: Json, problems: dict[str, Refused]) -> None:
        """Say what ctrl+s does."""
        name = name_line(self._action.name, 40)
        means = one_line(labels.meaning(self._action, DecisionKind.EDIT))
        if self._decision is DecisionKind.REJECT:
            does = "The agent reads your note and your changes, and proposes again"
        else:
            does = f"It {means}" if means else f"{name} runs with these arguments"
        changed = ", ".join(_changed_keys(self._action.args, value))
        says = f"{does}; {f'changed: {changed}' if changed else 'nothing is changed yet'}."
        self.query_one("#effect", Static).update(Content.styled("" if problems else one_line(says, 200), "$text-muted"))


def _changed_keys(before: Json, after: Json) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [key for key in {**before, **after} if key not in before or key not in after or not same_json(before[key], after[key])]
    return [] if same_json(before, after) else ["the text"]
