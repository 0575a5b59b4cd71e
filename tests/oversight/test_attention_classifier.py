"""Attention checks against a classifier: ids, times, lengths and order must not tell them from other reviews."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import itertools
import json
import random
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, Context, DecisionKind, Event, Message, Pause, PauseKind, ReviewOutcome, ReviewState
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, audit, events, reconcile
from hitl_tui.worker.scheduled_jobs import ScheduledJobs
from tests.support import fake_clock
from tests.support.tiers import is_full
from tests.ui.homes import seed

RUNS = 2400 if is_full else 700
START = 1_790_000_000.0
MOST = 0.55
"""Area under the curve that chance alone does not exceed at this size."""
PEOPLE = ("ann", "bob", "cleo", "dora", "emil", "fatima", "gustav", "henrietta")
WORDS = [
    "the",
    "order",
    "was",
    "sent",
    "on",
    "monday",
    "and",
    "we",
    "refund",
    "what",
    "you",
    "paid",
    "for",
    "shipping",
    "because",
    "it",
    "came",
    "late",
    "please",
    "tell",
    "us",
    "if",
    "more",
    "is",
    "missing",
]


def call(draw: random.Random) -> tuple[str, dict[str, Any]]:
    """A tool call as agents make them; each tool's arguments differ in length from call to call."""

    def words(least: int, most: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(least, most)))

    def sentences(least: int, most: int) -> str:
        return " ".join(f"{words(3, 20).capitalize()}." for _ in range(draw.randint(least, most)))

    def who() -> str:
        return (
            f"{draw.choice(PEOPLE)}{draw.choice(['', '.k', '.' + draw.choice(PEOPLE)])}@{draw.choice(['example.com', 'shop.example.org'])}"
        )

    def path() -> str:
        return "/".join(words(1, 1) for _ in range(draw.randint(1, 5))) + ".txt"

    calls: list[tuple[str, dict[str, Any]]] = [
        ("send_mail", {"to": who(), "subject": words(2, 6), "body": sentences(1, 9)}),
        ("refund", {"order_id": f"#W{draw.randint(10**6, 10**7)}", "amount": round(draw.lognormvariate(4, 2), 2)}),
        ("run_shell", {"command": " && ".join(f"{draw.choice(['ls', 'cat', 'make', 'git log'])} {path()}" for _ in range(draw.randint(1, 9)))}),
        ("delete_file", {"path": path()}),
        ("post", {"channel": words(1, 1), "message": sentences(1, 5)}),
        ("move_event", {"event_id": str(draw.randint(1, 9999)), "start_time": f"2026-{draw.randint(1, 12):02}-{draw.randint(1, 28):02} 10:00"}),
        ("execute", {"sql": f"UPDATE {words(1, 1)} SET {words(1, 1)} = '{words(1, 12)}' WHERE id IN ({', '.join(map(str, range(draw.randint(1, 40))))})"}),
    ]  # fmt: skip
    return draw.choice(calls)


def pause(draw: random.Random, at: float) -> Pause:
    """A pause whose user names what the call holds."""
    tool, args = call(draw)
    heard = f"Please: {'; '.join(map(str, args.values()))}"
    said = (Message("user", heard), Message("agent", "I do that now.", calls=((tool, args),)))
    action = seed.action(tool, args, description=f"{tool}: {args}", tool_call=f"call_{draw.getrandbits(96):024x}")
    return seed.pause(PauseKind.TOOL_CALLS, action, interrupt=f"{draw.getrandbits(128):032x}", context=Context(said), value={"args": args})


class AskingRuns:
    """Runs that ask, and ann, who decides, on a clock that moves a second at a time."""

    def __init__(self, store: Store, project: int, clock: fake_clock.Clock, draw: random.Random) -> None:
        self.store, self.project, self.clock, self.draw = store, project, clock, draw
        self.jobs = ScheduledJobs(store, project, lambda: Policy(attention=2), clock)

    async def wait(self, mean_s: float) -> None:
        """Let time pass; a worker looks for what is due each second, and ann decides checks that turn up."""
        until = self.clock.now + self.draw.expovariate(1 / mean_s)
        while self.clock.now < until:
            made = await self.jobs.run_due()
            due_s = self.jobs.wait_s()
            self.clock.advance(min(until - self.clock.now, due_s) if due_s else until - self.clock.now)
            if made:
                review = int((await self.store.one("SELECT max(id) FROM reviews"))[0])
                await self.decide(review)

    async def decide(self, review: int) -> None:
        self.clock.advance(self.draw.expovariate(1 / 15))
        inbox = Inbox(self.store, "ann")
        await inbox.reviews.decide(await inbox.reviews.get(review), {0: Answer(DecisionKind.APPROVE)}, 9000)

    async def run(self) -> None:
        """One run from its launch to its end."""
        began = self.clock.now
        self.clock.advance(self.draw.uniform(0.5, 8))
        review = await seed.add_waiting_run(self.store, self.project, "mail_assistant", pause(self.draw, self.clock.now))
        run = int((await self.store.one("SELECT run FROM reviews WHERE id = ?", (review,)))[0])
        started = began + self.draw.uniform(0.01, 0.2)
        values = (str(uuid.UUID(int=self.draw.getrandbits(128), version=4)), began, started, run)
        await self.store.write("UPDATE runs SET thread = ?, created_at = ?, started_at = ? WHERE id = ?", values)
        times = sorted(self.draw.uniform(started, self.clock.now - 0.01) for _ in range(4))
        kinds = ("input", "start", "end", "paused")
        lines = [
            Event(n, at, kind, "", (), {"task": f"{self.draw.getrandbits(128):032x}"})
            for n, (at, kind) in enumerate(zip(times, kinds, strict=True), 1)
        ]
        await events.append(self.store, {run: lines})
        await self.decide(review)
        self.clock.advance(self.draw.uniform(0.1, 2))
        await self.store.write("UPDATE reviews SET state = 'submitted', submitted_at = ? WHERE id = ?", (self.clock.now, review))
        await reconcile.close(self.store, {review: ReviewOutcome(ReviewState.APPLIED, "")})
        await self.store.write("UPDATE runs SET state = 'done', ended_at = ? WHERE id = ?", (self.clock.now, run))
        await self.wait(20)


ROWS = """
SELECT v.id, r.attention, r.thread, v.interrupt, a.tool_call, a.args, a.description, v.title, r.created_at, r.started_at, v.opened_at,
    (SELECT json_group_array(e.at) FROM events e WHERE e.run = r.id), (SELECT json_group_array(length(e.body)) FROM events e WHERE e.run = r.id)
FROM reviews v JOIN runs r ON r.id = v.run JOIN actions a ON a.review = v.id ORDER BY v.id
"""


def figures(row: tuple[Any, ...], before: float, opened_before: float) -> list[float]:
    """What a row shows of ids, times, lengths and order."""
    id_, _, thread, interrupt, call_id, args, description, value, created, started, opened, at, sizes = row
    times, bodies, values = json.loads(at), json.loads(sizes), [len(str(one)) for one in json.loads(args).values()]
    ids = [
        figure
        for text in (thread, interrupt, call_id)
        for figure in (len(text), sum(char.isdigit() for char in text), *map(ord, text[:3]), *map(ord, text[-3:]))
    ]
    gaps = [
        created - before,
        opened - opened_before,
        started - created,
        times[0] - started,
        *(later - earlier for earlier, later in itertools.pairwise(times)),
        opened - times[-1],
        opened % 1,
        created % 1,
    ]
    return [*ids, *gaps, len(args), len(description), len(value), len(values), max(values), min(values), *bodies, id_ % 2, id_ % 3, id_ % 5]


@pytest.mark.slow
@pytest.mark.timeout(10**7)  # by the pretended clock
async def test_attention_check_cannot_be_told_from_a_real_call_by_a_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]
    from sklearn.metrics import roc_auc_score  # type: ignore[import-untyped]
    from sklearn.model_selection import StratifiedKFold, cross_val_predict  # type: ignore[import-untyped]

    clock = fake_clock.Clock(START)
    fake_clock.pretend(monkeypatch, clock)
    monkeypatch.setattr(time, "monotonic_ns", itertools.count().__next__)  # which names threads: all of it is the same again
    async with Store.open(Home(tmp_path).prepare().database) as store:
        asking = AskingRuns(store, await seed.add_project(store), clock, random.Random(7))
        for _ in range(RUNS):
            await asking.run()
        rows = await store.all(ROWS)
        logged = np.array(sorted(entry["at"] for entry in audit.entries(store.path)))
    rows = rows[20:]  # nothing is made before there is something to make it from
    found = [figures(row, float(logged[np.searchsorted(logged, row[8]) - 1]), before[10]) for before, row in itertools.pairwise(rows)]
    is_check = np.array([row[1] for row in rows[1:]])
    assert is_check.sum() > len(rows) / 8
    folds = StratifiedKFold(5, shuffle=True, random_state=1)
    guess = cross_val_predict(HistGradientBoostingClassifier(random_state=1), np.array(found), is_check, cv=folds, method="predict_proba")[
        :, 1
    ]
    told = roc_auc_score(is_check, guess)
    assert told <= MOST, told
