"""A graph whose file changes between question and decision: an answer is sent only if the new code asks the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hitl_tui.model import RunState
from tests.support.harness import PROJECTS, Reviewer, SandboxFactory, approve, open_reviewer, respond

GRAPH = """
import sys
sys.path.append("{folder}")
from diary import note
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import interrupt


def ask(state):
    note("asks", question={question!r})
    answer = interrupt({question!r})
    note("answered", question={question!r}, answer=answer)


def rest(state):
    note("rests")


graph = StateGraph(MessagesState)
graph.add_node("ask", ask)
graph.add_node("rest", rest)
graph.add_edge(START, "ask")
graph.add_edge("ask", "rest")
graph = graph.compile({options})
"""


class Author:
    """An agent's file that tests edit while the agent waits."""

    def __init__(self, file: Path, make: SandboxFactory) -> None:
        self.file = file
        self.write("pay 10?")
        self.place = make(f"{file}:graph")

    def write(self, question: str, more: str = "", options: str = "") -> None:
        """Write a graph that asks this question."""
        self.file.write_text(GRAPH.format(folder=PROJECTS / "pauses", question=question, options=options) + more)

    def restart(self) -> None:
        """Restart the worker, which loads the current file."""
        self.place.kill_workers()
        self.place.start()


@pytest.fixture
async def author(tmp_path: Path, new_sandbox: SandboxFactory) -> Author:
    return Author(tmp_path / "payer.py", new_sandbox)


@pytest.fixture
async def reviewer(author: Author) -> AsyncIterator[Reviewer]:
    author.place.start()
    async with open_reviewer(author.place) as found:
        yield found


async def test_answer_when_the_question_changed_with_the_code_is_not_given(author: Author, reviewer: Reviewer) -> None:
    run = await reviewer.launch("graph", text="go")
    review = await reviewer.open_review(run)
    author.write("pay 10000?")
    author.restart()
    await reviewer.decide(review, respond("yes"))
    again = await reviewer.open_review(run)
    assert (again.value, again.row.id != review.row.id) == ("pay 10000?", True)
    stale = await reviewer.inbox.reviews.get(review.row.id)
    assert (stale.row.state, stale.row.note) == ("stale", "what would run is no longer what was shown")
    assert "answered" not in [d["did"] for d in reviewer.effects(run)]
    await reviewer.decide(again, respond("no"))
    await reviewer.result_of(run)
    assert [d for d in reviewer.effects(run) if d["did"] == "answered"] == [{"did": "answered", "question": "pay 10000?", "answer": "no"}]


async def test_answer_when_the_code_changed_but_not_the_question_is_given(author: Author, reviewer: Reviewer) -> None:
    run = await reviewer.launch("graph", text="go")
    review = await reviewer.open_review(run)
    author.write("pay 10?", more="# a remark\n")
    author.restart()
    await reviewer.decide(review, respond("yes"))
    await reviewer.result_of(run)
    assert await reviewer.review_states(run) == ["applied"]
    assert [d["answer"] for d in reviewer.effects(run) if d["did"] == "answered"] == ["yes"]


async def test_restart_without_a_code_change_asks_nothing_again(author: Author, reviewer: Reviewer) -> None:
    run = await reviewer.launch("graph", text="go")
    review = await reviewer.open_review(run)
    author.restart()
    await reviewer.decide(review, respond("yes"))
    await reviewer.result_of(run)
    assert [d["did"] for d in reviewer.effects(run)] == ["asks", "asks", "answered", "rests"], "as often as LangGraph itself runs it"


async def test_gate_when_the_code_changed_is_not_passed(author: Author, reviewer: Reviewer) -> None:
    author.write("pay 10?", options='interrupt_before=["rest"]')
    author.restart()
    run = await reviewer.launch("graph", text="go")
    await reviewer.decide(await reviewer.open_review(run), respond("yes"))
    gate = await reviewer.open_review(run)
    author.write("pay 10?", more="# a remark\n", options='interrupt_before=["rest"]')
    author.restart()
    await reviewer.wait(run, RunState.WAITING)
    assert "rests" not in [d["did"] for d in reviewer.effects(run)]
    await reviewer.decide(gate, approve())
    await reviewer.result_of(run)
    assert [d["did"] for d in reviewer.effects(run)].count("rests") == 1


async def test_edited_code_is_noticed_until_it_is_as_it_was_loaded(author: Author, reviewer: Reviewer) -> None:
    await reviewer.open_review(await reviewer.launch("graph", text="go"))
    (worker,) = await reviewer.inbox.agents.workers()
    assert not worker.code_changed
    author.write("pay 10000?")
    await until_code_changed(reviewer, True)
    author.write("pay 10?")
    await until_code_changed(reviewer, False)


async def until_code_changed(reviewer: Reviewer, changed: bool) -> None:
    """Wait until the worker says whether its code was edited since it was loaded."""
    for _ in range(600):
        if any(worker.code_changed for worker in await reviewer.inbox.agents.workers()) == changed:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never {'noticed' if changed else 'as loaded again'}")
