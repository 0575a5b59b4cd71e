"""Audit entries of every verb: each has its kind and its actor."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.inbox import Inbox
from hitl_tui.model import (
    Action,
    Answer,
    Context,
    DecisionKind,
    Pause,
    PauseKind,
    ReviewOutcome,
    ReviewState,
    RunHead,
    Subject,
    Worker,
    digest_of,
)
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, agents, audit, escalations, policy_log, reconcile
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend

ARGS = {"to": "ann@example.com"}
NAME = "send_mail"
YES = Answer(DecisionKind.APPROVE)


def pause(interrupt: str, reviewers: int = 1) -> Pause:
    action = Action(0, NAME, ARGS, tuple(DecisionKind), digest=digest_of(NAME, ARGS), reviewers=reviewers)
    return Pause(interrupt, PauseKind.TOOL_CALLS, "tools", (), ARGS, (action,), Context())


class Scene:
    """A store with two reviewers and a run that asks."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.ann, self.bob = (Inbox(store, who, grace_s=60) for who in ("ann", "bob"))

    async def asks(self, *pauses: Pause) -> int:
        """Reconcile the run with these pauses, and return the newest review's id."""
        await self.store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = 1")
        await reconcile.reconcile(self.store, 1, "mail", "w", pauses, {}, head=RunHead("c1", ("tools",), Context()))
        return int((await self.store.one("SELECT max(id) FROM reviews"))[0])

    async def decide(self, who: Inbox, review: int, answer: Answer = YES) -> None:
        await who.reviews.decide(await who.reviews.get(review), {0: answer})

    async def release_run(self) -> None:
        """Release the run from a worker that has not responded for long."""
        worker = Worker("w", await agents.register_project(self.store, "p", "p"), "p", 1, 0.0, 8, 0.0, 0)
        await agents.register_worker(self.store, worker, "host")
        await self.store.write("UPDATE workers SET beat_at = beat_at - 60")
        await self.store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = 1")
        await self.ann.runs.release(1)

    async def escalate_by_deadline(self, review: int) -> None:
        """Let the review's deadline pass, and apply it."""
        await self.store.write(
            "UPDATE reviews SET deadline_at = 1, deadline_then = 'reject', deadline_rule = 'a day' WHERE id = ?", (review,)
        )
        assert await escalations.enforce_deadline(self.store, review, time.time(), Policy())


def test_audit_has_an_entry_for_every_command(tmp_path: Path) -> None:
    asyncio.run(_in_the_console(tmp_path))
    for kind, command in (
        ("exported", ("export", str(tmp_path / "x.jsonl"))),
        ("cancelled", ("cancel", "r1")),
        ("taken_over", ("take-over", "r1")),
        ("discarded", ("discard", "r1")),
        ("retried", ("retry", "r1")),
        ("paused", ("pause",)),
        ("resumed", ("resume",)),
    ):
        before = audit.head(tmp_path / "hitl.db").seq
        done = CliRunner().invoke(main, [*command, "--home", str(tmp_path), "--reviewer", "cyn"])
        assert done.exit_code == 0, done.output
        assert (kind, "cyn") in _since(tmp_path, before)
    assert not audit.verify(tmp_path / "hitl.db").problem


def _since(home: Path, seq: int) -> list[tuple[str, str]]:
    """Return (kind, actor) of the audit entries after this one."""
    return [(one["kind"], one["actor"]) for one in audit.entries(home / "hitl.db") if one["seq"] > seq]


async def _in_the_console(tmp_path: Path) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        scene = Scene(store)
        ann, bob = scene.ann, scene.bob
        await ann.runs.launch("mail", text="hello")
        await scene.asks(pause("one"), pause("two", reviewers=2), pause("three"))
        steps: list[tuple[str, str, Callable[[], Awaitable[object]]]] = [
            ("viewed", "ann", lambda: ann.reviews.record_view(1, 1500)),
            ("claimed", "ann", lambda: ann.reviews.claim(1)),
            ("released", "ann", lambda: ann.reviews.release(1)),
            ("escalated", "ann", lambda: ann.reviews.escalate(1, "", "look at it")),
            ("decided", "ann", lambda: scene.decide(ann, 1)),
            ("undone", "ann", lambda: ann.reviews.undo(1)),
            ("endorsed", "ann", lambda: scene.decide(ann, 2)),
            ("decided", "bob", lambda: scene.decide(bob, 2)),
            ("decided", "timeout:a day", lambda: scene.escalate_by_deadline(3)),
            ("rated", "bob", lambda: bob.feedback.rate(Subject(1, 2, 0), -1, "no")),
            ("unrated", "bob", lambda: bob.feedback.withdraw(Subject(1, 2, 0))),
            ("policy", "", lambda: policy_log.note_policy(store, "/p/policy.toml", "a" * 64, 3, "")),
            ("not_sent", "", lambda: reconcile.close(store, {2: ReviewOutcome(ReviewState.DECIDED, "nothing ran")})),
            ("asked_again", "", lambda: reconcile.close(store, {2: ReviewOutcome(ReviewState.OPEN, "may have run once", True)})),
            ("asked_again", "", lambda: scene.asks(pause("one"), replace(pause("two", 2), note="may have run twice"), pause("three"))),
            ("run_released", "ann", scene.release_run),
            ("applied", "", lambda: reconcile.close(store, {2: ReviewOutcome(ReviewState.APPLIED)})),
            ("stale", "", lambda: reconcile.close(store, {1: ReviewOutcome(ReviewState.STALE, "answered elsewhere")})),
        ]
        for kind, actor, step in steps:
            before = audit.head(tmp_path / "hitl.db").seq
            await step()
            new = _since(tmp_path, before)
            assert (kind, actor) in new, f"{kind}: {new}"
        actors = {(one["actor"], one["actor_kind"]) for one in audit.entries(tmp_path / "hitl.db")}
        assert {("ann", "person"), ("timeout:a day", "timeout"), ("", "system")} <= actors
        assert {kind for actor, kind in actors if actor.startswith("agent:")} == {"agent"}


async def test_audit_stays_in_order_when_the_clock_jumps_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        scene = Scene(store)
        for at in (2_000_000_000.0, 1_000_000_000.0, 1_500_000_000.5, 0.0, -5.0):
            pretend(monkeypatch, functools.partial(float, at))
            await scene.ann.runs.launch("mail", text="hello")
    entries = list(audit.entries(tmp_path / "hitl.db"))
    assert [one["at"] for one in entries] == [2_000_000_000.0, 1_000_000_000.0, 1_500_000_000.5, 0.0, -5.0]
    assert [one["seq"] for one in entries] == [1, 2, 3, 4, 5]
    assert not audit.verify(tmp_path / "hitl.db").problem
