"""Links of notifications: what they show, what they decide, and all that they refuse; over real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from hitl_tui.errors import BadPolicy
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import EVERYBODY, Action, Outcome, Pause, PauseKind, People, Person, Review, Risk, Role, Routed, Verdict, digest_of
from hitl_tui.notify import answer_links
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.store import Store
from hitl_tui.web.access import Access, loopback_origins, networks
from hitl_tui.web.answers import AnswerPages
from hitl_tui.web.server import ConsoleServer
from tests.support.empty_database import open_store
from tests.ui.homes import seed

HOSTILE = {"path": "<script>alert(1)</script>\n</pre><form>", "days": 3}


@dataclass
class Site:
    """A running server with links."""

    home: Home
    store: Store
    project: int
    url: str
    client: aiohttp.ClientSession

    async def ask(self, args: Mapping[str, Any] = HOSTILE, risk: str = "reversible", **more: Any) -> Review:
        """Open a review with one call."""
        verdict = Verdict(Outcome.ASK, "moves", "rule 'moves' says ask", **{"risk": risk, **more})
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.action("move", dict(args), risk=risk))

        def judge(_: Pause) -> Routed:
            return Routed({0: verdict})

        id_ = await seed.add_waiting_run(self.store, self.project, "desk", pause, judge=judge)
        return await Inbox(self.store, "x").reviews.get(id_)

    async def ask_several(self, *calls: Action, **more: Any) -> Review:
        """Open a review with several calls, each judged by the risk that it states."""
        verdicts = {one.slot: Verdict(Outcome.ASK, "moves", "rule 'moves' says ask", Risk(one.risk), **more) for one in calls if one.risk}
        pause = seed.pause(PauseKind.TOOL_CALLS, *calls)
        id_ = await seed.add_waiting_run(self.store, self.project, "desk", pause, judge=lambda _: Routed(verdicts))
        return await Inbox(self.store, "x").reviews.get(id_)

    def link(self, review: Review, person: str = "ann", for_s: float = 60.0) -> str:
        """The token of a link; empty if there is none."""
        return answer_links.make(self.home, person, review, for_s).partition("#")[2]

    async def post(self, path: str, origin: str = "", **form: str) -> tuple[int, str]:
        headers = {"Origin": origin or self.url}
        async with self.client.post(f"{self.url}{path}", data=form, headers=headers) as done:
            return done.status, await done.text()

    async def state(self, review: Review) -> str:
        return str((await self.store.one("SELECT state FROM reviews WHERE id = ?", (review.row.id,)))[0])


@contextlib.asynccontextmanager
async def site(folder: Path, people: People = EVERYBODY, header: str = "") -> AsyncIterator[Site]:
    home = Home(folder).prepare()
    home.web.mkdir(exist_ok=True)
    access = Access(home, frozenset(), header, networks(["127.0.0.1"]) if header else ())
    async with open_store(home.database) as store:
        server = ConsoleServer(access, lambda person: ["false"], answers=AnswerPages(store, home, lambda: people))
        async with server.serving("127.0.0.1", 0) as port, aiohttp.ClientSession() as client:
            access.origins, url = loopback_origins(port), f"http://127.0.0.1:{port}"
            home.web_address.write_text(url)
            yield Site(home, store, await seed.add_project(store), url, client)


async def test_a_link_shows_the_whole_call_and_decides_it_once_by_a_post(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask()
        token = at.link(review)
        for path in ("/answer", f"/answer?token={token}", "/answer/decide"):  # what looks at links of messages fetches them
            async with at.client.get(f"{at.url}{path}") as got:
                assert (got.status in (200, 405)) and "move" not in await got.text()
        assert await at.state(review) == "open"
        status, page = await at.post("/answer", token=token)
        assert status == 200 and "&lt;script&gt;alert(1)" in page and "<script>alert" not in page and "</pre><form>" not in page
        assert "for ann" in page and "&quot;days&quot;: 3" in page and review.actions[0].digest in page
        assert await at.state(review) == "open", "looking decides nothing"
        form = {"token": token, "digest": review.actions[0].digest, "decision": "reject", "reason": "not on a Friday"}
        assert (await at.post("/answer/decide", origin="http://evil.example", **form))[0] == 403
        assert (await at.post("/answer/decide", **{**form, "digest": "0" * 64}))[0] == 403
        assert (await at.post("/answer/decide", **{**form, "decision": "edit"}))[0] == 403
        assert await at.state(review) == "open"
        status, told = await at.post("/answer/decide", **form)
        assert status == 200 and f"Review {review.row.id} is rejected by ann." in told
        (row,) = await at.store.all("SELECT actor, kind, message, identified FROM decisions")
        assert tuple(row) == ("ann", "reject", "not on a Friday", "pinned")
        status, told = await at.post("/answer/decide", **form)
        assert status == 403 and "this link was used" in told
        assert not list(at.home.web.glob("used-*"))


def call(path: str, slot: int, name: str = "move", risk: str = "reversible", **more: Any) -> Action:
    return seed.action(name, {"path": path}, slot, risk=risk, **more)


async def test_a_link_decides_the_calls_of_a_review_one_by_one_and_leaves_others_to_the_console(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask_several(call("a", 0), call("b", 1, "erase", "irreversible"), call("c", 2))
        token, (first, second, third) = at.link(review), (one.digest for one in review.actions)
        _, page = await at.post("/answer", token=token)
        assert "desk asks about 3 calls" in page and "Approve call 1" in page and "Approve call 3" in page
        assert "Approve call 2" not in page and "Not decided here: its risk is irreversible." in page
        form = {"token": token, "decision": "approve"}
        for bad in ({"call": "2", "digest": second}, {"call": "1", "digest": third}, {"call": "4", "digest": first}, {"digest": first}):
            assert (await at.post("/answer/decide", **form, **bad))[0] == 403
        status, page = await at.post("/answer/decide", **form, call="1", digest=first)
        assert status == 200 and f"Call 1 of review {review.row.id} is approved by ann." in page
        assert "Not decided here: it is decided." in page and "Approve call 1" not in page and "Approve call 3" in page
        status, told = await at.post("/answer/decide", **form, call="1", digest=first)
        assert status == 403 and "it is decided" in told
        status, told = await at.post("/answer/decide", **{**form, "decision": "reject"}, call="3", digest=third)
        assert status == 200 and f"Call 3 of review {review.row.id} is rejected by ann." in told and "<form" not in told
        assert (await at.post("/answer", token=token))[0] == 403 and not list(at.home.web.glob("*answer*"))
        rows = await at.store.all("SELECT slot, kind FROM decisions ORDER BY slot")
        assert ([tuple(row) for row in rows], await at.state(review)) == ([(0, "approve"), (2, "reject")], "open")


@pytest.mark.slow
async def test_calls_with_one_id_get_one_answer_by_a_link(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask_several(call("a", 0, tool_call="t1"), call("b", 1, tool_call="t1"))
        token = at.link(review)
        _, page = await at.post("/answer", token=token)
        assert "Approve calls 1 and 2" in page and "share one id" in page and page.count("<form") == 1
        form = {"token": token, "decision": "approve", "call": "1", "digest": review.actions[0].digest}
        status, told = await at.post("/answer/decide", **form)
        assert status == 200 and f"Calls 1 and 2 of review {review.row.id} are approved by ann." in told
        assert await at.state(review) == "decided"
        odd = await at.ask_several(call("a", 0, tool_call="t1"), call("b", 1, risk="irreversible", tool_call="t1"))
        assert at.link(odd) == "" and answer_links.obstacle(odd, odd.actions[0]) == "its risk is irreversible"


@pytest.mark.slow
async def test_a_call_that_waits_for_another_person_is_not_offered_again(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask_several(call("a", 0), call("b", 1), reviewers=2)
        token = at.link(review)
        form = {"token": token, "decision": "approve", "call": "2", "digest": review.actions[1].digest}
        status, page = await at.post("/answer/decide", **form)
        assert status == 200 and f"Your answer to call 2 of review {review.row.id} is stored; another person must answer too." in page
        assert "you have answered it, and it waits for another person" in page and page.count("<form") == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"risk": "irreversible"}, "its risk is irreversible"),
        ({"risk": None}, "its risk is unknown"),
        ({"outcome": Outcome.TAKEOVER}, "it is for a human takeover"),
        ({"signed": True}, "it must be signed"),
        ({"args": {"path": "p\u200bay"}}, "cannot be seen"),
    ],
)
async def test_no_link_is_made_for_calls_that_need_the_console(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    async with site(tmp_path) as at:
        changes = {"args": {"path": "b"}, **changes}
        outcome = changes.pop("outcome", Outcome.ASK)
        review = await at.ask(**changes)
        if outcome is not Outcome.ASK:
            await at.store.db.execute("UPDATE actions SET outcome = ?", (outcome,))
            await at.store.db.commit()
            review = await Inbox(at.store, "x").reviews.get(review.row.id)
        assert at.link(review) == ""
        assert why in answer_links.obstacle(review, review.actions[0])


@pytest.mark.slow
async def test_a_link_that_was_made_before_something_changed_is_refused(tmp_path: Path) -> None:
    ann = Person("ann", roles=(Role.EXPORT,))
    async with site(tmp_path, People((ann,), is_checked=True)) as at:
        review = await at.ask({"path": "b"})
        token = at.link(review)
        form = {"token": token, "digest": review.actions[0].digest, "decision": "approve"}
        status, told = await at.post("/answer/decide", **form)
        assert status == 403 and "ann may not" in told
        await at.store.db.execute("UPDATE actions SET risk = 'irreversible'")
        await at.store.db.commit()
        status, told = await at.post("/answer", token=token)
        assert status == 403 and "its risk is irreversible" in told
        old = at.link(await at.ask({"path": "c"}), for_s=-1)
        status, told = await at.post("/answer", token=old)
        assert status == 403 and "its time is over" in told
        answer_links.forget_old(at.home)
        assert len(list(at.home.web.glob("answer-*"))) == 1


@pytest.mark.slow
async def test_a_refused_answer_leaves_the_link_valid_and_two_at_once_decide_once(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask({"path": "b"})
        token = at.link(review)
        form = {"token": token, "digest": review.actions[0].digest, "decision": "approve"}
        bob = Inbox(at.store, "bob")
        await bob.reviews.claim(review.row.id)
        status, told = await at.post("/answer/decide", **form)
        assert status == 403 and "take it with a reason" in told
        await bob.reviews.release(review.row.id)
        both = await asyncio.gather(*(at.post("/answer/decide", **form) for _ in range(5)))
        assert sorted(status for status, _ in both) == [200, 403, 403, 403, 403]
        assert (await at.store.one("SELECT count(*) FROM decisions"))[0] == 1


@pytest.mark.slow
async def test_a_link_shows_what_the_agent_says_and_why_a_person_is_asked(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        verdict = Verdict(Outcome.ASK, "moves", "rule 'moves' says <ask>", Risk.REVERSIBLE)
        pause = seed.pause(PauseKind.TOOL_CALLS, seed.action("move", {"path": "b"}, risk="reversible"), context=seed.mail_context())
        id_ = await seed.add_waiting_run(at.store, at.project, "desk", pause, judge=lambda _: Routed({0: verdict}))
        review = await Inbox(at.store, "x").reviews.get(id_)
        _, page = await at.post("/answer", token=at.link(review))
        assert "Why it asks: rule &#x27;moves&#x27; says &lt;ask&gt;" in page
        assert "What the agent says" in page and "Ann asked twice for the receipt of invoice 4711" in page
        assert "What it was asked for last" in page and "Answer everything from Ann today." in page


@pytest.mark.slow
async def test_a_link_of_calls_that_have_changed_decides_nothing(tmp_path: Path) -> None:
    async with site(tmp_path) as at:
        review = await at.ask({"path": "b"})
        token = at.link(review)
        await at.store.db.execute("UPDATE actions SET args = '{}', digest = ?", (digest_of("move", {}),))
        await at.store.db.commit()
        form = {"token": token, "digest": review.actions[0].digest, "decision": "approve"}
        for path in ("/answer", "/answer/decide"):
            status, told = await at.post(path, **form)
            assert status == 403 and "is no longer what this link is about; open the console" in told, told
        assert await at.state(review) == "open"


@pytest.mark.slow
async def test_a_link_of_somebody_else_is_refused_where_a_proxy_names_people(tmp_path: Path) -> None:
    async with site(tmp_path, header="X-User") as at:
        review = await at.ask({"path": "b"})
        form = {"token": at.link(review), "digest": review.actions[0].digest, "decision": "approve"}
        at.client.headers["X-User"] = "bob"
        for path in ("/answer", "/answer/decide"):
            status, told = await at.post(path, **form)
            assert status == 403 and "this link is another person&#x27;s" in told, told
        at.client.headers["X-User"] = "ANN"
        assert (await at.post("/answer/decide", **form))[0] == 200


OFFICE = People((Person("ann", ("a.meyer",), ("finance",)), Person("bob", groups=("finance",)), Person("carl")), is_checked=True)


@pytest.mark.slow
async def test_several_links_of_one_person_are_one_person(tmp_path: Path) -> None:
    async with site(tmp_path, OFFICE) as at:
        review = await at.ask({"path": "b"}, reviewers=2)
        form = {"digest": review.actions[0].digest, "decision": "approve"}
        tokens = [at.link(review, name) for name in ("ann", "a.meyer", "ANN", "bob")]
        answered = [await at.post("/answer/decide", token=token, **form) for token in tokens[:3]]
        assert [status for status, _ in answered] == [200, 403, 403]
        assert await at.state(review) == "open"
        assert (await at.post("/answer/decide", token=tokens[3], **form))[0] == 200
        assert await at.state(review) == "decided"


@pytest.mark.slow
async def test_link_gives_nobody_a_right_that_they_do_not_have(tmp_path: Path) -> None:
    async with site(tmp_path, OFFICE) as at:
        review = await at.ask({"path": "b"}, to="finance")
        for name, why in (("carl", "only finance"), ("mallory", "may only look"), ("b\u043eb", "mixes letters")):
            token = at.link(review, name)
            status, told = await at.post("/answer/decide", token=token, digest=review.actions[0].digest, decision="approve")
            assert (name, status) == (name, 403) and why in told, told
        assert await at.state(review) == "open"


def test_links_are_off_by_default_and_last_a_day_at_most() -> None:
    assert parse("").notify.links == ""
    notify = parse('[notify]\nlinks = "ann"\nlinks_for = "1h"\n').notify
    assert (notify.links, notify.links_for_s) == ("ann", 3600)
    with pytest.raises(BadPolicy):
        parse('[notify]\nlinks = "ann"\nlinks_for = "2d"\n')
    _, problems = parse_with_problems('[notify]\nlinks = "ann"\n', in_home=False)
    assert "[notify] links has no effect in a project's policy.toml" in [one.text for one in problems]
