"""Escalate a review to a person or a group, with a note; known names are suggested."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

from textual import events, work
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui.model import Action, ReviewRow
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.base import ReviewScreen, calls_view
from hitl_tui.ui.runtime.errors import reports_errors

Names = Callable[[], Awaitable[Sequence[tuple[str, str]]]]
"""Reads the known people and groups, each with a description."""

SHOWN = 6
"""Most names shown."""


def fitting(names: Sequence[tuple[str, str]], typed: str) -> list[tuple[str, str]]:
    """The names that start with the typed text, then those that contain it."""
    wanted = typed.strip().casefold()
    begin = [one for one in names if one[0].casefold().startswith(wanted)]
    return begin + [one for one in names if wanted in one[0].casefold() and one not in begin]


class NameSuggester(Suggester):
    """Completes the typed text to the first name that starts with it."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.names: Sequence[tuple[str, str]] = ()

    async def get_suggestion(self, value: str) -> str | None:
        return next((name for name, _ in self.names if value and name.startswith(value) and name != value), None)


class ToInput(Input):
    """The arrows choose one of the names below; any other text is valid too."""

    def __init__(self, value: str) -> None:
        self._known = NameSuggester()
        placeholder = "a person or a group; empty for anyone"
        super().__init__(value, placeholder=placeholder, id="to", suggester=self._known, select_on_focus=False)
        self._typed = value
        self.place = -1

    def know(self, names: Sequence[tuple[str, str]]) -> None:
        """Set the known names."""
        self._known.names = names

    def shown(self) -> list[tuple[str, str]]:
        """The names that match the typed text."""
        return fitting(self._known.names, self._typed)[:SHOWN]

    def on_key(self, event: events.Key) -> None:
        names = self.shown()
        if event.key in ("down", "up") and names:
            event.stop()
            event.prevent_default()
            self.place = (self.place + (1 if event.key == "down" else -1)) % len(names) if self.place >= 0 else 0
            self.value = names[self.place][0]
            self.cursor_position = len(self.value)

    def typed(self, value: str) -> None:
        """Handle another text, chosen or typed."""
        names = self.shown()
        if self.place < 0 or self.place >= len(names) or names[self.place][0] != value:
            self._typed, self.place = value, -1


class EscalateScreen(ReviewScreen[tuple[str, str]]):
    """Returns the recipient, empty for anyone, and the note. The draft holds the recipient on its first line, then the note."""

    def __init__(self, row: ReviewRow, actions: Sequence[Action], names: Names, draft: str) -> None:
        super().__init__(f"Escalate {row.tools_told}", [("↓", "next name"), ("enter", "next, then escalate"), ("esc", "back")])
        self._actions, self._names = actions, names
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        to, _, note = self.draft.partition("\n")
        if self._actions:
            yield calls_view(self._actions)
        yield Static(Content("The review stays open, marked for the recipient, who is notified as policy.toml says."), classes="label")
        yield Static(Content.styled("to", "$text-muted"))
        yield ToInput(to)
        yield Static(id="names")
        yield Static(Content.styled("note", "$text-muted"), classes="gap")
        yield Input(note, placeholder="what they need to know", id="note", select_on_focus=False)

    def on_mount(self) -> None:
        super().on_mount()
        self._learn()

    @work
    @reports_errors
    async def _learn(self) -> None:
        to = self.query_one(ToInput)  # before the wait: the dialog may be closed meanwhile
        to.know(names := await self._names())
        self._list(bool(names))

    def field(self) -> Widget | None:
        return self.query_one(ToInput)

    def on_input_changed(self, event: Input.Changed) -> None:
        to, note = self.query_one(ToInput), self.query_one("#note", Input)
        if event.input is to:
            to.typed(event.value)
            self._list()
        self.draft = f"{to.value}\n{note.value}"

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        note = self.query_one("#note", Input)
        if event.input is note:
            await self.action_submit()
        else:
            self.set_focus(note)

    async def action_submit(self) -> None:
        self.dismiss((self.query_one(ToInput).value.strip(), self.query_one("#note", Input).value.strip()))

    def _list(self, any_known: bool = True) -> None:
        to = self.query_one(ToInput)
        shown = to.shown()
        width = max((len(one_line(name, 30)) for name, _ in shown), default=0)
        rows = [
            Content.assemble(
                ("▌" if place == to.place else " ", "$text-accent"),
                (f"{one_line(name, 30):<{width}}  ", "$text" if place == to.place else "$foreground 80%"),
                (one_line(about, 50), "$text-muted"),
            )
            for place, (name, about) in enumerate(shown)
        ]
        unknown = " unknown name; it may still be right" if any_known and to.value.strip() and not rows else ""
        self.query_one("#names", Static).update(Content("\n").join(rows or [Content.styled(unknown, "$text-muted")]))
