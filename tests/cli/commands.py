"""Runs commands in the process of the test, on homes made of rows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.home import Home
from hitl_tui.store import Store
from tests.support.empty_database import open_store
from tests.ui.homes import seed

T = TypeVar("T")


class Commands:
    """Commands on one home, and the rows that they find there."""

    def __init__(self, home: Path) -> None:
        self.home = Home(home).prepare()

    def __call__(self, *args: str, code: int = 0, typed: str = "") -> str:
        """What a command prints that ends with this exit code; with 1, its refusal."""
        done = CliRunner().invoke(main, [*args, "--home", str(self.home.path)], input=typed)
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    def rows(self, work: Callable[[Store, int], Awaitable[T]]) -> T:
        """Do something with the home's store and its project, which is made where there is none."""

        async def done() -> T:
            async with open_store(self.home.database) as store:
                return await work(store, await seed.add_project(store))

        return asyncio.run(done())
