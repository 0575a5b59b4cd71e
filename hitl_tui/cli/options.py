"""Options and arguments that several commands have, and how their numbers are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hitl_tui.errors import Refused

json_option = click.option("--json", "json_", is_flag=True, help="Print JSON; its shape is in the README.")
targets_argument = click.argument("targets", nargs=-1, metavar="[TARGET]...")


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command."""
    command = click.option("--reviewer", metavar="NAME", help="Who decides; else config.toml's reviewer, else the login.")(command)
    return click.option("--home", metavar="DIR", help="Databases, config and logs; else HITL_TUI_HOME, else the user's data folder.")(
        command
    )


def number(text: str, expected: str) -> int:
    """An id, as it is written.

    Raises:
        Refused: it is none; `expected` says what was, with an example.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(f"{text!r} is not {expected}", "`hitl-tui queue` and `hitl-tui runs` list what there is")
    return int(text)


def review_number(text: str) -> int:
    """A review's id, like 12.

    Raises:
        Refused: it is none.
    """
    return number(text, "a review, like 12")


def slot_number(text: str) -> int:
    """What follows the # of an action, like 12#0.

    Raises:
        Refused: it is no number.
    """
    return number(text, "an action's slot, like 12#0")


def run_number(text: str) -> int:
    """A run's id, like r3 or 3.

    Raises:
        Refused: it is none.
    """
    return number(text.removeprefix("r"), "a run, like r3")
