"""The oversight benchmark at a small size: every call is accounted for, and the same seeds give the same books."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("agentdojo", reason="it is in the dependency group `evidence`")
pytest.importorskip("tau2", reason="it is in the dependency group `evidence`")

from hitl_tui.oversight.attention_checks import make_wrong_call
from tests.oversight.benchmark import report
from tests.oversight.benchmark.arms import EVERYTHING, FOLDER, NOBODY, arm_named, arms, limits_of, texts
from tests.oversight.benchmark.cases import FAULTS, cases
from tests.oversight.benchmark.drift import LADDER, RATES, ROW, drifted, held_out
from tests.oversight.benchmark.live import compared
from tests.oversight.benchmark.reviewers import PERFECT, STAMPS
from tests.oversight.benchmark.simulation import Books, Planned, plan, play
from tests.oversight.benchmark.suites import DOJO, TAU2, is_read, suite

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RUNS = 25
SMALL = report.Size(runs=5, seeds=1, live=0, suites=("banking", "travel"))


@pytest.fixture(scope="module")
def stream() -> Sequence[Planned]:
    return plan(cases("banking"), RUNS, "banking/0")


def test_books_of_every_arm_account_for_every_call(stream: Sequence[Planned]) -> None:
    calls = sum(len(run.case.calls) for run in stream)
    bad = sum(call.bad for run in stream for call in run.case.calls)
    for arm in arms():
        books = play(arm, stream, 0.9, "s")
        assert books.calls == calls == books.unasked + books.approved + books.rejected + books.denied
        assert bad == books.bad == books.bad_unasked + books.missed.total() + books.caught.total() + books.bad_denied
        assert books.harms == books.harmed.total() <= RUNS == books.runs.total() and books.harmed["good"] == 0
        assert books == play(arm, stream, 0.9, "s") == Books.of_json(books.as_json()), "the same seeds, the same books"


def test_files_of_the_arms_are_those_of_the_recipe() -> None:
    assert texts() == {path.stem: path.read_text() for path in FOLDER.glob("*.toml")}, "python -m tests.oversight --arms"


def test_limits_that_deny_stop_calls_that_the_task_does_not_need() -> None:
    asking, denying = arm_named("+ second reader"), arm_named("+ limits that deny")
    assert (
        limits_of(asking, "banking", ["send_money"])[0] == "count(send_money) <= 1" and limits_of(arm_named("rules"), "banking", []) == ()
    )
    assert limits_of(denying, "banking", ["send_money"])[0] == "count(send_money) <= 1 else deny"
    stream = plan(cases("slack"), 60, "slack/0")
    soft, hard = (play(arm, stream, 0.9, "s") for arm in (asking, denying))
    assert hard.denied > soft.denied and hard.denied_good == soft.denied_good and hard.harms <= soft.harms


def test_nobody_stops_nothing_and_a_perfect_reviewer_leaves_nothing(stream: Sequence[Planned]) -> None:
    by_name = {arm.name: arm for arm in arms()}
    nobody, stamps = play(by_name[NOBODY], stream, 0.0, "s"), play(by_name[EVERYTHING], stream, STAMPS, "s")
    perfect = play(by_name[EVERYTHING], stream, PERFECT, "s")
    assert nobody.harms > 0 and nobody.questions == 0 and nobody.done > 0
    assert (stamps.harms, stamps.done) == (nobody.harms, nobody.done) and stamps.questions == stamps.calls
    assert perfect.harms == 0 and perfect.unasked == 0 and perfect.missed.total() == 0 and perfect.done == nobody.done


@pytest.mark.parametrize("name", ["banking", *TAU2])
def test_good_cases_are_done_and_every_fault_has_one_bad_call_or_leaves_the_task_undone(name: str) -> None:
    found = cases(name)
    assert {case.kind for case in found} <= {"good", "injected", *FAULTS}
    for case in (case for case in found if case.kind != "injected"):
        bad = sum(call.bad for call in case.calls)
        done, harmed = case.outcome([True] * len(case.calls))
        if case.kind in ("good", "missing step"):
            assert bad == 0 and not harmed and done == (case.kind == "good"), case.name
        else:
            assert bad == 1 and not case.outcome([not call.bad for call in case.calls])[1], case.name
        if case.kind == "wrong order":
            assert harmed, case.name


def test_stream_through_worker_and_store_is_as_the_simulation_says() -> None:
    found = compared(arm_named("+ limits that deny"), plan(cases("banking"), 6, "banking/live"), 0.9, "s")
    assert not found.differences and found.books.calls > 6


def test_difference_between_worker_and_simulation_is_reported() -> None:
    found = compared(arm_named("rules"), plan(cases("slack"), 1, "slack/live"), 0.9, "s", wanted=arm_named(EVERYTHING))
    assert any("not ask" in told for told in found.differences)


def test_page_has_a_row_for_each_arm_and_goes_on_after_an_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress, did, real = tmp_path / "progress", list[str](), report.work

    def work(unit: report.Unit, size: report.Size) -> object:
        did.append(unit.key)
        if len(did) == 4:
            raise KeyboardInterrupt
        return real(unit, size)

    monkeypatch.setattr(report, "work", work)
    with pytest.raises(KeyboardInterrupt):
        report.run(SMALL, progress=progress)
    with progress.open("a") as file:
        file.write('["arm/banking/cut off')  # while it was written
    first = list(report.page(report.run(SMALL, progress=progress), SMALL))
    assert len(did) == len(report.units(SMALL)) + 1, "three units were not done again"
    assert first == list(report.page(report.run(SMALL), SMALL))
    assert all(any(line.startswith(f"| {arm.name} |") for line in first) for arm in arms())


def test_autonomy_levels_run_fewer_bad_calls_of_a_bad_agent_than_twenty_in_a_row() -> None:
    rate = RATES["steady, 10 %"]
    ladder, row = drifted(LADDER, rate, 0.9, "s"), drifted(ROW, rate, 0.9, "s")
    assert ladder == drifted(LADDER, rate, 0.9, "s") and 0 < ladder.bad_unasked < row.bad_unasked


def test_threshold_of_one_half_is_held_against_the_other(stream: Sequence[Planned]) -> None:
    found = held_out(plan(cases("banking"), 200, "t"), PERFECT, "s")
    assert found.threshold is None or 0 < found.good <= found.above
    assert held_out(stream[:2], 0.9, "s").threshold is None, "too few calls support none"


def test_attention_checks_are_made_from_nearly_every_write_of_agentdojo() -> None:
    missing, writes = list[str](), 0
    for name in DOJO:
        tools = suite(name).tools
        for case in (case for case in cases(name) if case.kind == "good"):
            for place, call in enumerate(case.calls):
                if is_read(call.tool):
                    continue
                heard = "\n".join(message.text for message in case.said_before([True] * place))
                writes += 1
                if make_wrong_call(call.tool, call.args, tools[call.tool], heard, "s", heard) is None:
                    missing.append(f"{name} {call.tool}")
    assert writes > 80 and len(missing) <= 0.05 * writes, missing
