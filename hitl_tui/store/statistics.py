"""Counts of decisions for statistics, kept up to date by triggers as decisions come in, so that reading them never scans the decisions.

The rows (`schema/tables/statistics.sql`): a cell names what is counted, such as one tool of an agent, or one reviewer; `tallies` are its
counters by day, week and all time; `beliefs` compare stated confidence with decisions. The cost of reading follows the number of tools,
people and rules, and the days that are shown.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import DecisionKind, person_key
from hitl_tui.oversight.practice import PracticeResult, Training, summed
from hitl_tui.oversight.reading import reading_time_s, words_of_size
from hitl_tui.oversight.statistics import (
    ROUGH,
    Agreement,
    ConfidenceBin,
    Figures,
    Rates,
    Reader,
    Times,
    TrendPoint,
    pace,
    quantile,
    rough_median,
)
from hitl_tui.policy.globs import matches
from hitl_tui.store.connection import Store
from hitl_tui.store.history import catch_up, judgements

DAY = 86_400
DAILY = 31
"""A period of at most so many days is counted by day; a longer one by week, and begins on a Monday."""
SPANS = 53
"""Weeks of a trend, up to now."""
AT_ONCE = 2000
"""Rows that are counted before the event loop turns: somebody may be typing."""
LISTED = 20
"""Arguments, and reasons, that are listed of one group."""
PACE_DECISIONS = 50
"""Decisions that a reviewer's pace is measured by. Each call of a set counts: what is let through too fast does harm by its number."""
LEAST_SIZE = 100
"""Characters below which a call is too short to measure the time per 1,000 characters."""
CELLS = "SELECT id, scope, agent, tool, actor, rule FROM cells WHERE scope IN (SELECT value FROM json_each(?))"
TOTALS = """
SELECT cell, measure, value, sum(count) FROM tallies
WHERE scope IN (SELECT value FROM json_each(:scopes)) AND grain = :grain AND measure IN ('decided', 'waited', 'viewed') AND day >= :day
GROUP BY cell, measure, value HAVING sum(count) > 0
"""
TREND = """
SELECT cell, measure, day, value, count FROM tallies
WHERE scope IN (SELECT value FROM json_each(:scopes)) AND grain = :grain AND measure IN ('decided', :measure)
    AND day BETWEEN :first AND :last AND count > 0
"""
WORDS = """
SELECT cell, measure, value, sum(count) FROM tallies
WHERE scope IN (SELECT value FROM json_each(:scopes)) AND grain = :grain AND measure IN ('edited', 'reason') AND day >= :day
GROUP BY cell, measure, value HAVING sum(count) > 0
"""
"""Edited arguments and reasons of a period."""
MOST_WORDS = """
SELECT c.id, m.value, t.value, t.count FROM cells c CROSS JOIN json_each('["edited", "reason"]') m CROSS JOIN tallies t
WHERE c.scope IN (SELECT value FROM json_each(:scopes))
    AND t.scope = c.scope AND t.grain = 0 AND t.measure = m.value AND t.day = 0 AND t.cell = c.id
    AND t.value IN (
        SELECT x.value FROM tallies x
        WHERE x.grain = 0 AND x.measure IN ('edited', 'reason') AND x.scope = c.scope AND x.measure = m.value AND x.cell = c.id
            AND x.count > 0
        ORDER BY x.count DESC LIMIT 50
    )
"""
"""The most frequent edited arguments and reasons of all time, from the index `tallies_most`."""
BINS = """
SELECT sum(b.count), sum(b.confidence), sum(b.squares), sum(b.good), sum(b.believed_good) FROM beliefs b
WHERE b.scope = :scope AND b.grain = :grain AND b.day >= :day AND b.cell IN (SELECT value FROM json_each(:cells))
GROUP BY b.bin HAVING sum(b.count) > 0 ORDER BY b.bin
"""
REVIEWER = """
SELECT t.measure, t.value, t.count FROM cells c CROSS JOIN tallies t
WHERE c.scope = 'reviewer' AND c.agent = '' AND c.tool = '' AND c.actor_key = ? AND c.rule = ''
    AND t.scope = 'reviewer' AND t.grain = 0 AND t.measure IN ('decided', 'viewed') AND t.day = 0 AND t.cell = c.id AND t.count > 0
"""
LAST_VIEWED = """
SELECT decision, at, actor_key, viewed_ms / 1000.0, size, kind, reading_ms / 1000.0, seen FROM history
WHERE actor_key = :key AND in_force AND viewed_ms IS NOT NULL AND decision < :before ORDER BY decision DESC LIMIT :limit
"""
CHECKS = """
SELECT count(*), coalesce(sum(caught), 0) FROM attention_checks
WHERE actor_key = :key AND caught IS NOT NULL AND found_at >= :since
"""


@dataclass(frozen=True, slots=True)
class StatisticsFilter:
    """Which decisions are counted: globs of `*` and `?` that ignore case, all of which must match."""

    agent: str = "*"
    tool: str = "*"
    reviewer: str = "*"

    @property
    def is_all(self) -> bool:
        """Whether every decision matches."""
        return self == StatisticsFilter()

    def matches(self, agent: str, tool: str, actor: str) -> bool:
        """Whether a decision is counted."""
        return _matches(self.agent, agent) and _matches(self.tool, tool) and _matches(self.reviewer, actor)


@dataclass(slots=True)
class Counts:
    """Counts of the decisions about one agent, tool or rule, by one reviewer, or of all."""

    kinds: Counter[str] = field(default_factory=Counter)
    waited: Counter[int] = field(default_factory=Counter)
    """Histogram by `time_bucket` of the time from opening to decision."""
    viewed: Counter[int] = field(default_factory=Counter)
    """The same of the time viewed."""
    edited: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    spans: defaultdict[int, tuple[Counter[str], Counter[int]]] = field(default_factory=lambda: defaultdict(lambda: (Counter(), Counter())))
    """Days or weeks by their first day: kinds, and a coarse histogram of the time from opening to decision."""

    @property
    def rates(self) -> Rates:
        """Numbers of decisions by kind."""
        return _rates(self.kinds)

    def figures(self, name: str, agent: str = "") -> Figures:
        """The figures of these counts."""
        trend = [
            TrendPoint(float(day * DAY), _rates(kinds), rough_median(waited))
            for day, (kinds, waited) in sorted(self.spans.items())
            if kinds
        ]
        return Figures(name, self.rates, times(self.waited), times(self.viewed), trend, _most(self.edited), _most(self.reasons), agent)


@dataclass(slots=True)
class PeriodCounts:
    """The counts of a period, in total and by group."""

    overall: Counts = field(default_factory=Counts)
    agents: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    tools: defaultdict[tuple[str, str], Counts] = field(default_factory=lambda: defaultdict(Counts))
    """By agent and tool."""
    reviewers: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    rules: defaultdict[str, Counts] = field(default_factory=lambda: defaultdict(Counts))
    by_itself: int = 0
    """Actions that no person decided."""
    bins: Sequence[ConfidenceBin] = ()
    """Stated confidence against decisions, in twentieths."""


async def period_counts(store: Store, since: float = 0.0, only: StatisticsFilter | None = None) -> PeriodCounts:
    """The counts of all decisions since the day of that Unix time, or of those that match a filter."""
    await catch_up(store)
    found, is_all = PeriodCounts(), only is None or only.is_all
    scopes = ["tool", "reviewer", "rule"] if is_all else ["each"]
    targets, with_bins = dict[int, list[Counts]](), list[int]()
    for cell, scope, agent, tool, actor, rule in await _cells(store, scopes):
        if only is None or is_all or only.matches(agent, tool, actor):
            targets[cell] = list(_targets(found, scope, agent, tool, actor, rule))
            with_bins += [cell] if scope in ("tool", "each") else []
    await _count(store, targets, scopes, since)
    found.bins = await _bins(store, "tool" if is_all else "each", since, with_bins)
    found.by_itself = await _by_itself(store, since, only or StatisticsFilter())
    return found


async def reviewer_counts(store: Store, reviewer: str) -> Counts:
    """The counts of one person's decisions of all time, without the trend."""
    await catch_up(store)
    found = Counts()
    for measure, value, count in await store.all(REVIEWER, (person_key(reviewer),)):
        _add(found, measure, value, count)
    return found


async def reader(store: Store, reviewer: str, counts: Counts, since: float = 0.0) -> Reader:
    """How one person reads, by their last decisions.

    Args:
        counts: the decisions that the share approved and the time viewed are taken from.
        since: Unix time from which attention checks are counted.
    """
    made = [[row[3:] for row in one] for one in await judgements(store, LAST_VIEWED, {"key": person_key(reviewer)}, PACE_DECISIONS)]
    views = [_viewed(row) for one in reversed(made) for row in reversed(one)][-PACE_DECISIONS:]
    alone = [one[0] for one in made if len(one) == 1]
    per_1000 = [max(0.0, viewed) / size * 1000 for viewed, size, *_ in alone if size >= LEAST_SIZE]
    seen = [share for one in made for *_, share in one if share is not None]
    shown, caught = await store.one(CHECKS, {"key": person_key(reviewer), "since": since})
    rates = counts.rates
    return Reader(
        reviewer, pace(views), times(counts.viewed), statistics.median(per_1000) if per_1000 else None, rates.share(rates.approved), shown,
        caught, statistics.fmean(seen) if seen else None,
    )  # fmt: skip


def _viewed(row: Sequence[Any]) -> tuple[float, float, bool]:
    """Seconds that a call was viewed, by itself or in a table, seconds that reading takes, and whether it was approved."""
    viewed, size, kind, needed, _ = row
    return viewed, reading_time_s(words_of_size(size)) if needed is None else needed, kind == DecisionKind.APPROVE


READER_AND_PEOPLE = """
SELECT d.agent, d.tool, d.actor, json_extract(m.body, '$.verdict') = 'ok', d.kind = 'approve' FROM remarks m
JOIN decisions d ON d.review = m.review AND d.slot = m.slot AND NOT d.superseded AND d.actor_kind = 'person'
WHERE m.source = 'reader' AND m.problem = '' AND d.at >= :since
"""
READER_NAME = "second reader and people"
BLIND_ANSWERS = """
SELECT o.agent, o.tool, o.actor, o.review, o.slot, o.actor_key, o.kind = 'approve', o.at, o.withdrawn_at FROM (
    SELECT v.agent, a.name AS tool, e.actor, e.review, e.slot, e.actor_key, e.kind, e.at, e.withdrawn_at, 0 AS last, e.id
    FROM endorsements e JOIN reviews v ON v.id = e.review JOIN actions a ON a.review = e.review AND a.slot = e.slot
    WHERE a.blind AND e.at >= :since
    UNION ALL
    SELECT d.agent, d.tool, d.actor, d.review, d.slot, d.actor_key, d.kind, d.at, d.undone_at, 1 AS last, d.id
    FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
    WHERE a.blind AND d.actor_kind = 'person' AND d.at >= :since
) o ORDER BY o.review, o.slot, o.at, o.last, o.id
"""
"""Answers to calls that two people decide blind, in their order, with the time at which each was withdrawn."""
BLIND_NAME = "blind reviews"


async def agreements(store: Store, since: float = 0.0, only: StatisticsFilter | None = None) -> list[Agreement]:
    """How often two who read the same calls agree that a call is fine as it is; only of pairs with calls since that Unix time."""
    wanted = only or StatisticsFilter()
    found = [
        _agreement(READER_NAME, await store.all(READER_AND_PEOPLE, {"since": since}), wanted),
        _agreement(BLIND_NAME, _blind_pairs(await store.all(BLIND_ANSWERS, {"since": since})), wanted),
    ]
    return [one for one in found if one.total]


def _blind_pairs(rows: Iterable[Any]) -> Iterator[tuple[str, str, str, bool, bool]]:
    """Agent, tool, second reviewer, and whether the first and the second let the call run unchanged, of calls that two have answered.

    What somebody answers after they could see the other's answer does not count.
    """
    for _, answers in itertools.groupby(rows, key=lambda row: (row[3], row[4])):
        given: dict[str, tuple[bool, float | None]] = {}
        for agent, tool, actor, _, _, key, is_fine, at, withdrawn_at in answers:
            given = {who: one for who, one in given.items() if one[1] is None or one[1] > at}
            if others := [one for who, one in given.items() if who != key]:
                yield agent, tool, actor, others[0][0], bool(is_fine)
                break
            given[key] = (bool(is_fine), withdrawn_at)


def _agreement(name: str, rows: Iterable[Any], only: StatisticsFilter) -> Agreement:
    """The agreement in rows of agent, tool, reviewer, and whether the first and the second found the call fine."""
    counts = Counter((bool(one), bool(two)) for agent, tool, actor, one, two in rows if only.matches(agent, tool, actor))
    return Agreement(name, counts[True, True], counts[True, False], counts[False, True], counts[False, False])


PRACTICED = "SELECT actor, at, body FROM audit WHERE kind = 'practiced' AND at >= :since ORDER BY seq"
"""The terms are those of the index `audit_practiced`."""


async def trainings(store: Store, since: float = 0.0) -> list[Training]:
    """What people practised since a Unix time, the last one first."""
    found = dict[str, list[tuple[str, float, PracticeResult]]]()
    for actor, at, body in await store.all(PRACTICED, {"since": since}):
        found.setdefault(person_key(actor), []).append((actor, at, PracticeResult.of_json(canonical_json.loads(body, "an entry"))))
    made = [Training(rows[-1][0], len(rows), rows[-1][1], summed(result for *_, result in rows)) for rows in found.values()]
    return sorted(made, key=lambda one: -one.last_at)


def times(buckets: Mapping[int, int]) -> Times:
    """A histogram's median and 90th percentile."""
    return Times(quantile(buckets, 0.5), quantile(buckets, 0.9))


async def _count(store: Store, targets: Mapping[int, Sequence[Counts]], scopes: Sequence[str], since: float) -> None:
    """Add the counters of cells to the counts that each cell belongs to."""
    listed, period = json.dumps(scopes), _period(since)
    for cell, measure, value, count in await store.all(TOTALS, {"scopes": listed, **period}):
        for counts in targets.get(cell, ()):
            _add(counts, measure, value, count)
    words = await store.all(WORDS if period["grain"] else MOST_WORDS, {"scopes": listed, **period})
    for cell, measure, value, count in words:
        for counts in targets.get(cell, ()):
            (counts.edited if measure == "edited" else counts.reasons)[value] += count
    waiting = "waited" if scopes == ["each"] else "about"
    spans = await store.all(TREND, {"scopes": listed, "measure": waiting, **_trend(since)})
    for number, (cell, measure, began, value, count) in enumerate(spans):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        for counts in targets.get(cell, ()):
            kinds, waited = counts.spans[began]
            if measure == "decided":
                kinds[value] += count
            else:
                waited[value if waiting == "about" else value // ROUGH] += count


async def _cells(store: Store, scopes: Sequence[str]) -> list[Any]:
    """The cells of these scopes, as `(id, scope, agent, tool, actor, rule)`."""
    return await store.all(CELLS, (json.dumps(scopes),))


async def _bins(store: Store, scope: str, since: float, cells: Sequence[int]) -> list[ConfidenceBin]:
    rows = await store.all(BINS, {"scope": scope, "cells": json.dumps(cells), **_period(since)})
    return [ConfidenceBin(*row) for row in rows]


async def _by_itself(store: Store, since: float, only: StatisticsFilter) -> int:
    """How many actions no person decided; none if the filter names a reviewer."""
    if only.reviewer != "*":
        return 0
    matching = {cell for cell, _, agent, tool, actor, _ in await _cells(store, ["itself"]) if only.matches(agent, tool, actor)}
    rows = await store.all(TOTALS, {"scopes": json.dumps(["itself"]), **_period(since)})
    return sum(int(count) for cell, _, _, count in rows if cell in matching)


def _targets(found: PeriodCounts, scope: str, agent: str, tool: str, actor: str, rule: str) -> Iterable[Counts]:
    """The counts that a cell belongs to: every decision counts once in total, and for its agent, tool, reviewer and rule."""
    if scope in ("tool", "each"):
        yield from (found.overall, found.agents[agent], found.tools[agent, tool])
    if scope in ("reviewer", "each"):
        yield found.reviewers[actor]
    if scope in ("rule", "each") and rule:
        yield found.rules[rule]


def _add(counts: Counts, measure: str, value: Any, count: int) -> None:
    if measure == "decided":
        counts.kinds[value] += count
    elif measure == "waited":
        counts.waited[value] += count
    else:
        counts.viewed[value] += count


def _today() -> int:
    return int(time.time() // DAY)


def _monday(day: int) -> int:
    """The first day of its week, as the schema counts it."""
    return (day + 3) // 7 * 7 - 3


def _period(since: float) -> dict[str, int]:
    """`grain`, how many days are counted together (0: all), and the first `day` of them."""
    day = int(since // DAY)
    if day <= 0:
        return {"grain": 0, "day": 0}
    return {"grain": 1, "day": day} if _today() - day <= DAILY else {"grain": 7, "day": _monday(day)}


def _trend(since: float) -> dict[str, int]:
    """The `grain` of a trend, and its `first` and `last` day. A clock that was set far ahead makes no trend longer."""
    day, today = int(since // DAY), _today()
    if today - day <= DAILY:
        return {"grain": 1, "first": day, "last": today + 1}
    return {"grain": 7, "first": max(_monday(day), _monday(today) - 7 * (SPANS - 1)), "last": today + 1}


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))[:LISTED]


def _matches(glob: str, text: str) -> bool:
    return matches(glob.lower(), text.lower())


def _rates(by_kind: Mapping[str, int]) -> Rates:
    return Rates(by_kind.get("approve", 0), by_kind.get("edit", 0), by_kind.get("reject", 0), by_kind.get("respond", 0))
