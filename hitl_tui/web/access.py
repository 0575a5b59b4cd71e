"""Who a browser belongs to: a link that works once and becomes a session cookie, or the header of a proxy.

The server keeps only hashes of links and cookies. Links are files in the home, so that only who can write it can make one.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from hitl_tui.errors import BadHome, Refused
from hitl_tui.home import Home
from hitl_tui.people.file import PeopleFile

LINK_S = 15 * 60.0
"""How long a link works."""
SESSION_S = 12 * 3600.0
"""How long a session cookie works."""
MOST_SESSIONS = 1000
"""Session cookies that are known at a time; the oldest go first."""
ASK_AGAIN = "ask for another link: `hitl-tui web-link NAME` prints one"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def make_link(home: Home, person: str, for_s: float = LINK_S) -> str:
    """Make a token that lets a person in once. Returns the token.

    Raises:
        BadHome: the home cannot be written.
    """
    token = secrets.token_urlsafe(32)
    try:
        home.web.mkdir(mode=0o700, exist_ok=True)
        path = home.web / f"link-{_hashed(token)}"
        path.touch(mode=0o600)
        path.write_text(json.dumps({"person": person, "until": time.time() + for_s}), "utf-8")
    except OSError as error:
        raise BadHome(f"{home.web} cannot be written: {error.strerror}", "change its permissions") from None
    return token


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """What a request says of where it comes from."""

    address: str
    """Of the other end of the connection."""
    host: str
    """Its header Host."""
    origin: str | None
    """Its header Origin, which browsers send and pages cannot change."""
    cookie: str
    """The session cookie; empty for none."""
    named: Sequence[str] = ()
    """The values of the proxy's identity header."""


@dataclass
class Access:
    """Decides whether a request is from a page of this server, and from whom."""

    home: Home
    origins: frozenset[str]
    """Where pages of this server are, like `http://127.0.0.1:8712`."""
    identity_header: str = ""
    """The header in which a proxy names the person; empty if links are used."""
    trusted: tuple[Network, ...] = ()
    """The addresses of proxies whose header is believed."""
    _sessions: dict[str, tuple[str, float]] = field(default_factory=dict)
    """By hashed cookie: the person, and when it ends (seconds of `time.monotonic`)."""
    _people: PeopleFile = field(init=False)

    def __post_init__(self) -> None:
        self._people = PeopleFile(self.home.path)

    def check_host(self, caller: Caller) -> None:
        """Refuse a request that was sent to another name: a foreign page may let its own name point here.

        Raises:
            Refused: the name is none of this server's.
        """
        if caller.host.lower() not in {urlsplit(origin).netloc for origin in self.origins}:
            raise Refused(f"this server is not {caller.host[:100]!r}", "open it at the address that it was started with (--url)")

    def check_origin(self, caller: Caller) -> None:
        """Refuse what a page of another site sends.

        Raises:
            Refused: the request has no Origin, or a foreign one.
        """
        if (caller.origin or "").lower() not in self.origins:
            raise Refused(f"a page of {(caller.origin or 'nowhere')[:100]!r} may not use this server", "open the console itself")

    def enter(self, token: str) -> str:
        """Use up a link's token, and begin a session. Returns its cookie.

        Raises:
            Refused: there is no such link, it was used, or its time is over.
        """
        if self.identity_header:
            raise Refused("links are not used here", "the proxy in front of this server says who you are")
        found = self._use_up(self.home.web / f"link-{_hashed(token)}")
        if found is None:
            raise Refused("this link was used, or its time is over", ASK_AGAIN)
        cookie, now = secrets.token_urlsafe(32), time.monotonic()
        self._sessions = {key: one for key, one in self._sessions.items() if one[1] > now}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_hashed(cookie)] = (found, now + SESSION_S)
        return cookie

    def leave(self, cookie: str) -> None:
        """End a session."""
        self._sessions.pop(_hashed(cookie), None)

    def person(self, caller: Caller) -> str:
        """Who sends a request.

        Raises:
            Refused: nobody knows.
        """
        if self.identity_header:
            return self._named_by_proxy(caller)
        person, until = self._sessions.get(_hashed(caller.cookie), ("", 0.0))
        if not caller.cookie or until <= time.monotonic():
            raise Refused("this session is over" if caller.cookie else "you are not signed in", ASK_AGAIN)
        return person

    def _named_by_proxy(self, caller: Caller) -> str:
        address = ipaddress.ip_address(caller.address.partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if not any((mapped or address) in network for network in self.trusted):
            raise Refused(f"{caller.address} is not a proxy that may say who you are", "connect through the proxy (--trust names it)")
        if len(caller.named) != 1 or not caller.named[0].strip():
            told = "more than once" if len(caller.named) > 1 else "not at all"
            raise Refused(f"the proxy names you {told} in {self.identity_header}", "correct how the proxy signs people in")
        name, people = caller.named[0].strip(), self._people.current()
        person = people.called(name)
        if person is None and people.find(name):
            raise Refused(f"{name[:60]!r} is a name of one person and the address of another", "correct people.toml")
        return person.name if person else name

    def _use_up(self, path: Path) -> str | None:
        """The person of a link, which then works no more; None if there is no such link. Of two requests at once, one gets it."""
        taken = path.with_name(f"used-{secrets.token_hex(8)}")
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            path.rename(taken)
            try:
                found = json.loads(taken.read_text("utf-8"))
            finally:
                taken.unlink()
            if float(found["until"]) > time.time():
                return str(found["person"])
        return None


def forget_old_links(home: Home) -> None:
    """Delete the links whose time is over."""
    with contextlib.suppress(OSError):
        for path in home.web.glob("link-*"):
            if time.time() - path.stat().st_mtime > LINK_S:
                path.unlink()


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read addresses of proxies, like `10.0.0.5` or `10.0.0.0/24`.

    Raises:
        Refused: one of them is no address.
    """
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            raise Refused(f"{text!r} is no address", "write 10.0.0.5 or 10.0.0.0/24") from None
    return tuple(found)


def origin_of(url: str) -> str:
    """The origin of a URL, in the form in which browsers send it.

    Raises:
        Refused: it is no URL of a site.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise Refused(f"{url!r} is no address of a site", "write https://review.example.com")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != usual else "")


def loopback_origins(port: int) -> frozenset[str]:
    """The origins of a server on this machine's own addresses."""
    return frozenset(origin_of(f"http://{host}:{port}") for host in ("127.0.0.1", "localhost", "[::1]"))
