"""Options and arguments that several commands share, and how ids are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from hitl_tui.errors import Refused

json_option = click.option("--json", "json_", is_flag=True, help="Print JSON; docs/command-line.md describes its shape.")
home_option = click.option("--home", metavar="DIR", help="Data folder; default: HITL_TUI_HOME, else the user's data folder.")
targets_argument = click.argument("targets", nargs=-1, metavar="[TARGET]...")


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has."""
    command = click.option("--reviewer", metavar="NAME", help="Your name; default: reviewer in config.toml, else the login.")(command)
    return home_option(command)


def number(text: str, expected: str) -> int:
    """Read an id.

    Raises:
        Refused: `text` is not one; `expected` says what it should be, with an example.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(f"{text!r} is not {expected}", "`hitl-tui queue` and `hitl-tui runs` list them")
    return int(text)


def review_number(text: str) -> int:
    """Read a review's id, like 12.

    Raises:
        Refused: `text` is not one.
    """
    return number(text, "a review, like 12")


def slot_number(text: str) -> int:
    """Read the slot of an action: what follows the # in 12#0.

    Raises:
        Refused: `text` is not one.
    """
    return number(text, "an action's slot, like 12#0")


def run_number(text: str) -> int:
    """Read a run's id, like r3 or 3.

    Raises:
        Refused: `text` is not one.
    """
    return number(text.removeprefix("r"), "a run, like r3")
