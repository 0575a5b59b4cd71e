"""Plays a stream through real agents, a real worker and the real store, and compares what came of it with the pure simulation.

The simulated reviewer decides through `Inbox`, and so accepts the levels that are proposed and makes its grants. Every verdict is read from
the store; which calls ran is what the tools wrote down. Attention checks are left out: the store shows them to people alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hitl_tui.agents.targets import root_of
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, Review, ReviewState, Run, RunOptions, RunState, Verdict
from hitl_tui.policy.loader import Policies
from hitl_tui.store import Store
from tests.oversight.benchmark.arms import Arm, limits_of
from tests.oversight.benchmark.cases import REJECTED
from tests.oversight.benchmark.simulation import Books, Planned, Player, facts_of, play
from tests.oversight.benchmark.suites import suite

ROOT = Path(__file__).parents[3]
AGENTS = Path(__file__).with_name("agents.py")
READER = Path(__file__).with_name("reader.py")
ATTENTION = re.compile(r"\[attention\]\nevery = \d+\n")
WAIT_S = 900.0
"""A worker that does nothing for so long has failed; it imports two benchmarks when it starts."""
ANSWERS = {True: Answer(DecisionKind.APPROVE), False: Answer(DecisionKind.REJECT, message=REJECTED)}


class Differs(AssertionError):
    """The worker and the store did something else than the pure simulation."""


@dataclass
class Comparison:
    """One stream, as it was and as the simulation says it must be."""

    arm: str
    suite: str
    runs: int
    books: Books
    wanted: Books
    differences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.books != self.wanted:
            wanted = self.wanted.as_json()
            told = [f"{name}: {value}, not {wanted[name]}" for name, value in self.books.as_json().items() if value != wanted[name]]
            self.differences = [*self.differences, f"{self.arm} on {self.suite}: {'; '.join(told)}"]

    def as_json(self) -> dict[str, Any]:
        """`{arm, suite, runs, books, differences}`."""
        about = {"arm": self.arm, "suite": self.suite, "runs": self.runs}
        return {**about, "books": self.books.as_json(), "differences": self.differences}


def compared(arm: Arm, stream: Sequence[Planned], catch: float, seed: str, wanted: Arm | None = None) -> Comparison:
    """Play a stream live, and the same in the simulation, of another arm if `wanted` says so."""
    arm, wanted = _without_attention(arm), _without_attention(wanted or arm)
    name = stream[0].case.suite
    with TemporaryDirectory(prefix="oversight") as folder, worker_on(Path(folder), arm, name) as environment:
        live = _Live(arm, wanted, catch, seed, environment)
        books = asyncio.run(live.play(stream))
    return Comparison(arm.name, name, len(stream), books, play(wanted, stream, catch, seed, live.ids), live.differences)


def _without_attention(arm: Arm) -> Arm:
    return replace(arm, policy=replace(arm.policy, attention=0))


@dataclass(frozen=True)
class _Environment:
    home: Home
    journal: Path
    process: subprocess.Popen[bytes]
    log: Path


@contextlib.contextmanager
def worker_on(folder: Path, arm: Arm, name: str) -> Iterator[_Environment]:
    """A home with the arm's policy, and a worker on the agent of a suite."""
    home, journal, log = Home(folder / "home").prepare(), folder / "journal", folder / "worker.err"
    journal.mkdir()
    text = ATTENTION.sub("", arm.text).replace(
        '["python", "tests/oversight/benchmark/reader.py"]', json.dumps([sys.executable, str(READER)])
    )
    (home.path / "policy.toml").write_text(text)
    variables = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'sample_agents'}", "HITL_OVERSIGHT_JOURNAL": str(journal)}
    command = [sys.executable, "-m", "hitl_tui", "worker", "--home", str(home.path), "--", f"{AGENTS}:{name}"]
    with log.open("wb") as told, subprocess.Popen(command, cwd=ROOT, env=variables, stdout=told, stderr=told) as process:
        try:
            yield _Environment(home, journal, process, log)
        finally:
            process.terminate()


class _Live:
    """A reviewer on a home whose worker runs the agents."""

    def __init__(self, arm: Arm, wanted: Arm, catch: float, seed: str, environment: _Environment) -> None:
        self.ids: dict[tuple[int, int], str] = {}
        """By number of a run and place of a call, the id that the store drew its spot check by."""
        self.differences: list[str] = []
        self._arm, self._environment = arm, environment
        self._player = Player(wanted, catch, seed)

    async def play(self, stream: Sequence[Planned]) -> Books:
        async with _opened(self._environment.home) as store:
            policies = Policies(self._environment.home.path, root_of)
            inbox = Inbox(store, "kim", policies=lambda: policies)
            await self._until(lambda: _is_loaded(inbox, stream[0].case.suite), "the worker to load the agents")
            for number, planned in enumerate(stream):
                await self._play(inbox, number, planned)
        return self._player.books()

    async def _play(self, inbox: Inbox, number: int, planned: Planned) -> None:
        case, options = planned.case, {"case": planned.case.name, "confidence": list(planned.confidence)}
        tools = [call.tool for call in suite(case.suite).gold(case.task)]
        bounds = limits_of(self._arm, case.suite, tools)
        (run,) = await inbox.runs.launch(case.suite, text=case.prompt, options=RunOptions(config={"configurable": options}, limits=bounds))
        ran = list[bool]()
        for place in range(len(case.calls)):
            review = await self._review(inbox, run, place)
            ran.append(await self._decide(inbox, run, review, number, planned, ran))
        await self._until(lambda: _has_ended(inbox, run), f"run {run.id} to end")
        self._player.ended(planned, ran)
        self._compare_effects(run, planned, ran)

    async def _review(self, inbox: Inbox, run: Run, place: int) -> Review:
        """The review of a call, once it is open or was decided without a person, and the second reader has read it."""
        found: list[Review] = []

        async def is_there() -> bool:
            rows = sorted(await inbox.reviews.of_run(run.id), key=lambda row: row.id)
            if len(rows) <= place:
                return False
            review = await inbox.reviews.get(rows[place].id)
            found[:] = [review]
            waits = review.row.state is ReviewState.OPEN and self._arm.reads(review.actions[0].name)
            return not waits or bool(await inbox.reviews.remarks(review.row.id))

        await self._until(is_there, f"review {place + 1} of run {run.id}")
        return found[0]

    async def _decide(self, inbox: Inbox, run: Run, review: Review, number: int, planned: Planned, ran: Sequence[bool]) -> bool:
        (action,) = review.actions
        place = len(ran)
        self.ids[number, place] = f"{run.thread}:{review.interrupt}:{action.slot}"
        facts = facts_of(planned, ran, self.ids[number, place])
        wanted = self._player.verdict(planned, ran, facts)
        where = f"{planned.case.name}, call {place + 1} ({facts.tool})"
        if (action.name, action.args) != (facts.tool, facts.args):
            raise Differs(f"{where}: the agent asked for {action.name} {action.args}")
        if action.confidence.value != facts.confidence:
            self.differences.append(f"{where}: confidence {action.confidence.value}, not {facts.confidence}")
        outcome = action.outcome or Outcome.ASK
        if (outcome, action.spot_check) != (wanted.outcome, wanted.spot_check):
            self.differences.append(f"{where}: {outcome} ({action.reason}), not {wanted.outcome} ({wanted.reason})")
        verdict = replace(wanted, outcome=outcome, spot_check=action.spot_check)
        goes_on = self._player.take(planned, place, facts, verdict, f"{number}/{place}")
        if outcome not in (Outcome.AUTO, Outcome.DENY):
            await inbox.reviews.decide(review, {action.slot: ANSWERS[goes_on]})
            await self._raise_and_grant(inbox, review, verdict, where)
        return goes_on

    async def _raise_and_grant(self, inbox: Inbox, review: Review, verdict: Verdict, where: str) -> None:
        """Accept the level and make the grant that the simulated reviewer does; each must be offered."""
        action = review.actions[0]
        run = await inbox.runs.get(review.row.run)
        proposed = [one.proposed for one in await inbox.autonomy.tools() if (one.agent, one.tool) == (run.agent, action.name)]
        if (proposed or [None])[0] != self._player.reached:
            self.differences.append(f"{where}: level {proposed} is proposed, not {self._player.reached}")
        elif self._player.reached is not None:
            await inbox.autonomy.accept(run.agent, action.name)
        if granted := self._player.granted:
            try:
                offer = await inbox.grants.offer(review.row.id, action.slot)
                made = await inbox.grants.make(offer, granted.scope, granted.uses, 86_400.0)
            except Refused as refused:
                self.differences.append(f"{where}: no grant for {granted.scope.told()}: {refused.happened}")
            else:
                if made.id != granted.id:
                    self.differences.append(f"{where}: grant {made.id}, not {granted.id}")

    def _compare_effects(self, run: Run, planned: Planned, ran: Sequence[bool]) -> None:
        """Each call that was allowed ran, once and in its order, and no other."""
        path = self._environment.journal / run.thread
        did = [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []
        wanted = [(call.tool, call.args) for call in itertools.compress(planned.case.calls, ran)]
        if did != wanted:
            self.differences.append(f"{planned.case.name}: {did} ran, not {wanted}")

    async def _until(self, is_so: Callable[[], Any], what: str) -> None:
        until = time.monotonic() + WAIT_S
        while not await is_so():
            if self._environment.process.poll() is not None or time.monotonic() > until:
                raise Differs(f"waited for {what}: {self._environment.log.read_text()[-2000:]}")
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def _opened(home: Home) -> AsyncIterator[Store]:
    async with Store.open(home.database) as store:
        yield store


async def _is_loaded(inbox: Inbox, name: str) -> bool:
    return any(agent.name == name and not agent.error for agent in await inbox.agents.all())


async def _has_ended(inbox: Inbox, run: Run) -> bool:
    now = await inbox.runs.get(run.id)
    if now.state in (RunState.FAILED, RunState.CANCELLED):
        raise Differs(f"run {run.id} is {now.state}: {now.error}\n{now.traceback}")
    return now.state is RunState.DONE
