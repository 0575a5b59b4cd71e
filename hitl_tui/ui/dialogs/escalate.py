"""Put a review before somebody in particular: to whom, helped by the names that are known, and a note."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from textual import events, work
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.model import ReviewRow
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import ReviewScreen
from hitl_tui.ui.runtime.errors import reports_errors

Names = Callable[[], Awaitable[Sequence[tuple[str, str]]]]
"""Reads the people and groups that are known, each with what to say of it."""

SHOWN = 6
"""Names that are shown at once."""


def fitting(names: Sequence[tuple[str, str]], typed: str) -> list[tuple[str, str]]:
    """The names that begin with what is typed, then those that hold it."""
    wanted = typed.strip().casefold()
    begin = [one for one in names if one[0].casefold().startswith(wanted)]
    return begin + [one for one in names if wanted in one[0].casefold() and one not in begin]


class Completing(Suggester):
    """Completes what is typed to the first name that begins so."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.names: Sequence[tuple[str, str]] = ()

    async def get_suggestion(self, value: str) -> str | None:
        return next((name for name, _ in self.names if value and name.startswith(value) and name != value), None)


class ToInput(Input):
    """The arrows choose among the names below; free text is as good."""

    def __init__(self, value: str) -> None:
        self._known = Completing()
        placeholder = "a group or a person; empty for anybody"
        super().__init__(value, placeholder=placeholder, id="to", suggester=self._known, select_on_focus=False)
        self._typed = value
        self.place = -1

    def know(self, names: Sequence[tuple[str, str]]) -> None:
        """These names are known, each with what to say of it."""
        self._known.names = names

    def shown(self) -> list[tuple[str, str]]:
        """The names that fit what was typed, whichever is chosen now."""
        return fitting(self._known.names, self._typed)[:SHOWN]

    async def _on_key(self, event: events.Key) -> None:
        names = self.shown()
        if event.key in ("down", "up") and names:
            event.stop()
            event.prevent_default()
            self.place = (self.place + (1 if event.key == "down" else -1)) % len(names) if self.place >= 0 else 0
            self.value = names[self.place][0]
            self.cursor_position = len(self.value)
        else:
            await super()._on_key(event)

    def typed(self, value: str) -> None:
        """Another text is there: chosen from the names, or typed."""
        names = self.shown()
        if self.place < 0 or self.place >= len(names) or names[self.place][0] != value:
            self._typed, self.place = value, -1


class EscalateScreen(ReviewScreen[tuple[str, str]]):
    """Comes back with to whom, empty for anybody, and the note. The draft has the first line for the one and the rest for the other."""

    def __init__(self, row: ReviewRow, names: Names, draft: str) -> None:
        super().__init__(f"Escalate {row.title}", [("↓", "next name"), ("enter", "on, then escalate"), ("esc", "back")])
        self._row, self._names = row, names
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        to, _, note = self.draft.partition("\n")
        yield Static(Content("It waits on, marked for them with all its context; they are told as policy.toml says."), classes="label")
        yield Static(Content.styled("to", "$foreground 60%"))
        yield ToInput(to)
        yield Static(id="names")
        yield Static(Content.styled("note", "$foreground 60%"), classes="gap")
        yield Input(note, placeholder="what they need to know", id="note", select_on_focus=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._learn()

    @work
    @reports_errors
    async def _learn(self) -> None:
        names = await self._names()
        self.query_one(ToInput).know(names)
        self._list(bool(names))

    def field(self) -> Widget | None:
        return self.query_one(ToInput)

    def on_input_changed(self, event: Input.Changed) -> None:
        to, note = self.query_one(ToInput), self.query_one("#note", Input)
        if event.input is to:
            to.typed(event.value)
            self._list()
        self.draft = f"{to.value}\n{note.value}"

    def on_input_submitted(self, event: Input.Submitted) -> None:
        note = self.query_one("#note", Input)
        if event.input is note:
            self.dismiss((self.query_one(ToInput).value.strip(), note.value.strip()))
        else:
            self.set_focus(note)

    def _list(self, any_known: bool = True) -> None:
        to = self.query_one(ToInput)
        shown = to.shown()
        width = max((len(one_line(name, 30)) for name, _ in shown), default=0)
        rows = [
            Content.assemble(
                ("▌" if place == to.place else " ", "$text-accent"),
                (f"{visible(one_line(name, 30)):<{width}}  ", "$text" if place == to.place else "$foreground 80%"),
                (visible(one_line(about, 50)), "$foreground 60%"),
            )
            for place, (name, about) in enumerate(shown)
        ]
        unknown = " nobody of that name is known here; it may be right all the same" if any_known and to.value.strip() and not rows else ""
        self.query_one("#names", Static).update(Content("\n").join(rows or [Content.styled(unknown, "$foreground 60%")]))
