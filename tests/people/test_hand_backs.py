"""A hand-back decides what a run asks: by those whom rules name, confirmed by other people, and by nobody who writes past the console."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hitl_tui.errors import NotAllowed, Refused, Stale
from hitl_tui.model import Actor, Takeover, TakeoverPlan
from hitl_tui.store import audit, takeovers
from hitl_tui.store.hand_backs import plan_digest
from tests.people.office import PEOPLE, Office
from tests.support.tiers import sampled

DORA = '[[person]]\nname = "dora"\ngroups = ["finance"]\n'
PLAN: dict[str, Any] = {"state": {"paid": True}}


async def asking(office: Office, by: str = "carl", **demands: Any) -> int:
    """A run that asks what two people of finance must approve, and that can be taken over."""
    review = await office.ask(by=by, **{"reviewers": 2, **demands})
    run = (await office.inbox("ann").reviews.get(review)).row.run
    await office.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    return run


async def handed_back(office: Office, run: int, who: str = "ann") -> Takeover:
    """Somebody takes the run over, and hands it back with a plan."""
    inbox = office.inbox(who)
    return await inbox.takeovers.hand_back((await inbox.takeovers.take(run)).id, TakeoverPlan(**PLAN))


async def applied(office: Office) -> bool:
    """Whether a worker would apply a plan now."""
    found = takeovers.ready(office.store, office.project, ["mail_assistant"], ())
    return found is not None and await takeovers.submit(office.store, "w", found[1], office.people.current())


async def test_hand_back_of_what_two_must_approve_waits_for_a_second_person(office: Office) -> None:
    run = await asking(office)
    shown = await handed_back(office, run)
    assert shown.is_unconfirmed and not await applied(office)
    assert (await office.inbox("bob").runs.get(run)).activity == "handed back, not confirmed yet"
    with pytest.raises(Refused, match="you handed it back yourself"):
        await office.inbox("Anna").takeovers.confirm(shown)
    with pytest.raises(NotAllowed, match="only finance"):
        await office.inbox("carl").takeovers.confirm(shown)
    assert await office.store.one("SELECT actor FROM audit WHERE kind = 'refused' ORDER BY seq DESC LIMIT 1") == ("carl",)
    assert await office.inbox("bob").takeovers.confirm(shown)
    with pytest.raises(Stale, match="waits for nobody any more"):
        await office.inbox("bob").takeovers.confirm(shown)
    assert (await office.inbox("bob").runs.get(run)).activity == ""
    assert await applied(office) and audit.verify(office.store.path).problem == ""


async def test_hand_back_of_what_one_may_approve_waits_for_nobody(office: Office) -> None:
    assert not (await handed_back(office, await asking(office, reviewers=1))).is_unconfirmed
    assert await applied(office)


async def test_launcher_alone_does_not_confirm_where_launch_is_separate(office: Office) -> None:
    office.rewrite(PEOPLE + DORA)
    run = await asking(office, by="bob", separate=("launch", "edit"))
    shown = await handed_back(office, run)
    assert not await office.inbox("bob").takeovers.confirm(shown)
    with pytest.raises(Refused, match="you have confirmed it already"):
        await office.inbox("bob").takeovers.confirm(shown)
    assert await office.inbox("dora").takeovers.confirm(shown) and await applied(office)


async def test_plan_that_was_changed_since_it_was_shown_is_not_confirmed(office: Office) -> None:
    run, ann = await asking(office), office.inbox("ann")
    shown = await handed_back(office, run)
    again = await ann.takeovers.take(run)
    assert (again.id, again.state, again.plan) == (shown.id, "open", shown.plan), "its author writes on"
    with pytest.raises(Stale, match="waits for nobody"):
        await office.inbox("bob").takeovers.confirm(shown)
    await ann.takeovers.hand_back(again.id, TakeoverPlan(state={"paid": False}))
    with pytest.raises(Stale, match="not the one that was shown"):
        await office.inbox("bob").takeovers.confirm(shown)
    assert not await applied(office)


async def test_run_whose_hand_back_waits_is_taken_by_others_with_a_reason(office: Office) -> None:
    run, bob = await asking(office), office.inbox("bob")
    await handed_back(office, run)
    with pytest.raises(Refused, match="ann took run"):
        await bob.takeovers.take(run)
    assert (await bob.takeovers.take(run, "ann is away")).actor == "bob" and not await applied(office)


async def test_run_that_was_cancelled_still_needs_those_whom_rules_name(office: Office) -> None:
    run = await asking(office)
    await office.inbox("carl").runs.cancel(run)
    with pytest.raises(NotAllowed, match="only finance"):
        await office.inbox("carl").takeovers.take(run)
    assert (await handed_back(office, run)).is_unconfirmed


# Written past the console

ENTRY = """
INSERT INTO audit SELECT seq + 1, 1.0, ?, ?, 'person', ?, NULL, ?, chained(hash, seq + 1, 1.0, ?, ?, 'person', ?, NULL, ?)
FROM audit ORDER BY seq DESC LIMIT 1
"""


def confirm_in_the_log(office: Office, shown: Takeover, who: str, plan: Any = PLAN) -> None:
    """Write the entry of a confirmation, and that nobody is missing."""
    body = json.dumps({"takeover": shown.id, "plan": plan_digest(plan)}, sort_keys=True)
    office.sql((ENTRY, (*["confirmed", who, shown.run, body] * 2,)), ("UPDATE takeovers SET unconfirmed = 0", ()))


async def say_that_nobody_is_missing(office: Office) -> None:
    await handed_back(office, await asking(office))
    office.sql(("UPDATE takeovers SET unconfirmed = 0", ()))


async def confirm_under_an_alias(office: Office) -> None:
    confirm_in_the_log(office, await handed_back(office, await asking(office)), "A.MEYER")


async def confirm_as_somebody_who_is_not_meant(office: Office) -> None:
    confirm_in_the_log(office, await handed_back(office, await asking(office)), "carl")


async def confirm_as_a_stranger(office: Office) -> None:
    confirm_in_the_log(office, await handed_back(office, await asking(office)), "mallory")


async def confirm_a_name_that_looks_like_bobs(office: Office) -> None:
    confirm_in_the_log(office, await handed_back(office, await asking(office)), "bоb")


async def confirm_another_plan(office: Office) -> None:
    confirm_in_the_log(office, await handed_back(office, await asking(office)), "bob", {"state": {"paid": False}})


async def change_the_plan_after_it_was_confirmed(office: Office) -> None:
    await office.inbox("bob").takeovers.confirm(await handed_back(office, await asking(office)))
    office.sql(("UPDATE takeovers SET plan = replace(plan, 'true', 'false')", ()))


async def lower_the_number_of_people(office: Office) -> None:
    run = await asking(office)
    office.sql(("UPDATE actions SET reviewers = 1", ()))
    await handed_back(office, run)


async def end_the_review_by_hand(office: Office) -> None:
    run = await asking(office)
    office.sql(("UPDATE reviews SET state = 'applied' WHERE run = ?", (run,)))
    await handed_back(office, run)


async def remove_the_group(office: Office) -> None:
    run = await asking(office, reviewers=1)
    office.sql(("UPDATE actions SET decider = ''", ()))
    await handed_back(office, run, "carl")


async def lose_the_right_after_confirming(office: Office) -> None:
    await office.inbox("bob").takeovers.confirm(await handed_back(office, await asking(office)))
    office.rewrite(PEOPLE.replace('name = "bob"\ngroups = ["finance"]', 'name = "bob"'))


async def leave_the_group_after_handing_back(office: Office) -> None:
    await office.inbox("bob").takeovers.confirm(await handed_back(office, await asking(office)))
    office.rewrite(PEOPLE.replace('"Anna"]\ngroups = ["finance"]', '"Anna"]'))


async def become_one_person_after_confirming(office: Office) -> None:
    await office.inbox("bob").takeovers.confirm(await handed_back(office, await asking(office)))
    office.rewrite(PEOPLE.replace('"Anna"]', '"Anna", "bob"]').replace('name = "bob"', 'name = "robert"'))


async def put_a_withdrawn_hand_back_back(office: Office) -> None:
    run = await asking(office)
    await office.inbox("bob").takeovers.confirm(await handed_back(office, await asking(office)))
    assert await applied(office)
    await handed_back(office, run)
    await office.inbox("ann").takeovers.take(run)
    office.sql(("UPDATE takeovers SET state = 'handed_back' WHERE run = ?", (run,)))


async def put_a_discarded_hand_back_back(office: Office) -> None:
    run, ann = await asking(office, reviewers=1), office.inbox("ann")
    await ann.takeovers.discard((await handed_back(office, run)).id)
    office.sql(("UPDATE takeovers SET state = 'handed_back'", ()))


async def write_hand_back_and_confirmation(office: Office) -> None:
    run = await asking(office)
    taken = await office.inbox("ann").takeovers.take(run)
    office.sql(("UPDATE takeovers SET state = 'handed_back', plan = '{\"state\": {\"paid\": true}}'", ()))
    confirm_in_the_log(office, taken, "bob")


async def move_the_review_to_another_run(office: Office) -> None:
    other, run = await office.ask(), await asking(office)
    move = "UPDATE reviews SET run = (SELECT min(id) FROM runs) WHERE run = ?"
    office.sql(("DELETE FROM reviews WHERE id = ?", (other,)), (move, (run,)))
    await handed_back(office, run)


async def delete_the_review(office: Office) -> None:
    run = await asking(office)
    office.sql(("DELETE FROM reviews WHERE run = ?", (run,)))
    await handed_back(office, run)


async def delete_its_calls(office: Office) -> None:
    run = await asking(office)
    office.sql(("DELETE FROM actions", ()))
    await handed_back(office, run)


async def say_that_it_was_sent(office: Office) -> None:
    run = await asking(office)
    ann = office.inbox("ann")
    taken = await ann.takeovers.take(run)
    office.sql(("UPDATE reviews SET state = 'submitted' WHERE run = ?", (run,)))
    await ann.takeovers.hand_back(taken.id, TakeoverPlan(**PLAN))


async def say_that_a_cancelled_review_was_applied(office: Office) -> None:
    run = await asking(office)
    await office.inbox("carl").runs.cancel(run)
    office.sql(("UPDATE reviews SET state = 'applied' WHERE run = ?", (run,)))
    await handed_back(office, run)


async def hand_back_in_another_name(office: Office) -> None:
    shown = await handed_back(office, await asking(office, reviewers=1))
    office.sql(("UPDATE takeovers SET actor = 'bob', actor_key = 'bob' WHERE id = ?", (shown.id,)))


async def confirm_twice_by_one_person_of_three(office: Office) -> None:
    shown = await handed_back(office, await asking(office, reviewers=3))
    confirm_in_the_log(office, shown, "bob")
    confirm_in_the_log(office, shown, "BOB")


ATTACKS = (
    move_the_review_to_another_run, delete_the_review, delete_its_calls, say_that_it_was_sent, say_that_a_cancelled_review_was_applied,
    hand_back_in_another_name, confirm_twice_by_one_person_of_three,
    confirm_under_an_alias, put_a_withdrawn_hand_back_back, end_the_review_by_hand,
    say_that_nobody_is_missing, confirm_as_somebody_who_is_not_meant, confirm_as_a_stranger, confirm_a_name_that_looks_like_bobs,
    confirm_another_plan, change_the_plan_after_it_was_confirmed, lower_the_number_of_people, remove_the_group,
    lose_the_right_after_confirming, leave_the_group_after_handing_back, become_one_person_after_confirming,
    put_a_discarded_hand_back_back, write_hand_back_and_confirmation,
)  # fmt: skip


@pytest.mark.parametrize("attack", sampled(ATTACKS, gate=4))
async def test_plan_nobody_may_have_handed_back_is_not_applied(office: Office, attack: Callable[[Office], Awaitable[None]]) -> None:
    await attack(office)
    assert not await applied(office)
    newest = await office.store.one("SELECT state FROM takeovers ORDER BY id DESC LIMIT 1")
    assert newest == ("stale",) and not await applied(office)


async def test_hand_back_by_a_program_in_somebodys_name_is_the_persons_own(office: Office) -> None:
    run = await asking(office)
    taken = await office.inbox("ann").takeovers.take(run)
    assert await takeovers.hand_back(office.store, taken.id, Actor("bob"), TakeoverPlan(**PLAN), office.people.current()) is None
    assert not await applied(office)
