"""Agents, their runs, and the workers that drive them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui.model.actions import DecisionKind
from hitl_tui.model.values import Json

NOT_RESPONDING_S = 30.0
"""Silence of a worker that lives, in seconds, after which a person may release its runs: it is stopped, or an agent blocks it."""


class RunState(StrEnum):
    """State of a run: `queued → running ⇄ waiting → done`, with the exits `failed` and `cancelled`."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class AgentPause:
    """A pause in force: workers start nothing new of the agent."""

    agent: str
    """Empty for all agents."""
    actor: str
    at: float
    """Unix time, seconds."""

    def told(self) -> str:
        """For people: `all agents are paused by ann`."""
        return f"{f'agent {self.agent} is' if self.agent else 'all agents are'} paused by {self.actor}"


UNCHECKED_SCHEMA = "x-unchecked"
"""Keyword of a JSON Schema that only describes: LangGraph takes any object where a TypedDict is declared."""


@dataclass(frozen=True, slots=True)
class Agent:
    """A graph that can be launched."""

    name: str
    """Its name in this home, which no other agent has: that of its graph, or `graph@project`."""
    project: int
    label: str
    """The project's name, for people."""
    description: str
    input_schema: Json
    takes_text: bool
    """Whether a plain text is enough input: the state has messages, or wants one string."""
    error: str = ""
    """Why it cannot be loaded; empty if it can."""
    traceback: str = ""
    state_schema: Json = None
    """JSON Schema of the graph's state."""
    tools: Mapping[str, Json] = field(default_factory=dict)
    """JSON Schema of the arguments by tool, where known."""
    context_schema: Json = None
    """JSON Schema of the context that its runs take; None if they take none."""

    @property
    def graph(self) -> str:
        """Its name in its project."""
        return graph_of(self.name)


def graph_of(agent: str) -> str:
    """The name that an agent of this home has in its project."""
    return agent.rpartition("@")[0] or agent


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a launch."""

    gates_before: tuple[str, ...] = ()
    """Nodes the run stops before, besides those the graph was compiled with; `*` for all."""
    gates_after: tuple[str, ...] = ()
    """Nodes the run stops after."""
    time_limit_s: float | None = None
    """How long the agent may work, in seconds; waiting for people does not count."""
    tags: tuple[str, ...] = ()
    """Words by which rules of the policy can match this run."""
    context: Json = None
    """What nodes read as `runtime.context`; None for the defaults of the graph's context schema."""
    config: Json = None
    """Parts of LangGraph's `RunnableConfig`: `configurable`, `recursion_limit`, `tags`, `metadata`; None for none."""
    limits: tuple[str, ...] = ()
    """Conditions and totals that its calls must keep to run without a person, as `policy.limits` reads them."""


@dataclass(frozen=True, slots=True)
class Assistant:
    """A named set of context and configuration with which an agent can be launched."""

    agent: str
    name: str
    context: Json
    config: Json
    actor: str
    """Who stored it."""
    at: float
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an agent on a thread."""

    id: int
    project: int | None
    """None until a worker that has the agent takes it."""
    agent: str
    thread: str
    title: str
    input: Json
    """`{"text": …}` or `{"input": …}`."""
    state: RunState
    activity: str
    """What it does now."""
    error: str
    traceback: str
    result: Json
    crashes: int
    """How often a worker died while this run was running."""
    created_at: float
    started_at: float | None
    ended_at: float | None
    resuming: bool
    """Whether it continues from its checkpoint when it is leased next."""
    cancelling: bool
    options: RunOptions = RunOptions()
    cut: bool = False
    """Whether it was cut off inside a step, which may have had its effects."""
    taken_by: str | None = None
    """Who has taken it over, or has just handed it back."""
    lease: int = 0
    """How often it was leased or released so far."""
    beat_at: float | None = None
    """The last heartbeat of the worker that drives it, as Unix time; None while nobody does."""

    is_retry: bool = False
    """Somebody lets it run on from where it failed, under this lease."""

    def silent_s(self, now: float) -> float:
        """For how long its worker has not responded; 0 if that is not long, or nobody drives it."""
        silence = now - self.beat_at if self.state is RunState.RUNNING and self.beat_at is not None else 0.0
        return silence if silence > NOT_RESPONDING_S else 0.0


@dataclass(frozen=True, slots=True)
class MovedThread:
    """A thread of a server that has changed."""

    thread: str
    agent: str
    version: str
    """Differs whenever the thread has changed."""
    title: str
    """What it is about, for people."""
    waits: bool
    """It may wait for somebody, so it gets a run if it has none. Otherwise it only concerns runs that are known."""
    is_known: bool = False
    """Only the version is new: a worker of this home has seen what changed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A worker's right to drive a run. It is lost when anybody else leases or releases the run, which counts `number` up."""

    run: int
    worker: str
    """The worker's id."""
    number: int
    """How often the run was leased so far; under a run's lease this is its fencing token."""


@dataclass(frozen=True, slots=True)
class RunFailure:
    """A failed run that a person has not seen yet."""

    run: int
    agent: str
    error: str
    ended_at: float
    """Unix time, seconds."""
    is_own: bool
    """Whether the person launched it or decided something in it."""
    decision: DecisionKind | None = None
    """The person's last decision in it."""
    tool: str = ""
    """The tool of that decision."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a run's trace."""

    seq: int
    at: float
    kind: str
    """`input`, `start`, `end`, `message`, `call`, `result`, `custom`, `paused`, `decided`, `error`, `done`."""
    node: str
    path: tuple[str, ...]
    body: Json


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs one project's agents."""

    id: str
    project: int
    label: str
    pid: int
    started: float
    """The process's creation time: with the pid, its identity."""
    concurrency: int
    beat_at: float
    running: int
    code_changed: bool = False
    """Whether loaded files of the project were edited since: it runs the old code until it is restarted."""
    lock: str | None = None
    """Name of the file that its process locks while it lives; None for a worker of a version without."""
    service: bool = False
    """Whether it runs until it is stopped, whichever console leaves."""
