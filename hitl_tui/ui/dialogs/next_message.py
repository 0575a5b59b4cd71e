"""Send a finished run the next message of its conversation."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.inbox import Inbox
from hitl_tui.model import Run
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.runs.outcome import last_message
from hitl_tui.ui.runtime.errors import sentence, store_errors
from hitl_tui.ui.text.lines import agent_name, line, paragraph
from hitl_tui.ui.widgets.text_view import TextView


class NextMessageScreen(DialogScreen[int]):
    """Returns the id of the run that goes on with the conversation."""

    def __init__(self, inbox: Inbox, run: Run, draft: str) -> None:
        super().__init__(
            f"Next message to {run.agent}", [("enter", "send"), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR"), ("esc", "back")]
        )
        self._inbox = inbox
        self._run = run
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        yield TextView(id="question")
        about = f"A new run goes on with the conversation of r{self._run.id}; {agent_name(self._run.agent)} reads your message next."
        yield Static(Content(about), classes="label")
        yield SendArea(self.draft, id="text", placeholder="your message; enter sends it")

    def on_mount(self) -> None:
        self.set_focus(self.field())
        said = last_message(self._run)
        self.query_one("#question", TextView).show(paragraph(said, agent=True) if said else [line(self._run.title, "muted")])

    def field(self) -> Widget | None:
        return self.query_one("#text")

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self.draft = event.text_area.text
        self.complain("")

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        with self.submitting() as may_begin:
            if may_begin:
                await self._send()

    async def _send(self) -> None:
        try:
            made = await self._inbox.runs.next_message(self._run.id, self.draft)
        except store_errors() as error:
            self.complain(sentence(error))
        else:
            self.dismiss(made.id)
