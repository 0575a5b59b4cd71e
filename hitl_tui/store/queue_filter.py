"""The queue's filter as SQL: where each field of the filter language is found on an open review."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from typing import Any

from hitl_tui.filter_language import FIELDS, Filter
from hitl_tui.store.connection import Store
from hitl_tui.store.history import lower_glob, sign_of

WAITING = {
    "agent": "v.agent", "tool": "v.title", "rule": "(SELECT group_concat(rule, ' ') FROM actions a WHERE a.review = v.id)",
    "by": "coalesce(v.claimed_by, '')", "run": "v.run", "review": "v.id", "kind": "v.kind", "risk": "coalesce(v.risk, 'unknown')",
    "outcome": "coalesce(v.route, 'none')",
}  # fmt: skip
"""Where the fields of a filter are found on a review that waits; it has no others yet, such as what was decided."""


async def waiting_ids(store: Store, wanted: Filter) -> array[int]:
    """Ids of the open reviews that fit, oldest first; eight bytes each."""
    where, values = _where(wanted)
    ids = array("q")
    last = 0
    while True:  # a page at a time: a cursor kept open would hide from this connection what is written meanwhile
        page = await store.all(
            f"SELECT v.id FROM reviews v WHERE v.state = 'open' AND v.id > ? AND {where} ORDER BY v.id LIMIT 20000", (last, *values)
        )
        ids.extend(row[0] for row in page)
        if len(page) < 20_000:
            return ids
        last = ids[-1]


def fitting(store: Store, wanted: Filter, ids: Sequence[int]) -> set[int]:
    """Those of these few reviews that fit, open or not; at once."""
    where, values = _where(wanted)
    asked = f"SELECT v.id FROM reviews v WHERE v.id IN (SELECT value FROM json_each(?)) AND {where}"
    return {int(row[0]) for row in store.read_now(asked, (json.dumps(list(ids)), *values))}


def _where(wanted: Filter) -> tuple[str, list[Any]]:
    found = list(_waiting(wanted))
    return " AND ".join(clause for clause, _ in found) or "TRUE", [value for _, given in found for value in given]


def _waiting(wanted: Filter) -> Iterator[tuple[str, list[Any]]]:
    """Clauses about a review `v`, with their values."""
    for term in wanted.terms:
        column, kind = WAITING.get(term.field, "''"), FIELDS[term.field].kind
        if kind == "glob":
            clause = " OR ".join(f"lower({column}) GLOB ?" for _ in term.values)
            given: list[Any] = [lower_glob(value) for value in term.values]
        else:
            clause = f"{column} IN ({', '.join('?' * len(term.values))})"
            given = [int(value) if kind == "id" else value for value in term.values]
        yield (f"NOT ({clause})" if term.negated else f"({clause})"), given
    text = "lower(v.agent || char(10) || v.title || char(10) || v.summary)"
    for word in wanted.words:
        yield f"instr({text}, lower(?))", [word]
    for word in wanted.without:
        yield f"NOT instr({text}, lower(?))", [word]
    for limit in wanted.confidence:
        yield f"v.confidence {sign_of(limit)} ?", [limit.value]
    if wanted.since is not None:
        yield "v.opened_at >= ?", [wanted.since]
    if wanted.until is not None:
        yield "v.opened_at <= ?", [wanted.until]
