"""A worker process: streams, niceness, signals, and an event loop that agents cannot end. Opens the source of agents."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import shlex
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from hitl_tui.agents.local_source import LocalSource
from hitl_tui.agents.memory import answer_of, model_name, reworded
from hitl_tui.agents.source import AgentSettings, Source
from hitl_tui.agents.targets import AnyTarget, is_gone
from hitl_tui.doorbell import Doorbell
from hitl_tui.errors import BadTarget, HitlError, Storage
from hitl_tui.home import Home
from hitl_tui.model import People, Review, Worker
from hitl_tui.notify import answer_links
from hitl_tui.people.file import PeopleFile
from hitl_tui.people.rights import refusal_of_call
from hitl_tui.policy.loader import PolicyFile, policy_paths
from hitl_tui.policy.schema import Policy
from hitl_tui.servers import ServerTarget
from hitl_tui.store import Store, agents, lessons, runs, time_limits
from hitl_tui.store.connection import LeaseReader
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.supervisor import STOPPING, stopped_early, worker_command
from hitl_tui.worker.audit_anchor import AuditAnchor
from hitl_tui.worker.decider import Decider
from hitl_tui.worker.engine import Engine
from hitl_tui.worker.executor import AgentExecutor, ParallelRuns
from hitl_tui.worker.lesson_rewriter import LessonRewriter
from hitl_tui.worker.liveness import HOST, AliveLock, started
from hitl_tui.worker.notifier import Notifier
from hitl_tui.worker.output_capture import UMASK, RunOutput, WorkerStreams
from hitl_tui.worker.policy_router import PolicyRouter
from hitl_tui.worker.previews import Previews
from hitl_tui.worker.replacement import ProcessReplacement, Watchdog, end_children
from hitl_tui.worker.run_driver import RunDriver
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from hitl_tui.worker.second_reader import SecondReader
from hitl_tui.worker.signature_check import SignatureCheck
from hitl_tui.worker.source_watch import SourceWatch
from hitl_tui.worker.trace_writer import TraceWriter

NICENESS = 5
ORPHAN_S = 10.0
"""Time for a worker to stop by itself once its console is gone."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of `hitl-tui worker`."""

    concurrency: int = 0
    """Runs to drive at a time; 0 for as many as the machine has room for."""
    until_idle: bool = False
    describe_only: bool = False
    """Load the target, store its agents, and end."""
    doorbell: int | None = None
    """File descriptor of a socket to the console."""
    time_limit_s: float = 0.0
    """Time limit of runs that have none of their own; 0 for none."""
    lock: tuple[str, int] | None = None
    """Name and file descriptor of the lock that this process held before it was replaced."""
    target: str = ""
    """The target as given on the command line."""
    python: str = ""
    """The interpreter or environment that was given for it; empty for none."""
    note: str = ""
    """Why the agents do not run in the project's own environment; empty if they do, or if it has none."""

    @property
    def is_service(self) -> bool:
        """Whether it runs until it is stopped, and no console owns it."""
        return self.doorbell is None and not self.until_idle


class StopRequest:
    """Ends this process when it is asked to: the start at once, and then the engine with every run at a checkpoint."""

    def __init__(self) -> None:
        self.start: asyncio.Task[bool] | None = None
        """All that the process does."""
        self.engine: Engine | None = None
        """Set once it serves."""
        self.has_ended_start = False

    def __call__(self) -> None:
        """Handle a signal."""
        if self.engine:
            self.engine.stop()
        elif self.start and not self.has_ended_start:
            self.has_ended_start = True
            self.start.cancel()  # the thread that loads the agents ends with the process


def run_worker(target: AnyTarget, home: Home, options: Options, say: Callable[[str], None]) -> int:
    """Work until told to stop. Returns the exit code. `say` prints for a person who started the worker by hand."""
    streams, stop = _detach(home), StopRequest()
    if options.doorbell is not None:
        threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    for number in STOPPING:
        loop.add_signal_handler(number, stop)
    executor = AgentExecutor()
    loop.set_default_executor(executor)
    os.register_at_fork(after_in_child=functools.partial(_end_copy, loop))
    lock: AliveLock | None = None
    try:
        lock = AliveLock.inherit(home, *options.lock) if options.lock else AliveLock.take(home, uuid.uuid4().hex)
        replacement = ProcessReplacement(_command(home, options, lock), [lock.descriptor, options.doorbell], streams.restore)
        stop.start = loop.create_task(_work(target, home, options, say, executor, replacement, lock, stop))
        if _run(loop, stop.start):
            replacement.execute()
        code = 0
    except HitlError as error:
        say(f"hitl-tui: {error}")
        code = 1
    except BaseException:  # noqa: BLE001 - a bug in this program; the process must still end
        if stop.has_ended_start:
            say(stopped_early(target.label))
        else:
            traceback.print_exc()
        code = int(options.describe_only or not stop.has_ended_start)
    if lock:
        lock.remove()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # an agent may have put anything in its place
            stream.flush()
    end_children()
    os._exit(code)  # agents' threads that never return must not keep the process alive


def _end_copy(loop: asyncio.AbstractEventLoop) -> None:
    """In a copy of this process that an agent has forked: end it as soon as the agent's code returns to the loop.

    It has this worker's connections and leases, and would go on as the same worker.
    """
    loop._ready.appendleft(asyncio.Handle(os._exit, (1,), loop))  # type: ignore[attr-defined]  # the next thing that the loop does


def _command(home: Home, options: Options, lock: AliveLock) -> list[str]:
    """The command that starts the same worker again."""
    extra = [
        *(["--concurrency", str(options.concurrency)] if options.concurrency else []),
        *(["--until-idle"] if options.until_idle else []),
    ]
    extra += ["--python", options.python] if options.python else []
    bell = ["--doorbell", str(options.doorbell)] if options.doorbell is not None else []
    held = ["--lock", lock.name, str(lock.descriptor)]
    return [*worker_command(home.path), *extra, *bell, *held, "--", options.target]


def _die_with(console: int) -> None:
    """End once the console has ended, even if an agent blocks the event loop."""
    while os.getppid() == console:
        time.sleep(1)
    time.sleep(ORPHAN_S)
    end_children()
    os._exit(1)


def _detach(home: Home) -> WorkerStreams:
    """Make this a background process, whose agents reach no terminal."""
    os.umask(UMASK)
    with contextlib.suppress(OSError):
        nicer = (
            os.getpriority(os.PRIO_PROCESS, os.getppid()) + NICENESS
        )  # relative to the parent: a replacement must not become nicer each time
        os.setpriority(os.PRIO_PROCESS, 0, max(nicer, os.getpriority(os.PRIO_PROCESS, 0)))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - for the life of the process
    streams = WorkerStreams(home)
    sys.stdout, sys.stderr = RunOutput(home, streams.out, 1), RunOutput(home, streams.err, 2)
    return streams


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[bool]) -> bool:
    """Run the loop to its end. asyncio re-raises a node's `sys.exit` through the loop; it is ignored here, because the run gets it too."""
    while not task.done():
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(task)
    return task.result()


async def _work(
    target: AnyTarget,
    home: Home,
    options: Options,
    say: Callable[[str], None],
    executor: AgentExecutor,
    replacement: ProcessReplacement,
    lock: AliveLock,
    stop: StopRequest,
) -> bool:
    """Work until the end. True if the process must be replaced to go on."""
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(home.database))
        number = await agents.register_project(store, target.key, target.label)
        parallel, pid = ParallelRuns(options.concurrency), os.getpid()
        me = Worker(
            uuid.uuid4().hex, number, target.label, pid, started(pid), parallel.limit, 0.0, 0, lock=lock.name, service=options.is_service
        )
        bell = Doorbell(socket.socket(fileno=options.doorbell)) if options.doorbell is not None else None
        ring: Callable[[], None] = functools.partial(_ring, bell) if bell else lambda: None
        if not options.describe_only:
            await agents.register_worker(store, me, HOST)
            stack.push_async_exit(functools.partial(_leave, store, me, replacement))
            await _requeue_own_runs(store, me, options.time_limit_s)
            Watchdog(home.database, me.id, options.time_limit_s, replacement.execute).start()
        router = PolicyRouter(store, home.path, target.root)
        source = await stack.enter_async_context(_opened(target, home, store, router.settings_of))
        watch = SourceWatch(store, number, source, [options.note, await _moved_from(store, number, target)], ring)
        await watch.note_source()
        gc.freeze()  # modules stay for good: garbage collection need not walk them again
        ring()
        if options.describe_only:
            if source.outage:
                raise BadTarget(f"{source.label} cannot be used: {source.outage.why}", "try again once it can")
            return False
        traces = await stack.enter_async_context(Store.open(home.database, "NORMAL"))
        writer = await stack.enter_async_context(TraceWriter(traces, ring).running())
        await router.note(store)
        leases = stack.enter_context(LeaseReader.open(home.database))
        people = TrustedPeople(store, PeopleFile(home.path))
        await people.note()
        check = SignatureCheck(store, people, router)
        second = SecondReader(store, number, router.current, answer_of, ring)
        driver = RunDriver(store, me.id, source, writer, executor, router, leases, check, second)
        jobs = ScheduledJobs(store, number, router.current, people=router.people)
        engine = Engine(store, me, source, driver, jobs, ring, options.time_limit_s, home, parallel, watch.is_looking)
        of_home = PolicyFile(policy_paths(home.path), people=router.people)
        await stack.enter_async_context(AuditAnchor(store, of_home.current).running())
        link = functools.partial(_answer_link, home, of_home.current, router.people)
        await stack.enter_async_context(Notifier(store, me.id, number, router.current, ring, link=link).running())
        await stack.enter_async_context(LessonRewriter(store, source.names, model_name(), reworded, ring).running())
        await stack.enter_async_context(watch.running(engine.wake))
        await stack.enter_async_context(second.running(options.until_idle))
        await stack.enter_async_context(Decider(store, number, of_home.current, router.people, ring).running(options.until_idle))
        await stack.enter_async_context(Previews(store, number, home, source.explain, ring).running(options.until_idle))
        stop.engine = engine
        if bell:
            bell.answer(engine.wake, engine.stop)
        say(f"worker of {target.label}: {', '.join(source.names) or 'no agent can be run'}")
        await engine.serve(options.until_idle)
        replacement.wanted = engine.wants_replacement
        if not replacement.wanted:
            await _report_problems(store, source, say)
        return replacement.wanted


def _ring(bell: Doorbell) -> None:
    """Ring, and let the console go first where both share a CPU: somebody waits for it."""
    bell.ring()
    if hasattr(os, "sched_yield"):
        os.sched_yield()


async def _moved_from(store: Store, project: int, target: AnyTarget) -> str:
    """A sentence on a project that this one may have been before it was moved; empty if there is none."""
    if isinstance(target, ServerTarget):
        return ""
    known = await agents.namesakes(store, project, [spec.name for spec in target.graphs])
    gone = next(filter(is_gone, known), "")
    return (
        f"{gone} is gone, and had agents of the same names; if it was moved here, end this console or worker and use "
        f"`hitl-tui moved {shlex.quote(gone)} {shlex.quote(target.key)}`: its agents keep their names, runs, levels and lessons"
        if gone
        else ""
    )


def _opened(target: AnyTarget, home: Home, store: Store, settings: Callable[[str], AgentSettings]) -> AbstractAsyncContextManager[Source]:
    """The source of a target."""
    changed_lessons = functools.partial(lessons.changed_since, store)
    if isinstance(target, ServerTarget):
        from hitl_tui.agents.server_source import ServerSource  # imports an HTTP client, which local agents do without

        return ServerSource.open(target, home, settings, changed_lessons)
    return LocalSource.open(target, home, settings, changed_lessons, store.wait_for_disk)


def _answer_link(home: Home, policy: Callable[[], Policy | None], people: Callable[[], People], review: Review) -> str:
    """The address of a page where the person that the home's policy names decides a review's calls; empty if they may decide none."""
    settings, known = policy(), people()
    person = settings.notify.links if settings and not settings.problem else ""
    may = not known.is_checked or any(not refusal_of_call(known, person, one.decider, "") for one in review.actions)
    return answer_links.make(home, person, review, settings.notify.links_for_s) if settings and person and may else ""


async def _requeue_own_runs(store: Store, me: Worker, limit_s: float) -> None:
    """Requeue the runs that this process drove before it was replaced."""
    for other, _ in await agents.list_workers(store):
        if other.id != me.id and other.lock == me.lock:
            await asyncio.to_thread(time_limits.mark_all, store.path, other.id, limit_s)
            await runs.recover(store, other.id, blame=False)


async def _leave(store: Store, me: Worker, replacement: ProcessReplacement, _: object, error: BaseException | None, __: object) -> None:
    """End leases and unregister. A process that is replaced keeps them until its old code is gone.

    An error that is none of this program's sentences is a crash, and counts as one for the runs that the worker drove.
    """
    with contextlib.suppress(Storage):
        if replacement.wanted:
            await agents.beat(store, me.id, me.concurrency)
        else:
            await runs.recover(store, me.id, blame=error is not None and not isinstance(error, HitlError))


async def _report_problems(store: Store, source: Source, say: Callable[[str], None]) -> None:
    for agent in source.agents:
        if agent.error:
            say(f"{agent.name} cannot be loaded: {agent.error}")
    for run, agent_name in await runs.orphans(store, [agent.name for agent in source.agents]):
        say(f"run r{run} still waits for an agent {agent_name}, which {source.label} does not have")
