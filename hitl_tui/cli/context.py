"""A reviewer's inbox, open while a command does its work."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import click

from hitl_tui.agents.targets import root_of
from hitl_tui.inbox import Inbox
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import Home, find_home, login, read_settings
from hitl_tui.store import Store, agents


def with_inbox(
    work: Callable[[Inbox, Home], Coroutine[Any, Any, None]], home: str | None, reviewer: str | None, grace_s: float = 0.0
) -> None:
    """Do some work on the inbox of who was named, else of who the settings name, else of the login.

    `grace_s` is how long decisions can be taken back.

    Raises:
        HitlError: the home cannot be used, or the work fails.
    """
    place = find_home(home).prepare()

    async def run() -> None:
        async with _inbox(place, reviewer, grace_s) as inbox:
            await work(inbox, place)

    asyncio.run(run())


def tell(work: Callable[[Inbox], Coroutine[Any, Any, str]], home: str | None, reviewer: str | None, grace_s: float = 0.0) -> None:
    """The same, and print what the work came to."""

    async def told(inbox: Inbox, _: Home) -> None:
        click.echo(await work(inbox))

    with_inbox(told, home, reviewer, grace_s)


@contextlib.asynccontextmanager
async def _inbox(place: Home, reviewer: str | None, grace_s: float) -> AsyncIterator[Inbox]:
    settings = read_settings(place)
    async with Store.open(place.database) as store:
        known = await agents.targets(store)
        who = reviewer or settings.reviewer or login()
        yield Inbox(store, who, grace_s=grace_s, policies=lambda: Policies(place.path, root_of, known), claim_s=settings.claim_s)
