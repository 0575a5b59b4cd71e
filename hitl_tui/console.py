"""The console put together: store, reviewer, screen, and a supervised worker for each project."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Sequence

from hitl_tui.agents import targets as parsing
from hitl_tui.errors import HitlError
from hitl_tui.inbox import Inbox
from hitl_tui.settings import Home, Settings
from hitl_tui.store import Store
from hitl_tui.supervisor import Supervisor


class Workers:
    """The crew of a console: one supervised worker for each target."""

    def __init__(self, targets: Sequence[str], home: Home, concurrency: int) -> None:
        parsed = [parsing.parse(target) for target in targets]
        self.labels = [target.label for target in parsed]
        self.targets = [target.key for target in parsed]
        self._given = targets
        self._home = home
        self._concurrency = concurrency
        self._supervisors: list[Supervisor] = []
        self._tasks: list[asyncio.Future[None]] = []

    @property
    def alive(self) -> int:
        """How many workers live now."""
        return sum(supervisor.alive for supervisor in self._supervisors)

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Start a worker for each target; `heard` is called when one has committed something, `died` when one ended by itself."""
        for target in self._given:
            supervisor = Supervisor(target, self._home.path, self._concurrency, heard, died)
            self._supervisors.append(supervisor)
            self._tasks.append(asyncio.ensure_future(supervisor.run()))

    def ring(self) -> None:
        """Tell every worker to look at the rows."""
        for supervisor in self._supervisors:
            supervisor.ring()

    async def restart(self) -> None:
        """Replace every worker, so that edited agent code is read again."""
        await asyncio.gather(*(supervisor.restart() for supervisor in self._supervisors))

    async def stop(self) -> None:
        """Let every worker bring its runs to a checkpoint and end."""
        for task in self._tasks:
            task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=0.5) if self._tasks else ((), ())
        if late:
            print("hitl-tui: runs are being brought to a checkpoint …", file=sys.stderr, flush=True)
            await asyncio.gather(*late, return_exceptions=True)


def open_console(home: Home, settings: Settings, targets: Sequence[str], reviewer: str, concurrency: int) -> None:
    """Show the console until the person leaves it.

    Raises:
        HitlError: there is no terminal, or the home or settings cannot be used.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise HitlError("the console needs a terminal", "without one, use `hitl-tui queue`, `show` and `decide`")
    os.environ.setdefault("TEXTUAL_FPS", "240")  # read when Textual is imported
    asyncio.run(_show(home, settings, targets, reviewer, concurrency))


async def _show(home: Home, settings: Settings, targets: Sequence[str], reviewer: str, concurrency: int) -> None:
    from hitl_tui.ui.app import HitlApp

    async with Store.open(home.database) as store:
        workers = Workers(targets, home, concurrency)
        app = HitlApp(Inbox(store, reviewer, workers.ring), settings, workers, home)
        try:
            app.call_later(workers.start, app.doorbell, app.worker_died)
            await app.run_async()
        finally:
            await workers.stop()
