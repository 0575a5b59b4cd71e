"""Recovery after an interruption, case by case, on snapshots alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, ToolCall

from hitl_tui.agents.source import StepProgress, ThreadSnapshot
from hitl_tui.agents.tool_gates import message_of, message_without_refusals
from hitl_tui.model import Action, Answer, Context, DecisionKind, Json, Pause, PauseKind, ReviewState, Run, RunState, Submission
from hitl_tui.store import reviews
from hitl_tui.worker.outcomes import NOTHING_RAN, Doubt, outcomes_of
from hitl_tui.worker.recovery import Recovery, in_doubt, is_own, may_repeat, recovery
from tests.support.empty_database import open_store
from tests.ui.homes import seed

CALL = Action(0, "send", {"to": "bob"}, tuple(DecisionKind), tool_call="c1", digest="d1")
APPROVED = Submission(7, "i1", PauseKind.TOOL_CALLS, "model", (CALL,), {0: Answer(DecisionKind.APPROVE)})
REJECTED = replace(APPROVED, by_slot={0: Answer(DecisionKind.REJECT)})
ASKED = Pause("i1", PauseKind.TOOL_CALLS, "model", (), {}, (CALL,), Context())
GATE = Pause("gate:5", PauseKind.GATE, "tools", (), {}, (CALL,), Context())


def run(cut: bool = True, given: Json = None) -> Run:
    """Return a run being resumed; `cut`: its worker stopped inside a step."""
    text: Json = given or {"input": {}}
    return Run(1, 1, "mail", "t", "", text, RunState.RUNNING, "", "", "", None, 0, 0.0, 0.0, None, True, False, cut=cut)


def snapshot(
    progress: StepProgress, *pauses: Pause, poisoned: bool = False, done: str = "", open_tasks: bool | None = None
) -> ThreadSnapshot:
    """Return a snapshot of the run's own thread; by default an unfinished step has an open task."""
    is_open = progress is StepProgress.UNFINISHED if open_tasks is None else open_tasks
    completed = frozenset(done.split())
    return ThreadSnapshot("5", progress, pauses, poisoned, 1, has_open_tasks=is_open, completed_calls=completed)


CASES = {
    "a finished thread is stored": (snapshot(StepProgress.FINISHED), True, [APPROVED], Recovery.SETTLE),
    "a pending interrupt waits on": (snapshot(StepProgress.ASKING, ASKED), True, [], Recovery.SETTLE),
    "an answer that never arrived waits on": (snapshot(StepProgress.ASKING, ASKED), True, [APPROVED], Recovery.SETTLE),
    "a gate waits on": (snapshot(StepProgress.UNFINISHED, GATE), False, [], Recovery.SETTLE),
    "work that nobody approved runs again": (snapshot(StepProgress.UNFINISHED), True, [], Recovery.PROCEED),
    "a drained run runs on": (snapshot(StepProgress.UNFINISHED), False, [APPROVED], Recovery.PROCEED),
    "an approved call without a result is asked about": (snapshot(StepProgress.UNFINISHED), True, [APPROVED], Recovery.HOLD),
    "an approved call with a result is not": (snapshot(StepProgress.UNFINISHED, done="c1"), True, [APPROVED], Recovery.PROCEED),
    "a rejected call runs nothing": (snapshot(StepProgress.UNFINISHED), True, [REJECTED], Recovery.PROCEED),
    "an approved call inside a subgraph is asked about, beside what asks": (
        snapshot(StepProgress.ASKING, replace(ASKED, interrupt="i2"), open_tasks=True), True, [APPROVED], Recovery.HOLD),
    "other tasks run on beside what asks": (snapshot(StepProgress.UNFINISHED, ASKED), False, [], Recovery.PROCEED),
    "an ended step is stored first, if something was approved": (snapshot(StepProgress.STEP_ENDED), True, [APPROVED], Recovery.FINISH_STEP),
    "an ended step of an orderly stop runs on": (snapshot(StepProgress.STEP_ENDED), False, [APPROVED], Recovery.PROCEED),
    "an ended step without answers runs on": (snapshot(StepProgress.STEP_ENDED), True, [], Recovery.PROCEED),
    "a poisoned answer is dropped": (snapshot(StepProgress.UNFINISHED, ASKED, poisoned=True), False, [], Recovery.ASK_AGAIN),
    "doubt goes before poison": (snapshot(StepProgress.UNFINISHED, poisoned=True), True, [APPROVED], Recovery.HOLD),
    "interrupts that are all answered inside run on": (snapshot(StepProgress.ASKING), False, [], Recovery.PROCEED),
    "no checkpoint means starting over": (ThreadSnapshot(None, StepProgress.NOT_STARTED), True, [], Recovery.START_OVER),
    "another run's checkpoint says nothing": (replace(snapshot(StepProgress.FINISHED), run=2), True, [], Recovery.START_OVER),
}  # fmt: skip


@pytest.mark.parametrize(("found", "cut", "sent", "expected"), CASES.values(), ids=CASES.keys())
def test_recovery_of_each_state_is_the_expected_one(found: ThreadSnapshot, cut: bool, sent: list[Submission], expected: Recovery) -> None:
    assert recovery(found, run(cut), sent) is expected


def test_recovery_when_the_thread_was_repaired_finishes_no_second_step() -> None:
    assert recovery(snapshot(StepProgress.STEP_ENDED), run(), [APPROVED], repaired=True) is Recovery.PROCEED


def test_recovery_when_refusals_were_restored_asks_although_the_run_was_not_cut() -> None:
    assert recovery(snapshot(StepProgress.UNFINISHED), run(cut=False), [APPROVED], repaired=True) is Recovery.HOLD


@pytest.mark.parametrize(
    ("kind", "decision", "expected"),
    [
        (PauseKind.GATE, DecisionKind.APPROVE, False),
        (PauseKind.QUESTION, DecisionKind.RESPOND, True),
        (PauseKind.QUESTION, DecisionKind.REJECT, False),
        (PauseKind.TOOL_GATE, DecisionKind.EDIT, True),
        (PauseKind.TOOL_GATE, DecisionKind.RESPOND, False),
    ],
)
def test_may_repeat_depends_on_what_was_answered(kind: PauseKind, decision: DecisionKind, expected: bool) -> None:
    sent = replace(APPROVED, kind=kind, by_slot={0: Answer(decision)})
    assert may_repeat(snapshot(StepProgress.UNFINISHED), [sent]) is expected


def test_may_repeat_of_a_question_ignores_tool_results() -> None:
    sent = replace(APPROVED, kind=PauseKind.QUESTION, by_slot={0: Answer(DecisionKind.RESPOND)})
    assert may_repeat(snapshot(StepProgress.UNFINISHED, done="c1"), [sent])


def test_is_own_when_a_run_replaces_a_lost_one_is_true() -> None:
    assert is_own(replace(snapshot(StepProgress.ASKING, ASKED), run=9), run(given={"input": {}, "adopted": 9}))


def test_in_doubt_when_a_gate_may_have_been_passed_says_so_in_every_answer() -> None:
    doubted = in_doubt(GATE, "may have run once", "k1")
    assert (doubted.note, doubted.repeats) == ("may have run once", "k1")
    assert doubted.actions[0].means == {"approve": "lets tools run, maybe for the second time", "reject": "ends the run here"}
    assert in_doubt(ASKED, "n", None).actions == ASKED.actions


def test_gated_message_that_lost_its_refused_calls_is_found_to_be_restored() -> None:
    made = [ToolCall(name="send", args={"to": "bob"}, id="c1"), ToolCall(name="send", args={"to": "eve"}, id="c2")]
    other = replace(CALL, slot=1, args={"to": "eve"}, tool_call="c2")
    mixed = {0: Answer(DecisionKind.APPROVE), 1: Answer(DecisionKind.REJECT)}
    sent = Submission(7, "gate:5", PauseKind.TOOL_GATE, "tools", (CALL, other), mixed)
    whole, cut = AIMessage("", tool_calls=made), AIMessage("", tool_calls=made[:1])
    assert message_without_refusals({"messages": [cut]}, sent) is cut
    assert message_without_refusals({"messages": [whole]}, sent) is None
    assert message_without_refusals({"messages": [cut]}, replace(sent, by_slot=dict.fromkeys(mixed, mixed[0]))) is None
    assert message_without_refusals({"messages": [message_of(made[:1])]}, sent) is None, "the message before it has the refused call"


def test_answer_that_did_nothing_keeps_the_doubt_of_the_review_that_it_answered() -> None:
    doubt = Doubt(f"{NOTHING_RAN}; before that: may have run once", True, "k1")
    asked = replace(GATE, kind=PauseKind.TOOL_GATE, interrupt="gate:6")
    pauses, outcomes = outcomes_of(snapshot(StepProgress.UNFINISHED, asked), {7: "gate:5"}, doubt)
    assert outcomes[7].state is ReviewState.FAILED, "an edit was stored already, so that the gate has a new id"
    assert [(one.note, one.may_have_run, one.repeats) for one in pauses] == [(doubt.note, True, "k1")]
    _, outcomes = outcomes_of(snapshot(StepProgress.UNFINISHED, asked), {7: "gate:6"}, doubt)
    assert outcomes[7].state is ReviewState.DECIDED, "its own review still says it"


async def test_earlier_doubt_is_what_the_answered_review_said(tmp_path: Path) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        first, second = [
            await seed.add_waiting_run(store, project, "mail", replace(ASKED, note="may have run once", may_have_run=may))
            for may in (False, True)
        ]
        assert await reviews.earlier_doubt(store, [first]) == ""
        assert await reviews.earlier_doubt(store, [first, second]) == "may have run once"
