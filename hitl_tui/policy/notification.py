"""Which notification channels an escalation uses, and from when on. The bell is not a channel: each console rings its own."""

from __future__ import annotations

import hashlib

from hitl_tui.policy.schedule import Hours
from hitl_tui.policy.schema import Notify, Policy

DESKTOP, COMMAND, URL = "desktop", "command", "url:"
WEEK_MIN = 7 * 24 * 60


def channel_of(url: str) -> str:
    """The name under which an Apprise URL is stored and shown: `url:` and a hash that is too short to test guesses of its secrets."""
    return URL + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def channel_names(notify: Notify) -> list[str]:
    """The names of all channels: `desktop`, `command`, `url:<hash>` for each URL; the same URL twice is one."""
    found = [DESKTOP] * notify.desktop + [COMMAND] * bool(notify.command)
    return list(dict.fromkeys([*found, *map(channel_of, notify.urls)]))


def due_channels(policy: Policy | None, now: float) -> tuple[list[str], float]:
    """Channels that notify of an escalation made now, and the Unix time to send at: now, or the end of the quiet hours."""
    notify = policy.notify if policy else Notify()
    send_at = end_of_quiet(notify, now)
    return ([], now) if send_at is None else (channel_names(notify), send_at)


def end_of_quiet(notify: Notify, now: float) -> float | None:
    """The first Unix time from now on that is outside the quiet hours; None if all hours are quiet."""
    return _end(notify.quiet, now) if notify.quiet else now


def _end(quiet: Hours, now: float) -> float | None:
    if not quiet.contain(now):
        return now
    minute = now - now % 60
    ends = (minute + 60 * number for number in range(1, WEEK_MIN + 60))  # an hour more than a week: clocks can be set back
    return next((end for end in ends if not quiet.contain(end)), None)
