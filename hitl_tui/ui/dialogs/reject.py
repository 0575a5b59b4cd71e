"""Reject a call with a reason that the agent reads: a preset by its number, or free text. Or approve a question with such a text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json
from hitl_tui.answer_templates import filled_in
from hitl_tui.argument_text import name_line
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, DecisionKind
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import AnswerScreen, question
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.text import labels


class RejectScreen(AnswerScreen):
    """Returns the rejection. A number alone stands for the preset with that number; all other text is the reason as it is."""

    KIND: ClassVar[DecisionKind] = DecisionKind.REJECT
    HINT: ClassVar[str] = "the reason"

    def __init__(self, action: Action, presets: Sequence[str], draft: str, person: str = "") -> None:
        """`person` is who decides: an answer template may send the name."""
        keys = [("1-9", "a reason"), ("enter", str(self.KIND)), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR"), ("esc", "back")]
        super().__init__(f"{self.KIND.capitalize()} {action.name}", keys if presets else keys[1:])
        self._action = action
        self._presets = presets
        self._person = person
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        yield question(self._action)
        yield SendArea(self.draft, id="reason", placeholder="the reason in your words, or a number" if self._presets else self.HINT)
        yield Static(id="presets")
        yield Static(id="effect")

    def field(self) -> Widget | None:
        return self.query_one(SendArea)

    def on_mount(self) -> None:
        super().on_mount()
        self._show()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._show()

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        answer = self._answer()
        try:
            filled_in(self._action, answer, self._person)
        except Refused as error:
            self.complain(str(error))
        else:
            self.dismiss(answer)

    def _answer(self) -> Answer:
        return Answer(self.KIND, message=self._reason() or None)

    def _reason(self) -> str:
        """The preset that was chosen by its number, else the text."""
        typed = self.query_one(SendArea).text.strip()
        place = self._preset()
        return typed if place is None else self._presets[place]

    def _preset(self) -> int | None:
        typed = self.query_one(SendArea).text.strip()
        place = int(typed) - 1 if len(typed) == 1 and typed.isdecimal() else -1
        return place if 0 <= place < len(self._presets) else None

    def _show(self) -> None:
        """Show the presets, the chosen one marked, and what enter does."""
        self.draft = self.query_one(SendArea).text
        chosen = self._preset()
        rows = [
            Content.assemble((f"{'▌' if n == chosen else ' '}{n + 1}  ", "$text-accent"), (one_line(text), "bold" if n == chosen else ""))
            for n, text in enumerate(self._presets)
        ]
        self.query_one("#presets", Static).update(Content("\n").join(rows))
        means = self._sends() or labels.meaning(self._action, self.KIND)
        reads = f"reads: {one_line(self._reason(), 100)}" if self._reason() else "is told that it was rejected, with no reason"
        says = f"It {one_line(means)}." if means else f"{name_line(self._action.name, 60)} does not run; the agent {reads}"
        self.query_one("#effect", Static).update(Content.styled(visible(says), "$text-muted"))

    def _sends(self) -> str:
        """What the answer template sends with the present text; empty without one."""
        try:
            answer = filled_in(self._action, self._answer(), self._person)
        except Refused as error:
            return f"cannot be sent: {error.happened}"
        return "" if answer.template is None else f"sends {canonical_json.dumps(answer.template)}"


class ApproveScreen(RejectScreen):
    """Returns an approval with the text that its answer template takes."""

    KIND = DecisionKind.APPROVE
    HINT = "what goes with the approval"
