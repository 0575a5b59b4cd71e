"""Edit arguments or a draft field by field, to run or accept them, or to send them back for revision with a note."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json, validation
from hitl_tui.errors import HitlError, Refused
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind, ProposalVersion
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import AnswerScreen
from hitl_tui.ui.dialogs.fields import FieldKind, at, escaped, fields_of, filled_in, texts_for
from hitl_tui.ui.dialogs.form import SHOWN, Form, FormChanged, LongField
from hitl_tui.ui.dialogs.text_areas import JsonArea, SendArea
from hitl_tui.ui.review import drafts
from hitl_tui.ui.runtime.external_editor import edit_outside, file_name
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

CHECK_S = 0.15
"""Pause in typing after which the text is checked."""


class EditScreen(AnswerScreen):
    """Returns an edit, or with `decision` reject a rejection that sends the arguments back with a note. Untouched values stay exact."""

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
        self._value: Json = kept.get("value", action.args)
        self._fields = fields_of(action.args_schema, self._value)
        self._texts: list[str] = kept.get("texts", [field.start for field in self._fields])
        self._raw: bool = kept.get("raw", False)
        self._json: str = kept.get("json", "")
        self._note: str = kept.get("note", "")
        self.draft = draft
        self._timer: Timer | None = None
        self._tried = False

    def body(self) -> Iterable[Widget]:
        if len(self._choices) > 1:
            yield Static(Content(visible(self._choices[0][0])), id="which", classes="label")
        if self._decision is DecisionKind.REJECT:
            yield SendArea(self._note, id="note", placeholder="what the agent should change; enter sends it back")
        yield Horizontal(Vertical(self._editor(), id="edit-values"), TextView(id="edit-difference"), id="edit-panes")
        yield Static(id="effect")

    def _editor(self) -> Widget:
        if not self._raw:
            return Form(self._fields, self._texts, id="form")
        return JsonArea(self._json, id="edit-text") if len(self._json) <= SHOWN else LongField(self._json, id="edit-text")

    def field(self) -> Widget | None:
        note = next(iter(self.query("#note")), None)
        return note or self._first_editor()

    def _first_editor(self) -> Widget | None:
        if self._raw:
            return self.query_one("#edit-text")
        form = self.query_one(Form)
        return form.editor(form.longest if self._outside else 0)

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
        self._keep()
        try:
            if self._raw:
                await self._show(canonical_json.loads(self._json, "this"), raw=False)
            else:
                self._json = escaped(canonical_json.dumps(filled_in(self._fields, self._texts, self._value), indent=2))
                await self._show(self._value, raw=True)
        except HitlError as error:
            self.complain(f"{error.happened}; correct it before you change the form")

    async def action_older(self) -> None:
        """Start from an older version; ctrl+z brings back what was typed."""
        if len(self._choices) == 1:
            return
        self._chosen = (self._chosen + 1) % len(self._choices)
        name, value = self._choices[self._chosen]
        self.query_one("#which", Static).update(Content(visible(name)))
        self._keep()
        if self._raw:
            self._put_json(escaped(canonical_json.dumps(value, indent=2)))
        else:
            await self._show(value, raw=False)

    async def action_outside(self) -> None:
        """Open the focused text in $EDITOR."""
        self._keep()
        note = next(iter(self.query("#note").results(SendArea)), None)
        try:
            if note is not None and note.has_focus and not self._outside:
                note.text = edit_outside(self.app, note.text, "note.md")
            elif self._raw:
                self._put_json(edit_outside(self.app, self._json, "arguments.json"))
            else:
                self._edit_field_outside()
        except HitlError as error:
            self.complain(str(error))
            return
        finally:
            self._outside = False
        self._check()

    def _edit_field_outside(self) -> None:
        form = self.query_one(Form)
        place = form.longest if self._outside else form.place
        if not self._fields:
            raise Refused("there is no field to edit", "ctrl+t shows the JSON")
        field, text = self._fields[place], self._texts[place]
        is_json = field.kind not in (FieldKind.TEXT, FieldKind.DATE)
        form.put(place, edit_outside(self.app, text, file_name(field.name or self._action.name, text, is_json)))

    def _put_json(self, text: str) -> None:
        editor = self.query_one("#edit-text")
        if isinstance(editor, TextArea):
            editor.replace(text, (0, 0), editor.document.end)
        elif isinstance(editor, LongField):
            editor.text = text

    async def _show(self, value: Json, raw: bool) -> None:
        """Show a value, as fields or as JSON. Fields that stay the same keep what ctrl+z brings back."""
        texts = None if raw or self._raw else texts_for(self._fields, self._action.args_schema, value)
        if texts is not None:
            for place, text in enumerate(texts):
                if text != self._texts[place]:
                    self.query_one(Form).put(place, text)
            self._check()
            return
        if not raw:
            self._value, self._fields = value, fields_of(self._action.args_schema, value)
            self._texts = [field.start for field in self._fields]
        self._raw = raw
        holder = self.query_one("#edit-values")
        await holder.remove_children()
        await holder.mount(self._editor())
        self._show_keys()
        self.set_focus(self._first_editor())
        self._check()

    def _show_keys(self) -> None:
        submit = "send back" if self._decision is DecisionKind.REJECT else "accept" if self._kind is PauseKind.DRAFT else "run it"
        older = [("ctrl+o", "older")] if len(self._choices) > 1 else []
        keys = [("ctrl+s", submit), ("tab", "next"), ("ctrl+t", "fields" if self._raw else "JSON"), *older]
        self.rekey([*keys, ("ctrl+e", "$EDITOR"), ("esc", "back, keeps it")])

    def _check_soon(self) -> None:
        self._keep()
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_S, self._check)

    def _keep(self) -> None:
        """Keep what is typed."""
        for form in self.query(Form):
            self._texts = form.texts
        for area in self.query("#edit-text"):
            self._json = area.text if isinstance(area, JsonArea | LongField) else self._json
        for note in self.query("#note").results(SendArea):
            self._note = note.text
        kept = {"value": self._value, "texts": self._texts, "raw": self._raw, "json": self._json, "note": self._note}
        self.draft = canonical_json.dumps(kept)

    def _check(self, sending: bool = False) -> Answer | None:
        """Show the difference, the effect and what is wrong; the answer if nothing is."""
        self._keep()
        self._tried = self._tried or sending
        value, problems = self._read()
        difference = self.query_one("#edit-difference", TextView)
        difference.set_class(not problems and _same(value, self._action.args), "-same")
        difference.show(self._difference(value, problems))
        self._draw_effect(value, problems)
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

    def _read(self) -> tuple[Json, dict[str, Refused]]:
        """The value of the valid fields, and what is wrong by name; of invalid JSON, the proposal."""
        if self._raw:
            try:
                return canonical_json.loads(self._json, "this"), {}
            except Refused as problem:
                return self._action.args, {"JSON": problem}
        problems: dict[str, Refused] = {}
        texts, invalid = list(self._texts), set()
        for place, field in enumerate(self._fields):
            try:
                field.read(texts[place])
            except Refused as problem:
                problems[field.name or self._action.name] = problem
                texts[place] = field.start
                invalid.add(place)
        value = filled_in(self._fields, texts, self._value)
        changed = {n for n, field in enumerate(self._fields) if not _same(at(value, field.path), at(self._action.args, field.path))}
        self.query_one(Form).mark(changed, invalid)
        return value, problems

    def _difference(self, value: Json, problems: dict[str, Refused]) -> Iterator[Line]:
        """What differs from the proposal. While something is invalid, it never says that nothing does."""
        for name, problem in problems.items():
            yield line(f"{name}  not valid yet", "strong")
            yield from paragraph(problem.happened, "error", "✗", 2, "error")
            yield BLANK
        if not problems or not _same(value, self._action.args):
            same = "no changes" if self._decision is DecisionKind.REJECT else "no difference to the proposal"
            yield from difference_lines(self._action.args, value, same)

    def _draw_effect(self, value: Json, problems: dict[str, Refused]) -> None:
        """Say what ctrl+s does."""
        name = one_line(self._action.name, 40)
        means = one_line(labels.meaning(self._action, DecisionKind.EDIT))
        if self._decision is DecisionKind.REJECT:
            does = "The agent reads your note and your changes, and proposes again"
        else:
            does = f"It {means}" if means else f"{name} runs with these arguments"
        changed = ", ".join(_changed_keys(self._action.args, value))
        says = f"{does}; {f'changed: {changed}' if changed else 'nothing is changed yet'}."
        self.query_one("#effect", Static).update(Content.styled("" if problems else visible(one_line(says, 200)), "$foreground 60%"))


def _changed_keys(before: Json, after: Json) -> list[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        return [key for key in {**before, **after} if key not in before or key not in after or not _same(before[key], after[key])]
    return [] if _same(before, after) else ["the text"]


def _same(a: object, b: object) -> bool:
    return a is b or (type(a) is type(b) and canonical_json.canonical(a) == canonical_json.canonical(b))
