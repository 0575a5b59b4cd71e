"""The event planner, run to the end: a number, one of a list, and an answer by the template in its policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.harness import SandboxFactory
from tests.support.sample_run import SAMPLES, SampleRun
from tests.support.tiers import sampled


@pytest.fixture
def planner(new_sandbox: SandboxFactory) -> Iterator[Callable[[], SampleRun]]:
    """Launch the event planner."""
    sandbox = new_sandbox(SAMPLES)
    sandbox.start()
    yield lambda: SampleRun(sandbox, "party_planner", "plan the summer party")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("decision", "said"),
    sampled([
        (("approve",), "The hall is booked for 40 guests."),
        (("reject", "--message", "too loud"), "Nothing is booked: too loud."),
    ]),
    ids=["approve", "reject"],
)  # fmt: skip
def test_event_is_booked_or_not_by_the_answer_template(planner: Callable[[], SampleRun], decision: tuple[str, ...], said: str) -> None:
    job = planner()
    guests = job.open_review()
    assert guests["actions"][0]["allowed"] == ["respond"]
    assert "takes no yes or no" in job.sandbox.cli_error("decide", guests["review"], "approve")
    job.decide("respond", "--message", "40")
    room = job.open_review()["actions"][0]
    assert [option["id"] for option in room["choices"]] == ["hall", "garden"] and room["allowed"] == ["respond"]
    job.decide("respond", "--message", "hall")
    book = job.open_review()["actions"][0]
    assert book["means"]["approve"] == 'sends {"approved": true}'
    job.decide(*decision)
    assert job.final_message() == said
