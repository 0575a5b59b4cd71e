"""The change feed, written by triggers: readers ask only for the rows that changed since their last read."""

from __future__ import annotations

from typing import NamedTuple

from hitl_tui.store.connection import Store, Transaction

KEPT = 200_000
"""Entries kept; a reader that is further behind reads everything again."""


class Rev(NamedTuple):
    """A revision: how far a reader has read the feed."""

    change: int = 0
    """Number of the last change."""


async def now(store: Store) -> Rev:
    """The newest revision."""
    return Rev(*await store.one("SELECT coalesce(max(seq), 0) FROM changes"))


async def reach(store: Store) -> int:
    """The number of a change after which none was deleted."""
    return int((await store.one("SELECT coalesce(min(seq), 1) - 1 FROM changes"))[0])


def touch(db: Transaction) -> None:
    """Within a transaction: make readers read again after a change to no review or run."""
    db.execute("INSERT INTO changes (review, run) VALUES (NULL, NULL)")


async def prune(store: Store) -> None:
    """Delete the oldest entries. The last one stays, so that numbers only grow."""
    await store.write("DELETE FROM changes WHERE seq < (SELECT max(seq) FROM changes) - ?", (KEPT,))
