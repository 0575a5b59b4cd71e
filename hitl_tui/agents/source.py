"""The protocol of a source, where agents run: to add a source, implement `Source` and `Thread`, and open it in `worker/process.py`.

`local_source` runs graphs in this process; a LangGraph server can be another source. Only the plain values below cross this line:
no LangGraph object does. Three rules make every source safe to resume from:

- Only a snapshot opens or closes reviews. The stream is for the trace.
- A dynamic interrupt is answered by its id and strictly: of several who resume it, one wins, and the others get `NotPending`.
- A static gate has no id. Its snapshot invents one from the checkpoint, and the run goes on without an answer value.
- Neither have calls of front-end tools, with which the agent has ended. The run goes on with their results as its next input.

A run is cancelled by cancelling the task that consumes its stream; the source must then stop the agent's code.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from hitl_tui.errors import HitlError
from hitl_tui.model import (
    Action,
    Agent,
    Answer,
    BlockedCall,
    Call,
    Json,
    MovedThread,
    Pause,
    PauseKind,
    Run,
    RunHead,
    Submission,
    Takeover,
)
from hitl_tui.policy.confidence import DEFAULT_ORDER, STATE_KEY
from hitl_tui.policy.confidence import ConfidenceSource as ConfidenceSource

GATE = "gate:"
"""Prefix of the ids that snapshots give to static gates; the checkpoint's id follows."""
END_CALLS = "end:"
"""The same for calls of front-end tools with which the agent has ended."""


def is_gate(interrupt: str) -> bool:
    """Whether an interrupt id belongs to a static gate."""
    return interrupt.startswith(GATE)


class Drained(Exception):
    """The run stopped at a step boundary because a drain was requested; it continues from its checkpoint."""


@dataclass(frozen=True, slots=True)
class EarlierAnswer:
    """An answer that reached the thread before one from here."""

    actor: str
    """Name of the person or program that answered."""
    seconds_ago: int | None = None
    """None if the clocks of this machine and of the source differ."""


class NotPending(Exception):
    """The source refused to resume: an interrupt is no longer pending, or the thread is busy. Nothing ran and nothing was stored."""

    def __init__(self, why: str = "", earlier: EarlierAnswer | None = None) -> None:
        """`earlier`: the answer that was first; None if unknown."""
        super().__init__(why)
        self.earlier = earlier

    @property
    def first(self) -> str:
        """Name of who answered first, to be shown; "somebody else" if it is not known."""
        return self.earlier.actor if self.earlier else "somebody else"


class CutOff(HitlError):
    """The source stopped the run within a step, without its worker's doing: what that step did is unknown."""

    def __init__(self, happened: str, todo: str = "", goes_on: bool = False) -> None:
        """`goes_on`: the run can go on from its checkpoint, as after a worker's crash. Else a person decides that, by a retry."""
        super().__init__(happened, todo)
        self.goes_on = goes_on


class CheckpointLost(HitlError):
    """The run's checkpoint is lost. It must not start over, because its steps would run twice."""


class ReadOnly(HitlError):
    """Nothing can be decided at this source. Nothing was sent."""


class StepProgress(Enum):
    """How far the newest checkpoint's step has come."""

    NOT_STARTED = "not started"
    """The thread has no checkpoint."""
    UNFINISHED = "unfinished"
    """Some task has neither ended nor asked."""
    ASKING = "asking"
    """Every task has ended or asks, and at least one asks."""
    STEP_ENDED = "step ended"
    """Every task has ended, but the step was not stored as ended: its worker died. The next step may have started."""
    FINISHED = "finished"
    """Nothing is left to run; a person may still be asked for the results of front-end tools."""


@dataclass(frozen=True, slots=True)
class ThreadSnapshot:
    """A thread's newest checkpoint, as it was when read."""

    checkpoint: str | None
    progress: StepProgress
    pauses: tuple[Pause, ...] = ()
    """What the thread waits for; empty if it can simply run on."""
    poisoned: bool = False
    """A saved answer makes its node fail on every attempt (CONTRACT 2.2); only asking again under a new id helps."""
    run: int | None = None
    """The run that wrote the checkpoint; if another program wrote it, the last run of this home in the thread."""
    is_update: bool = False
    """Nothing has run since the state was updated from outside."""
    has_open_tasks: bool = False
    """Some task, also inside a subgraph, has neither ended nor asked."""
    completed_calls: frozenset[str] = frozenset()
    """Ids of the tool calls that have a result in the state; where calls of a message share one, all of them have."""
    left_out_calls: frozenset[str] = frozenset()
    """Ids of tool calls without a result, although the agent has gone on after them."""
    calls_at_end: tuple[str, ...] = ()
    """Names of the tool calls with which a finished thread ended, and which nobody ran."""
    head: RunHead | None = None
    """Where the thread stands, for a person who takes the run over; None once it is finished."""
    result: Json = None
    """The final state of a finished thread."""
    moved_by: str = ""
    """Who moved the thread since this home last saw it, for people; empty if nobody did, or it is unknown."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run, and nobody is asked."""
        return self.progress in (StepProgress.NOT_STARTED, StepProgress.FINISHED) and not self.pauses

    @property
    def at_gate(self) -> bool:
        """Whether the thread waits at a static gate."""
        return any(is_gate(pause.interrupt) for pause in self.pauses)

    def belongs_to(self, run: int) -> bool:
        """Whether this run wrote the checkpoint. An older run's finished thread says nothing about a new input."""
        return self.progress is not StepProgress.NOT_STARTED and self.run == run


@dataclass(frozen=True, slots=True)
class PendingInterrupt:
    """An interrupt that is pending right now: as much of it as answering needs."""

    interrupt: str
    kind: PauseKind
    node: str
    actions: tuple[Action, ...]
    value: Any = None
    """As LangGraph holds it; None at a gate."""


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One line for a run's trace, as it streams in."""

    kind: str
    """As in `model.Event`."""
    body: Json
    node: str = ""
    path: tuple[str, ...] = ()
    key: str = ""
    """Names the line if it can arrive again; it is then written once. Empty for lines that cannot."""
    partial: bool = False
    """The text still streams: the next event with this key replaces it."""


@dataclass(frozen=True, slots=True)
class AppliedHandback:
    """A person's edits to a thread that were just applied."""

    unapproved: tuple[Call, ...] = ()
    """Tool calls that nobody approved in this form: they must be asked before they run."""
    at_gate: bool = False
    """The thread still stands at the same static gate."""
    passes_gate: bool = False
    """The thread goes on from its static gate without another question."""
    node_asks: bool = False
    """The node that runs those calls asks for approval itself."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What the policy says about how an agent's pauses are read."""

    confidence_order: tuple[ConfidenceSource, ...] = DEFAULT_ORDER
    """Where its confidence is read from, in order of preference."""
    state_key: str = STATE_KEY
    """Key of its state that holds a confidence."""
    frontend_tools: tuple[str, ...] = ()
    """Globs of tools that no node runs: a person gives the results of calls with which the agent ends."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A source cannot be used now."""

    why: str
    """A clause, for people."""
    since: float
    """Unix time, seconds."""


class KnownThreads(Protocol):
    """What this home knows of a source's threads. Reads at once."""

    def versions(self, threads: Sequence[str]) -> Mapping[str, str]:
        """The versions under which these threads were handled last, of those that were."""

    def waiting(self) -> list[str]:
        """The threads of runs that wait for a person."""

    def queued(self) -> int:
        """How many runs wait for a worker."""


class Source(Protocol):
    """A place where agents run."""

    @property
    def label(self) -> str:
        """The source's name, for people."""

    @property
    def agents(self) -> Sequence[Agent]:
        """Every agent with its schemas; one that failed to load carries its error."""

    @property
    def warnings(self) -> Sequence[str]:
        """What of the source's settings has no effect here, one sentence each."""

    @property
    def names(self) -> list[str]:
        """Names by which runs call the agents that can run."""

    @property
    def outage(self) -> Outage | None:
        """Why nothing can run here now; None if all is well."""

    @property
    def read_only(self) -> str:
        """Why nothing can be decided here, although it is shown, as a clause; empty if decisions are possible."""

    @property
    def longest_wait_s(self) -> float:
        """Seconds at most between two checks of its storage, or of its server, while that fails. Nothing starts in between."""

    def follow(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        """Threads that others begin and move, in batches as they are noticed. A source where nobody else runs agents ends at once.

        An empty batch says that all threads were looked through, or that the source is away. `agents` and `outage` may have changed with
        each batch. The next one is made once this one is handled.
        """

    def rename(self, graphs: Mapping[str, str]) -> None:
        """Let runs call the agents by their names in this home. `graphs` are their names in `agents`, by all those that runs have for them.

        Before this, the names are the same.
        """

    def thread(self, run: Run, holds: Callable[[], bool] = lambda: True) -> AbstractAsyncContextManager[Thread]:
        """The run's thread, for one turn. `holds` tells at any time, in any thread, whether the worker still has the run's lease.

        It is asked before each step and request, and returns only once the disk has stored the decision that they follow from.
        Once the lease is lost, no further step may begin, and none of its streams or updates may change the thread: they raise `LeaseLost`.

        Raises:
            Refused: the run wants a gate at a node that its graph does not have.
        """

    def input_of(self, run: Run) -> Json:
        """The input with which the run's graph starts.

        Raises:
            Refused: the run has plain text, and its agent takes none.
        """

    def explain(self, error: BaseException) -> str:
        """One sentence for an exception that came out of an agent. Never raises."""

    async def sync_lessons(self) -> None:
        """Write lessons that changed into the agents' long-term memory.

        Raises:
            Storage: it cannot be written now.
        """

    def code_edited(self) -> bool:
        """Whether the agents' code was edited since it was loaded. Reads files: not for the event loop."""

    async def check_storage(self) -> None:
        """Check that runs could continue with the storage as it is now.

        Raises:
            Storage: they could not.
        """


class Thread(Protocol):
    """One run's thread. The caller holds the run's lease, so no other worker resumes it meanwhile."""

    # Reading

    async def snapshot(self, stopped: bool, gates: Collection[str] = ()) -> ThreadSnapshot:
        """Read the newest checkpoint.

        A checkpoint does not show a static gate. With `stopped`, the stream was seen to end here, so a thread with a next node stands at
        one. Without, it does if it is one of `gates`, where this run stood before, or if the graph may have a gate there.
        """

    async def pending(self, wanted: Mapping[str, str]) -> dict[str, PendingInterrupt]:
        """Those of these interrupts, given with the node that raised each, that are pending right now. Must be fast."""

    async def earlier_answer(self) -> EarlierAnswer | None:
        """Find who answered what is no longer pending; None if unknown."""

    def checkpoint_lost(self) -> CheckpointLost:
        """The error for a checkpoint that is gone: what may have happened to it at this source, and what to do."""

    async def head_after_error(self, run: int, error: str) -> RunHead | None:
        """Where a failed or cancelled run left the thread; None if the checkpoint is not this run's."""

    @property
    def code_changed(self) -> bool:
        """Whether the agent's code changed since the checkpoint that `pending` read last: the new code may ask something else."""

    # Running

    def start(self, given: Json) -> AsyncIterator[StreamEvent]:
        """Run from an input. Like every stream, raises `Drained`, or whatever the agent raises."""

    def proceed(self) -> AsyncIterator[StreamEvent]:
        """Run on from the checkpoint, without an answer."""

    def resume(self, answered: Sequence[tuple[PendingInterrupt, Mapping[int, Answer]]]) -> AsyncIterator[StreamEvent]:
        """Answer pending interrupts, all slots of each, and run on. At a gate there is one, and the run continues or ends there.

        The stream raises `NotPending` before its first event if somebody else was first, and `ReadOnly` if nobody can answer from here.
        """

    def name_decisions(self, decisions: str, by: str) -> None:
        """Name what `resume` sends next, and who decided it, where others can read that."""

    def request_drain(self) -> None:
        """Stop the stream at the next step boundary."""

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        """Give tools the keys of their decisions, all joined and by tool call, with which idempotent tools act once."""

    def forbid(self, blocked: Sequence[BlockedCall]) -> None:
        """Stop these tool calls if they are about to run."""

    async def deliver_lessons(self) -> str:
        """Update this agent's memory before it runs. Returns why that failed, or an empty text; the run goes on either way."""

    # After a crash

    def rejoin(self) -> AsyncIterator[StreamEvent]:
        """Follow what still runs in the thread without a worker, whoever started it. At a source whose agents end with it, nothing does.

        Raises `CutOff` if the source has stopped the run within a step, unless that is known (`Run.cut`), and `NotPending` if what was
        sent last came too late.
        """

    async def was_sent(self, decisions: str) -> bool | None:
        """Whether decisions of this name reached the source; None if it does not know."""

    async def restore_refusals(self, sent: Sequence[Submission]) -> bool:
        """Put back refusals that a crash cut out of a half-applied tool gate. True if the state was changed."""

    def finish_step(self) -> AsyncIterator[StreamEvent]:
        """Store a step whose tasks have all ended as ended, and start no other."""

    def ask_again(self) -> AsyncIterator[StreamEvent]:
        """Drop a poisoned answer: the thread asks again under a new id."""

    # Takeover

    async def apply_handback(self, takeover: Takeover, failed: bool) -> AppliedHandback:
        """Apply a takeover's plan, marked with the takeover's number. `failed`: the run had ended with an error.

        Raises:
            Refused: it cannot be done here; nothing was changed.
        """

    def has_handback(self, takeover: int) -> bool:
        """Whether all of this takeover was applied."""

    async def snapshot_after(self, applied: AppliedHandback) -> ThreadSnapshot:
        """Read the checkpoint after a hand-back. What was asked there before is asked again, and so are unapproved calls."""

    def continue_after(self, applied: AppliedHandback) -> AsyncIterator[StreamEvent]:
        """Run on after a hand-back, up to the node that would run unapproved calls."""
