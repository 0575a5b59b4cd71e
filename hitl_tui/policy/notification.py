"""`[notify]` of policy.toml: to add a channel, add it to `CHANNELS` here and its sending to `notify/channels.py`; also quiet hours.

The channel's key is also the name of its field of `Notify`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from hitl_tui.formatting import counted
from hitl_tui.policy.schedule import Hours

Content = Literal["nothing", "names", "summary"]
DESKTOP, COMMAND, URL = "desktop", "command", "url:"
WEEK_MIN = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class Notify:
    """How people are told of an escalation."""

    bell: bool = True
    desktop: bool = False
    command: tuple[str, ...] = ()
    """Program and arguments; no shell."""
    urls: tuple[str, ...] = field(default=(), repr=False)
    """Apprise URLs; they hold secrets."""
    quiet: Hours | None = None
    """Times in which only the screen tells."""
    content: Content = "names"
    """What may leave the machine: `nothing` but the link line, `names` of agent and tool, or a `summary` with the arguments."""
    timeout_s: float = 10.0
    retries: int = 3
    links: str = ""
    """The person for whom messages carry a link that decides the call; empty for no links. It counts only in the home's policy."""
    links_for_s: float = 1800.0
    """How long such a link works."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to notify people, with its key in `[notify]`."""

    key: str
    """Also the name of its field of `Notify`; the channel is off while that is false or empty."""
    value: Literal["switch", "command", "urls"]
    """What the key is set to: true or false; a program with its arguments; a list of URLs."""
    label: Callable[[Any], str]
    """Its value in words; never an address, which may hold secrets."""
    names: Callable[[Any], Iterable[str]]
    """The names under which the worker stores and sends its notifications; none if each console notifies by itself."""


def channel_of(url: str) -> str:
    """The name under which an Apprise URL is stored and shown: `url:` and a hash that is too short to test guesses of its secrets."""
    return URL + hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:8]


CHANNELS = (
    Channel("bell", "switch", lambda _: "bell", lambda _: ()),
    Channel("desktop", "switch", lambda _: "desktop", lambda _: (DESKTOP,)),
    Channel("command", "command", lambda command: f"command {command[0]}", lambda _: (COMMAND,)),
    Channel("urls", "urls", lambda urls: counted(len(urls), "URL"), lambda urls: map(channel_of, urls)),
)


def channel_names(notify: Notify) -> list[str]:
    """The names the worker sends by: `desktop`, `command`, `url:<hash>` for each URL; the same URL twice is one."""
    return list(dict.fromkeys(name for channel, value in _enabled(notify) for name in channel.names(value)))


def channel_labels(notify: Notify) -> list[str]:
    """The channels that are on, in words."""
    return [channel.label(value) for channel, value in _enabled(notify)]


def _enabled(notify: Notify) -> Iterable[tuple[Channel, Any]]:
    return ((channel, value) for channel in CHANNELS if (value := getattr(notify, channel.key)))


def due_channels(notify: Notify, now: float) -> tuple[list[str], float]:
    """Channels that notify of an escalation made now, and the Unix time to send at: now, or the end of the quiet hours."""
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
