"""The only uses of Textual's private names, each with its reason. A new Textual may change them: look here first."""

from __future__ import annotations

import asyncio

from rich.console import RenderableType
from textual import events
from textual._xterm_parser import XTermParser
from textual.app import App
from textual.css.query import NoMatches
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.widget import MountError, Widget
from textual.worker import WorkerFailed


class LeavableApp(App[None]):
    """An app that may be left while rows are still on their way to its widgets.

    Workers that end after their widget was removed raise NoMatches, and keys that come after the one that left MountError. Textual has no
    public hook to tell these from real faults.
    """

    def __init__(self) -> None:
        super().__init__()
        self._was_ready = False
        self.leaving = asyncio.Event()
        """Set once the app is asked to end, or fails: what waits for rows or widgets need not wait any longer."""

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        super().exit(result, return_code, message)
        self.leaving.set()

    def on_ready(self) -> None:
        self._was_ready = True

    @property
    def crash(self) -> Exception | None:
        """The unhandled exception that has ended the app."""
        error = self._exception
        return error.error if isinstance(error, WorkerFailed) and isinstance(error.error, Exception) else error

    def fail(self, error: Exception) -> None:
        """End the app because of an exception in another thread."""
        self._handle_exception(error)

    def _fatal_error(self) -> None:
        """End without Textual's traceback, which shows local variables; whoever runs the app tells what happened."""
        self.leaving.set()
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        leaving = self._exit or (self._was_ready and not self.is_running)
        if not (leaving and isinstance(error.error if isinstance(error, WorkerFailed) else error, NoMatches | MountError)):
            super()._handle_exception(error)


def forward_key(widget: Widget, key: events.Key) -> None:
    """Hand a key to a widget, as if it had been typed there: a dialog passes on what was typed before it was shown.

    Posting the event would run it through the app's bindings once more.
    """
    widget._forward_event(key)


def update_scrollbars(view: ScrollView) -> None:
    """Apply a new `virtual_size` at once, as Textual's OptionList does; otherwise scrollbar and limits lag behind.

    Textual keeps the height of a view until a layout is asked for. If a layout was done after the view had asked for one, and before the
    view was idle, it takes what the view asks for now as part of that, and keeps a height that is wrong.
    """
    view._layout_updates += 1
    view._scroll_update(view.virtual_size)


def write_to_terminal(app: App[None], text: str) -> None:
    """Write an escape sequence between two frames, whole. `App.bell` is the only public one, and knows no notices (OSC 9)."""
    if app._driver is not None and not app.is_headless:
        app._driver.write(text)


class SequenceParser:
    """Textual's terminal parser, for one complete character or control sequence at a time.

    Fed with a raw stream it types out sequences it does not know, also from inside a paste, and fails on some that it half knows.
    It also takes alt with a sign for the sign alone.
    """

    def __init__(self) -> None:
        self._parser = XTermParser()

    def _restart(self) -> None:
        """Replace the parser, which has ended by its error, with one that knows as much about the mouse."""
        ended, self._parser = self._parser, XTermParser()
        self._parser.mouse_pixels = ended.mouse_pixels
        self._parser.terminal_size, self._parser.terminal_pixel_size = ended.terminal_size, ended.terminal_pixel_size

    def parse(self, sequence: str) -> list[Message]:
        """The events of a sequence, empty if it is unknown. A lone escape, and escape with one character, are keys."""
        try:
            found = list(self._parser.feed(sequence))
        except (ValueError, ArithmeticError):  # a code point, size or number that does not exist
            self._restart()
            return []
        if self._parser._timeout_time is not None:  # it waits for more, which does not come
            self._parser._timeout_time = 0.0
            for message in self._parser.tick():
                if isinstance(message, events.Key) and len(sequence) <= 2:
                    found.append(message if message.key == "escape" else events.Key(f"alt+{message.key.removeprefix('alt+')}", None))
        return found
