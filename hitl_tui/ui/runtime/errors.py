"""Reports store errors as one sentence, once, while the console continues."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from textual.dom import DOMNode

from hitl_tui.errors import HitlError, Refused
from hitl_tui.sanitize import visible

QUIET_S = 15.0
"""Time for which the same sentence is not repeated."""

P = ParamSpec("P")
T = TypeVar("T")


def store_errors() -> tuple[type[Exception], ...]:
    """What reading or writing rows may raise, for `except`, which calls this only when something is raised."""
    import json
    import sqlite3  # the first frame needs no database

    return HitlError, sqlite3.Error, json.JSONDecodeError


def sentence(error: Exception) -> str:
    """What happened, and what to do about it."""
    if isinstance(error, HitlError):
        return str(error)
    import json
    import sqlite3

    if isinstance(error, json.JSONDecodeError):
        return "a part of it cannot be read, for the database is damaged; `hitl-tui doctor --repair` replaces what no reader can parse"
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return "the database is locked by another program; it is tried again, or end that program"
    return f"the database cannot be used: {error}; it is tried again, `hitl-tui doctor` looks closer"


class RecentNotices:
    """Remembers recent notices, to show each once."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}

    def again(self, text: str) -> bool:
        """Whether the text was shown within `QUIET_S`; remembers it."""
        now = time.monotonic()
        self._at = {old: at for old, at in self._at.items() if now - at < QUIET_S}
        known = text in self._at
        self._at.setdefault(text, now)
        return known


_recent_notices = RecentNotices()


def report(node: DOMNode, error: Exception) -> None:
    """Notify of an error: of a refused request each time, of the same database error once in `QUIET_S`."""
    text = visible(sentence(error))
    if isinstance(error, Refused):
        node.app.notify(text, severity="warning", markup=False)
    elif node.app.is_running and not _recent_notices.again(f"{id(node.app)} {text}"):
        node.app.notify(f"not done: {text}", severity="error", timeout=8, markup=False)


def reports_errors(method: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
    """Decorate a widget's method that reads or writes rows: store errors become notices."""

    @functools.wraps(method)
    async def steadied(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            await method(*args, **kwargs)
        except store_errors() as error:
            node = args[0]
            assert isinstance(node, DOMNode)
            report(node, error)

    return steadied
