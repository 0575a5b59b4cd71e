"""Calls of several reviews decided in one transaction, undone in one, and reviews that somebody snoozes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind, ReviewState
from hitl_tui.store import Store, audit
from tests.support.empty_database import open_store
from tests.support.harness import approve, edit, reject
from tests.ui.homes import seed


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "hitl.db") as opened:
        yield opened


@pytest.fixture
def ann(store: Store) -> Inbox:
    return Inbox(store, "ann", grace_s=60)


async def asked(store: Store, count: int, calls: int = 2) -> list[int]:
    """Reviews of so many mails each."""
    project = await seed.add_project(store)
    pauses = [seed.pause(PauseKind.TOOL_CALLS, *(seed.mail(f"p{slot}@example.com", slot) for slot in range(calls))) for _ in range(count)]
    return [await seed.add_waiting_run(store, project, "mail_assistant", pause) for pause in pauses]


async def states(store: Store) -> list[str]:
    return [str(state) for (state,) in await store.all("SELECT state FROM reviews ORDER BY id")]


async def test_many_calls_when_decided_have_own_digests_and_entries_and_one_undo(store: Store, ann: Inbox, tmp_path: Path) -> None:
    ids = await asked(store, 3)
    found = [await ann.reviews.get(id_) for id_ in ids]
    assert await ann.reviews.decide_many([(review, {0: approve(), 1: reject("no")}) for review in found], 1500) == {}
    assert await states(store) == ["decided"] * 3
    entries = [one for one in audit.entries(tmp_path / "hitl.db") if one["kind"] == "decided"]
    assert len(entries) == 6 and all('"together": 6' in one["body"] for one in entries)
    rows = await store.all("SELECT review, slot, digest, viewed_ms FROM decisions ORDER BY id")
    assert rows == [(review.row.id, action.slot, action.digest, 1500) for review in found for action in review.actions]
    assert await ann.reviews.undo_many(ids) == {}
    assert await states(store) == ["open"] * 3
    assert audit.verify(tmp_path / "hitl.db").problem == ""


async def test_many_calls_when_some_cannot_be_decided_leave_these_out_and_say_why(store: Store, ann: Inbox) -> None:
    ids = await asked(store, 4, calls=1)
    found = [await ann.reviews.get(id_) for id_ in ids]
    bob = Inbox(store, "bob")
    await bob.reviews.decide(found[0], {0: approve()})
    await bob.reviews.claim(ids[1])
    bad = edit(to=4)
    refused = await ann.reviews.decide_many(
        [(found[0], {0: approve()}), (found[1], {0: approve()}), (found[2], {0: bad}), (found[3], {0: approve()})]
    )
    assert {review: type(error) for review, error in refused.items()} == {ids[0]: Stale, ids[1]: Refused, ids[2]: Refused}
    assert await states(store) == ["decided", "open", "open", "decided"]
    refused = await ann.reviews.undo_many(ids)
    assert set(refused) == {ids[0], ids[1], ids[2]} and await states(store) == ["decided", "open", "open", "open"]


async def test_calls_of_one_review_when_decided_apart_share_the_longest_grace_time(store: Store) -> None:
    (id_,) = await asked(store, 1)
    slow, fast = Inbox(store, "ann", grace_s=600), Inbox(store, "ann", grace_s=1)
    await slow.reviews.decide(await slow.reviews.get(id_), {0: approve()})
    await fast.reviews.decide(await fast.reviews.get(id_), {1: approve()})
    effective_at = (await fast.reviews.get(id_)).row.effective_at
    assert effective_at is not None and effective_at > time.time() + 300


async def test_a_snoozed_review_when_it_changes_or_its_time_is_over_is_back(store: Store, ann: Inbox) -> None:
    first, second, third = await asked(store, 3)
    bob, now = Inbox(store, "bob"), time.time()
    await ann.reviews.snooze([first, second], now + 3600)
    await ann.reviews.snooze([third])
    assert ann.reviews.snoozed() == {first: now + 3600, second: now + 3600, third: None} and bob.reviews.snoozed() == {}
    await bob.reviews.escalate(third, "ann")
    assert set(ann.reviews.snoozed()) == {first, second}
    await ann.reviews.wake([first])
    await ann.reviews.snooze([second], now - 1)
    assert ann.reviews.snoozed() == {}
    await bob.reviews.decide(await bob.reviews.get(first), {0: approve(), 1: approve()})
    await ann.reviews.snooze([first])
    assert ann.reviews.snoozed() == {} and ReviewState.DECIDED in await states(store)
