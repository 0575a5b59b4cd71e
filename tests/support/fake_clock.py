"""Clocks that a test moves, and a worker's scheduled jobs under one, in a sandbox without a running worker; helpers for them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from hitl_tui.model import Review, Run
from hitl_tui.policy.loader import PolicyFile, policy_paths
from hitl_tui.store import Store, clock
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.support.harness import Reviewer, Sandbox

NO_SPOT_CHECKS = "spot_check = 0\n"
GROUPS = '[groups]\nfinance = ["bob", "cleo"]\nleads = ["dora"]\n'
CHAIN = """
[[escalation.step]]
to = "finance"
[[escalation.step]]
to = "leads"
after = "15m"
[[escalation.step]]
to = "dora"
after = "2h"
"""


def pretend(patch: pytest.MonkeyPatch, now: Callable[[], float]) -> None:
    """Let this process take `now` for the time: unlike a clock that somebody sets, time limits pass with it."""
    patch.setattr(time, "time", now)
    patch.setattr(clock, "_source", lambda: "")


@dataclass
class Clock:
    """Unix time for scheduled jobs; it stands still until advanced."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Monotonic:
    """Stands in for the module `time` where only `time.monotonic` is used; it stands still until the test moves it."""

    now: float = field(default_factory=time.monotonic)

    def monotonic(self) -> float:
        return self.now


def write_policy(sandbox: Sandbox, text: str) -> None:
    """Write the sandbox's policy.toml, without spot checks."""
    (sandbox.home.path / "policy.toml").write_text(NO_SPOT_CHECKS + text)


def rule_toml(name: str, tool: str, *lines: str) -> str:
    """Return a `[[rule]]` table; `lines` are copied as they are."""
    return "\n".join(("[[rule]]", f'name = "{name}"', f'tool = "{tool}"', *lines, ""))


async def launch_and_wait(
    reviewer: Reviewer, agent: str, *rounds: tuple[str, list[tuple[str, dict[str, Any]]]], sure: float = 0.7
) -> tuple[Run, Review]:
    """Launch an agent of tests/projects/policy, run a worker until idle, and return the run with its one open review.

    `rounds` are the tool calls per turn; without them the run asks once with confidence `sure`.
    """
    more: dict[str, Any] = {"text": json.dumps(rounds)} if rounds else {"given": {"confidence": sure}}
    run = (await reviewer.inbox.runs.launch(agent, **more))[0]
    assert reviewer.sandbox.run_until_idle() == 0
    return run, await reviewer.open_review(run)


def scheduled_jobs(reviewer: Reviewer, run: Run, clock: Clock, store: Store | None = None) -> ScheduledJobs:
    """Return a worker's scheduled jobs for the run's project, on `store` or the reviewer's own."""
    assert run.project is not None
    file = PolicyFile(policy_paths(reviewer.sandbox.home.path))
    return ScheduledJobs(store or reviewer.store, run.project, file.current, clock)


async def backdate(reviewer: Reviewer, review: Review, seconds: float) -> Review:
    """Move a review's opening and deadline into the past, so that jobs run at a later fake time do not write future timestamps."""
    await reviewer.store.write(
        "UPDATE reviews SET opened_at = opened_at - ?1, deadline_at = deadline_at - ?1 WHERE id = ?2", (seconds, review.row.id)
    )
    return await reviewer.inbox.reviews.get(review.row.id)


async def audit_entries(reviewer: Reviewer, review: int, *kinds: str) -> list[tuple[str, str, Any]]:
    """Return (kind, actor, body) of a review's audit entries of these kinds, oldest first."""
    rows = await reviewer.store.all("SELECT kind, actor, body FROM audit WHERE review = ? ORDER BY seq", (review,))
    return [(kind, actor, json.loads(body)) for kind, actor, body in rows if kind in kinds]
