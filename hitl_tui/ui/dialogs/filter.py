"""Enter a filter for the queue, the runs or the history. The list behind the dialog follows while it is typed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui import filter_language
from hitl_tui.errors import Refused
from hitl_tui.sanitize import visible
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.runtime.errors import reports_errors

TEXTS = ("word", '"words with: a colon"', "-tool:send_*", "-word")
HELP_CELLS = 66
"""Width of the help."""
TYPING_PAUSE_S = 0.05
"""Pause in typing after which the list follows."""
OFFERED = 12
"""Completions that are listed at most."""

Values = Callable[[], Awaitable[Mapping[str, Sequence[str]]]]
"""Reads the values that can be completed, by field; under the empty name plain words."""


def check(text: str) -> None:
    """Check a filter.

    Raises:
        Refused: it has a mistake.
    """
    filter_language.parse(text, time.time())


class FilterSuggester(Suggester):
    """Suggests the first completion of the last word."""

    def __init__(self, offers: Callable[[str], list[str]]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._offers = offers

    async def get_suggestion(self, value: str) -> str | None:
        offers = self._offers(value)
        return value[: value.rfind(" ") + 1] + offers[0] if offers else None


class FilterScreen(DialogScreen[str]):
    """Returns the filter; an empty one shows everything. While it has a mistake, the dialog says so and the list stays as it was."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "complete", show=False, priority=True)]

    def __init__(
        self,
        what: str,
        now: str,
        draft: str,
        tried: Callable[[str], None],
        values: Values,
        fields: Collection[str] = filter_language.FIELDS.keys(),
        check: Callable[[str], None] = check,
        about: str = "",
    ) -> None:
        """Prepare the dialog.

        Args:
            what: what is filtered, e.g. `queue`.
            now: the filter in use.
            draft: what was typed before the person went back; empty for nothing.
            tried: called with every filter that has no mistake, after a pause in typing, to show its result behind the dialog.
            values: reads what can be completed.
            fields: the fields that can be filtered by.
            check: raises `Refused` for a filter that has a mistake.
            about: what plain words are looked for in; empty if the help needs no such line.
        """
        keys = [("enter", "filter"), ("tab", "completes"), ("empty", "shows everything"), ("esc", "back")]
        super().__init__(f"Filter the {what}", keys)
        self._shown = now
        self.draft = draft or now
        """What is typed."""
        self._tried = tried
        self._read_values = values
        self._values: Mapping[str, Sequence[str]] = {}
        self._fields = fields
        self._check = check
        self._help = "\n".join(filter(None, [about, help_text(fields)]))

    def body(self) -> Iterable[Widget]:
        suggester = FilterSuggester(self._offers)
        yield Input(self.draft, placeholder="words, or agent: tool: by: since: …", suggester=suggester)
        yield Static(self._help, id="filter-help", classes="label gap", markup=False)

    @work
    @reports_errors
    async def _load_values(self) -> None:
        self._values = await self._read_values()

    def field(self) -> Widget | None:
        return self.query_one(Input)

    def on_mount(self) -> None:
        self._load_values()
        if self.draft.strip() != self._shown and self._fits(self.draft):
            self._shown = self.draft.strip()
            self._tried(self._shown)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.draft = event.value
        self._show_offers(event.value)
        wanted = filter_language.without_begun_field(event.value, self._fields).strip()
        if self._fits(event.value) and wanted != self._shown:
            self._shown = wanted
            self._try(wanted)

    @work(group="try", exclusive=True)
    async def _try(self, text: str) -> None:
        """Show the result after a pause in typing; the next key cancels it."""
        await asyncio.sleep(TYPING_PAUSE_S)
        self._tried(text)

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        await self.action_submit()

    async def action_submit(self) -> None:
        text = self.query_one(Input).value
        if self._fits(text):
            self.dismiss(text.strip())

    def action_complete(self) -> None:
        """Take over the suggestion."""
        field = self.query_one(Input)
        offers = self._offers(field.value)
        if offers:
            field.value = field.value[: field.value.rfind(" ") + 1] + offers[0]
            field.cursor_position = len(field.value)
        else:
            self.complain("there is nothing to complete here")

    def _offers(self, text: str) -> list[str]:
        return filter_language.completions(text, self._values, self._fields)

    def _show_offers(self, text: str) -> None:
        offers = self._offers(text)
        told = "  ".join(offers[:OFFERED]) + ("  …" if len(offers) > OFFERED else "")
        self.query_one("#filter-help", Static).update(Content(visible(told) if told else self._help))

    def _fits(self, text: str) -> bool:
        try:
            self._check(text)
        except Refused as error:
            self.complain(str(error))
            return False
        self.complain("")
        return True


def help_text(fields: Collection[str]) -> str:
    """What can be typed, with examples: as many to a line as fit."""
    lines = [""]
    for part in (*(f"{name}:{field.example}" for name, field in filter_language.FIELDS.items() if name in fields), *TEXTS):
        longer = f"{lines[-1]}  {part}".lstrip()
        lines[-1:] = [longer] if len(longer) <= HELP_CELLS else [lines[-1], part]
    return "\n".join(lines)
