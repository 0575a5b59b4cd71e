"""Where the home is and what its `config.toml` says. An unknown key is an error; the file is never rewritten."""

from __future__ import annotations

import contextlib
import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from hitl_tui.errors import BadHome

HOME_VARIABLE = "HITL_TUI_HOME"
LONGEST_S = {"undo_s": 3600.0, "claim_s": 86_400.0, "time_limit_s": 1e8}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the user chose in `config.toml`; every field is a key of that file."""

    reviewer: str = ""
    """Who decides; empty means the login name."""
    theme: str = ""
    """A Textual theme; empty means the one picked for the terminal."""
    concurrency: int = 8
    """Runs one worker drives at a time."""
    undo_s: float = 3.0
    """Seconds for which a decision made in the console can be taken back before it takes effect."""
    claim_s: float = 900.0
    """Seconds for which a claim keeps the others from deciding a review; with 0 a claim only stops its escalation."""
    time_limit_s: float = 0.0
    """Seconds an agent may work on a run, waiting for people not counted; 0 for no limit. A launch may say otherwise."""
    reject_reasons: tuple[str, ...] = (
        "wrong recipient or target",
        "wrong content",
        "not needed",
        "too risky",
        "ask me first",
        "against policy",
    )
    """Presets of the reject dialog, keys 1 to 9."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Command id → key or keys, e.g. `approve = "y"`; `?` in the console lists the ids."""


@dataclass(frozen=True, slots=True)
class Home:
    """The folder that holds everything: databases, config, logs, and the working folders of runs."""

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "hitl.db"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints.db"

    @property
    def memory(self) -> Path:
        """LangGraph's long-term store, for graphs that take one."""
        return self.path / "memory.db"

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def run_log(self, run: int) -> Path:
        """What the run's agent printed."""
        return self.logs / f"run-{run}.log"

    def workdir(self, thread: str) -> Path:
        """The folder a run may work in; the name keeps threads apart whatever their ids look like."""
        plain = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in thread)
        return self.path / "work" / (plain[:120] or "%")

    @property
    def files(self) -> tuple[Path, ...]:
        """Our files directly in the folder, whether or not they exist, but for what repairs moved aside."""
        databases = (self.database, self.checkpoints, self.memory)
        return (*(path.with_name(path.name + end) for path in databases for end in ("", "-wal", "-shm")), self.path / "setup.lock")

    def prepare(self) -> Home:
        """Make the folder, private to its owner. One that was opened wider is closed again when it is ours alone; else only our files are.

        Raises:
            BadHome: it cannot be made or written.
        """
        try:
            for folder in (self.path, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadHome(f"the home {self.path} cannot be made: {error.strerror}", "choose another with --home DIR") from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise BadHome(f"the home {self.path} cannot be written", "change its permissions, or choose another with --home DIR")
        self._close()
        return self

    def _close(self) -> None:
        open_to_others = _is_open(self.path)
        for path in self.files:
            _make_private(path, 0o600)
        if not open_to_others or not self.is_ours():
            return
        _make_private(self.path, 0o700)
        for folder in (self.logs, self.path / "work"):
            _make_private(folder, 0o700)

    def is_ours(self) -> bool:
        """Whether the folder holds a database of ours and nothing that is not ours; `/tmp` or a login's home never is."""
        if not self.database.exists():
            return False
        with os.scandir(self.path) as entries:
            return all(_is_our_name(entry.name) for entry in entries)

    def open_to_others(self) -> list[Path]:
        """What of the home other users of this machine may enter or read, the folder itself first."""
        inside = (*self.files, self.logs, self.path / "work", *sorted(self.logs.glob("*")))
        found = [path for path in inside if _is_open(path)]
        return [self.path, *found] if _is_open(self.path) else found


def _is_our_name(name: str) -> bool:
    return name in ("logs", "work", "config.toml", "policy.toml", "setup.lock") or name.startswith(
        ("hitl.db", "checkpoints.db", "memory.db", ".room-")
    )


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & 0o077) and not path.is_symlink()
    except OSError:
        return False


def _make_private(path: Path, mode: int) -> None:
    if _is_open(path):
        with contextlib.suppress(OSError):  # somebody else's: `doctor` says so
            path.chmod(mode)


def find_home(option: str | None) -> Home:
    """The home from `--home`, else `HITL_TUI_HOME`, else the platform's place for user data."""
    chosen = option or os.environ.get(HOME_VARIABLE)
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    from platformdirs import user_data_path

    return Home(user_data_path("hitl-tui"))


def read_settings(home: Home) -> Settings:
    """Read `config.toml`; without one, the defaults.

    Raises:
        BadHome: not TOML, an unknown key, or a value of the wrong type; with the place.
    """
    try:
        text = home.config.read_text("utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        raise BadHome(f"{home.config} cannot be read: {error}", "correct it, or move it away") from None
    import tomllib  # most homes have no config, and the first frame waits for nothing

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadHome(f"{home.config} is not TOML: {error}", "correct it, or move it away") from None
    for key in table:
        if key not in {f.name for f in fields(Settings)}:
            known = ", ".join(f.name for f in fields(Settings))
            raise BadHome(f"{home.config} has an unknown key {key!r}", f"known keys: {known}")
    return Settings(**{key: _checked(home, key, value) for key, value in table.items()})


def _checked(home: Home, key: str, value: Any) -> Any:  # noqa: C901 - one case for each key
    def wrong(expected: str) -> BadHome:
        return BadHome(f"{home.config}: {key} is not {expected}", "correct it")

    match key:
        case "reviewer" | "theme":
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
        case "keys":
            if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
                raise wrong("a table of strings")
    return value


def login() -> str:
    """The login name, or `someone` where the system has none to give."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "someone"
