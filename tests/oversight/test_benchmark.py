"""The oversight benchmark at a small size: every call is accounted for, and the same seeds give the same books."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

pytest.importorskip("agentdojo", reason="it is in the dependency group `evidence`")

from hitl_tui.oversight.attention_checks import make_wrong_call
from tests.oversight.benchmark import cases, report
from tests.oversight.benchmark.arms import arms
from tests.oversight.benchmark.simulation import Planned, plan, play

pytestmark = pytest.mark.slow
RUNS = 25


@pytest.fixture(scope="module")
def stream() -> Sequence[Planned]:
    return plan(cases.cases("banking"), RUNS, "banking/0")


def test_books_of_every_arm_account_for_every_call(stream: Sequence[Planned]) -> None:
    calls = sum(len(run.case.calls) for run in stream)
    bad = sum(call.bad for run in stream for call in run.case.calls)
    for arm in arms("banking"):
        books = play(arm, stream, 0.9, "s")
        assert books.calls == calls == books.unasked + books.approved + books.rejected
        assert bad == books.bad == books.bad_unasked + books.missed.total() + books.caught.total()
        assert books.harms == books.harmed.total() <= RUNS and books.harmed["good"] == 0
        assert books == play(arm, stream, 0.9, "s"), "the same seeds, the same books"


def test_nobody_stops_nothing_and_a_perfect_reviewer_leaves_little(stream: Sequence[Planned]) -> None:
    by_name = {arm.name: arm for arm in arms("banking")}
    nobody, everything = play(by_name["nobody"], stream, 0.0, "s"), play(by_name["everything"], stream, 10.0, "s")
    assert nobody.harms > 0 and nobody.questions == 0 and nobody.done > 0
    assert everything.harms == 0 and everything.unasked == 0 and everything.missed.total() == 0


def test_page_has_a_row_for_each_arm_and_is_the_same_again() -> None:
    def made() -> list[str]:
        results, streams = report.run(6, 1, ("banking", "travel"))
        return list(report.page(results, streams, 6, 1))

    first = made()
    assert first == made()
    assert all(any(line.startswith(f"| {arm.name} |") for line in first) for arm in arms("banking"))


def test_attention_checks_are_made_from_nearly_every_write_of_agentdojo() -> None:
    missing, writes = list[str](), 0
    for suite, found in cases.SUITES.items():
        for id_, task in found.user_tasks.items():
            case = cases.Case(suite, id_, "good", cases.gold(suite, task))
            for call, said in zip(case.calls, case.conversations, strict=True):
                if cases.is_read(call.tool):
                    continue
                heard = "\n".join(message.text for message in said)
                schema = next(tool.parameters.model_json_schema() for tool in found.tools if tool.name == call.tool)
                writes += 1
                if make_wrong_call(call.tool, call.args, schema, heard, "s", heard) is None:
                    missing.append(f"{suite} {call.tool}")
    assert writes > 80 and len(missing) <= 0.05 * writes, missing
