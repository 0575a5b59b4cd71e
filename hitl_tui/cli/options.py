"""Options and arguments that several commands share, and how ids are read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from hitl_tui.errors import Refused

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

PLAIN = re.compile(r"[\w.@+-]+")
"""Names that a shell may complete: no other character of an agent's name gets onto a command line."""
ABOUT_LENGTH = 60


def completes(*kinds: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]:
    """Complete the value of an argument or option by names of the home; `kinds` are keys of `store/known_names.py`."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        from hitl_tui.home import find_home
        from hitl_tui.sanitize import one_line
        from hitl_tui.store import known_names

        database = find_home(ctx.params.get("home")).database
        found = [known for kind in kinds for known in known_names.read(database, kind)]
        return [
            CompletionItem(name, help=one_line(about, ABOUT_LENGTH))
            for name, about in found
            if name.startswith(incomplete) and PLAIN.fullmatch(name)
        ]

    return complete


def _files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="file")]


def _folders(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    from click.shell_completion import CompletionItem

    return [CompletionItem(incomplete, type="dir")]


json_option = click.option("--json", "json_", is_flag=True, help="Print JSON; docs/command-line.md describes its shape.")
home_option = click.option(
    "--home", metavar="DIR", shell_complete=_folders, help="Data folder; default: HITL_TUI_HOME, else the user's data folder."
)
targets_argument = click.argument("targets", nargs=-1, metavar="[TARGET]...", shell_complete=_files)


python_option = click.option(
    "--python",
    metavar="PATH",
    default="",
    shell_complete=_files,
    help="Python or environment for the agents; default: the project's .venv.",
)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that every command has."""
    command = click.option("--reviewer", metavar="NAME", help="Your name; default: reviewer in config.toml, else the login.")(command)
    return home_option(command)


def config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--context` and `--config`."""
    about = "LangGraph's config as JSON: configurable, recursion_limit, tags, metadata."
    command = click.option("--config", metavar="JSON", help=about)(command)
    return click.option("--context", metavar="JSON", help="What nodes read as runtime.context, as JSON.")(command)


def given_json(text: str | None, what: str) -> Any:
    """The value of an option that takes JSON; None if it was not given.

    Raises:
        Refused: it is not JSON.
    """
    from hitl_tui import canonical_json

    return None if text is None else canonical_json.loads(text, what)


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


def call_slot(text: str, review: int, calls: int) -> int:
    """Read the number of a call, what follows the # in 12#1, and return its slot. 0 is taken where a review has only one call.

    Args:
        text: the number, from 1.
        review: the review's id.
        calls: how many calls the review has.

    Raises:
        Refused: `text` is no number of a call.
    """
    from hitl_tui.model import call_id, calls_told  # not before the console's first frame

    called = number(text, "a call's number, like 12#1")
    if called == 0 and calls > 1:
        raise Refused(f"there is no {review}#0: calls are numbered from 1", f"the first is {call_id(review, 0)}; version 0.1.0 named it #0")
    if called > calls:
        raise Refused(f"review {review} has no call {called}", f"it has {calls_told(calls)}")
    return max(0, called - 1)


def run_number(text: str) -> int:
    """Read a run's id, like r3 or 3.

    Raises:
        Refused: `text` is not one.
    """
    return number(text.removeprefix("r"), "a run, like r3")
