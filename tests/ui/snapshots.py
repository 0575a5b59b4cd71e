"""Pictures of screens: a console at a time that stands still, and keys pressed on it, each when the one before is done."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import pytest
from textual.pilot import Pilot

from hitl_tui.ui.app import HitlApp

READERS = frozenset({"history", "entry", "page", "policy", "policy-changes", "lessons", "lesson", "review", "rows"})
"""Groups of workers that read what a key asked for."""


def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of the day are the same wherever the picture is taken."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def is_read(app: HitlApp) -> bool:
    """Whether all that keys asked for was read."""
    return not any(worker.is_running and worker.group in READERS for worker in app.workers)


def pressing(keys: Sequence[str], done: Callable[[HitlApp], bool] = is_read) -> Callable[[Pilot[None]], Awaitable[None]]:
    """What `snap_compare` runs before the picture: presses the keys, each followed by a wait until it is done, and stops the cursor."""

    async def drive(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, HitlApp)
        await app.catch_up()
        await pilot.pause(0.3)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
            while not done(app):
                await pilot.pause(0.02)
        if len(app.screen_stack) == 1:
            await app.catch_up()
        focused = app.screen.focused
        if focused is not None and hasattr(focused, "cursor_blink"):
            focused.cursor_blink = False
        await pilot.pause(0.3)

    return drive
