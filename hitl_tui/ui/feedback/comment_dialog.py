"""Add a comment and tags to a rating."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.ui.dialogs.base import DialogScreen


class CommentScreen(DialogScreen[tuple[str, str]]):
    """Returns comment and tags as typed. The draft holds the tags on its first line and the comment after it."""

    def __init__(self, title: str, draft: str) -> None:
        super().__init__(title, [("tab", "tags"), ("enter", "save"), ("esc", "back; the rating stays")])
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        tags, _, comment = self.draft.partition("\n")
        yield Static(Content("Saved in the history and exported; agents do not see it."), classes="label")
        yield Static(Content.styled("comment", "$text-muted"))
        yield Input(comment, placeholder="what was good or bad", id="comment", select_on_focus=False)
        yield Static(Content.styled("tags", "$text-muted"), classes="gap")
        yield Input(tags, placeholder="such as tone, wrong person", id="tags", select_on_focus=False)

    def field(self) -> Widget | None:
        return self.query_one("#comment")

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = f"{self._typed('tags')}\n{self._typed('comment')}"

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        self.dismiss((self._typed("comment"), self._typed("tags")))

    def _typed(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value
