"""What widgets tell the views above them."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


@dataclass
class Opened(Message):
    """The person wants to go into the item under a list's cursor."""

    id: int


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
class HintsChanged(Message):
    """Other keys do something now."""


@dataclass
class RunChosen(Message):
    """The person wants to see what a run waits for."""

    run: int


@dataclass
class RowsChanged(Message):
    """The person changed rows through this console: look at them now."""


@dataclass
class ProposalsCounted(Message):
    """So many tools could go up a level of autonomy."""

    count: int
