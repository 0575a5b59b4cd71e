"""`hitl-tui people authorized-keys`: the lines that let the people of people.toml in over SSH, each under their own name only."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import common_options
from hitl_tui.errors import Refused
from hitl_tui.home import OWN_PYTHON, Home, find_home
from hitl_tui.model import People
from hitl_tui.people.file import PeopleFile

OPTIONS = "restrict,pty,agent-forwarding"
"""What a connection may do besides the forced command: a terminal, and signing by the agent of whoever connects."""


@command("hitl-tui people authorized-keys > authorized_keys")
@common_options
def authorized_keys(home: str | None, reviewer: str | None) -> None:
    """Print lines for authorized_keys.

    Each key of people.toml opens the console as its person, or runs commands on reviews, and nothing else. Keys that are revoked, or that
    count only from a later time, are left out.
    """
    opened = find_home(home)
    people = PeopleFile(opened.path).current()
    if people.problem:
        raise Refused(f"people.toml lets nobody in: {people.problem}", "correct it")
    found = list(lines(people, opened, time.time()))
    if not found:
        raise Refused("people.toml has no key that counts now", "add [[person.key]] to a person")
    click.echo("\n".join(found))


def lines(people: People, home: Home, now: float) -> Iterator[str]:
    """The line of each key that counts at a Unix time.

    Raises:
        Refused: the home's path has a character that no line can hold.
    """
    for person in people.persons:
        command_line = shlex.join([*_isolated(), "ssh-session", "--as", person.name, "--home", str(home.path)])
        if not command_line.isprintable():
            raise Refused(f"{command_line!r} cannot be written into authorized_keys", "choose another folder for the home")
        quoted = command_line.replace('"', '\\"')
        for key in person.keys:
            if (key.added is None or key.added <= now) and (key.revoked is None or key.revoked > now):
                yield f'{OPTIONS},command="{quoted}" {key.key}'


def _isolated() -> list[str]:
    """The command that starts hitl-tui, whatever a client's variables say of Python."""
    return [os.environ.get(OWN_PYTHON, sys.executable), "-I", "-m", "hitl_tui"]
