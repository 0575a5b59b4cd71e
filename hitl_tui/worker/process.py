"""Start and end of a worker process: its streams, its niceness, its signals, and the loop that agents cannot end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui.agents.project import Project
from hitl_tui.agents.targets import Target
from hitl_tui.doorbell import Doorbell
from hitl_tui.errors import HitlError
from hitl_tui.model import Worker
from hitl_tui.settings import Home
from hitl_tui.store import Store, agents, runs, workers
from hitl_tui.worker.engine import Engine
from hitl_tui.worker.journal import Journal
from hitl_tui.worker.liveness import HOST, started
from hitl_tui.worker.output import RunOutput
from hitl_tui.worker.turns import Turns

NICENESS = 5
ORPHAN_S = 10.0
"""How long a worker may take to stop by itself once its console is gone."""
THREADS = 128
"""For sync nodes: one that never returns keeps its thread, and must not starve the others."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a worker was asked to run."""

    concurrency: int = 8
    until_idle: bool = False
    describe_only: bool = False
    """Load the project, store what it holds, and end."""
    doorbell: int | None = None
    """File descriptor of a socket to the console."""


def run_worker(target: Target, home: Home, options: Options, say: Callable[[str], None]) -> int:
    """Be a worker until told to stop; the exit code. `say` is for the one who started it by hand."""
    _detach(home)
    if options.doorbell is not None:
        threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "agent"))
    try:
        code = _run(loop, _work(target, home, options, say))
    except HitlError as error:
        say(f"hitl-tui: {error}")
        code = 1
    except BaseException:  # noqa: BLE001 - a fault of this program; only the way out matters now
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads of agents that never return must not keep the process


def _die_with(console: int) -> None:
    """End when the console has, even if an agent keeps the event loop from hearing of it."""
    while os.getppid() == console:
        time.sleep(1)
    time.sleep(ORPHAN_S)
    os._exit(1)


def _detach(home: Home) -> None:
    os.umask(0o077)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - for the life of the process
    sys.stdout = RunOutput(home, sys.stdout)
    sys.stderr = RunOutput(home, sys.stderr)


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, int]) -> int:
    """Run to the end. A `sys.exit` inside a node is re-raised by asyncio through the loop; the node's own run gets it too."""
    task = loop.create_task(work)
    while not task.done():
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_until_complete(task)
    return task.result()


async def _work(target: Target, home: Home, options: Options, say: Callable[[str], None]) -> int:
    async with contextlib.AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store.open(home.database))
        number = await agents.register_project(store, target.key, target.label)
        me = Worker(uuid.uuid4().hex, number, target.label, os.getpid(), started(os.getpid()), options.concurrency, 0.0, 0)
        bell = Doorbell(socket.socket(fileno=options.doorbell)) if options.doorbell is not None else None
        ring = bell.ring if bell else lambda: None
        if not options.describe_only:
            await workers.register(store, me, HOST)
            stack.push_async_callback(workers.retire, store, me.id)
        project = await stack.enter_async_context(Project.open(target, home))
        await agents.replace_agents(store, number, [replace(agent, project=number) for agent in project.agents])
        gc.freeze()  # what is imported by now stays: no collection need walk it again
        ring()
        if options.describe_only:
            return 0
        traces = await stack.enter_async_context(Store.open(home.database, "NORMAL"))
        journal = await stack.enter_async_context(Journal(traces, ring).running())
        engine = Engine(store, me, project, Turns(store, me.id, project, journal), ring)
        _listen(engine, bell)
        say(f"worker of {target.label}: {', '.join(project.names) or 'no agent can be run'}")
        await engine.serve(options.until_idle)
        await _report(store, project, say)
        return 0


def _listen(engine: Engine, bell: Doorbell | None) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, engine.stop)
    if bell:
        bell.answer(engine.wake, engine.stop)


async def _report(store: Store, project: Project, say: Callable[[str], None]) -> None:
    for agent in project.agents:
        if agent.error:
            say(f"{agent.name} cannot be loaded: {agent.error}")
    for run, agent_name in await runs.orphans(store, [agent.name for agent in project.agents]):
        say(f"run r{run} still waits for an agent {agent_name}, which {project.target.label} does not have")
