"""Keeps keys in the order they were typed: those after one that opens a dialog go to the dialog, however fast they come."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from textual import events, on
from textual.app import App
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.worker import get_current_worker

from hitl_tui.ui.runtime.textual_internals import forward_key

T = TypeVar("T")

DIALOG_GROUP = "dialog"
"""The group of workers that ask something. They wait for nothing before they do."""


async def ask(node: DOMNode, screen: Screen[T | None]) -> T | None:
    """Show a dialog at once, and wait for its answer. For workers of the asking group."""
    answer = node.app.push_screen(screen, wait_for_dismiss=True)
    get_current_worker().advance()
    return await answer


async def dialog_ready(app: App[None]) -> None:
    """Wait until a dialog that a key has asked for has the keys."""
    while any(worker.group == DIALOG_GROUP and worker.is_running and not worker.completed_steps for worker in app.workers):  # noqa: ASYNC110
        await asyncio.sleep(0)
    while isinstance(app.screen, KeyQueueScreen) and app.screen.acts_at_once and not app.screen.is_shown:  # noqa: ASYNC110
        await asyncio.sleep(0)


class KeyQueueScreen(ModalScreen[T]):
    """A dialog that keeps what is typed before it can show it."""

    acts_at_once = False
    """Whether its keys are heard one after another, as those of the views are, for they open other dialogs."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[events.Key] | None = []

    @property
    def is_shown(self) -> bool:
        """Whether what was typed before has been handed on, and keys may act."""
        return self._early is None

    def field(self) -> Widget | None:
        """Where letters go while something that takes no letters has the focus."""
        return None

    @on(events.Mount)
    def _release_keys(self) -> None:
        """Hand on what was typed before."""
        early, self._early = self._early or [], None
        if self.focused is None:
            self.set_focus(self.field() or next(iter(self.focus_chain), None))
        for key in early:
            if not self.take(key):
                forward_key(self.focused or self, key)

    def take(self, key: events.Key) -> bool:
        """Whether the key is dealt with: kept for later, or handed to the field."""
        if self._early is not None and key.key != "escape":
            self._early.append(key)
            return True
        field = self.field()
        if field is None or self.focused is field or not key.is_printable or _writes(self.focused):
            return False
        self.set_focus(field)
        forward_key(field, key)
        return True


def _writes(widget: Widget | None) -> bool:
    from textual.widgets import Input, TextArea  # a dialog is open: they are there already

    return isinstance(widget, Input | TextArea)
