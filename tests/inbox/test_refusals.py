"""What a reviewer's verbs refuse: each with a sentence that names what is wrong, and nothing is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.errors import BadPeople, Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.people import PeopleEditor
from hitl_tui.model import Agent, PauseKind, Person, Risk, RunOptions, Scope
from hitl_tui.policy.loader import HomePeople, Policies
from hitl_tui.store import agents
from tests.support.empty_database import open_store
from tests.ui.homes import seed

pytestmark = pytest.mark.slow

Act = Callable[[Inbox], Awaitable[object]]


@pytest.fixture
async def ann(tmp_path: Path) -> AsyncIterator[Inbox]:
    async with open_store(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        await seed.add_waiting_run(store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))
        people = HomePeople(tmp_path)
        yield Inbox(store, "ann", people=people.current, policies=lambda: Policies(tmp_path, lambda _: None, []))


def launching(agent: str = "mail_assistant", **more: Any) -> Act:
    return lambda ann: ann.runs.launch(agent, **{"text": "mail", **more})


def configured(**config: Any) -> Act:
    return launching(options=RunOptions(config=config))


REFUSED: dict[str, tuple[Act, str]] = {
    "empty thread": (launching(thread=" "), "the thread's id is empty"),
    "thread shared": (launching(thread="t", count=2), "2 runs cannot share the thread t"),
    "empty text": (launching(text=" \n"), "the text is empty"),
    "no text taken": (launching("report_writer"), "report_writer takes no plain text"),
    "input does not fit": (launching("report_writer", text=None, given={"topic": 5, "pages": 1}), "the input does not fit report_writer"),
    "no assistant": (launching(assistant="swift"), "mail_assistant has no assistant swift"),
    "unknown config": (configured(model="x"), "LangGraph's config has no model"),
    "configurable": (configured(configurable=[]), "configurable and metadata are objects"),
    "metadata": (configured(metadata="x"), "configurable and metadata are objects"),
    "steps": (configured(recursion_limit=0), "recursion_limit is not a number of steps"),
    "tags": (configured(tags=["a", 1]), "tags is not a list of texts"),
    "reserved": (configured(configurable={"thread_id": "x"}), "hitl-tui sets thread_id itself"),
    "config is none": (launching(options=RunOptions(config=["x"])), "the config"),
    "assistant of nobody": (lambda ann: ann.agents.save_assistant("mail_asistant", "a", {}, None), "no agent mail_asistant is known"),
    "assistant without a name": (lambda ann: ann.agents.save_assistant("mail_assistant", " ", {}, None), "an assistant needs a name"),
    "empty assistant": (lambda ann: ann.agents.save_assistant("mail_assistant", "a", None, None), "the assistant a holds nothing"),
    "assistant removed": (lambda ann: ann.agents.remove_assistant("mail_assistant", "a"), "mail_assistant has no assistant a"),
    "no checkpoint": (lambda ann: ann.takeovers.head(1), "the state of run r1 is not recorded"),
    "no head": (lambda ann: ann.takeovers.take(1), "run r1 has no checkpoint that could be taken over"),
    "no takeover": (lambda ann: ann.takeovers.discard(7), "there is no takeover 7"),
    "no grant": (lambda ann: ann.grants.get(7), "there is no grant 7"),
    "nothing to revoke": (lambda ann: ann.grants.revoke(7), "there is no grant 7"),
    "no call": (lambda ann: ann.grants.offer(1, 5), "is no tool call"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_request_that_cannot_be_met_is_refused_and_stores_nothing(ann: Inbox, name: str) -> None:
    act, said = REFUSED[name]
    [before] = ann.store.read_now("SELECT count(*), (SELECT count(*) FROM runs), (SELECT count(*) FROM assistants) FROM audit")
    with pytest.raises(Refused) as caught:
        await act(ann)
    assert said in caught.value.happened and caught.value.todo
    assert ann.store.read_now("SELECT count(*), (SELECT count(*) FROM runs), (SELECT count(*) FROM assistants) FROM audit") == [before]


async def test_graph_of_several_projects_is_launched_by_its_agents_name(ann: Inbox) -> None:
    other = await agents.register_project(ann.store, "/srv/other/langgraph.json", "other")
    await agents.replace_agents(ann.store, other, [replace(seed.AGENTS[0], description="another one")], "")
    known: list[Agent] = await agents.list_agents(ann.store)
    (first, second) = [one for one in known if one.graph == "mail_assistant"]
    assert first.name != second.name
    (run,) = await ann.runs.launch(second.name, text="mail")
    assert (run.agent, run.project) == (second.name, second.project)


@pytest.mark.parametrize(
    ("uses", "for_s", "said"),
    [
        (0, 60.0, "0 is no number of calls"),
        (10**9, 60.0, "is no number of calls"),
        (1, 0.0, "no such duration"),
        (1, 1e9, "no such duration"),
    ],
)
async def test_grant_of_no_size_is_refused(ann: Inbox, uses: int, for_s: float, said: str) -> None:
    offer = await ann.grants.offer(1, 0)
    with pytest.raises(Refused, match=said):
        await ann.grants.make(offer, Scope(None, 'args.to == "ann@example.com"', {}), uses, for_s, risk=Risk.REVERSIBLE)
    assert await ann.grants.every() == []


async def test_grant_that_was_revoked_is_not_revoked_again(ann: Inbox) -> None:
    offer = await ann.grants.offer(1, 0)
    made = await ann.grants.make(offer, Scope(offer.facts.digest, "", {}), 1, risk=Risk.REVERSIBLE)
    revoked = await ann.grants.revoke(made.id, "not any more")
    assert revoked.why == "not any more"
    with pytest.raises(Stale, match=f"grant {made.id} was revoked") as caught:
        await ann.grants.revoke(made.id)
    assert caught.value.todo == "not any more"


async def test_grant_on_a_broken_policy_lets_nothing_through(ann: Inbox) -> None:
    (ann.store.path.parent / "policy.toml").write_text("spot_check = 7\n")
    offer = await ann.grants.offer(1, 0)
    with pytest.raises(Refused, match=r"policy\.toml") as caught:
        await ann.grants.make(offer, Scope(offer.facts.digest, "", {}), 1, risk=Risk.REVERSIBLE)
    assert caught.value.todo == "correct or accept the policy first"


async def test_run_that_is_taken_over_is_not_retried(ann: Inbox) -> None:
    run = ann.store.read_now("SELECT run FROM reviews")[0][0]
    await ann.store.write("UPDATE runs SET state = 'failed' WHERE id = ?", (run,))
    await ann.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c1', '[]', '[]')", (run,))
    await ann.takeovers.take(run)
    for who, said in (("ann", "is taken over by you"), ("bob", "is taken over by ann")):
        with pytest.raises(Stale, match=said):
            await Inbox(ann.store, who).runs.retry(run)


async def test_policy_that_changed_since_it_was_read_is_not_accepted(ann: Inbox, tmp_path: Path) -> None:
    file = tmp_path / "project" / "policy.toml"
    file.parent.mkdir()
    file.write_text("spot_check = 0\n")
    with pytest.raises(Stale, match="was changed meanwhile"):
        await ann.policy.accept(file, "0" * 64)
    assert ann.store.read_now("SELECT 1 FROM audit WHERE kind LIKE 'policy%'") == []


async def test_first_person_is_the_reviewer_under_the_name_given(ann: Inbox) -> None:
    home = ann.store.path.parent
    assert await PeopleEditor(ann, home).add(Person("Ann", ("a.meyer",), ("finance",)))
    found = HomePeople(home).current()
    assert [(one.name, one.aliases, one.groups) for one in found.persons] == [("Ann", ("a.meyer",), ("finance",))]
    assert len(found.persons[0].roles) > 2, "who made the file may change it"


@pytest.mark.parametrize(
    ("text", "who", "said"),
    [
        (None, "ann", ("identity: not checked", False)),
        ("[[person]]\n", "ann", ("people.toml has a mistake", True)),
        ('[[person]]\nname = "ann"\n', "ann", ("", False)),
        ('[[person]]\nname = "ann"\n', "bob", ("may only look", True)),
        ('[people]\ntrust_names = true\n[[person]]\nname = "ann"\n', "ann", ("names trusted", True)),
    ],
)
async def test_header_says_how_the_reviewer_is_known(tmp_path: Path, text: str | None, who: str, said: tuple[str, bool]) -> None:
    if text is not None:
        (tmp_path / "people.toml").write_text(text)
    async with open_store(tmp_path / "hitl.db") as store:
        assert Inbox(store, who, people=HomePeople(tmp_path).current).identity() == said
    assert Inbox(store, who).identity() == ("", False), "where nobody asks who people are"


@pytest.mark.parametrize("broken", [b'[[person]]\nname = "\xff"\n', None])
async def test_people_that_cannot_be_read_give_nobody_a_right(tmp_path: Path, broken: bytes | None) -> None:
    file = tmp_path / "people.toml"
    file.mkdir() if broken is None else file.write_bytes(broken)
    found = HomePeople(tmp_path).current()
    assert found.is_checked and found.persons == () and str(file) in found.problem
    async with open_store(tmp_path / "hitl.db") as store:
        with pytest.raises(BadPeople):
            await PeopleEditor(Inbox(store, "ann", people=HomePeople(tmp_path).current), tmp_path).add(Person("ann"))
