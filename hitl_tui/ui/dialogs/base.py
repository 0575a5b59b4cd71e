"""Base classes of all dialogs: a centred frame with a body, an error line and key hints; escape goes back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Answer
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.runtime.key_queue import KeyQueueScreen

T = TypeVar("T")


class DialogScreen(KeyQueueScreen[T | None]):
    """Returns a value, or None if the person went back."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "back", "back", tooltip="Go back; what was typed is kept.", show=False)]

    def __init__(self, title: str, keys: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._heading = one_line(title, 80)
        self._keys = tuple(keys)

    def body(self) -> Iterable[Widget]:
        """The widgets between title and key hints."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as frame:
            frame.border_title = Content(self._heading)
            yield from self.body()
            yield Static(id="problem")
            yield Static(key_hints(self._keys), id="dialog-keys")

    def rekey(self, keys: Iterable[tuple[str, str]]) -> None:
        """Change the key hints."""
        self.query_one("#dialog-keys", Static).update(key_hints(keys))

    def complain(self, problem: str) -> None:
        """Show an error; an empty text hides it."""
        line = self.query_one("#problem", Static)
        line.display = bool(problem)
        line.update(Content.styled(f"✗ {visible(problem)}", "$text-error"))

    def action_back(self) -> None:
        self.dismiss(None)


class ReviewScreen(DialogScreen[T]):
    """Asks about a review, and shows when somebody else has decided it meanwhile."""

    draft: str
    """What is typed, kept when the person goes back."""
    _outcome = ""

    def on_mount(self) -> None:
        self.tell(self._outcome)

    def tell(self, text: str) -> None:
        """Show what became of the review meanwhile; an empty text while it waits."""
        self._outcome = text
        for frame in self.query("#dialog"):
            frame.border_subtitle = Content.styled(visible(text), "$text-warning")


class AnswerScreen(ReviewScreen[Answer]):
    """Asks for the decision on one action of a review."""


def key_hints(keys: Iterable[tuple[str, str]]) -> Content:
    """Keys and what they do, on one line."""
    pieces = [piece for key, what in keys for piece in ((f"{key} ", "$text-accent"), (f"{what}  ", "$foreground 60%"))]
    return Content.assemble(*pieces)
