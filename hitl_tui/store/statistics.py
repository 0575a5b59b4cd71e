"""Figures that are kept up to date as decisions come in, and read in no time however many there were.

A decision counts for its tool, for who decided, for the rule that asked, and for all these together; on its day, in its week, and for all
time. So what is read follows how many tools, people and rules there are, and how many days are shown.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hitl_tui.model import person_key
from hitl_tui.oversight.statistics import ROUGH, ConfidenceBin, Figures, Rates, Times, TrendPoint, quantile, rough_median
from hitl_tui.policy.globs import matches
from hitl_tui.store.connection import Store
from hitl_tui.store.history import catch_up

Group = Literal["agent", "tool", "reviewer", "rule"]
SCOPES: Mapping[Group, str] = {"agent": "tool", "tool": "tool", "reviewer": "reviewer", "rule": "rule"}
DAY = 86_400
DAILY = 31
"""A period of so many days is counted by the day; a longer one by the week, and begins on a Monday."""
SPANS = 53
"""Weeks of a trend, up to now."""
AT_ONCE = 2000
"""Rows that are counted before others have a turn: somebody may be typing."""
LISTED = 20
"""Arguments, and reasons, that are listed of one thing."""
TOTALS = (
    "SELECT cell, measure, value, sum(count) FROM tallies WHERE scope IN (SELECT value FROM json_each(?)) AND grain = ? "
    "AND measure IN ('decided', 'waited', 'viewed') AND day >= ? GROUP BY cell, measure, value HAVING sum(count) > 0"
)
TREND = (
    "SELECT cell, measure, day, value, count FROM tallies WHERE scope IN (SELECT value FROM json_each(?)) AND grain = ? "
    "AND measure IN ('decided', ?) AND day BETWEEN ? AND ? AND count > 0"
)
WORDS = (
    "SELECT cell, measure, value, sum(count) FROM tallies WHERE scope IN (SELECT value FROM json_each(?)) AND grain = ? "
    "AND measure IN ('edited', 'reason') AND day >= ? GROUP BY cell, measure, value HAVING sum(count) > 0"
)
MOST = (  # of all time: those that are there most, from an index
    'SELECT c.id, m.value, t.value, t.count FROM cells c CROSS JOIN json_each(\'["edited", "reason"]\') m CROSS JOIN tallies t '
    "WHERE c.scope IN (SELECT value FROM json_each(?)) AND t.scope = c.scope AND t.grain = 0 AND t.measure = m.value AND t.day = 0 "
    "AND t.cell = c.id AND t.value IN (SELECT x.value FROM tallies x WHERE x.grain = 0 AND x.measure IN ('edited', 'reason') "
    "AND x.scope = c.scope AND x.measure = m.value AND x.cell = c.id AND x.count > 0 ORDER BY x.count DESC LIMIT 50)"
)
BELIEFS = (
    "SELECT sum(b.count), sum(b.confidence), sum(b.squares), sum(b.good), sum(b.believed_good) FROM beliefs b "
    "WHERE b.scope = ? AND b.grain = ? AND b.day >= ? AND b.cell IN (SELECT value FROM json_each(?)) "
    "GROUP BY b.bin HAVING sum(b.count) > 0 ORDER BY b.bin"
)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one group's actions, by people, and how long they took."""

    name: str
    rates: Rates
    waited: Mapping[int, int]
    """A histogram by `insights.bucket`: from being asked to being decided."""
    viewed: Mapping[int, int]
    """The same of the time in view."""


@dataclass(frozen=True, slots=True)
class Only:
    """What figures are of: globs of `*` and `?`, upper and lower case the same; all must fit."""

    agent: str = "*"
    tool: str = "*"
    reviewer: str = "*"

    @property
    def is_all(self) -> bool:
        """Whether everything fits."""
        return self == Only()

    def fits(self, agent: str, tool: str, actor: str) -> bool:
        """Whether a decision is one of them."""
        return _fits(self.agent, agent) and _fits(self.tool, tool) and _fits(self.reviewer, actor)


@dataclass(slots=True)
class Counted:
    """The counts of one agent, tool, reviewer or rule, or of everything."""

    kinds: Counter[str] = field(default_factory=Counter)
    waited: Counter[int] = field(default_factory=Counter)
    viewed: Counter[int] = field(default_factory=Counter)
    edited: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    spans: defaultdict[int, tuple[Counter[str], Counter[int]]] = field(default_factory=lambda: defaultdict(lambda: (Counter(), Counter())))
    """By their first day: kinds, and about how long they waited."""

    @property
    def rates(self) -> Rates:
        """What became of them."""
        return _rates(self.kinds)

    def figures(self, name: str) -> Figures:
        """As it is shown."""
        trend = [
            TrendPoint(float(day * DAY), _rates(kinds), rough_median(waited))
            for day, (kinds, waited) in sorted(self.spans.items())
            if kinds
        ]
        return Figures(name, self.rates, times(self.waited), times(self.viewed), trend, _most(self.edited), _most(self.reasons))


@dataclass(slots=True)
class Everything:
    """The counts of a period, by name."""

    overall: Counted = field(default_factory=Counted)
    agents: defaultdict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    tools: defaultdict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    """Named `agent tool`."""
    reviewers: defaultdict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    rules: defaultdict[str, Counted] = field(default_factory=lambda: defaultdict(Counted))
    by_itself: int = 0
    bins: Sequence[ConfidenceBin] = ()


async def tallies(store: Store, group: Group, since: float = 0.0) -> list[Tally]:
    """Every group that people decided something of since the day of that Unix time, the busiest first."""
    await catch_up(store)
    grain, day = _period(since)
    scope = SCOPES[group]
    names = {id_: _name(group, *row) for id_, _, *row in await _cells(store, [scope])}
    found: defaultdict[str, Counted] = defaultdict(Counted)
    for cell, measure, value, count in await store.all(TOTALS, (json.dumps([scope]), grain, day)):
        _add(found[names[cell]], measure, value, count)
    made = [Tally(name, one.rates, one.waited, one.viewed) for name, one in found.items()]
    return sorted(made, key=lambda one: (-one.rates.total, one.name))


async def beliefs(store: Store, since: float = 0.0, agent: str | None = None, tool: str | None = None) -> list[ConfidenceBin]:
    """Stated confidence against what people decided, in bins of a twentieth; of all agents and tools, or of one."""
    await catch_up(store)
    cells = [row[0] for row in await _cells(store, ["tool"]) if agent in (None, row[2]) and tool in (None, row[3])]
    return await _beliefs(store, "tool", since, cells)


async def everything(store: Store, since: float = 0.0, only: Only | None = None) -> Everything:
    """The counts of all that was decided since the day of that Unix time, or `only` of some of it."""
    await catch_up(store)
    found, is_all = Everything(), only is None or only.is_all
    scopes = ["tool", "reviewer", "rule"] if is_all else ["each"]
    cells = [row for row in await _cells(store, scopes) if only is None or is_all or only.fits(row[2], row[3], row[4])]
    homes = {id_: list(_homes(found, scope, *names)) for id_, scope, *names in cells}
    await _count(store, homes, scopes, since)
    believed = "tool" if is_all else "each"
    found.bins = await _beliefs(store, believed, since, [row[0] for row in cells if row[1] == believed])
    found.by_itself = await _by_itself(store, since, only or Only())
    return found


async def of_reviewer(store: Store, reviewer: str) -> Counted:
    """What one person decided, ever, without the trend."""
    await catch_up(store)
    found = Counted()
    cell = await store.one(
        "SELECT id FROM cells WHERE scope = 'reviewer' AND agent = '' AND tool = '' AND actor_key = ? AND rule = ''",
        (person_key(reviewer),),
    )
    rows = await store.all(
        "SELECT measure, value, count FROM tallies WHERE scope = 'reviewer' AND grain = 0 AND measure IN ('decided', 'viewed') AND day = 0 "
        "AND cell = ? AND count > 0",
        cell or (0,),
    )
    for measure, value, count in rows:
        _add(found, measure, value, count)
    return found


def times(buckets: Mapping[int, int]) -> Times:
    """A histogram's median and 90th percentile."""
    return Times(quantile(buckets, 0.5), quantile(buckets, 0.9))


async def _count(store: Store, homes: Mapping[int, Sequence[Counted]], scopes: Sequence[str], since: float) -> None:
    listed, (grain, day) = json.dumps(scopes), _period(since)
    for cell, measure, value, count in await store.all(TOTALS, (listed, grain, day)):
        for home in homes.get(cell, ()):
            _add(home, measure, value, count)
    words = await (store.all(WORDS, (listed, grain, day)) if grain else store.all(MOST, (listed,)))
    for cell, measure, value, count in words:
        for home in homes.get(cell, ()):
            (home.edited if measure == "edited" else home.reasons)[value] += count
    measure = "waited" if scopes == ["each"] else "about"
    for number, (cell, measured, began, value, count) in enumerate(await store.all(TREND, (listed, *_trend(since, measure)))):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        for home in homes.get(cell, ()):
            kinds, waited = home.spans[began]
            if measured == "decided":
                kinds[value] += count
            else:
                waited[value if measure == "about" else value // ROUGH] += count


async def _cells(store: Store, scopes: Sequence[str]) -> list[Any]:
    return await store.all(
        "SELECT id, scope, agent, tool, actor, rule FROM cells WHERE scope IN (SELECT value FROM json_each(?))", (json.dumps(scopes),)
    )


async def _beliefs(store: Store, scope: str, since: float, cells: Sequence[int]) -> list[ConfidenceBin]:
    return [ConfidenceBin(*row) for row in await store.all(BELIEFS, (scope, *_period(since), json.dumps(cells)))]


async def _by_itself(store: Store, since: float, only: Only) -> int:
    """What no person decided; none of it is any reviewer's."""
    if only.reviewer != "*":
        return 0
    fitting = {row[0] for row in await _cells(store, ["itself"]) if only.fits(row[2], row[3], row[4])}
    rows = await store.all(TOTALS, (json.dumps(["itself"]), *_period(since)))
    return sum(int(count) for cell, _, _, count in rows if cell in fitting)


def _homes(found: Everything, scope: str, agent: str, tool: str, actor: str, rule: str) -> Iterable[Counted]:
    """What a cell counts for: each decision once for everything, its agent, tool, reviewer and rule."""
    if scope in ("tool", "each"):
        yield from (found.overall, found.agents[agent], found.tools[_name("tool", agent, tool, actor, rule)])
    if scope in ("reviewer", "each"):
        yield found.reviewers[actor]
    if scope in ("rule", "each") and rule:
        yield found.rules[rule]


def _name(group: Group, agent: str, tool: str, actor: str, rule: str) -> str:
    return {"agent": agent, "tool": f"{agent} {tool}", "reviewer": actor, "rule": rule}[group]


def _add(home: Counted, measure: str, value: Any, count: int) -> None:
    if measure == "decided":
        home.kinds[value] += count
    elif measure == "waited":
        home.waited[value] += count
    else:
        home.viewed[value] += count


def _today() -> int:
    return int(time.time() // DAY)


def _monday(day: int) -> int:
    """The first day of its week, as the schema counts it."""
    return (day + 3) // 7 * 7 - 3


def _period(since: float) -> tuple[int, int]:
    """How many days are counted together, and the first of them."""
    day = int(since // DAY)
    if day <= 0:
        return 0, 0
    return (1, day) if _today() - day <= DAILY else (7, _monday(day))


def _trend(since: float, measure: str) -> tuple[int, str, int, int]:
    """By days or weeks, how long they waited, and from when until when: a clock that jumped far makes no trend longer."""
    day, today = int(since // DAY), _today()
    if today - day <= DAILY:
        return 1, measure, day, today + 1
    return 7, measure, max(_monday(day), _monday(today) - 7 * (SPANS - 1)), today + 1


def _most(counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))[:LISTED]


def _fits(glob: str, text: str) -> bool:
    return matches(glob.lower(), text.lower())


def _rates(by_kind: Mapping[str, int]) -> Rates:
    return Rates(by_kind.get("approve", 0), by_kind.get("edit", 0), by_kind.get("reject", 0), by_kind.get("respond", 0))
