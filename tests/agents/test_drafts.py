"""Sending calls of real agents back for revision: what the agent reads, and which earlier calls are versions of a call."""

from __future__ import annotations

import pytest

from hitl_tui.errors import Refused
from hitl_tui.model import Answer, DecisionKind
from tests.support.harness import Reviewer, approve, reject, tool_results

LEFT = {"to": "bob@example.com"}


def back(note: str = "shorter", **left: object) -> Answer:
    """Return an answer that sends a call back for revision."""
    return Answer(DecisionKind.REJECT, args=left or LEFT, message=note)


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["batched", "per_call", "react"])
async def test_revise_passes_note_and_edited_arguments_to_the_agent(pauses: Reviewer, agent: str) -> None:
    run = await pauses.launch(agent, [("send", {"to": "bob"})])
    await pauses.decide(await pauses.open_review(run), back())
    (told,) = tool_results(await pauses.result_of(run))["send"]
    assert told.endswith('shorter\n\nThe arguments as the reviewer left them: {"to": "bob@example.com"}')
    assert pauses.effects(run) == []


async def test_revise_without_edits_does_not_repeat_the_arguments(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("send", {"to": "bob"})])
    await pauses.decide(await pauses.open_review(run), back(to="bob"))
    (told,) = tool_results(await pauses.result_of(run))["send"]
    assert "as the reviewer left them" not in told


@pytest.mark.slow
async def test_versions_list_the_calls_sent_back_since_another_decision(pauses: Reviewer) -> None:
    send = ("send", {"to": "bob"})
    run = await pauses.launch("batched", [send, ("delete", {"path": "p"})], [send], [send], [send])
    first = await pauses.open_review(run)
    assert await pauses.inbox.reviews.versions(first.row.id) == []
    await pauses.decide(first, back("a"), reject("no"))
    second = await pauses.open_review(run)
    (version,) = await pauses.inbox.reviews.versions(second.row.id)
    assert (version.review, version.slot, version.name) == (first.row.id, 0, "send")
    assert (version.proposal, version.left, version.note, version.actor) == ({"to": "bob"}, LEFT, "a", "ann")
    await pauses.decide(second, back("b", to="zoe"))
    third = await pauses.open_review(run)
    assert [version.note for version in await pauses.inbox.reviews.versions(third.row.id)] == ["a", "b"]
    assert (await pauses.inbox.reviews.get(second.row.id)).row.decided == "sent back by ann"
    await pauses.decide(third, approve())
    fourth = await pauses.open_review(run)
    assert await pauses.inbox.reviews.versions(fourth.row.id) == []
    await pauses.decide(fourth, reject("enough"))
    assert (await pauses.inbox.reviews.get(fourth.row.id)).row.decided == "rejected by ann"


@pytest.mark.slow
async def test_revise_when_the_graph_reads_no_reason_is_refused(pauses: Reviewer) -> None:
    run = await pauses.launch("gate_before", given={})
    with pytest.raises(Refused, match="cannot be revised"):
        await pauses.decide(await pauses.open_review(run), back())
