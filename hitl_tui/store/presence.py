"""Who looks at which review now: a row for each console, which no longer counts once the console stops renewing it.

It is for the eyes only. It decides nothing, and is no entry of the audit log.
"""

from __future__ import annotations

from hitl_tui.model import same_person
from hitl_tui.store import changefeed
from hitl_tui.store.connection import Store

PRESENT_S = 30.0
"""How long a row counts without being renewed; consoles renew theirs three times as often."""
PUT = """
INSERT INTO presence (console, reviewer, review, until) VALUES (:console, :reviewer, :review, :until)
ON CONFLICT (console) DO UPDATE SET reviewer = excluded.reviewer, review = excluded.review, until = excluded.until
"""
VIEWERS = "SELECT review, reviewer FROM presence WHERE until > ? ORDER BY review, reviewer"


async def look_at(store: Store, console: str, reviewer: str, review: int | None) -> None:
    """Say which review a console shows; None for none. Other consoles read it at once, if it is another one than before."""
    async with store.transaction() as db:
        now = store.now()
        before = db.row("SELECT review FROM presence WHERE console = ? AND until > ?", (console, now))
        db.execute("DELETE FROM presence WHERE console = ? AND ? IS NULL OR until < ?", (console, review, now))
        if review is not None:
            db.execute(PUT, {"console": console, "reviewer": reviewer, "review": review, "until": now + PRESENT_S})
        if review != (before[0] if before else None):
            changefeed.touch(db)


def others(store: Store, reviewer: str) -> dict[int, tuple[str, ...]]:
    """The people who look at reviews now, without `reviewer`, by review. Reads at once."""
    found: dict[int, tuple[str, ...]] = {}
    for review, name in store.read_now(VIEWERS, (store.now(),)):
        if not same_person(name, reviewer) and name not in found.get(review, ()):
            found[review] = (*found.get(review, ()), str(name))
    return found
