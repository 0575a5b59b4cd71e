"""The filter language on the queue and the history."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import Refused
from hitl_tui.filter_language import ConfidenceLimit, Filter, Term, parse
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Confidence, Context, DecisionKind, Json, Pause, PauseKind, digest_of
from hitl_tui.oversight import statistics
from hitl_tui.oversight.statistics import Rates
from hitl_tui.store import Store, filters, history, reconcile
from hitl_tui.store.statistics import StatisticsFilter, period_counts
from tests.support.empty_database import open_store
from tests.ui.homes import seed

NOW = 1_795_000_000.0


def test_filter_text_is_parsed() -> None:
    found = parse('agent:mail*,sql* -tool:send_* decided:Reject by:ann since:7d confidence:<0.6 invoice -paid "late fee"', NOW)
    assert found == Filter(
        (Term("agent", ("mail*", "sql*")), Term("tool", ("send_*",), True), Term("decided", ("reject",)), Term("by", ("ann",))),
        ("invoice", "late fee"),
        ("paid",),
        (ConfidenceLimit("<", 0.6),),
        NOW - 7 * 86_400,
    )
    assert parse("  ", NOW).is_empty
    assert parse("until:2026-03-31", NOW).until == dt.datetime(2026, 3, 31).astimezone().timestamp()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agnet:mail", "did you mean agent?"),
        ("http://x", "into quotes"),
        ("decided:aprove", "did you mean approve?"),
        ("since:7", "write it like since:7d"),
        ("since:soon", "write it like since:7d"),
        ("-since:7d", "cannot be negated"),
        ("confidence:high", "write it like confidence:<0.6"),
        ("confidence:<1.7", "write it like confidence:<0.6"),
        ("run:x", "run:r3"),
        ("tool:,", "has no value"),
    ],
)
def test_filter_with_a_mistake_is_explained(text: str, said: str) -> None:
    with pytest.raises(Refused) as error:
        parse(text, NOW)
    assert said in str(error.value)


@given(st.text())
def test_any_text_is_a_filter_or_is_refused(text: str) -> None:
    try:
        parse(text, NOW)
    except Refused as error:
        assert str(error)


async def decided(store: Store, agent: str, tool: str, args: Json, who: Inbox, answer: Answer, confidence: float | None = None) -> int:
    """Add a decided review, and return its id."""
    (run,) = await who.runs.launch(agent, text="x")
    await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (run.id,))
    asked = Action(0, tool, args, tuple(DecisionKind), digest=digest_of(tool, args), confidence=Confidence(confidence))
    await reconcile.reconcile(store, run.id, agent, "w", [Pause(f"i{run.id}", PauseKind.TOOL_CALLS, "n", (), {}, (asked,), Context())], {})
    ((review, *_),) = await store.all("SELECT max(id) FROM reviews")
    await who.reviews.decide(await who.reviews.get(review), {0: answer})
    return int(review)


@pytest.fixture
async def past(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with five decisions by two people."""
    async with open_store(tmp_path / "hitl.db") as store:
        ann, bob = Inbox(store, "ann"), Inbox(store, "Bob [x]")
        yes, no = Answer(DecisionKind.APPROVE), Answer(DecisionKind.REJECT, message="Grüße an die falsche Person")
        await decided(store, "mail_assistant", "send_mail", {"to": "ann@example.com", "body": "invoice 4711 is paid"}, ann, yes, 0.95)
        await decided(store, "mail_assistant", "send_mail", {"to": "bob@example.com", "body": "the invoice is late"}, bob, no, 0.4)
        await decided(store, "sql_steward", "run_sql", {"sql": "DELETE FROM customers"}, ann, no)
        await decided(store, "sql_steward", "run_sql", {"sql": "SELECT 1"}, bob, Answer(DecisionKind.EDIT, {"sql": "SELECT 2 AS zwei"}))
        await decided(store, "mail_assistant", "archive*[a]", {"id": "m-7"}, ann, yes, 0.7)
        yield store


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [5, 4, 3, 2, 1]),
        ("agent:mail*", [5, 2, 1]),
        ("agent:MAIL_assistant tool:send_mail", [2, 1]),
        ("tool:send_*,run_sql by:ann", [3, 1]),
        ("-tool:send_*", [5, 4, 3]),
        ("decided:reject", [3, 2]),
        ("decided:reject,edit -agent:sql*", [2]),
        ('by:"bob [x]"', [4, 2]),
        ("by:bob*", [4, 2]),
        ("tool:archive*[a]", [5]),
        ("invoice", [2, 1]),
        ("invoi -late", [1]),
        ("falsche person", [3, 2]),
        ("zwei", [4]),
        ("confidence:<0.5", [2]),
        ("confidence:>=0.7", [5, 1]),
        ("run:r2,3", [3, 2]),
        ("review:1", [1]),
        ("kind:gate", []),
        ("risk:unknown decided:approve", [5, 1]),
        ("agent:nobody*", []),
        ("-agent:nobody", [5, 4, 3, 2, 1]),
        ("since:1h", [5, 4, 3, 2, 1]),
        ("until:2020-01-01", []),
        ('"!!!"', [5, 4, 3, 2, 1]),
        ('"OR AND NEAR( *"', []),
    ],
)
async def test_history_search_finds_matching_decisions(past: Store, text: str, numbers: list[int]) -> None:
    found = await history.search(past, parse(text, time.time()))
    assert [one.decision for one in found] == numbers


async def test_history_pages_include_undone_decisions(past: Store) -> None:
    first = await history.search(past, Filter(), limit=2)
    rest = await history.search(past, Filter(), before=first[-1].decision, limit=9)
    assert [one.decision for one in (*first, *rest)] == [5, 4, 3, 2, 1]
    by_word = await history.search(past, parse("invoice", NOW), before=2)
    assert [one.decision for one in by_word] == [1]
    assert all(one.in_force for one in rest)
    await past.write("UPDATE decisions SET superseded = 1 WHERE id = 1")
    assert [one.in_force for one in await history.search(past, Filter()) if one.decision == 1] == [False]
    assert first[0].waited_s >= 0


async def test_history_row_summarises_the_decision(past: Store) -> None:
    archived, edited, deleted, *_ = await history.search(past, Filter())
    assert (archived.said, archived.changed, archived.summary) == ("", (), "m-7")
    assert (edited.changed, edited.summary) == (("sql",), "SELECT 1")
    assert (deleted.said, deleted.summary) == ("Grüße an die falsche Person", "DELETE FROM customers")
    long = '{"to": "eve", "body": "' + "x" * 1000
    for args, summary in (('{"to": "eve", "sure": true}', "eve · true"), (long + '"}', long[:199] + "…")):
        await past.write("UPDATE actions SET slot = 1, args = ? WHERE review = 5", (args,))
        await past.write("UPDATE history SET slot = 1 WHERE decision = 5")
        assert [row.summary for row in await history.rows(past, [5])] == [summary]


@pytest.mark.parametrize("text", ["agent:mail*", "invoice decided:reject", "-tool:run_sql", ""])
async def test_history_page_is_read_from_an_index(past: Store, text: str) -> None:
    """The cost depends on the page only: rows come newest first from an index, without a sort or a scan."""
    seen: list[str] = []
    asked = past.all

    async def watched(sql: str, values: object = ()) -> list[object]:
        if "FROM history h" in sql or "FROM history_text" in sql:
            seen.extend(str(row[3]) for row in await asked(f"EXPLAIN QUERY PLAN {sql}", values))
        return await asked(sql, values)

    past.all = watched  # type: ignore[method-assign]
    await history.search(past, parse(text, NOW))
    assert seen
    assert not any("TEMP B-TREE" in step for step in seen), seen


@pytest.mark.parametrize(
    ("text", "ids"),
    [("", [1, 2, 3]), ("agent:a*", [1, 2]), ("tool:send", [1, 3]), ("-tool:send", [2]), ("confidence:<0.5", [2]), ("hello", [1]),
     ("-hello", [2, 3]), ("run:r3", [3]), ("risk:unknown", [1, 2, 3]), ("kind:gate", []), ("outcome:none", [1, 2, 3]),
     ("until:2020-01-01", [])],
)  # fmt: skip
async def test_queue_filter_uses_the_history_filter_language(tmp_path: Path, text: str, ids: list[int]) -> None:
    async with open_store(tmp_path / "hitl.db") as store:
        ann = Inbox(store, "ann")
        for agent, tool, args, sure in (("a1", "send", {"x": "Hello"}, 0.9), ("a2", "look", {}, 0.2), ("b", "send", {}, None)):
            (run,) = await ann.runs.launch(agent, text="x")
            await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (run.id,))
            asked = Action(0, tool, args, tuple(DecisionKind), digest="d")
            pause = Pause(f"i{run.id}", PauseKind.TOOL_CALLS, "n", (), {}, (asked,), Context(), confidence=sure)
            await reconcile.reconcile(store, run.id, agent, "w", [pause], {})
        assert list(await filters.open_reviews(store, parse(text, time.time()))) == ids


async def test_statistics_count_current_decisions_only(past: Store) -> None:
    found = await period_counts(past)
    assert found.tools["mail_assistant", "send_mail"].rates == Rates(approved=1, rejected=1)
    assert found.tools["sql_steward", "run_sql"].rates == Rates(edited=1, rejected=1)
    assert found.tools["sql_steward", "run_sql"].waited.total() == 2
    assert {name: one.rates.total for name, one in found.reviewers.items()} == {"ann": 3, "Bob [x]": 2}
    assert statistics.brier(found.bins) == pytest.approx(((0.95 - 1) ** 2 + 0.4**2 + (0.7 - 1) ** 2) / 3)
    assert (await period_counts(past, only=StatisticsFilter(agent="sql_steward"))).bins == []
    await past.write("UPDATE decisions SET superseded = 1 WHERE id = 1")
    found = await period_counts(past)
    assert found.tools["mail_assistant", "send_mail"].rates == Rates(rejected=1)
    assert found.tools["mail_assistant", "send_mail"].waited.total() == 1
    assert statistics.brier(found.bins) == pytest.approx((0.4**2 + (0.7 - 1) ** 2) / 2)
    assert (await period_counts(past, since=time.time() + 2 * 86_400)).overall.rates == Rates()


async def test_decision_can_be_made_while_history_catches_up(tmp_path: Path) -> None:
    path = tmp_path / "hitl.db"
    async with open_store(path, "NORMAL") as store, open_store(path) as other:
        review = await seed.add_waiting_run(
            store, await seed.add_project(store), "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail())
        )
        async with store.transaction() as db:  # decided again many times
            for number in range(3000):
                db.execute(
                    "INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, at, effective_at, superseded, "
                    "agent, tool) "
                    "VALUES (?, 0, 'approve', 'bob', 'person', 'bob', '', ?, 0, 1, 'mail_assistant', 'send_email')",
                    (review, number),
                )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(history.catch_up(store))
            written = tasks.create_task(other.write("INSERT INTO changes (run) VALUES (NULL)"))
            await written
            done = store.read_now("SELECT count(*) FROM history")[0][0]
        assert done < 2000, "who writes waits for a step or some, and not for the whole past"
        assert not store.read_now(history.NEW)
