"""Grants: made from a call, used up, ended by time, by a person or by a rejection; the log has all of it."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import (
    EVERYBODY,
    Action,
    Answer,
    Context,
    DecisionKind,
    Grant,
    Message,
    Outcome,
    Pause,
    PauseKind,
    People,
    Person,
    Review,
    Risk,
    Role,
    Routed,
    RunOptions,
    Scope,
    Subject,
)
from hitl_tui.policy.grants import GrantIndex
from hitl_tui.policy.loader import Policies
from hitl_tui.policy.parser import parse
from hitl_tui.policy.replay import Replay, reads_context
from hitl_tui.store import Store, audit, grants, history, reconcile, runs, submissions
from hitl_tui.store.usable_grants import UsableGrants
from hitl_tui.worker.policy_router import route
from tests.ui.homes import seed

SAID = Context(
    (
        Message("user", "Archive ann@example.com's newsletters, 42 of them."),
        Message("tool", "m-1001 newsletter, m-1002 invoice, from eve@evil.org", name="list_mail"),
    )
)


class GrantHome:
    """A run whose calls are judged by a policy and the grants of the home."""

    def __init__(self, store: Store, run: int, people: People = EVERYBODY) -> None:
        self.store, self.run, self.people = store, run, people
        home = store.path.parent
        self.inbox = Inbox(store, "ann", people=lambda: self.people, policies=lambda: Policies(home, lambda _: None, []))
        self._file = home / "policy.toml"
        self.use("spot_check = 0")
        self._pauses = list[Pause]()

    def use(self, text: str) -> None:
        """Put a policy in force; an empty text is none."""
        self.policy = parse(text) if text else None
        self._file.unlink(missing_ok=True)
        if text:
            self._file.write_text(text)

    async def propose(self, *calls: Action, **more: Any) -> Review:
        """Open a pause with these calls, beside those that are open."""
        pause = seed.pause(PauseKind.TOOL_CALLS, *calls, interrupt=f"i{len(self._pauses)}", context=SAID, **more)
        self._pauses.append(pause)
        run = await self.inbox.runs.get(self.run)

        def judge(pause: Pause) -> Routed:
            live = grants.live(self.store, "desk", self.run, self.people)
            return route(self.policy, run, pause, 0.0, {}, GrantIndex(live))

        await reconcile.reconcile(self.store, self.run, "desk", "w", self._pauses, {}, judge=judge)
        (row,) = await self.store.all("SELECT max(id) FROM reviews")
        return await self.inbox.reviews.get(row[0])

    async def grant(self, review: Review, scope: Scope, uses: int | None = None, slot: int = 0, **more: Any) -> Grant:
        return await self.inbox.grants.make(await self.inbox.grants.offer(review.row.id, slot), scope, uses, **more)

    async def log(self) -> list[str]:
        found = await self.store.all("SELECT kind FROM audit WHERE kind LIKE 'grant%' ORDER BY seq")
        return [kind for (kind,) in found]

    async def replayed(self, since: float = 0.0) -> Replay:
        """Replay the policy in force."""
        found, granted = Replay(), await UsableGrants(self.store).as_they_were(since, self.people)
        async for batch in history.decided_since(self.store, since, functools.partial(reads_context, self.policy, granted)):
            found.add(batch, self.policy, {}, granted)
        return found

    async def decide(self, review: Review, kind: DecisionKind) -> None:
        await self.inbox.reviews.decide(await self.inbox.reviews.get(review.row.id), {0: Answer(kind)})

    def verified(self) -> str:
        return audit.verify(self.store.path).problem


@pytest.fixture
async def grant_home(tmp_path: Path) -> AsyncIterator[GrantHome]:
    async with Store.open(tmp_path / "hitl.db") as store:
        project = await seed.add_project(store)
        (run,) = await runs.insert(
            store, [runs.NewRun(project, "desk", "t", "mail", {"text": "x"})], RunOptions(limits=("count(send) <= 3",))
        )
        await store.db.execute("UPDATE runs SET worker = 'w', state = 'running' WHERE id = ?", (run,))
        yield GrantHome(store, run)


def archive(folder: str = "letters", **more: Any) -> Action:
    return seed.action("archive", {"folder": folder, **more}, risk="reversible")


def told(review: Review, slot: int = 0) -> tuple[Outcome | None, str, str]:
    """Outcome, rule and who decided."""
    action, made = review.actions[slot], review.decisions.get(slot)
    return action.outcome, action.rule, made.actor if made else ""


async def test_grant_lets_calls_through_until_it_is_used_up(grant_home: GrantHome) -> None:
    asked = await grant_home.propose(archive())
    assert told(asked) == (Outcome.ASK, "thresholds", "")
    made = await grant_home.grant(asked, Scope(condition='args.folder == "letters"'), 2)
    for _ in range(2):
        review = await grant_home.propose(archive())
        assert told(review) == (Outcome.AUTO, "grant", f"grant:{made.id}")
        assert review.decisions[0].actor_kind == "grant" and review.actions[0].grant == made.id
    assert told(await grant_home.propose(archive())) == (Outcome.ASK, "thresholds", "")
    assert told(await grant_home.propose(archive("bills"))) == (Outcome.ASK, "thresholds", "")
    assert (await grant_home.inbox.grants.get(made.id)).state(0.0) == "used up"
    assert [use.review for use in await grant_home.inbox.grants.used_by(made.id)] == [asked.row.id + 2, asked.row.id + 1]
    assert await grant_home.log() == ["granted", "grant_used_up"]
    assert grant_home.verified() == ""


async def test_calls_of_one_pause_share_the_uses_of_a_grant(grant_home: GrantHome) -> None:
    await grant_home.grant(await grant_home.propose(archive()), Scope(condition='args.folder == "letters"'), 1)
    calls = [seed.action("archive", {"folder": "letters"}, slot, risk="reversible") for slot in range(2)]
    review = await grant_home.propose(*calls)
    assert [told(review, slot)[0] for slot in range(2)] == [Outcome.AUTO, Outcome.ASK]
    assert review.actions[1].grant is None and grant_home.verified() == ""


async def test_replay_judges_by_the_grants_that_were_in_force_then(grant_home: GrantHome) -> None:
    before = await grant_home.propose(archive(id="m-1001"))  # before there was a grant
    made = await grant_home.grant(before, Scope(condition='args.folder == "letters"', sources={"id": "list_mail"}), 2)
    for _ in range(2):
        await grant_home.propose(archive(id="m-1002"))
    used_up = await grant_home.propose(archive(id="m-1001"))
    for review, kind in ((before, DecisionKind.APPROVE), (used_up, DecisionKind.REJECT)):
        await grant_home.decide(review, kind)
    found = await grant_home.replayed()
    assert (found.actions, found.same, found.by_grant, found.let_through) == (4, 4, 2, {})
    ended = await grant_home.grant(used_up, Scope(condition='args.folder == "letters" and args.id == "m-1001"'))
    await grant_home.propose(archive(id="m-1001"))
    await grant_home.inbox.grants.revoke(ended.id)
    await grant_home.decide(await grant_home.propose(archive(id="m-1001")), DecisionKind.APPROVE)  # after it was revoked
    found = await grant_home.replayed()
    assert (found.actions, found.same, found.by_grant) == (6, 6, 3)
    first = (await grant_home.inbox.reviews.get(before.row.id)).decisions[0].at
    assert (await grant_home.replayed(first)).same == (await grant_home.replayed(first)).actions, "uses that were taken before count"
    grant_home.people = People((Person("ann", roles=(Role.DECIDE,)),), is_checked=True)
    found = await grant_home.replayed()
    assert (found.actions - found.same, found.by_grant) == (3, 0), "whoever made them may not make grants any more"
    assert {turn.would for turn in found.differences} == {Outcome.ASK} and made.id == 1


@pytest.mark.slow
async def test_replay_keeps_to_the_limits_and_tags_of_each_run(grant_home: GrantHome) -> None:
    call = seed.action("send", {"to": "ann@example.com"}, risk="reversible")
    for kind in (DecisionKind.APPROVE, DecisionKind.REJECT, DecisionKind.APPROVE, DecisionKind.APPROVE, DecisionKind.REJECT):
        await grant_home.decide(await grant_home.propose(call), kind)
    grant_home.policy = parse('[[rule]]\nname = "sending"\ntool = "send"\noutcome = "auto"\n')
    found = await grant_home.replayed()
    told = {(turn.was, turn.would, turn.rule): one.count for turn, one in found.differences.items()}
    assert told == {("approved", Outcome.AUTO, "sending"): 2, ("rejected", Outcome.AUTO, "sending"): 1}
    assert found.actions == 5, "the last two are outside count(send) <= 3"
    grant_home.policy = parse('[[rule]]\nname = "sending"\ntool = "send"\ntags = ["trusted"]\noutcome = "auto"\n')
    assert (await grant_home.replayed()).same == 5


@pytest.mark.slow
async def test_without_a_policy_the_stated_risk_counts(grant_home: GrantHome) -> None:
    grant_home.use("")
    call = seed.action("move", {"folder": "letters"})
    asked = await grant_home.propose(call)
    with pytest.raises(Refused, match="nobody has said what the tool can do at worst"):
        await grant_home.grant(asked, Scope(condition='args.folder == "letters"'))
    with pytest.raises(Refused, match="it is irreversible, and only a grant for exactly this call"):
        await grant_home.grant(asked, Scope(condition='args.folder == "letters"'), risk=Risk.IRREVERSIBLE)
    made = await grant_home.grant(asked, Scope(condition='args.folder == "letters"'), risk=Risk.REVERSIBLE)
    let = [told(await grant_home.propose(call)) for _ in range(15)]
    assert (Outcome.AUTO, "grant", f"grant:{made.id}") in let
    assert (Outcome.ASK, "grant", "") in let or len(set(let)) == 1  # those that were picked for a spot check
    assert grant_home.verified() == ""


@pytest.mark.slow
async def test_irreversible_call_runs_by_a_grant_for_exactly_it_and_once(grant_home: GrantHome) -> None:
    call = seed.action("send", {"to": "ann@example.com"}, risk="irreversible")
    asked = await grant_home.propose(call)
    with pytest.raises(Refused):
        await grant_home.grant(asked, Scope(condition='args.to == "ann@example.com"'))
    with pytest.raises(Refused):
        await grant_home.grant(asked, Scope(digest=call.digest), 2)
    made = await grant_home.grant(asked, Scope(digest=call.digest))
    assert made.uses == 1
    assert told(await grant_home.propose(call))[0] is Outcome.AUTO
    assert told(await grant_home.propose(call))[0] is Outcome.ASK


@pytest.mark.slow
async def test_value_from_a_tool_asks_unless_the_scope_pins_it_or_names_the_tool(grant_home: GrantHome) -> None:
    asked = await grant_home.propose(archive(id="m-1001"))
    with pytest.raises(Refused, match="id comes from a result of list_mail"):
        await grant_home.grant(asked, Scope())
    await grant_home.grant(asked, Scope(condition='args.id == "m-1001"'), 1)
    assert told(await grant_home.propose(archive(id="m-1002")))[0] is Outcome.ASK
    assert told(await grant_home.propose(archive(id="m-1001")))[0] is Outcome.AUTO
    await grant_home.grant(asked, Scope(sources={"id": "list_*"}), 1)
    assert told(await grant_home.propose(archive(id="m-1002")))[0] is Outcome.AUTO


@pytest.mark.slow
async def test_what_is_suspicious_or_outside_the_limits_asks_in_spite_of_a_grant(grant_home: GrantHome) -> None:
    call = seed.action("send", {"to": "ann@example.com"}, risk="reversible")
    await grant_home.grant(await grant_home.propose(call), Scope(), 20)
    odd = await grant_home.propose(seed.action("send", {"to": "ann@example.com\u200b"}, risk="reversible"))
    assert told(odd)[:2] == (Outcome.ASK, "safety") and odd.actions[0].grant is None
    cut = await grant_home.propose(call, caution="the model was cut off")
    assert told(cut)[:2] == (Outcome.ASK, "safety")
    last = await grant_home.propose(call)
    assert told(last)[:2] == (Outcome.ASK, "limits") and last.actions[0].reason.startswith("outside what was asked for")
    assert grant_home.verified() == ""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["reject", "rate"])
async def test_rejection_or_thumbs_down_revokes_the_grant_at_once(grant_home: GrantHome, how: str) -> None:
    made = await grant_home.grant(await grant_home.propose(archive()), Scope(condition='args.folder == "letters"'))
    if how == "rate":
        let = await grant_home.propose(archive())
        await grant_home.inbox.feedback.rate(Subject(grant_home.run, let.row.id, 0), -1)
    else:
        grant_home.use("spot_check = 1")
        picked = await grant_home.propose(archive())
        assert told(picked) == (Outcome.ASK, "grant", "") and picked.actions[0].spot_check
        await grant_home.inbox.reviews.decide(picked, {0: Answer(DecisionKind.REJECT, message="no")})
    found = await grant_home.inbox.grants.get(made.id)
    assert found.state(0.0) == "revoked" and "ann" in found.why and found.revoked_by == ""
    assert told(await grant_home.propose(archive()))[0] is Outcome.ASK
    assert await grant_home.log() == ["granted", "grant_revoked"] and grant_home.verified() == ""


async def test_call_of_a_revoked_grant_is_asked_again_before_it_is_sent(grant_home: GrantHome) -> None:
    made = await grant_home.grant(await grant_home.propose(archive()), Scope(condition='args.folder == "letters"'))
    let = await grant_home.propose(archive())
    await grant_home.store.db.execute("UPDATE runs SET state = 'waiting', worker = NULL")
    ready = submissions.ready(grant_home.store, 1, ["desk"], [])
    assert ready and [one.review for one in ready[1]] == [let.row.id]
    await grant_home.inbox.grants.revoke(made.id, "enough")
    assert await submissions.submit(grant_home.store, "w", ready[1]) == set()
    again = await grant_home.inbox.reviews.get(let.row.id)
    assert again.row.state == "open" and "grant for" in again.row.note and "has ended" in again.row.note
    assert grant_home.verified() == ""


@pytest.mark.slow
async def test_grant_counts_only_while_its_maker_may_make_grants(grant_home: GrantHome) -> None:
    def people(*roles: str) -> People:
        return People((Person("ann", roles=("decide", *roles)),), is_checked=True)  # type: ignore[arg-type]

    asked = await grant_home.propose(archive())
    grant_home.people = people()
    with pytest.raises(Refused, match="ann may not make grants"):
        await grant_home.grant(asked, Scope(condition='args.folder == "letters"'))
    grant_home.people = people("grant")
    await grant_home.grant(asked, Scope(condition='args.folder == "letters"'))
    assert told(await grant_home.propose(archive()))[0] is Outcome.AUTO
    grant_home.people = people()
    assert told(await grant_home.propose(archive()))[0] is Outcome.ASK


@pytest.mark.slow
async def test_grant_that_is_over_lets_nothing_through_and_is_logged(grant_home: GrantHome) -> None:
    made = await grant_home.grant(await grant_home.propose(archive()), Scope(condition='args.folder == "letters"'), for_s=60)
    assert not await grants.log_expired(grant_home.store)
    await grant_home.store.db.execute("UPDATE grants SET expires_at = expires_at - 100")
    assert told(await grant_home.propose(archive()))[0] is Outcome.ASK
    assert await grants.log_expired(grant_home.store) and not await grants.log_expired(grant_home.store)
    assert (await grant_home.inbox.grants.get(made.id)).state(0.0) == "expired"
    assert await grant_home.log() == ["granted", "grant_expired"] and grant_home.verified() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE grants SET uses = 900", "UPDATE grants SET scope = ''", "UPDATE grants SET expires_at = expires_at + 1e6",
        "UPDATE grants SET revoked_at = NULL, revoked_by = NULL, why = ''", "UPDATE grants SET taken = 0", "DELETE FROM grants",
        "UPDATE actions SET grant_id = NULL",
    ],
)  # fmt: skip
async def test_changed_grant_is_found_by_verify(grant_home: GrantHome, change: str) -> None:
    made = await grant_home.grant(await grant_home.propose(archive()), Scope(condition='args.folder == "letters"'))
    await grant_home.propose(archive())
    await grant_home.inbox.grants.revoke(made.id, "enough")
    assert grant_home.verified() == ""
    with contextlib.closing(sqlite3.connect(grant_home.store.path)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute(change)
        db.commit()
    assert grant_home.verified() != ""


@pytest.mark.slow
async def test_rule_is_lifted_only_if_it_says_so(grant_home: GrantHome) -> None:
    rule = '[[rule]]\nname = "filing"\ntool = "archive"\noutcome = "ask"\n'
    grant_home.use("spot_check = 0\n" + rule)
    asked = await grant_home.propose(archive())
    with pytest.raises(Refused, match="rule 'filing' has no grants = true"):
        await grant_home.grant(asked, Scope(condition='args.folder == "letters"'))
    grant_home.use("spot_check = 0\n" + rule + "grants = true\n")
    await grant_home.grant(asked, Scope(condition='args.folder == "letters"'))
    assert told(await grant_home.propose(archive()))[0] is Outcome.AUTO


async def test_evidence_of_a_scope_names_what_was_rejected(grant_home: GrantHome) -> None:
    review = await grant_home.propose(archive("other"))
    for folder, kind in (("letters", DecisionKind.APPROVE), ("letters", DecisionKind.REJECT), ("bills", DecisionKind.APPROVE)):
        review = await grant_home.propose(archive(folder))
        await grant_home.inbox.reviews.decide(review, {0: Answer(kind)})
    offer = await grant_home.inbox.grants.offer(review.row.id, 0)
    wide, narrow = offer.evidence(Scope()), offer.evidence(Scope(condition='args.folder == "bills"'))
    assert (wide.total, len(wide.rejected), wide.unseen) == (3, 1, ("folder",))
    assert wide.warning == "It would have let through 1 call that was rejected."
    assert (narrow.total, narrow.warning, narrow.unseen) == (1, "", ())
    assert narrow.told().startswith("1 of 3 calls in 90 days: 1 approved unchanged, 0 edited, 0 rejected; ")
    assert [bound.condition for bound in offer.bounds["folder"]] == ['args.folder == "bills"']
