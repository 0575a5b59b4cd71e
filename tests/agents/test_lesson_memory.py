"""How lessons reach agents: real workers, graphs with their own stores, and a sample agent that learns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.tools import tool
from langgraph.store.base import BaseStore
from langgraph.store.memory import InMemoryStore
from langgraph.store.sqlite.aio import AsyncSqliteStore

from hitl_tui.agents.memory import key_of, problem_of, write_lessons
from hitl_tui.model import Lesson, LessonState
from hitl_tui.model.lessons import lessons_namespace
from hitl_tui.patterns import alessons, lessons, tool_lessons
from hitl_tui.store import Store
from tests.support.harness import TIMEOUT_S, Reviewer, Sandbox, SandboxFactory, approve, edit, open_reviewer
from tests.support.sample_run import SAMPLES

REQUEST = "send a mail to bob@example.com saying hello, the lamps are ready"
PS = "\n\nP.S. We are closed on Mondays."
TAUGHT = "What reviewers have taught:\n- "


async def proposes(ann: Reviewer, request: str = REQUEST) -> Any:
    run = await ann.launch("mail_assistant", text=request)
    return await ann.open_review(run)


async def until(holds: Callable[[], Any]) -> None:
    end = time.monotonic() + TIMEOUT_S
    while not await holds():
        assert time.monotonic() < end, "it never came to that"
        await asyncio.sleep(0.05)


async def in_memory(sandbox: Sandbox, agent: str) -> list[Any]:
    """Return the lessons in the console's long-term store for an agent."""
    async with AsyncSqliteStore.from_conn_string(str(sandbox.home.memory)) as store:
        return [item.value for item in await store.asearch(lessons_namespace(agent))]


@pytest.mark.slow
async def test_accepted_lesson_makes_the_next_correction_unnecessary(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox(SAMPLES)
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        plain: Any = None
        for _ in range(2):
            review = await proposes(ann)
            plain = review.actions[0].args
            await ann.decide(review, edit(**{**plain, "body": plain["body"] + PS}))
            await ann.result_of(await ann.inbox.runs.get(review.row.run))
        (lesson,) = await ann.inbox.lessons.find([LessonState.PROPOSED])
        assert lesson.text.startswith('When you call send_mail, add "\\n\\nP.S. We are closed on Mondays." at the end of `body`.')
        assert (await proposes(ann)).actions[0].args == plain  # it is not accepted yet

        accepted = await ann.inbox.lessons.accept(lesson.id)
        review = await proposes(ann)
        assert review.actions[0].args == {**plain, "body": plain["body"] + PS}
        assert (
            "Following the lessons of my reviewers, I changed `body` of send_mail."
            in (await ann.inbox.reviews.context(review.row.id)).reasoning
        )
        assert await in_memory(sandbox, "mail_assistant") == [
            {"text": lesson.text, "tool": "send_mail", "topic": "edit:body", "accepted_at": accepted.decided_at}
        ]
        await ann.decide(review, approve())
        await ann.result_of(await ann.inbox.runs.get(review.row.run))
        found = await ann.inbox.lessons.effects(accepted)
        assert found and (found[0].edited, found[1].approved, found[1].edited) == (2, 1, 0)

        await ann.inbox.lessons.edit(lesson.id, 'When you call send_mail, add "\\n\\nBye." at the end of `body`.')
        assert (await proposes(ann)).actions[0].args["body"] == plain["body"] + "\n\nBye."
        await ann.inbox.lessons.drop(lesson.id)
        assert (await proposes(ann)).actions[0].args == plain
        assert await in_memory(sandbox, "mail_assistant") == []


async def made(store: Store, agent: str, tool: str, text: str) -> int:
    """Add a lesson worded by rules, and return its id."""
    topic = f"reject:{text}"
    rows = await store.write_rows(
        "INSERT INTO lessons (agent, tool, topic, gist, text, made_at, changed_at) VALUES (?, ?, ?, ?, ?, 1, 1) RETURNING id",
        (agent, tool, topic, text, text),
    )
    return int(rows[0][0])


async def test_lessons_reach_every_kind_of_store_and_a_failing_one_stops_no_run(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("lessons")
    sandbox.env["HITL_MODEL"] = "xai:offline"
    async with open_reviewer(sandbox) as ann:
        desk = ann.inbox.lessons
        for agent in ("own_store", "made_anew", "no_store", "bad_store"):
            for tool in ("send", "post"):
                await desk.accept(await made(ann.store, agent, tool, f"Sign {tool}."))
        sandbox.start()
        await ann.until_workers(1)
        whole = f"{TAUGHT}Sign send.\n- Sign post."
        for agent in ("own_store", "made_anew", "no_store"):
            told = await ann.result_of(await ann.launch(agent, given={"agent": agent}))
            assert (told["said"], told["of_send"]) == (whole, f"{TAUGHT}Sign send."), agent
            assert (await ann.result_of(await ann.launch(agent, given={"agent": "nobody"})))["said"] == ""
        dropped = next(one for one in await desk.find() if (one.agent, one.tool) == ("own_store", "post"))
        await desk.drop(dropped.id)
        assert (await ann.result_of(await ann.launch("own_store", given={"agent": "own_store"})))["said"] == f"{TAUGHT}Sign send."

        run = await ann.launch("bad_store", given={"agent": "bad_store"})
        assert (await ann.result_of(run))["said"] == "went on"
        trace = await ann.inbox.runs.trace(run.id)
        assert any("did not take the lessons" in str(event.body) and "the store's server is gone" in str(event.body) for event in trace)
        assert "the store's server is gone" in sandbox.home.run_log(run.id).read_text()


async def test_lessons_are_worded_by_a_configured_model(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("lessons")
    sandbox.env["HITL_MODEL"] = "xai:offline"
    async with open_reviewer(sandbox) as ann:
        good = await made(ann.store, "no_store", "send", 'When you call send, add " Kim" at the end of `text`.')
        bad = [await made(ann.store, "no_store", "send", f"When you call send, be {how}.") for how in ("loud", "down")]
        other = await made(ann.store, "somebody_elses", "send", "When you call send, sign.")
        mine = await made(ann.store, "no_store", "send", "I sign.")
        await ann.inbox.lessons.accept(mine)
        sandbox.start()

        async def asked() -> bool:
            rows = await ann.store.all("SELECT asked FROM lessons WHERE id IN (?, ?)", bad)
            return all(row[0] for row in rows)

        await until(asked)
        desk = ann.inbox.lessons
        now = await desk.get(good)
        assert (now.text, now.wording) == ('Always end the `text` of a mail with " Kim".', "xai:offline")
        assert [(await desk.get(one)).wording for one in (*bad, other, mine)] == ["rules"] * 4
        assert "cannot be used: they are marked up; the plain words stay" in sandbox.worker_stderr()
        assert "no route to host" in sandbox.worker_stderr()
        assert (await desk.accept(good, now.text)).wording == "xai:offline"


PLAIN = 'When you call send_mail, put "b@x" into `cc`.'


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ('Always put "b@x" into `cc` of send_mail, please.', ""),
        (" ", "there are none"),
        (f"{PLAIN} {'Really. ' * 80}", "too long"),
        (f"{PLAIN}\u202e", "cannot be seen"),
        (f"**{PLAIN}**", "marked up"),
        (f"{PLAIN}\n- and more", "marked up"),
        (f"1. {PLAIN}", "marked up"),
        (f"_Please_: {PLAIN}", "marked up"),
        ('Put "b@y" into `cc`.', '"b@x" is not in them'),
    ],
)
def test_lesson_wording_by_a_model_is_checked(said: str, problem: str) -> None:
    found = problem_of(said, PLAIN)
    assert problem in found if problem else not found


async def test_lessons_sync_keeps_foreign_entries_of_a_shared_store() -> None:
    store = InMemoryStore()
    lesson = Lesson(1, "mail.bot", "send", "edit:cc", PLAIN, "rules", (1, 2), LessonState.ACCEPTED, 1.0, "ann", 2.0)
    await store.aput(lessons_namespace("mail.bot"), "theirs", {"text": "Be\nkind.", "tool": "post", "accepted_at": 1.0})
    await store.aput(lessons_namespace("mail.bot2"), "x", {"text": "Be rude."})
    written = []
    for _ in range(2):
        await write_lessons(store, "mail.bot", [lesson])
        item = await store.aget(lessons_namespace("mail.bot"), key_of(lesson))
        written.append(item and item.updated_at)
        assert await alessons(store, "mail.bot") == lessons(store, "mail.bot") == f"{TAUGHT}Be kind.\n- {PLAIN}"
    assert written[0] == written[1]
    assert await alessons(store, "mail.bot", "send") == f"{TAUGHT}{PLAIN}"
    dropped = Lesson(1, "mail.bot", "send", "edit:cc", PLAIN, "rules", (1, 2), LessonState.DROPPED, 1.0, "ann", 2.0)
    await write_lessons(store, "mail.bot", [dropped])
    assert lessons(store, "mail.bot") == f"{TAUGHT}Be kind."
    await write_lessons(store, "mail.bot", [dropped], exclusive=True)
    assert (lessons(store, "mail.bot"), lessons(None, "mail.bot")) == ("", "")
    nothing: BaseStore | None = None
    assert await alessons(nothing, "mail.bot") == ""


def test_lessons_about_a_tool_stand_in_its_description() -> None:
    @tool
    def post(text: str) -> str:
        """Post a text."""
        return text

    @tool
    def read(id: str) -> str:
        """Read a text."""
        return id

    memory = InMemoryStore()
    memory.put(lessons_namespace("mail.bot"), "one", {"text": "Sign\nit.", "tool": "post", "accepted_at": 1.0})
    found = tool_lessons(memory, "mail.bot", [post, read])
    assert [one.description for one in found] == [f"Post a text.\n\n{TAUGHT}Sign it.", "Read a text."]
    assert post.description == "Post a text." and found[0].invoke({"text": "x"}) == "x"
    assert tool_lessons(None, "mail.bot", [post]) == [post]
