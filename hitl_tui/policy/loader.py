"""Where policies are, and reading them: the only part of this room that touches the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hitl_tui.errors import BadPolicy
from hitl_tui.policy.parser import LONGEST, examine, parse, refusal
from hitl_tui.policy.schema import Policy, Problem

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


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """A policy as its file is now."""

    path: Path | None = None
    """The file that counts; None when there is none."""
    policy: Policy | None = None
    digest: str = ""
    """SHA-256 (hex) of its text; empty where that cannot be read."""
    problems: tuple[Problem, ...] = ()
    """Mistakes and warnings, in order of lines."""


class PolicyFile:
    """A policy that is read again when its file changes.

    While the file is broken, everything asks: the policy it then gives has a `problem`, and its groups, chain and notices are those of
    the last one that could be read, or where there was none, what of them can be read of this one. A file that is gone is no policy,
    and everything asks too.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        """Where it may be; the first that exists counts."""
        self._seen: tuple[object, ...] | None = None
        self._good: Policy | None = None
        self._now = PolicyStatus()

    def current(self) -> Policy | None:
        """The policy as the file is now; None when there is none. Costs one or two `stat` while nothing changes."""
        return self.now().policy

    def now(self) -> PolicyStatus:
        """The same with all that is known of the file; the same object while nothing changes."""
        found = next(filter(None, map(_file_state, self.paths)), None)
        if found != self._seen:
            self._now = self._read(Path(str(found[0]))) if found else PolicyStatus()
            self._seen = found
        return self._now

    def absent(self) -> tuple[Path, ...]:
        """Places where there is none."""
        return tuple(path for path in self.paths if _file_state(path) is None)

    def _read(self, path: Path) -> PolicyStatus:
        try:
            text = read_text(path)
        except BadPolicy as error:
            problem = Problem(1, error.happened, error.todo)
            return PolicyStatus(path, replace(self._good or _salvaged(Policy()), problem=str(error)), problems=(problem,))
        digest = hashlib.sha256(text.encode()).hexdigest()
        policy, problems = examine(text)
        if refused := refusal(problems, str(path)):
            return PolicyStatus(path, replace(self._good or _salvaged(policy), problem=str(refused)), digest, tuple(problems))
        self._good = policy
        return PolicyStatus(path, policy, digest, tuple(problems))


def _salvaged(read: Policy) -> Policy:
    """What of a file with mistakes still holds: who is asked. No more is let out than the link, and a run that fails asks too."""
    whole = all(step.to and (step.after_s or not number) for number, step in enumerate(read.chain))
    notify = replace(read.notify, content="nothing")
    return Policy(groups=read.groups, chain=read.chain if whole else (), errors=True, notify=notify)


class Policies:
    """The policies of a home and of the projects whose runs are looked at."""

    def __init__(self, home: Path, root_of: Callable[[str], Path | None], targets: Sequence[str] = ()) -> None:
        """`root_of` gives the folder of a project as it is registered; `targets` are those that are meant when none is named."""
        self._home = home
        self._root_of = root_of
        self._targets = tuple(targets)
        self._files: dict[str, PolicyFile] = {}

    def of(self, target: str = "") -> PolicyFile:
        """The policy of a project: the home's, else that of its folder."""
        if target not in self._files:
            folders = [root for one in ((target,) if target else self._targets) if (root := self._root_of(one))]
            project = [path for folder in folders for path in policy_paths(self._home, folder)[1:]]
            self._files[target] = PolicyFile((*policy_paths(self._home), *project))
        return self._files[target]


def _file_state(path: Path) -> tuple[object, ...] | None:
    """What changes when the file does; None when there is none. One that cannot be looked at is there, and broken."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return (path, 0)
    return (path, found.st_mtime_ns, found.st_size, found.st_ino)
