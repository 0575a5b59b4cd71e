"""`hitl-tui run`: one run in the foreground, with its trace on stdout and each pause asked at the prompt."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hitl_tui import canonical_json
from hitl_tui.agents import targets
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import with_inbox
from hitl_tui.cli.options import common_options, config_options, given_json, python_option
from hitl_tui.errors import BadTarget, HitlError, Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Agent, Answer, DecisionKind, Outcome, Review, ReviewState, Risk, Run, RunOptions, RunState, call_id
from hitl_tui.policy.limits import OUTSIDE
from hitl_tui.sanitize import visible

if TYPE_CHECKING:
    from hitl_tui.supervisor import Supervisor

FAILED, LEFT_WAITING, INTERRUPTED = 1, 3, 130
"""Exit codes; 0 if the run is done."""
STARTING_S = 0.05
POLL_S = 0.5
"""Longest time between two looks at the run; the worker's doorbell makes them more frequent."""
LATER = "later"


@command(
    "hitl-tui run ./my_project writer 'a poem about the sea'",
    """hitl-tui run ./agent.py:graph graph --input '{"city": "Kiel"}' --approve-all""",
)
@click.argument("target")
@click.argument("agent")
@click.argument("text", required=False)
@click.option("--input", "input_", metavar="JSON", help="The graph's input as JSON.")
@click.option("--input-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the graph's input as JSON.")
@click.option("--thread", metavar="ID", help="Continue this thread; default: a new one.")
@click.option("--assistant", metavar="NAME", help="Start from the context and config of this assistant.")
@config_options
@python_option
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="Ask about calls outside it, like 'count(refund) <= 2', or deny them: '… else deny'; repeatable.",
)
@click.option("--approve-all", is_flag=True, help="Approve every call that is not irreversible, without asking.")
@click.option("--approve-unknown", is_flag=True, help="With --approve-all: also calls of unknown risk.")
@common_options
def run(
    target: str, agent: str, text: str | None, input_: str | None, input_file: Path | None, thread: str | None, assistant: str | None,
    context: str | None, config: str | None, python: str, limits: tuple[str, ...], approve_all: bool, approve_unknown: bool,
    home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Run an agent here, and ask each pause at the prompt.

    The exit code is 0 if the run is done, 1 if it failed, and 3 if it still waits for an answer: the console shows it then.
    """
    if sum(given is not None for given in (text, input_, input_file)) != 1:
        raise click.UsageError("pass exactly one of TEXT, --input JSON and --input-file FILE")
    if approve_unknown and not approve_all:
        raise click.UsageError("--approve-unknown goes with --approve-all")
    source = input_file.read_text("utf-8", "replace") if input_file else input_
    given = canonical_json.loads(source, "the input") if source is not None else None
    options = RunOptions(context=given_json(context, "the context"), config=given_json(config, "the config"), limits=limits)
    project = targets.parse(target)
    code = FAILED

    async def work(inbox: Inbox, opened: Home) -> None:
        nonlocal code
        async with _worker(opened, target, project.label, python) as process:
            known = await _loaded(inbox, process, agent, project.key)
            (made,) = await inbox.runs.launch(
                known.name, text=text, given=given, thread=thread, project=known.project, options=options, assistant=assistant
            )
            process.supervisor.ring()
            code = await _Foreground(inbox, process, made, approve_all, approve_unknown).drive()

    try:
        with_inbox(work, home, reviewer)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


@dataclass
class _Worker:
    """The worker process, and what it reports."""

    supervisor: Supervisor
    rung: asyncio.Event
    deaths: list[str] = field(default_factory=list)

    async def wait(self) -> None:
        """Wait until it rings, or a moment."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.rung.wait(), POLL_S)
        self.rung.clear()
        while self.deaths:
            _say(self.deaths.pop(0))


@contextlib.asynccontextmanager
async def _worker(home: Home, target: str, label: str, python: str) -> AsyncIterator[_Worker]:
    from hitl_tui.supervisor import Supervisor

    rung, deaths = asyncio.Event(), list[str]()
    process = _Worker(Supervisor(target, label, home.path, 1, rung.set, deaths.append, 0.0, python), rung, deaths)
    task = asyncio.ensure_future(process.supervisor.run())
    try:
        yield process
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _loaded(inbox: Inbox, process: _Worker, agent: str, target: str) -> Agent:
    """The agent, once the worker has loaded it.

    Raises:
        BadTarget: the project cannot be loaded.
        Refused: it has no such agent, or the agent cannot be loaded.
    """
    while not process.rung.is_set():  # it rings first when it has stored its agents
        if process.deaths:
            raise BadTarget(
                f"the agents of {process.supervisor.label} cannot be loaded", f"`hitl-tui agents {process.supervisor.target}` says why"
            )
        await asyncio.sleep(STARTING_S)
    for label, why, _ in await inbox.agents.outages([target]):
        raise BadTarget(f"{label} cannot be used: {why}", "try again once it can")
    found = {one.graph: one for one in await inbox.agents.of_target(target)}
    if agent not in found:
        raise Refused(f"{target} has no agent {agent}", f"it has {', '.join(sorted(found))}")
    if found[agent].error:
        raise Refused(f"{agent} cannot be loaded: {found[agent].error}", "correct it")
    return found[agent]


class _Foreground:
    """Follows one run to its end, or to a pause that nobody answers."""

    def __init__(self, inbox: Inbox, process: _Worker, run: Run, approve_all: bool, approve_unknown: bool) -> None:
        self._inbox = inbox
        self._process = process
        self._run = run.id
        self._seq = 0
        self._approve_all = approve_all
        self._approve_unknown = approve_unknown
        self._asked: set[tuple[int, int]] = set()

    async def drive(self) -> int:
        """Print and ask until the run ends or waits for somebody else; returns the exit code."""
        click.echo(f"run {output.run_id(self._run)}")
        while True:
            run = await self._inbox.runs.get(self._run)
            await self._print_trace()
            if run.state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED):
                return self._ended(run)
            if run.state is RunState.WAITING and not await self._answer_pauses():
                click.echo(f"hitl-tui: run {output.run_id(self._run)} waits; `hitl-tui queue` lists what for", err=True)
                return LEFT_WAITING
            await self._process.wait()

    async def _print_trace(self) -> None:
        for event in await self._inbox.runs.trace(self._run, self._seq):
            self._seq = event.seq
            where = "/".join((*event.path, event.node))
            click.echo(visible(f"{event.kind:<8} {where}  {canonical_json.one_line(event.body, None)}"))

    def _ended(self, run: Run) -> int:
        if run.state is RunState.DONE:
            click.echo("\n".join(visible(line) for line in ("done", *canonical_json.dumps(run.result, indent=2).splitlines())))
            return 0
        click.echo("\n".join(visible(line) for line in (f"{run.state}: {run.error}", *run.traceback.splitlines())))
        return FAILED

    async def _answer_pauses(self) -> bool:
        """Decide what the run waits for. False if somebody else must, or the person wants to do it later."""
        rows = [row for row in await self._inbox.reviews.of_run(self._run) if row.state is ReviewState.OPEN]
        for row in rows:
            review = await self._inbox.reviews.get(row.id)
            context = await self._inbox.reviews.context(row.id)
            click.echo("\n" + output.review_text(review, context))
            for slot in review.undecided:
                if (row.id, slot) in self._asked:  # another person must approve it too, or confirm it
                    return False
                self._asked.add((row.id, slot))
                if not await (self._approve_by_option if self._approve_all else self._ask)(review, slot):
                    return False
        return True

    async def _decide(self, review: Review, slot: int, answer: Answer) -> bool:
        """Decide a call. False if the decision is refused, with the reason printed."""
        try:
            await self._inbox.reviews.decide(await self._inbox.reviews.get(review.row.id), {slot: answer})
        except HitlError as error:
            _say(str(error))
            return False
        self._process.supervisor.ring()
        return True

    async def _approve_by_option(self, review: Review, slot: int) -> bool:
        """Approve a call as `--approve-all` says. False if the option does not cover it."""
        action = next(action for action in review.actions if action.slot == slot)
        if why := self._not_covered(action):
            _say(f"{call_id(review.row.id, slot)} {action.name} {why}")
            return False
        click.echo(visible(f"{call_id(review.row.id, slot)} {action.name}: approved by --approve-all"))
        return await self._decide(review, slot, Answer(DecisionKind.APPROVE))

    def _not_covered(self, action: Action) -> str:
        """Why `--approve-all` does not approve a call, as a predicate; empty if it does."""
        if DecisionKind.APPROVE not in action.allowed:
            return f"cannot be approved; it takes {', '.join(action.allowed)}"
        if action.outcome is Outcome.TAKEOVER:
            return f"needs a person to take over: {action.reason}"
        if action.reason.startswith(OUTSIDE):
            return f"is {action.reason.partition('; a person must')[0]}"
        if action.risk == Risk.IRREVERSIBLE:
            return "is irreversible, which --approve-all does not approve"
        if action.risk not in (Risk.READ, Risk.REVERSIBLE) and not self._approve_unknown:
            return "is of unknown risk; add --approve-unknown, or state the risk in policy.toml"
        return ""

    async def _ask(self, review: Review, slot: int) -> bool:
        """Ask for one decision until it is taken. False if the person leaves it for later, or nobody can be asked."""
        action = next(action for action in review.actions if action.slot == slot)
        words = [*map(str, action.allowed), LATER]
        while True:
            said = await _prompt(f"{call_id(review.row.id, slot)} {action.name}: {', '.join(words)}? ")
            if said is None or said == LATER:
                return False
            chosen = [word for word in words if said and word.startswith(said)]
            if len(chosen) != 1:
                click.echo(f"type one of {', '.join(words)}, or its beginning")
                continue
            if chosen == [LATER]:
                return False
            try:
                answer = await _answer(action, DecisionKind(chosen[0]))
            except HitlError as error:
                _say(str(error))
                continue
            if answer is not None and await self._decide(review, slot, answer):
                return True


async def _answer(action: Action, kind: DecisionKind) -> Answer | None:
    """The answer of a kind, with what the person enters for it; None if they enter nothing.

    Raises:
        Refused: what they enter is not JSON where it must be.
    """
    match kind:
        case DecisionKind.APPROVE:
            return Answer(kind)
        case DecisionKind.REJECT:
            return Answer(kind, message=await _prompt("reason (may be empty): ") or None)
        case DecisionKind.RESPOND:
            said = await _prompt("answer: ")
            if not said:
                return None
            return Answer(kind, canonical_json.loads(said, "the answer")) if _is_json(said, action) else Answer(kind, message=said)
        case _:
            text = action.args if isinstance(action.args, str) else canonical_json.dumps(action.args, indent=2)
            edited = await asyncio.to_thread(click.edit, text, extension=".txt" if isinstance(action.args, str) else ".json")
            if edited is None:
                return None
            return Answer(
                kind, edited.rstrip("\n") if isinstance(action.args, str) else canonical_json.loads(edited, "the edited arguments")
            )


def _is_json(said: str, action: Action) -> bool:
    """Whether an answer is meant as JSON: the question takes something else than a text, or it is an object or a list."""
    schema = action.answer_schema
    wants_text = not isinstance(schema, dict) or schema.get("type") in (None, "string")
    return not wants_text or said.startswith(("{", "["))


async def _prompt(question: str) -> str | None:
    """What the person types from now on; None if the input has ended or is no terminal. Lines that came before answer nothing."""
    if not sys.stdin.isatty():
        return None
    import termios

    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    click.echo(f"{visible(question.rstrip())} ", nl=False)
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin, typed.set)  # a thread that reads would keep ctrl+c waiting for the next line
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _say(line: str) -> None:
    click.echo(f"hitl-tui: {visible(line)}", err=True)
