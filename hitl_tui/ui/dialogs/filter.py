"""Enter a filter for the queue or the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui import filter_language
from hitl_tui.errors import Refused
from hitl_tui.ui.dialogs.base import DialogScreen

TEXTS = ("word", '"words with: a colon"', "-tool:send_*", "-word")
HELP_CELLS = 66
"""Width of the help."""
RUN_FIELDS = (
    "failed  waiting  done  cancelled: words of the state, agent, title or error\n"
    'agent:mail*  run:r3  by:ann  since:7d  until:2026-03-31  "words with: a colon"  -agent:mail*  -word'
)
"""What runs are filtered by."""


class FilterScreen(DialogScreen[str]):
    """Returns the filter; an empty one shows everything. The dialog stays open on a syntax error."""

    def __init__(self, what: str, now: str, draft: str = "", tried: Callable[[str], None] | None = None, fields: str = "") -> None:
        """What to filter, and how.

        Args:
            what: what is filtered, e.g. `queue`.
            now: the filter in use.
            draft: what was typed before the person went back; empty for nothing.
            tried: called with every valid filter while it is typed, to show its result behind the dialog.
            fields: replaces the help.
        """
        super().__init__(f"Filter the {what}", [("enter", "filter"), ("empty", "shows everything"), ("esc", "back")])
        self.draft = draft or now
        """What is typed."""
        self._tried = tried
        self._fields = fields
        self.set_class(tried is not None, "-live")

    def body(self) -> Iterable[Widget]:
        yield Input(self.draft, placeholder="words, or agent: tool: by: since: …")
        yield Static(self._fields or _help(), classes="label gap", markup=False)

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_mount(self) -> None:
        if self._tried is not None and self._fits(self.draft):
            self._tried(self.draft.strip())

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = event.value
        if self._tried is None:
            self.complain("")
        elif self._fits(event.value):
            self._tried(event.value.strip())

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        text = self.query_one(Input).value
        if self._fits(text):
            self.dismiss(text.strip())

    def _fits(self, text: str) -> bool:
        try:
            filter_language.parse(text, time.time())
        except Refused as error:
            self.complain(str(error))
            return False
        self.complain("")
        return True


def _help() -> str:
    """What can be typed, with examples: as many to a line as fit."""
    lines = [""]
    for part in (*(f"{name}:{field.example}" for name, field in filter_language.FIELDS.items()), *TEXTS):
        longer = f"{lines[-1]}  {part}".lstrip()
        lines[-1:] = [longer] if len(longer) <= HELP_CELLS else [lines[-1], part]
    return "\n".join(lines)
