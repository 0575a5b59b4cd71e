"""Where a call would send something: the hosts of URLs and mail addresses, their registered domains, and what is odd about them. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from hitl_tui.effects.hosts import Domain, hosts

MOST = 200
"""Recipients that are looked at."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_HOST = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/?#\s]*@)?(\[[0-9a-f:.]+\]|[^/:?#\s]+)", re.IGNORECASE)
_NUMERIC = re.compile(r"[0-9.]+|0x[0-9a-f]+|\[[0-9a-f:.]+\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A host that a call would reach, or a person it would write to."""

    text: str
    """The URL or address as it is written."""
    host: str
    """In lower case; empty if the text is ambiguous."""
    domain: str = ""
    """The domain that somebody has registered, as `example.co.uk`; empty for numbers, local names and what is not known."""
    shown: str = ""
    """The host in the letters that a browser shows, where it is written in punycode."""
    odd: str = ""
    """What is odd about it, as a clause."""
    outside: bool | None = None
    """Whether it is outside the organisation; None where nobody says what that is."""


def is_url(text: str) -> bool:
    """Whether a text is one URL."""
    return len(text) <= 4000 and bool(_URL.fullmatch(text.strip()))


def of_url(text: str, own: Sequence[str] = ()) -> Address:
    """What a URL reaches.

    Args:
        text: the URL.
        own: domains of the organisation, with all that is below them.
    """
    url = text.strip()
    found = hosts(url)
    if not found:
        match = _HOST.match(url)
        scheme = url.partition("://")[0].lower()
        odd = "its host is ambiguous" if scheme in ("http", "https", "ws", "wss", "ftp") else f"{scheme}: is no address of a host"
        return Address(url, "", odd=odd if match else "it has no host")
    address = of_host(url, found[0], own)
    return Address(url, address.host, address.domain, address.shown, address.odd or _odd_url(url), address.outside)


def _odd_url(url: str) -> str:
    if "@" in url.partition("://")[2].partition("/")[0]:
        return "it has a name or password before the host"
    return "it is not encrypted" if url.lower().startswith(("http://", "ftp://", "ws://")) else ""


def of_recipients(value: Any, own: Sequence[str] = ()) -> list[Address]:
    """The recipients that an argument names: a text with one or several, or a list of texts."""
    found = []
    for text in value[:MOST] if isinstance(value, list) else [value]:
        if not isinstance(text, str) or not text.strip():
            continue
        named = hosts(text)
        if not named:
            found.append(Address(text, "", odd="it is no plain address"))
        else:
            parts = [part.strip() for part in re.split("[,;]", text)] if len(named) > 1 else [text.strip()]
            found += [of_host(part, host, own) for part, host in zip(parts, named, strict=False)]
    return found


def of_host(text: str, host: str, own: Sequence[str]) -> Address:
    """What is known of a host."""
    shown = ".".join(_decoded(label) for label in host.split("."))
    similar = next((name for name in own if not _is_below(host, name) and Domain(name).looks_like(host)), "")
    odd = ""
    if similar:
        odd = f"looks like {similar}"
    elif shown != host:
        odd = f"is shown as {shown}" + (" in letters of several scripts" if _is_mixed(shown) else "")
    elif _NUMERIC.fullmatch(host):
        odd = "a number instead of a name"
    outside = None if not own else not any(_is_below(host, name) for name in own)
    return Address(text, host, registered_domain(host), shown if shown != host else "", odd, outside)


def _is_below(host: str, name: str) -> bool:
    return host == name.lower() or host.endswith(f".{name.lower()}")


def _decoded(label: str) -> str:
    try:
        return label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
    except UnicodeError:
        return label


def _is_mixed(text: str) -> bool:
    return len({unicodedata.name(c, "").partition(" ")[0] for c in text if c.isalpha()}) > 1


@cache
def _suffixes() -> Any:
    from publicsuffixlist import PublicSuffixList  # reads its list of suffixes, from its own folder: not before the first frame

    return PublicSuffixList()


def registered_domain(host: str) -> str:
    """The domain that somebody has registered for a host, by the public suffix list; empty if there is none."""
    if _NUMERIC.fullmatch(host) or "." not in host:
        return ""
    try:
        return str(_suffixes().privatesuffix(host) or "")
    except ImportError:
        return ""
