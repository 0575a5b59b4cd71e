"""One thread of one graph: look at its head, run it, answer what it asks. Everything LangGraph is told goes through here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END
from langgraph.pregel import Pregel
from langgraph.runtime import RunControl
from langgraph.store.base import BaseStore
from langgraph.types import Command, StateSnapshot, StreamMode

from hitl_tui.agents import crash_recovery, handback, tool_gates
from hitl_tui.agents import interrupts as pauses
from hitl_tui.agents.checkpoint_reader import RESUME, CheckpointReader
from hitl_tui.agents.confidence_signals import ConfidenceSources
from hitl_tui.agents.handback import Moves
from hitl_tui.agents.interrupt_payloads import normalise, resume_value
from hitl_tui.agents.introspection import GraphInfo
from hitl_tui.agents.subgraph_interrupts import SubgraphPlace, SubgraphReader
from hitl_tui.agents.tool_guard import ToolGuard
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, Ban, DecisionKind, HandBack, Head, Pause, PauseKind, Sent

Part = tuple[tuple[str, ...], str, Any]
"""What LangGraph streams: namespace, mode, chunk."""

MODES: list[StreamMode] = ["tasks", "updates", "messages", "custom"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked at the head, no more than answering it needs."""

    interrupt: str
    kind: PauseKind
    node: str
    actions: tuple[Action, ...]


Ask = Callable[[str], Asked]
"""Reads a pending interrupt, given the name of the node that raised it."""


@dataclass(frozen=True, slots=True)
class Look:
    """The head of a thread, at one moment."""

    snapshot: StateSnapshot
    pauses: tuple[Pause, ...]
    """What it waits for; empty while it could simply go on."""
    poisoned: bool
    """A saved answer makes its node fail again and again (CONTRACT 2.2); only asking anew helps."""
    run: int | None = None
    """Whose head it is: the run that wrote it, or, where somebody else's program did, the last that wrote in this thread."""

    @property
    def checkpoint(self) -> str | None:
        """The head's id; None where there is none."""
        found = self.snapshot.config["configurable"].get("checkpoint_id")
        return None if found is None else str(found)

    @property
    def is_update(self) -> bool:
        """Whether nothing has run since the state was updated from outside."""
        return (self.snapshot.metadata or {}).get("source") == "update"

    @property
    def started(self) -> bool:
        """Whether there is any checkpoint."""
        return self.snapshot.created_at is not None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run. A step whose tasks have all ended, but whose worker died before it was closed, is not the end."""
        return not self.snapshot.tasks

    @property
    def at_step_end(self) -> bool:
        """Whether every task of this step has ended: the next may have begun, though nothing of it is stored."""
        return bool(self.snapshot.tasks) and all(task.result is not None for task in self.snapshot.tasks)

    @property
    def unfinished(self) -> bool:
        """Whether some task of this step neither ended nor asks."""
        return any(not task.interrupts and task.result is None for task in self.snapshot.tasks)

    def begun_by(self, run: int) -> bool:
        """Whether the head is this run's; an older run's finished thread says nothing of a new input."""
        return self.started and self.run == run


class Thread:
    """A graph bound to one thread id."""

    def __init__(
        self,
        graph: Pregel[Any, Any, Any, Any],
        config: RunnableConfig,
        anatomy: GraphInfo,
        saver: BaseCheckpointSaver[Any],
        heads: CheckpointReader,
        hearing: Callable[[], ConfidenceSources] = ConfidenceSources,
    ) -> None:
        self._graph = graph
        self._saver = saver
        self._heads = heads
        self._insides = SubgraphReader(saver, heads, config["configurable"]["thread_id"])
        self._config = config
        self._anatomy = anatomy
        self._hearing = hearing
        self.control = RunControl()
        """Ask it to drain, and the stream stops at the next step's boundary."""

    @property
    def store(self) -> BaseStore | None:
        """LangGraph's long-term store, as the graph's nodes get it."""
        return self._graph.store

    async def look(self, stopped: bool, gates: Collection[str] = ()) -> Look:
        """Read the head.

        `stopped` says that its stream was seen to end here, so what has a next step stands at a gate; `gates` are those where this thread
        was seen to stand before.
        """
        snapshot = await self._graph.aget_state(self._config, subgraphs=True)
        run = self._run_of(snapshot)
        if snapshot.interrupts:
            found = tuple(pauses.interrupted(snapshot, self._anatomy, await self._asking_inside(snapshot), self._hearing()))
            if found:  # else all are answered: LangGraph goes on to list them while a graph inside stands at a gate
                return Look(snapshot, found, await self._is_poisoned(snapshot), run)
        gate = pauses.gated(snapshot, self._anatomy, await self._stopped_inside(snapshot), self._hearing()) if snapshot.tasks else None
        if gate and snapshot.next and (stopped or gate.interrupt in gates or pauses.at_gate(snapshot, self._anatomy)):
            return Look(snapshot, (gate,), False, run)
        return Look(snapshot, (), False, run)

    async def asks(self, wanted: Collection[str] = ()) -> dict[str, Ask]:
        """What the head asks right now, by interrupt id; `wanted` are those that it is about."""
        pending = [] if any(map(pauses.is_gate, wanted)) else self._heads.pending(self._config["configurable"]["thread_id"])
        if pending:
            return {interrupt.id: _ask(interrupt) for interrupt in pending}
        return {pause.interrupt: _gate(pause) for pause in (await self.look(stopped=True)).pauses}

    @property
    def is_of_other_code(self) -> bool:
        """Whether the graph's files have changed since its head was written: what it would ask now may not be what it asked."""
        configurable = self._config["configurable"]
        return bool(self._heads.code(configurable["thread_id"]) != configurable["hitl_code"])

    def decided(self, key: str | None, by_call: Mapping[str, str]) -> None:
        """Tell tools which decisions the run goes on with, as a whole and by tool call; the same when it must go on with them again."""
        if key:
            told = {"hitl_decision_id": key, "hitl_decision_ids": dict(by_call)}
            self._config = _with_configurable(self._config, {**self._config["configurable"], **told})

    async def mend(self, sent: Sequence[Sent]) -> bool:
        """Put back the refusals of a mixed decision at a tool gate that a worker left out when it died half-way; whether it had to."""
        mended = False
        for said in sent:
            values = (await self._graph.aget_state(self._config)).values
            if message := crash_recovery.lost_refusals(values, said):
                calls = crash_recovery.calls_of(said)
                refusals = [tool_gates.refusal(call, a) for slot, call in calls.items() if tool_gates.is_refused(a := said.by_slot[slot])]
                done = crash_recovery.answered(values, said)
                whole = tool_gates.with_calls(message, list(calls.values()))
                await self._update({"messages": [whole, *refusals] if done else [whole]}, as_node=said.node if done else None)
                mended = True
        return mended

    def may_repeat(self, look: Look, sent: Sequence[Sent]) -> bool:
        """Whether going on from here could do again what somebody approved."""
        return crash_recovery.may_repeat(look.snapshot, {pause.interrupt for pause in look.pauses}, sent)

    async def stop_in_doubt(self, look: Look, note: str, key: str | None) -> Look:
        """The same head, held until somebody says whether what may have run shall run (again)."""
        found = look.pauses or (pauses.gated(look.snapshot, self._anatomy, await self._stopped_inside(look.snapshot), self._hearing()),)
        return replace(look, pauses=tuple(crash_recovery.doubtful(pause, note, key) for pause in found))

    def forbid(self, bans: Sequence[Ban]) -> None:
        """Stop these calls should they be about to run. A graph's own callbacks stay."""
        if bans:
            self._config = {**self._config, "callbacks": [ToolGuard(bans)]}

    async def stand(self, run: int, error: str = "") -> Head | None:
        """Where the thread stands, if it stands where this run left it: for who takes the run over that ended with an error."""
        snapshot = await self._graph.aget_state(self._config, subgraphs=True)
        return self.head(Look(snapshot, (), False), error) if snapshot.created_at and self._run_of(snapshot) == run else None

    def head(self, look: Look, error: str = "") -> Head:
        """The same of a head that was looked at."""
        return handback.head_of(look.snapshot, self._anatomy, look.pauses, error)

    async def moves(self, look: Look, plan: HandBack, by: str, failed: bool) -> Moves:
        """What carries out what a person did in the agent's place.

        Raises:
            Refused: it cannot be done here. Nothing was changed.
        """
        head = await self._saver.aget_tuple(self._config)
        if head is None:
            raise Refused("its checkpoint is gone", "launch the run anew")
        place = handback.Place(self._graph, self._anatomy, look.snapshot, head, look.pauses, failed)
        return handback.moves(place, plan, by)

    async def carry_out(self, moves: Moves, takeover: int) -> None:
        """Do it. The last checkpoint that this writes bears the take-over's number, so that it can be told whether it was done."""
        for left, step in zip(range(len(moves.steps) - 1, -1, -1), moves.steps, strict=True):
            marks: dict[str, Any] = {handback.AS_NODE: step[0].as_node} if len({one.as_node for one in step}) == 1 else {}
            marks |= {} if left else {handback.TAKEOVER: takeover}
            config = _with_configurable(self._config, {**self._config["configurable"], **marks})
            await self._graph.abulk_update_state(config, [step])

    def was_carried_out(self, takeover: int) -> bool:
        """Whether all of it was done, before a worker died."""
        return self._heads.has_takeover(self._config["configurable"]["thread_id"], takeover)

    async def look_after(self, moves: Moves) -> Look:
        """The head behind a hand-back. What was asked there before is asked again, and so are calls that nobody has let run."""
        look = await self.look(stopped=moves.at_gate)
        if look.finished or look.pauses or not moves.asks or moves.asks_itself:
            return look
        return await self.look(stopped=True) if all(map(self._anatomy.runs_tools, look.snapshot.next)) else look

    def go_on_after(self, moves: Moves) -> AsyncIterator[Part]:
        """Let the agent go on, as far as the node that runs calls which nobody has let run; where that node asks itself, it does."""
        tools = filter(self._anatomy.runs_tools, self._anatomy.nodes) if moves.asks and not moves.asks_itself else ()
        return self._stream(None, interrupt_before=sorted({*self._anatomy.gates_before, *tools}) or None)

    def begin(self, given: Any) -> AsyncIterator[Part]:
        """Run from an input."""
        return self._stream(given)

    def proceed(self) -> AsyncIterator[Part]:
        """Go on from the checkpoint."""
        return self._stream(None)

    def close_step(self) -> AsyncIterator[Part]:
        """Store a step as ended whose tasks all have ended, and begin no other."""
        return self._stream(None, interrupt_before="*")

    async def ask_again(self, look: Look) -> AsyncIterator[Part]:
        """Go back to the head itself, which drops a poisonous answer: the question comes again under a new id.

        LangGraph makes no fork of a fork, nor of an update, and would find the answer there again: what a fork was made from has the same
        state, and an update is forked once the thread has moved past it.
        """
        head, back_to = look.snapshot, look.snapshot.config
        source = (head.metadata or {}).get("source")
        if source == "fork" and head.parent_config:
            back_to = head.parent_config
        elif source == "update":
            await self._update(None, as_node="__copy__")
        configurable = {**self._config["configurable"], **back_to["configurable"]}
        async for part in self._stream(None, _with_configurable(self._config, configurable)):
            yield part

    def answer(self, answered: Sequence[tuple[Asked, Mapping[int, Answer]]]) -> AsyncIterator[Part]:
        """Resume with the answers: interrupts by id and strictly; a gate never by `Command`, which would answer the next question too."""
        first, answers = answered[0]
        if first.kind is PauseKind.GATE:
            return self._pass_gate(answers[0])
        if first.kind is PauseKind.TOOL_GATE:
            return self._pass_tool_gate(first, answers)
        resume = {pause.interrupt: resume_value(pause.kind, pause.actions, said) for pause, said in answered}
        strict = _with_configurable(self._config, {**self._config["configurable"], "__pregel_strict_resume": True})
        return self._stream(Command(resume=resume), strict)

    def _stream(
        self,
        given: Any,
        config: RunnableConfig | None = None,
        interrupt_after: Sequence[str] | None = None,
        interrupt_before: Sequence[str] | None = None,
    ) -> AsyncIterator[Part]:
        parts: AsyncIterator[Any] = self._graph.astream(
            given,
            config or self._config,
            stream_mode=MODES,
            subgraphs=True,
            durability="async",
            control=self.control,
            interrupt_before=interrupt_before or self._anatomy.own_before,
            interrupt_after=interrupt_after or self._anatomy.own_after,
        )
        return parts

    async def _pass_gate(self, answer: Answer) -> AsyncIterator[Part]:
        if answer.kind is DecisionKind.REJECT:
            await self._graph.aupdate_state(self._config, None, as_node=END)
            return
        async for part in self._stream(None):
            yield part

    async def _pass_tool_gate(self, pause: Asked, answers: Mapping[int, Answer]) -> AsyncIterator[Part]:
        """The recipes of CONTRACT 2.3, for any mix: refused calls get their result from the reviewer, the others run."""
        passage = tool_gates.passage(await self._graph.aget_state(self._config), pause.actions, answers)
        refused = passage.refused
        if passage.ended:  # a worker died beside them
            await self._update({"messages": passage.ended})
        if refused and passage.kept:
            await self._update({"messages": [tool_gates.with_calls(passage.message, passage.kept)], **passage.beside})
            async for part in self._one_step():
                yield part
            if (await self._graph.aget_state(self._config)).interrupts:
                return  # a call that was let run asks something itself: the step has not ended, and the model is told of no refusal
            await self._update({"messages": [passage.message, *refused]}, as_node=pause.node)
        elif refused:
            await self._update({"messages": refused}, as_node=pause.node)
        elif passage.is_changed:
            await self._update({"messages": [passage.message], **passage.beside})
        if refused and pauses.at_gate(await self._graph.aget_state(self._config), self._anatomy):
            return  # the tools' turn is over, and the next node has a gate of its own
        async for part in self._stream(None):
            yield part

    async def _one_step(self) -> AsyncIterator[Part]:
        """The next step, wherever it leads; that the graph stops behind it is no pause of its own."""
        async for part in self._stream(None, interrupt_after="*"):
            if part[1] != "updates" or "__interrupt__" not in part[2]:
                yield part

    async def _update(self, values: dict[str, Any] | None, as_node: str | None = None) -> None:
        marks = {handback.AS_NODE: as_node} if as_node else {}
        config = _with_configurable(self._config, {**self._config["configurable"], **marks})
        await self._graph.aupdate_state(config, values, as_node=as_node)

    async def _asking_inside(self, snapshot: StateSnapshot) -> dict[str, SubgraphPlace]:
        """By interrupt id, where below the tasks of a snapshot graphs ask that it does not show."""
        found: dict[str, SubgraphPlace] = {}
        for task, _, owner in pauses.leaves(snapshot):
            if task.interrupts:
                found |= await self._insides.asking(pauses.namespace(task, owner))
        return found

    async def _stopped_inside(self, snapshot: StateSnapshot) -> dict[str, SubgraphPlace]:
        """By task id, where below the tasks of a snapshot graphs stand at gates that it does not show."""
        found = [(task, await self._insides.stopped(pauses.namespace(task, owner))) for task, _, owner in pauses.leaves(snapshot)]
        return {task.id: inside for task, inside in found if inside}

    def _run_of(self, snapshot: StateSnapshot) -> int | None:
        written = (snapshot.metadata or {}).get("hitl_run")
        return written if isinstance(written, int) else self._heads.run(self._config["configurable"]["thread_id"])

    async def _is_poisoned(self, snapshot: StateSnapshot) -> bool:
        failed = {task.id for task in snapshot.tasks if task.error and task.interrupts}
        head = await self._saver.aget_tuple(self._config) if failed else None
        writes = (head.pending_writes or ()) if head else ()
        return any(task in failed and channel == RESUME for task, channel, _ in writes)


def _ask(interrupt: Any) -> Ask:
    def read(node: str) -> Asked:
        kind, actions = normalise(interrupt.value, node, {}, interrupt.response_schema)
        return Asked(interrupt.id, kind, node, actions)

    return read


def _gate(pause: Pause) -> Ask:
    return lambda _: Asked(pause.interrupt, pause.kind, pause.node, pause.actions)


def _with_configurable(config: RunnableConfig, configurable: dict[str, Any]) -> RunnableConfig:
    return {**config, "configurable": configurable}
