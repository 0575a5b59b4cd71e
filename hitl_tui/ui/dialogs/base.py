"""Base classes of all dialogs: to add a dialog, write a `DialogScreen` in a module beside this one, and open it in its view's module.

In every dialog ctrl+s submits, escape goes back and keeps what was typed, and ctrl+e opens the focused text in $EDITOR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from hitl_tui import canonical_json
from hitl_tui.argument_text import name_line
from hitl_tui.errors import HitlError, Refused
from hitl_tui.model import Action, Answer
from hitl_tui.pinned_session import is_pinned
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.runtime.external_editor import edit_outside, file_name
from hitl_tui.ui.runtime.key_queue import KeyQueueScreen
from hitl_tui.ui.text.lines import line, table, value_lines
from hitl_tui.ui.widgets.status_line import StatusLine
from hitl_tui.ui.widgets.text_view import TextView

T = TypeVar("T")
MARGIN = 5
"""Columns that stay free on either side of a dialog, if any do."""
SLACK = 3
"""Rows that a dialog has beyond what its content needs, for what is typed next."""
LEAST_ROWS, SHARE = 18, 0.94
"""Rows of a tall dialog at least, and the share of the screen's at most."""
ARGS_CELLS = 40
"""Characters of the arguments of a call that has one row."""


class DialogScreen(KeyQueueScreen[T | None]):
    """Returns a value, or None if the person went back.

    It has so many columns as `WIDTH` says, or all of the screen's where too few would be left beside it to mean anything.
    """

    WIDTH: ClassVar[int] = 84
    """Columns, with the borders."""

    CSS_PATH = Path(__file__).with_name("dialogs.tcss")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", tooltip="Go back; what was typed is kept.", show=False),
        Binding("ctrl+s", "submit", "submit", show=False, priority=True),
        Binding("ctrl+e", "outside", "$EDITOR", show=False, priority=True),
    ]

    def __init__(self, title: str, keys: Iterable[tuple[str, str]]) -> None:
        super().__init__()
        self._heading = one_line(title, 80)
        self._keys = tuple(keys)
        self._is_submitting = False

    def body(self) -> Iterable[Widget]:
        """The widgets between title and key hints."""
        raise NotImplementedError

    @property
    def columns(self) -> int:
        """Columns that it takes where there are as many."""
        return self.WIDTH

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog") as frame:
            frame.border_title = Content(self._heading)
            self._fit_width(frame, self.app.size.width)
            yield from self.body()
            yield Static(id="problem")
            yield KeyHints(self._keys)
        yield StatusLine(in_dialog=True)

    def on_resize(self, event: events.Resize) -> None:
        for frame in self.query("#dialog"):
            self._fit_width(frame, event.size.width)

    def _fit_width(self, frame: Widget, room: int) -> None:
        frame.styles.width = self.columns if room - self.columns >= 2 * MARGIN else "100%"

    def rekey(self, keys: Iterable[tuple[str, str]]) -> None:
        """Change the key hints."""
        self.query_one(KeyHints).show(keys)

    def complain(self, problem: str) -> None:
        """Show an error; an empty text hides it."""
        line = self.query_one("#problem", Static)
        line.display = bool(problem)
        line.update(Content.styled(f"✗ {visible(problem)}", "$text-error"))

    def remark(self, text: str) -> None:
        if self.query("#problem"):
            self.complain(text)
        else:  # the dialog is not there yet, or not any more
            super().remark(text)

    def action_back(self) -> None:
        self.dismiss(None)

    @contextmanager
    def submitting(self) -> Iterator[bool]:
        """For a submission that waits for rows: whether it may begin. Another one meanwhile, or after the answer, may not."""
        if self._is_submitting or self.is_answered:
            yield False
            return
        self._is_submitting = True
        try:
            yield True
        finally:
            self._is_submitting = False

    async def action_submit(self) -> None:
        """Do what the dialog asks for; nothing where it only shows something."""

    async def action_outside(self) -> None:
        try:
            edit_focused(self)
        except HitlError as error:
            self.complain(str(error))


def edit_focused(screen: Screen[Any]) -> None:
    """Open the focused text in $EDITOR. In a field of one line, what comes back becomes one line.

    Raises:
        Refused: no text has the focus, or the editor failed.
    """
    focused = screen.focused
    if isinstance(focused, TextArea):
        text = edit_outside(screen.app, focused.text, file_name(focused.id or "text", focused.text))
        focused.replace(text, (0, 0), focused.document.end)
    elif isinstance(focused, Input):
        text = edit_outside(screen.app, focused.value, file_name(focused.id or "text", focused.value))
        focused.value = " ".join(text.split("\n"))
    else:
        raise Refused("there is no text here to open in $EDITOR")


class TallScreen(DialogScreen[T]):
    """A dialog as high as its content, up to the height of the screen. It grows with its content, and does not shrink while it is open."""

    FILLED: ClassVar[str]
    """Selector of what takes the rows that nothing else needs."""
    _height_now = LEAST_ROWS

    def content_rows(self) -> int:
        """Rows that `FILLED` needs to show all that is in it."""
        raise NotImplementedError

    def on_resize(self, event: events.Resize) -> None:
        self._height_now = LEAST_ROWS
        self._set_rows(self._height_now)
        self.fit()

    def fit(self) -> None:
        """Give it the rows that its content needs; to be called when that may have changed."""
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        filled = next((one for one in self.query(self.FILLED) if one.region.height), None)
        if filled is None or self._is_cramped:
            return
        beside = self.query_one("#dialog").region.height - filled.region.height  # both of the same layout, as sizes need not be
        needed = self.content_rows() + beside + SLACK
        rows = min(max(self._height_now, needed), self._most_rows)
        if rows != self._height_now:
            self._height_now = rows
            self._set_rows(rows)

    @property
    def _most_rows(self) -> int:
        return int(self.app.size.height * SHARE)

    @property
    def _is_cramped(self) -> bool:
        """Whether the terminal is so small that the style sheet gives it all rows. The screen's classes are set only after `on_resize`."""
        least = {name: at for points in (self.app.HORIZONTAL_BREAKPOINTS, self.app.VERTICAL_BREAKPOINTS) for at, name in points or ()}
        return self.app.size.width < least["-two"] or self.app.size.height < least["-high"]

    def _set_rows(self, rows: int) -> None:
        for frame in self.query("#dialog"):
            frame.styles.height = None if self._is_cramped else min(rows, self._most_rows)


class ReviewScreen(DialogScreen[T]):
    """Asks about a review, and shows when somebody else has decided it meanwhile."""

    AUTO_FOCUS = ""
    """The answer's field has the focus, not the question above it, which can be scrolled and would come first."""

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


def question(action: Action) -> TextView:
    """What a review asks, to be seen above the answer; longer ones are scrolled."""
    view = TextView(id="question")
    args = action.args
    if isinstance(args, dict) and len(args) == 1 and action.args_schema is None and isinstance(only := next(iter(args.values())), str):
        args = only
    view.show(table(args.items()) if isinstance(args, dict) else value_lines(args))
    return view


def calls_view(actions: Sequence[Action]) -> TextView:
    """The calls of a review, to be seen above what is asked about them: a row for each, and the only one in full."""
    if len(actions) == 1:
        return question(actions[0])
    view = TextView(id="question")
    told = (f"{name_line(action.name, 30)}  {canonical_json.one_line(action.args, ARGS_CELLS)}" for action in actions)
    view.show(line(text, "", str(number), 3, "accent", agent=True) for number, text in enumerate(told, 1))
    return view


def _offered(keys: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The keys that do something in this session."""
    return tuple((key, what) for key, what in keys if what != "$EDITOR" or not is_pinned())


class KeyHints(Static):
    """Keys and what they do, on one row. Where it is too short, those before the last are left out."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__(id="dialog-keys")
        self._keys = _offered(keys)

    def show(self, keys: Iterable[tuple[str, str]]) -> None:
        """Show other keys."""
        self._keys = _offered(keys)
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        shown = list(self._keys)
        while len(shown) > 2 and sum(cell_len(key) + cell_len(what) + 3 for key, what in shown) - 2 > self.size.width:
            del shown[-2]
        pieces = [piece for key, what in shown for piece in ((f"{key} ", "$text-accent"), (f"{what}  ", "$text-muted"))]
        self.update(Content.assemble(*pieces))
