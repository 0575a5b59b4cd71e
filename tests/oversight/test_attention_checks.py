"""Attention checks: clearly wrong calls that look like any review until decided, and never run."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sqlite3
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui import canonical_json, filter_language, validation
from hitl_tui.errors import HitlError, Refused, Stale
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review, Worker
from hitl_tui.oversight import attention_checks
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import AutonomyRules, Policy
from hitl_tui.store import (
    Store,
    agents,
    audit,
    history,
    reviews,
    runs,
    statistics,
    submissions,
    takeovers,
    training_data,
)
from hitl_tui.store.maintenance import recover, repair
from tests.support.attention_checks import EVERY, add_attention_check, approve_mails, scheduled_jobs
from tests.support.direct_decisions import record
from tests.support.empty_database import open_store
from tests.support.harness import TIMEOUT_S, Reviewer, SandboxFactory, approve, open_reviewer, reject, respond
from tests.support.properties import examples
from tests.ui.homes import seed

OBJECTS = {"type": "object", "required": ["to", "amount"]}
WORDS = st.text(max_size=30)
ARGS = st.dictionaries(
    st.sampled_from(["to", "amount", "query", "path", "body", "command", "total_price", "id", "note", "lines", "flag"]),
    st.one_of(
        WORDS, st.booleans(), st.none(), st.integers(-(10**6), 10**6), st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["ann@example.com", "DELETE FROM orders WHERE id = 7", "notes/todo.md", "ls -l", "Dear Ann, here is what you asked for."]),
        st.lists(st.fixed_dictionaries({"amount": st.integers(1, 9), "to": st.just("bob@example.com")}), max_size=2),
    ),
    max_size=5,
)  # fmt: skip


# Making wrong calls


@given(tool=st.sampled_from(["send_email", "run_sql", "delete_file", "read_file", "noop"]), args=ARGS, seed_=st.text(max_size=5))
def test_wrong_call_fits_the_schema_and_is_deterministic(tool: str, args: dict[str, Any], seed_: str) -> None:
    wrong = attention_checks.make_wrong_call(tool, args, {"type": "object"}, "ann@example.com asked", seed_)
    assert wrong == attention_checks.make_wrong_call(tool, args, {"type": "object"}, "ann@example.com asked", seed_)
    if wrong is None:
        return
    assert wrong.args != args and wrong.clause and not validation.storage_problem(wrong.args)
    right, shown = canonical_json.dumps(args), canonical_json.dumps(wrong.args)
    assert attention_checks.still_wrong(right, shown, shown) and not attention_checks.still_wrong(right, shown, right)


@pytest.mark.parametrize(
    ("tool", "args", "clause", "fixed", "unfixed"),
    [
        ("refund", {"amount": {"value": 420.5}}, "the amount value is 1,000 times what was asked", {"amount": {"value": 42}}, {"amount": {"value": 420501}}),
        ("mail", {"to": "ann@example.com"}, "who is nowhere in the conversation", {"to": "bob@example.com"}, {"to": "", "cc": "{to}"}),
        ("sql", {"query": "UPDATE t SET a = 1 WHERE b = 2"}, "it drops the whole table t", {"query": "SELECT 1"}, {"query": " drop  table T "}),
        ("delete_file", {"path": "a/b.txt"}, "which is the machine's own", {"path": "/tmp/b.txt"}, {"path": "{path} "}),
        ("pay", {"recipient": "DE89370400440532013000"}, "which is nowhere in the conversation", {"recipient": "DE02100100100006820101"}, {"recipient": " {recipient} "}),
        ("cancel", {"order_id": "#W5995614"}, "the order id is #", {"order_id": "#W1"}, {"order_id": "{order_id}"}),
        ("set_password", {"password": "1j1l-2k3j"}, "which is nowhere", {"password": "1j1l-2k3j"}, {"password": "{password}", "hint": "x"}),
        ("move", {"start_time": "2024-02-29 10:00"}, "is 8 years after what was asked", {"start_time": "2024-03-01 10:00"}, {"start_time": "{start_time}"}),
        ("invite", {"user": "Alice", "channel": "general!"}, "who is nowhere in the conversation", {"user": "Bob"}, {"user": "{user}"}),
        ("announce", {"channel": "#general"}, "which is nowhere in the conversation", {"channel": "#random"}, {"channel": "{channel}"}),
        ("fetch", {"url": "https://example.com/a?b=1"}, "it reaches ", {"url": "https://example.com"}, {"url": "{url}"}),
        ("run", {"command": "set -e\n" + 40 * "make test; "}, "it deletes everything", {"command": "make"}, {"command": "date; rm -rf --no-preserve-root /"}),
        ("sql", {"sql": "SELECT a FROM t WHERE " + 40 * "b = 2 AND "}, "drops the whole table t", {"sql": "SELECT 1"}, {"sql": "SELECT 2; drop table T"}),
        ("post", {"text": "Thank you for your order of today."}, "the text ", {"text": "Thank you."}, {"text": "Hello!\n\n{text}"}),
        ("run", {"command": "ls -l"}, "it deletes everything on the machine", {"command": "ls"}, {"command": "rm -rf /"}),
        ("write_file", {"path": "a/b.txt"}, "by which the machine knows who may enter", {"path": "a/c.txt"}, {"path": "{path}"}),
        ("read_file", {"path": "notes/todo.md"}, "where the machine's secrets are", {"path": "notes/b.md"}, {"path": "{path}"}),
        ("mail", {"to": "ann@example.com"}, "who is nowhere in the conversation", {"to": ["bob@example.com"]}, {"to": "{to}"}),
    ],
)  # fmt: skip
def test_edit_of_a_wrong_call_is_recognised_as_fixing_it_or_not(
    tool: str, args: dict[str, Any], clause: str, fixed: dict[str, Any], unfixed: dict[str, Any]
) -> None:
    wrong = attention_checks.make_wrong_call(tool, args, None, "", "seed", f"please, {' and '.join(map(str, args.values()))}.")
    assert wrong is not None and clause in wrong.clause and isinstance(wrong.args, dict)
    told = {key: value.format(**wrong.args) if isinstance(value, str) else value for key, value in unfixed.items()}
    right, shown = canonical_json.dumps(args), canonical_json.dumps(wrong.args)
    assert not attention_checks.still_wrong(right, shown, canonical_json.dumps(fixed))
    assert attention_checks.still_wrong(right, shown, canonical_json.dumps(told))


def test_wrong_call_is_not_made_when_it_would_be_harmless_or_not_fit() -> None:
    for tool, args in (
        ("search", {"limit": 10, "query": "shoes from Italy"}),
        ("archive", {"id": "4712"}),  # which nobody has named, so another one says nothing
        ("sign_up", {"born": "2001-04-05", "birth_date": "2001-04-05"}),
        ("toggle", {"on": True}),
        ("count_lines", {"path": "a/b.txt"}),  # whether that does harm nobody knows
        ("ask", "text"),
    ):
        assert attention_checks.make_wrong_call(tool, args, None, "", "seed") is None
    schema = {"properties": {"amount": {"maximum": 500}}}
    assert attention_checks.make_wrong_call("refund", {"amount": 420}, schema, "", "seed") is None
    assert attention_checks.make_wrong_call("refund", {"amount": 420}, None, "", "seed") is not None


def test_wrong_call_with_another_id_needs_one_that_users_or_tools_named() -> None:
    order = {"order_id": "#W5995614"}
    assert attention_checks.make_wrong_call("cancel", order, None, "#W5995614", "s", "cancel #W59956141, please") is None
    wrong = attention_checks.make_wrong_call("cancel", order, None, "", "s", "cancel #w5995614, please")
    assert wrong and isinstance(wrong.args, dict) and re.fullmatch(r"#W[1-9]\d{6}", wrong.args["order_id"]) and wrong.args != order


def test_attention_policy_sets_how_often() -> None:
    assert parse_with_problems("")[0].attention == 0
    assert parse_with_problems("[attention]\nevery = 50")[0].attention == 50
    for text, said in (
        ("[attention]", "does not say how often"),
        ("[attention]\nevery = 1", "from 2 to"),
        ("attention = 5", "not a table"),
    ):
        assert [said in problem.text for problem in parse_with_problems(text)[1]] == [True]


@examples(0.5)
@given(every=st.integers(2, 1000), numbers=st.integers(0, 1000))
def test_attention_check_positions_are_unpredictable_around_the_set_rate(every: int, numbers: int) -> None:
    positions = [attention_checks.decisions_until_next(every, f"{numbers}:{number}") for number in range(60)]
    assert all(every - every // 2 <= position <= every + every // 2 for position in positions)
    assert len(set(positions)) > 1 and abs(sum(positions) / len(positions) - every) <= every / 4


# In the queue


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Home(tmp_path).prepare().database) as found:
        yield found


async def nothing_runs(store: Store, check: Review) -> None:
    """Check that the attention check has not been run or sent, and cannot be."""
    run = check.row.run
    state, worker, cut = await store.one("SELECT state, worker, cut FROM runs WHERE id = ?", (run,))
    assert (state in ("waiting", "done", "cancelled"), worker, cut) == (True, None, 0)
    submitted, by, now = await store.one("SELECT submitted_at, submitted_by, state FROM reviews WHERE id = ?", (check.row.id,))
    assert (submitted, by, now in ("open", "applied", "expired")) == (None, None, True)
    for table in ("takeovers", "heads", "escalations"):
        assert await store.one(f"SELECT count(*) FROM {table} WHERE run = ?", (run,)) == (0,)
    assert await store.one("SELECT count(*) FROM endorsements WHERE review = ?", (check.row.id,)) == (0,)
    project = (await store.one("SELECT project FROM runs WHERE id = ?", (run,)))[0]
    found = submissions.ready(store, project, ["mail_assistant"], ()), takeovers.ready(store, project, ["mail_assistant"], ())
    assert found == (None, None)


async def test_attention_check_appears_after_enough_decisions_one_at_a_time(store: Store) -> None:
    project = await seed.add_project(store)
    await approve_mails(store, project, 8)
    assert not await scheduled_jobs(store, project, Policy()).run_due() and not await scheduled_jobs(store, project, None).run_due()
    first, second = scheduled_jobs(store, project), scheduled_jobs(store, project)
    assert sorted(await asyncio.gather(first.run_due(), second.run_due())) == [False, True]
    assert not await first.run_due()
    (id_,) = [row.id for row in await Inbox(store, "ann").reviews.pending(10)]
    check, real = await Inbox(store, "ann").reviews.get(id_), await Inbox(store, "ann").reviews.get(id_ - 1)
    assert (check.row.agent, check.row.kind, check.row.title, check.row.risk) == (
        real.row.agent,
        real.row.kind,
        "send_email",
        "irreversible",
    )
    assert (check.node, check.path, len(check.interrupt), check.row.note) == (real.node, real.path, len(real.interrupt), "")
    assert check.actions[0].args != real.actions[0].args and check.interrupt != real.interrupt and check.thread != real.thread
    told = await store.one("SELECT wrong, correct FROM attention_checks")
    assert json.loads(told[1]) == real.actions[0].args
    context = await reviews.context(store, id_)
    assert context == await reviews.context(store, id_ - 1) and len(await Inbox(store, "ann").runs.trace(check.row.run)) == 12
    await nothing_runs(store, check)

    await approve_mails(store, project, 8)
    assert not await scheduled_jobs(store, project).run_due()
    shown = json.dumps([kind for (kind,) in await store.all("SELECT kind FROM audit WHERE review = ?", (id_,))])
    assert shown == '["opened"]' and Inbox(store, "ann").reviews.attention_check(id_) is None


async def test_attention_check_run_looks_like_any_other(store: Store) -> None:
    project = await seed.add_project(store)
    await approve_mails(store, project, 8)
    await store.write("UPDATE runs SET launched_by = 'bob', gates_before = '[\"tools\"]', time_limit_s = 60")
    await store.write("UPDATE events SET at = at + seq / 100.0")
    await store.write("UPDATE actions SET declared = 'reversible'")
    fell = "INSERT INTO autonomy (agent, tool, was, level, actor, actor_kind, at, why) VALUES ('mail_assistant', 'send_email', 'ask', ?, 'ann', 'person', 0, '')"
    policy = Policy(attention=EVERY, autonomy=AutonomyRules())
    await store.write(fell, ("act",))
    assert not await scheduled_jobs(store, project, policy).run_due(), "such a call asks nobody: this one would be told by that"
    await store.write(fell, ("threshold",))
    assert await scheduled_jobs(store, project, policy).run_due()
    ann = Inbox(store, "ann")
    check = await ann.reviews.get((await ann.reviews.pending(1))[0].id)
    assert check.actions[0].reason == "its confidence is unknown"
    run, first = check.row.run, (await ann.runs.trace(check.row.run))[0]
    assert await store.one("SELECT launched_by, gates_before, time_limit_s FROM runs WHERE id = ?", (run,)) == ("bob", '["tools"]', 60)
    times = await store.one("SELECT created_at, started_at, opened_at FROM runs r JOIN reviews v ON v.run = r.id WHERE r.id = ?", (run,))
    assert times[0] <= times[1] <= first.at < times[2], "nothing happens before its run was launched"


async def test_attention_check_cannot_be_told_by_ids_or_times(store: Store) -> None:
    project = await seed.add_project(store)
    await approve_mails(store, project, 8)
    for run in range(1, 9):
        await store.write("UPDATE runs SET thread = ?, created_at = created_at - 1 WHERE id = ?", (str(uuid.uuid4()), run))
    await store.write("UPDATE actions SET tool_call = 'call_' || lower(hex(randomblob(12))) || review")
    await store.write("UPDATE events SET body = json_set(body, '$.task', lower(hex(randomblob(16)))) WHERE kind IN ('start', 'end')")
    jobs = scheduled_jobs(store, project)
    while not await jobs.run_due():
        assert jobs.wait_s() is not None, "it is due, and waits until its times fit"
        await asyncio.sleep(0.05)
    ann = Inbox(store, "ann")
    check = await ann.reviews.get((await ann.reviews.pending(1))[0].id)
    found = await ann.runs.newest(9)
    assert all(uuid.UUID(run.thread).version == 4 and str(uuid.UUID(run.thread)) == run.thread for run in found)
    assert [run.created_at for run in found] == sorted((run.created_at for run in found), reverse=True)
    logged = [entry["at"] for entry in audit.entries(store.path)]
    assert logged == sorted(logged)
    bodies = await store.all("SELECT run, kind, at, body FROM events ORDER BY run, seq")
    tasks = {(json.loads(body)["task"], run) for run, kind, _, body in bodies if kind in ("start", "end")}
    assert len({task for task, run in tasks if run == check.row.run} & {task for task, run in tasks if run != check.row.run}) == 0
    assert not await store.all("SELECT tool_call FROM actions GROUP BY tool_call HAVING count(*) > 1")


@pytest.mark.parametrize(
    ("given", "pattern"),
    [
        ("8f14e45f-ceea-467f-a3c1-2b1a4f6e9d0c", r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
        ("call_9d5ed678fe57bcca610140957afab571", r"call_[0-9a-f]{32}"), ("toolu_01A09q90qw90lq917835lq9", r"toolu_\d\d[A-Z][0-9a-z]{20}"),
        ("ticket-1042", r"ticket-[1-9]\d{3}"), ("mail_assistant:nightly", "mail_assistant:nightly"), ("2bb6ec38-0000", r"[1-9][a-f]{2}[0-9][a-f]{2}[0-9]{2}-\d{4}"),
    ],
)  # fmt: skip
def test_different_id_is_of_the_same_kind(given: str, pattern: str) -> None:
    made = {attention_checks.different_id(given, str(seed_)) for seed_ in range(50)}
    assert all(re.fullmatch(pattern, one) for one in made) and (len(made) > 40 or made == {given})


def test_different_id_of_a_time_ordered_uuid_is_as_much_later() -> None:
    given = "1f0a5c2e-7b1d-6c3e-8001-0123456789ab"
    later = uuid.UUID(attention_checks.different_id(f"gate:{given}", "s", 60.0).removeprefix("gate:"))
    assert (later.version, later.variant) == (6, uuid.UUID(given).variant)
    assert uuid6_ticks(later) - uuid6_ticks(uuid.UUID(given)) == 60 * attention_checks.TICKS_PER_S


def test_different_id_of_a_message_is_as_much_later() -> None:
    later = uuid.UUID(attention_checks.different_id("lc_run--01a22c4b-11c1-701a-b8d7-2614b2975abe", "s", 60.0).removeprefix("lc_run--"))
    assert (later.version, later.variant, later.int >> 80) == (7, uuid.RFC_4122, 0x01A22C4B11C1 + 60_000)


def uuid6_ticks(id_: uuid.UUID) -> int:
    plain = id_.hex
    return int(plain[:12] + plain[13:16], 16)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=20), st.floats(0.001, 1e6))
def test_different_times_keep_the_order_and_fit_the_room(times: list[float], room_s: float) -> None:
    found = attention_checks.different_times(times, room_s, 2e6, "seed")
    assert found == sorted(found) and len(found) == len(times) and found[-1] == 2e6 and found[0] >= 2e6 - room_s - 1e-6


ENDINGS: dict[str, tuple[str, bool]] = {
    "approve": ("approved", False), "edit, still wrong": ("edited", False), "edit, right": ("edited", True), "reject": ("rejected", True),
    "respond": ("answered", True), "escalate": ("escalated to bob", True), "take over": ("taken over", True), "cancel": ("cancelled", True),
}  # fmt: skip
OTHERS = ("claim", "release", "undo", "retry", "doctor", "deadline", "policy", "worker", "second worker", "submit by hand", "look")


async def step(store: Store, ann: Inbox, check: Review, what: str) -> None:
    """One event of a person or program on the attention check."""
    action, id_, run = check.actions[0], check.row.id, check.row.run
    project = (await store.one("SELECT project FROM runs WHERE id = ?", (run,)))[0]
    correct = json.loads((await store.one("SELECT correct FROM attention_checks WHERE review = ?", (id_,)))[0])
    answers = {
        "approve": approve(), "edit, still wrong": Answer(DecisionKind.EDIT, action.args), "edit, right": Answer(DecisionKind.EDIT, correct),
        "reject": reject("no"), "respond": respond("no"),
    }  # fmt: skip
    verbs: dict[str, Callable[[], Awaitable[Any]]] = {
        "escalate": lambda: ann.reviews.escalate(id_, "bob"),
        "take over": lambda: ann.takeovers.take(run),
        "cancel": lambda: ann.runs.cancel(run),
        "claim": lambda: ann.reviews.claim(id_),
        "release": lambda: ann.reviews.release(id_),
        "undo": lambda: ann.reviews.undo(id_),
        "retry": lambda: ann.runs.retry(run),
        "doctor": lambda: repair.repair_rows(store, lambda *_: True, [], keep=True),
        "deadline": lambda: store.write("UPDATE reviews SET deadline_at = 1, deadline_then = 'reject' WHERE id = ?", (id_,)),
        "policy": lambda: record(store, id_, action, approve(), "policy:all"),
        "look": lambda: ann.reviews.record_view(id_, 900),
    }
    if what in answers:
        await ann.reviews.decide(check, {0: answers[what]}, 700)
    elif what in verbs:
        await verbs[what]()
    elif what == "submit by hand":
        with pytest.raises(sqlite3.IntegrityError):
            await store.write("UPDATE reviews SET state = 'submitted', submitted_at = 1, submitted_by = 'w' WHERE id = ?", (id_,))
        with pytest.raises(sqlite3.IntegrityError):
            await store.write("UPDATE runs SET worker = 'w' WHERE id = ?", (run,))
        await store.write("UPDATE runs SET state = 'queued' WHERE id = ?", (run,))
    else:
        me = Worker(what, project, "p", 1, 0.0, 8, 0.0, 0)
        await agents.register_worker(store, me, "host")
        assert await runs.lease_next(store, what, project, ["mail_assistant"], True) is None
        await scheduled_jobs(store, project).run_due()
        await runs.recover(store, what)


@pytest.mark.slow
@examples(0.2)
@given(steps=st.lists(st.sampled_from([*ENDINGS, *OTHERS]), min_size=2, max_size=7), grace=st.sampled_from([0.0, 60.0]))
def test_attention_check_never_runs_whatever_is_done_to_it(steps: list[str], grace: float) -> None:
    async def work(home: Path) -> None:
        async with open_store(home / "hitl.db") as store:
            check = await add_attention_check(store, await seed.add_project(store))
            ann = Inbox(store, "ann", grace_s=grace)
            for what in steps:
                with contextlib.suppress(HitlError):
                    await step(store, ann, check, what)
                await nothing_runs(store, check)
            state = (await ann.reviews.get(check.row.id)).row.state
            first = None if state == "expired" else next((what for what in steps if what in ENDINGS), None)
            found = ann.reviews.attention_check(check.row.id)
            assert (found and (found.said, found.caught, found.actor)) == (first and (*ENDINGS[first], "ann"))
            assert state in (("applied",) if first else ("open", "expired"))
            kinds = [kind for (kind,) in await store.all("SELECT kind FROM audit WHERE review = ? AND kind = 'attention'", (check.row.id,))]
            assert len(kinds) == bool(first)
        assert not audit.verify(home / "hitl.db").problem

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(Path(folder)))


async def test_attention_check_ends_with_its_decision_and_cannot_be_undone(store: Store) -> None:
    check = await add_attention_check(store, await seed.add_project(store))
    ann = Inbox(store, "ann", grace_s=60)
    assert await ann.reviews.decide(check, {0: approve()}, 700) == "applied"
    found = ann.reviews.attention_check(check.row.id)
    assert (
        found
        and found.told("ann").startswith("that was an attention check: you missed it (")
        and "nothing was going to run" in found.told("ann")
    )
    assert found.told("bob").startswith("that was an attention check: ann missed it (")
    with pytest.raises(Stale, match="was an attention check"):
        await ann.reviews.undo(check.row.id)
    with pytest.raises(Stale):
        await ann.reviews.decide(check, {0: reject("no")})
    assert (await ann.runs.get(check.row.run)).result == {"attention_check": f"missed: {found.wrong}"}


async def test_attention_check_expires_at_its_deadline(store: Store) -> None:
    project, timed = (
        await seed.add_project(store),
        parse("attention.every = 2\n[[rule]]\nname = 'soon'\ntool = 'send_*'\noutcome = 'ask'\ndeadline = '1h'"),
    )
    await approve_mails(store, project, 8)
    two = parse("attention.every = 2\n[[rule]]\nname = 'two'\ntool = 'send_*'\noutcome = 'ask'\nreviewers = 2")
    assert not await scheduled_jobs(store, project, two).run_due(), "one person's word would be enough for it, which tells it from others"
    assert await scheduled_jobs(store, project, timed).run_due()
    ann = Inbox(store, "ann")
    (row,) = await ann.reviews.pending(2)
    assert row.deadline_at and row.deadline_at - row.opened_at == pytest.approx(3600, abs=1)
    await store.write("UPDATE reviews SET deadline_at = 1 WHERE id = ?", (row.id,))
    assert await scheduled_jobs(store, project, timed).run_due()
    assert (await ann.reviews.get(row.id)).row.state == "expired" and ann.reviews.attention_check(row.id) is None
    assert (await ann.insights.read()).readers[0].shown == 0


async def test_attention_check_takeover_reveals_it_and_respects_claims(store: Store) -> None:
    check = await add_attention_check(store, await seed.add_project(store))
    ann, bob = Inbox(store, "ann"), Inbox(store, "bob")
    await ann.reviews.claim(check.row.id)
    with pytest.raises(Refused, match="ann has claimed review"):
        await bob.takeovers.take(check.row.run)
    assert bob.reviews.attention_check(check.row.id) is None
    with pytest.raises(Refused, match="that was an attention check: you caught it"):
        await ann.takeovers.take(check.row.run)
    with pytest.raises(Refused, match="is done"):
        await ann.takeovers.take(check.row.run)


@pytest.mark.slow
async def test_attention_check_whose_run_was_lost_still_never_runs(store: Store) -> None:
    check = await add_attention_check(store, await seed.add_project(store))
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("DELETE FROM runs WHERE id = ?", (check.row.run,))
    recover.rebuild(store.path)
    async with open_store(store.path) as mended:
        assert await repair.repair_rows(mended, lambda *_: True, [], keep=True)
        with pytest.raises(Stale, match="only carried an attention check"):
            await Inbox(mended, "ann").runs.retry(check.row.run)
        assert await mended.one("SELECT attention, state FROM runs WHERE id = ?", (check.row.run,)) == (1, "failed")


@pytest.mark.slow
async def test_attention_check_whose_details_were_lost_is_still_one(store: Store) -> None:
    check = await add_attention_check(store, await seed.add_project(store))
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.execute("DROP TRIGGER attention_kept")
        db.execute("DELETE FROM attention_checks")
    recover.rebuild(store.path)
    async with open_store(store.path) as mended:
        ann = Inbox(mended, "ann")
        assert await ann.reviews.decide(await ann.reviews.get(check.row.id), {0: approve()}, 9000) == "applied"
        assert ann.reviews.attention_check(check.row.id)
        assert check.row.id not in {one.review for one in await history.search(mended, filter_language.parse("", 0.0))}


async def test_attention_check_is_excluded_from_statistics_and_lessons(store: Store) -> None:
    project = await seed.add_project(store)
    check = await add_attention_check(store, project)
    ann = Inbox(store, "ann")
    wanted = filter_language.parse("", time.time())
    rules = await ann.policy.rule_counts()
    before = [
        await ann.history.search(),
        await statistics.period_counts(store),
        [c async for c in training_data.cases(store, wanted)],
    ]
    pasts = [past async for batch in history.decided_since(store, 0.0) for past in batch]
    await ann.reviews.decide(check, {0: approve()}, 700)
    after = [
        await ann.history.search(),
        await statistics.period_counts(store),
        [c async for c in training_data.cases(store, wanted)],
    ]
    assert after == before and [past async for batch in history.decided_since(store, 0.0) for past in batch] == pasts
    assert await ann.policy.rule_counts() == rules and not store.read_now(history.NEW)
    assert check.row.id not in {past.review for past in await ann.reviews.similar(1)} and not await ann.reviews.versions(check.row.id)
    with pytest.raises(Refused, match="there is no decision"):
        await ann.history.get(int((await store.one("SELECT max(id) FROM decisions"))[0]))


# With a real worker


@pytest.mark.slow
async def test_attention_check_is_made_by_real_workers_and_never_resumed(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("policy")
    (sandbox.home.path / "policy.toml").write_text("spot_check = 0\n[attention]\nevery = 2\n")
    first, _ = sandbox.start(), sandbox.start()
    async with open_reviewer(sandbox) as ann:
        for _ in range(3):
            run = await ann.launch("per_call", text=json.dumps([["a letter", [["send", {"to": "ann@example.com"}]]]]))
            await ann.decide(await ann.open_review(run), approve())
            await ann.result_of(run)
        check = await until_check(ann)
        sent = sandbox.journal.read_text()
        (listed,) = sandbox.cli_json("queue")
        asked = (await reviews.context(ann.store, check.row.id)).conversation[0].text
        assert "ann@example.com" in asked, "nobody has asked for what is wrong"
        (entry,) = [event.body for event in await ann.inbox.runs.trace(check.row.run) if event.kind == "input"]
        assert "ann@example.com" in json.dumps(entry)
        assert listed["attention_check"] is None and "attention" not in sandbox.cli("show", str(check.row.id)).stdout

        said = json.loads(sandbox.cli("decide", str(check.row.id), "approve", "--grace", "30s", "--json").stdout)
        assert (said["state"], said["attention_check"]["caught"], said["attention_check"]["said"]) == ("applied", False, "approved")
        first.kill()
        sandbox.cli("doctor", "--repair")
        assert "only carried an attention check" in sandbox.cli_error("retry", f"r{check.row.run}")
        assert "that was an attention check" in sandbox.cli("show", str(check.row.id)).stdout
        await nothing_runs(ann.store, check)
        sandbox.kill_workers()
    assert sandbox.journal.read_text() == sent
    with contextlib.closing(sqlite3.connect(sandbox.home.path / "checkpoints.db")) as db:
        assert db.execute("SELECT count(*) FROM checkpoints WHERE thread_id = ?", (check.thread,)).fetchone() == (0,)
    assert not audit.verify(sandbox.home.database).problem


async def until_check(ann: Reviewer) -> Review:
    """Wait until a worker has added an attention check, and return it."""
    until = time.monotonic() + TIMEOUT_S
    while not (found := await ann.inbox.reviews.pending(9)):
        assert time.monotonic() < until, "no check was ever made"
        await asyncio.sleep(0.02)
    return await ann.inbox.reviews.get(found[0].id)
