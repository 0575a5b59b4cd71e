"""Policy at work: what it knows of the actions of a pause, and what it says about them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hitl_tui import safety
from hitl_tui.agents.signals import Hearing
from hitl_tui.model import Action, Facts, Outcome, Pause, Risk, Routed, Run, Verdict
from hitl_tui.policy import BROKEN, Policy, PolicyFile, judge, policy_paths


class Routing:
    """The policy of a home and a project, as its file is whenever a run pauses."""

    def __init__(self, home: Path, project: Path) -> None:
        self._file = PolicyFile(policy_paths(home, project))

    def hearing(self, agent: str) -> Hearing:
        """Who is asked how sure an agent is."""
        policy = self._file.current()
        return Hearing(policy.sources.of(agent), policy.sources.state_key) if policy else Hearing()

    def judge_of(self, run: Run) -> Callable[[Pause], Routed] | None:
        """What says of a pause of the run where its actions go; None where there is no policy."""
        policy = self._file.current()
        return functools.partial(route, policy, run, now=time.time()) if policy else None


def route(policy: Policy, run: Run, pause: Pause, now: float) -> Routed:
    """Where each action of a pause goes, and what the reviewer must be told of the policy itself."""
    verdicts = {action.slot: _careful(pause, judge(facts_of(run, pause, action), policy, now)) for action in pause.actions}
    return Routed(verdicts, f"{BROKEN}: {policy.problem}" if policy.problem else "")


def facts_of(run: Run, pause: Pause, action: Action) -> Facts:
    """What policy may know of an action."""
    return Facts(
        run.agent,
        action.name,
        action.args,
        pause.kind,
        Risk(action.risk) if action.risk in list(Risk) else None,
        action.confidence.value,
        (*([pause.note] if pause.note else []), *safety.findings(action.name, action.args)),
        known_shape=isinstance(action.args, dict),
        tags=run.options.tags,
        allowed=action.allowed,
        id=f"{run.thread}:{pause.interrupt}:{action.slot}",
    )


def _careful(pause: Pause, verdict: Verdict) -> Verdict:
    """A call that may have run, or whose answer may reach another, is not even refused without a person."""
    if not pause.note or verdict.outcome not in (Outcome.AUTO, Outcome.DENY):
        return verdict
    return replace(verdict, outcome=Outcome.ASK, rule="safety", reason=f"{pause.note}: a person must look, though {verdict.reason}")
