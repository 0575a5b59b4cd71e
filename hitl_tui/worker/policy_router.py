"""Asks policy what to do with each action of a pause."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hitl_tui.agents.source import AgentSettings
from hitl_tui.answer_templates import filled_in, with_templates
from hitl_tui.errors import Refused
from hitl_tui.model import Action, Answer, Levels, Outcome, Pause, People, Routed, Run, Verdict
from hitl_tui.people.file import PeopleFile
from hitl_tui.policy import facts
from hitl_tui.policy.engine import NO_LEVELS, SAFETY, judge, unusable
from hitl_tui.policy.expression_eval import warm_up
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.loader import HomePeople, PolicyFile, PolicyStatus, policy_paths
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, autonomy, policy_log, reconcile
from hitl_tui.store.people_log import TrustedPeople
from hitl_tui.store.usable_grants import UsableGrants


class PolicyRouter:
    """The policy of a home and a project, read again whenever its file changed."""

    def __init__(self, store: Store, home: Path, project: Path | None) -> None:
        people = PeopleFile(home)
        self._file = PolicyFile(policy_paths(home, project), functools.partial(policy_log.is_accepted, store), people.current)
        self._people = HomePeople(home, TrustedPeople(store, people).current)
        self._noted: PolicyStatus | None = None
        self._grants = UsableGrants(store)

    async def note(self, store: Store) -> None:
        """Log that the policy changed or was removed."""
        now = self._file.now()
        if now is self._noted:
            return
        if now.policy:
            for condition in filter(None, (rule.when for rule in now.policy.rules)):
                await asyncio.to_thread(warm_up, condition)
            problem = next((str(one) for one in now.problems if one.is_error), "")
            await policy_log.note_policy(store, str(now.path), now.digest or "unreadable", 0 if problem else len(now.policy.rules), problem)
        for path in self._file.absent():
            await policy_log.note_policy(store, str(path), "", 0, "")
        self._noted = now

    def current(self) -> Policy | None:
        """The policy in its file now; None if there is none."""
        return self._file.current()

    def people(self) -> People:
        """The people of the home as its files are now."""
        return self._people.current()

    def loop_after(self) -> int:
        """Rejections of a call after which it goes to a takeover; 0 for never."""
        return (self._file.current() or Policy()).loop_after

    def settings_of(self, agent: str) -> AgentSettings:
        """How an agent's pauses are read."""
        policy = self._file.current()
        if policy is None:
            return AgentSettings()
        return AgentSettings(policy.sources.of(agent), policy.sources.state_key, policy.frontend_tools_of(agent))

    def judge_of(self, run: Run, store: Store) -> Callable[[Pause], Routed] | None:
        """A function that routes a pause of this run; None if there is no policy.

        Autonomy levels are read at each call, so that a level that was lowered counts from the next pause on.
        """
        policy, now, people = self._file.current(), time.time(), self.people()
        if people.problem:
            policy = replace(policy or Policy(), problem=people.problem)

        def judge_pause(pause: Pause) -> Routed:
            levels = autonomy.levels(store, run.agent) if policy and policy.autonomy else NO_LEVELS
            return route(policy, run, pause, now, levels, GrantIndex(self._grants.usable(run.agent, run.id, people)))

        return judge_pause if policy or self._grants.usable(run.agent, run.id, people) else None


def route(policy: Policy | None, run: Run, pause: Pause, now: float, levels: Levels = NO_LEVELS, grants: GrantIndex = NO_GRANTS) -> Routed:
    """Where each action of a pause goes, and a note for the reviewer if the policy itself is broken.

    Without a policy there are verdicts only if a grant covers one of the actions.
    """
    verdicts = {action.slot: _verdict(policy, run, pause, action, now, levels, grants) for action in pause.actions}
    if policy is None:
        return Routed(verdicts if any(one.grant is not None for one in verdicts.values()) else {})
    return Routed(verdicts, unusable(policy))


def _verdict(policy: Policy | None, run: Run, pause: Pause, action: Action, now: float, levels: Levels, grants: GrantIndex) -> Verdict:
    """The verdict on an action, with what its answer template sends where no person decides."""
    action = with_templates(action, pause.kind, run.agent, policy)
    verdict = judge(facts.of_pause(run, pause, action), policy, now, levels, pause.warning, grants)
    kind = reconcile.BY_POLICY.get(verdict.outcome)
    if kind is None or not action.templates:
        return verdict
    try:
        answer = filled_in(action, Answer(kind, message=verdict.reason), f"policy:{verdict.rule}")
    except Refused as error:
        return replace(verdict, outcome=Outcome.ASK, rule=SAFETY, reason=f"{error.happened}: a person must look, though {verdict.reason}")
    return replace(verdict, template=answer.template)
