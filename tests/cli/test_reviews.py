"""Commands on reviews, ratings and assistants: what they print and refuse, on homes made of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import Outcome, PauseKind, Routed, Verdict
from hitl_tui.store import Store
from tests.cli.commands import Commands
from tests.support.attention_checks import add_attention_check
from tests.ui.homes import seed

pytestmark = pytest.mark.slow


@pytest.fixture
def hitl(tmp_path: Path) -> Commands:
    """Commands on an empty home."""
    return Commands(tmp_path)


def ask(hitl: Commands, calls: int = 1, **verdict: Any) -> None:
    """Add a review of mails."""
    asked = seed.pause(PauseKind.TOOL_CALLS, *(seed.mail(slot=slot) for slot in range(calls)))
    judged = Routed(dict.fromkeys(range(calls), Verdict(Outcome.ASK, "mail", "rule 'mail' says ask", **verdict)))
    hitl.rows(lambda store, project: seed.add_waiting_run(store, project, "desk", asked, judge=lambda _: judged))


def test_blind_answers_say_what_is_still_missing(hitl: Commands) -> None:
    ask(hitl, reviewers=2, blind=True)
    assert hitl("decide", "1", "approve", "--reviewer", "ann") == (
        "review 1 has 1 of 2 answers, by ann; another person answers without seeing it\n"
    )
    assert "answered by ann: hidden until another person has answered" in hitl("show", "1", "--reviewer", "bob")
    told = hitl("decide", "1", "reject", "--message", "no", "--reviewer", "bob")
    assert told.endswith("; the answers differ, and the next one decides\n")
    assert "the two answers differ" in hitl("show", "1", "--reviewer", "bob")
    assert "is rejected" in hitl("decide", "1", "reject", "--reviewer", "cleo")


def test_second_person_is_asked_for_the_same_answer(hitl: Commands) -> None:
    ask(hitl, calls=2, reviewers=2)
    told = hitl("decide", "1#1", "approve", "--reviewer", "ann")
    assert "another person must approve the same; still undecided: 1#2\n" in told


def test_grace_time_of_more_than_a_day_is_refused(hitl: Commands) -> None:
    ask(hitl)
    assert "25h is too long to hold a decision back; at most a day" in hitl("decide", "1", "approve", "--grace", "25h", code=1)
    assert [one["state"] for one in json.loads(hitl("queue", "--json"))] == ["open"]


def test_claim_where_claims_are_off_says_that_nothing_is_claimed(hitl: Commands) -> None:
    ask(hitl)
    hitl.home.config.write_text("claim_s = 0\n")
    assert "review 1 is not claimed, because claim_s is 0 in config.toml" in hitl("claim", "1", "--reviewer", "ann")
    assert "approved" in hitl("decide", "1", "approve", "--reviewer", "bob"), "nobody else is kept from it"


@pytest.mark.parametrize("does", [("decide", "reject"), ("decide", "approve"), ("escalate", "")])
def test_attention_check_is_told_when_it_is_over(hitl: Commands, does: tuple[str, str]) -> None:
    async def add(store: Store, project: int) -> str:
        return str((await add_attention_check(store, project)).row.id)

    review = hitl.rows(add)
    verb, decision = does
    told = hitl(verb, review, *([decision] if decision else ["--to", "bob"]), "--reviewer", "ann")
    assert "attention check" in told and ("missed" in told) == (decision == "approve"), told
    assert json.loads(hitl("show", review, "--json"))["attention_check"]["caught"] is (decision != "approve")


def test_ratings_of_runs_and_decisions_are_printed_and_withdrawn(hitl: Commands) -> None:
    ask(hitl, calls=2)
    assert "call 1#1 has no decision yet that could be rated" in hitl("rate", "up", "1", code=1)
    for call in ("1#1", "1#2"):
        hitl("decide", call, "approve", "--reviewer", "ann")
    both = json.loads(hitl("rate", "up", "1", "--tag", "tone,length", "--json", "--reviewer", "ann"))
    assert [(one["review"], one["slot"], one["rating"], one["tags"]) for one in both] == [
        ("1", 0, "up", ["tone", "length"]),
        ("1", 1, "up", ["tone", "length"]),
    ]
    assert "a withdrawn rating has no comment" in hitl("rate", "none", "1", "--comment", "x", code=1)
    assert "your rating of 1 is withdrawn" in hitl("rate", "none", "1", "--reviewer", "ann")
    assert "you have not rated this" in hitl("rate", "none", "1", "--reviewer", "ann", code=1)
    assert "rated r1: thumbs down" in hitl("rate", "down", "r1", "--comment", "the wrong day")


def test_assistants_are_listed_and_removed(hitl: Commands) -> None:
    hitl.rows(lambda store, project: seed.add_mail_tool(store))
    hitl("assistants", "save", "mail_assistant", "formal", "--config", '{"tags": ["formal"]}', "--reviewer", "ann")
    (one,) = json.loads(hitl("assistants", "--json"))
    assert (one["agent"], one["assistant"], one["context"], one["config"], one["by"]) == (
        "mail_assistant", "formal", None, {"tags": ["formal"]}, "ann",
    )  # fmt: skip
    assert hitl("assistants", "remove", "mail_assistant", "formal") == "assistant formal of mail_assistant is removed\n"
    assert "no assistants yet" in hitl("assistants")
    assert "formal" in hitl("assistants", "remove", "mail_assistant", "formal", code=1)
