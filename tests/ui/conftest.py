"""A console on a home of its own, without workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual import screen as textual_screen
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from hitl_tui.agents.targets import root_of
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp, OpenInbox
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.runtime.worker_pool import NoWorkers, WorkerPool
from tests.ui.homes import seed

# Textual draws at most so often: most frames of a test with a pilot are drawn and never looked at.
textual_screen.UPDATE_PERIOD = 1 / 10  # type: ignore[misc]

NOW = 1_760_000_000.0
"""A time that stands still, for pictures."""


def opened(inbox: Inbox) -> OpenInbox:
    """An inbox that is open already, for a console."""

    async def at_hand() -> Inbox:
        return inbox

    return at_hand


@dataclass
class Desk:
    """A running console and the rows behind it."""

    app: HitlApp
    pilot: Pilot[None]
    store: Store
    project: int
    home: Home
    other: Inbox
    """A second reviewer, on a connection of their own."""
    ids: list[int] = field(default_factory=list)

    async def press(self, *keys: str) -> None:
        """Press keys, and wait until everything they caused is done; letters typed into a field are waited for together."""
        for key, following in zip(keys, (*keys[1:], ""), strict=True):
            await self.pilot.press(key)
            if not (len(key) == len(following) == 1 and isinstance(self.app.screen.focused, Input | TextArea)):
                await self.settle()

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        await self.app.catch_up()  # the queue is mounted after the first frame
        await self.pilot.pause()
        while len(self.app.screen_stack) == 1 and self.app.query_one(QueueView).busy:
            await self.pilot.pause(0.01)
        for _ in range(3):
            await self.app.catch_up()
            await self.pilot.pause()

    async def armed(self) -> None:
        """Wait until decision keys are heard again."""
        await self.settle()
        await self.pilot.pause(0.45)

    async def decided(self, review: int) -> list[tuple[object, ...]]:
        """Slot, kind, arguments and message of a review's decisions."""
        rows = await self.store.all(
            "SELECT slot, kind, args, message FROM decisions WHERE review = ? AND NOT superseded ORDER BY slot", (review,)
        )
        return [tuple(row) for row in rows]

    async def seen(self, *texts: str) -> str:
        """Wait until all the texts are on the screen, also where a line break or a border falls into one."""
        for _ in range(200):
            screen = self.screen()
            words = " ".join(screen.translate({ord(border): " " for border in "│┃▌"}).split())
            if all(text in screen or text in words for text in texts):
                return screen
            await self.pilot.pause(0.05)
        raise AssertionError(f"never saw {texts}: {self.screen()}")

    def notices(self) -> str:
        """What was said on the side."""
        return "\n".join(notice.message for notice in self.app._notifications)

    def screen(self) -> str:
        """What is on the screen, as text."""
        return "\n".join("".join(s.text for s in strip) for strip in self.app.screen._compositor.render_strips())


Console = Callable[..., contextlib.AbstractAsyncContextManager[Desk]]


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """Start a console: `async with console("variety") as desk`."""

    @contextlib.asynccontextmanager
    async def start(
        what: str = "variety",
        size: tuple[int, int] = (120, 36),
        settings: Settings | None = None,
        pool: WorkerPool | None = None,
        grace_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator[Desk]:
        home = Home(tmp_path).prepare()
        async with Store.open(home.database) as store, Store.open(home.database) as theirs, Store.open(home.database) as mine:
            project = await seed.project(store)
            ids = await seed.variety_of(store, project, time.time()) if what == "variety" else []
            if what == "runs":
                await seed.other_runs(store, project, time.time())
            policies = Policies(home.path, root_of)
            inbox = Inbox(mine, "ann", grace_s=grace_s, policies=lambda: policies)
            app = HitlApp(opened(inbox), settings or Settings(), pool or NoWorkers(), home, clock)
            async with app.run_test(size=size, notifications=True) as pilot:
                desk = Desk(app, pilot, store, project, home, Inbox(theirs, "bob"), ids)
                await desk.armed()
                yield desk

    return start
