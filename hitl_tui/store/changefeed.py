"""The change feed, written by triggers: readers ask only for what is newer than their last read."""

from __future__ import annotations

from typing import NamedTuple

from hitl_tui.store.connection import Store, Transaction

KEPT = 200_000
"""Entries kept; a reader that fell further behind reads everything anew."""


class Rev(NamedTuple):
    """How far a reader has come."""

    change: int = 0
    """Number of the last change."""


async def now(store: Store) -> Rev:
    """How far the feed has come."""
    return Rev(*await store.one("SELECT coalesce(max(seq), 0) FROM changes"))


async def reach(store: Store) -> int:
    """The oldest number of a change from which on none is missing."""
    return int((await store.one("SELECT coalesce(min(seq), 1) - 1 FROM changes"))[0])


def touch(db: Transaction) -> None:
    """Within a transaction: let readers know of a change that is in no row of a review or run."""
    db.execute("INSERT INTO changes (review, run) VALUES (NULL, NULL)")


async def prune(store: Store) -> None:
    """Delete the oldest entries, never the last one, so that numbers only grow."""
    await store.write("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes) - ?", (KEPT,))
