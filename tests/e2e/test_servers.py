"""Two homes and two processes of one server: races, processes and connections that die, and threads that other programs move."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from hitl_tui.errors import Stale
from hitl_tui.model import Review, ReviewState, Run, RunState
from tests.support.harness import ForkServer, Reviewer, Sandbox, approve, edit, open_reviewer, reject, respond, rounds, tool_results
from tests.support.proxy import CREATES_RUN, FOLLOWS_RUN, Mode, Proxy
from tests.support.servers import ROOT, LangHost, ServerProcess
from tests.support.tiers import is_full

pytestmark = [pytest.mark.slow, pytest.mark.timeout(36_000 if is_full else 600), pytest.mark.xdist_group("langhost")]
PATIENCE_S = 150.0
"""Seconds that a wait may take: a server, its databases and two workers share the machine with other tests."""
ROUNDS = 200 if is_full else 6
AT_ONCE = 6
SENTENCES = {
    Mode.LYING: "it does not answer as a LangGraph server",
    Mode.UNAUTHORISED: "it refuses the key (401)",
    Mode.BROKEN: "it fails (500)",
}
MISBEHAVING = SENTENCES if is_full else {Mode.LYING: SENTENCES[Mode.LYING]}
"""What a server does wrong, and what is said of it. tests/agents/test_server_connection.py has every sentence."""
PEOPLE = (("ann", "bob"), ("cy", "dan"))
"""Reviewers, by home."""


def post(url: str, path: str, body: Any) -> Any:
    """Send a request as another program would."""
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as reply:
        return json.loads(reply.read() or b"null")


def get(url: str, path: str) -> Any:
    """Read something as another program would."""
    with urllib.request.urlopen(f"{url}{path}", timeout=PATIENCE_S) as reply:
        return json.load(reply)


def begin_elsewhere(url: str, agent: str, given: Any) -> str:
    """Begin a thread as another program would; the thread's id."""
    thread = str(post(url, "/threads", {})["thread_id"])
    post(url, f"/threads/{thread}/runs", {"assistant_id": agent, "input": given})
    return thread


def asking(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """The input with which an agent makes these calls."""
    return {"messages": [{"role": "user", "content": rounds(list(calls))}]}


def effects(server: LangHost, thread: str) -> list[dict[str, Any]]:
    """What tools did in a thread."""
    lines = [json.loads(line) for line in server.journal.read_text().splitlines()] if server.journal.exists() else []
    return [line for line in lines if line["thread"] == thread]


class Homes:
    """Makes homes on a server; their workers end with the test."""

    def __init__(self, folder: Path, fork_server: ForkServer, server: LangHost) -> None:
        self._folder = folder
        self._fork_server = fork_server
        self._server = server
        self.made: list[Sandbox] = []

    def new(self, url: str, tag: str = "", start: bool = True) -> Sandbox:
        """A home on the server at `url`, which reviews only threads with that tag in their metadata, if one is given."""
        folder = self._folder / f"home{len(self.made)}"
        folder.mkdir()
        self.made.append(Sandbox(folder, url, self._fork_server))
        self.made[-1].journal = self._server.journal
        if tag:
            self.made[-1].home.config.write_text(f'[servers."{url}"]\nmetadata = {{tag = "{tag}"}}\npoll_s = 0.2\n')
        if start:
            self.made[-1].start()
        return self.made[-1]


@pytest.fixture
def homes(tmp_path: Path, fork_server: ForkServer, langhost: LangHost) -> Iterator[Homes]:
    made = Homes(tmp_path, fork_server, langhost)
    yield made
    for sandbox in made.made:
        sandbox.kill_workers()


@contextlib.asynccontextmanager
async def reviewing(sandbox: Sandbox, name: str = "ann") -> AsyncIterator[Reviewer]:
    """A reviewer of a home whose worker has listed the agents."""
    async with open_reviewer(sandbox, name) as reviewer:
        reviewer.timeout_s = PATIENCE_S
        until = time.monotonic() + PATIENCE_S
        while not any(one.name == "batched" and one.takes_text for one in await reviewer.inbox.agents.all()):
            assert time.monotonic() < until, sandbox.worker_stderr()
            await asyncio.sleep(0.1)
        yield reviewer


async def run_of(reviewer: Reviewer, thread: str) -> Run:
    """Wait until the home has a run of that thread."""
    until = time.monotonic() + PATIENCE_S
    while not (found := [run for run in await reviewer.inbox.runs.newest(1000) if run.thread == thread]):
        assert time.monotonic() < until, f"thread {thread} was never noticed"
        await asyncio.sleep(0.05)
    return found[0]


async def settled(reviewer: Reviewer, review: Review) -> Review:
    """Wait until it is known what became of a decided review."""
    await reviewer.until_applied(review)
    return await reviewer.inbox.reviews.get(review.row.id)


def tagged(url: str, agent: str, given: Any, tag: str) -> str:
    """Begin a thread with a tag as another program would; the thread's id."""
    thread = str(post(url, "/threads", {"metadata": {"tag": tag}})["thread_id"])
    post(url, f"/threads/{thread}/runs", {"assistant_id": agent, "input": given})
    return thread


async def until(happened: Callable[[], bool]) -> None:
    """Wait until something has happened."""
    end = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(happened):
        assert time.monotonic() < end, "it never happened"
        await asyncio.sleep(0.05)


async def until_status(url: str, thread: str, status: str) -> None:
    """Wait until the server calls a thread so."""
    until = time.monotonic() + PATIENCE_S
    while (now := get(url, f"/threads/{thread}")["status"]) != status:
        assert time.monotonic() < until, f"it is {now}"
        await asyncio.sleep(0.1)


# Races


async def test_four_reviewers_on_two_homes_when_they_answer_at_once_have_one_effect(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    sandboxes = [homes.new(process.url, tag) for process in langhost.processes]
    async with contextlib.AsyncExitStack() as stack:
        people = [
            [await stack.enter_async_context(reviewing(sandbox, name)) for name in names]
            for sandbox, names in zip(sandboxes, PEOPLE, strict=True)
        ]

        async def one_round(number: int) -> None:
            thread = tagged(langhost.processes[number % 2].url, "batched", asking(("send", {"to": "nobody"})), tag)
            reviews = [await home[0].open_review(await run_of(home[0], thread)) for home in people]

            async def answer(home: int, person: Reviewer) -> Review | Stale:
                try:
                    await person.decide(reviews[home], edit(to=person.inbox.reviewer))
                except Stale as error:
                    return error
                return await settled(person, reviews[home])

            told = await asyncio.gather(*(answer(place, person) for place, home in enumerate(people) for person in home))
            (effect,) = effects(langhost, thread)
            winner, names = effect["to"], [name for home in PEOPLE for name in home]
            for name, found in zip(names, told, strict=True):
                if name == winner:
                    assert isinstance(found, Review) and found.row.state is ReviewState.APPLIED
                elif isinstance(found, Review):  # somebody of the other home was first
                    assert found.row.state is ReviewState.STALE and winner in found.row.warning, found.row
                else:  # somebody of this home was, whether or not that one won; or it was known already who had
                    assert winner in str(found) or any(f"by {other}" in str(found) for other in names if other != name), str(found)
            for home in people:  # also where all have lost, since their answers changed nothing
                assert f"sent to {winner}" in tool_results(await home[0].result_of(await run_of(home[0], thread)))["send"][0]

        for start in range(0, ROUNDS, AT_ONCE):
            await asyncio.gather(*(one_round(number) for number in range(start, min(start + AT_ONCE, ROUNDS))))


async def test_answer_that_comes_when_the_other_has_run_is_stale(langhost: LangHost, homes: Homes) -> None:
    """The server accepts such an answer and then refuses it, and only who follows the run at that moment is told so.

    Ann's worker dies while it sends her next answer, so that the run that was refused is still her newest.
    """
    tag = uuid.uuid4().hex
    async with Proxy(langhost.processes[0].port).running() as proxy, contextlib.AsyncExitStack() as stack:
        sandbox = homes.new(proxy.url, tag)
        ann = await stack.enter_async_context(reviewing(sandbox))
        bob = await stack.enter_async_context(reviewing(homes.new(langhost.url, tag), "bob"))
        thread = tagged(langhost.url, "twice", {}, tag)
        runs = [await run_of(person, thread) for person in (ann, bob)]
        late, first = [await person.open_review(run) for person, run in zip((ann, bob), runs, strict=True)]
        proxy.holds = CREATES_RUN
        await ann.decide(late, respond("ann's"))
        await until(lambda: proxy.held == 1)
        await bob.decide(first, respond("bob's"))
        await settled(bob, first)
        proxy.holds = FOLLOWS_RUN
        await until(lambda: get(langhost.url, f"/threads/{thread}/runs?limit=1")[0]["status"] == "error")
        proxy.holds = None
        found = await settled(ann, late)
        assert found.row.state is ReviewState.STALE and "bob answered" in found.row.warning, found.row
        second = await ann.open_review(runs[0])
        sandbox.workers[-1].kill()
        dying = sandbox.start(kill_at="submitted")
        await ann.decide(second, respond("ann's second"))
        await asyncio.to_thread(dying.wait, PATIENCE_S)
        sandbox.start()
        assert (await ann.result_of(runs[0]))["answer"] == ["bob's", "ann's second"]
        assert await ann.review_states(runs[0]) == ["stale", "applied"]
        assert [one["first"] for one in effects(langhost, thread) if one["did"] == "between"] == ["bob's"] * 2


async def test_answer_that_was_never_sent_is_stale_if_another_was(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    sandbox = homes.new(langhost.url, tag)
    async with reviewing(sandbox) as ann, reviewing(homes.new(langhost.processes[1].url, tag), "bob") as bob:
        thread = tagged(langhost.url, "batched", asking(("send", {"to": "nobody"})), tag)
        runs = [await run_of(person, thread) for person in (ann, bob)]
        late, first = [await person.open_review(run) for person, run in zip((ann, bob), runs, strict=True)]
        sandbox.workers[-1].kill()
        dying = sandbox.start(kill_at="submitted")
        await ann.decide(late, edit(to="ann"))
        await asyncio.to_thread(dying.wait, PATIENCE_S)
        await bob.decide(first, edit(to="bob"))
        await bob.result_of(runs[1])
        sandbox.start()
        found = await settled(ann, late)
        assert found.row.state is ReviewState.STALE and "bob answered" in found.row.warning, found.row
        assert "sent to bob" in tool_results(await ann.result_of(runs[0]))["send"][0]


async def test_gate_that_two_homes_pass_at_once_is_passed_once(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    async with contextlib.AsyncExitStack() as stack:
        people = [await stack.enter_async_context(reviewing(homes.new(process.url, tag))) for process in langhost.processes]

        async def one_round(number: int) -> None:
            thread = tagged(langhost.url, "gate_every", {"text": "hi"}, tag)
            reviews = [await person.open_review(await run_of(person, thread)) for person in people]
            assert {review.node for review in reviews} == {"draft"}
            await asyncio.gather(*(person.decide(review, approve()) for person, review in zip(people, reviews, strict=True)))
            states = [(await settled(person, review)).row.state for person, review in zip(people, reviews, strict=True)]
            assert sorted(states) == ["applied", "stale"]
            assert [one["did"] for one in effects(langhost, thread)] == ["draft"], "the next gate was not passed with it"

        await asyncio.gather(*map(one_round, range(20 if is_full else 2)))


# Other programs


async def test_question_that_another_program_answers_is_stale_here(langhost: LangHost, homes: Homes) -> None:
    async with reviewing(homes.new(langhost.url)) as ann:
        run = await ann.launch("anything", given={"value": "go on?"})
        review = await ann.open_review(run)
        post(langhost.url, f"/threads/{run.thread}/runs", {"assistant_id": "anything", "command": {"resume": "theirs"}})
        until = time.monotonic() + PATIENCE_S
        while (now := await ann.inbox.reviews.get(review.row.id)).row.state is ReviewState.OPEN:
            assert time.monotonic() < until
            await asyncio.sleep(0.1)
        assert now.row.state is ReviewState.STALE
        assert (await ann.result_of(run))["answer"] == "theirs"


async def test_thread_of_another_program_is_reviewed_unless_it_is_filtered(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    async with reviewing(homes.new(langhost.url, tag)) as ann:
        other = begin_elsewhere(langhost.url, "batched", asking(("send", {"to": "other"})))
        thread = tagged(langhost.url, "batched", asking(("send", {"to": "bob"})), tag)
        run = await run_of(ann, thread)
        review = await ann.open_review(run)
        assert (review.actions[0].name, review.actions[0].args) == ("send", {"to": "bob"})
        await ann.decide(review, approve())
        assert await ann.result_of(run)
        assert [one["to"] for one in effects(langhost, thread)] == ["bob"]
        assert other not in {one.thread for one in await ann.inbox.runs.newest(1000)}


async def test_copied_thread_is_reviewed_apart_although_its_question_has_the_same_id(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    async with reviewing(homes.new(langhost.url, tag)) as ann:
        thread = tagged(langhost.url, "batched", asking(("send", {"to": "bob"})), tag)
        first = await ann.open_review(await run_of(ann, thread))
        copy = str(post(langhost.url, f"/threads/{thread}/copy", {})["thread_id"])
        second = await ann.open_review(await run_of(ann, copy))
        assert first.interrupt == second.interrupt
        await ann.decide(second, reject("not this one"))
        await settled(ann, second)
        await ann.decide(first, approve())
        await settled(ann, first)
        assert (len(effects(langhost, thread)), len(effects(langhost, copy))) == (1, 0)


async def test_failed_thread_of_another_program_that_still_asks_is_reviewed(langhost: LangHost, homes: Homes) -> None:
    tag = uuid.uuid4().hex
    thread = tagged(langhost.url, "form", {"value": "bool"}, tag)
    await until_status(langhost.url, thread, "interrupted")
    post(langhost.url, f"/threads/{thread}/runs", {"assistant_id": "form", "command": {"resume": "no boolean"}})
    await until_status(langhost.url, thread, "error")
    async with reviewing(homes.new(langhost.url, tag)) as ann:
        run = await run_of(ann, thread)
        await ann.decide(await ann.open_review(run), respond(value=True))
        assert (await ann.result_of(run))["answer"] is True


async def test_own_thread_that_is_called_idle_still_waits(langhost: LangHost, homes: Homes) -> None:
    """As the server calls one where another program's answer was taken back."""
    async with reviewing(homes.new(langhost.url)) as ann:
        run = await ann.launch("anything", given={"value": "go on?"})
        review = await ann.open_review(run)
        theirs = {"assistant_id": "anything", "command": {"resume": "theirs"}, "after_seconds": 600}
        taken_back = post(langhost.url, f"/threads/{run.thread}/runs", theirs)["run_id"]
        post(langhost.url, f"/threads/{run.thread}/runs/{taken_back}/cancel?wait=true&action=rollback", {})
        await until_status(langhost.url, run.thread, "idle")
        await ann.decide(review, respond("ours"))
        assert (await ann.result_of(run))["answer"] == "ours"


async def test_assistant_that_people_made_is_an_agent_with_its_settings(langhost: LangHost, homes: Homes) -> None:
    name = f"ship {uuid.uuid4().hex[:8]}"
    post(langhost.url, "/assistants", {"graph_id": "settings", "name": name, "config": {"configurable": {"carrier": "ship"}}})
    sandbox = homes.new(langhost.url, start=False)
    sandbox.home.config.write_text(f'[servers."{langhost.url}"]\nassistants = ["{name}", "batched"]\n')
    sandbox.start()
    async with reviewing(sandbox) as ann:
        assert sorted(one.name for one in await ann.inbox.agents.all()) == ["batched", name]
        run = await ann.launch(name, given={"value": "go on?"})
        await ann.decide(await ann.open_review(run), respond("yes"))
        assert (await ann.result_of(run))["answer"][0] == "ship"


# What dies


async def test_cut_connection_after_the_answer_was_sent_sends_it_once(langhost: LangHost, homes: Homes) -> None:
    async with Proxy(langhost.processes[0].port).running() as proxy, reviewing(homes.new(proxy.url)) as ann:
        for number in range(80 if is_full else 2):
            run = await ann.launch("batched", [("send", {"to": f"p{number}"})])
            review = await ann.open_review(run)
            proxy.cuts, before = 1, proxy.cut
            await ann.decide(review, approve())
            await ann.result_of(run)
            assert proxy.cut == before + 1, "the reply was lost"
            assert [one["to"] for one in effects(langhost, run.thread)] == [f"p{number}"]
            assert await ann.review_states(run) == ["applied"]


@pytest.mark.parametrize("moment", ["submitted", "resumed", "interrupted", "applied"] if is_full else ["submitted", "resumed"])
async def test_worker_killed_while_it_resumes_loses_and_doubles_nothing(langhost: LangHost, homes: Homes, moment: str) -> None:
    sandbox = homes.new(langhost.url, start=False)
    worker = sandbox.start()
    async with reviewing(sandbox) as ann:
        for _ in range(20 if is_full else 1):
            run = await ann.launch("batched", [("send", {"to": "bob"})])
            review = await ann.open_review(run)
            worker.kill()
            dying = sandbox.start(kill_at=moment)
            await ann.decide(review, approve())
            await asyncio.to_thread(dying.wait, PATIENCE_S)
            worker = sandbox.start()
            while (now := await ann.wait(run, RunState.DONE, RunState.WAITING)).state is not RunState.DONE:
                for again in [row for row in await ann.inbox.reviews.of_run(run.id) if row.state is ReviewState.OPEN]:
                    assert effects(langhost, run.thread) == [], "asked again only because nothing ran"
                    await ann.decide(await ann.inbox.reviews.get(again.id), approve())
                await asyncio.sleep(0.05)
            assert now.result
            assert len(effects(langhost, run.thread)) == 1


async def test_call_whose_run_another_program_rolled_back_is_asked_again(langhost: LangHost, homes: Homes) -> None:
    """The server has no row of a run that it rolled back, as if the answer had never been sent."""
    sandbox = homes.new(langhost.url)
    async with reviewing(sandbox) as ann:
        run = await ann.launch("batched", [("slow", {"seconds": 5.0})])
        await ann.decide(await ann.open_review(run), approve())
        await ann.until_effect(run, "slow begins")
        end = time.monotonic() + PATIENCE_S
        while not any(event.kind == "start" and event.node == "tools" for event in await ann.inbox.runs.trace(run.id)):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        sandbox.kill_workers()
        theirs = f"/threads/{run.thread}/runs"
        sent = get(langhost.url, f"{theirs}?limit=1")[0]["run_id"]
        post(langhost.url, f"{theirs}/{sent}/cancel?wait=true&action=rollback", {})
        await until(lambda: sent not in {one["run_id"] for one in get(langhost.url, theirs)})
        sandbox.start()
        assert await until_done_once_more(ann, run) == 1


async def test_server_process_killed_while_runs_go_on_loses_nothing(langhost: LangHost, homes: Homes) -> None:
    victim = langhost.processes[1]
    async with Proxy(victim.port).running() as proxy, reviewing(homes.new(proxy.url)) as ann:
        runs = [await ann.launch("batched", [("slow", {"seconds": 1.0})]) for _ in range(40 if is_full else 3)]
        for run in runs:
            await ann.decide(await ann.open_review(run), approve())
        await ann.until_effect(runs[0], "slow begins")
        victim.kill()
        proxy.drop()
        try:
            await until_out(ann, proxy.url)
            proxy.upstream = langhost.processes[0].port
            await asyncio.gather(*(until_done_once_more(ann, run) for run in runs))
            assert await ann.inbox.agents.outages([proxy.url]) == []
        finally:
            victim.start()
            await asyncio.to_thread(victim.until_ready)


async def until_done_once_more(ann: Reviewer, run: Run) -> int:
    """Wait until a run of `slow` is done whose server process may have died. Returns how often it was asked whether to repeat the call.

    Where the call's step was not stored yet, the server itself does it again. Else nobody does it again unseen: that is asked.
    """
    asked, end = 0, time.monotonic() + 2 * PATIENCE_S
    while (now := await ann.wait(run, RunState.DONE, RunState.WAITING)).state is not RunState.DONE:
        for row in [row for row in await ann.inbox.reviews.of_run(run.id) if row.state is ReviewState.OPEN]:
            review = await ann.inbox.reviews.get(row.id)
            assert "may have run once" in review.row.warning, review.row
            assert [one["did"] for one in ann.effects(run)].count("slow begins") == asked + 1
            await ann.decide(review, edit(seconds=0))
            asked += 1
        assert time.monotonic() < end, "it waits, and asks nothing"
        await asyncio.sleep(0.05)
    did = [one["did"] for one in ann.effects(run)]
    assert "slow ends" in did and did.count("slow begins") <= 2, did
    assert tool_results(now.result)["slow"] == ["slept"]
    return asked


async def test_call_that_a_dead_server_process_had_begun_is_asked_again(langhost: LangHost, homes: Homes) -> None:
    """The server gives the same answer again to what is not asked any more, and fails the run."""
    victim = langhost.processes[1]
    async with Proxy(victim.port).running() as proxy, reviewing(homes.new(proxy.url)) as ann:
        run = await until_begun_by(victim, ann)
        victim.kill()
        proxy.drop()
        try:
            await until_out(ann, proxy.url)
            proxy.upstream = langhost.processes[0].port
            assert await until_done_once_more(ann, run) == 1
        finally:
            victim.start()
            await asyncio.to_thread(victim.until_ready)


async def until_begun_by(process: ServerProcess, ann: Reviewer) -> Run:
    """Launch and approve calls until one is begun by a process of the server and the step before it is stored."""
    while True:
        run = await ann.launch("batched", [("slow", {"seconds": 30.0})])
        await ann.decide(await ann.open_review(run), approve())
        begun = await ann.until_effect(run, "slow begins")
        await until(lambda: get(process.url, f"/threads/{run.thread}/state")["next"] == ["tools"])  # noqa: B023
        if os.getpgid(begun["pid"]) == process.group:
            return run


def test_server_of_a_test_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, signal
from tests.support.servers import ServerProcess
process = ServerProcess(["sh", "-c", "echo $$; exec sleep 1000"], pathlib.Path({str(tmp_path)!r}), os.environ, 1)
process.start()
while not process.log.read_text():
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT)
    server = int((tmp_path / "server-1.log").read_text())
    until = time.monotonic() + PATIENCE_S
    while psutil.pid_exists(server):
        assert time.monotonic() < until
        time.sleep(0.05)


# Servers that misbehave


async def test_server_that_misbehaves_gives_a_sentence_and_stalls_nobody(langhost: LangHost, homes: Homes) -> None:
    """Two servers in one home, one of them behind a proxy that breaks what it says."""
    async with Proxy(langhost.processes[0].port).running() as proxy:
        sandbox = homes.new(langhost.processes[1].url)
        sandbox.workers.append(
            homes._fork_server.fork(["worker", "--home", str(sandbox.home.path), "--", proxy.url], sandbox.env, sandbox.folder, "other")
        )
        async with reviewing(sandbox) as ann:
            for url in (proxy.url, sandbox.target):  # each has a worker of its own
                while not await ann.inbox.agents.of_target(url):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            [other] = {one.project for one in await ann.inbox.agents.of_target(sandbox.target)}

            async def works() -> None:
                """The other server's runs go on."""
                run = await ann.launch("anything", given={"value": "?"}, project=other)
                await ann.decide(await ann.open_review(run), respond("fine"))
                await ann.result_of(run)

            async def until_said(sentence: str) -> None:
                until = time.monotonic() + PATIENCE_S
                while not any(sentence in why for _, why, _ in await ann.inbox.agents.outages([proxy.url])):
                    assert time.monotonic() < until, (sentence, await ann.inbox.agents.outages([proxy.url]))
                    await asyncio.sleep(0.1)

            for mode, sentence in MISBEHAVING.items():
                proxy.mode = mode
                proxy.drop()
                await asyncio.gather(until_said(sentence), works())
                proxy.mode = Mode.PASS
                await until_back(ann, proxy.url)
            await proxy.close()
            await asyncio.gather(until_said("nothing answers there"), works())
            await proxy.open()
            await until_back(ann, proxy.url)
            proxy.mode, proxy.delay_s = Mode.SLOW, 2.5
            homes.new(proxy.url)
            async with open_reviewer(homes.made[-1]) as other_home:
                until = time.monotonic() + PATIENCE_S
                while not any(
                    "s to answer, so what waits there comes late" in said for _, said in await other_home.inbox.agents.warnings()
                ):
                    assert time.monotonic() < until
                    await asyncio.sleep(0.2)
            await works()


async def until_out(ann: Reviewer, url: str) -> None:
    """Wait until it is known that a server cannot be used."""
    end = time.monotonic() + PATIENCE_S
    while not await ann.inbox.agents.outages([url]):
        assert time.monotonic() < end, "nobody noticed"
        await asyncio.sleep(0.1)


async def until_back(ann: Reviewer, url: str) -> None:
    """Wait until a server can be used again."""
    until = time.monotonic() + PATIENCE_S
    while await ann.inbox.agents.outages([url]):
        assert time.monotonic() < until, await ann.inbox.agents.outages([url])
        await asyncio.sleep(0.1)
