"""Reject a call with a reason that the agent reads: a preset by its number, or free text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import events
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.model import Action, Answer, DecisionKind
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import AnswerScreen
from hitl_tui.ui.text import labels


class ReasonInput(Input):
    """A digit picks a preset as long as nothing else is typed."""

    def __init__(self, value: str, presets: Sequence[str]) -> None:
        super().__init__(value, placeholder="the reason in your words, or a number", select_on_focus=False)
        self._presets = presets

    def on_key(self, event: events.Key) -> None:
        place = int(event.key) - 1 if event.key.isdecimal() and len(event.key) == 1 else -1
        if 0 <= place < len(self._presets) and (not self.value or self.value in self._presets):
            event.stop()
            event.prevent_default()
            self.value = self._presets[place]
            self.cursor_position = len(self.value)


class RejectScreen(AnswerScreen):
    """Returns the rejection."""

    def __init__(self, action: Action, presets: Sequence[str], draft: str) -> None:
        keys = [("1-9", "pick a reason"), ("enter", "reject"), ("esc", "back")]
        super().__init__(f"Reject {action.name}", keys if presets else keys[1:])
        self._action = action
        self._presets = presets
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        means = labels.meaning(self._action, DecisionKind.REJECT)
        says = (
            f"It {one_line(means)}."
            if means
            else f"{one_line(self._action.name, 60)} does not run; the agent reads the reason and goes on."
        )
        yield Static(Content(says), classes="label")
        rows = [Content.assemble((f" {n}  ", "$text-accent"), visible(reason)) for n, reason in enumerate(self._presets, 1)]
        if rows:
            yield Static(Content("\n").join(rows), classes="label")
        yield ReasonInput(self.draft, self._presets)

    def field(self) -> Widget | None:
        return self.query_one(ReasonInput)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = event.value

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(Answer(DecisionKind.REJECT, message=event.value.strip() or None))
