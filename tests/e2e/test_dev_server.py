"""What is special about `langgraph dev`, which people start and stop while runs go on."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.model import ReviewState, RunState
from tests.support.harness import ForkServer, Reviewer, Sandbox, approve, edit, open_reviewer, reject, respond, tool_results
from tests.support.servers import DevServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("dev")]
PATIENCE_S = 150.0


def ask(server: DevServer, path: str, body: Any = None) -> Any:
    """Read something from the server, or post `body` to it."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{server.url}{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.load(reply)


@pytest.fixture
async def ann(dev_server: DevServer, tmp_path: Path, fork_server: ForkServer) -> AsyncIterator[Reviewer]:
    """A reviewer of a home of her own, whose worker has listed the server's agents."""
    sandbox = Sandbox(tmp_path, dev_server.url, fork_server)
    sandbox.journal = dev_server.journal
    sandbox.start()
    async with open_reviewer(sandbox) as reviewer:
        reviewer.timeout_s = PATIENCE_S
        await until_agent(reviewer, "batched")
        yield reviewer
    sandbox.kill_workers()


async def until_agent(reviewer: Reviewer, name: str) -> None:
    """Wait until the worker has listed an agent: text is refused for one that is not known yet."""
    until = time.monotonic() + PATIENCE_S
    while not any(agent.name == name and agent.takes_text for agent in await reviewer.inbox.agents.all()):
        assert time.monotonic() < until, reviewer.sandbox.worker_stderr()
        await asyncio.sleep(0.1)


async def test_call_that_a_restart_interrupted_is_asked_again(dev_server: DevServer, ann: Reviewer) -> None:
    """The server begins the run again with the same answer, refuses that as too late, and fails the run."""
    run = await ann.launch("batched", [("slow", {"seconds": 4.0})])
    first = await ann.open_review(run)
    await ann.decide(first, approve())
    await ann.until_effect(run, "slow begins")
    until = time.monotonic() + PATIENCE_S
    while (await asyncio.to_thread(ask, dev_server, f"/threads/{run.thread}/state"))["next"] != ["tools"]:
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    await asyncio.to_thread(dev_server.processes[0].restart)
    await ann.until_applied(first)
    again = await ann.open_review(run)
    assert "may have run once" in again.row.warning and [action.name for action in again.actions] == ["slow"]
    assert [one["did"] for one in ann.effects(run)].count("slow begins") == 1, "nobody has begun it again"
    await ann.decide(again, edit(seconds=0))
    assert tool_results((await ann.wait(run, RunState.DONE)).result)["slow"] == ["slept"]
    assert [one["did"] for one in ann.effects(run)].count("slow begins") == 2
    assert await ann.review_states(run) == ["applied", "applied"]


async def test_run_whose_state_the_server_has_lost_fails_and_says_so(dev_server: DevServer, ann: Reviewer) -> None:
    """A server that is killed may keep a thread's row and have lost its state, which it writes into files of its own."""
    sandbox = ann.sandbox
    begun, decided, waits = [await ann.launch("batched", [("slow", {"seconds": 60.0}), ("send", {"to": "owl"})]) for _ in range(3)]
    reviews = {run.id: await ann.open_review(run) for run in (begun, decided, waits)}
    await ann.decide(reviews[begun.id], approve(), approve())
    await ann.until_effect(begun, "slow begins")
    sandbox.kill_workers()
    await ann.decide(reviews[decided.id], approve(), approve())
    await asyncio.to_thread(dev_server.lose, ".langgraph_checkpoint.*")
    sandbox.start()
    for run, note in ((begun, "may have run once: its checkpoint"), (decided, "its checkpoint")):
        failed = await ann.wait(run, RunState.FAILED)
        assert failed.error == "its checkpoint is gone: the server has lost it, or somebody deleted it there; launch the run again"
        [review] = await ann.inbox.reviews.of_run(run.id)
        assert review.state is ReviewState.FAILED and review.warning.startswith(f"{note} is gone: the server"), review
    assert not ann.effects(decided), "nothing starts over"
    await ann.decide(reviews[waits.id], approve(), approve())
    assert (await ann.wait(waits, RunState.FAILED)).error.startswith("its checkpoint is gone: the server")
    await ann.inbox.runs.retry(waits.id)
    assert (await ann.wait(waits, RunState.FAILED)).error.startswith("its checkpoint is gone: the server")
    assert not ann.effects(waits)


async def test_thread_that_the_server_has_set_back_asks_again_with_a_warning(dev_server: DevServer, ann: Reviewer) -> None:
    run = await ann.launch("twice", given={"text": "x"})
    first = await ann.open_review(run)
    await asyncio.to_thread(dev_server.keep_state)
    await ann.decide(first, respond("one"))
    second = await ann.open_review(run)
    ann.sandbox.kill_workers()
    await asyncio.to_thread(dev_server.set_back)
    await ann.decide(second, respond("two"))
    ann.sandbox.start()
    again = await ann.open_review(run)
    assert again.interrupt == first.interrupt
    assert again.row.note == "may have run once: it was answered before, and the thread's checkpoint is older than that"


async def test_lessons_of_an_assistant_are_those_of_its_graph(dev_server: DevServer, ann: Reviewer) -> None:
    """Its code asks for them by the name in langgraph.json, whatever people call the assistant."""
    name = f"desk {uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(ask, dev_server, "/assistants", {"graph_id": "per_call", "name": name})
    ann.sandbox.kill_workers()
    ann.sandbox.start()  # agents are listed again once a minute
    await until_agent(ann, name)
    reason = f"not on {uuid.uuid4().hex}"
    for _ in range(2):
        run = await ann.launch(name, [("send", {"to": "owl"})])
        await ann.decide(await ann.open_review(run), reject(reason))
        await ann.result_of(run)
    until = time.monotonic() + PATIENCE_S
    while not (found := await ann.inbox.lessons.proposed()):
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    assert found[0].agent == name
    accepted = await ann.inbox.lessons.accept(found[0].id)
    wanted = {"namespace_prefix": ["hitl", "lessons", "per_call"], "limit": 100}
    while accepted.text not in [
        one["value"]["text"] for one in (await asyncio.to_thread(ask, dev_server, "/store/items/search", wanted))["items"]
    ]:
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


async def test_drill_of_a_server_judges_calls_of_its_tools(ann: Reviewer) -> None:
    run = await ann.launch("batched", [("send", {"to": "owl"})])
    await ann.decide(await ann.open_review(run), approve())
    await ann.result_of(run)
    found = ann.sandbox.cli_json("drill", ann.sandbox.target)
    assert found["tools"] == ["batched: send"], "good calls come from the history: this server does not say what its tools take"
    assert found["bad"] == found["stopped"] > 0 and not found["holes"] and "batched: delete" in found["without"]
    (ann.sandbox.home.path / "policy.toml").write_text('[[rule]]\nname = "all"\ntool = "send"\nrisk = "read"\noutcome = "auto"\n')
    found = ann.sandbox.cli_json("drill", ann.sandbox.target)
    assert {(one["agent"], one["tool"], one["by"]) for one in found["holes"]} == {("batched", "send", "all")}
