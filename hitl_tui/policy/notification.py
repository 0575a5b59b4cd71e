"""By which ways people are told of an escalation, and when. The bell is the console's own."""

from __future__ import annotations

import hashlib

from hitl_tui.policy.schema import Hours, Notify, Policy

DESKTOP, COMMAND, URL = "desktop", "command", "url:"
WEEK_MIN = 7 * 24 * 60


def channel_of(url: str) -> str:
    """The name under which an Apprise URL is stored and shown: a hash too short to try guesses of its secrets on."""
    return URL + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def channel_names(notify: Notify) -> list[str]:
    """The names of all channels: `desktop`, `command`, `url:<hash>` for each URL; the same URL twice is one."""
    found = [DESKTOP] * notify.desktop + [COMMAND] * bool(notify.command)
    return list(dict.fromkeys([*found, *map(channel_of, notify.urls)]))


def due_channels(policy: Policy | None, now: float) -> tuple[list[str], float]:
    """The channels by which an escalation of now is told, and the Unix time from which on: now, or the end of the quiet time."""
    notify = policy.notify if policy else Notify()
    loud = end_of_quiet(notify, now)
    return ([], now) if loud is None else (channel_names(notify), loud)


def end_of_quiet(notify: Notify, now: float) -> float | None:
    """The first Unix time from now on that is not quiet; None when it is quiet all week."""
    return _end(notify.quiet, now) if notify.quiet else now


def _end(quiet: Hours, now: float) -> float | None:
    if not quiet.hold(now):
        return now
    minute = now - now % 60
    ends = (minute + 60 * number for number in range(1, WEEK_MIN + 60))  # an hour more than a week: clocks are set back
    return next((end for end in ends if not quiet.hold(end)), None)
