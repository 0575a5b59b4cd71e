"""`hitl-tui ssh-session`: the forced command of a reviewer's SSH key, which opens the console or runs a command on reviews."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import home_option
from hitl_tui.errors import HitlError, Refused
from hitl_tui.home import Home, find_home
from hitl_tui.pinned_session import pinned_environment

ORIGINAL = "SSH_ORIGINAL_COMMAND"
"""Where sshd puts the command that the client asked for."""
LONGEST = 100_000
"""Characters of a command that is read at all."""
LOGGED = 500
"""Characters of a refused command that are kept in the audit log."""
VERBS: Mapping[str, Mapping[str, bool]] = {
    "queue": {"--limit": True, "--filter": True, "--json": False},
    "show": {"--json": False},
    "decide": {"--args": True, "--message": True, "--digest": True, "--grace": True, "--json": False},
    "undo": {},
    "claim": {"--reason": True},
    "release": {},
    "escalate": {"--to": True, "--note": True},
    "confirm": {"--digest": True},
}
"""What may be run over SSH: each command with its options, and whether an option takes a value."""
AVAILABLE = f"available over SSH: console, {', '.join(VERBS)}"


@command("hitl-tui ssh-session --as ann")
@click.option("--as", "name", metavar="NAME", required=True, help="Who has the key. The session cannot choose another name.")
@click.option("--browser", is_flag=True, hidden=True)
@home_option
def ssh_session(name: str, browser: bool, home: str | None) -> None:
    """Serve a reviewer who connects over SSH.

    This is the forced command of their key in authorized_keys, which
    `hitl-tui people authorized-keys` prints. It opens the console, or runs
    the command on reviews that the client asks for.
    """
    asked = "" if browser else os.environ.get(ORIGINAL, "")
    kept = pinned_environment(os.environ, browser)
    os.environ.clear()
    os.environ.update(kept)
    opened = find_home(home).prepare()
    try:
        name = admitted(opened, name)
        words = read_command(asked)
    except Refused as error:
        asyncio.run(_log_refusal(opened, name, asked, str(error)))
        raise
    if not words:
        from hitl_tui.console import run_console

        sys.exit(run_console(str(opened.path), (), name, starts_workers=False))
    from hitl_tui.cli import main

    verb, *rest = words
    main.main([verb, "--home", str(opened.path), "--reviewer", name, *rest], prog_name="hitl-tui")


def admitted(home: Home, name: str) -> str:
    """The name of the person who is called so in people.toml; the name itself where there is no such file.

    While the file has a mistake everybody is let in, and may only look.

    Raises:
        Refused: people.toml names nobody so, or the name is reserved.
    """
    from hitl_tui.inbox.inbox import reviewer_name
    from hitl_tui.people.file import PeopleFile

    people = PeopleFile(home.path).current()
    person = people.find(name)
    if person is None and people.is_checked and not people.problem:
        raise Refused(f"{name[:60]!r} is not in people.toml", "ask somebody who may change it")
    return person.name if person else reviewer_name(name)


def read_command(asked: str) -> list[str]:
    """Read what an SSH client asked for. Returns a command and its arguments; nothing for the console.

    No shell sees it: what would be special in one is a part of a word here.

    Raises:
        Refused: it is none of the commands on reviews, or has an option that is not allowed over SSH.
    """
    if len(asked) > LONGEST:
        raise Refused(f"the command has more than {LONGEST:,} characters", "send less")
    if any((ord(one) < 32 and one not in "\n\t") or 127 <= ord(one) < 160 or 0xD800 <= ord(one) < 0xE000 for one in asked):
        raise Refused("the command has control characters, or is no UTF-8", "send text")
    try:
        words = shlex.split(asked)
    except ValueError as error:
        raise Refused(f"the command cannot be read: {error}", "close each quotation mark") from None
    words = words[1:] if words[:1] == ["hitl-tui"] else words
    if words in ([], ["console"]):
        return []
    verb, rest = words[0], words[1:]
    if verb not in VERBS:
        raise Refused(f"{verb[:60]!r} is not available over SSH", AVAILABLE)
    _check_options(verb, iter(rest))
    return words


def _check_options(verb: str, words: Iterator[str]) -> None:
    allowed = VERBS[verb]
    for word in words:
        option, equals, _ = word.partition("=")
        if not word.startswith("-") or word == "-":
            continue
        if option not in allowed:
            names = ", ".join(allowed) or "it has none"
            raise Refused(f"{verb} has no option {option[:60]!r} over SSH", f"its options: {names}")
        if not allowed[option] and equals:
            raise Refused(f"{option} takes no value", "leave it out")
        if allowed[option] and not equals and next(words, None) is None:
            raise Refused(f"{option} needs a value", "write it after the option")


async def _log_refusal(home: Home, name: str, asked: str, why: str) -> None:
    """Keep a refused command in the audit log, where that can be written."""
    from hitl_tui.canonical_json import storable
    from hitl_tui.model import Actor
    from hitl_tui.store import Store, audit

    try:
        async with Store.open(home.database) as store, store.transaction() as db:
            audit.note(db, time.time(), "refused", Actor(name), {"command": storable(asked[:LOGGED]), "why": storable(why)})
    except HitlError as error:
        click.echo(f"hitl-tui: this is not in the audit log: {error.happened}", err=True)
