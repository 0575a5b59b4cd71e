"""Figures that are kept up to date as decisions come in, and read in no time however many there were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hitl_tui.insights import Believed, Rates
from hitl_tui.store.connection import Store
from hitl_tui.store.search import catch_up

Group = Literal["agent", "tool", "reviewer", "rule", "day"]
COLUMNS: Mapping[Group, str] = {"agent": "agent", "tool": "agent || ' ' || tool", "reviewer": "actor", "rule": "rule", "day": "day"}
TIMED: Mapping[Group, str] = {**COLUMNS, "rule": "''"}
NOT_PEOPLE = "actor NOT GLOB 'policy:*' AND actor NOT GLOB 'timeout:*'"
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of one group's actions, by people, and how long they took."""

    name: str
    rates: Rates
    waited: Mapping[int, int]
    """A histogram by `insights.bucket`: from being asked to being decided."""
    looked: Mapping[int, int]
    """The same of the time in view."""


async def tallies(store: Store, group: Group, since: float = 0.0) -> list[Tally]:
    """Every group that people decided something of since the day of that Unix time, the busiest first."""
    await catch_up(store)
    day = int(since // DAY)
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for name, kind, count in await store.all(
        f"SELECT {COLUMNS[group]}, kind, sum(count) FROM tallies WHERE day >= ? AND {NOT_PEOPLE} GROUP BY 1, 2", (day,)
    ):
        counts[str(name)][kind] = int(count)
    times: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for name, measure, bucket, count in await store.all(
        f"SELECT {TIMED[group]}, measure, bucket, sum(count) FROM times WHERE day >= ? AND {NOT_PEOPLE} GROUP BY 1, 2, 3", (day,)
    ):
        times[str(name), measure][int(bucket)] = int(count)
    made = [Tally(name, _rates(found), times[name, "waited"], times[name, "looked"]) for name, found in counts.items()]
    return sorted((one for one in made if one.rates.total), key=lambda one: (-one.rates.total, one.name))


async def beliefs(store: Store, since: float = 0.0, agent: str | None = None, tool: str | None = None) -> list[Believed]:
    """Stated confidence against what people decided, in bins of a twentieth; of all agents and tools, or of one."""
    await catch_up(store)
    where, values = ["day >= ?"], [int(since // DAY)] + [one for one in (agent, tool) if one is not None]
    where += [f"{column} = ?" for column, one in (("agent", agent), ("tool", tool)) if one is not None]
    found: Sequence[Any] = await store.all(
        "SELECT sum(count), sum(confidence), sum(squares), sum(good), sum(believed_good) FROM beliefs "
        f"WHERE {' AND '.join(where)} GROUP BY bin HAVING sum(count) > 0 ORDER BY bin",
        values,
    )
    return [Believed(*row) for row in found]


def _rates(by_kind: Mapping[str, int]) -> Rates:
    return Rates(by_kind.get("approve", 0), by_kind.get("edit", 0), by_kind.get("reject", 0), by_kind.get("respond", 0))
