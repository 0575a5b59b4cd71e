"""Statistics kept in the store, compared with values by hand, by numpy and scikit-learn, and recomputed from all rows."""

from __future__ import annotations

import asyncio
import json
import math
import re
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.cli import main
from hitl_tui.cli.output import cells
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Confidence, Context, DecisionKind, Json, Pause, PauseKind, digest_of, person_key
from hitl_tui.oversight import statistics
from hitl_tui.oversight.statistics import GROWTH, Figures, Rates
from hitl_tui.store import Store, history, reconcile
from hitl_tui.store.statistics import LISTED, StatisticsFilter
from tests.benchmarks import large_home
from tests.support.empty_database import open_store
from tests.support.properties import examples
from tests.support.pty import run_in_terminal

NOW = time.time()
DAY = 86_400.0
YES = Answer(DecisionKind.APPROVE)
LETTER = {"to": "ann@example.com", "body": "x" * 970}


def no(reason: str) -> Answer:
    """Return a rejection."""
    return Answer(DecisionKind.REJECT, message=reason)


def edit(args: Json) -> Answer:
    """Return an edit."""
    return Answer(DecisionKind.EDIT, args)


@dataclass(frozen=True, slots=True)
class Case:
    """A call with its decision."""

    answer: Answer
    tool: str = "send"
    args: Any = None
    agent: str = "mail"
    actor: str = "ann"
    rule: str = "careful"
    confidence: float | None = None
    at: float = NOW
    waited: float = 60.0
    viewed: float | None = 10.0


async def ask(store: Store, case: Case) -> int:
    """Add a case's review, and return its id."""
    args = LETTER if case.args is None else case.args
    (run,) = await Inbox(store, "ann").runs.launch(case.agent, text="x")
    await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (run.id,))
    asked = Action(0, case.tool, args, tuple(DecisionKind), digest=digest_of(case.tool, args), confidence=Confidence(case.confidence))
    pause = Pause(f"i{run.id}", PauseKind.TOOL_CALLS, "n", (), {}, (asked,), Context())
    await reconcile.reconcile(store, run.id, case.agent, "w", [pause], {})
    review = int((await store.one("SELECT max(id) FROM reviews"))[0])
    await store.write("UPDATE actions SET rule = ? WHERE review = ?", (case.rule, review))
    return review


async def happen(store: Store, *cases: Case) -> None:
    """Add cases, each asked and decided at its time."""
    for case in cases:
        review = await ask(store, case)
        inbox = Inbox(store, "ann" if ":" in case.actor else case.actor)
        await inbox.reviews.decide(
            await inbox.reviews.get(review), {0: case.answer}, None if case.viewed is None else int(case.viewed * 1000)
        )
        kind = case.actor.partition(":")[0] if ":" in case.actor else "person"
        await store.write(
            "UPDATE decisions SET at = ?, actor = ?, actor_kind = ?, actor_key = ? WHERE review = ?",
            (case.at + review / 1e4, case.actor, kind, person_key(case.actor), review),  # each is a judgement of its own
        )
        await store.write("UPDATE reviews SET opened_at = ? WHERE id = ?", (case.at - case.waited, review))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    async with open_store(tmp_path / "hitl.db", "NORMAL") as made:
        yield made


def near(seconds: float) -> Any:
    """Return a time rounded to its histogram bucket."""
    return pytest.approx(seconds, rel=GROWTH - 1)


def named(group: Sequence[Figures]) -> dict[str, Figures]:
    """Return figures by name."""
    return {one.name: one for one in group}


def full_name(of: Figures) -> str:
    """Return the name, with a tool's agent before it."""
    return f"{of.agent} {of.name}".strip()


async def test_statistics_match_values_computed_by_hand(store: Store) -> None:
    await happen(
        store,
        Case(YES, confidence=0.9, waited=10, viewed=8),
        Case(YES, confidence=0.8, waited=20, viewed=12),
        Case(edit({"to": "bob@example.com", "body": LETTER["body"]}), confidence=0.6, waited=30, viewed=20),
        Case(edit({"to": "ann@example.com", "cc": "bob@example.com"}), waited=40, viewed=None),
        Case(no("  Wrong ADDRESS.\n"), actor="Bob", confidence=0.2, waited=50, viewed=1),
        Case(no("wrong  address"), actor="Bob", tool="plan", agent="desk", args={"when": {"day": 1, "hour": 2}}, rule="", viewed=30),
        Case(edit({"when": {"day": 1, "hour": 3}}), actor="Bob", tool="plan", agent="desk", args={"when": {"day": 1, "hour": 2}}, rule=""),
        Case(Answer(DecisionKind.RESPOND, message="by hand"), tool="plan", agent="desk", args={"when": {}}, rule=""),
        Case(YES, actor="policy:reading", rule="reading", confidence=0.99),
        Case(no("too late"), actor="timeout:a day"),
    )
    found = await Inbox(store, "Bob").insights.read()
    assert (found.decisions, found.by_itself) == (8, 2)
    assert found.overall.rates == Rates(2, 3, 2, 1)
    assert {one.name: one.rates for one in found.agents} == {"mail": Rates(2, 2, 1), "desk": Rates(0, 1, 1, 1)}
    tools = {(one.agent, one.name): one.rates for one in found.tools}
    assert tools == {("mail", "send"): Rates(2, 2, 1), ("desk", "plan"): Rates(0, 1, 1, 1)}
    assert {one.name: one.rates for one in found.reviewers} == {"ann": Rates(2, 2, 0, 1), "Bob": Rates(0, 1, 2)}
    assert {one.name: one.rates for one in found.rules} == {"careful": Rates(2, 2, 1)}
    mail, bob = named(found.agents)["mail"], named(found.reviewers)["Bob"]
    assert (mail.waited.median, mail.waited.p90) == (near(30), near(50))
    assert (mail.viewed.median, mail.viewed.p90) == (near(8), near(20)), "of four: nobody knows how long the fifth was looked at"
    assert found.overall.edited == (("body", 1), ("cc", 1), ("to", 1), ("when", 1)), "dropped, added, changed, and changed inside"
    assert (mail.edited, bob.edited) == ((("body", 1), ("cc", 1), ("to", 1)), (("when", 1),))
    assert found.overall.reasons == bob.reasons == (("wrong address", 2),)
    assert named(found.rules)["careful"].reasons == mail.reasons == (("wrong address", 1),)
    (span,) = found.overall.trend
    assert (span.began, span.rates) == (_monday(NOW), found.overall.rates)
    assert span.waited == pytest.approx(50, rel=0.3)
    stated, good = [0.9, 0.8, 0.6, 0.2], [1, 1, 0, 0]
    assert found.calibration.count == 4
    assert found.calibration.brier == pytest.approx(sum((p - g) ** 2 for p, g in zip(stated, good, strict=True)) / 4)
    assert found.calibration.error == pytest.approx((0.1 + 0.2 + 0.6 + 0.2) / 4)
    assert found.calibration.auto is None


async def test_statistics_report_reading_pace_per_person(store: Store) -> None:
    await happen(store, *[Case(YES, viewed=20) for _ in range(4)], *[Case(YES, viewed=0.5) for _ in range(5)], Case(YES, viewed=None))
    await happen(store, *[Case(no("x"), actor="Bob", args={}, viewed=0.1) for _ in range(2)])
    await store.write("INSERT INTO runs (agent, thread, title, input, attention, created_at) VALUES ('mail', 't', '', '{}', 1, 0)")
    for number, caught in enumerate((1, 0, 1, None)):
        review = await ask(store, Case(YES))
        await store.write(
            "INSERT INTO attention_checks (review, source, wrong, correct, made_at, last, actor, actor_key, caught, found_at) "
            "VALUES (?, 1, '', '{}', ?, 0, 'ann', 'ann', ?, ?)",
            (review, NOW, caught, NOW - number * 5 * DAY),
        )
    ann, bob = (await Inbox(store, "ann").insights.read()).readers
    assert (ann.reviewer, ann.pace.decided, ann.pace.fast, ann.pace.streak, ann.pace.too_fast) == ("ann", 9, 5, 5, True)
    size = len(json.dumps(LETTER))
    assert ann.per_1000 == pytest.approx(0.5 / size * 1000), "five of nine took half a second"
    assert (ann.unchanged, ann.shown, ann.caught) == (1.0, 3, 2)
    assert (bob.pace.fast, bob.pace.streak, bob.per_1000, bob.unchanged) == (2, 0, None, 0.0), "a quick no harms nobody"
    assert (await Inbox(store, "ann").insights.read(NOW - 7 * DAY)).readers[0].shown == 2
    assert await Inbox(store, "ann").insights.pace() == ann
    assert await Inbox(store, "nobody").insights.pace() is None


async def test_statistics_of_a_period_count_its_days_only(store: Store) -> None:
    for days in (0, 0, 3, 20, 60, 200, 2000):
        await happen(store, Case(YES, at=NOW - days * DAY, confidence=0.5), Case(no("late"), at=NOW - days * DAY))
    read = Inbox(store, "ann").insights.read
    for days, decisions, spans in ((1, 4, 1), (7, 6, 2), (30, 8, 3), (90, 10, 4), (300, 12, 5), (3000, 14, 5), (0, 14, 5)):
        found = await read(NOW - days * DAY if days else 0.0)
        assert (found.decisions, found.calibration.count) == (decisions, decisions // 2), days
        assert found.overall.reasons == (("late", decisions // 2),)
        assert len(found.overall.trend) in (spans, spans - 1), f"{days}: a week may hold two of the days"
        assert [one.began for one in found.overall.trend] == sorted(one.began for one in found.overall.trend)
        assert all(one.rates.total == 2 for one in found.overall.trend[:-1]) and found.overall.trend[-1].rates.total in (4, 6)


async def test_statistics_survive_a_jumping_clock(store: Store) -> None:
    await happen(
        store, Case(YES, at=0.0), Case(YES, at=60.0, waited=-3600), Case(no("x"), at=32_472_144_000.0), Case(YES, waited=-1e9), Case(YES)
    )
    found = await Inbox(store, "ann").insights.read()
    assert found.overall.rates == Rates(4, 0, 1)
    assert [one.rates.total for one in found.overall.trend] == [2], "neither 1970 nor 2999 is drawn"
    assert found.overall.waited.median == near(60)
    week = await Inbox(store, "ann").insights.read(NOW - 7 * DAY)
    assert week.overall.rates == Rates(2, 0, 1), "what is said to be of the year 2999 is newer than a week"
    assert (await Inbox(store, "ann").insights.read(NOW + 9e9)).decisions == 1
    assert (await Inbox(store, "ann").insights.read(-1e9)).decisions == 5


ODD = "pay \u202eevil\x1b[31m\x00 [red]ü字\ud83d"


async def test_statistics_show_unusual_names_and_reasons_visibly(store: Store) -> None:
    names = {ODD: 1, "n" * 10_000: 1, "": 1, **{f"a{number:03}": number for number in range(200)}}
    await happen(
        store,
        Case(edit({}), args=names),
        Case(edit("a plain text"), args="another"),
        Case(no(ODD.replace("\ud83d", "").replace("\x00", ""))),
        Case(no("why " * 10_000)),
        Case(no("  . ")),
        Case(no("STRASSE über"), agent="字" * 300, tool="\x1b]0;x\x07", actor="zoë [x]"),
    )
    found = await Inbox(store, "ann").insights.read()
    assert found.overall.rates == Rates(0, 2, 4)
    names_shown, reasons = [name for name, _ in found.overall.edited], [reason for reason, _ in found.overall.reasons]
    assert len(names_shown) == LISTED and statistics.WHOLE in names_shown
    assert len(reasons) == 3 and "strasse über" in reasons
    assert all(len(one) <= statistics.REASON_LENGTH and one.isprintable() for one in (*names_shown, *reasons))
    assert {(one.agent, one.name) for one in found.tools} == {("mail", "send"), ("字" * 300, "\x1b]0;x\x07")}


FIGURES = (
    "SELECT d.agent, d.agent || ' ' || d.tool, d.actor, a.rule, d.kind, a.confidence, d.at - v.opened_at, d.viewed_ms / 1000.0, d.at "
    "FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review "
    "WHERE NOT d.superseded AND NOT d.actor GLOB '*:*'"
)


@pytest.mark.slow
async def test_statistics_match_numpy_and_sklearn(tmp_path: Path) -> None:
    import numpy as np  # these take longer to import than most tests run
    from sklearn.metrics import brier_score_loss  # type: ignore[import-untyped]

    await asyncio.to_thread(large_home.fill, tmp_path / "hitl.db", 1500)
    async with open_store(tmp_path / "hitl.db") as store:
        rows = await store.all(FIGURES)
        found = await Inbox(store, "ann").insights.read()
        for column, group in enumerate((found.agents, found.tools, found.reviewers, found.rules)):
            assert {full_name(one) for one in group} == {row[column] for row in rows}
            for one in group:
                _is_counted([row for row in rows if row[column] == full_name(one)], one)
        _is_counted(rows, found.overall)
        stated, good = np.array([row[5] for row in rows]), np.array([row[4] == "approve" for row in rows])
        assert found.calibration.brier == pytest.approx(brier_score_loss(good, stated))
        numbers = np.minimum(19, (stated * 20).astype(int))
        apart = [abs(stated[numbers == n].mean() - good[numbers == n].mean()) * (numbers == n).sum() for n in np.unique(numbers)]
        assert found.calibration.error == pytest.approx(sum(apart) / len(rows))
        await _is_narrowed(store, rows)


def _is_counted(rows: Sequence[Any], one: Figures) -> None:
    import numpy as np

    kinds = Counter(row[4] for row in rows)
    assert one.rates == Rates(kinds["approve"], kinds["edit"], kinds["reject"], kinds["respond"])
    for times, column in ((one.waited, 6), (one.viewed, 7)):
        for found, q in ((times.median, 0.5), (times.p90, 0.9)):
            assert found == near(np.quantile([row[column] for row in rows if row[column] is not None], q, method="inverted_cdf"))
    first, last = _monday(time.time()) - 52 * 7 * DAY, time.time()
    weeks = Counter(_monday(row[8]) for row in rows if first <= row[8] <= last)
    assert {span.began: span.rates.total for span in one.trend} == weeks


async def _is_narrowed(store: Store, rows: Sequence[Any]) -> None:
    """Decisions that match a filter are counted as if there were no others."""
    found = await Inbox(store, "x").insights.read(0.0, StatisticsFilter("MAIL*", "*_mail", "Ann"))
    fitting = [row for row in rows if row[0] == "mail_assistant" and row[2] == "ann"]
    _is_counted(fitting, found.overall)
    assert [one.name for one in found.reviewers] == ["ann"] and {full_name(one) for one in found.tools} == {row[1] for row in fitting}
    assert (found.calibration.count, found.by_itself) == (len(fitting), 0)
    half = await Inbox(store, "x").insights.read(NOW - 20 * DAY, StatisticsFilter(tool="run_sql"))
    wanted = [row for row in rows if row[1] == "sql_steward run_sql" and row[8] // DAY >= (NOW - 20 * DAY) // DAY]
    assert half.decisions == len(wanted) == half.calibration.count
    assert (await Inbox(store, "x").insights.read(0.0, StatisticsFilter(agent="nobody"))).decisions == 0


def _monday(at: float) -> float:
    return float((int(at // DAY) + 3) // 7 * 7 - 3) * DAY


ANSWERS = (YES, no("no"), no("No. "), edit({"to": "b", "body": "c"}), Answer(DecisionKind.RESPOND, message="m"))
STEPS = st.lists(st.tuples(st.sampled_from(["decide", "decide", "undo", "look"]), st.integers(0, 2), st.sampled_from(ANSWERS)), max_size=14)


@examples(0.2)
@given(STEPS)
def test_statistics_after_any_steps_equal_a_recount(steps: list[tuple[str, int, Answer]]) -> None:
    async def work(folder: Path) -> None:
        async with open_store(folder / "hitl.db", "NORMAL") as store:
            ann, bob = Inbox(store, "ann", grace_s=600), Inbox(store, "bob", grace_s=600)
            asked = [await ask(store, Case(YES, tool=f"tool{number % 2}", confidence=0.3 * number)) for number in range(3)]
            for what, number, answer in steps:
                who, review = (ann, bob)[number % 2], asked[number]
                is_open = (await store.one("SELECT state FROM reviews WHERE id = ?", (review,)))[0] == "open"
                if what == "look":
                    await who.insights.read()
                elif what == "decide" and is_open:
                    await who.reviews.decide(await who.reviews.get(review), {0: answer}, 500 * number)
                elif what == "undo" and not is_open:
                    await who.reviews.undo(review)
            kept = await _counts(store)
            for table in ("history", "cells", "tallies", "beliefs"):
                await store.write(f"DELETE FROM {table}")
            await store.write("INSERT INTO history_text (history_text) VALUES ('delete-all')")
            assert kept == await _counts(store)
            stands = await store.all("SELECT tool, kind, count(*) FROM decisions WHERE NOT superseded GROUP BY 1, 2")
            assert {key[2:]: count for key, count in kept.items() if key[:2] == ("tool", "decided") and len(key) == 4} == {
                (f"mail {tool}", kind): count for tool, kind, count in stands
            }

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(Path(folder)))


async def _counts(store: Store) -> dict[tuple[Any, ...], Any]:
    """Every count that is not 0, by the names of its group."""
    await history.catch_up(store)
    name = "agent || ' ' || c.tool || c.actor || CASE t.scope WHEN 'tool' THEN '' ELSE c.rule END"
    found: dict[tuple[Any, ...], Any] = {}
    for scope, grain, measure, day, cell, value, count in await store.all(
        f"SELECT t.scope, grain, measure, day, {name}, value, count FROM tallies t JOIN cells c ON c.id = t.cell WHERE count != 0"
    ):
        found[(scope, measure, cell, value) if grain == 0 else (scope, measure, cell, value, grain, day)] = count
    for scope, grain, day, cell, number, count, *sums in await store.all(
        f"SELECT t.scope, grain, day, {name}, bin, count, confidence, squares, good, believed_good FROM beliefs t "
        "JOIN cells c ON c.id = t.cell WHERE count != 0"
    ):
        found[scope, grain, day, cell, number] = [count, *(round(one, 9) for one in sums)]
    return found


async def test_statistics_never_scan_all_decisions(store: Store) -> None:
    await happen(store, Case(YES), Case(no("x")))
    plans: list[str] = []
    asked = store.all

    async def watched(sql: str, values: Any = ()) -> list[Any]:
        plans.extend(str(row[3]) for row in await asked(f"EXPLAIN QUERY PLAN {sql}", values))
        return await asked(sql, values)

    store.all = watched  # type: ignore[method-assign]
    for since, only in ((0.0, None), (NOW - DAY, None), (0.0, StatisticsFilter("mail"))):
        await Inbox(store, "ann").insights.read(since, only)
    await Inbox(store, "ann").insights.pace()
    assert plans
    assert not [step for step in plans if re.match(r"SCAN (history|decisions|tallies|t|b|beliefs|x)\b", step)], plans


# The command


def stats(folder: Path, *options: str) -> str:
    """Return the output of `hitl-tui stats`."""
    done = CliRunner().invoke(main, ["stats", "--home", str(folder), *options])
    assert done.exit_code == 0, done.output
    return done.output


def document(folder: Path, *options: str) -> dict[str, Any]:
    """Return the parsed output of `hitl-tui stats --json`."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found: dict[str, Any] = json.loads(stats(folder, "--json", *options), parse_constant=refuse)
    return found


def seeded(folder: Path, *cases: Case) -> None:
    """Fill a home with these cases."""

    async def work() -> None:
        async with open_store(folder / "hitl.db") as store:
            await happen(store, *cases)

    asyncio.run(work())


def _shape(value: Any) -> Any:
    return {key: _shape(one) for key, one in value.items()} if isinstance(value, dict) else None


def test_stats_command_with_too_little_data_says_so(tmp_path: Path) -> None:
    nothing = stats(tmp_path)
    assert nothing.startswith("0 decisions by people in total")
    assert nothing.count("not enough") >= 7
    empty = document(tmp_path)
    assert (empty["decisions"], empty["since"], empty["tools"], empty["calibration"]["brier"]) == (0, None, [], None)
    seeded(tmp_path, Case(YES, confidence=1.0))
    one, single = stats(tmp_path), document(tmp_path)
    assert one.startswith("1 decision by people in total")
    assert not re.search(r"nan|none\b|100 %|inf\b", one, re.IGNORECASE)
    assert (single["overall"]["shares"], single["overall"]["unchanged"], single["overall"]["waited_s"]["median"]) == (None, None, None)
    assert (single["calibration"]["brier"], single["calibration"]["error"], single["calibration"]["auto"]) == (None, None, None)
    assert (single["readers"][0]["approved"], single["readers"][0]["per_1000_s"]) == (None, None)
    assert single["overall"].keys() == empty["overall"].keys()


@pytest.mark.slow
def test_stats_command_fits_80_columns_and_prints_json(tmp_path: Path) -> None:
    large_home.fill(tmp_path / "hitl.db", 800)
    seeded(
        tmp_path, Case(no("\x1b[31m" + ODD.replace("\ud83d", "") * 20), agent="a" * 99, tool="t\x1b" * 50, actor="zoë " * 20, rule="r" * 99)
    )
    for options in ((), ("--agent", "MAIL*", "--tool", "send*", "--reviewer", "ann")):
        told = run_in_terminal(["stats", "--home", str(tmp_path), *options], 80)
        assert max(map(cells, told.splitlines())) <= 80, max(told.splitlines(), key=cells)
        assert all(line.isprintable() for line in told.splitlines())
    piped = stats(tmp_path)
    assert "a" * 99 in piped and ("zoë " * 20).strip() in piped
    assert "r" * 99 in piped and stats(tmp_path, "--agent", "nobody").startswith("0 decisions")
    assert re.search(r"mail_assistant +\d+ +\d+ %", stats(tmp_path)) and "fast" in stats(tmp_path)
    found = document(tmp_path)
    assert found["decisions"] == sum(one["decisions"] for one in found["tools"]) == sum(one["decisions"] for one in found["reviewers"])
    assert math.isclose(sum(found["overall"]["shares"].values()), 1)
    assert {one["reason"] for one in found["overall"]["reasons"]} >= set(large_home.REASONS)
    assert sum(one["decisions"] for one in found["calibration"]["bins"]) == found["calibration"]["decisions"]
    assert _shape(document(tmp_path, "--tool", "nothing")["overall"]).keys() == found["overall"].keys()
    assert document(tmp_path, "--since", "2w")["since"] == pytest.approx(time.time() - 14 * DAY, abs=60)


@pytest.mark.parametrize("since", ["soon", "7x", "-1d"])
def test_stats_command_with_an_invalid_period_is_refused(tmp_path: Path, since: str) -> None:
    done = CliRunner().invoke(main, ["stats", "--home", str(tmp_path), "--since", since])
    assert done.exit_code == 1
    assert "is not a duration; write it like" in done.output
