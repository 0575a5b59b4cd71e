"""What can go wrong, as sentences: what happened, and what to do about it. Nothing else may reach a user."""

from __future__ import annotations


class HitlError(Exception):
    """A sentence that says what happened, and one that says what to do."""

    def __init__(self, happened: str, todo: str = "") -> None:
        super().__init__(happened, todo)
        self.happened = happened
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.happened}; {self.todo}" if self.todo else self.happened


class Refused(HitlError):
    """The request was understood and not carried out: invalid, not allowed, or of something unknown."""


class Stale(Refused):
    """The thing to decide is gone: decided by someone else, superseded, or its run has ended."""


class Storage(HitlError):
    """The disk or its files stand in the way, and not the request: nothing was changed, and it can be done again."""


class Busy(Storage):
    """Another program holds the database for longer than one waits; nothing was changed."""


class Damaged(Storage):
    """A database cannot be trusted any more. Waiting does not help; repairing does."""


class Forbidden(HitlError):
    """An agent was about to run a tool call that a person refused, or has not decided yet."""


class BadTarget(HitlError):
    """A project cannot be read: no such file, a malformed langgraph.json, a name that is no graph."""


class BadHome(HitlError):
    """The home cannot be used: not writable, a newer or damaged database, a config file with a mistake."""


class BadPolicy(HitlError):
    """A policy.toml cannot be used: not TOML, an unknown key, an impossible value; with the line."""


class BadExpression(HitlError):
    """A rule's `when` cannot be read; `at` is the place in it, from 0."""

    def __init__(self, happened: str, todo: str = "", at: int = 0) -> None:
        super().__init__(happened, todo)
        self.at = at
