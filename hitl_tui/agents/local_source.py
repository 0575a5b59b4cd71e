"""A source on this machine: loads a target's graphs into this process and runs them on the console's checkpointer."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from hitl_tui.agents import introspection, loader
from hitl_tui.agents.checkpoint_saver import CheckpointSaver
from hitl_tui.agents.checkpoints import LongTermStore, open_checkpoints, open_long_term_store, probe
from hitl_tui.agents.introspection import (
    GraphInfo,
    context_schema,
    default_context,
    input_schema,
    inspect_graph,
    state_schema,
    takes_text,
)
from hitl_tui.agents.memory import LessonSync
from hitl_tui.agents.serde import declared_types, report_foreign_types, types_of_this_process
from hitl_tui.agents.source import AgentSettings, KnownThreads, Outage
from hitl_tui.agents.targets import Target
from hitl_tui.agents.thread import LocalThread
from hitl_tui.errors import BadHome, BadTarget, LeaseLost
from hitl_tui.foreign_errors import frames_of
from hitl_tui.home import Home
from hitl_tui.model import Agent, Json, MovedThread, Run
from hitl_tui.store.lessons import LessonSet


class LocalSource:
    """A target's graphs. Open it with `LocalSource.open`. `source.Source` documents the methods."""

    longest_wait_s = 60.0

    def __init__(
        self,
        target: Target,
        home: Home,
        saver: CheckpointSaver,
        memory: LongTermStore,
        settings: Callable[[str], AgentSettings],
        lessons: LessonSync,
    ) -> None:
        self.label = target.label
        self.agents: list[Agent] = []
        self.warnings = list(target.warnings)
        self._home = home
        self._saver = saver
        self._memory = memory
        self._settings = settings
        self._lessons = lessons
        self._graph_names: dict[str, str] = {}
        """Graphs by the names that runs have for them."""
        self._input_schemas: dict[str, Json] = {}
        self._objects: dict[str, Any] = {}
        self._code = ""
        self._files: loader.LoadedFiles | None = None
        self._graph_info: dict[str, GraphInfo] = {}
        self._graphs: dict[str, Pregel[Any, Any, Any, Any]] = {}
        self._told: set[tuple[str, str]] = set()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls,
        target: Target,
        home: Home,
        settings: Callable[[str], AgentSettings],
        lessons: Callable[[int], LessonSet | None],
        before_write: Callable[[], None],
    ) -> AsyncIterator[LocalSource]:
        """Open the checkpoints and load the graphs. A graph that fails to load is listed with its error.

        Args:
            settings: gives what the policy says about an agent; asked at each pause.
            lessons: gives all lessons if any changed since a revision, else None.
            before_write: called before anything is written to a checkpoint.

        Raises:
            BadHome: LangGraph's databases cannot be used.
        """
        (home.path / "work").mkdir(mode=0o700, exist_ok=True)  # before an agent changes the umask
        index, no_index = await asyncio.to_thread(loader.store_index, target)
        async with (
            open_checkpoints(home.checkpoints, before_write=before_write) as saver,
            open_long_term_store(home.memory, index) as memory,
        ):
            with _setup_lock(home):
                await _set_up(home.checkpoints, saver)
                await _set_up(home.memory, memory)
            report_foreign_types(_print)
            source = cls(target, home, saver, memory, settings, LessonSync(memory, lessons))
            source.warnings += [no_index] if no_index else []
            for loaded in await asyncio.to_thread(loader.load, target):  # in a thread: user code may call asyncio.run
                source.agents.append(await source._describe(loaded))
            source._graph_names = {agent.name: agent.name for agent in source.agents}
            source._code, source._files = loader.fingerprint(target), loader.LoadedFiles(target)
            saver.allow(types_of_this_process())
            yield source

    @property
    def names(self) -> list[str]:
        """Names by which runs may call the agents that can run."""
        return [name for name, graph in self._graph_names.items() if graph in self._objects]

    def rename(self, graphs: Mapping[str, str]) -> None:
        """Let runs call the agents by their names in this home."""
        self._graph_names = dict(graphs)
        self._lessons.older_names = {name: graph for name, graph in graphs.items() if graph in graphs}

    @property
    def read_only(self) -> str:
        """Empty: decisions are possible."""
        return ""

    @property
    def outage(self) -> Outage | None:
        """None: this process runs the agents."""
        return None

    async def follow(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """Nothing: only workers of this home drive its threads."""
        nothing: list[Sequence[MovedThread]] = []
        for batch in nothing:
            yield batch

    async def _describe(self, loaded: loader.LoadedGraph) -> Agent:
        spec = loaded.spec
        error, trace, schema, state, context = loaded.error, loaded.traceback, None, None, None
        if not error:
            try:
                async with loader.opened(loaded.found, {"configurable": {"thread_id": "none"}}, self._saver, self._memory) as graph:
                    self._saver.allow(declared_types(graph))
                    schema, state, context = input_schema(graph), state_schema(graph), context_schema(graph)
                    self._input_schemas[spec.name] = schema
                    self._graph_info[spec.name] = inspect_graph(graph)
                    if serves_every_run(loaded.found):
                        self._graphs[spec.name] = graph
                self._objects[spec.name] = loaded.found
            except BadTarget as problem:
                error = str(problem)
            except BaseException as problem:  # noqa: BLE001 - the factory is user code: its error is shown
                error, trace = loader.explain_loading(problem), frames_of(problem)
        description = spec.description or _docstring(loaded.found) or _first_line(loaded.module_doc)
        tools = self._graph_info[spec.name].described_tools() if spec.name in self._graph_info else {}
        return Agent(spec.name, 0, self.label, description, schema, takes_text(schema), error, trace, state, tools, context)

    @contextlib.asynccontextmanager
    async def thread(self, run: Run, holds: Callable[[], bool] = lambda: True) -> AsyncIterator[LocalThread]:
        """The run's thread, on its agent's graph. A factory makes a graph for each turn."""
        if (clock := self._saver.keep_order(run.thread)) and (run.thread, clock[:20]) not in self._told:
            self._told.add((run.thread, clock[:20]))
            _print(f"run r{run.id}: {clock}")
        if not holds():
            raise LeaseLost(run.id)
        await self._saver.hold(run)
        given = run.options.config or {}
        configurable = {
            **given.get("configurable", {}),
            "thread_id": run.thread,
            "hitl_run": run.id,
            "hitl_agent": run.agent,
            "hitl_workdir": str(self._home.workdir(run.thread)),
            "hitl_code": self._code,
        }
        config: RunnableConfig = {**given, "configurable": configurable}  # type: ignore[typeddict-item]  # `launch` checked its keys
        graph_name = self._graph_names[run.agent]
        graph_info = self._graph_info[graph_name].gated(run.options.gates_before, run.options.gates_after)
        settings = functools.partial(self._settings, run.agent)
        async with contextlib.AsyncExitStack() as stack:
            graph = self._graphs.get(graph_name)
            if graph is None:
                runtime = loader.execution_runtime(self._memory, run.options.context)
                graph = await stack.enter_async_context(
                    loader.opened(self._objects[graph_name], config, self._saver, self._memory, runtime)
                )
                self._saver.allow(declared_types(graph))
            context = run.options.context or default_context(graph)
            yield LocalThread(graph, config, graph_info, self._saver, run, self._lessons, settings, holds, context)

    def input_of(self, run: Run) -> Json:
        """The input with which the run's graph starts."""
        return introspection.input_of(run, self._input_schemas[self._graph_names[run.agent]])

    def explain(self, error: BaseException) -> str:
        """One sentence for an exception that came out of a graph."""
        return loader.explain(error)

    async def sync_lessons(self) -> None:
        """Bring the console's long-term store up to date."""
        await self._lessons.update_own(self.names)

    def code_edited(self) -> bool:
        """Whether a file of the loaded code was edited since."""
        return self._files is not None and self._files.edited()

    async def check_storage(self) -> None:
        """Try the disk and the checkpoints' write lock."""
        await asyncio.to_thread(probe, self._home)


@contextlib.contextmanager
def _setup_lock(home: Home) -> Iterator[None]:
    """Keep other workers out: LangGraph's databases cannot be created by two processes at once."""
    with (home.path / "setup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _print(line: str) -> None:
    print(f"hitl-tui: {line}", file=sys.__stderr__, flush=True)  # the worker's own stream, whichever run reads the checkpoint


async def _set_up(path: Path, opened: CheckpointSaver | LongTermStore) -> None:
    try:
        await opened.setup()
    except sqlite3.Error as error:
        raise BadHome(f"{path} cannot be used: {error}", "`hitl-tui doctor` looks closer, and `doctor --repair` moves it aside") from None


def serves_every_run(found: Any) -> bool:
    """Whether the target names a graph rather than a function that makes one for each run."""
    return isinstance(found, Pregel) or hasattr(found, "compile")


def _docstring(found: Any) -> str:
    return _first_line(found.__doc__ or "") if callable(found) and not isinstance(found, Pregel) else ""


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
