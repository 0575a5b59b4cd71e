"""Runs: launch, list, retry, cancel, and read their traces."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from hitl_tui import canonical_json, failpoints
from hitl_tui.errors import Refused, Stale
from hitl_tui.failpoints import Failpoint
from hitl_tui.inbox import launch_options
from hitl_tui.inbox.takeovers import require_not_taken_over
from hitl_tui.model import Agent, Assistant, AttentionCheck, Event, Json, Role, Run, RunFailure, RunOptions, RunState
from hitl_tui.store import attention_checks, runs

if TYPE_CHECKING:
    from hitl_tui.filter_language import Filter
    from hitl_tui.inbox.inbox import Inbox


class Runs:
    """One reviewer's verbs on runs."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def launch(
        self,
        agent: str,
        *,
        text: str | None = None,
        given: Json = None,
        count: int = 1,
        thread: str | None = None,
        project: int | None = None,
        options: RunOptions = RunOptions(),
        assistant: str | None = None,
    ) -> list[Run]:
        """Queue `count` runs of an agent. An unknown agent is accepted: its run waits for a worker that has it.

        Args:
            agent: the agent's name in this home, or that of its graph.
            text: the input as plain text; takes precedence over `given`.
            given: the input as JSON.
            count: number of runs.
            thread: LangGraph thread id; a new one by default.
            project: id of the project, for a graph's name that several have.
            options: limits and settings of the runs.
            assistant: name of an assistant whose context and config apply below those of the options.

        Raises:
            Refused: the agent is broken or ambiguous, there is no such assistant, or input, context or config do not fit the agent.
        """
        from uuid import uuid4

        await self._inbox.require(Role.DECIDE, "launch")
        found = await self._agent(agent, project)
        agent = found.name if found else agent
        if found and found.error:
            raise Refused(f"{agent} cannot be loaded: {found.error}", "fix it and restart the worker")
        if thread is not None and not thread.strip():
            raise Refused("the thread's id is empty", "leave --thread out for a new one")
        if thread is not None and count > 1:
            raise Refused(f"{count} runs cannot share the thread {thread}", "leave --thread out, or launch one")
        stored = _stored_input(found, text, given, continues=thread is not None)
        if assistant is not None:
            options = launch_options.merged(options, await self._assistant(agent, assistant))
        launch_options.check(found, options.context, options.config)
        launch_options.check_limits(options.limits)
        title = canonical_json.one_line(text if text is not None else given, 120)
        project = found.project if found else project
        made = [runs.NewRun(project, agent, thread or str(uuid4()), title, stored) for _ in range(count)]
        ids = await runs.insert(self._store, made, options, self._inbox.reviewer)
        failpoints.reached(Failpoint.LAUNCHED)
        self._inbox.ring()
        return [await self.get(id_) for id_ in ids]

    async def _agent(self, name: str, project: int | None) -> Agent | None:
        """The agent of that name, also of its graph's name; None if no agent is known by it."""
        from hitl_tui.store import agents

        known = [a for a in await agents.list_agents(self._store) if name in (a.name, a.graph) and project in (None, a.project)]
        known = [a for a in known if a.name == name] or known
        if len(known) > 1:
            raise Refused(f"several projects have an agent {name}: {', '.join(a.name for a in known)}", "say which")
        return known[0] if known else None

    async def _assistant(self, agent: str, name: str) -> Assistant:
        known = {one.name: one for one in await self._inbox.agents.assistants(agent)}
        if name not in known:
            raise Refused(
                f"{agent} has no assistant {name}", f"it has {', '.join(known)}" if known else "`hitl-tui assistants save` stores one"
            )
        return known[name]

    async def get(self, run: int) -> Run:
        """Read one run.

        Raises:
            Refused: there is no such run.
        """
        found = await runs.get(self._store, run)
        if found is None:
            raise Refused(f"there is no run r{run}", "`hitl-tui runs` lists them")
        return found

    async def newest(self, limit: int, states: Sequence[RunState] = ()) -> list[Run]:
        """Read the newest runs, newest first; with `states`, only those in one of them."""
        return await runs.newest(self._store, limit, states)

    async def last_launched(self) -> Run | None:
        """Read the run that this reviewer launched last; None if there is none."""
        return await runs.last_launched(self._store, self._inbox.reviewer)

    async def last_ended(self, limit: int) -> list[Run]:
        """Read the runs that ended last, newest first."""
        return await runs.last_ended(self._store, limit)

    async def unseen_failures(self) -> list[RunFailure]:
        """Failures of the last days that this reviewer has not seen, newest first."""
        from hitl_tui.store import failed_runs

        return await failed_runs.unseen(self._store, self._inbox.reviewer)

    async def mark_failures_seen(self, runs: Collection[int]) -> None:
        """Store that this reviewer has seen how these runs failed."""
        from hitl_tui.store import failed_runs

        await failed_runs.mark_seen(self._store, self._inbox.reviewer, runs)

    async def ids(self) -> array[int]:
        """Ids of all runs, oldest first."""
        return await runs.ids(self._store)

    async def matching_ids(self, filter: str) -> array[int]:
        """Ids of the runs that match a line of the filter language, oldest first.

        Raises:
            Refused: the filter has a syntax error, or a field that runs do not have.
        """
        from hitl_tui.store import filters

        return await filters.runs(self._store, _run_filter(filter)) if filter.strip() else await self.ids()

    def fitting(self, filter: str, ids: Sequence[int]) -> set[int]:
        """Those of these few runs that match. Synchronous.

        Raises:
            Refused: the filter has a syntax error, or a field that runs do not have.
        """
        from hitl_tui.store import filters

        return filters.matching_runs(self._store, _run_filter(filter), ids)

    @property
    def filter_fields(self) -> tuple[str, ...]:
        """The fields of the filter language that a run has."""
        from hitl_tui.store import filters

        return (*filters.RUN_FIELDS, "since", "until")

    def check_filter(self, text: str) -> None:
        """Check a filter for runs. Synchronous.

        Raises:
            Refused: it is no filter, or has a field that runs do not have.
        """
        _run_filter(text)

    async def next_message(self, run: int, text: str) -> Run:
        """Send the next message on a finished run's thread, as a new run of the same agent.

        Raises:
            Refused: the agent is no longer known, cannot be loaded or takes no plain text, or the text is empty.
            Stale: the run has not ended.
        """
        found = await self.get(run)
        if found.state not in (RunState.DONE, RunState.FAILED, RunState.CANCELLED):
            raise Stale(f"run r{run} is {found.state}", "wait until it has finished")
        (made,) = await self.launch(found.agent, text=text, thread=found.thread, project=found.project, options=found.options)
        return made

    async def rows(self, ids: Sequence[int]) -> list[Run]:
        """Read these runs, in order of id."""
        return await runs.rows(self._store, ids)

    async def counts(self) -> dict[RunState, int]:
        """Number of runs that are queued, running and waiting."""
        return await runs.count(self._store)

    async def trace(self, run: int, after: int = 0) -> list[Event]:
        """Read the lines of a run's trace that follow line `after`."""
        from hitl_tui.store import events

        return await events.trace(self._store, run, after)

    def attention_check(self, run: int) -> AttentionCheck | None:
        """Result of the attention check a run carried; None while it is undecided, and for every ordinary run. Synchronous."""

        return attention_checks.of_run(self._store, run)

    async def retry(self, run: int) -> None:
        """Continue a failed or cancelled run from its checkpoint.

        Raises:
            Stale: the run is neither failed nor cancelled, or is taken over.
        """

        found = await self.get(run)
        await self._inbox.require(Role.DECIDE, "retry", run=run)
        require_not_taken_over(self._store, self._inbox.reviewer, run)
        if not await runs.requeue(self._store, run, self._inbox.reviewer):
            if attention_checks.carried(self._store, run):
                raise Stale(f"run r{run} only carried an attention check", "there is nothing to try again")
            raise Stale(f"run r{run} is {found.state}", "only a failed or cancelled run can be tried again")
        self._inbox.ring()

    async def release(self, run: int) -> None:
        """Release a run from a worker that does not respond. Another worker continues it from its checkpoint; what it did stays done.

        Raises:
            Stale: no worker drives it, or its worker responds.
        """
        await self.get(run)
        await self._inbox.require(Role.DECIDE, "release", run=run)
        await runs.take_away(self._store, run, self._inbox.reviewer)
        self._inbox.ring()

    async def cancel(self, run: int) -> None:
        """End a run; its open reviews become stale.

        Raises:
            Stale: the run has already ended.
        """
        found = await self.get(run)
        await self._inbox.require(Role.DECIDE, "cancel", run=run)
        if not await runs.cancel(self._store, run, self._inbox.reviewer):
            raise Stale(f"run r{run} is {found.state} already", "nothing was changed")
        self._inbox.ring()


def _run_filter(text: str) -> Filter:
    """Parse a filter for runs.

    Raises:
        Refused: the filter has a syntax error, or a field that runs do not have.
    """
    import time

    from hitl_tui import filter_language
    from hitl_tui.store.filters import RUN_FIELDS

    wanted = filter_language.parse(text, time.time())
    other = next((term.field for term in wanted.terms if term.field not in RUN_FIELDS), "confidence" if wanted.confidence else "")
    if other:
        raise Refused(f"runs have no {other} to filter by", f"use words, {', '.join(f'{name}:' for name in RUN_FIELDS)}, since: or until:")
    return wanted


def _stored_input(agent: Agent | None, text: str | None, given: Json, continues: bool) -> Json:
    """Return a launch's input as it is stored, `{"text": …}` or `{"input": …}`, after checking it against a known agent's schema.

    What continues a thread may leave required fields out: the thread has them.

    Raises:
        Refused: the input does not fit.
    """
    if text is not None:
        if not text.strip():
            raise Refused("the text is empty", "say what the agent should do")
        if agent and not agent.takes_text:
            raise Refused(f"{agent.name} takes no plain text", "give its input as JSON (--input)")
        return {"text": text}
    from hitl_tui import validation

    schema = agent.input_schema if agent else None
    if continues and isinstance(schema, dict):
        schema = {key: value for key, value in schema.items() if key != "required"}
    problem = validation.schema_problem(given, schema)
    if agent and problem:
        raise Refused(f"the input does not fit {agent.name}: {problem}", "correct it")
    return {"input": given}
