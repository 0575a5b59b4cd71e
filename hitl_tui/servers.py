"""LangGraph servers as targets: the form of their addresses, and the tables `[servers."URL"]` of config.toml.

A key or token is in no file of hitl-tui: tables name the environment variable that holds it, and only the worker reads that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hitl_tui.errors import BadHome, BadTarget
from hitl_tui.model import Json
from hitl_tui.suggest import did_you_mean

SCHEMES = ("https", "http", "langgraph")
API_KEY_HEADER = "x-api-key"
POLL_S = 0.75
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"https": 443, "http": 80}
FORMS = "write it like https://agents.example.com or langgraph://localhost:2024"
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def is_url(target: str) -> bool:
    """Whether a target has the form of a URL, whichever its scheme."""
    return bool(_URL.match(target))


def address(target: str) -> str:
    """The URL of a server in the one form that is stored: scheme and host in lower case, no default port, no slash at the end.

    `langgraph://host:port` is `http://host:port`, as `langgraph dev` serves it; without a port it is `https://host`.

    Raises:
        BadTarget: the scheme is unknown, the host is missing, or the URL holds a password, a query or a fragment.
    """
    try:
        parts = urlsplit(target)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise BadTarget(f"{_without_password(target)[:200]} is no address: {error}", FORMS) from None
    scheme = parts.scheme.lower()
    if scheme not in SCHEMES:
        raise BadTarget(f"{scheme}:// is no scheme of a LangGraph server", FORMS)
    if not host:
        raise BadTarget(f"{_without_password(target)[:200]} names no host", FORMS)
    if not host.isascii():
        raise BadTarget(f"the host {host} is not in ASCII, where names that look alike differ", "write it as xn--…")
    if parts.username is not None or parts.password is not None:
        raise BadTarget(
            f"the address of {host} holds a name or password, which would be stored", f'name a variable in [servers."{scheme}://{host}"]'
        )
    if parts.query or parts.fragment:
        raise BadTarget(f"the address of {host} has a query or fragment", FORMS)
    if scheme == "langgraph":
        scheme = "http" if port else "https"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}{f':{port}' if port not in (None, PORTS[scheme]) else ''}{parts.path.rstrip('/')}"


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A LangGraph server, how to reach it, and which of its threads are reviewed. It holds no secret, only names of variables."""

    url: str
    """As `address` returns it: `http://…` or `https://…`, without a slash at its end."""
    api_key: str = ""
    """Name of the environment variable that holds the key sent as `x-api-key`; empty to send none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header → name of the environment variable that holds its value."""
    ca: Path | None = None
    """A file of certificates (PEM) to trust in place of the system's."""
    assistants: tuple[str, ...] = ()
    """Names or ids of assistants, or graphs' names: only these are listed and reviewed. Empty for all."""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    """Only threads of others whose metadata has these values are reviewed, such as `{"owner": "ann"}`."""
    poll_s: float = POLL_S
    """Seconds between two looks for threads that changed."""

    @property
    def key(self) -> str:
        """The project's identity."""
        return self.url

    @property
    def label(self) -> str:
        """The server's name, for people."""
        return self.url.partition("://")[2]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is unsafe about the connection, one sentence each."""
        parts = urlsplit(self.url)
        if parts.scheme == "https" or parts.hostname in LOCAL_HOSTS:
            return ()
        return ("nothing is encrypted on the way to this server, neither the key nor what agents ask: use https://",)

    @property
    def root(self) -> None:
        """A server has no folder on this machine."""
        return None

    def secrets(self, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
        """The headers to send, with their values read from the environment.

        Raises:
            BadTarget: a variable that is named is not set, or cannot be a header's value.
        """
        named = {**({API_KEY_HEADER: self.api_key} if self.api_key else {}), **self.headers}
        found = {header: environ.get(variable, "").strip() for header, variable in named.items()}
        for header, value in found.items():
            if not value:
                raise BadTarget(f"{named[header]} is not set, which should hold the {header} of {self.label}", "export it, and start again")
            if not value.isprintable() or not value.isascii():
                raise BadTarget(f"{named[header]} holds characters that no header can have", "correct it, and start again")
        return found


def read_tables(raw: Any, config: Path) -> dict[str, ServerTarget]:
    """Read the tables `[servers."URL"]`, by the URL as `address` returns it.

    Raises:
        BadHome: a table has an unknown key, a value of the wrong type, or a secret in plain text; `config` names the file.
    """
    if not isinstance(raw, dict):
        raise BadHome(f"{config}: servers is not a table", 'write [servers."https://agents.example.com"] on a line of its own')
    found: dict[str, ServerTarget] = {}
    for given, table in raw.items():
        try:
            url = address(given)
        except BadTarget as error:
            raise BadHome(f"{config}: {error.happened}", error.todo) from None
        if url in found:
            raise BadHome(f"{config} has two tables for {url}", "join them")
        if not isinstance(table, dict):
            raise BadHome(f'{config}: [servers."{given}"] is not a table', "correct it")
        for key in table:
            if key not in READERS:
                raise BadHome(f'{config}: unknown key {key!r} in [servers."{given}"]', did_you_mean(key, READERS))
        where = f'{config}: [servers."{given}"]'
        found[url] = ServerTarget(url, **{READERS[key][0]: READERS[key][1](f"{where} {key}", value) for key, value in table.items()})
    return found


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadHome(f"{where} is not a text", "correct it")
    return value


def _variable(where: str, value: Any) -> str:
    if not isinstance(value, str) or not _VARIABLE.fullmatch(value):
        raise BadHome(f"{where} is not the name of an environment variable", "name the variable, never its value")
    return value


def _header(where: str, name: str) -> str:
    if not _HEADER.fullmatch(name):
        raise BadHome(f"{where}: {name!r} is not the name of a header", "correct it")
    return name.lower()


def _table(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadHome(f"{where} is not a table", "correct it")
    return value


def _headers_env(where: str, value: Any) -> dict[str, str]:
    return {_header(where, name): _variable(f"{where}: {name}", variable) for name, variable in _table(where, value).items()}


def _ca_file(where: str, value: Any) -> Path:
    path = Path(_text(where, value)).expanduser()
    if not path.is_absolute():
        raise BadHome(f"{where} is not an absolute path", "correct it")
    return path


def _seconds(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0.1 <= value <= 3600:
        raise BadHome(f"{where} is not a number of seconds from 0.1 to 3600", "correct it")
    return float(value)


def _assistants(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise BadHome(f"{where} is not a list of names or ids", "correct it")
    return tuple(value)


def _metadata(where: str, value: Any) -> dict[str, Json]:
    if not all(isinstance(one, str | bool | int | float) for one in _table(where, value).values()):
        raise BadHome(f"{where} holds something else than texts, numbers and booleans", "correct it")
    return dict(value)


READERS: Mapping[str, tuple[str, Callable[[str, Any], Any]]] = {
    "api_key_env": ("api_key", _variable),
    "headers_env": ("headers", _headers_env),
    "ca_file": ("ca", _ca_file),
    "assistants": ("assistants", _assistants),
    "metadata": ("metadata", _metadata),
    "poll_s": ("poll_s", _seconds),
}
"""Key of a server's table → the field that it sets, and what reads and checks the value."""


def _without_password(target: str) -> str:
    """A target as it may be printed."""
    return re.sub(r"//[^/@]*@", "//…@", target)
