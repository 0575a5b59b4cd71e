"""The writing room agent, run to the end: a draft is revised back and forth, and the accepted version is published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.harness import SandboxFactory
from tests.support.sample_run import SAMPLES, SampleRun

FIRST = """# A lamp for the dark months

Our new floor lamp Skagen is in the shop from 1 December. Its light can be warmed from 4000 to 1800 kelvin, like a sunset.

It costs 289 EUR, and 249 EUR until Christmas. Every part can be replaced, and we keep them for ten years."""


@pytest.fixture
def room(new_sandbox: SandboxFactory) -> Iterator[Callable[[str], SampleRun]]:
    """Launch the writing room with a request: `room("write about the winter lamp")`."""
    sandbox = new_sandbox(SAMPLES)
    sandbox.start()
    yield lambda request: SampleRun(sandbox, "writing_room", request)


@pytest.mark.slow
def test_draft_is_revised_until_accepted(room: Callable[[str], SampleRun]) -> None:
    job = room("write about the winter lamp")
    first = job.open_review()
    (action,) = first["actions"]
    assert (first["kind"], action["name"], action["args"]) == ("draft", "winter-lamp", FIRST)
    assert set(action["allowed"]) == {"approve", "edit", "reject"}
    assert "┃ Our new floor lamp" in job.sandbox.cli("show", first["review"]).stdout
    mine = FIRST.replace("289 EUR", "279 EUR")
    job.decide("reject", "--message", "shorter", "--args", json.dumps(mine))
    second = job.open_review()
    shorter = second["actions"][0]["args"]
    assert shorter == (
        "# A lamp for the dark months\n\nOur new floor lamp Skagen is in the shop from 1 December.\n\n"
        "It costs 279 EUR, and 249 EUR until Christmas."
    )
    assert "revised: shorter" in second["actions"][0]["description"]
    job.decide("reject", "--message", "add: Come and see it.")
    third = job.open_review()
    assert [(v["proposal"], v["left"], v["note"]) for v in third["versions"]] == [
        (FIRST, mine, "shorter"),
        (shorter, shorter, "add: Come and see it."),
    ]
    job.decide("approve")
    assert job.final_message().startswith("Published ") and "/texts/winter-lamp.md, " in job.final_message()
    assert job.files()["texts/winter-lamp.md"] == f"{shorter}\n\nCome and see it.\n"


@pytest.mark.slow
def test_older_version_can_be_accepted(room: Callable[[str], SampleRun]) -> None:
    job = room("write about the repair day")
    first = job.open_review()["actions"][0]["args"]
    job.decide("reject", "--message", "as a list")
    assert "\n- " in job.open_review()["actions"][0]["args"]
    job.decide("edit", "--args", json.dumps(first))
    job.result()
    assert job.files()["texts/repair-day.md"] == f"{first}\n"


@pytest.mark.slow
def test_draft_versions_survive_a_worker_crash(room: Callable[[str], SampleRun]) -> None:
    job = room("write about the opening hours")
    job.decide("reject", "--message", "shorter")
    again = job.open_review()["actions"][0]["args"]
    job.sandbox.workers[0].kill()
    job.sandbox.start()
    assert job.open_review()["actions"][0]["args"] == again
    job.decide("approve")
    job.result()
    assert job.files()["texts/opening-hours.md"] == f"{again}\n"


@pytest.mark.slow
def test_edit_that_is_not_a_draft_is_refused(room: Callable[[str], SampleRun]) -> None:
    job = room("write about the winter lamp")
    review = job.open_review()["review"]
    assert "needs a note" in job.sandbox.cli_error("decide", review, "reject", "--args", '"other"')
    assert "is not a text" in job.sandbox.cli_error("decide", review, "reject", "--args", '{"a": 1}', "--message", "so")
    assert "is a text" in job.sandbox.cli_error("decide", review, "edit", "--args", '{"a": 1}')
    assert "cannot be answered with respond" in job.sandbox.cli_error("decide", review, "respond", "--message", "so")


@pytest.mark.slow
def test_help_lists_supported_requests(room: Callable[[str], SampleRun]) -> None:
    assert "write about the winter lamp" in room("hello").final_message()
