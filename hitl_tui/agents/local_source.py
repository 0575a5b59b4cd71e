"""One loaded project: its agents as the console lists them, and a thread of an agent on request."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import sqlite3
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel

from hitl_tui.agents import loader
from hitl_tui.agents.checkpoint_reader import CheckpointReader
from hitl_tui.agents.checkpoints import Checkpoints, LongTermStore, open_checkpoints, open_long_term_store, probe
from hitl_tui.agents.confidence_signals import ConfidenceSources
from hitl_tui.agents.introspection import GraphInfo, examine, input_schema, state_schema, takes_text, text_input
from hitl_tui.agents.memory import LessonSync
from hitl_tui.agents.serde import declared_types, report_foreign_types, types_of_this_process
from hitl_tui.agents.targets import Target
from hitl_tui.agents.thread import Thread
from hitl_tui.errors import BadHome, BadTarget, Refused
from hitl_tui.model import Agent, Json, Run
from hitl_tui.settings import Home
from hitl_tui.store.lessons import Taught


class LocalSource:
    """A target's graphs on the console's checkpointer. Open it with `LocalSource.open`."""

    def __init__(
        self,
        target: Target,
        home: Home,
        saver: Checkpoints,
        memory: LongTermStore,
        heads: CheckpointReader,
        hearing: Callable[[str], ConfidenceSources],
        lessons: LessonSync,
    ) -> None:
        self.target = target
        self.agents: list[Agent] = []
        self.home = home
        self._saver = saver
        self._memory = memory
        self._heads = heads
        self._hearing = hearing
        self._lessons = lessons
        self._found: dict[str, Any] = {}
        self._code = ""
        self._anatomy: dict[str, GraphInfo] = {}
        self._graphs: dict[str, Pregel[Any, Any, Any, Any]] = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, target: Target, home: Home, hearing: Callable[[str], ConfidenceSources] = lambda _: ConfidenceSources(),
        taught: Callable[[int], Taught | None] = lambda _: None,
    ) -> AsyncIterator[LocalSource]:  # fmt: skip
        """Open the checkpoints and load the graphs. A graph that fails is listed with its error.

        `hearing` says of an agent, whenever it pauses, who is asked how sure it is; `taught` gives the lessons, when some have changed
        since a revision.

        Raises:
            BadHome: LangGraph's databases cannot be used.
        """
        async with open_checkpoints(home.checkpoints) as saver, open_long_term_store(home.memory) as memory:
            with _alone(home):
                await _set_up(home.checkpoints, saver)
                await _set_up(home.memory, memory)
            report_foreign_types(_say)
            with CheckpointReader.open(home.checkpoints, saver.serde) as heads:
                project = cls(target, home, saver, memory, heads, hearing, LessonSync(memory, taught))
                for loaded in await asyncio.to_thread(loader.load, target):  # in a thread: user code may call asyncio.run
                    project.agents.append(await project._describe(loaded))
                project._code = loader.fingerprint(target)
                saver.allow(types_of_this_process())
                yield project

    @property
    def names(self) -> list[str]:
        """Agents that can be run."""
        return [agent.name for agent in self.agents if not agent.error]

    async def _describe(self, loaded: loader.Loaded) -> Agent:
        spec = loaded.spec
        error, trace, schema, state = loaded.error, loaded.traceback, None, None
        if not error:
            try:
                async with loader.opened(loaded.found, {"configurable": {"thread_id": "none"}}, self._saver, self._memory) as graph:
                    self._allow(graph)
                    schema, state = input_schema(graph), state_schema(graph)
                    self._anatomy[spec.name] = examine(graph)
                    if graph_is_fixed(loaded.found):
                        self._graphs[spec.name] = graph
                self._found[spec.name] = loaded.found
            except BadTarget as problem:
                error = str(problem)
            except (Exception, SystemExit) as problem:  # noqa: BLE001 - the factory is user code: its error is shown
                error, trace = loader.describe(problem), traceback.format_exc()
        description = spec.description or _docstring(loaded.found)
        tools = self._anatomy[spec.name].tools if spec.name in self._anatomy else {}
        return Agent(spec.name, 0, self.target.label, description, schema, takes_text(schema), error, trace, state, tools)

    @contextlib.asynccontextmanager
    async def thread(self, run: Run) -> AsyncIterator[Thread]:
        """The run's thread, on its agent's graph.

        Raises:
            Refused: the run is to stop at a node that the graph does not have.
        """
        configurable = {"thread_id": run.thread, "hitl_run": run.id, "hitl_agent": run.agent, "hitl_workdir": str(self._workdir(run))}
        configurable["hitl_code"] = self._code
        config: RunnableConfig = {"configurable": configurable}
        anatomy = self._anatomy[run.agent].gated(run.options.gates_before, run.options.gates_after)
        hearing = functools.partial(self._hearing, run.agent)
        fixed = self._graphs.get(run.agent)
        if fixed is not None:
            yield Thread(fixed, config, anatomy, self._saver, self._heads, hearing)
            return
        async with loader.opened(self._found[run.agent], config, self._saver, self._memory) as graph:
            self._allow(graph)
            yield Thread(graph, config, anatomy, self._saver, self._heads, hearing)

    async def learn(self) -> None:
        """Have in the long-term store what reviewers have taught by now.

        Raises:
            Storage: it cannot be written.
        """
        await self._lessons.keep(self.names)

    async def teach(self, run: Run, thread: Thread) -> str:
        """The same for the run's graph, where that has a store of its own; why it does not take it, as a sentence, or nothing.

        Raises:
            Storage: the console's own cannot be written.
        """
        await self.learn()
        return await self._lessons.lend(thread.store, run.agent)

    async def check_storage(self) -> None:
        """Whether runs could go on with what the disk gives now.

        Raises:
            Storage: they could not.
        """
        await asyncio.to_thread(probe, self.home)

    def _allow(self, graph: Pregel[Any, Any, Any, Any]) -> None:
        """Let checkpoints hold what the graph declares."""
        self._saver.allow(declared_types(graph))

    def input_of(self, run: Run) -> Json:
        """What the graph is started with.

        Raises:
            Refused: the run has a sentence, and the agent takes none.
        """
        if "text" not in run.input:
            return run.input["input"]
        schema = next(agent.input_schema for agent in self.agents if agent.name == run.agent)
        given = text_input(schema, run.input["text"])
        if given is None:
            raise Refused(f"{run.agent} takes no plain text", "launch it with --input JSON")
        return given

    def _workdir(self, run: Run) -> Path:
        return self.home.workdir(run.thread)


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Keep other workers out: LangGraph's databases do not bear being made by two at once."""
    with (home.path / "setup.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(line: str) -> None:
    print(f"hitl-tui: {line}", file=sys.__stderr__, flush=True)  # the worker's own stream, whichever run it is read for


async def _set_up(path: Path, opened: Checkpoints | LongTermStore) -> None:
    try:
        await opened.setup()
    except sqlite3.Error as error:
        raise BadHome(f"{path} cannot be used: {error}", "`hitl-tui doctor` looks closer, and `doctor --repair` moves it aside") from None


def graph_is_fixed(found: Any) -> bool:
    """Whether the user gave a graph, which serves every run, and not a function that makes one for each."""
    return isinstance(found, Pregel) or hasattr(found, "compile")


def _docstring(found: Any) -> str:
    text = found.__doc__ if callable(found) and not isinstance(found, Pregel) else ""
    return (text or "").strip().partition("\n")[0]
