"""The home: the folder that holds databases, config, logs and working folders, and who may read it."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hitl_tui.errors import BadHome

HOME_VARIABLE = "HITL_TUI_HOME"
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_RESERVED = re.compile(r"con|prn|aux|nul|(?:com|lpt)[0-9]")
"""Names that Windows keeps for devices; WSL can have the home on its file system."""
_UNSAFE = re.compile(r"[^A-Za-z0-9_]+")

OWN_PYTHON = "HITL_TUI_OWN_PYTHON"
"""Set in a worker that runs in its project's environment: the interpreter of hitl-tui's own, in which it starts again."""


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder and the paths in it."""

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
    def people(self) -> Path:
        return self.path / "people.toml"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def console_log(self) -> Path:
        """Log file of what has ended a console."""
        return self.logs / "console.log"

    @property
    def workers(self) -> Path:
        """Folder with a file for each living worker, which its process holds locked."""
        return self.path / "workers"

    @property
    def web(self) -> Path:
        """Folder of `hitl-tui serve`: the links that it accepts, and where it is."""
        return self.path / "web"

    @property
    def web_address(self) -> Path:
        """File with the address of the running `hitl-tui serve`."""
        return self.web / "address"

    @property
    def drafts(self) -> Path:
        """Folder of texts that were typed and not sent in sessions that ended."""
        return self.path / "drafts"

    def run_log(self, run: int) -> Path:
        """Log file of what a run's agent printed."""
        return self.logs / f"run-{run}.log"

    def workdir(self, thread: str) -> Path:
        """Folder that a run may work in: its own for any thread id, on every file system.

        A short id of lower-case ASCII is the name; another has a hash in its name. A folder that 0.1.0 made is used on if no other thread
        can have it.
        """
        if _PLAIN.fullmatch(thread) and not _RESERVED.fullmatch(thread):
            return self.path / "work" / thread  # which 0.1.0 called the same
        earlier = "".join(c if c.isalnum() or c in "-_" else f"%{ord(c):x}" for c in thread)
        if len(earlier.encode()) <= 120 and (self.path / "work" / (earlier or "%")).is_dir():
            return self.path / "work" / (earlier or "%")
        import hashlib  # not before the console's first frame

        digest = hashlib.sha256(thread.encode("utf-8", "surrogatepass")).hexdigest()
        return self.path / "work" / f"{_UNSAFE.sub('-', thread[:40]).lower()}%{digest[:32]}"

    @property
    def files(self) -> tuple[Path, ...]:
        """Paths of our files directly in the folder, existing or not; files that repairs moved aside are not among them."""
        databases = (self.database, self.checkpoints, self.memory)
        return (*(path.with_name(path.name + end) for path in databases for end in ("", "-wal", "-shm")), self.path / "setup.lock")

    def prepare(self) -> Home:
        """Create the folder, private to its owner, and make it private again if others may enter it.

        A folder that also holds files of others keeps its permissions; then only our files are made private.

        Raises:
            BadHome: the folder cannot be created or written.
        """
        try:
            for folder in (self.path, self.logs):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise BadHome(f"the home {self.path} cannot be created: {error.strerror}", "choose another with --home DIR") from None
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise BadHome(f"the home {self.path} cannot be written", "change its permissions, or choose another with --home DIR")
        self._make_private()
        return self

    def _make_private(self) -> None:
        open_to_others = _is_open(self.path)
        for path in self.files:
            _make_private(path, 0o600)
        if not open_to_others or not self.is_ours():
            return
        _make_private(self.path, 0o700)
        for folder in (self.logs, self.path / "work", self.workers, self.web, self.drafts):
            _make_private(folder, 0o700)

    def is_ours(self) -> bool:
        """Whether the folder holds our database and nothing but our files; false for folders like `/tmp` or a login's home."""
        if not self.database.exists():
            return False
        with os.scandir(self.path) as entries:
            return all(_is_our_name(entry.name) for entry in entries)

    def open_to_others(self) -> list[Path]:
        """Paths in the home that other users of this machine may enter or read, the folder itself first."""
        inside = (*self.files, self.logs, self.path / "work", self.workers, self.web, self.drafts, *sorted(self.logs.glob("*")))
        found = [path for path in inside if _is_open(path)]
        return [self.path, *found] if _is_open(self.path) else found


def _is_our_name(name: str) -> bool:
    ours = ("logs", "work", "workers", "web", "drafts", "config.toml", "policy.toml", "people.toml", "setup.lock")
    return name in ours or name.startswith(("hitl.db", "checkpoints.db", "memory.db", ".room-"))


def _is_open(path: Path) -> bool:
    try:
        return bool(path.lstat().st_mode & 0o077) and not path.is_symlink()
    except OSError:
        return False


def _make_private(path: Path, mode: int) -> None:
    if _is_open(path):
        with contextlib.suppress(OSError):  # somebody else's file: `doctor` reports it
            path.chmod(mode)


def database_uri(path: Path, mode: Literal["ro", "rw"]) -> str:
    """SQLite's URI of a database; in its path, `?`, `#` and `%` stand for themselves."""
    return f"{path.absolute().as_uri()}?mode={mode}"


def sample_agents() -> Path:
    """The folder of the sample agents: beside the package in a checkout, inside the package in a wheel."""
    package = Path(__file__).parent
    installed = package / "_sample_agents"
    return installed if installed.is_dir() else package.parent / "sample_agents"


def home_option(home: Path) -> str:
    """`--home DIR` for a shell; empty for the folder that is used without it, whatever the environment of another shell says."""
    from platformdirs import user_data_path

    return "" if home == user_data_path("hitl-tui") else f"--home {shlex.quote(str(home))}"


def find_home(option: str | None) -> Home:
    """Find the home: `option` (from `--home`), else the variable `HITL_TUI_HOME`, else the platform's folder for user data."""
    chosen = option or os.environ.get(HOME_VARIABLE)
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    from platformdirs import user_data_path

    return Home(user_data_path("hitl-tui"))
