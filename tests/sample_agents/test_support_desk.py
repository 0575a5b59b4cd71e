"""The support desk agent, run to the end: automatic answers, approvals, and escalations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.harness import SandboxFactory
from tests.support.sample_run import SAMPLES, SampleRun


@pytest.fixture
def desk(new_sandbox: SandboxFactory) -> Iterator[Callable[[str], SampleRun]]:
    """Launch the support desk with a request: `desk("answer T-103")`."""
    sandbox = new_sandbox(SAMPLES)
    sandbox.start()
    yield lambda request: SampleRun(sandbox, "support_desk", request)


def test_confident_answers_are_sent_automatically(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-101 and T-106")
    assert job.final_message().startswith("I went through 2 tickets:")
    files = job.files()
    assert set(files) == {"replies/T-101.txt", "replies/T-106.txt"}
    assert "shipped on 19 November with Nordpost, parcel NP-55810" in files["replies/T-101.txt"]
    assert job.sandbox.cli_json("queue") == []


@pytest.mark.slow
def test_less_confident_answers_are_approved_or_edited(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-103")
    (action,) = job.open_review()["actions"]
    assert (action["name"], action["args"]["amount"], action["risk"]) == ("refund", 64.5, "irreversible")
    assert (action["confidence"]["value"], action["confidence"]["source"]) == (0.85, "words")
    assert not job.files()
    job.decide("edit", "--args", json.dumps({**action["args"], "amount": 60.0}))
    job.result()
    assert [(line["order"], line["amount"]) for line in job.json_lines("refunds.jsonl")] == [("9915", 60.0)]
    assert "We paid 60.00 EUR back" in job.files()["replies/T-103.txt"]


@pytest.mark.slow
def test_rejected_refund_is_not_made_or_announced(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-102")
    job.decide("reject", "--message", "wait for the photos")
    assert "wait for the photos" in job.final_message()
    assert not job.files()


@pytest.mark.slow
def test_stuck_agent_escalates_and_uses_the_answer(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-104")
    review = job.open_review()
    assert review["kind"] == "escalation"
    (action,) = review["actions"]
    assert action["args"]["reason"] == "T-104 is about harm and who is liable for it."
    assert action["args"]["context"]["proposed calls"][0]["name"] == "send_reply"
    assert action["allowed"] == ["respond", "reject"] or set(action["allowed"]) == {"respond", "reject"}
    assert review["context"]["conversation"][0]["text"] == "answer T-104"
    job.decide("respond", "--message", "Please call our insurer at 0431 5550; nobody here will argue about a carpet.")
    job.result()
    assert "Please call our insurer at 0431 5550" in job.files()["replies/T-104.txt"]


@pytest.mark.slow
def test_rejected_escalation_leads_to_an_approved_apology(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-105")
    job.decide("reject", "--message", "no trace of it anywhere")
    (action,) = job.open_review()["actions"]
    assert (action["name"], action["confidence"]["value"]) == ("send_reply", 0.7)
    job.decide("approve")
    job.result()
    assert "will call you as soon as we have one" in job.files()["replies/T-105.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("plan", ["results", "guidance"])
def test_takeover_works_with_three_tool_nodes(desk: Callable[[str], SampleRun], plan: str) -> None:
    job = desk("answer T-105")
    job.open_review()
    (call,) = job.sandbox.cli_json("take-over", job.run)["head"]["calls"]
    done = {"results": {call["id"]: "they are told by telephone"}} if plan == "results" else {"guidance": "answer T-101"}
    job.sandbox.cli("hand-back", job.run, "--plan", json.dumps(done))
    said = [message["text"] for message in job.result()["messages"]]
    assert any("they are told by telephone" in text if plan == "results" else "took over" in text for text in said)
    assert set(job.files()) == (set() if plan == "results" else {"replies/T-101.txt"})


@pytest.mark.slow
def test_call_sent_back_returns_with_the_edits(desk: Callable[[str], SampleRun]) -> None:
    job = desk("answer T-102")
    left = {"order": "9912", "amount": 380.0, "reason": "arrived   broken, shade missing"}
    job.decide("reject", "--message", "keep 40 EUR for the mounting", "--args", json.dumps(left))
    again = job.open_review()
    assert again["actions"][0]["args"] == {**left, "reason": "arrived broken, shade missing"}
    (version,) = again["versions"]
    assert (version["proposal"]["amount"], version["left"], version["note"]) == (420.0, left, "keep 40 EUR for the mounting")
    assert "sent back by" in job.sandbox.cli("show", again["review"]).stdout
    job.decide("approve")
    job.result()
    assert [line["amount"] for line in job.json_lines("refunds.jsonl")] == [380.0]


@pytest.mark.slow
def test_all_tickets_are_worked_through(desk: Callable[[str], SampleRun]) -> None:
    job = desk("work through the tickets")
    asked = []
    for answer in (
        ["approve"],
        ["approve"],
        ["respond", "--message", "Our insurer will call you today."],
        ["respond", "--message", "It came back to us; we send it again by courier."],
    ):
        asked.append((job.open_review()["kind"], job.open_review()["actions"][0]["name"]))
        job.decide(*answer)
    assert asked == [("tool_gate", "refund"), ("tool_gate", "refund"), ("escalation", "stuck"), ("escalation", "stuck")]
    assert "6 tickets" in job.final_message()
    assert set(job.files()) == {"refunds.jsonl", *(f"replies/T-10{n}.txt" for n in range(1, 7))}
    assert [line["order"] for line in job.json_lines("refunds.jsonl")] == ["9912", "9915"]


@pytest.mark.slow
def test_help_lists_supported_requests(desk: Callable[[str], SampleRun]) -> None:
    assert "work through the tickets" in desk("hello").final_message()
    assert "T-104 | David Osei" in desk("list the tickets").final_message()
