"""Where policies are, and reading them: the only part of this room that touches the disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hitl_tui.errors import BadPolicy, HitlError
from hitl_tui.policy.reading import LONGEST, parse
from hitl_tui.policy.rules import Policy

NAME = "policy.toml"


def policy_paths(home: Path, project: Path | None = None) -> tuple[Path, ...]:
    """Where a policy may be; the first that exists counts.

    The home's comes first: agents may write in their project's folder, and must not be able to loosen what is asked of them.
    """
    return (home / NAME, *((project / NAME,) if project else ()))


def read_text(path: Path) -> str:
    """The text of a policy.

    Raises:
        BadPolicy: there is none, or it cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(LONGEST + 1)
    except FileNotFoundError:
        raise BadPolicy(f"there is no {path}", "`hitl-tui policy init` writes one to start from") from None
    except UnicodeDecodeError:
        raise BadPolicy(f"{path} is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise BadPolicy(f"{path} cannot be read: {error.strerror}", "check its permissions") from None


def read_policy(path: Path) -> Policy:
    """Read a policy.

    Raises:
        BadPolicy: it cannot be read or has a mistake, with the line.
    """
    return parse(read_text(path), str(path))


class PolicyFile:
    """A policy that is read again when its file changes.

    While the file is broken, everything asks: the policy it then gives has a `problem`, and its groups, chain and notices are those of
    the last one that could be read. A file that is gone is no policy, and everything asks too.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._seen: tuple[object, ...] | None = None
        self._good = Policy()
        self._now: Policy | None = None

    def current(self) -> Policy | None:
        """The policy as the file is now; None when there is none. Costs one or two `stat` while nothing changes."""
        found = next(filter(None, map(_looks, self._paths)), None)
        if found is None:
            self._seen = self._now = None
        elif found != self._seen:
            self._now = self._read(Path(str(found[0])))
            self._seen = found
        return self._now

    def _read(self, path: Path) -> Policy:
        try:
            self._good = read_policy(path)
        except HitlError as error:
            return replace(self._good, problem=str(error))
        return self._good


def _looks(path: Path) -> tuple[object, ...] | None:
    """What changes when the file does; None when there is none. One that cannot be looked at is there, and broken."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return (path, 0)
    return (path, found.st_mtime_ns, found.st_size, found.st_ino)
