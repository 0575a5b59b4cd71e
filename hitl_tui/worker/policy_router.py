"""Policy at work: what it knows of the actions of a pause, and what it says about them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from hitl_tui.agents.confidence_signals import ConfidenceSources
from hitl_tui.model import Levels, Pause, Routed, Run
from hitl_tui.policy import facts
from hitl_tui.policy.engine import BROKEN, NO_LEVELS, careful, judge
from hitl_tui.policy.loader import PolicyFile, PolicyNow, policy_paths
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, autonomy, policy_log


class PolicyRouter:
    """The policy of a home and a project, as its file is whenever a run pauses."""

    def __init__(self, home: Path, project: Path) -> None:
        self._file = PolicyFile(policy_paths(home, project))
        self._noted: PolicyNow | None = None

    async def note(self, store: Store) -> None:
        """Have it in the history that the policy is another than before, or gone."""
        now = self._file.now()
        if now is self._noted:
            return
        if now.policy:
            problem = next((str(one) for one in now.problems if one.is_error), "")
            await policy_log.note_policy(store, str(now.path), now.digest or "unreadable", 0 if problem else len(now.policy.rules), problem)
        for path in self._file.absent():
            await policy_log.note_policy(store, str(path), "", 0, "")
        self._noted = now

    def current(self) -> Policy | None:
        """The policy as its file is now; None when there is none."""
        return self._file.current()

    def hearing(self, agent: str) -> ConfidenceSources:
        """Who is asked how sure an agent is."""
        policy = self._file.current()
        return ConfidenceSources(policy.sources.of(agent), policy.sources.state_key) if policy else ConfidenceSources()

    def judge_of(self, run: Run, store: Store) -> Callable[[Pause], Routed] | None:
        """What says of a pause of the run where its actions go; None where there is no policy.

        What the agent's tools have earned is read when it is asked: a level that falls holds from the next pause on.
        """
        policy, now = self._file.current(), time.time()
        if policy is None:
            return None
        if policy.ladder is None:
            return lambda pause: route(policy, run, pause, now)
        return lambda pause: route(policy, run, pause, now, autonomy.levels(store, run.agent))


def route(policy: Policy, run: Run, pause: Pause, now: float, levels: Levels = NO_LEVELS) -> Routed:
    """Where each action of a pause goes, and what the reviewer must be told of the policy itself."""
    verdicts = {action.slot: careful(judge(facts.asked(run, pause, action), policy, now, levels), pause.note) for action in pause.actions}
    return Routed(verdicts, f"{BROKEN}: {policy.problem}" if policy.problem else "")
