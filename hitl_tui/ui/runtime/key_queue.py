"""Decides which keys act: in the order they were typed, once while a key is held, and none of a paste.

Keys after one that opens a dialog go to the dialog, however fast they come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from textual import events, on
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.css.query import NoMatches
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import Worker, get_current_worker

from hitl_tui.ui.commands import MOVES, PAGES
from hitl_tui.ui.input_filter import KeysRead, PasteRefused, Press, PressSettled, TypedKey
from hitl_tui.ui.runtime.textual_internals import forward_key

T = TypeVar("T")

DIALOG_GROUP = "dialog"
"""The group of workers that ask something. They wait for nothing before they do."""


DEAD_TIME_S = 0.2
"""Seconds for which something must have been on the screen before it counts as seen, and before a key decides on it.

Three taps a second each decide: a tap acts up to `ALONE_S` late, and what it decides on is painted some hundredths of a second after that.
"""
HELD = "ignored: the key is held down; press it again to go on"
PASTED = "ignored: several keys came at once, as from a paste"
PASTED_TEXT = "ignored: pasted text needs a text field"
EDITS = frozenset({"backspace", "delete", "left", "right", "up", "down", "home", "end", "pageup", "pagedown"})
"""Keys that act in a text field while they are held, also with shift or ctrl."""
STEPS = EDITS - {"backspace", "delete"} | {"tab"}
"""Keys that move in lists and between widgets."""


async def ask(node: DOMNode, screen: Screen[T | None]) -> T | None:
    """Show a dialog at once, and wait for its answer. For workers of the asking group."""
    answer = node.app.push_screen(screen, wait_for_dismiss=True)
    if isinstance(screen, KeyQueueScreen):
        screen.asked = answer
    get_current_worker().advance()
    return await answer


async def dialog_ready(app: App[None]) -> None:
    """Wait until a dialog that a key has asked for has the keys, or the app ends: its dialogs then never come."""
    while app.screen.is_attached and any(_opens_dialog(worker) for worker in app.workers):  # noqa: ASYNC110
        await asyncio.sleep(0)
    while isinstance(app.screen, KeyQueueScreen) and app.screen.acts_at_once and app.screen.is_coming:  # noqa: ASYNC110
        await asyncio.sleep(0)


def _opens_dialog(worker: Worker[Any]) -> bool:
    """Whether a worker is on its way to open a dialog."""
    return worker.group == DIALOG_GROUP and worker.is_running and not worker.completed_steps


async def dialog_shown(app: App[None]) -> None:
    """Wait until a dialog that a key has asked for is shown, and knows where the focus is, or the app ends."""
    await dialog_ready(app)
    while isinstance(app.screen, KeyQueueScreen) and app.screen.is_coming:  # noqa: ASYNC110
        await asyncio.sleep(0)


class KeyGate:
    """Hands on the keys that may act, to `press`, one after another; posts `KeyIgnored` for those that may not."""

    def __init__(self, app: App[None], press: Callable[[events.Key], Awaitable[None]]) -> None:
        self._app = app
        self._press = press
        self._unsure: TypedKey | None = None
        self._told = False

    async def take(self, event: KeysRead | PressSettled | PasteRefused | events.Paste) -> bool:
        """Whether the event is dealt with; a paste that has a field to go to is left to it."""
        if isinstance(event, KeysRead):
            await self._read(event)
        elif isinstance(event, PressSettled):
            await self._settle(event)
        elif isinstance(event, PasteRefused):
            self._told = False
            self._ignore(event.reason)
        else:
            return not await self._may_paste(event.text)
        return True

    async def _read(self, read: KeysRead) -> None:
        first = read.keys[0]
        if len(read.keys) == 1 and not read.pasted and first.press == Press.TAP:
            self._told = False
            await self._press(first.as_event())
            return
        await dialog_shown(self._app)
        if len(read.keys) == 1 and not read.pasted:
            await self._pressed_again(first)
        elif _is_text_field(self._app.focused):
            await self._typed_ahead(read)
        elif all(self._moves(key) for key in read.keys) or self._is_for_field(read.keys) or self._picks(read):
            for key in read.keys:
                if key.press == Press.REPEAT and self._turns_page(key):
                    self._ignore(HELD)
                else:
                    await self._press(key.as_event())
        else:  # repeats of a held key come together over a slow connection
            self._ignore(HELD if all(key.press == Press.REPEAT for key in read.keys) else PASTED)

    async def _settle(self, settled: PressSettled) -> None:
        """Let the last unsure press act if it was a tap."""
        unsure, self._unsure = self._unsure, None
        if unsure is None:
            return
        if settled.is_tap:
            self._told = False
            await self._press(unsure.as_event())
        else:
            self._ignore(HELD)

    async def _may_paste(self, text: str) -> bool:
        """Whether the text has a field to go to, which then has the focus."""
        await dialog_shown(self._app)
        screen = self._app.screen
        if not _is_text_field(self._app.focused) and isinstance(screen, KeyQueueScreen) and (field := screen.shown_field):
            screen.set_focus(field)
        if text and not _is_text_field(self._app.focused):
            self._told = False
            self._ignore(PASTED_TEXT)
            return False
        return True

    async def _pressed_again(self, key: TypedKey) -> None:
        if self._acts_while_held(key):
            await self._press(key.as_event())
        elif key.press == Press.UNSURE:
            self._unsure = key
        else:
            self._ignore(HELD)

    async def _typed_ahead(self, read: KeysRead) -> None:
        """Several keys for a text field: the text, and one key after it that may leave the field."""
        for place, key in enumerate(read.keys):
            rest = read.keys[place:]
            if self._acts_while_held(key):
                await self._press(key.as_event())
            elif any(later.as_event().is_printable for later in rest):  # lines of a paste
                text = "".join("\n" if later.key == "enter" else later.character or "" for later in rest)
                await self._app.on_event(events.Paste(text))
                return
            else:
                if not read.pasted and key.press == Press.TAP:
                    await self._press(key.as_event())
                    rest = rest[1:]
                if rest:
                    self._ignore(PASTED)
                return

    def _is_for_field(self, keys: tuple[TypedKey, ...]) -> bool:
        """Whether the keys are letters for a dialog's field, which need not have the focus."""
        screen = self._app.screen
        return isinstance(screen, KeyQueueScreen) and screen.shown_field is not None and all(key.as_event().is_printable for key in keys)

    def _picks(self, read: KeysRead) -> bool:
        """Whether the keys pick from a list of choices, with enter as the last one: typed ahead, as into a text field."""
        *picks, last = read.keys
        listed = bool(picks) and all(key.key in _moving_keys(self._app.focused) for key in picks)
        return listed and last.key == "enter" and last.press == Press.TAP and not read.pasted

    def _acts_while_held(self, key: TypedKey) -> bool:
        """Whether the key may be repeated."""
        return self._moves(key) and not self._turns_page(key)

    def _turns_page(self, key: TypedKey) -> bool:
        """Whether the key shows the next page of a text that records what was read."""
        bound = self._app.active_bindings.get(key.key)
        if bound is None or bound.binding.id not in PAGES or _is_text_field(self._app.focused):
            return False
        return not getattr(bound.node, "PAGES_REPEAT", False)

    def _moves(self, key: TypedKey) -> bool:
        """Whether the key only moves, or types into a text field."""
        if _is_text_field(self._app.focused):
            return key.as_event().is_printable or key.key.rpartition("+")[2] in EDITS
        if key.key in _moving_keys(self._app.focused):
            return True
        bound = self._app.active_bindings.get(key.key)
        if bound is not None and bound.binding.id:
            return bound.binding.id in MOVES
        return key.key.rpartition("+")[2] in STEPS

    def _ignore(self, reason: str) -> None:
        """Say once that a key is ignored, not for each repeat."""
        from hitl_tui.ui.messages import KeyIgnored

        if not self._told:
            self._told = True
            self._app.post_message(KeyIgnored(reason))


class KeyQueueScreen(ModalScreen[T]):
    """A dialog that keeps what is typed before it can show it."""

    acts_at_once = False
    """Whether its keys are heard one after another, as those of the views are, for they open other dialogs."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[events.Key] | None = []
        self.is_answered = False
        """Whether the dialog has returned its value; what is pressed afterwards is not for it."""
        self.asked: asyncio.Future[Any] | None = None
        """Who waits for the answer, if somebody does."""

    @property
    def is_shown(self) -> bool:
        """Whether what was typed before has been handed on, and keys may act."""
        return self._early is None

    @property
    def is_coming(self) -> bool:
        """Whether it will be shown: no dialog is any more once the app ends."""
        return not self.is_shown and self.is_attached

    def field(self) -> Widget | None:
        """Where letters go while something that takes no letters has the focus."""
        return None

    @property
    def shown_field(self) -> Widget | None:
        """The field; None also while the dialog is not there yet, or not any more: keys come then, too."""
        with contextlib.suppress(NoMatches):
            return self.field()
        return None

    def remark(self, text: str) -> None:
        """Say why a key did nothing."""
        self.notify(text, timeout=3, markup=False)

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Return a value, once."""
        if self.is_answered:
            return AwaitComplete()
        self.is_answered = True
        if self.asked is not None and self.asked.done():  # who asked waits no more, as when the app ends
            return self.app.pop_screen()
        return super().dismiss(result)

    @on(events.Mount)
    def _release_keys(self) -> None:
        """Hand on what was typed before."""
        early, self._early = self._early or [], None
        if self.focused is None:
            self.set_focus(self.shown_field or next(iter(self.focus_chain), None))
        for key in early:
            if not self.take(key):
                forward_key(self.focused or self, key)

    def take(self, key: events.Key) -> bool:
        """Whether the key is dealt with: kept for later, or handed to the field."""
        if self._early is not None and key.key != "escape":
            self._early.append(key)
            return True
        field = self.shown_field
        if field is None or self.focused is field or not key.is_printable or _is_text_field(self.focused):
            return False
        self.set_focus(field)
        forward_key(field, key)
        return True


def _moving_keys(widget: Widget | None) -> frozenset[str]:
    """Keys by which a list of a dialog only moves or picks."""
    return getattr(widget, "MOVING_KEYS", frozenset())


def _is_text_field(widget: Widget | None) -> bool:
    from textual.widgets import Input, TextArea  # a dialog is open: they are there already

    return isinstance(widget, Input | TextArea)
