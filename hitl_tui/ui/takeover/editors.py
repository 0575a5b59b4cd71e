"""The places where a person writes in the agent's place, one for each way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.errors import Refused
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.text_areas import JsonArea, escaped
from hitl_tui.ui.review import render
from hitl_tui.ui.takeover.draft import Draft, Way
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import Line, line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

SHOWN = 200_000
"""Characters beyond which Textual's text area takes seconds to open."""
TOO_LONG = "This is too long to be edited here: ctrl+e opens it in $EDITOR."
SAYS = {
    Way.RESULT: "What you write comes back to the agent as the tool's result; the call itself never runs.",
    Way.REWRITE: "The agent's last message becomes yours. Its calls are asked again before they run.",
    Way.GUIDANCE: "The agent reads this and tries again; its open calls do not run.",
    Way.STATE: "Only the keys you change are written. Messages are not among them.",
    Way.ANSWER: "Your words are the last of the conversation, and the run ends with them.",
    Way.STOP: "The run ends here: what it asked is no longer open, what it did stays done. Enter asks once more.",
}
JSON = frozenset({"calls", "state"})
"""Texts that are JSON."""


class TextBox(TextArea):
    """Plain text of any length: enter breaks the line, tab goes on to the next thing."""

    def __init__(self, text: str, id: str, placeholder: str) -> None:
        super().__init__(text, id=id, tab_behavior="focus", highlight_cursor_line=False, placeholder=placeholder)
        self.move_cursor(self.document.end)


class Editor(Vertical):
    """One way's texts. A text is named as its part of the draft is; a tool's result by its place among the calls."""

    def __init__(self, way: Way, draft: Draft) -> None:
        super().__init__(id=f"edit-{way}", classes="editor")
        self.way = way
        self.draft = draft

    def compose(self) -> ComposeResult:
        closed = self.draft.closed(self.way)
        yield Static(Content(closed or SAYS[self.way]), classes="says" if closed else "says about")
        if not closed:
            yield from self._fields()

    def _fields(self) -> Iterable[Widget]:
        match self.way:
            case Way.RESULT:
                yield VerticalScroll(*self._results(), can_focus=False)
            case Way.REWRITE:
                if self.draft.head.text is not None:
                    yield _field("text", self.draft.text, "what the agent says")
                yield Static("its calls", classes="says")
                yield _field("calls", self.draft.calls)
            case Way.GUIDANCE:
                yield _field("guidance", self.draft.guidance, "what the agent shall know or do otherwise")
            case Way.ANSWER:
                yield _field("answer", self.draft.answer, "what the conversation ends with")
            case Way.STATE:
                yield _field("state", self.draft.state)
                yield TextView(id="state-difference")

    def _results(self) -> Iterator[Widget]:
        for place, call in enumerate(self.draft.head.calls):
            yield Static(Content.styled(one_line(f"→ {render.call_text(call.name, call.args)}", 240), "$text-accent"), classes="call")
            yield _field(f"result-{place}", self.draft.results.get(call.id, ""), "what the tool would have said")

    def first(self) -> Widget | None:
        """Where typing begins."""
        return next(iter(self.query(TextArea)), None)

    def names(self) -> list[str]:
        """The texts that can be written here."""
        return [str(widget.id) for widget in self.query(".field")]

    def draw_difference(self) -> None:
        """Show what the state's edit changes."""
        for document in self.query("#state-difference").results(TextView):
            document.show(_state_difference(self.draft))


def put(draft: Draft, name: str, text: str) -> None:
    """Write a text down in the draft."""
    if name.startswith("result-"):
        draft.results[draft.head.calls[int(name.removeprefix("result-"))].id] = text
    else:
        setattr(draft, name, text)


def taken(draft: Draft, name: str) -> str:
    """A text of the draft."""
    if name.startswith("result-"):
        return draft.results.get(draft.head.calls[int(name.removeprefix("result-"))].id, "")
    return str(getattr(draft, name))


def _field(name: str, text: str, placeholder: str = "") -> Widget:
    if len(text) > SHOWN:
        return Static(TOO_LONG, id=name, classes="field says")
    area = JsonArea(escaped(text), id=name) if name in JSON else TextBox(text, name, placeholder)
    area.add_class("field")
    return area


def _state_difference(draft: Draft) -> Iterator[Line]:
    try:
        after = draft.edited_state()
    except Refused as refused:
        yield from paragraph(refused.happened, "error", "✗", 2, "error")
        return
    try:
        if not draft.changed():
            yield line("no key is changed", "muted")
            return
    except Refused as refused:
        yield from paragraph(refused.happened, "error", "✗", 2, "error")
    yield from difference_lines(draft.head.context.state, after)
