"""A worker's jobs by a clock that only the test moves, at the rows of a place whose worker has ended."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from hitl_tui.model import Review, Run
from hitl_tui.policy.loader import PolicyFile, policy_paths
from hitl_tui.store import Store
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.support.harness import Place, Reviewer

EXACT = "spot_check = 0\n"
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


@dataclass
class Clock:
    """Unix time, as far as the jobs know."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now

    def later(self, seconds: float) -> None:
        self.now += seconds


def policy(place: Place, text: str) -> None:
    """Put a policy into the home."""
    (place.home.path / "policy.toml").write_text(EXACT + text)


def rule(name: str, tool: str, *lines: str) -> str:
    """A `[[rule]]`; every line as it stands in the file."""
    return "\n".join(("[[rule]]", f'name = "{name}"', f'tool = "{tool}"', *lines, ""))


async def asked(
    someone: Reviewer, agent: str, *rounds: tuple[str, list[tuple[str, dict[str, Any]]]], sure: float = 0.7
) -> tuple[Run, Review]:
    """A run of tests/projects/policy that asks, and the one review with which it does; its worker has ended."""
    more: dict[str, Any] = {"text": json.dumps(rounds)} if rounds else {"given": {"confidence": sure}}
    run = (await someone.inbox.runs.launch(agent, **more))[0]
    assert someone.place.run_until_idle() == 0
    return run, await someone.one(run)


def jobs(someone: Reviewer, run: Run, clock: Clock, store: Store | None = None) -> ScheduledJobs:
    """The jobs of a worker of the run's project, on that store or the reviewer's."""
    assert run.project is not None
    file = PolicyFile(policy_paths(someone.place.home.path))
    return ScheduledJobs(store or someone.store, run.project, file.current, clock)


async def aged(someone: Reviewer, review: Review, seconds: float) -> Review:
    """The review as if it had been asked that long before: what the jobs do at a later time by their clock then lies in the past."""
    await someone.store.write(
        "UPDATE reviews SET opened_at = opened_at - ?1, deadline_at = deadline_at - ?1 WHERE id = ?2", (seconds, review.row.id)
    )
    return await someone.inbox.reviews.get(review.row.id)


async def log(someone: Reviewer, review: int, *kinds: str) -> list[tuple[str, str, Any]]:
    """Kind, actor and body of what the log says of a review, of these kinds."""
    rows = await someone.store.all("SELECT kind, actor, body FROM audit WHERE review = ? ORDER BY seq", (review,))
    return [(kind, actor, json.loads(body)) for kind, actor, body in rows if kind in kinds]
