"""Helpers of SVG snapshots: a fixed time zone, and keys that are pressed one after another before the picture is taken."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from hitl_tui.ui.app import HitlApp
from tests.support.tiers import full_only

Size = tuple[int, int]
"""Columns and rows of a terminal."""
SMALLEST, SMALL, USUAL, LARGE = (60, 16), (80, 24), (120, 36), (200, 50)
LIGHT = "hitl-light"
LOOKS: Sequence[tuple[Size, str]] = [*((size, theme) for size in (SMALL, USUAL, LARGE) for theme in ("", LIGHT)), (SMALLEST, "")]
"""Sizes and themes in which each screen and each dialog is pictured; the empty theme is the dark one."""
FULL = ("_80x24_light", "_200x50_light")
"""How the names of pictures end that are taken with `--full` only."""
READERS = frozenset({"history", "entry", "page", "policy", "policy-changes", "lessons", "lesson", "review", "rows", "effects", "destroyed"})
"""Textual worker groups that load what a key asked for."""


def cases(gate: Iterable[tuple[Any, ...]], slow: Iterable[tuple[Any, ...]] = ()) -> list[Any]:
    """Pictures for `pytest.mark.parametrize`, named by their first value: those taken with every change, and slow tests.

    The light theme differs in colours alone, so one size of it is enough but for `--full`.
    """

    def marks(name: str) -> list[pytest.MarkDecorator]:
        return [pytest.mark.slow, full_only] if name.endswith(FULL) else [pytest.mark.slow]

    usual = (pytest.param(*one, id=one[0]) for one in gate)
    others = (pytest.param(*one, id=one[0], marks=marks(one[0])) for one in slow)
    return [*usual, *others]


def looks(name: str, known: Collection[str] = ()) -> Iterator[tuple[str, Size, str]]:
    """Return a picture's name, size and theme for each of `LOOKS`, but for those with a known name."""
    for size, theme in LOOKS:
        named = f"{name}_{size[0]}x{size[1]}{'_light' if theme else ''}"
        if named not in known:
            yield named, size, theme


def use_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show times in UTC on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def has_loaded(app: HitlApp) -> bool:
    """Check that everything keys asked for is loaded."""
    return not any(worker.is_running and worker.group in READERS for worker in app.workers)


def stop_cursors(app: HitlApp) -> None:
    """Draw the text cursor, and let it blink no more."""
    for field in app.screen.query("*").results():
        if isinstance(field, Input | TextArea):
            field.cursor_blink = False
            field.notify_style_update()  # a text area keeps lines that it drew while the cursor was out of sight


def press_keys(keys: Sequence[str], done: Callable[[HitlApp], bool] = has_loaded) -> Callable[[Pilot[None]], Awaitable[None]]:
    """Return what `snap_compare` runs before the picture: press each key and wait until it is done, then stop the text cursor."""

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
        stop_cursors(app)
        await pilot.pause(0.3)

    return drive
