"""The contract with LangGraph: a table of its rules and the tests that cover each, and the tests that no other file has."""

from __future__ import annotations

import ast
import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Answer, DecisionKind, PauseKind, ReviewState, Run, RunState
from tests.support.harness import (
    PROJECTS,
    Reviewer,
    Sandbox,
    SandboxFactory,
    approve,
    edit,
    open_reviewer,
    reject,
    respond,
    tool_results,
    until_logged,
)

OWN = "agents/langgraph_contract::"
COVERED: dict[str, str] = {
    # 1.1 kinds
    "1.1 A interrupt_before": (
        "agents/interrupts::gates_before_and_after_nodes_are_asked "
        "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered "
        "agents/interrupts::rejected_gate_ends_the_run"
    ),
    "1.1 B interrupt_after": (
        "agents/interrupts::gates_before_and_after_nodes_are_asked "
        "agents/nested_interrupts::gate_in_a_subgraph_and_the_question_behind_it_are_two_reviews"
    ),
    "1.1 C interrupt(value)": "agents/interrupts::any_value_can_be_asked agents/interrupts::any_value_can_be_answered",
    "1.1 D middleware, batched": (
        "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered agents/interrupts::batch_is_decided_call_by_call"
    ),
    "1.1 E middleware, per_call": (
        "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered "
        "agents/interrupts::parallel_calls_are_decided_one_at_a_time"
    ),
    "1.1 F agent-inbox schema": (
        "agents/interrupts::agent_inbox_questions_follow_each_other_in_one_node agents/interrupts::agent_inbox_accept_and_ignore"
    ),
    "1.1 G MCP elicitation": (
        "agents/mcp_elicitation::elicitation_answer_reaches_the_server "
        "agents/mcp_elicitation::elicitations_of_several_rounds_are_asked_in_order"
    ),
    "1.1 - failed node": (
        "worker/engine::retry_of_a_failed_run_continues_where_it_failed agents/interrupts::tool_that_fails_after_approval_fails_the_run"
    ),
    "1.1 - cancelled": ("agents/interrupts::cancelled_run_closes_its_reviews e2e/time_limits::cancel_of_code_that_stops_keeps_the_worker"),
    "1.1 - killed": (
        "worker/engine::run_of_a_killed_worker_continues_from_its_checkpoint "
        "e2e/crash_recovery::kill_at_each_failpoint_loses_nothing_and_repeats_nothing"
    ),
    "1.1 - drained": "worker/engine::stopped_worker_requeues_its_runs",
    # 1.2 what a checkpoint does not say
    "1.2 a gate and a killed or cancelled run look the same": (
        "worker/engine::recovery_after_a_crash_never_passes_a_gate worker/engine::run_killed_inside_a_subgraph_continues_without_a_review "
        "agents/nested_interrupts::retry_at_a_gate_given_at_launch_does_not_pass_it "
        "agents/interrupts::gate_in_a_hidden_subgraph_is_not_passed_by_a_retry"
    ),
    "1.2 gates given per invoke": "agents/nested_interrupts::gates_given_at_launch_are_asked",
    # 1.3 precedence
    "1.3 a gate and interrupt() at one node": (
        "agents/langgraph_contract::gate_and_question_of_one_node_are_two_decisions "
        "agents/nested_interrupts::gate_in_a_subgraph_and_the_question_behind_it_are_two_reviews"
    ),
    "1.3 a resume at a gate passes it and answers": (
        "agents/langgraph_contract::gate_and_question_of_one_node_are_two_decisions "
        "agents/nested_interrupts::gate_beside_a_question_is_announced"
    ),
    "1.3 an empty list of gates does not disable compiled gates": "agents/nested_interrupts::gates_given_at_launch_add_to_the_graphs_own",
    "1.3 a gate is there again at its next visit, and not after an update": "agents/interrupts::tool_gate_accepts_any_mix_of_decisions",
    "1.3 gates after gates": "agents/interrupts::second_gate_is_not_passed_with_the_first",
    # 1.4 values
    "1.4 any value": (
        "agents/interrupts::any_value_can_be_asked "
        "agents/interrupts::any_value_can_be_answered "
        "agents/langgraph_contract::values_without_a_json_form_are_asked"
    ),
    "1.4 dataclass and pydantic values": (
        "agents/langgraph_contract::values_without_a_json_form_are_asked agents/serde::state_types_survive_a_restart_of_the_worker"
    ),
    "1.4 a value that cannot be stored": "agents/langgraph_contract::question_that_cannot_be_stored_fails_with_a_message",
    "1.4 response_schema": (
        "agents/interrupts::answers_fit_the_response_schema agents/langgraph_contract::answer_becomes_the_dataclass_of_the_schema"
    ),
    "1.4 NodeInterrupt and its constant id": "agents/langgraph_contract::node_interrupt_of_the_old_style_is_shown_and_can_be_ended",
    # 1.5 middleware
    "1.5 approve, edit, reject, respond": "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered",
    "1.5 an edit is kept beside the message": "e2e/crash_recovery::kill_while_a_batch_runs_asks_before_it_runs_again",
    "1.5 siblings of a rejected call run": "agents/interrupts::batch_is_decided_call_by_call",
    "1.5 allowed_decisions": "agents/interrupts::decisions_the_graph_does_not_allow_are_refused",
    "1.5 one allowed decision: no oneOf": "agents/langgraph_contract::single_allowed_decision_is_the_only_one_offered",
    "1.5 no allowed decision: ValueError": "agents/langgraph_contract::agent_that_allows_no_decision_is_listed_as_broken",
    "1.5 `when` is evaluated again on resume": (
        "agents/tool_guard::rejected_call_does_not_run_when_the_graph_asks_no_more "
        "agents/tool_guard::approved_call_runs_when_the_graph_asks_no_more "
        "agents/tool_guard::open_call_does_not_run_while_another_is_resumed"
    ),
    "1.5 one decision for each request, in order": (
        "agents/interrupts::batch_is_decided_call_by_call agents/interrupt_payloads::decisions_offered_are_accepted_by_a_real_agent"
    ),
    "1.5 edited arguments are type-checked": "agents/interrupts::invalid_decisions_are_refused_before_anything_is_stored",
    "1.5 ungated siblings": "agents/langgraph_contract::ungated_calls_run_before_or_with_the_answer",
    "1.5 finding tool_call_id in a batch": "agents/langgraph_contract::equal_calls_are_decided_separately",
    # 1.6 deepagents
    "1.6 sub-agents inherit interrupt_on, siblings have run": "agents/interrupts::deep_agent_and_its_sub_agent_are_asked",
    "1.6 the context is in the sub-agent's namespace": "agents/interrupts::two_parallel_sub_agents_have_separate_contexts",
    "1.6 rules for files": "agents/langgraph_contract::file_rules_ask_about_guarded_files_only",
    # 1.7, 1.8
    "1.7 list, dict, JSON text": "agents/interrupts::agent_inbox_questions_follow_each_other_in_one_node",
    "1.7 config": (
        "agents/interrupts::agent_inbox_offers_what_its_config_allows "
        "agents/interrupt_payloads::decisions_offered_for_agent_inbox_follow_its_config"
    ),
    "1.8 order of detection": (
        "agents/interrupt_payloads::any_payload_becomes_actions_that_can_be_answered "
        "agents/interrupt_payloads::incomplete_known_shape_offers_no_approve_or_reject"
    ),
    # 2 what to send
    "2 one pending question": "agents/interrupts::any_value_can_be_answered",
    "2 several pending, any subset": "agents/interrupts::fanned_out_questions_are_decided_one_at_a_time",
    "2 several pending, all at once (a scalar would be refused)": "agents/interrupts::fanned_out_questions_are_decided_together",
    "2 gate": "agents/interrupts::gates_before_and_after_nodes_are_asked",
    "2 answer None, {}, or a dict of hex keys": "agents/interrupts::any_value_can_be_answered",
    # 2 what is silent without strict mode
    "2 unknown id": "worker/engine::decision_when_the_thread_was_resumed_elsewhere_is_stale",
    "2 finished thread": "agents/langgraph_contract::answer_when_the_thread_ended_elsewhere_runs_nothing",
    "2 unknown thread": (
        "e2e/disk_faults::started_run_without_its_checkpoint_fails_instead_of_starting_again "
        "e2e/disk_faults::pruned_run_does_not_start_again"
    ),
    "2 a used id answers the next question": "agents/langgraph_contract::answer_when_given_elsewhere_is_not_passed_to_the_next_question",
    "2 a used id, at a gate by now": "agents/langgraph_contract::gate_reached_elsewhere_is_not_passed_by_a_late_answer",
    "2 strict: not covered: concurrent resumes": (
        "agents/interrupts::two_reviewers_decide_at_once "
        "worker/engine::two_workers_run_each_run_once "
        "store/connection::run_is_leased_by_one_worker"
    ),
    "2 strict: not covered: a resume pinned to an old checkpoint": (
        "e2e/disk_faults::checkpoints_restored_from_a_backup_ask_again_with_a_warning"
    ),
    # 2.1 re-execution
    "2.1 a node restarts from its top": "agents/langgraph_contract::node_restarts_from_its_top_for_each_question",
    "2.1 other unanswered tasks restart up to their question": (
        "agents/langgraph_contract::three_sends_with_two_questions_each_are_answered"
    ),
    "2.1 ids are stable and differ within a node": (
        "agents/nested_interrupts::equal_questions_of_parallel_nodes_are_answered_separately "
        "agents/langgraph_contract::three_sends_with_two_questions_each_are_answered "
        "agents/code_changes::restart_without_a_code_change_asks_nothing_again"
    ),
    "2.1 ids are new after update_state": "agents/langgraph_contract::state_changed_elsewhere_is_asked_again",
    "2.1 a code path that changes": "agents/code_changes::answer_when_the_question_changed_with_the_code_is_not_given",
    "2.1 classic ToolNode": (
        "agents/nested_interrupts::tool_node_that_may_mix_up_answers_is_announced "
        "agents/nested_interrupts::tool_node_with_one_call_has_no_warning "
        "agents/nested_interrupts::tool_node_with_one_task_per_call_has_no_warning"
    ),
    # 2.2 poisoned threads
    "2.2 a node that raises after its answer": (
        "agents/interrupts::poisoned_thread_is_asked_again agents/interrupts::thread_poisoned_repeatedly_is_asked_again_each_time"
    ),
    "2.2 malformed batches": (
        "agents/interrupts::invalid_decisions_are_refused_before_anything_is_stored "
        "agents/langgraph_contract::batch_poisoned_elsewhere_is_asked_again"
    ),
    "2.2 recovery by time travel to the head": "agents/interrupts::poisoned_thread_is_asked_again",
    "2.2 finished siblings run again": "agents/langgraph_contract::node_that_ended_beside_a_poisoned_question_reruns_with_a_warning",
    "2.2 a question behind an update": "e2e/soak::question_after_a_gate_is_asked_again_after_an_edit_and_a_failure",
    # 2.3 recipes at a tool gate
    "2.3 approve all, edit args, reject all": (
        "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered agents/interrupts::edits_arrive_exactly_as_typed"
    ),
    "2.3 reject some": (
        "agents/interrupts::tool_gate_accepts_any_mix_of_decisions "
        "e2e/crash_recovery::mixed_decision_when_the_worker_is_killed_keeps_its_rejections"
    ),
    "2.3 a gate that is not in front of the tools": "agents/interrupts::gate_before_a_reviewing_node_runs_nothing_rejected",
    "2.3 update_state as END": "agents/interrupts::rejected_gate_ends_the_run",
    "2.3 update_state drops what is pending": "agents/langgraph_contract::state_changed_elsewhere_is_asked_again",
    "2.3 new input while pending": "worker/engine::second_run_of_a_thread_waits_and_continues_the_conversation",
    # 3 subgraphs and fan-out
    "3 subgraph as a node, 1 to 3 levels": (
        "agents/nested_interrupts::question_in_nested_subgraph_nodes_is_asked agents/interrupts::question_two_subgraphs_down_is_asked"
    ),
    "3 subgraph called in a node": "agents/nested_interrupts::question_in_nested_subgraph_nodes_is_asked",
    "3 called in a tool or by `task`": (
        "agents/nested_interrupts::question_in_nested_tools_is_asked agents/interrupts::two_parallel_sub_agents_have_separate_contexts"
    ),
    "3 gate inside a subgraph": (
        "agents/interrupts::gate_inside_a_subgraph_is_asked "
        "agents/nested_interrupts::gate_in_a_subgraph_and_the_question_behind_it_are_two_reviews"
    ),
    "3 checkpointer=True, own saver": "agents/langgraph_contract::graph_with_its_own_checkpointer_keeps_its_questions",
    "3 checkpointer=False": "agents/langgraph_contract::subgraph_without_a_checkpointer_asks_forever_with_a_warning",
    "3 detached": "agents/langgraph_contract::graph_on_a_thread_of_its_own_asks_nobody",
    "3 three Sends, two questions each": "agents/langgraph_contract::three_sends_with_two_questions_each_are_answered",
    "3 functional API": (
        "agents/nested_interrupts::parallel_tasks_of_an_entrypoint_are_asked_one_at_a_time "
        "agents/interrupts::choices_in_a_question_are_offered"
    ),
    # 4 durability
    "4 WAL, several processes": (
        "worker/engine::several_workers_can_start_at_once_on_a_new_home worker/engine::two_workers_run_each_run_once"
    ),
    "4 a foreign writer holds the lock": (
        "e2e/disk_faults::checkpoints_when_locked_by_another_program_do_not_fail_the_run "
        "agents/langgraph_contract::answer_that_cannot_be_stored_is_asked_again"
    ),
    "4 durability async": "worker/engine::run_of_a_killed_worker_continues_from_its_checkpoint",
    "4.1 killed inside the answered node": (
        "e2e/crash_recovery::kill_while_a_single_call_runs_asks_again "
        "e2e/crash_recovery::kill_at_each_failpoint_loses_nothing_and_repeats_nothing"
    ),
    "4.1 killed in the following node": (
        "e2e/crash_recovery::kill_while_a_batch_runs_asks_before_it_runs_again "
        "e2e/crash_recovery::kill_long_after_the_approved_call_asks_nobody worker/engine::worker_killed_after_a_gate_asks_again"
    ),
    "4.1 concurrent resumes": "worker/engine::two_workers_run_each_run_once store/connection::two_decisions_at_once_give_one_winner",
    "4.3 types come back, others are plain data": (
        "agents/serde::state_types_survive_a_restart_of_the_worker agents/serde::task_results_and_send_arguments_keep_their_types"
    ),
    "4.3 a checkpoint imports nothing": "agents/serde::malicious_checkpoint_calls_and_imports_nothing",
    "4.3 tuples become lists": "agents/langgraph_contract::values_without_a_json_form_are_asked",
    "4.4 whole threads only": (
        "e2e/disk_faults::prune_removes_whole_old_threads_and_keeps_decisions e2e/disk_faults::pruned_run_does_not_start_again"
    ),
    # 5 streaming and cancelling
    "5 tasks, updates, custom": "agents/langgraph_contract::trace_has_each_step_once_when_its_node_reruns",
    "5 results replayed on resume are told once": "agents/interrupts::parallel_calls_are_decided_one_at_a_time",
    "5 cancel: async node": (
        "e2e/time_limits::run_over_its_time_limit_fails_and_can_be_retried "
        "agents/langgraph_contract::node_that_ended_beside_a_cancelled_one_keeps_its_result"
    ),
    "5 cancel: sync node": (
        "e2e/time_limits::cancel_of_code_that_does_not_stop_replaces_the_worker_only "
        "e2e/time_limits::cancel_of_code_that_stops_keeps_the_worker"
    ),
    "5 cancel: what is recorded": (
        "agents/langgraph_contract::node_that_ended_beside_a_cancelled_one_keeps_its_result "
        "e2e/crash_recovery::retry_of_a_run_cancelled_inside_a_call_asks_first"
    ),
    "5 clean stop": "worker/engine::stopped_worker_requeues_its_runs",
    # 6 loading
    "6 langgraph.json": "agents/langgraph_contract::manifest_with_every_key_is_read agents/loader::malformed_manifest_is_explained",
    "6 compiled graph, StateGraph, functions, context managers, own saver": "agents/loader::every_kind_of_graph_runs_pauses_and_resumes",
    "6 create_agent, @entrypoint": "agents/loader::create_agent_takes_a_text agents/loader::entrypoint_function_takes_a_string",
    "6 RunnableSequence": "agents/loader::broken_agents_are_listed_with_their_errors",
    "6 config values are kept, with_config": "agents/langgraph_contract::graph_config_is_kept",
    "6 typing.TypedDict on Python 3.11": "agents/loader::input_schemas_of_agents_are_known",
    # 9 issues
    "9 langgraph #6533, #6624": "agents/nested_interrupts::tool_node_that_may_mix_up_answers_is_announced",
    "9 langgraph #6626": "agents/nested_interrupts::equal_questions_of_parallel_nodes_are_answered_separately",
    "9 langgraph #6208, #6956, #6957": (
        "agents/langgraph_contract::node_restarts_from_its_top_for_each_question "
        "agents/interrupts::two_questions_in_one_node_are_asked_in_order"
    ),
    "9 langgraph #7034": "agents/interrupts::any_value_can_be_answered",
    "9 langgraph #5952": "agents/interrupts::fanned_out_questions_are_decided_one_at_a_time",
    "9 langgraph #4028, #6108": "agents/interrupts::fanned_out_questions_are_decided_together",
    "9 langgraph #7780": "agents/langgraph_contract::node_that_asks_until_the_answer_is_valid_ends",
    "9 langgraph #8136": (
        "agents/langgraph_contract::answer_that_cannot_be_stored_is_asked_again worker/engine::worker_when_the_database_is_locked_waits"
    ),
    "9 langchain #33787": "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered",
    "9 langchain #37093": (
        "agents/interrupts::single_call_can_be_approved_edited_rejected_and_answered "
        "agents/interrupts::tool_gate_accepts_any_mix_of_decisions"
    ),
    "9 langchain #38838": "agents/langgraph_contract::agent_that_allows_no_decision_is_listed_as_broken",
    "9 deepagents #2946, #2947, #318": "agents/interrupts::two_parallel_sub_agents_have_separate_contexts",
    "9 deepagents #420": "agents/interrupts::deep_agent_and_its_sub_agent_are_asked",
}
"""The contract's rows that concern the console, by section, and the tests that cover them. `agents/interrupts::rejected_gate_ends_the_run`
is tests/agents/test_interrupts.py::test_rejected_gate_ends_the_run."""

NOT_MET: dict[str, str] = {
    "1.1 graphs without a checkpointer": "every graph is given the console's",
    "1.1 the result of invoke(), 1.2 callbacks and empty tuples": "the worker reads the thread's head, and asks when in doubt",
    "1.5 an edit that names another tool": "edits change arguments only",
    "1.5 edit_notice=None": "the agent's own choice; nothing here reads the notice",
    "1.7 langgraph.prebuilt.interrupt": "the shape is recognised, the classes are not used",
    "2 scalar with several pending": "answers are always sent by id",
    "2 answer + edit state": "an answer never changes the state besides",
    "2 strict: a scalar at a gate": "a gate is never answered by Command",
    "2.2 update_state as recovery": "time travel to the head is used, for it asks for no state",
    "2.3 edit without the id, reject some naively, skip node": "recipes that go wrong are not used",
    "2.3 Command(goto=...)": "never sent",
    "4 graph.invoke, a second event loop, closing the connection in flight": "one loop, async only, runs end first",
    "4 durability sync, exit; 9 langgraph #5672": "every run is streamed with async",
    "4.1 killed after a scalar resume": "answers are always sent by id",
    "4.2 listing threads; 9 langgraph #8558": "reviews are the store's own rows, and alist is never called",
    "4.4 VACUUM": "none is needed for what is promised",
    "5 values, debug, checkpoints": "modes that are not asked for",
    "7 remote server; 9 langgraph #6362, docs #1198": "not part of the console now",
    "8 offline models": "the sample agents' own, tested in test_sample_agents.py",
}
"""Rows that cannot happen here, and why."""

MAY = "may have run once"

LETTER = ("send", {"to": "bob"})


@pytest.fixture
async def contract(shared_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    async with open_reviewer(shared_sandbox("contract")) as reviewer:
        yield reviewer


@pytest.fixture
async def fresh_reviewer(new_sandbox: SandboxFactory) -> AsyncIterator[Reviewer]:
    """A reviewer of the same project in a fresh sandbox, without a worker."""
    async with open_reviewer(new_sandbox("contract")) as reviewer:
        yield reviewer


def names(reviewer: Reviewer, run: Run) -> list[str]:
    return [line["did"] for line in reviewer.effects(run)]


def behind(sandbox: Sandbox, run: Run, graph: str, verb: str, value: Any) -> None:
    """Run a program that acts on the run's thread without the console's knowledge."""
    paths = ":".join(map(str, [PROJECTS / "contract", PROJECTS / "pauses", PROJECTS.parents[1] / "sample_agents"]))
    order = [f"{PROJECTS}/contract/behind.py", f"{sandbox.home.checkpoints}", run.thread, graph, verb, json.dumps(value)]
    done = subprocess.run([sys.executable, *order], env={**sandbox.env, "PYTHONPATH": paths}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "ValueError" in done.stderr, done.stderr


@pytest.mark.slow
def test_every_test_in_the_table_exists() -> None:
    for row, tests in COVERED.items():
        assert tests.split(), row
        for name in tests.split():
            file, _, test = name.partition("::")
            folder, _, module = file.rpartition("/")
            tree = ast.parse((PROJECTS.parent / folder / f"test_{module}.py").read_text())
            found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            assert f"test_{test}" in found, f"{row}: there is no {name}"
    assert all(NOT_MET.values())
    assert not COVERED.keys() & NOT_MET.keys()


def test_every_test_of_this_file_is_in_the_table() -> None:
    named = {name for tests in COVERED.values() for name in tests.split()}
    present = {name for name in globals() if name.startswith("test_") and not name.startswith("test_every_test_")}
    assert present == {f"test_{name.removeprefix(OWN)}" for name in named if name.startswith(OWN)}


# How a graph pauses


async def test_gate_and_question_of_one_node_are_two_decisions(contract: Reviewer) -> None:
    run = await contract.launch("gate_and_ask", given={})
    gate = await contract.open_review(run)
    assert (gate.row.kind, gate.node) == (PauseKind.GATE, "ask")
    await contract.decide(gate, approve())
    question = await contract.open_review(run)
    assert (question.row.kind, question.node) == (PauseKind.QUESTION, "ask")
    assert names(contract, run) == [], "the yes at the gate answered nothing"
    await contract.decide(question, respond("now"))
    assert (await contract.result_of(run))["answer"] == "now"
    assert await contract.review_states(run) == ["applied", "applied"]


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        ("tuple", ["a", 1]),
        ("model", {"street": "Elm"}),
        ("dataclass", {"day": "friday", "people": 2}),
        ("set", {"⟨set⟩": ["only"]}),
        ("bytes", {"⟨bytes⟩": "b'\\xff\\x00'"}),
    ],
)
async def test_values_without_a_json_form_are_asked(contract: Reviewer, what: str, shown: Any) -> None:
    run = await contract.launch("odd", given={"text": what})
    review = await contract.open_review(run)
    assert review.value == shown
    await contract.decide(review, respond("seen"))
    assert (await contract.result_of(run))["answer"] == "seen"


async def test_question_that_cannot_be_stored_fails_with_a_message(contract: Reviewer) -> None:
    run = await contract.launch("odd", given={"text": "object"})
    failed = await contract.wait(run, RunState.FAILED)
    assert failed.error.startswith("its state holds something that cannot be stored: TypeError: Type is not msgpack serializable")
    assert await contract.review_states(run) == []


async def test_answer_becomes_the_dataclass_of_the_schema(contract: Reviewer) -> None:
    run = await contract.launch("form", given={})
    review = await contract.open_review(run)
    for bad in ({"day": "friday"}, {"day": "friday", "people": "many"}, "friday"):
        with pytest.raises(Refused):
            await contract.decide(review, Answer(DecisionKind.RESPOND, bad))
    await contract.decide(review, Answer(DecisionKind.RESPOND, {"day": "friday", "people": 2}))
    assert (await contract.result_of(run))["answer"] == ["Booking", "friday", 2]


async def test_node_interrupt_of_the_old_style_is_shown_and_can_be_ended(contract: Reviewer) -> None:
    """`NodeInterrupt` takes no answer, and its id is the same in every graph; only a changed state could continue the run."""
    run = await contract.launch("old_style", given={})
    review = await contract.open_review(run)
    assert review.value == "no answer can be given here"
    await contract.decide(review, respond("but I do"))
    again = await contract.open_review(run)
    assert (again.row.id, again.row.note) == (review.row.id, "the answer was sent, but the graph asks the same again")
    await contract.inbox.runs.cancel(run.id)
    await contract.wait(run, RunState.CANCELLED)


# The middleware


@pytest.mark.parametrize(("agent", "ran_before"), [("batched", []), ("per_call", ["look"])])
async def test_ungated_calls_run_before_or_with_the_answer(contract: Reviewer, agent: str, ran_before: list[str]) -> None:
    run = await contract.launch(agent, [LETTER, ("look", {"path": "p"})])
    review = await contract.open_review(run)
    assert names(contract, run) == ran_before
    await contract.decide(review, reject("no"))
    await contract.result_of(run)
    assert names(contract, run) == ["look"]


@pytest.mark.parametrize("agent", ["batched", "per_call"])
async def test_equal_calls_are_decided_separately(contract: Reviewer, agent: str) -> None:
    run = await contract.launch(agent, [LETTER, LETTER, LETTER])
    reviews = await contract.open_reviews(run, 1 if agent == "batched" else 3)
    actions = [action for review in reviews for action in review.actions]
    assert len({action.tool_call for action in actions} - {None}) == 3
    chosen = (reject("not this one"), approve(), respond("bob was told"))
    if agent == "batched":
        await contract.decide(reviews[0], *chosen)
    else:
        for review, answer in zip(reviews, chosen, strict=True):
            await contract.decide(review, answer)
    state = await contract.result_of(run)
    assert names(contract, run) == ["send"]
    texts = tool_results(state)["send"]
    assert [any(word in text for text in texts) for word in ("not this one", "sent to bob", "bob was told")] == [True] * 3


@pytest.mark.parametrize("agent", ["narrow_batched", "narrow_per_call"])
@pytest.mark.parametrize(
    ("call", "only", "others", "did"),
    [
        (LETTER, approve(), (edit(to="eve"), reject(), respond("x")), ["send"]),
        (("delete", {"path": "p"}), reject("no"), (approve(), edit(path="q"), respond("x")), []),
        (("store", {"data": 1}), edit(data=2), (approve(), reject(), respond("x")), ["store"]),
        (("burst", {"text": "x"}), respond("done by hand"), (approve(), edit(text="y"), reject()), []),
    ],
    ids=["approve", "reject", "edit", "respond"],
)
async def test_single_allowed_decision_is_the_only_one_offered(
    contract: Reviewer, agent: str, call: Any, only: Answer, others: tuple[Answer, ...], did: list[str]
) -> None:
    run = await contract.launch(agent, [call])
    review = await contract.open_review(run)
    assert review.actions[0].allowed == (only.kind,)
    for answer in others:
        with pytest.raises(Refused):
            await contract.decide(review, answer)
    await contract.decide(review, only)
    await contract.result_of(run)
    assert names(contract, run) == did


async def test_agent_that_allows_no_decision_is_listed_as_broken(contract: Reviewer) -> None:
    await contract.until_workers(1)
    await contract.result_of(await contract.launch("batched", [("look", {"path": "p"})]))
    [careless] = [agent for agent in await contract.inbox.agents.all() if agent.name == "careless"]
    assert careless.error.startswith("ValueError: ")
    assert "allowed_decisions" in careless.error


async def test_file_rules_ask_about_guarded_files_only(shared_sandbox: SandboxFactory) -> None:
    async with open_reviewer(shared_sandbox("deep")) as deep:
        calls = [("write_file", {"file_path": f"/{where}/a", "content": "x"}) for where in ("open", "secret")]
        run = await deep.launch("filing", calls, [("write_file", {"file_path": "/secret/b", "content": "y"})])
        review = await deep.open_review(run)
        assert [(action.name, action.args["file_path"]) for action in review.actions] == [("write_file", "/secret/a")]
        await deep.decide(review, reject("keep out"))
        review = await deep.open_review(run)
        assert review.actions[0].args["file_path"] == "/secret/b"
        await deep.decide(review, approve())
        files = (await deep.result_of(run))["files"]
        assert sorted(files) == ["/open/a", "/secret/b"]


# Resuming


@pytest.mark.slow
async def test_answer_when_given_elsewhere_is_not_passed_to_the_next_question(fresh_reviewer: Reviewer) -> None:
    """LangGraph itself passes an answer for an answered question to the next question."""
    run = await fresh_reviewer.launch("two", given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    behind(fresh_reviewer.sandbox, run, "asks:two", "resume", "from elsewhere")
    await fresh_reviewer.decide(review, respond("meant for the first"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    second = await fresh_reviewer.open_review(run)
    assert (second.value, second.row.id != review.row.id) == ("second?", True)
    assert (await fresh_reviewer.inbox.reviews.get(review.row.id)).row.state == ReviewState.STALE
    await fresh_reviewer.decide(second, respond("two"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == ["from elsewhere", "two"]


@pytest.mark.slow
async def test_answer_when_the_thread_ended_elsewhere_runs_nothing(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("plain", given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    behind(fresh_reviewer.sandbox, run, "asks:plain", "resume", "from elsewhere")
    await fresh_reviewer.decide(review, respond("too late"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == "from elsewhere"
    assert fresh_reviewer.effects(run) == [{"did": "answered", "answer": "from elsewhere"}]
    stale = (await fresh_reviewer.inbox.reviews.get(review.row.id)).row
    assert (stale.state, stale.note) == (ReviewState.STALE, "answered elsewhere or superseded before it could be sent")


@pytest.mark.slow
async def test_gate_reached_elsewhere_is_not_passed_by_a_late_answer(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("ask_then_gate", given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    behind(fresh_reviewer.sandbox, run, "asks:ask_then_gate", "resume", "from elsewhere")
    await fresh_reviewer.decide(review, respond("too late"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    gate = await fresh_reviewer.open_review(run)
    assert (gate.row.kind, gate.node) == (PauseKind.GATE, "publish")
    assert names(fresh_reviewer, run) == ["answered"]
    await fresh_reviewer.decide(gate, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == "from elsewhere"
    assert names(fresh_reviewer, run) == ["answered", "published"]


@pytest.mark.slow
async def test_state_changed_elsewhere_is_asked_again(fresh_reviewer: Reviewer) -> None:
    """An update drops the pending interrupt, which then looks like a gate: a person continues, and it returns with another id."""
    run = await fresh_reviewer.launch("two", given={})
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    behind(fresh_reviewer.sandbox, run, "asks:two", "update", {"text": "changed"})
    await fresh_reviewer.decide(review, respond("meant for the first"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    held = await fresh_reviewer.open_review(run)
    assert (held.row.kind, held.node) == (PauseKind.GATE, "ask_two")
    await fresh_reviewer.decide(held, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    again = await fresh_reviewer.open_review(run)
    assert (again.value, again.interrupt != review.interrupt) == ("first?", True)
    assert "between" not in names(fresh_reviewer, run)
    await fresh_reviewer.decide(again, respond("one"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.decide(await fresh_reviewer.open_review(run), respond("two"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answer"] == ["one", "two"]


@pytest.mark.slow
async def test_batch_poisoned_elsewhere_is_asked_again(fresh_reviewer: Reviewer) -> None:
    """LangGraph stores a malformed list where the middleware expects `decisions`, and replays it whatever is answered later."""
    run = await fresh_reviewer.launch("batched", [LETTER])
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    review = await fresh_reviewer.open_review(run)
    behind(fresh_reviewer.sandbox, run, "middleware:batched", "resume", {"decisions": []})
    await fresh_reviewer.decide(review, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert "decisions" in (await fresh_reviewer.wait(run, RunState.FAILED)).error
    assert names(fresh_reviewer, run) == []
    await fresh_reviewer.inbox.runs.retry(run.id)
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    again = await fresh_reviewer.open_review(run)
    assert again.interrupt != review.interrupt
    await fresh_reviewer.decide(again, approve())
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    await fresh_reviewer.result_of(run)
    assert names(fresh_reviewer, run) == ["send"]


async def test_node_restarts_from_its_top_for_each_question(contract: Reviewer) -> None:
    run = await contract.launch("two", given={})
    await contract.decide(await contract.open_review(run), respond("one"))
    await contract.decide(await contract.open_review(run), respond("two"))
    await contract.result_of(run)
    assert names(contract, run) == ["before", "before", "between", "before", "between", "after"]


async def test_three_sends_with_two_questions_each_are_answered(contract: Reviewer) -> None:
    run = await contract.launch("fan", given={"people": ["ann", "bob", "cy"]})
    asked = {review.row.id: review for review in await contract.open_reviews(run, 3)}
    for turn in range(6):
        [review, *others] = await contract.open_reviews(run, min(3, 6 - turn))
        await contract.decide(review, respond(f"to {review.value}"))
        await contract.until_applied(review)
        left = {r.row.id: r for r in await contract.open_reviews(run, min(3, 5 - turn))} if turn < 5 else {}
        assert {r.row.id: r.interrupt for r in others}.items() <= {number: r.interrupt for number, r in left.items()}.items()
        asked |= left
    said = (await contract.result_of(run))["log"]
    assert sorted(said) == [[name, f"to {name}, first?", f"to {name}, second?"] for name in ("ann", "bob", "cy")]
    assert len(asked) == 6
    assert sorted(d["name"] for d in contract.effects(run) if d["did"] == "end") == ["ann", "bob", "cy"], "each ran to its end once"


async def test_node_that_asks_until_the_answer_is_valid_ends(contract: Reviewer) -> None:
    run = await contract.launch("insists", given={})
    for answer in ("one", None, 3):
        await contract.decide(await contract.open_review(run), Answer(DecisionKind.RESPOND, answer))
    assert (await contract.result_of(run))["answer"] == ["one", None, 3]
    assert await contract.review_states(run) == ["applied"] * 3


async def test_node_that_ended_beside_a_poisoned_question_reruns_with_a_warning(contract: Reviewer) -> None:
    run = await contract.launch("fussy_beside", given={})
    await contract.decide(await contract.open_review(run), respond("bad"))
    await contract.wait(run, RunState.FAILED)
    assert names(contract, run) == ["acts"]
    await contract.inbox.runs.retry(run.id)
    again = await contract.open_review(run)
    assert again.row.note.startswith("may have run once: the graph failed in that step, and all of it is asked again")
    await contract.decide(again, respond("good"))
    assert (await contract.result_of(run))["answer"] == "good"
    assert names(contract, run) == ["acts", "acts"], "LangGraph knows no other way out"


# Graphs within graphs


@pytest.mark.slow
@pytest.mark.parametrize(("agent", "visits"), [("kept", ["visit 1?", "visit 2?"]), ("own_saver", ["visit 1?", "visit 1?"])])
async def test_graph_with_its_own_checkpointer_keeps_its_questions(fresh_reviewer: Reviewer, agent: str, visits: list[str]) -> None:
    """Its questions survive the process whatever it was compiled with; with `checkpointer=True` it also remembers earlier visits."""
    run = await fresh_reviewer.launch(agent, given={})
    seen = set()
    for visit in visits:
        assert fresh_reviewer.sandbox.run_until_idle() == 0
        review = await fresh_reviewer.open_review(run)
        assert (review.row.kind, review.value) == (PauseKind.QUESTION, visit)
        seen.add(review.interrupt)
        await fresh_reviewer.decide(review, respond(f"at {len(seen)}"))
    assert fresh_reviewer.sandbox.run_until_idle() == 0
    assert (await fresh_reviewer.result_of(run))["answers"] == ["at 1", "at 2"]
    assert names(fresh_reviewer, run) == ["count", "answered", "count", "answered"]


@pytest.mark.parametrize(("agent", "warned"), [("no_saver_node", True), ("no_saver", False)])
async def test_subgraph_without_a_checkpointer_asks_forever_with_a_warning(contract: Reviewer, agent: str, warned: bool) -> None:
    """LangGraph gives its question a new id on each run, so no answer by id reaches it; calls inside a node are invisible."""
    run = await contract.launch(agent, given={})
    first = await contract.open_review(run)
    assert ("checkpointer=False" in first.row.note and "it will ask again" in first.row.note) is warned
    await contract.decide(first, respond("at 1"))
    await contract.until_applied(first)
    second = await contract.open_review(run)
    assert second.interrupt != first.interrupt
    assert not [d for d in contract.effects(run) if d["did"] == "answered"]
    await contract.inbox.runs.cancel(run.id)
    await contract.wait(run, RunState.CANCELLED)


async def test_graph_on_a_thread_of_its_own_asks_nobody(contract: Reviewer) -> None:
    """The run's thread does not contain its questions; the run continues, as it does without the console."""
    run = await contract.launch("detached", given={})
    assert (await contract.result_of(run))["answers"] == ["went on"]
    assert await contract.review_states(run) == []
    assert "answered" not in names(contract, run)


# Durability, cancelling, streaming


@pytest.mark.slow
async def test_answer_that_cannot_be_stored_is_asked_again(fresh_reviewer: Reviewer) -> None:
    """Another program locks checkpoints.db: the node has acted, and LangGraph could not store that."""
    run = await fresh_reviewer.launch("plain", given={})
    fresh_reviewer.sandbox.start()
    review = await fresh_reviewer.open_review(run)
    with contextlib.closing(sqlite3.connect(fresh_reviewer.sandbox.home.checkpoints, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        await fresh_reviewer.decide(review, respond("yes"))
        await fresh_reviewer.until_effect(run, "answered")
        await until_logged(fresh_reviewer.sandbox, "checkpoints.db is locked by another program")
        other.execute("ROLLBACK")
    again = await fresh_reviewer.open_review(run)
    assert (again.row.id, again.interrupt, again.row.note[: len(MAY)]) == (review.row.id, review.interrupt, MAY)
    await fresh_reviewer.decide(again, respond("yes, again"))
    assert (await fresh_reviewer.result_of(run))["answer"] == "yes, again"


@pytest.mark.slow
async def test_node_that_ended_beside_a_cancelled_one_keeps_its_result(fresh_reviewer: Reviewer) -> None:
    run = await fresh_reviewer.launch("pair", given={})
    fresh_reviewer.sandbox.start()
    await fresh_reviewer.until_effect(run, "slow begins")
    await fresh_reviewer.until_effect(run, "acts")
    await fresh_reviewer.until_stored(run, "slow_once", results=1)
    await fresh_reviewer.inbox.runs.cancel(run.id)
    await fresh_reviewer.wait(run, RunState.CANCELLED)
    await fresh_reviewer.inbox.runs.retry(run.id)
    assert sorted((await fresh_reviewer.result_of(run))["log"]) == ["acted", "slow"]
    assert names(fresh_reviewer, run).count("acts") == 1


async def test_trace_has_each_step_once_when_its_node_reruns(contract: Reviewer) -> None:
    run = await contract.launch("streams", given={})
    await contract.decide(await contract.open_review(run), respond("go on"))
    await contract.result_of(run)
    trace = await contract.inbox.runs.trace(run.id)
    assert [event.node for event in trace if event.kind == "start"] == ["acts", "tell", "tell"]
    assert [event.body["value"] for event in trace if event.kind == "custom"] == [{"percent": 50}] * 2, "the node ran twice"
    ends = [(event.node, event.body.get("paused", False)) for event in trace if event.kind == "end"]
    assert ends == [("acts", False), ("tell", True), ("tell", False)]


async def test_graph_config_is_kept(contract: Reviewer) -> None:
    run = await contract.launch("limited", given={})
    failed = await contract.wait(run, RunState.FAILED)
    assert failed.error.startswith("it went on for too many steps without an end: GraphRecursionError: Recursion limit of 7 reached")
    assert names(contract, run) == ["step"] * 7


async def test_manifest_with_every_key_is_read(contract: Reviewer) -> None:
    """Keys of langgraph.json for servers, containers and browsers are ignored."""
    manifest = json.loads((PROJECTS / "contract" / "langgraph.json").read_text())
    assert manifest.keys() > {"graphs", "dependencies", "checkpointer", "store", "auth", "http", "webhooks", "encryption", "priority"}
    await contract.result_of(await contract.launch("batched", [("look", {"path": "p"})]))
    agents = {agent.name: agent.error for agent in await contract.inbox.agents.all()}
    assert {name for name in manifest["graphs"] if agents[name]} == {"careless"}
