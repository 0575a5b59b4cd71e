"""The editors of the takeover screen, one per intervention."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.errors import Refused
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.fields import escaped
from hitl_tui.ui.dialogs.form import SHOWN
from hitl_tui.ui.dialogs.text_areas import JsonArea, TextBox
from hitl_tui.ui.review import render
from hitl_tui.ui.takeover.draft import Draft, Intervention
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import Line, line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

TOO_LONG = "This is too long to edit here; ctrl+e opens it in $EDITOR."
ABOUT = {
    Intervention.RESULT: "Your text becomes the tool's result. The call itself never runs.",
    Intervention.REWRITE: "Replaces the agent's last message. Its calls ask again before they run.",
    Intervention.GUIDANCE: "The agent reads this and tries again. Its open calls do not run.",
    Intervention.STATE: "Only the keys you change are written. Messages cannot be edited here.",
    Intervention.ANSWER: "Your text ends the conversation and the run.",
    Intervention.STOP: "Ends the run. Its open requests are closed; what it did stays done. Enter asks for confirmation.",
}
JSON = frozenset({"calls", "state"})
"""Texts that are JSON."""


class Editor(Vertical):
    """The texts of one intervention; their ids are the names that `Draft.write` takes."""

    def __init__(self, intervention: Intervention, draft: Draft) -> None:
        super().__init__(id=f"edit-{intervention}", classes="editor")
        self.intervention = intervention
        self.draft = draft

    def compose(self) -> ComposeResult:
        unavailable = self.draft.unavailable(self.intervention)
        yield Static(Content(unavailable or ABOUT[self.intervention]), classes="note" if unavailable else "note about")
        if not unavailable:
            yield from self._fields()

    def _fields(self) -> Iterable[Widget]:
        match self.intervention:
            case Intervention.RESULT:
                yield VerticalScroll(*self._results(), can_focus=False)
            case Intervention.REWRITE:
                if self.draft.head.text is not None:
                    yield _field("text", self.draft.text, "what the agent says")
                yield Static("its calls", classes="note")
                yield _field("calls", self.draft.calls)
            case Intervention.GUIDANCE:
                yield _field("guidance", self.draft.guidance, "what the agent should know or do differently")
            case Intervention.ANSWER:
                yield _field("answer", self.draft.answer, "your final answer")
            case Intervention.STATE:
                yield _field("state", self.draft.state)
                yield TextView(id="state-difference")

    def _results(self) -> Iterator[Widget]:
        for place, call in enumerate(self.draft.head.calls):
            yield Static(Content.styled(one_line(f"→ {render.call_text(call.name, call.args)}", 240), "$text-accent"), classes="call")
            yield _field(f"result-{place}", self.draft.results.get(call.id, ""), "the tool's result")

    def first_text(self) -> Widget | None:
        """The text that takes the focus first; None without any."""
        return next(iter(self.query(TextArea)), None)

    def names(self) -> list[str]:
        """Names of the texts."""
        return [str(widget.id) for widget in self.query(".field")]

    def draw_difference(self) -> None:
        """Show what the edited state changes."""
        for document in self.query("#state-difference").results(TextView):
            document.show(_state_difference(self.draft))


def _field(name: str, text: str, placeholder: str = "") -> Widget:
    if len(text) > SHOWN:
        return Static(TOO_LONG, id=name, classes="field note")
    area = JsonArea(escaped(text), id=name) if name in JSON else TextBox(text, name, placeholder)
    if name not in JSON:
        area.move_cursor(area.document.end)
    area.add_class("field")
    return area


def _state_difference(draft: Draft) -> Iterator[Line]:
    try:
        after = draft.edited_state()
    except Refused as refused:
        yield from paragraph(refused.happened, "error", "✗", 2, "error")
        return
    try:
        if not draft.changed_state():
            yield line("no key changed", "muted")
            return
    except Refused as refused:
        yield from paragraph(refused.happened, "error", "✗", 2, "error")
    yield from difference_lines(draft.head.context.state, after)
