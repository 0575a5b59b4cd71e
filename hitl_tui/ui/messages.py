"""Messages from widgets to the views above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.message import Message


@dataclass
class Opened(Message):
    """The item under a list's cursor was opened."""

    id: int


@dataclass
class ReadOn(Message):
    """The person wants to see the next page of the details."""


@dataclass
class CommandClicked(Message):
    """A key of the key line was clicked."""

    command: str


@dataclass
class TabChosen(Message):
    """A tab was clicked."""

    name: str


@dataclass
class CallChosen(Message):
    """One of a review's calls was clicked."""

    slot: int


@dataclass
class PageSeen(Message):
    """A page of a call's arguments has been on the screen long enough to count as seen."""


@dataclass
class HintsChanged(Message):
    """Other keys work now: draw the key bar again."""


@dataclass
class RunChosen(Message):
    """Show the review that a run waits for."""

    run: int


@dataclass
class RunShown(Message):
    """Show a run with its trace."""

    run: int | None
    """None for the list of runs."""


@dataclass
class HistoryShown(Message):
    """Show the decisions that match a filter."""

    filter: str


@dataclass
class FailuresSeen(Message):
    """Failed runs were on the screen."""

    runs: Sequence[int]


@dataclass
class RowsChanged(Message):
    """Rows were changed through this console: read them now."""


@dataclass
class ProposalsCounted(Message):
    """Number of tools with a proposed autonomy level."""

    count: int


@dataclass
class KeyIgnored(Message):
    """A key did nothing."""

    reason: str
    """A sentence for the person who pressed it."""
