"""A call that a run keeps proposing although it was rejected goes to a takeover."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, PauseKind, ReviewOutcome, ReviewState
from hitl_tui.model.values import Json
from hitl_tui.store import reconcile, runs
from hitl_tui.store.reject_loops import Decided, is_same, repeated
from tests.support.empty_database import open_store
from tests.ui.homes import seed

MAIL: dict[str, Json] = {"to": "ann@example.com", "subject": "Invoice", "total": 120}


def rejected(message: str, args: Json = MAIL) -> Decided:
    return Decided("send", args, DecisionKind.REJECT, message, "ann")


@pytest.mark.parametrize(
    ("message", "changed", "same"),
    [
        ("", {}, True),
        ("", {"subject": " invoice"}, True),  # case and blanks are no difference
        ("", {"subject": "Bill"}, False),  # nothing was named: it rejects the call as it was
        ("wrong recipient: ann@example.com left the company", {"subject": "Bill"}, True),
        ("wrong recipient: ann@example.com left the company", {"to": "bob@example.com"}, False),
        ("the total is wrong", {"to": "bob@example.com", "subject": "Bill"}, True),
        ("the total is wrong", {"total": 121}, False),
        ("not 120, ask for 100", {"subject": "Bill"}, True),
        ("not 1200", {"subject": "Bill"}, False),  # a part of a longer word names nothing
        ("never", {"subject": "Bill"}, False),
        ("subject and total", {"total": 121}, False),  # one of two named ones changed
    ],
)
def test_a_call_is_the_same_if_nothing_that_was_named_has_changed(message: str, changed: dict[str, Json], same: bool) -> None:
    assert is_same({**MAIL, **changed}, rejected(message)) is same


def test_arguments_that_are_no_object_are_compared_as_a_whole() -> None:
    assert is_same("Send  it", rejected("the mail", "send it")) and not is_same("send", rejected("send", "send it"))
    assert is_same({"to": ["ann@x.org", "bob@x.org"], "n": 1}, rejected("not bob@x.org", {"to": ["ann@x.org", "bob@x.org"], "n": 2}))


async def test_a_call_rejected_three_times_goes_to_a_takeover_until_it_was_let_run(tmp_path: Path) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        (run,) = await runs.insert(store, [runs.NewRun(project, "desk", "t", "mail", {"text": "x"})])
        await store.db.execute("UPDATE runs SET worker = 'w', state = 'running' WHERE id = ?", (run,))
        inbox, before = Inbox(store, "ann"), dict[int, ReviewOutcome]()

        async def propose(number: int, kind: DecisionKind, **changed: Json) -> Outcome | None:
            action = seed.action("send", {**MAIL, **changed}, 0)
            pause = seed.pause(PauseKind.TOOL_CALLS, action, interrupt=f"i{number}")
            await store.db.execute("UPDATE runs SET worker = 'w' WHERE id = ?", (run,))
            await reconcile.reconcile(store, run, "desk", "w", [pause], before, loop_after=3)
            (row,) = await store.all("SELECT max(id) FROM reviews")
            review = await inbox.reviews.get(row[0])
            await inbox.reviews.decide(review, {0: Answer(kind, message="the total is wrong" if kind is DecisionKind.REJECT else None)})
            before.clear()
            before[row[0]] = ReviewOutcome(ReviewState.APPLIED)
            if review.actions[0].outcome is Outcome.TAKEOVER:
                assert review.row.escalated == "anybody"
                assert review.actions[0].reason.startswith("keeps proposing what was rejected: ")
            return review.actions[0].outcome

        reject, approve = DecisionKind.REJECT, DecisionKind.APPROVE
        assert [await propose(n, reject, subject=f"Invoice {n}") for n in range(3)] == [None] * 3
        assert await propose(3, reject, total=121) is None  # changed where the rejections say so
        assert await propose(4, reject, subject="Reminder") is Outcome.TAKEOVER
        assert await propose(5, approve, subject="Invoice") is Outcome.TAKEOVER
        assert await propose(6, reject, subject="Invoice") is None  # it was let run since


def test_equal_calls_rejected_at_once_are_one_rejection() -> None:
    action = seed.action("send", MAIL)
    at_once = [replace(rejected("no"), at=1.0, review=review) for review in (1, 1, 2)]
    assert len(repeated(action, at_once)) == 1, "two of one review, and one of another that was decided with the same key"
    again = [*at_once, replace(rejected("no"), at=2.0, review=3), replace(rejected("no"), at=3.0, review=4)]
    assert len(repeated(action, again)) == 3
