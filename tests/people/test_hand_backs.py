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
from tests.people.team import PEOPLE, Team
from tests.support.tiers import sampled

DORA = '[[person]]\nname = "dora"\ngroups = ["finance"]\n'
PLAN: dict[str, Any] = {"state": {"paid": True}}


async def asking(team: Team, by: str = "carl", **demands: Any) -> int:
    """A run that asks what two people of finance must approve, and that can be taken over."""
    review = await team.ask(by=by, **{"reviewers": 2, **demands})
    run = (await team.inbox("ann").reviews.get(review)).row.run
    await team.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    return run


async def handed_back(team: Team, run: int, who: str = "ann") -> Takeover:
    """Somebody takes the run over, and hands it back with a plan."""
    inbox = team.inbox(who)
    return await inbox.takeovers.hand_back((await inbox.takeovers.take(run)).id, TakeoverPlan(**PLAN))


async def applied(team: Team) -> bool:
    """Whether a worker would apply a plan now."""
    found = takeovers.ready(team.store, team.project, ["mail_assistant"], ())
    return found is not None and await takeovers.submit(team.store, "w", found[1], team.people.current())


async def test_hand_back_of_what_two_must_approve_waits_for_a_second_person(team: Team) -> None:
    run = await asking(team)
    shown = await handed_back(team, run)
    assert shown.is_unconfirmed and not await applied(team)
    assert (await team.inbox("bob").runs.get(run)).activity == "handed back, not confirmed yet"
    with pytest.raises(Refused, match="you handed it back yourself"):
        await team.inbox("Anna").takeovers.confirm(shown)
    with pytest.raises(NotAllowed, match="only finance"):
        await team.inbox("carl").takeovers.confirm(shown)
    assert await team.store.one("SELECT actor FROM audit WHERE kind = 'refused' ORDER BY seq DESC LIMIT 1") == ("carl",)
    assert await team.inbox("bob").takeovers.confirm(shown)
    with pytest.raises(Stale, match="waits for nobody any more"):
        await team.inbox("bob").takeovers.confirm(shown)
    assert (await team.inbox("bob").runs.get(run)).activity == ""
    assert await applied(team) and audit.verify(team.store.path).problem == ""


async def test_hand_back_of_what_one_may_approve_waits_for_nobody(team: Team) -> None:
    assert not (await handed_back(team, await asking(team, reviewers=1))).is_unconfirmed
    assert await applied(team)


async def test_launcher_alone_does_not_confirm_where_launch_is_separate(team: Team) -> None:
    team.rewrite(PEOPLE + DORA)
    run = await asking(team, by="bob", separate=("launch", "edit"))
    shown = await handed_back(team, run)
    assert not await team.inbox("bob").takeovers.confirm(shown)
    with pytest.raises(Refused, match="you have confirmed it already"):
        await team.inbox("bob").takeovers.confirm(shown)
    assert await team.inbox("dora").takeovers.confirm(shown) and await applied(team)


async def test_plan_that_was_changed_since_it_was_shown_is_not_confirmed(team: Team) -> None:
    run, ann = await asking(team), team.inbox("ann")
    shown = await handed_back(team, run)
    again = await ann.takeovers.take(run)
    assert (again.id, again.state, again.plan) == (shown.id, "open", shown.plan), "its author writes on"
    with pytest.raises(Stale, match="waits for nobody"):
        await team.inbox("bob").takeovers.confirm(shown)
    await ann.takeovers.hand_back(again.id, TakeoverPlan(state={"paid": False}))
    with pytest.raises(Stale, match="not the one that was shown"):
        await team.inbox("bob").takeovers.confirm(shown)
    assert not await applied(team)


async def test_run_whose_hand_back_waits_is_taken_by_others_with_a_reason(team: Team) -> None:
    run, bob = await asking(team), team.inbox("bob")
    await handed_back(team, run)
    with pytest.raises(Refused, match="ann took run"):
        await bob.takeovers.take(run)
    assert (await bob.takeovers.take(run, "ann is away")).actor == "bob" and not await applied(team)


async def test_run_that_was_cancelled_still_needs_those_whom_rules_name(team: Team) -> None:
    run = await asking(team)
    await team.inbox("carl").runs.cancel(run)
    with pytest.raises(NotAllowed, match="only finance"):
        await team.inbox("carl").takeovers.take(run)
    assert (await handed_back(team, run)).is_unconfirmed


# Written past the console

ENTRY = """
INSERT INTO audit SELECT seq + 1, 1.0, ?, ?, 'person', ?, NULL, ?, chained(hash, seq + 1, 1.0, ?, ?, 'person', ?, NULL, ?)
FROM audit ORDER BY seq DESC LIMIT 1
"""


def confirm_in_the_log(team: Team, shown: Takeover, who: str, plan: Any = PLAN) -> None:
    """Write the entry of a confirmation, and that nobody is missing."""
    body = json.dumps({"takeover": shown.id, "plan": plan_digest(plan)}, sort_keys=True)
    team.sql((ENTRY, (*["confirmed", who, shown.run, body] * 2,)), ("UPDATE takeovers SET unconfirmed = 0", ()))


async def say_that_nobody_is_missing(team: Team) -> None:
    await handed_back(team, await asking(team))
    team.sql(("UPDATE takeovers SET unconfirmed = 0", ()))


async def confirm_under_an_alias(team: Team) -> None:
    confirm_in_the_log(team, await handed_back(team, await asking(team)), "A.MEYER")


async def confirm_as_somebody_who_is_not_meant(team: Team) -> None:
    confirm_in_the_log(team, await handed_back(team, await asking(team)), "carl")


async def confirm_as_a_stranger(team: Team) -> None:
    confirm_in_the_log(team, await handed_back(team, await asking(team)), "mallory")


async def confirm_a_name_that_looks_like_bobs(team: Team) -> None:
    confirm_in_the_log(team, await handed_back(team, await asking(team)), "bоb")


async def confirm_another_plan(team: Team) -> None:
    confirm_in_the_log(team, await handed_back(team, await asking(team)), "bob", {"state": {"paid": False}})


async def change_the_plan_after_it_was_confirmed(team: Team) -> None:
    await team.inbox("bob").takeovers.confirm(await handed_back(team, await asking(team)))
    team.sql(("UPDATE takeovers SET plan = replace(plan, 'true', 'false')", ()))


async def lower_the_number_of_people(team: Team) -> None:
    run = await asking(team)
    team.sql(("UPDATE actions SET reviewers = 1", ()))
    await handed_back(team, run)


async def end_the_review_by_hand(team: Team) -> None:
    run = await asking(team)
    team.sql(("UPDATE reviews SET state = 'applied' WHERE run = ?", (run,)))
    await handed_back(team, run)


async def remove_the_group(team: Team) -> None:
    run = await asking(team, reviewers=1)
    team.sql(("UPDATE actions SET decider = ''", ()))
    await handed_back(team, run, "carl")


async def lose_the_right_after_confirming(team: Team) -> None:
    await team.inbox("bob").takeovers.confirm(await handed_back(team, await asking(team)))
    team.rewrite(PEOPLE.replace('name = "bob"\ngroups = ["finance"]', 'name = "bob"'))


async def leave_the_group_after_handing_back(team: Team) -> None:
    await team.inbox("bob").takeovers.confirm(await handed_back(team, await asking(team)))
    team.rewrite(PEOPLE.replace('"Anna"]\ngroups = ["finance"]', '"Anna"]'))


async def become_one_person_after_confirming(team: Team) -> None:
    await team.inbox("bob").takeovers.confirm(await handed_back(team, await asking(team)))
    team.rewrite(PEOPLE.replace('"Anna"]', '"Anna", "bob"]').replace('name = "bob"', 'name = "robert"'))


async def put_a_withdrawn_hand_back_back(team: Team) -> None:
    run = await asking(team)
    await team.inbox("bob").takeovers.confirm(await handed_back(team, await asking(team)))
    assert await applied(team)
    await handed_back(team, run)
    await team.inbox("ann").takeovers.take(run)
    team.sql(("UPDATE takeovers SET state = 'handed_back' WHERE run = ?", (run,)))


async def put_a_discarded_hand_back_back(team: Team) -> None:
    run, ann = await asking(team, reviewers=1), team.inbox("ann")
    await ann.takeovers.discard((await handed_back(team, run)).id)
    team.sql(("UPDATE takeovers SET state = 'handed_back'", ()))


async def write_hand_back_and_confirmation(team: Team) -> None:
    run = await asking(team)
    taken = await team.inbox("ann").takeovers.take(run)
    team.sql(("UPDATE takeovers SET state = 'handed_back', plan = '{\"state\": {\"paid\": true}}'", ()))
    confirm_in_the_log(team, taken, "bob")


async def move_the_review_to_another_run(team: Team) -> None:
    other, run = await team.ask(), await asking(team)
    move = "UPDATE reviews SET run = (SELECT min(id) FROM runs) WHERE run = ?"
    team.sql(("DELETE FROM reviews WHERE id = ?", (other,)), (move, (run,)))
    await handed_back(team, run)


async def delete_the_review(team: Team) -> None:
    run = await asking(team)
    team.sql(("DELETE FROM reviews WHERE run = ?", (run,)))
    await handed_back(team, run)


async def delete_its_calls(team: Team) -> None:
    run = await asking(team)
    team.sql(("DELETE FROM actions", ()))
    await handed_back(team, run)


async def say_that_it_was_sent(team: Team) -> None:
    run = await asking(team)
    ann = team.inbox("ann")
    taken = await ann.takeovers.take(run)
    team.sql(("UPDATE reviews SET state = 'submitted' WHERE run = ?", (run,)))
    await ann.takeovers.hand_back(taken.id, TakeoverPlan(**PLAN))


async def say_that_a_cancelled_review_was_applied(team: Team) -> None:
    run = await asking(team)
    await team.inbox("carl").runs.cancel(run)
    team.sql(("UPDATE reviews SET state = 'applied' WHERE run = ?", (run,)))
    await handed_back(team, run)


async def hand_back_in_another_name(team: Team) -> None:
    shown = await handed_back(team, await asking(team, reviewers=1))
    team.sql(("UPDATE takeovers SET actor = 'bob', actor_key = 'bob' WHERE id = ?", (shown.id,)))


async def confirm_twice_by_one_person_of_three(team: Team) -> None:
    shown = await handed_back(team, await asking(team, reviewers=3))
    confirm_in_the_log(team, shown, "bob")
    confirm_in_the_log(team, shown, "BOB")


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
async def test_plan_nobody_may_have_handed_back_is_not_applied(team: Team, attack: Callable[[Team], Awaitable[None]]) -> None:
    await attack(team)
    assert not await applied(team)
    newest = await team.store.one("SELECT state FROM takeovers ORDER BY id DESC LIMIT 1")
    assert newest == ("stale",) and not await applied(team)


async def test_hand_back_by_a_program_in_somebodys_name_is_the_persons_own(team: Team) -> None:
    run = await asking(team)
    taken = await team.inbox("ann").takeovers.take(run)
    assert await takeovers.hand_back(team.store, taken.id, Actor("bob"), TakeoverPlan(**PLAN), team.people.current()) is None
    assert not await applied(team)
