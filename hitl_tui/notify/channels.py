"""Sends one message through a notification channel: desktop, command or URL. Errors are reported without the secrets of a URL."""

from __future__ import annotations

import base64
import html
import importlib.util
import json
import re
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

from hitl_tui.notify.content import NotificationMessage
from hitl_tui.notify.subprocess_runner import Failed, run
from hitl_tui.policy.notification import COMMAND, DESKTOP, Notify, channel_of
from hitl_tui.sanitize import one_line

RETRY_WAITS_S = (5.0, 30.0, 120.0, 600.0)
"""Wait after each failed attempt; the last one for all that follow."""
NO_SERVICE, NOT_INSTALLED = 64, 65
"""Exit codes of the child process that uses Apprise."""
STARTUP_S = 20.0
"""Time for that child to start and import Apprise."""
CHILD = (sys.executable, "-P", "-m", "hitl_tui.notify")
GONE = "the policy no longer has this channel"
NO_EXTRA = ("notices by URL need Apprise, which is not installed here", 'install it with `pip install "hitl-tui[notify]"`')
NO_DESKTOP = ("there is neither notify-send nor osascript here", "install libnotify, or take desktop out of [notify]")
SCRIPT = ("-e", "on run argv", "-e", "display notification (item 2 of argv) with title (item 1 of argv)", "-e", "end run")
MAX_ERROR = 200


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """The outcome of one delivery attempt."""

    error: str = ""
    """Why it failed, without secrets; empty if it succeeded."""
    lasting: bool = False
    """Trying again would not help."""


def next_attempt_at(outcome: DeliveryResult, tries: int, retries: int, now: float) -> float | None:
    """Unix time of the next attempt after `tries`; None if there is none."""
    if outcome.lasting or tries > retries:
        return None
    return now + RETRY_WAITS_S[min(tries, len(RETRY_WAITS_S)) - 1]


def service_of(channel: str, notify: Notify) -> str:
    """A channel's name for people; for a URL with its service, without secrets."""
    url = _url_of(channel, notify)
    return f"{_scheme(url)} ({channel})" if url else channel


def _url_of(channel: str, notify: Notify) -> str:
    return next((url for url in notify.urls if channel_of(url) == channel), "")


def _scheme(url: str) -> str:
    return one_line(url.partition("://")[0], 20)


async def deliver(channel: str, notify: Notify, message: NotificationMessage) -> DeliveryResult:
    """Send a message through a channel, within the policy's time limit. Never raises. If cancelled, it ends what it started."""
    url = _url_of(channel, notify)
    try:
        if channel == DESKTOP and notify.desktop:
            await run(_desktop(message), "", {}, notify.timeout_s)
        elif channel == COMMAND and notify.command:
            env = {"HITL_TITLE": message.title, "HITL_BODY": message.body, "HITL_LINK": message.link, "HITL_REVIEW": message.review}
            env |= {"HITL_ANSWER": message.answer} if message.answer else {}
            await run(notify.command, f"{message.body}\n", env, notify.timeout_s)
        elif url:
            given = {"url": url, "title": message.title, "body": message.body, "timeout_s": notify.timeout_s}
            await run(CHILD, json.dumps(given, ensure_ascii=False), {}, notify.timeout_s + STARTUP_S)
        else:
            return DeliveryResult(GONE, lasting=True)
    except Failed as failed:
        return _url_failure(url, failed, notify.timeout_s) if url else DeliveryResult(_without_secrets(failed.reason, ""), failed.lasting)
    return DeliveryResult()


def _desktop(message: NotificationMessage) -> Sequence[str]:
    if program := shutil.which("notify-send"):
        return program, "--app-name=hitl-tui", "--", message.title, html.escape(message.body, quote=False)  # it reads bodies as markup
    if program := shutil.which("osascript"):
        return program, *SCRIPT, message.title, message.body
    raise Failed("; ".join(NO_DESKTOP), lasting=True)


def _url_failure(url: str, failed: Failed, timeout_s: float) -> DeliveryResult:
    if failed.code == NOT_INSTALLED:
        return DeliveryResult("; ".join(NO_EXTRA), lasting=True)
    if failed.code == NO_SERVICE:
        return DeliveryResult(f"Apprise cannot use this {_scheme(url)}:// address; correct it in [notify]", lasting=True)
    timed_out = failed.code == -signal.SIGALRM
    reason = f"it did not answer within {timeout_s:g} s" if timed_out else _without_secrets(failed.reason, url)
    return DeliveryResult(f"{_scheme(url)}: {reason}")


def _without_secrets(output: str, url: str) -> str:
    """The last line of an error output, without any address, and without any part of this URL in any encoding."""
    line = next((line for line in reversed(output.splitlines()) if line.strip()), "")
    line = re.sub(r"\S+://\S+", "…", line.replace(url, "…") if url else line)
    for part in sorted(_parts(url), key=len, reverse=True):
        whole = re.escape(part) if len(part) > 3 else rf"(?<!\w){re.escape(part)}(?!\w)"
        line = re.sub(whole, "…", line, flags=re.IGNORECASE)
    return one_line(line, MAX_ERROR)


def _parts(url: str) -> set[str]:
    """The parts of a URL that may be secret, in every form in which a program may print them."""
    rest = url.partition("://")[2]
    split = {part for part in re.split(r"[/:@?&=#,;+\s]+", rest) if part}
    account = rest.partition("@")[0].partition("/")[0] if "@" in rest else ""
    coded = {base64.b64encode(unquote(text).encode()).decode().rstrip("=") for text in (account, *account.split(":")) if text}
    forms = {form for part in split for form in (part, unquote(part), unquote_plus(part))}
    return {form for form in forms | coded if form.strip()}


def problems(notify: Notify) -> Iterator[tuple[str, str, str]]:
    """Configured channels that cannot work on this machine: the key in `[notify]`, what is wrong, and what to do."""
    if notify.urls and importlib.util.find_spec("apprise") is None:
        yield "urls", *NO_EXTRA
    if notify.desktop and not (shutil.which("notify-send") or shutil.which("osascript")):
        yield "desktop", *NO_DESKTOP
    if notify.command and not shutil.which(notify.command[0]):
        yield "command", f"there is no program {notify.command[0]!r} here", "correct command in [notify]"
