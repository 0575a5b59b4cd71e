"""A home with any number of open reviews."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hitl_tui.home import Home
from hitl_tui.store import Store
from tests.ui.homes import seed


def seed_home(folder: Path, count: int) -> Home:
    """Make a home in the folder with that many open reviews."""
    home = Home(folder).prepare()

    async def fill() -> None:
        async with Store.open(home.database) as store:
            await seed.add_many_reviews(store, count)

    asyncio.run(fill())
    return home
