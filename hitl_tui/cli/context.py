"""What commands run in: an open inbox, targets that were checked, and signals that end a command cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import Any

import click

from hitl_tui.agents import targets as parsing
from hitl_tui.home import Home, find_home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Identified
from hitl_tui.people.file import PeopleFile
from hitl_tui.people.rights import identify
from hitl_tui.pinned_session import is_pinned
from hitl_tui.policy.loader import HomePeople, Policies
from hitl_tui.settings import login, read_settings
from hitl_tui.store import Store, agents
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.supervisor import worker_command

LOGGED = "SELECT max(seq) FROM audit"
"""How long the log is: whatever a command does is an entry in it."""
STORED = "only this report is lost: what the command did is stored"
TERMINATING = (signal.SIGTERM, signal.SIGHUP)


def with_inbox(
    work: Callable[[Inbox, Home], Coroutine[Any, Any, None]], home: str | None, reviewer: str | None, grace_s: float = 0.0
) -> None:
    """Run `work` on the inbox of `reviewer`; by default of the reviewer in config.toml, else of the login.

    `grace_s` is for how many seconds its decisions can be taken back.

    Raises:
        HitlError: the home cannot be used, or the work fails.
    """
    opened = find_home(home).prepare()

    async def run() -> None:
        async with _inbox(opened, reviewer, grace_s) as inbox:
            await work(inbox, opened)

    asyncio.run(run())


def print_from_inbox(
    work: Callable[[Inbox], Coroutine[Any, Any, str]], home: str | None, reviewer: str | None, grace_s: float = 0.0
) -> None:
    """Run `work` on an inbox, as `with_inbox` does, and print the text it returns.

    Raises:
        OSError: the text cannot be written; with a note where the work has stored something.
    """

    async def run(inbox: Inbox, _: Home) -> None:
        before = await inbox.store.one(LOGGED)
        text = await work(inbox)
        try:
            click.echo(text)
        except OSError as error:
            if await inbox.store.one(LOGGED) != before:
                error.add_note(STORED)
            raise

    with_inbox(run, home, reviewer, grace_s)


@contextlib.asynccontextmanager
async def _inbox(home: Home, reviewer: str | None, grace_s: float) -> AsyncIterator[Inbox]:
    settings = read_settings(home)
    async with Store.open(home.database) as store:
        known = await agents.targets(store)
        trusted = TrustedPeople(store, PeopleFile(home.path))
        await trusted.note()
        people = HomePeople(home.path, trusted.current).current
        who = identify(people(), reviewer or settings.reviewer, login(), is_pinned())
        yield Inbox(
            store, who.name, grace_s=grace_s, policies=lambda: Policies(home.path, parsing.root_of, known), claim_s=settings.claim_s,
            identified=who.identified or Identified.NAMED, people=people, signing_key=settings.key_file,
        )  # fmt: skip


def checked_targets(targets: Sequence[str]) -> list[str]:
    """The targets, or the default one (`targets.or_default`), checked before anything starts.

    Raises:
        BadTarget: one of them is not a target.
    """
    wanted = parsing.or_default(targets)
    for target in wanted:
        parsing.parse(target)
    return wanted


def load_target(home: Home, target: str, python: str = "") -> str:
    """Load a target's agents into the store, in a process of its own. Returns why it failed, or an empty text."""
    command = [*worker_command(home.path), "--describe", *(["--python", python] if python else []), "--", target]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace", check=False)
    last_line = (done.stderr.strip().splitlines() or [f"loading ended with exit code {done.returncode}"])[-1]
    return "" if done.returncode == 0 else last_line.removeprefix("hitl-tui: ")


@contextlib.contextmanager
def interrupt_on_signals() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `KeyboardInterrupt`, so that a half-written file is removed before the command ends."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in TERMINATING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
