"""Why nothing was stored, in sentences."""

from __future__ import annotations

import time

from hitl_tui.errors import Refused, Stale
from hitl_tui.model import UNTIL_HANDED_BACK, ReviewState

GOING = (ReviewState.DECIDED, ReviewState.SUBMITTED, ReviewState.APPLIED)


def unknown(review: int) -> Refused:
    """There is no such review."""
    return Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")


def closed(review: int, state: str, note: str, decided: str, decided_at: float | None) -> Stale:
    """It is no longer open."""
    going = state in GOING
    why = f"{state}: {note}" if note and not going else (decided or state) + when(decided_at)
    return Stale(f"review {review} is {why}", "nothing was changed")


def held(review: int, who: str, until: float) -> Refused:
    """Somebody else has claimed it."""
    if until >= UNTIL_HANDED_BACK:
        return in_hands(review, who, False)
    return Refused(
        f"{who} has review {review}{when(until, 'until', 'until')}", f'take it with a reason: `hitl-tui claim {review} --reason "…"`'
    )


def in_hands(review: int, who: str, is_mine: bool) -> Stale:
    """The run that asks it is taken over."""
    if is_mine:
        return Stale(f"you have taken over the run that asks review {review}", "hand it back or give it up first")
    return Stale(f"{who} has taken over the run that asks review {review}", "wait until it is handed back, or take the run with a reason")


def when(at: float | None, today: str = "at", another_day: str = "on") -> str:
    """` at 14:03:22`, with the date when it is another day's; empty when unknown."""
    if at is None:
        return ""
    then = time.localtime(at)
    if then[:3] == time.localtime()[:3]:
        return time.strftime(f" {today} %H:%M:%S", then)
    return time.strftime(f" {another_day} %Y-%m-%d at %H:%M:%S", then)
