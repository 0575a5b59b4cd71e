"""Reads a home's people.toml, and reads it again when it changes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hitl_tui.errors import BadPeople
from hitl_tui.model import EVERYBODY, People

if TYPE_CHECKING:
    from hitl_tui.toml_reader import Problem

NAME = "people.toml"
CHECK = "hitl-tui people check"


@dataclass(frozen=True, slots=True)
class PeopleStatus:
    """A people.toml as it is now, with its problems."""

    people: People = EVERYBODY
    digest: str = ""
    """SHA-256 (hex) of its bytes; empty if there is no file, or it cannot be read."""
    problems: tuple[Problem, ...] = ()
    """Errors and warnings, in order of lines."""


def read_text(path: Path) -> str:
    """Read the text of a people.toml.

    Raises:
        FileNotFoundError: there is none.
        BadPeople: it cannot be read.
    """
    from hitl_tui.toml_reader import read_file  # most homes have no people.toml, and the first frame is waiting

    try:
        return read_file(path, newline="")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError:
        raise BadPeople(f"{path} is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise BadPeople(f"{path} cannot be read: {error.strerror}", "check its permissions") from None


def read_status(path: Path) -> PeopleStatus:
    """Read a people.toml. Without the file everybody may do everything; while it has a mistake, nobody may do anything but look."""
    if not _state(path):
        return PeopleStatus()
    from hitl_tui.people.parser import parse_with_problems
    from hitl_tui.toml_reader import Problem, first_mistake

    try:
        text = read_text(path)
    except FileNotFoundError:
        return PeopleStatus()
    except BadPeople as error:
        return PeopleStatus(People(is_checked=True, problem=str(error)), problems=(Problem(1, error.happened, error.todo),))
    people, problems = parse_with_problems(text)
    if found := first_mistake(problems, NAME, CHECK):
        people = replace(people, problem=str(BadPeople(*found)))
    return PeopleStatus(people, hashlib.sha256(text.encode()).hexdigest(), tuple(problems))


class PeopleFile:
    """The people.toml of a home."""

    def __init__(self, home: Path) -> None:
        self.path = home / NAME
        self._seen: object = ()
        self._now = PeopleStatus()

    def now(self) -> PeopleStatus:
        """Its people, digest and problems. Returns the same object, and costs one `stat` call, while nothing changes."""
        state = _state(self.path)
        if state != self._seen:
            self._now, self._seen = read_status(self.path), state
        return self._now

    def current(self) -> People:
        """The people as the file is now."""
        return self.now().people


def _state(path: Path) -> tuple[int, ...] | None:
    """A value that changes whenever the file does; None if there is none. A file that cannot be examined counts as present."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return (0,)
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
