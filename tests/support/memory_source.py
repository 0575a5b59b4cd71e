"""A source of scripted agents with threads in memory; as on a server, threads outlive the workers that drive them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hitl_tui.agents.source import (
    GATE,
    AppliedHandback,
    CheckpointLost,
    Drained,
    KnownThreads,
    NotPending,
    Outage,
    PendingInterrupt,
    StepProgress,
    StreamEvent,
    ThreadSnapshot,
)
from hitl_tui.errors import Forbidden, Refused
from hitl_tui.model import (
    Action,
    Agent,
    Answer,
    BlockedCall,
    Context,
    DecisionKind,
    Json,
    MovedThread,
    Pause,
    PauseKind,
    Run,
    RunHead,
    Submission,
    Takeover,
    digest_of,
)


@dataclass(frozen=True)
class Tool:
    """A tool call that needs a decision before it has its effect."""

    name: str
    args: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """A static gate before a node."""

    node: str


@dataclass(frozen=True)
class Work:
    """A node that runs without asking."""

    name: str


Item = Tool | Gate | Work


@dataclass
class MemoryState:
    """A thread as a server stores it."""

    script: Sequence[Item]
    run: int
    position: int = 0
    checkpoint: int = 0
    interrupt: str = ""
    """The pending interrupt; empty while nothing is asked."""
    answer: Answer | None = None
    """The stored answer to the item at `position`."""
    passed: bool = False
    """The gate at `position` was passed."""
    busy: bool = False
    log: list[str] = field(default_factory=list)
    takeovers: set[int] = field(default_factory=set)

    @property
    def item(self) -> Item | None:
        return self.script[self.position] if self.position < len(self.script) else None

    @property
    def call_id(self) -> str:
        return f"call-{self.run}-{self.position}"

    def advance(self, line: str) -> None:
        """Complete the current item."""
        self.log.append(line)
        self.position += 1
        self.checkpoint += 1
        self.interrupt, self.answer, self.passed = "", None, False


class MemorySource:
    """Runs scripts. Tests set failures, crashes and blocks by the name of a tool or node."""

    label = "memory"
    warnings: Sequence[str] = ()
    outage: Outage | None = None
    read_only = ""
    longest_wait_s = 60.0

    def __init__(self, scripts: Mapping[str, Sequence[Item]]) -> None:
        self._scripts = scripts
        state = {"type": "object", "properties": {"messages": {"type": "array"}}}
        self.agents = [Agent(name, 0, self.label, "", {}, takes_text=False, state_schema=state) for name in scripts]
        self.threads: dict[str, MemoryState] = {}
        self.effects: list[tuple[str, Json, str | None]] = []
        """Tools that ran: name, arguments, decision key."""
        self.fails: dict[str, Exception] = {}
        """Raised once by the tool or node of that name."""
        self.cuts: set[str] = set()
        """Tools and nodes whose worker dies once, right after their effect."""
        self.blocks: dict[str, asyncio.Event] = {}
        """Tools and nodes that wait for this event before they end."""
        self.overtaken: set[str] = set()
        """Threads that another program resumes between the worker's snapshot and its resume."""
        self.began = asyncio.Event()

    @property
    def names(self) -> list[str]:
        return list(self._scripts)

    def rename(self, graphs: Mapping[str, str]) -> None:
        """Nothing: its agents have names that no other project has."""

    async def follow(self, known: KnownThreads) -> AsyncIterator[Sequence[MovedThread]]:
        nothing: list[Sequence[MovedThread]] = []
        for batch in nothing:
            yield batch

    @contextlib.asynccontextmanager
    async def thread(self, run: Run, holds: Callable[[], bool] = lambda: True) -> AsyncIterator[MemoryThread]:
        yield MemoryThread(self, run)

    def script_of(self, run: Run) -> Sequence[Item]:
        return self._scripts[run.agent]

    def input_of(self, run: Run) -> Json:
        return run.input.get("input")

    def explain(self, error: BaseException) -> str:
        return f"{type(error).__name__}: {error}"

    async def sync_lessons(self) -> None:
        pass

    def code_edited(self) -> bool:
        """There is no code."""
        return False

    async def check_storage(self) -> None:
        pass

    def answer_elsewhere(self, thread: str, answer: Answer) -> None:
        """Answer the pending interrupt as another program, and advance the agent to its next item."""
        state = self.threads[thread]
        assert isinstance(state.item, Tool) and state.interrupt
        self.effects.append((state.item.name, dict(state.item.args), "elsewhere"))
        state.advance(f"{state.item.name} {answer.kind} elsewhere")
        if isinstance(state.item, Tool):
            state.interrupt = f"i-{state.run}-{state.checkpoint}"


class MemoryThread:
    """One run's thread, as driven by a worker."""

    code_changed = False

    def __init__(self, source: MemorySource, run: Run) -> None:
        self._source = source
        self._run = run
        self._keys: str | None = None
        self._blocked: dict[str, BlockedCall] = {}
        self._draining = False

    @property
    def _state(self) -> MemoryState:
        return self._source.threads[self._run.thread]

    # Reading

    async def snapshot(self, stopped: bool, gates: Collection[str] = ()) -> ThreadSnapshot:
        if self._run.thread not in self._source.threads:
            return ThreadSnapshot(None, StepProgress.NOT_STARTED)
        state = self._state
        checkpoint, done = str(state.checkpoint), frozenset(f"call-{state.run}-{place}" for place in range(state.position))
        if state.item is None:
            return ThreadSnapshot(checkpoint, StepProgress.FINISHED, run=state.run, result={"log": list(state.log)})
        progress = StepProgress.ASKING if state.interrupt else StepProgress.UNFINISHED
        pause = self._pause(state, stopped, gates)
        head = RunHead(checkpoint, (_node(state.item),), Context(), "", (), {})
        return ThreadSnapshot(
            checkpoint,
            progress,
            (pause,) if pause else (),
            run=state.run,
            has_open_tasks=not state.interrupt,
            completed_calls=done,
            head=head,
        )

    def _pause(self, state: MemoryState, stopped: bool, gates: Collection[str]) -> Pause | None:
        """Return the pending pause. Gates and interrupted tool calls have no id of their own, so it is made from the checkpoint."""
        item, at_gate = state.item, f"{GATE}{state.checkpoint}"
        assert item is not None
        node = _node(item)
        if isinstance(item, Tool):
            kind = PauseKind.TOOL_APPROVAL if state.interrupt else PauseKind.TOOL_GATE
            args: Json = dict(item.args)
            action = Action(0, item.name, args, tuple(DecisionKind), tool_call=state.call_id, digest=digest_of(item.name, args))
        else:
            kind, allowed = PauseKind.GATE, (DecisionKind.APPROVE, DecisionKind.REJECT)
            action = Action(0, node, None, allowed, digest=digest_of(node, None))
        if state.interrupt or stopped or at_gate in gates or isinstance(item, Gate):
            return Pause(state.interrupt or at_gate, kind, node, (), {}, (action,), Context())
        return None

    async def pending(self, wanted: Mapping[str, str]) -> dict[str, PendingInterrupt]:
        pauses = (await self.snapshot(stopped=True)).pauses
        return {p.interrupt: PendingInterrupt(p.interrupt, p.kind, p.node, p.actions) for p in pauses if p.interrupt in wanted}

    async def earlier_answer(self) -> None:
        pass

    def checkpoint_lost(self) -> CheckpointLost:
        return CheckpointLost("its memory is gone")

    async def head_after_error(self, run: int, error: str) -> RunHead | None:
        return (await self.snapshot(stopped=True)).head

    # Running

    def start(self, given: Json) -> AsyncIterator[StreamEvent]:
        self._source.threads[self._run.thread] = MemoryState(self._source.script_of(self._run), self._run.id)
        return self._go_on()

    def proceed(self) -> AsyncIterator[StreamEvent]:
        return self._go_on()

    async def resume(self, answered: Sequence[tuple[PendingInterrupt, Mapping[int, Answer]]]) -> AsyncIterator[StreamEvent]:
        state, ((asked, answers),) = self._state, answered
        if self._run.thread in self._source.overtaken:
            self._source.overtaken.discard(self._run.thread)
            self._source.answer_elsewhere(self._run.thread, answers[0])
        if state.busy or asked.interrupt not in await self.pending({asked.interrupt: asked.node}):
            raise NotPending(asked.interrupt)
        if asked.kind is PauseKind.GATE and answers[0].kind is DecisionKind.REJECT:
            state.position = len(state.script)
            return
        state.interrupt, state.passed, state.checkpoint = "", True, state.checkpoint + 1
        state.answer = answers[0]
        async for event in self._go_on():
            yield event

    async def _go_on(self) -> AsyncIterator[StreamEvent]:
        state = self._state
        if state.busy:
            raise NotPending("the thread is busy")
        state.busy = True
        try:
            while (item := state.item) and not self._asks(state, item):
                if self._draining:
                    raise Drained
                yield StreamEvent("start", {"task": _node(item)}, _node(item))
                line = await self._act(state, item)
                yield StreamEvent("end", {"task": _node(item)}, _node(item))
                state.advance(line)
        finally:
            state.busy = False

    def _asks(self, state: MemoryState, item: Item) -> bool:
        """Check whether the thread stops at this item; a tool gets its interrupt id."""
        if isinstance(item, Tool) and state.answer is None:
            state.interrupt = f"i-{state.run}-{state.checkpoint}"
            return True
        return isinstance(item, Gate) and not state.passed

    async def _act(self, state: MemoryState, item: Item) -> str:
        name, answer = _node(item), state.answer
        if isinstance(item, Tool):
            assert answer is not None
            if answer.kind in (DecisionKind.REJECT, DecisionKind.RESPOND):
                return f"{name} refused: {answer.message}"
            args = answer.args if answer.kind is DecisionKind.EDIT else dict(item.args)
            blocked_call = self._blocked.get(state.call_id)
            if blocked_call and blocked_call.instead != args:
                raise Forbidden(f"{name} must not run", "nobody approved it")
            self._source.effects.append((name, args, self._keys))
        self._source.began.set()
        if error := self._source.fails.pop(name, None):
            raise error
        if name in self._source.cuts:
            self._source.cuts.discard(name)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()  # by nobody whom the worker knows: nothing is stored, as if it had crashed here
            await asyncio.sleep(0)
        if block := self._source.blocks.get(name):
            await block.wait()
        return f"{name} ran"

    def name_decisions(self, decisions: str, by: str) -> None:
        pass

    def request_drain(self) -> None:
        self._draining = True

    def use_keys(self, whole: str | None, by_call: Mapping[str, str]) -> None:
        self._keys = whole

    def forbid(self, blocked: Sequence[BlockedCall]) -> None:
        self._blocked = {one.tool_call: one for one in blocked}

    async def deliver_lessons(self) -> str:
        return ""

    # After a crash

    async def rejoin(self) -> AsyncIterator[StreamEvent]:
        events: list[StreamEvent] = []
        for event in events:
            yield event

    async def was_sent(self, decisions: str) -> bool | None:
        return None

    async def restore_refusals(self, sent: Sequence[Submission]) -> bool:
        return False

    def finish_step(self) -> AsyncIterator[StreamEvent]:
        raise AssertionError("an item and its end are one step here")

    def ask_again(self) -> AsyncIterator[StreamEvent]:
        raise AssertionError("no answer is poisoned here")

    # Takeover: a person can answer in the agent's place, which ends the run

    async def apply_handback(self, takeover: Takeover, failed: bool) -> AppliedHandback:
        if takeover.plan.answer is None:
            raise Refused("a script can only be ended", "give an answer")
        state = self._state
        state.log.append(takeover.plan.answer)
        state.position, state.interrupt, state.checkpoint = len(state.script), "", state.checkpoint + 1
        state.takeovers.add(takeover.id)
        return AppliedHandback()

    def has_handback(self, takeover: int) -> bool:
        return takeover in self._state.takeovers

    async def snapshot_after(self, applied: AppliedHandback) -> ThreadSnapshot:
        return await self.snapshot(stopped=False)

    def continue_after(self, applied: AppliedHandback) -> AsyncIterator[StreamEvent]:
        return self._go_on()


def _node(item: Item) -> str:
    return item.node if isinstance(item, Gate) else item.name
