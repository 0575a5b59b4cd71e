"""Practice: queues of good and bad calls, figures against scipy, and the command in a real terminal."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.home import Home
from hitl_tui.model import Json
from hitl_tui.oversight.practice import PracticeAnswer, PracticeCall, PracticeResult, Tool, make_queue, result_of, summed
from hitl_tui.store import audit
from tests.cli.commands import Commands
from tests.support.properties import examples
from tests.support.tmux import tmux
from tests.ui.homes import seed

TOOLS: list[Tool] = [
    ("clerk", "refund", {"order_id": "#W5995614", "amount": 42.5}, None),
    ("clerk", "send_mail", {"to": "ann@example.com", "body": "The parcel was sent today."}, None),
    ("clerk", "noop", {"flag": True}, None),
    ("clerk", "read_order", {"order_id": "#W5995614"}, None),
]
GOOD, BAD = (next(one for one in make_queue(TOOLS, 40, 0.5, "s") if (one.wrong is not None) is is_bad) for is_bad in (False, True))


def answers(hits: int, misses: int, right: int, alarms: int) -> list[PracticeAnswer]:
    given = [(BAD, False)] * hits + [(BAD, True)] * misses + [(GOOD, True)] * right + [(GOOD, False)] * alarms
    return [PracticeAnswer(call, approved, 2.0) for call, approved in given]


@given(hits=st.integers(0, 30), misses=st.integers(0, 30), right=st.integers(0, 30), alarms=st.integers(0, 30))
def test_practice_figures_are_those_of_scipy(hits: int, misses: int, right: int, alarms: int) -> None:
    from scipy.stats import binomtest, norm  # type: ignore[import-untyped] # takes longer to import than most tests run

    found = result_of(answers(hits, misses, right, alarms))
    assert (found.good, found.bad, found.caught, found.false_alarms) == (right + alarms, hits + misses, hits, alarms)
    if found.bad:
        bounds = binomtest(hits, found.bad).proportion_ci(method="wilson")
        assert found.detection == pytest.approx((bounds.low, bounds.high), abs=1e-9)
        assert sum(shown for _, shown in found.kinds.values()) == found.bad
    if found.bad and found.good:
        wanted = norm.ppf((hits + 0.5) / (found.bad + 1)) - norm.ppf((alarms + 0.5) / (found.good + 1))
        assert found.d_prime == pytest.approx(wanted, abs=1e-9)
    else:
        assert found.d_prime is None


@given(count=st.integers(2, 60), share=st.floats(0.05, 0.5), seed=st.text(max_size=5))
def test_practice_queue_has_the_share_of_bad_calls_and_is_the_same_again(count: int, share: float, seed: str) -> None:
    queue = make_queue(TOOLS, count, share, seed)
    bad = [one for one in queue if one.wrong]
    assert len(queue) == count and len(bad) == max(1, round(count * share)) and queue == make_queue(TOOLS, count, share, seed)
    rights: dict[str, Json] = {tool: args for _, tool, args, _ in TOOLS}
    assert all((one.args == rights[one.tool]) == (one.wrong is None) for one in queue)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)), max_size=4))
@examples(1)
def test_practices_of_a_person_are_summed_from_what_was_stored(counts: list[tuple[int, int, int, int]]) -> None:
    results = [result_of(answers(*one)) for one in counts]
    assert [PracticeResult.of_json(one.as_json()) for one in results] == results
    total = summed(results)
    whole = result_of([answer for one in counts for answer in answers(*one)])
    assert (total.good, total.bad, total.caught, total.false_alarms, total.kinds) == (
        whole.good, whole.bad, whole.caught, whole.false_alarms, whole.kinds
    )  # fmt: skip
    assert total.seconds == whole.seconds


@pytest.mark.parametrize("raw", [None, [], "x", {"good": "3", "seconds": "x", "kinds": []}, {"kinds": {"path": 5}, "good": None}])
def test_stored_practice_that_cannot_be_read_counts_as_nothing(raw: Json) -> None:
    found = PracticeResult.of_json(raw)
    assert (found.good, found.bad, found.caught, found.false_alarms, found.seconds) == (0, 0, 0, 0, None)
    assert set(found.kinds.values()) <= {(0, 0)}


def test_practice_queue_is_empty_where_no_bad_call_can_be_made() -> None:
    assert make_queue([], 5, 0.5, "s") == [] == make_queue([TOOLS[2]], 5, 0.5, "s")


@given(count=st.integers(2, 60), share=st.floats(0.05, 0.5), seed=st.text(max_size=5))
def test_practice_queue_has_calls_worth_deciding_and_no_call_twice_in_a_row(count: int, share: float, seed: str) -> None:
    many: list[Tool] = [*TOOLS, *(("clerk", "refund", {"order_id": f"#W{n}", "amount": 7.5}, None) for n in range(1000, 1003))]
    queue = make_queue(many, count, share, seed)
    assert {one.tool for one in queue} <= {"refund", "send_mail"}, "reads and calls without a wrong version teach nothing"
    for name in ("refund", "send_mail"):
        good = sum(one.tool == name for one in queue if not one.wrong)
        bad = sum(one.tool == name for one in queue if one.wrong)
        assert abs(2 * good - sum(not one.wrong for one in queue)) <= 1 and abs(2 * bad - sum(bool(one.wrong) for one in queue)) <= 1
    assert all((one.tool, one.args) != (other.tool, other.args) for one, other in itertools.pairwise(queue))


def test_practice_queue_of_reads_alone_has_these() -> None:
    queue = make_queue([TOOLS[3]], 6, 0.5, "s")
    assert [one.tool for one in queue] == ["read_order"] * 6 and sum(bool(one.wrong) for one in queue) == 3
    assert all(one.args != other.args for one, other in itertools.pairwise(queue)), "good and bad ones take turns"


def test_practice_call_of_an_odd_kind_is_counted_by_it() -> None:
    found = result_of([PracticeAnswer(BAD, True, 1.0), PracticeAnswer(BAD, False, 3.0)])
    assert BAD.wrong and found.kinds == {BAD.wrong.kind: (1, 2)} and found.seconds == 2.0
    assert isinstance(GOOD, PracticeCall) and json.dumps(found.as_json())


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_practice_in_a_terminal_says_what_was_missed_and_keeps_it(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "hitl_tui",
        "practice",
        "--calls",
        "4",
        "--bad",
        "0.5",
        "--seed",
        "s",
        "--home",
        str(tmp_path),
        "--reviewer",
        "ann",
    ]
    with tmux(command, 120, 60) as terminal:
        for number in range(1, 5):
            terminal.until(
                f"PRACTICE {number} of 4: nothing here can run", "a approve   r reject", timeout=150
            )  # it loads the sample agents
            terminal.keys("a")
        screen = terminal.until("caught 0 of 2 bad calls: 0 %", "[exit 0]")
    assert len(re.findall("^missed: ", screen, re.MULTILINE)) == 2 and "false alarms: 0 of 2 good calls" in screen
    (entry,) = [one for one in audit.entries(Home(tmp_path).database) if one["kind"] == "practiced"]
    assert entry["actor"] == "ann" and json.loads(entry["body"])["bad"] == 2
    assert not audit.verify(Home(tmp_path).database).problem


@pytest.mark.slow
def test_practice_reads_keys_from_a_pipe_and_ends_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hitl_tui", "practice", "--calls", "4", "--seed", "s", "--json", "--home", str(tmp_path)]
    done = subprocess.run(command, input="a r", capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout)
    assert figures["good"] + figures["bad"] == 2 and "PRACTICE 3 of 4" in done.stderr


@pytest.mark.slow
def test_practice_command_that_is_ended_at_once_keeps_nothing(tmp_path: Path) -> None:
    hitl = Commands(tmp_path)
    hitl.rows(lambda store, _: store.one("SELECT 1"))
    assert "there are no calls to practise on; load agents with tools" in hitl("practice", code=1)
    hitl.rows(lambda store, _: seed.add_mail_tool(store))
    for typed in ("q", "", "x\n?"):  # others keys are passed over until the input ends
        told = hitl("practice", "--calls", "2", "--seed", "1", typed=typed)
        assert told.startswith("\nPRACTICE 1 of 2: nothing here can run") and told.endswith("\nnothing was decided\n")
    assert not [one for one in audit.entries(hitl.home.database) if one["kind"] == "practiced"]
