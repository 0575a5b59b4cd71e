"""Finds policy.toml files, reads them, and reads them again when they change. The only module of policy/ that touches the disk.

Agents may write into the folder of their project, so a policy there is in force only once a person has accepted its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hitl_tui.errors import BadPolicy
from hitl_tui.model import EVERYBODY, People
from hitl_tui.people.file import PeopleFile
from hitl_tui.policy.parser import parse, parse_with_problems, refusal
from hitl_tui.policy.schema import Policy
from hitl_tui.toml_reader import Problem, read_file

NAME = "policy.toml"
NOT_ACCEPTED = "nobody has accepted the policy in the agents' folder as it is now"
ACCEPT = "read it, then accept it: F5 and `a`, or `hitl-tui policy accept`"

Accepted = Callable[[Path, str], bool]
"""Whether the policy at a path is accepted with this digest."""


def never(path: Path, digest: str) -> bool:
    """Accepts no policy outside of the home."""
    return False


def policy_paths(home: Path, project: Path | None = None) -> tuple[Path, ...]:
    """Paths where a policy may be; the first that exists counts.

    The home's comes first: agents may write into their project's folder, and must not be able to loosen their own policy.
    """
    return (home / NAME, *((project / NAME,) if project else ()))


def read_text(path: Path) -> str:
    """Read the text of a policy file.

    Raises:
        BadPolicy: there is no such file, or it cannot be read.
    """
    try:
        return read_file(path)
    except FileNotFoundError:
        raise BadPolicy(f"there is no {path}", "`hitl-tui policy init` writes one to start from") from None
    except UnicodeDecodeError:
        raise BadPolicy(f"{path} is not UTF-8", "save it as UTF-8") from None
    except OSError as error:
        raise BadPolicy(f"{path} cannot be read: {error.strerror}", "check its permissions") from None


def read_policy(path: Path, people: People = EVERYBODY) -> Policy:
    """Read and parse a policy file. Its rules may name groups of these people.

    Raises:
        BadPolicy: the file cannot be read or has a mistake; the message names the line.
    """
    return parse(read_text(path), str(path), people)


def digest_of(text: str) -> str:
    """SHA-256 (hex) of a policy's text: what a person accepts."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class PolicyStatus:
    """The policy of a file as it is now, with the file's problems."""

    path: Path | None = None
    """The file in use; None if there is none."""
    policy: Policy | None = None
    digest: str = ""
    """SHA-256 (hex) of its text; empty if it cannot be read."""
    accepted: bool = True
    """False for a policy in an agents' folder, as long as no person has accepted this digest: then everything asks."""
    problems: tuple[Problem, ...] = ()
    """Errors and warnings, in order of lines."""


class PolicyFile:
    """A policy file that is read again when it changes.

    While the file has errors, every action asks: its policy has a `problem`, and groups, chain and notifications come from the last usable
    version, or if there was none, from the parts of the current file that parse. Without a file there is no policy, and every action asks.
    The same holds for a file outside of the home that no person has accepted as it is, of which nothing but the rules is shown.
    """

    def __init__(self, paths: Sequence[Path], accepted: Accepted = never, people: Callable[[], People] = lambda: EVERYBODY) -> None:
        """Find a policy.

        Args:
            paths: where it may be; the first one's folder is the home.
            accepted: tells of a file outside of the home whether a person has accepted it.
            people: returns the people of the home, whose groups rules may name.
        """
        self.paths = tuple(paths)
        """Paths where the file may be; the first that exists counts."""
        self._accepted = accepted
        self._people = people
        self._seen: tuple[object, ...] | None = None
        self._read_with = EVERYBODY
        self._good: Policy | None = None
        self._now = PolicyStatus()

    def current(self) -> Policy | None:
        """The current policy; None if there is no file. Costs one or two `stat` calls while nothing changes."""
        return self.now().policy

    def now(self) -> PolicyStatus:
        """The current policy with its path, digest and problems. Returns the same object while nothing changes."""
        found = next(filter(None, map(_file_state, self.paths)), None)
        now, people = self._now, self._people()
        if found != self._seen or people is not self._read_with or (not now.accepted and now.path and self._accepted(now.path, now.digest)):
            self._seen, self._read_with = found, people
            self._now = self._read(Path(str(found[0]))) if found else PolicyStatus()
        return self._now

    def absent(self) -> tuple[Path, ...]:
        """Paths at which there is no file."""
        return tuple(path for path in self.paths if _file_state(path) is None)

    def _read(self, path: Path) -> PolicyStatus:
        try:
            text = read_text(path)
        except BadPolicy as error:
            problem = Problem(1, error.happened, error.todo)
            return PolicyStatus(path, replace(self._good or _salvaged(Policy()), problem=str(error)), problems=(problem,))
        digest = digest_of(text)
        in_home = path.parent == self.paths[0].parent
        is_accepted = in_home or self._accepted(path, digest)
        policy, problems = parse_with_problems(text, in_home, self._read_with)
        if refused := refusal(problems, str(path)):
            salvaged = self._good or (_salvaged(policy) if is_accepted else Policy(errors=True))
            return PolicyStatus(path, replace(salvaged, problem=str(refused)), digest, is_accepted, tuple(problems))
        if not is_accepted:
            problem = Problem(1, NOT_ACCEPTED, ACCEPT)
            return PolicyStatus(path, _shown_only(policy, self._good or Policy()), digest, False, (problem, *problems))
        self._good = policy
        return PolicyStatus(path, policy, digest, True, tuple(problems))


def _shown_only(read: Policy, good: Policy) -> Policy:
    """A policy that is not accepted: its rules and thresholds for people to read; whatever has an effect is the last good one's."""
    shown = replace(good, rules=read.rules, thresholds=read.thresholds, spot_check=read.spot_check, errors=True, answers=())
    return replace(shown, problem=f"{NOT_ACCEPTED}; {ACCEPT}", accepted=False)


def _salvaged(read: Policy) -> Policy:
    """The usable parts of a file with errors: groups and escalation chain. Notifications send only the link, and failed runs ask."""
    whole = all(step.to and (step.after_s or not number) for number, step in enumerate(read.chain))
    notify = replace(read.notify, content="nothing")
    return Policy(groups=read.groups, chain=read.chain if whole else (), errors=True, notify=notify)


class HomePeople:
    """The people of a home: those of its people.toml, in its groups and those of the home's policy."""

    def __init__(self, home: Path, listed: Callable[[], People] | None = None) -> None:
        """`listed` returns the people of people.toml; by default as the file is now."""
        self._listed = listed or PeopleFile(home).current
        self._seen = EVERYBODY
        self._policy = PolicyFile(policy_paths(home), people=lambda: self._seen)
        self._made: tuple[People, Policy | None, People] = (EVERYBODY, None, EVERYBODY)

    def current(self) -> People:
        """The people as the files are now; the same object while nothing changes."""
        people = self._listed()
        if not people.persons:
            return people
        if people != self._seen:
            self._seen = people
        policy = self._policy.current()
        if self._made[0] is not self._seen or self._made[1] is not policy:
            self._made = (self._seen, policy, self._seen.with_groups(policy.groups) if policy else self._seen)
        return self._made[2]


class Policies:
    """The policy files of a home and of its projects."""

    def __init__(self, home: Path, root_of: Callable[[str], Path | None], targets: Sequence[str] = ()) -> None:
        """Find policies from a home.

        Args:
            home: the home's folder.
            root_of: returns the folder of a registered target; None if it has none.
            targets: the targets to use when none is named.
        """
        self.home = home
        """The home's folder."""
        self._root_of = root_of
        self._targets = tuple(targets)
        self._people = PeopleFile(home).current
        self._files: dict[str, PolicyFile] = {}
        self.accepted: Accepted = never
        """Tells which policies of projects a person has accepted."""
        self.of_home = PolicyFile(policy_paths(home), people=self._people)
        """The home's policy alone, for what no project may set."""

    def of(self, target: str = "") -> PolicyFile:
        """The policy file of a target: the home's if there is one, else that of the target's folder."""
        if target not in self._files:
            folders = [root for one in ((target,) if target else self._targets) if (root := self._root_of(one))]
            project = [path for folder in folders for path in policy_paths(self.home, folder)[1:]]
            paths = (*policy_paths(self.home), *project)
            self._files[target] = PolicyFile(paths, lambda path, digest: self.accepted(path, digest), self._people)
        return self._files[target]


def _file_state(path: Path) -> tuple[object, ...] | None:
    """A value that changes whenever the file does; None if there is no file. A file that cannot be examined counts as present."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        return (path, 0)
    return (path, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
