"""The exceptions that users may see. Each says what happened and what to do about it."""

from __future__ import annotations


class HitlError(Exception):
    """Base of all errors shown to users: `happened` is a clause about what happened, `todo` one about what to do."""

    def __init__(self, happened: str, todo: str = "") -> None:
        super().__init__(happened, todo)
        self.happened = happened
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.happened}; {self.todo}" if self.todo else self.happened


class Refused(HitlError):
    """A request was not carried out: it is invalid, not allowed, or about something unknown."""


class NotAllowed(Refused):
    """The person has no right to do this, by people.toml or by a rule of the policy. The refusal is logged."""


class Stale(Refused):
    """A request came too late: somebody else has decided, the review is superseded, or its run has ended."""


class Storage(HitlError):
    """The disk or a database failed. Nothing was changed, unless the sentence says so, and the request can be repeated."""


class Busy(Storage):
    """Another program locks the database for too long. Nothing was changed."""


class Damaged(Storage):
    """A database is damaged. Waiting does not help; `doctor --repair` does."""


class LeaseLost(HitlError):
    """A worker was about to write for a run that is no longer its own. Nothing was written; what its step did is unknown."""

    def __init__(self, run: int) -> None:
        super().__init__(f"run r{run} was released from this worker", "it goes on with another worker")


class Forbidden(HitlError):
    """An agent was about to run a tool call that a person rejected, or has not decided yet."""


class BadTarget(HitlError):
    """A target cannot be read: no such file, a malformed langgraph.json, or a name that is not a graph."""


class BadHome(HitlError):
    """The home cannot be used: it is not writable, has a newer or damaged database, or a config file with an error."""


class BadPolicy(HitlError):
    """A policy.toml cannot be used: it is not TOML, or has an unknown key or an invalid value. The message names the line."""


class BadPeople(HitlError):
    """A people.toml cannot be used: it is not TOML, or has an unknown key or an invalid value. The message names the line."""


class BadExpression(HitlError):
    """A rule's `when` cannot be parsed; `at` is the position of the mistake, from 0."""

    def __init__(self, happened: str, todo: str = "", at: int = 0) -> None:
        super().__init__(happened, todo)
        self.at = at
