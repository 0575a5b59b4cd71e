"""Starts a console in tests, on a temporary home and without workers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pytest_textual_snapshot import normalize_svg  # type: ignore[import-untyped]
from textual import screen as textual_screen
from textual.message import Message
from textual.notifications import Notify
from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from hitl_tui.agents.targets import root_of
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import People
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp, OpenInbox
from hitl_tui.ui.messages import KeyIgnored
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP
from hitl_tui.ui.runtime.worker_pool import NoWorkers, WorkerPool
from tests.support.empty_database import open_store
from tests.ui.homes import seed
from tests.ui.snapshots import stop_cursors

# Draw less often: tests never look at most frames.
textual_screen.UPDATE_PERIOD = 1 / 10  # type: ignore[misc]

NOW = 1_760_000_000.0
"""A fixed Unix time for snapshots."""
LASTING = {"live", "around", "alarm", "destroyed"}
"""Textual worker groups that go on as long as the console does, or that no key waits for."""
PICTURE_S = 10.0
"""Seconds after which a picture that differs stays different."""
UNTIL_S = 30.0
"""Seconds after which what is waited for counts as never happening: a loaded machine needs long."""


def opens(inbox: Inbox) -> OpenInbox:
    """Return what a console awaits to get its inbox, for an inbox that is open already."""

    async def open_inbox() -> Inbox:
        return inbox

    return open_inbox


@dataclass
class ConsoleDriver:
    """A running console of reviewer ann: its app and pilot, and the database behind it."""

    app: HitlApp
    pilot: Pilot[None]
    store: Store
    project: int
    home: Home
    bob: Inbox
    """A second reviewer, on another database connection."""
    review_ids: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ignored: list[KeyIgnored] = field(default_factory=list)
    """What keys that did nothing were answered with."""

    def __post_init__(self) -> None:
        """Keep the messages from now on."""
        show = self.app.notify

        def keep(message: str, **how: Any) -> None:
            self.said.append(message)
            show(message, **how)

        self.app.notify = keep  # type: ignore[method-assign]

    async def press(self, *keys: str) -> None:
        """Press keys, and wait after each until its effects are done; once for a word typed into a field."""
        for key, following in zip(keys, (*keys[1:], ""), strict=True):
            await self.pilot.press(key)
            if not (len(key) == len(following) == 1 and isinstance(self.app.screen.focused, Input | TextArea)):
                await self.settle()

    async def settle(self) -> None:
        """Wait until the console has nothing left to do."""
        await self.app.catch_up()  # the queue is mounted after the first frame
        await self.pilot.pause()
        for _ in range(100):  # a test may hold it up
            if not self._works:
                break
            await self.pilot.pause(0.01)
        while len(self.app.screen_stack) == 1 and ((queue := self.app.query_one(QueueView)).busy or queue.pane.reads_effects):
            await self.pilot.pause(0.01)
        for _ in range(3):
            await self.app.catch_up()
            await self.pilot.pause()

    @property
    def _works(self) -> bool:
        """Whether something that a key or a change began goes on; a dialog that is open waits for keys."""
        asks = len(self.app.screen_stack) > 1
        return any(
            not one.is_finished and one.group not in LASTING and not (asks and one.group == DIALOG_GROUP) for one in self.app.workers
        )

    async def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something holds; `what` says what never did."""
        until = time.monotonic() + UNTIL_S
        while not is_so():
            assert time.monotonic() < until, f"{what}: {self.screen_text()}"
            await self.pilot.pause(0.02)

    async def until_keys_accepted(self) -> None:
        """Wait until decision keys work again: they are ignored for a moment after the review on the screen has changed."""
        await self.settle()
        await self.pilot.pause(0.45)

    async def decisions_of(self, review: int) -> list[tuple[object, ...]]:
        """Return (slot, kind, args, message) of a review's current decisions."""
        rows = await self.store.all(
            "SELECT slot, kind, args, message FROM decisions WHERE review = ? AND NOT superseded ORDER BY slot", (review,)
        )
        return [tuple(row) for row in rows]

    async def until_shown(self, *texts: str) -> str:
        """Wait until all texts are on the screen, also across line breaks and borders; return the screen."""
        until = time.monotonic() + UNTIL_S
        while True:
            screen = self.screen_text()
            words = " ".join(screen.translate({ord(border): " " for border in "│┃▌"}).split())
            if all(text in screen or text in words for text in texts):
                return screen
            assert time.monotonic() < until, f"never saw {texts}: {screen}"
            await self.pilot.pause(0.05)

    def notifications(self) -> str:
        """Return all messages of the status line."""
        return "\n".join(self.said)

    def refusals(self) -> str:
        """Return why keys did nothing."""
        return "\n".join(one.reason for one in self.ignored)

    def screen_text(self) -> str:
        """Return the screen as text."""
        return "\n".join("".join(s.text for s in strip) for strip in self.app.screen._compositor.render_strips())


StartConsole = Callable[..., contextlib.AbstractAsyncContextManager[ConsoleDriver]]


@pytest.fixture
def snap_compare(snap_compare: Callable[..., bool], request: pytest.FixtureRequest) -> Callable[..., bool]:
    """Compare a picture with the one that is kept; what a loaded machine has not drawn yet is waited for."""
    kept = request.path.parent / "__snapshots__" / request.path.stem / f"{request.node.name}.svg"
    is_new = request.config.getoption("update_snapshots") or not kept.exists()

    def picture(app: HitlApp) -> str:
        return str(normalize_svg(app.export_screenshot(title=app.title, simplify=True)))

    def compare(app: HitlApp, terminal_size: tuple[int, int], run_before: Callable[[Pilot[None]], Awaitable[None]]) -> bool:
        async def drive(pilot: Pilot[None]) -> None:
            await run_before(pilot)
            until = time.monotonic() + PICTURE_S
            while not is_new and picture(app) != normalize_svg(kept.read_text()) and time.monotonic() < until:
                await pilot.pause(0.2)
                stop_cursors(app)

        return snap_compare(app, terminal_size=terminal_size, run_before=drive)

    return compare


@pytest.fixture
def start_console(tmp_path: Path) -> StartConsole:
    """Start a console: `async with start_console("variety") as console`. `what` is `variety`, `runs`, or anything else for no rows."""

    @contextlib.asynccontextmanager
    async def start(
        what: str = "variety",
        size: tuple[int, int] = (120, 36),
        settings: Settings | None = None,
        pool: WorkerPool | None = None,
        grace_s: float = 0.0,
        clock: Callable[[], float] = time.time,
        people: People | None = None,
        signing_key: Path | None = None,
    ) -> AsyncIterator[ConsoleDriver]:
        home = Home(tmp_path).prepare()
        async with open_store(home.database) as store, open_store(home.database) as theirs, open_store(home.database) as mine:
            project = await seed.add_project(store)
            ids = await seed.add_every_kind(store, project, time.time()) if what == "variety" else []
            if what == "runs":
                await seed.add_runs(store, project, time.time())
            policies = Policies(home.path, root_of)
            known = (lambda: people) if people is not None else None
            inbox = Inbox(
                mine, "ann", grace_s=grace_s, policies=lambda: policies, grace_by_risk=True, people=known, signing_key=signing_key
            )
            app = HitlApp(opens(inbox), settings or Settings(), pool or NoWorkers(), home, clock)
            toasts: list[str] = []
            ignored: list[KeyIgnored] = []

            def watch(message: Message) -> None:
                toasts.extend([message.notification.message] if isinstance(message, Notify) else ())
                if isinstance(message, KeyIgnored) and not any(message is one for one in ignored):  # it comes again for each parent
                    ignored.append(message)

            async with app.run_test(size=size, notifications=True, message_hook=watch) as pilot:
                console = ConsoleDriver(app, pilot, store, project, home, Inbox(theirs, "bob"), ids, ignored=ignored)
                await console.until_keys_accepted()
                yield console
            assert toasts == [], "messages belong on the status line: a toast covers arguments, tabs and hints"

    return start
