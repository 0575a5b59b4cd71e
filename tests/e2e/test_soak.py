"""A short soak with a fixed seed, and the invariant checks: each must find its planted violation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Answer, ReviewState, RunState, digest_of
from tests.soak.approval_trace import findings
from tests.soak.evidence import DoubtMark, Effect, Evidence, Row, Stop, read_effects
from tests.soak.invariants import CHECKS, Checker
from tests.soak.report import report
from tests.soak.scenario import Size, soak
from tests.support.harness import TIMEOUT_S, ForkServer, SandboxFactory, approve, edit, open_reviewer, reject
from tests.support.harness import respond as responding

ARGS = {"ref": "n1", "note": "hello"}
QUESTION = {"question": "go on?", "ref": "n2"}


@pytest.mark.slow
@pytest.mark.timeout(170)
async def test_short_soak_finds_no_problem(tmp_path: Path, fork_server: ForkServer) -> None:
    evidence = await soak(tmp_path, fork_server, Size(12.0, seed=7, runs=16))
    checker = Checker(evidence)
    assert not any(checker.problems().values()), "\n".join(report(checker))
    assert not findings(checker), "agentack finds nothing either"
    assert len(evidence.runs) >= 16
    assert any(stop.who == "worker" for stop in evidence.stops)
    assert {row["kind"] for row in evidence.decisions.values()} == {"approve", "edit", "reject", "respond"}


@pytest.mark.slow
async def test_question_after_a_gate_is_asked_again_after_an_edit_and_a_failure(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("soak")) as reviewer:
        reviewer.sandbox.start()
        run = await reviewer.launch("asks_behind_gate", [("confirm", ARGS)])
        await reviewer.decide(await reviewer.open_review(run), edit(ref="n1", note="changed"))
        for word in ("bad", "bad"):
            await reviewer.decide(await reviewer.open_review(run), responding(word))
            assert "bad is not good" in (await reviewer.wait(run, RunState.FAILED)).error
            await reviewer.inbox.runs.retry(run.id)
        again = await reviewer.open_review(run)
        assert "may have run once" in again.row.note
        await reviewer.decide(again, responding("good"))
        await reviewer.result_of(run)


@pytest.mark.slow
@pytest.mark.parametrize("answer", [reject("no"), edit(ref="n2", note="changed"), approve()], ids=["reject", "edit", "approve"])
async def test_call_that_ended_beside_an_interrupted_one_does_not_run_again(new_sandbox: SandboxFactory, answer: Answer) -> None:
    async with open_reviewer(new_sandbox("soak")) as reviewer:
        worker, journal = reviewer.sandbox.start(), reviewer.sandbox.journal
        run = await reviewer.launch("gated_agent", [("send", ARGS), ("slow", {**ARGS, "ref": "n2", "seconds": 4.0})])
        await reviewer.decide(await reviewer.open_review(run), approve(), approve())
        await asyncio.to_thread(until_done, journal, {"send", "slow"})
        await reviewer.until_stored(run, results=1)
        worker.kill()
        reviewer.sandbox.start()
        again = await reviewer.open_review(run)
        assert "may have run once" in again.row.note
        await reviewer.decide(again, *(answer if action.name == "slow" else approve() for action in again.actions))
        await reviewer.until_applied(again)
        if (await reviewer.inbox.reviews.get(again.row.id)).row.state is ReviewState.STALE:  # it showed the call that had ended, too
            await reviewer.decide(await reviewer.open_review(run), answer)
        await reviewer.result_of(run)
        assert [effect.name for effect in read_effects(journal)].count("send") == 1


def until_done(journal: Path, names: set[str]) -> None:
    """Wait until these side effects have happened."""
    until = time.monotonic() + TIMEOUT_S
    while not journal.exists() or {effect.name for effect in read_effects(journal)} != names:
        assert time.monotonic() < until, f"{names} never acted"
        time.sleep(0.01)


# The checks, on evidence made by hand


def evidence() -> Evidence:
    """Return evidence of a run whose approved call ran once, and one whose question was answered."""
    return Evidence(
        runs={
            1: {"id": 1, "agent": "batched", "thread": "t1", "state": "done", "error": "", "activity": "", "gates_before": []},
            2: {"id": 2, "agent": "anything", "thread": "t2", "state": "done", "error": "", "activity": "", "gates_before": []},
        },
        reviews={1: review(1, 1, "tool_calls", None), 2: review(2, 2, "question", QUESTION)},
        actions={
            (1, 0): {"review": 1, "slot": 0, "name": "pay", "args": ARGS, "digest": digest_of("pay", ARGS)},
            (2, 0): {"review": 2, "slot": 0, "name": "ask", "args": QUESTION, "digest": digest_of("ask", QUESTION)},
        },
        decisions={1: decision(1, 1, "approve"), 2: decision(2, 2, "respond", message="words")},
        effects=[
            Effect("tool", "t1", "aa.1", 7, 20.0, name="pay", args=ARGS, call="c1", once=True),
            Effect("heard", "t2", "bb.2", 7, 21.0, pairs=((QUESTION, "words"),)),
        ],
        said=[said("decide", review=1, slots={"0": {"kind": "approve", "args": None, "message": None}})],
    )


def review(id_: int, run: int, kind: str, value: Any, **more: Any) -> Row:
    row = {"id": id_, "run": run, "kind": kind, "value": value, "state": "applied", "note": "", "node": "tools", "repeats": None}
    return {**row, **more}


def decision(id_: int, of: int, kind: str, at: float = 10.0, **more: Any) -> Row:
    row = {"id": id_, "review": of, "slot": 0, "kind": kind, "args": None, "message": None, "actor": "ann", "at": at}
    return {**row, "superseded": 0, "undone_at": None, **more}


def said(verb: str, phase: str = "done", at: float = 10.0, **more: Any) -> Row:
    return {"verb": verb, "phase": phase, "actor": "ann", "at": at, **more}


def found(made: Evidence) -> set[str]:
    """Return the names of the checks that find a problem."""
    return {name for name, problems in Checker(made).problems().items() if problems}


def test_invariants_hold_for_a_correct_history() -> None:
    assert found(evidence()) == set()
    assert "ok     nothing refused ran" in list(report(Checker(evidence())))


def did_again(made: Evidence, at: float = 30.0, **more: Any) -> Effect:
    """Add the first run's call a second time."""
    effect = replace(made.effects[0], at=at, pid=8, **more)
    made.effects.append(effect)
    return effect


def kill(at: float = 25.0, pid: int = 7) -> Stop:
    return Stop("kill -9", "worker", pid, at, (1,))


def unapproved(made: Evidence) -> None:
    made.decisions.clear()
    made.said.clear()


def other_arguments(made: Evidence) -> None:
    made.effects[0] = replace(made.effects[0], args={**ARGS, "note": "something else"})


def proposal_ran_instead_of_the_edit(made: Evidence) -> None:
    made.decisions[1] |= {"kind": "edit", "args": {**ARGS, "note": "edited"}}


def too_early(made: Evidence) -> None:
    made.effects[0] = replace(made.effects[0], at=9.0)


def refused(made: Evidence) -> None:
    made.decisions[1]["kind"] = "reject"


def refused_after_an_approval(made: Evidence) -> None:
    made.decisions[3] = decision(3, 1, "reject", at=15.0)
    made.decisions[1]["superseded"] = 1


def without_a_key(made: Evidence) -> None:
    made.effects[0] = replace(made.effects[0], key=None)


def with_the_key_of_another(made: Evidence) -> None:
    made.effects[0] = replace(made.effects[0], key="bb.2")


def answer_gone_astray(made: Evidence) -> None:
    made.effects[1] = replace(made.effects[1], pairs=((QUESTION, "other words"),))


def one_answer_for_two_questions(made: Evidence) -> None:
    made.effects[1] = replace(made.effects[1], pairs=((QUESTION, "words"), (QUESTION, "words")))


def true_is_not_one(made: Evidence) -> None:
    made.decisions[2] |= {"kind": "approve", "message": None}
    made.effects[1] = replace(made.effects[1], pairs=((QUESTION, 1),))


def twice(made: Evidence) -> None:
    did_again(made, again=True)


def twice_although_another_worker_died(made: Evidence) -> None:
    did_again(made, again=True)
    made.stops.append(kill(pid=99))


def twice_although_the_worker_died_later(made: Evidence) -> None:
    did_again(made, again=True)
    made.stops.append(kill(at=35.0))


def approved_again_without_a_warning(made: Evidence) -> None:
    made.reviews[3] = review(3, 1, "tool_calls", None)
    made.actions[3, 0] = {**made.actions[1, 0], "review": 3}
    made.decisions[3] = decision(3, 3, "approve", at=28.0)
    did_again(made, key="cc.3", again=True)
    made.stops.append(kill())


def repeated_under_another_id(made: Evidence) -> None:
    made.decisions[3] = decision(3, 1, "approve", at=5.0, superseded=1)
    made.effects[0] = replace(made.effects[0], once=False)
    did_again(made, key="aa.3")
    made.stops.append(kill())


def idempotent_acts_twice(made: Evidence) -> None:
    did_again(made)
    made.stops.append(kill())


def approved_and_lost(made: Evidence) -> None:
    del made.effects[0]


def answered_and_lost(made: Evidence) -> None:
    del made.effects[1]


def stuck(made: Evidence) -> None:
    made.runs[1]["state"] = "running"


def waits_for_nobody(made: Evidence) -> None:
    made.runs[1]["state"] = "waiting"


def failed_unplanned(made: Evidence) -> None:
    made.runs[1] |= {"state": "failed", "error": "KeyError: 'x'"}


def blamed_without_two_kills(made: Evidence) -> None:
    made.runs[1] |= {"state": "failed", "error": "the worker died 2 times while this run was going"}
    made.stops.append(kill())


def left_submitted(made: Evidence) -> None:
    made.reviews[1]["state"] = "submitted"


def open_of_a_run_that_is_over(made: Evidence) -> None:
    made.reviews[3] = review(3, 1, "tool_calls", None, state="open")


def decision_lost(made: Evidence) -> None:
    made.said.append(said("decide", review=2, slots={"0": {"kind": "approve", "args": None, "message": None}}))


def decision_by_another(made: Evidence) -> None:
    made.said[0]["actor"] = "bob"


def undone_took_effect(made: Evidence) -> None:
    made.decisions[1] |= {"undone_at": 11.0, "superseded": 1}


def undo_lost(made: Evidence) -> None:
    made.said.append(said("undo", review=1))


def two_winners(made: Evidence) -> None:
    made.said.append(said("double", review=1, won=2))


def two_standing(made: Evidence) -> None:
    made.decisions[3] = decision(3, 1, "approve", at=11.0)


def mark_from_nowhere(made: Evidence) -> None:
    made.marks.append(DoubtMark(1, 1, "may have run once: a worker died while it was being applied", 26.0))


def torn(made: Evidence) -> None:
    made.faults.append("hitl.db: row 3 missing from index reviews_run")


PLANTED: tuple[tuple[Callable[[Evidence], None], str], ...] = (
    (unapproved, "nothing ran without an approval of exactly its arguments"),
    (other_arguments, "nothing ran without an approval of exactly its arguments"),
    (proposal_ran_instead_of_the_edit, "nothing ran without an approval of exactly its arguments"),
    (too_early, "nothing ran without an approval of exactly its arguments"),
    (refused, "nothing refused ran"),
    (refused_after_an_approval, "nothing refused ran"),
    (without_a_key, "every effect carries the decision that allowed it"),
    (with_the_key_of_another, "every effect carries the decision that allowed it"),
    (answer_gone_astray, "every answer reached its own question"),
    (one_answer_for_two_questions, "every answer reached its own question"),
    (true_is_not_one, "every answer reached its own question"),
    (twice, "nothing ran twice unasked"),
    (twice_although_another_worker_died, "nothing ran twice unasked"),
    (twice_although_the_worker_died_later, "nothing ran twice unasked"),
    (approved_again_without_a_warning, "nothing ran twice unasked"),
    (repeated_under_another_id, "a repeat for the same decision has the same id"),
    (idempotent_acts_twice, "idempotent tools act once"),
    (approved_and_lost, "what was approved ran"),
    (answered_and_lost, "what was approved ran"),
    (stuck, "every run ended or waits visibly"),
    (waits_for_nobody, "every run ended or waits visibly"),
    (failed_unplanned, "every run ended or waits visibly"),
    (blamed_without_two_kills, "every run ended or waits visibly"),
    (left_submitted, "every review came to an end"),
    (open_of_a_run_that_is_over, "every review came to an end"),
    (decision_lost, "every decision seen accepted is stored"),
    (decision_by_another, "every decision seen accepted is stored"),
    (undone_took_effect, "what was taken back never took effect"),
    (undo_lost, "what was taken back never took effect"),
    (two_winners, "a double decision has one winner"),
    (two_standing, "a double decision has one winner"),
    (mark_from_nowhere, "every mark is explained"),
    (torn, "nothing else is wrong"),
)


@pytest.mark.parametrize(("plant", "check"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_invariant_check_finds_a_planted_violation(plant: Callable[[Evidence], None], check: str) -> None:
    made = evidence()
    plant(made)
    assert check in found(made)


def test_every_invariant_has_a_planted_violation() -> None:
    assert {check for _, check in PLANTED} == {check.__name__.replace("_", " ") for check in CHECKS}


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (unapproved, "ACK001"),
        (refused, "ACK002"),
        (other_arguments, "ACK003"),
        (proposal_ran_instead_of_the_edit, "ACK003"),
        (twice, "ACK004"),
        (twice_although_the_worker_died_later, "ACK004"),
    ],
)
def test_agentack_finds_a_planted_violation_in_the_trace(plant: Callable[[Evidence], None], rule: str) -> None:
    made = evidence()
    assert findings(Checker(made)) == []
    plant(made)
    assert any(f" {rule} " in finding for finding in findings(Checker(made)))


def marked_and_approved_again(made: Evidence) -> None:
    approved_again_without_a_warning(made)
    made.reviews[3]["repeats"] = "aa.1"
    made.effects[-1] = replace(made.effects[-1], key="aa.1")
    made.marks.append(DoubtMark(3, 1, "may have run once: a worker died while it was being applied", 26.0))


def repeated_after_a_kill(made: Evidence) -> None:
    did_again(made, again=True)
    made.stops.append(kill())


def repeated_after_a_retry(made: Evidence) -> None:
    did_again(made, again=True)
    made.said.append(said("retry", at=24.0, run=1))


def blamed_after_two_kills(made: Evidence) -> None:
    blamed_without_two_kills(made)
    made.stops.append(kill(at=26.0))


@pytest.mark.parametrize("plant", [marked_and_approved_again, repeated_after_a_kill, repeated_after_a_retry, blamed_after_two_kills])
def test_invariant_check_accepts_explained_repetitions(plant: Callable[[Evidence], None]) -> None:
    made = evidence()
    plant(made)
    assert found(made) == set()
    assert findings(Checker(made)) == []
