"""Starts the console: wires the store, the reviewer and the Textual app, and supervises one worker per target."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import functools
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hitl_tui.errors import BadTarget, HitlError
from hitl_tui.home import Home, find_home
from hitl_tui.pinned_session import is_pinned
from hitl_tui.settings import Settings, login, read_settings

if TYPE_CHECKING:
    from hitl_tui.inbox import Inbox
    from hitl_tui.model import People
    from hitl_tui.policy.loader import HomePeople, Policies
    from hitl_tui.store import Store
    from hitl_tui.supervisor import Supervisor
    from hitl_tui.ui.app import HitlApp

DRIVER_VARIABLE = "TEXTUAL_DRIVER"
"""Set where something else than a terminal shows the console: by textual-serve, for a browser."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that ask the console to end."""
SERVICE_POLL_S = 1.0
SERVICE_GAP_S = 10.0
"""Time without a living service after which a console starts a worker of its own: a service that restarts takes less."""
WITHOUT_TERMINAL = "without one, use `hitl-tui queue`, `show` and `decide`"


class Workers:
    """A console's workers: one supervised process for each target whose agents no service runs."""

    def __init__(
        self, targets: Sequence[str], home: Home, concurrency: int, time_limit_s: float = 0.0, python: str = "", starts: bool = True
    ) -> None:
        """Prepare the workers of these targets, or of the default one. `use` must be called before `start`.

        Without `starts` there are none: the console shows what the workers of others do.
        """
        self._given = list(targets)
        self._is_default = not targets
        self.labels: list[str] = []
        self.targets: list[str] = []
        self.served: set[str] = set()
        """Labels of the projects whose agents a service runs."""
        self.problems: list[tuple[str, str]] = []
        self.told = ""
        self._home = home
        self._concurrency = concurrency
        self._time_limit_s = time_limit_s
        self._python = python
        self._starts = starts
        self._store: Store | None = None
        self._supervisors: list[Supervisor] = []
        self._tasks: list[asyncio.Future[None]] = []

    async def use(self, store: Store) -> None:
        """Look for services, and without a worker of its own for the projects that the store knows.

        No worker is started for the default target where a service runs other agents on this home.
        """
        self._store = store
        if self._is_default and await self._services():
            self._starts, self._given, self.labels, self.problems, self.told = False, [], [], [], ""
        if not self._starts:
            from hitl_tui.store import agents

            self.targets = await agents.targets(store)

    def read_targets(self) -> None:
        """Read what the targets name. Not done when they are given, for the first frame would wait for it.

        Raises:
            BadTarget: a given target cannot be read. The default one may be broken: then it is a problem that the console shows.
        """
        if not self._starts:
            return
        if self._given:
            self._read()
            return
        from hitl_tui.agents import targets

        self._given = targets.or_default(())
        self.told = _about_default(self._given[0])
        self._read_default()

    def _read(self) -> None:
        from hitl_tui.agents.targets import parse

        parsed = [parse(target) for target in self._given]
        self.labels, self.targets, self.problems = [target.label for target in parsed], [target.key for target in parsed], []

    def _read_default(self) -> None:
        try:
            self._read()
        except BadTarget as error:
            label = Path(self._given[0]).parent.name
            self.labels, self.targets, self.problems = [label], self._given, [(label, str(error))]

    @property
    def alive(self) -> int:
        """Number of workers that run now."""
        return sum(supervisor.alive for supervisor in self._supervisors)

    def start(self, on_ring: Callable[[], None], on_death: Callable[[str], None]) -> None:
        """Start a worker for each target. `on_ring` is called after its commits, `on_death` with a sentence if it ends by itself."""
        self._on_ring, self._on_death = on_ring, on_death
        self._start()

    def _start(self) -> None:
        from hitl_tui.supervisor import Supervisor

        for label, problem in self.problems:
            self._on_death(f"{label} cannot be loaded: {problem}")
        if self.problems or not self._starts:
            return
        for target, label, key in zip(self._given, self.labels, self.targets, strict=True):
            supervisor = Supervisor(
                target, label, self._home.path, self._concurrency, self._on_ring, self._on_death, self._time_limit_s, self._python
            )
            self._tasks.append(asyncio.ensure_future(self._keep(supervisor, key)))

    async def _keep(self, supervisor: Supervisor, target: str) -> None:
        """Run a worker of a project, once no service runs its agents."""
        label, seen_at = supervisor.label, -SERVICE_GAP_S - 1
        while (services := await self._services()) is None or target in services or time.monotonic() < seen_at + SERVICE_GAP_S:
            if services is not None:
                self.served.add(label)
                seen_at = time.monotonic() if target in services else seen_at
            await asyncio.sleep(SERVICE_POLL_S)
        if label in self.served:
            self.served.remove(label)
            self._on_death(f"the service that ran the agents of {label} has ended; this console runs them")
        self._supervisors.append(supervisor)
        await supervisor.run()

    async def _services(self) -> set[str] | None:
        """Targets of the projects whose agents a living service runs; None while the store cannot be read, so that nobody knows."""
        from hitl_tui.store import agents

        try:
            if self._store and await agents.services(self._store):
                from hitl_tui.worker.liveness import served_targets

                return await served_targets(self._store, self._home)
        except HitlError:
            return None
        return set()

    def ring(self) -> None:
        """Tell every worker to check for work."""
        for supervisor in self._supervisors:
            supervisor.ring()

    async def restart(self) -> None:
        """Replace every worker, so that edited agent code is loaded. A broken default target is read again."""
        if self.problems:
            self._read_default()
            self._start()
        await asyncio.gather(*(supervisor.restart() for supervisor in self._supervisors))

    async def stop(self) -> None:
        """Let every worker bring its runs to a checkpoint and end."""
        for task in self._tasks:
            task.cancel()
        _, late = await asyncio.wait(self._tasks, timeout=0.5) if self._tasks else ((), ())
        if late:
            with contextlib.suppress(OSError):  # the terminal may be gone
                print("hitl-tui: runs are being brought to a checkpoint …", file=sys.stderr, flush=True)
            await asyncio.gather(*late, return_exceptions=True)


def run_console(
    home: str | None,
    targets: Sequence[str],
    reviewer: str | None = None,
    concurrency: int | None = None,
    python: str = "",
    starts_workers: bool = True,
) -> int:
    """Show the console until the person quits, and return the exit code; `targets.or_default` says what runs without targets.

    `python` names an interpreter or environment for the agents in place of those of their projects. Without `starts_workers` the agents
    are left to the workers of others.

    Raises:
        HitlError: there is no terminal, or the home, its settings or a given target cannot be used.
    """
    opened = find_home(home).prepare()
    settings = read_settings(opened)
    if DRIVER_VARIABLE not in os.environ:
        _check_terminal()
    os.environ.setdefault("TEXTUAL_FPS", "240")  # read when Textual is imported
    gc.disable()  # until the queue is shown, which garbage collections during imports would delay
    workers = Workers(targets, opened, concurrency or settings.concurrency, settings.time_limit_s, python, starts_workers)
    return asyncio.run(_show(opened, settings, workers, reviewer or settings.reviewer))


def _check_terminal() -> None:
    """Raise HitlError if the console cannot be used where its input and output are."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        raise HitlError("the console needs a terminal", WITHOUT_TERMINAL)
    encoding = sys.stdout.encoding
    if codecs.lookup(encoding).name != "utf-8":
        raise HitlError(f"the console needs a terminal with UTF-8, not {encoding}: set LANG=C.UTF-8", WITHOUT_TERMINAL)


def _about_default(target: str) -> str:
    """The status line's message about the default target."""
    from hitl_tui.agents.targets import here

    if here():
        return f"the console runs the agents of {target}"
    return "no langgraph.json in this folder: the console runs the sample agents"


def _policies(home: Home, workers: Workers) -> Policies:
    from hitl_tui.agents.targets import root_of
    from hitl_tui.policy.loader import Policies

    return Policies(home.path, root_of, workers.targets)


def _people(home: Home, listed: Callable[[], People]) -> Callable[[], People]:
    """Returns the people of a home, of whom those in its people.toml are `listed`. What reads them is loaded when it is first asked."""

    @functools.cache
    def found() -> HomePeople:
        from hitl_tui.policy.loader import HomePeople

        return HomePeople(home.path, listed)

    return lambda: found().current()


async def _show(home: Home, settings: Settings, workers: Workers, reviewer: str) -> int:
    from hitl_tui.ui.app import HitlApp

    inbox: Inbox | None = None
    async with contextlib.AsyncExitStack() as stack:

        async def open_inbox() -> Inbox:
            nonlocal inbox
            workers.read_targets()
            from hitl_tui.inbox import Inbox
            from hitl_tui.model import Identified
            from hitl_tui.people.file import PeopleFile
            from hitl_tui.people.rights import identify
            from hitl_tui.store import Store
            from hitl_tui.store.people_log import TrustedPeople

            store = await stack.enter_async_context(Store.open(home.database))
            await workers.use(store)
            policies = functools.partial(_policies, home, workers)
            trusted = TrustedPeople(store, PeopleFile(home.path))
            await trusted.note()
            who = identify(trusted.current(), reviewer, login(), is_pinned())
            inbox = Inbox(
                store, who.name, workers.ring, settings.undo_s, policies, settings.claim_s, grace_by_risk=True,
                identified=who.identified or Identified.NAMED, people=_people(home, trusted.current), signing_key=settings.key_file,
            )  # fmt: skip
            return inbox

        app = HitlApp(open_inbox, settings, workers, home)
        start = asyncio.ensure_future(_collect_garbage_after_start(app))
        try:
            with _leave_on_signals(app):
                await app.run_async()
        finally:
            start.cancel()
            await workers.stop()
            app.keep_drafts()
        if app.failure:
            raise app.failure
        if app.crash:
            raise _kept(app.crash, home)
        if inbox and (waiting := await inbox.reviews.count_unsent()):
            print(f"hitl-tui: {waiting} decided and not yet applied; a console or `hitl-tui worker` goes on with it", file=sys.stderr)
    return 1 if app.return_code is None else app.return_code  # without a code it did not leave by itself


def _kept(error: Exception, home: Home) -> HitlError:
    """The sentence about a bug that has ended the console. The traceback goes into a log, since it holds what agents wrote."""
    import traceback

    from hitl_tui.sanitize import one_line

    with contextlib.suppress(OSError), home.console_log.open("a", encoding="utf-8", errors="backslashreplace") as log:
        home.console_log.chmod(0o600)
        print(time.strftime("%Y-%m-%d %H:%M:%S"), *traceback.format_exception(error), sep="\n", file=log)
    what = one_line(f"{type(error).__name__}: {error}")
    return HitlError(f"the console failed: {what}", f"what you decided is stored; the traceback is in {home.console_log}")


async def _collect_garbage_after_start(app: HitlApp) -> None:
    """Collect garbage from then on, without walking what the start has made: that takes longer than a frame, and most of it stays."""
    await app.until_begun()
    gc.freeze()
    gc.enable()


@contextlib.contextmanager
def _leave_on_signals(app: HitlApp) -> Iterator[None]:
    """Leave the console, which restores the terminal, when the process is asked to end. Afterwards signals end it at once."""
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, functools.partial(app.exit, return_code=128 + number))
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
