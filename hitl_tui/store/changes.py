"""The log of what changed, written by triggers: whoever shows rows asks only for what is newer than its last look."""

from __future__ import annotations

from hitl_tui.store.connection import Store

KEPT = 200_000
"""Entries kept; a reader that fell further behind reads everything anew."""


async def now(store: Store) -> int:
    """Number of the last change."""
    return int((await store.one("SELECT coalesce(max(seq), 0) FROM changes"))[0])


async def reach(store: Store) -> int:
    """The oldest number from which on no change is missing."""
    return int((await store.one("SELECT coalesce(min(seq), 1) - 1 FROM changes"))[0])


async def prune(store: Store) -> None:
    """Forget the oldest entries, never the last one, so that numbers only grow."""
    await store.write("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes) - ?", (KEPT,))
