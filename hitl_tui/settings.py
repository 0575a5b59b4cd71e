"""Settings from `config.toml`. An unknown key is an error; the file is never rewritten."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hitl_tui.errors import BadHome
from hitl_tui.home import Home

if TYPE_CHECKING:
    from hitl_tui.servers import ServerTarget

Alert = Literal["bell", "notice", "both"]
"""What a terminal does: ring, show a notice (OSC 9), or both."""
ALERTS = ("arrival", "failure")
"""What may be alerted of."""
HOW = ("bell", "notice", "both")
LONGEST_S = {"undo_s": 3600.0, "claim_s": 86_400.0, "time_limit_s": 1e8}


@dataclass(frozen=True, slots=True)
class Settings:
    """What `config.toml` sets; each field is a key of that file."""

    reviewer: str = ""
    """Name of the person who decides; empty for the login name."""
    signing_key: str = ""
    """Key file with which decisions are signed, where a rule or people.toml demands it; empty for the key in ssh-agent or `~/.ssh`."""
    theme: str = ""
    """A Textual theme; empty for one that suits the terminal."""
    concurrency: int = 0
    """Runs one worker drives at a time; 0, where it is not set, for as many as the machine has room for."""
    undo_s: float = 3.0
    """Seconds in which a decision made in the console can be undone, before it takes effect."""
    claim_s: float = 900.0
    """Seconds a claim keeps others from deciding a review; with 0 a claim only stops the escalation."""
    time_limit_s: float = 0.0
    """Seconds an agent may work on a run, not counting time spent waiting for people; 0 for no limit. A launch can set its own."""
    reject_reasons: tuple[str, ...] = (
        "wrong recipient or target",
        "wrong content",
        "not needed",
        "too risky",
        "ask me first",
        "against policy",
    )
    """Preset reasons of the reject dialog, on keys 1 to 9."""
    title: bool = True
    """Whether the terminal's title says how many reviews wait."""
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    """`arrival` or `failure` → what the terminal does when a review arrives or a run fails while the console runs."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Command id → key or keys, e.g. `approve = "i"`; `?` in the console lists the ids."""
    servers: Mapping[str, ServerTarget] = field(default_factory=dict)
    """URL of a LangGraph server → how to reach it."""

    @property
    def key_file(self) -> Path | None:
        """The file of `signing_key`; None where it is not set."""
        return Path(self.signing_key).expanduser() if self.signing_key else None


def read_settings(home: Home) -> Settings:
    """Read a home's `config.toml`; the defaults where there is none.

    Raises:
        BadHome: the file cannot be read, is not TOML, or has an unknown key or a value of the wrong type.
    """
    if not home.config.exists():
        return Settings()
    import tomllib  # imported late: most homes have no config, and the first frame is waiting

    from hitl_tui.toml_reader import read_file

    try:
        text = read_file(home.config)
    except (OSError, UnicodeDecodeError) as error:
        raise BadHome(f"{home.config} cannot be read: {error}", "correct it, or move it away") from None
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadHome(f"{home.config} is not TOML: {error}", "correct it, or move it away") from None
    for key in table:
        if key not in {f.name for f in fields(Settings)}:
            known = ", ".join(f.name for f in fields(Settings))
            raise BadHome(f"{home.config} has an unknown key {key!r}", f"known keys: {known}")
    return Settings(**{key: _checked(home, key, value) for key, value in table.items()})


def _checked(home: Home, key: str, value: Any) -> Any:  # noqa: C901, PLR0912 - one case for each key
    def wrong(expected: str) -> BadHome:
        return BadHome(f"{home.config}: {key} is not {expected}", "correct it")

    match key:
        case "reviewer" | "theme" | "signing_key":
            if not isinstance(value, str):
                raise wrong("a string")
        case "concurrency":
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1000:
                raise wrong("a number from 1 to 1000")
        case "undo_s" | "claim_s" | "time_limit_s":
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= LONGEST_S[key]:
                raise wrong(f"a number of seconds from 0 to {LONGEST_S[key]:,.0f}")
            return float(value)
        case "reject_reasons":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or len(value) > 9:
                raise wrong("a list of at most 9 strings")
            return tuple(value)
        case "title":
            if not isinstance(value, bool):
                raise wrong("true or false")
        case "alerts":
            if not isinstance(value, dict) or not all(name in ALERTS and how in HOW for name, how in value.items()):
                raise wrong(f"a table of {' and '.join(ALERTS)}, each with {', '.join(HOW[:-1])} or {HOW[-1]}")
        case "keys":
            if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
                raise wrong("a table of strings")
        case "servers":
            from hitl_tui.servers import read_tables  # most configs have none

            return read_tables(value, home.config)
    return value


def login() -> str:
    """The name of the operating system's user, or `someone` where the system has none."""
    with contextlib.suppress(OSError, KeyError, ImportError):
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name  # not what LOGNAME says, which anybody can set
    with contextlib.suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return "someone"
