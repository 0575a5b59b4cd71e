"""Filters of the queue and of the runs as SQL: where each field of the filter language is found. `history.py` filters the history."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.filter_language import FIELDS, ConfidenceLimit, Filter
from hitl_tui.store.connection import Store

PAGE = 20_000


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a filter is looked up on a row, as SQL."""

    fields: Mapping[str, str]
    """By field; a field that is not here matches nothing."""
    text: str
    """What plain words are searched in, in lower case."""
    at: str
    """The time for `since` and `until`."""
    confidence: str = "NULL"


REVIEW = _Columns(
    {
        "agent": "v.agent",
        "tool": "v.title",
        "rule": "(SELECT group_concat(rule, ' ') FROM actions a WHERE a.review = v.id)",
        "by": "coalesce(v.claimed_by, '')",
        "run": "v.run",
        "review": "v.id",
        "kind": "v.kind",
        "risk": "coalesce(v.risk, 'unknown')",
        "outcome": "coalesce(v.route, 'none')",
    },
    text="lower(v.agent || char(10) || v.title || char(10) || v.summary)",
    at="v.opened_at",
    confidence="v.confidence",
)
"""An open review `v`. It has no decision yet, so `decided` and `rating` match nothing."""
RUN = _Columns(
    {"agent": "r.agent", "run": "r.id", "by": "r.launched_by"},
    text="lower('r' || r.id || char(10) || r.agent || char(10) || r.state || char(10) || r.title || char(10) || r.error)",
    at="r.created_at",
)
"""A run `r`. Its fields are all that a filter of runs may have, besides times and words."""
RUN_FIELDS = tuple(RUN.fields)


async def open_reviews(store: Store, wanted: Filter) -> array[int]:
    """Ids of the open reviews that match, oldest first."""
    where, values = _where(REVIEW, wanted)
    page_of = f"SELECT v.id FROM reviews v WHERE v.state = 'open' AND v.id > :last AND {where} ORDER BY v.id LIMIT {PAGE}"
    ids = array("q")
    while True:  # a page at a time: a cursor kept open would hide from this connection what is written meanwhile
        page = await store.all(page_of, {**values, "last": ids[-1] if ids else 0})
        ids.extend(id_ for (id_,) in page)
        if len(page) < PAGE:
            return ids


def matching_reviews(store: Store, wanted: Filter, ids: Sequence[int]) -> set[int]:
    """Those of these few reviews that match, open or not. Reads at once."""
    where, values = _where(REVIEW, wanted)
    among = f"SELECT v.id FROM reviews v WHERE v.id IN (SELECT value FROM json_each(:ids)) AND {where}"
    return {int(id_) for (id_,) in store.read_now(among, {**values, "ids": json.dumps(list(ids))})}


async def runs(store: Store, wanted: Filter) -> array[int]:
    """Ids of the runs that match a filter with no other fields than `RUN_FIELDS`, oldest first."""
    where, values = _where(RUN, wanted)
    return array("q", [id_ for (id_,) in await store.all(f"SELECT r.id FROM runs r WHERE {where} ORDER BY r.id", values)])


def matching_runs(store: Store, wanted: Filter, ids: Sequence[int]) -> set[int]:
    """Those of these few runs that match. Reads at once."""
    where, values = _where(RUN, wanted)
    among = f"SELECT r.id FROM runs r WHERE r.id IN (SELECT value FROM json_each(:ids)) AND {where}"
    return {int(id_) for (id_,) in store.read_now(among, {**values, "ids": json.dumps(list(ids))})}


def lower_glob(glob: str) -> str:
    """A glob for SQLite's GLOB on lower-case text; brackets stand for themselves."""
    return lower(glob).replace("[", "[[]")


def lower(text: str) -> str:
    """The text as SQLite's lower() makes it: only ASCII letters change."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def comparison(limit: ConfidenceLimit) -> str:
    """The SQL operator of a limit."""
    return {"<": "<", "<=": "<=", ">": ">", ">=": ">="}[limit.sign]


def _where(columns: _Columns, wanted: Filter) -> tuple[str, dict[str, Any]]:
    """The condition on a row, and its values by name."""
    values: dict[str, Any] = {}

    def bind(value: Any) -> str:
        name = f"value{len(values)}"
        values[name] = value
        return f":{name}"

    clauses = []
    for term in wanted.terms:
        column, kind = columns.fields.get(term.field, "''"), FIELDS[term.field].kind
        if kind == "glob":
            clause = " OR ".join(f"lower({column}) GLOB {bind(lower_glob(value))}" for value in term.values)
        else:
            clause = f"{column} IN ({', '.join(bind(int(value) if kind == 'id' else value) for value in term.values)})"
        clauses.append(f"NOT ({clause})" if term.negated else f"({clause})")
    clauses += [f"instr({columns.text}, lower({bind(word)}))" for word in wanted.words]
    clauses += [f"NOT instr({columns.text}, lower({bind(word)}))" for word in wanted.without]
    clauses += [f"{columns.confidence} {comparison(limit)} {bind(limit.value)}" for limit in wanted.confidence]
    clauses += [f"{columns.at} >= {bind(wanted.since)}"] if wanted.since is not None else []
    clauses += [f"{columns.at} <= {bind(wanted.until)}"] if wanted.until is not None else []
    return " AND ".join(clauses) or "TRUE", values
