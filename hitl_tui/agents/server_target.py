"""A LangGraph server as a target: where it is, by which names its credentials are found, and which of its threads are reviewed here.

Imports neither LangGraph nor an HTTP client. Secrets are never in a target: it names environment variables, which only the worker reads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hitl_tui.errors import BadTarget
from hitl_tui.model import Json

POLL_S = 0.75
"""Seconds between two looks for threads that changed."""


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """A LangGraph server and how to reach it."""

    url: str
    """`http://…` or `https://…`, without a slash at its end."""
    label: str
    """The server's name, for people."""
    api_key: str = ""
    """Name of the environment variable that holds the key sent as `x-api-key`; empty for none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header → name of the environment variable that holds its value."""
    ca: Path | None = None
    """A file of certificates (PEM) to trust in place of the system's."""
    assistants: tuple[str, ...] = ()
    """Names or ids of assistants, or graphs' names: only these are listed and reviewed. Empty for all."""
    metadata: Mapping[str, Json] = field(default_factory=dict)
    """Only threads of others whose metadata has these values are reviewed, such as `{"owner": "ann"}`."""
    poll_s: float = POLL_S

    @property
    def key(self) -> str:
        """The project's identity."""
        return self.url

    @property
    def root(self) -> None:
        """A server has no folder on this machine."""
        return None

    def secrets(self) -> dict[str, str]:
        """The headers to send, with their values read from the environment.

        Raises:
            BadTarget: a variable that is named is not set, or cannot be a header's value.
        """
        named = {**({"x-api-key": self.api_key} if self.api_key else {}), **self.headers}
        found = {header: os.environ.get(variable, "").strip() for header, variable in named.items()}
        for header, value in found.items():
            if not value:
                raise BadTarget(f"{named[header]} is not set, which should hold the {header} of {self.label}", "export it, and start again")
            if not value.isprintable() or not value.isascii():
                raise BadTarget(f"{named[header]} holds characters that no header can have", "correct it, and start again")
        return found
