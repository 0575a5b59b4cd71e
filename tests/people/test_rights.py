"""Rules bind people: who may decide, two persons, separation; and no decision that nobody had a right to make is sent to a graph."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.errors import NotAllowed, Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Identified, ReviewState, Role, TakeoverPlan, effect_of
from hitl_tui.people.parser import parse_with_problems
from hitl_tui.people.rights import identify
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import login
from hitl_tui.store import audit, failed_runs, takeovers
from tests.people.team import PEOPLE, Team
from tests.support.harness import approve, edit, reject
from tests.support.tiers import sampled

OTHER = edit(to="eve@example.com", subject="s", body="b")
SEPARATE = ("launch", "edit")


async def test_only_members_of_the_group_decide_and_refusals_are_logged(team: Team) -> None:
    review = await team.ask()
    assert await team.refused("carl", review) == f"only finance (ann, bob, rita) decides {review}#1, and carl is not of them"
    assert await team.refused("mallory", review, reject()) == "mallory is not in people.toml, and may only look"
    assert "may not decide reviews" in await team.refused("rita", review)
    first, *_ = [one for one in await audit.of_review(team.store, review) if one.kind == "refused"]
    assert first.actor == "carl" and isinstance(first.body, dict) and first.body["what"] == "decide" and first.body["identified"] == "login"
    assert await team.say("ann", review) is ReviewState.DECIDED
    assert await team.sent() == {review}
    found = await team.inbox("bob").reviews.get(review)
    assert found.decisions[0].identified is Identified.LOGIN


async def test_history_is_filtered_by_how_people_were_identified(team: Team) -> None:
    ann = team.inbox("ann")
    for identified in (Identified.LOGIN, Identified.PINNED):
        ann.actor = Actor("ann", identified=identified)
        review = await team.ask()
        await ann.reviews.decide(await ann.reviews.get(review), {0: approve()})
    wanted = ("pinned", "login,pinned", "signed", "none")
    found = {text: [row.identified for row in await ann.history.search(f"identified:{text}")] for text in wanted}
    assert found == {"pinned": ["pinned"], "login,pinned": ["pinned", "login"], "signed": [], "none": []}
    assert [row.identified for row in await ann.history.search("-identified:pinned by:ann")] == ["login"]
    with pytest.raises(Refused, match="identified"):
        await ann.history.search("identified:guessed")


async def test_others_escalate_and_rate_but_do_not_claim_what_they_cannot_decide(team: Team) -> None:
    review = await team.ask()
    with pytest.raises(NotAllowed, match="only finance"):
        await team.inbox("carl").reviews.claim(review)
    await team.inbox("carl").reviews.escalate(review, "bob", "please look")
    with pytest.raises(NotAllowed, match="may not decide"):
        await team.inbox("rita").reviews.escalate(review, "bob")
    assert await team.refused("carl", review), "an escalation gives no right"


async def test_group_that_names_nobody_lets_nobody_decide(team: Team) -> None:
    review = await team.ask(decider="legal")
    assert await team.refused("ann", review) == f"nobody of people.toml is meant by legal, which alone decides {review}#1"
    team.sql((DECISION, ("ann", "person", "ann", review)), (DECIDED, (review,)))
    assert await team.sent() == set()


@pytest.mark.parametrize(
    ("role", "verb"),
    [
        (Role.DECIDE, lambda inbox: inbox.runs.launch("mail_assistant", text="hello")),
        (Role.DECIDE, lambda inbox: inbox.agents.pause()),
        (Role.DECIDE, lambda inbox: inbox.runs.cancel(1)),
        (Role.TAKE_OVER, lambda inbox: inbox.takeovers.take(1)),
    ],
)
async def test_verbs_are_refused_and_logged_without_their_role(team: Team, role: Role, verb: Callable[[Inbox], Awaitable[Any]]) -> None:
    await team.ask()
    inbox = team.inbox("rita")
    assert inbox.refusal(role) is not None and team.inbox("carl").refusal(role) is None
    with pytest.raises(NotAllowed, match="does not give them the role"):
        await verb(inbox)
    assert await team.store.one("SELECT actor FROM audit WHERE kind = 'refused' ORDER BY seq DESC LIMIT 1") == ("rita",)


async def test_takeover_of_a_run_whose_review_goes_to_others_is_refused(team: Team) -> None:
    review = await team.ask()
    run = (await team.inbox("carl").reviews.get(review)).row.run
    await team.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    with pytest.raises(NotAllowed, match="only finance"):
        await team.inbox("carl").takeovers.take(run)
    assert (await team.inbox("ann").takeovers.take(run)).is_live


async def test_of_many_those_are_decided_that_this_person_may(team: Team) -> None:
    theirs, own = await team.ask(), await team.ask(decider="")
    inbox = team.inbox("carl")
    chosen = [(await inbox.reviews.get(review), {0: approve()}) for review in (theirs, own)]
    refused = await inbox.reviews.decide_many(chosen)
    assert set(refused) == {theirs} and "only finance" in refused[theirs].happened
    assert (await inbox.reviews.get(own)).row.state is ReviewState.DECIDED and "refused" in await team.kinds(theirs)


# Two persons, and separation


@pytest.mark.parametrize("second", sampled([("a.meyer",), ("ANN",), ("Anna",), ("an\u200bn",)], gate=2))
async def test_one_person_under_two_names_is_one_person(team: Team, second: str) -> None:
    review = await team.ask(reviewers=2)
    assert await team.say("ann", review) is ReviewState.OPEN
    with pytest.raises(Refused, match="you said so of review"):
        await team.say(second, review)
    assert await team.say("bob", review) is ReviewState.DECIDED


async def test_former_name_of_an_approval_is_the_same_person(team: Team) -> None:
    review = await team.ask(reviewers=2)
    (team.home / "people.toml").unlink()
    assert await team.say("a.meyer", review) is ReviewState.OPEN  # before there was a people.toml
    team.rewrite(PEOPLE)
    with pytest.raises(Refused, match="you said so of review"):
        await team.say("ann", review)
    assert await team.say("bob", review) is ReviewState.DECIDED
    assert await team.sent() == {review}


async def test_launcher_alone_does_not_approve_where_launch_is_separate(team: Team) -> None:
    review = await team.ask(by="Anna", separate=("launch",))
    assert await team.say("ann", review) is ReviewState.OPEN
    assert (await team.inbox("ann").reviews.get(review)).row.decided == "1 of 2 approvals, by ann"
    assert await team.say("bob", review) is ReviewState.DECIDED
    assert await team.sent() == {review}


async def test_launcher_is_who_the_log_says(team: Team) -> None:
    review = await team.ask(by="ann", separate=("launch",))
    team.sql(("UPDATE runs SET launched_by = 'bob'", ()))
    assert await team.say("ann", review) is ReviewState.OPEN
    unknown = await team.ask(separate=("launch",))
    run = (await team.inbox("ann").reviews.get(unknown)).row.run
    team.sql(("DROP TRIGGER audit_kept", ()), ("DELETE FROM audit WHERE kind = 'launched' AND run = ?", (run,)))
    assert await team.say("ann", unknown) is ReviewState.OPEN, "nobody knows who launched it"


async def test_approval_under_a_former_name_is_replaced_by_a_new_one(team: Team) -> None:
    review = await team.ask(reviewers=2)
    (team.home / "people.toml").unlink()
    await team.say("a.meyer", review)
    team.rewrite(PEOPLE)
    assert await team.say("ann", review, OTHER) is ReviewState.OPEN
    assert await team.say("bob", review) is ReviewState.OPEN, "ann does not approve that any more"
    assert await team.say("bob", review, OTHER) is ReviewState.DECIDED
    assert await team.sent() == {review} and audit.verify(team.store.path).problem == ""


async def test_author_of_an_edit_alone_does_not_approve_it(team: Team) -> None:
    review = await team.ask(separate=("edit",))
    assert await team.say("ann", review, OTHER) is ReviewState.OPEN
    assert await team.say("bob", review, OTHER) is ReviewState.DECIDED
    plain = await team.ask(separate=("edit",))
    assert await team.say("ann", plain) is ReviewState.DECIDED, "nobody wrote what the agent proposed"


async def test_of_two_approvals_one_is_by_somebody_who_neither_launched_nor_edited(team: Team) -> None:
    team.rewrite(PEOPLE + '[[person]]\nname = "dora"\ngroups = ["finance"]\n')
    review = await team.ask(by="bob", reviewers=2, separate=SEPARATE)
    assert await team.say("ann", review, OTHER) is ReviewState.OPEN
    assert await team.say("bob", review, OTHER) is ReviewState.OPEN, "one wrote it, the other launched the run"
    assert (await team.inbox("ann").reviews.get(review)).row.decided == "2 of 3 edits, by ann and bob"
    assert await team.say("dora", review, OTHER) is ReviewState.DECIDED
    assert await team.sent() == {review}


async def test_one_person_may_reject_what_needs_two(team: Team) -> None:
    review = await team.ask(by="ann", reviewers=2, separate=SEPARATE)
    assert await team.say("ann", review, reject("no")) is ReviewState.DECIDED


# Names


@pytest.mark.parametrize("name", ["аnn", "b\u043eb", "ann\u0430"])
async def test_name_of_mixed_script_is_refused(team: Team, name: str) -> None:
    with pytest.raises(Refused, match="mixes letters of Cyrillic and Latin"):
        team.inbox(name)


def test_reviewer_other_than_the_login_needs_trust_names() -> None:
    people, _ = parse_with_problems(PEOPLE)
    with pytest.raises(Refused, match="you are logged in as bob, and ann is somebody else"):
        identify(people, "ann", "bob")
    mine = identify(people, "ANNA", "a.meyer")
    assert (mine.name, mine.identified) == ("ann", Identified.LOGIN)
    trusting, _ = parse_with_problems(f"[people]\ntrust_names = true\n{PEOPLE}")
    named = identify(trusting, "ann", "bob")
    assert (named.name, named.identified) == ("ann", Identified.NAMED)


def test_login_is_the_systems_user_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    known = login()
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "ann")
    assert login() == known


# Rows that were written past the console

DECISION = """
INSERT INTO decisions (review, slot, kind, args, actor, actor_kind, actor_key, digest, effect, at, effective_at)
SELECT review, slot, 'approve', NULL, ?, ?, ?, digest, digest, 1.0, 1.0 FROM actions WHERE review = ?
"""
DECIDED = "UPDATE reviews SET state = 'decided', decided_at = 1.0, effective_at = 1.0, decided_by = 'ann' WHERE id = ?"
APPROVAL = """
INSERT INTO endorsements (review, slot, kind, actor, actor_key, digest, effect, at)
SELECT review, slot, 'approve', ?, ?, digest, digest, 1.0 FROM actions WHERE review = ?
"""


async def write_a_decision(team: Team, name: str = "ann", kind: str = "person") -> int:
    review = await team.ask()
    team.sql((DECISION, (name, kind, "ann", review)), (DECIDED, (review,)))
    return review


async def write_a_decision_of_a_rule(team: Team) -> int:
    return await write_a_decision(team, "policy:reading", "policy")


async def write_a_decision_of_the_program(team: Team) -> int:
    return await write_a_decision(team, "", "system")


async def write_a_decision_under_a_foreign_key(team: Team) -> int:
    return await write_a_decision(team, "mallory")


async def write_a_name_that_looks_like_anns(team: Team) -> int:
    return await write_a_decision(team, "аnn")


async def change_the_arguments(team: Team) -> int:
    review = await team.ask()
    await team.say("ann", review, OTHER)
    team.sql(('UPDATE decisions SET args = \'{"to": "mallory", "subject": "s", "body": "b"}\' WHERE review = ?', (review,)))
    return review


async def change_a_rejection(team: Team) -> int:
    review = await team.ask()
    await team.say("ann", review, reject())
    team.sql(("UPDATE decisions SET kind = 'approve' WHERE review = ?", (review,)))
    return review


async def change_who_decided(team: Team) -> int:
    review = await team.ask(decider="")
    await team.say("carl", review)
    team.sql(("UPDATE decisions SET actor = 'ann', actor_key = 'ann' WHERE review = ?", (review,)))
    return review


async def write_the_second_approval(team: Team) -> int:
    review = await team.ask(reviewers=2)
    team.sql((APPROVAL, ("bob", "bob", review)))
    await team.say("ann", review)
    return review


async def change_what_was_approved(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("bob", review)
    effect = effect_of((await team.inbox("ann").reviews.get(review)).actions[0], OTHER)
    team.sql(("UPDATE endorsements SET effect = ? WHERE review = ?", (effect, review)))
    await team.say("ann", review, OTHER)
    return review


async def lower_the_number_of_reviewers(team: Team) -> int:
    review = await team.ask(reviewers=2)
    team.sql(("UPDATE actions SET reviewers = 1 WHERE review = ?", (review,)))
    await team.say("ann", review)
    return review


async def remove_the_group(team: Team) -> int:
    review = await team.ask()
    team.sql(("UPDATE actions SET decider = '' WHERE review = ?", (review,)))
    await team.say("carl", review)
    return review


async def remove_the_separation(team: Team) -> int:
    review = await team.ask(by="ann", separate=SEPARATE)
    team.sql(("UPDATE actions SET separate = '[]' WHERE review = ?", (review,)))
    await team.say("ann", review)
    return review


async def put_an_undone_decision_into_force(team: Team) -> int:
    review = await team.ask()
    inbox = Inbox(team.store, "ann", grace_s=60, people=team.people.current)
    await inbox.reviews.decide(await inbox.reviews.get(review), {0: approve()})
    await inbox.reviews.undo(review)
    team.sql(("UPDATE decisions SET superseded = 0, undone_at = NULL WHERE review = ?", (review,)), (DECIDED, (review,)))
    return review


async def put_a_withdrawn_approval_back(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("bob", review)
    await team.inbox("bob").reviews.undo(review)
    team.sql(("UPDATE endorsements SET withdrawn_at = NULL WHERE review = ?", (review,)))
    await team.say("ann", review)
    return review


async def put_an_approval_back_that_was_replaced(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("bob", review)
    await team.say("bob", review, OTHER)
    withdraw = "UPDATE endorsements SET withdrawn_at = 1.0 WHERE review = ? AND kind = 'edit'"
    team.sql((withdraw, (review,)), ("UPDATE endorsements SET withdrawn_at = NULL WHERE review = ? AND kind = 'approve'", (review,)))
    await team.say("ann", review)
    return review


async def decide_a_part(team: Team) -> int:
    review = await team.ask(calls=2)
    await team.say("ann", review)
    team.sql((DECIDED, (review,)))
    return review


async def lose_the_right_after_deciding(team: Team) -> int:
    review = await team.ask()
    await team.say("bob", review)
    team.rewrite(PEOPLE.replace('name = "bob"\ngroups = ["finance"]', 'name = "bob"'))
    return review


async def be_removed_after_approving(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("bob", review)
    team.rewrite(PEOPLE.replace('name = "bob"', 'name = "robert"'))
    team.sql((DECISION, ("ann", "person", "ann", review)), (DECIDED, (review,)))
    return review


async def become_one_person_after_approving(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("bob", review)
    await team.say("ann", review)
    team.rewrite(PEOPLE.replace('"Anna"]', '"Anna", "bob"]').replace('name = "bob"', 'name = "robert"'))
    return review


async def move_the_review_to_a_run_that_somebody_else_launched(team: Team) -> int:
    other, review = await team.ask(by="bob"), await team.ask(by="ann", separate=("launch",))
    move = "UPDATE reviews SET run = (SELECT min(id) FROM runs) WHERE id = ?"
    team.sql(("DELETE FROM reviews WHERE id = ?", (other,)), (move, (review,)))
    await team.say("ann", review)
    return review


async def let_the_answer_mean_something_else(team: Team) -> int:
    """A rejection of a call becomes the answer to a question, which is its reason."""
    review = await team.ask()
    await team.say("ann", review, reject("yes"))
    team.sql(("UPDATE reviews SET kind = 'question' WHERE id = ?", (review,)))
    return review


async def send_the_answer_to_another_pause(team: Team) -> int:
    review = await team.ask()
    await team.say("ann", review)
    team.sql(("UPDATE reviews SET interrupt = 'another' WHERE id = ?", (review,)))
    return review


async def swap_the_answers_of_two_calls(team: Team) -> int:
    review = await team.ask(calls=2)
    await team.say("ann", review, approve(), reject())
    swap = "UPDATE decisions SET slot = ? WHERE review = ? AND slot = ?"
    team.sql(*((swap, (slot, review, was)) for slot, was in ((2, 0), (0, 1), (1, 2))))
    return review


async def take_the_decision_on_a_review_of_the_same_call(team: Team) -> int:
    decided, review = await team.ask(), await team.ask()
    await team.say("ann", decided)
    team.sql(("UPDATE decisions SET review = ? WHERE review = ?", (review, decided)), (DECIDED, (review,)))
    team.sql(("UPDATE reviews SET state = 'stale' WHERE id = ?", (decided,)))
    return review


async def take_the_approval_of_a_review_of_the_same_call(team: Team) -> int:
    approved, review = await team.ask(reviewers=2), await team.ask(reviewers=2)
    await team.say("bob", approved)
    team.sql(("UPDATE endorsements SET review = ? WHERE review = ?", (review, approved)))
    await team.say("ann", review)
    return review


async def say_that_an_alias_is_somebody_else(team: Team) -> int:
    review = await team.ask(reviewers=2)
    await team.say("ann", review)
    team.sql((APPROVAL, ("a.meyer", "a.meyer", review)), (DECISION, ("Anna", "person", "anna", review)), (DECIDED, (review,)))
    return review


ATTACKS = (
    move_the_review_to_a_run_that_somebody_else_launched, let_the_answer_mean_something_else, send_the_answer_to_another_pause,
    swap_the_answers_of_two_calls, take_the_decision_on_a_review_of_the_same_call, take_the_approval_of_a_review_of_the_same_call,
    say_that_an_alias_is_somebody_else,
    write_a_decision, write_the_second_approval, change_what_was_approved, lower_the_number_of_reviewers,
    lose_the_right_after_deciding, change_the_arguments,
    write_a_decision_of_a_rule, write_a_decision_of_the_program, write_a_decision_under_a_foreign_key, write_a_name_that_looks_like_anns,
    change_a_rejection, change_who_decided, remove_the_group, remove_the_separation, put_an_undone_decision_into_force,
    put_a_withdrawn_approval_back, put_an_approval_back_that_was_replaced, decide_a_part, be_removed_after_approving,
    become_one_person_after_approving,
)  # fmt: skip


@pytest.mark.parametrize("attack", sampled(ATTACKS, gate=6))
async def test_decision_nobody_may_have_made_is_asked_again(team: Team, attack: Callable[[Team], Awaitable[int]]) -> None:
    review = await attack(team)
    assert await team.sent() == set()
    found = await team.inbox("ann").reviews.get(review)
    assert found.row.state is ReviewState.OPEN and found.row.warning.startswith("asked again, nothing ran: ")
    assert found.decisions == {} and "not_authorized" in await team.kinds(review)
    assert await team.sent() == set()


async def test_decision_that_was_asked_again_can_be_made_by_those_who_may(team: Team) -> None:
    review = await write_a_decision(team)
    assert await team.sent() == set()
    assert await team.say("bob", review) is ReviewState.DECIDED
    assert await team.sent() == {review}


async def test_attack_of_one_stranger_under_two_names_on_his_own_run(team: Team) -> None:
    review = await team.ask(by="mallory", reviewers=2, separate=SEPARATE)
    assert "may only look" in await team.refused("mallory", review)
    assert "may only look" in await team.refused("mallory2", review)
    team.sql((APPROVAL, ("mallory", "mallory", review)), (DECISION, ("mallory2", "person", "mallory2", review)), (DECIDED, (review,)))
    assert await team.sent() == set()
    assert await team.say("ann", review) is ReviewState.OPEN
    assert await team.say("bob", review) is ReviewState.DECIDED
    assert await team.sent() == {review}


async def test_takeover_nobody_may_have_made_is_not_applied(team: Team) -> None:
    review = await team.ask()
    run = (await team.inbox("ann").reviews.get(review)).row.run
    await team.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    plan = '{"answer": "paid"}'
    written = "INSERT INTO takeovers (run, actor, actor_key, at, head, plan, state) VALUES (?, ?, 'ann', 1.0, 'c', ?, 'handed_back')"
    for name, why in (("ann", "past the console"), ("rita", "may not take runs over"), ("mallory", "may only look")):
        team.sql((written, (run, name, plan)))
        found = takeovers.ready(team.store, team.project, ["mail_assistant"], ())
        assert found and not await takeovers.submit(team.store, "w", found[1], team.people.current())
        ended = await takeovers.newest(team.store, run)
        assert ended and ended.state == "stale" and why in ended.note


async def test_plan_of_a_takeover_that_was_changed_is_not_applied(team: Team) -> None:
    review = await team.ask()
    inbox = team.inbox("ann")
    run = (await inbox.reviews.get(review)).row.run
    await team.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    taken = await inbox.takeovers.take(run)
    assert await takeovers.hand_back(team.store, taken.id, Actor("ann"), TakeoverPlan(answer="Paid."))
    team.sql(("UPDATE takeovers SET plan = replace(plan, 'Paid.', 'Refunded.')", ()))
    found = takeovers.ready(team.store, team.project, ["mail_assistant"], ())
    assert found and not await takeovers.submit(team.store, "w", found[1], team.people.current())
    assert (await takeovers.newest(team.store, run) or taken).state == "stale"


async def test_author_of_a_takeover_does_not_approve_alone_what_follows(team: Team) -> None:
    review = await team.ask(separate=("edit",))
    run = (await team.inbox("ann").reviews.get(review)).row.run
    written = "INSERT INTO takeovers (run, actor, actor_key, at, head, state) VALUES (?, 'Anna', 'anna', 1.0, 'c', 'applied')"
    await team.store.write(written, (run,))
    assert await team.say("ann", review) is ReviewState.OPEN
    assert await team.say("bob", review) is ReviewState.DECIDED


async def test_retry_that_nobody_may_have_decided_is_asked_again(team: Team) -> None:
    review = await team.ask()
    await team.store.write("UPDATE reviews SET kind = 'failure' WHERE id = ?", (review,))
    team.sql((DECISION, ("ann", "person", "ann", review)), (DECIDED, (review,)))
    assert await failed_runs.apply(team.store, review, time.time(), team.people.current())
    assert (await team.inbox("ann").reviews.get(review)).row.state is ReviewState.OPEN


async def test_groups_of_a_projects_policy_give_no_rights(team: Team, tmp_path: Path) -> None:
    text = '[groups]\nfinance = ["carl"]\n[[rule]]\nname = "r"\noutcome = "ask"\nto = "finance"\n'
    review = await team.ask()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "policy.toml").write_text(text)
    policies = Policies(tmp_path, lambda target: tmp_path / "project", ["project"])
    policies.accepted = lambda path, digest: True
    said = [str(problem) for problem in policies.of("project").now().problems]
    assert said == ["line 1: [groups] of a project's policy gives no rights; people.toml of the home says who is in which group"]
    assert "only finance" in await team.refused("carl", review)
    (tmp_path / "policy.toml").write_text(text.replace('"carl"', '"carl", "mallory"'))
    assert await team.say("carl", review) is ReviewState.DECIDED, "those of the home's policy do, to people of people.toml"
    assert "may only look" in await team.refused("mallory", await team.ask())


async def test_broken_people_file_lets_nobody_decide(team: Team) -> None:
    review = await team.ask()
    team.rewrite(PEOPLE + "\nname =")
    refused = await team.refused("ann", review)
    assert refused.startswith("nobody can do that while people.toml has a mistake: people.toml, line ")
    team.rewrite(PEOPLE)
    assert await team.say("ann", review) is ReviewState.DECIDED
