"""Filters at work: the reviews that wait, and a million decisions of long ago, found while somebody types."""

from __future__ import annotations

import asyncio
import json
import re
import time
from array import array
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.filter_language import GLOBS, Filter, Limit, Term
from hitl_tui.model import Decision, DecisionKind, Remembered, Thumb
from hitl_tui.store import feedback
from hitl_tui.store.answers import answer_of
from hitl_tui.store.connection import Store

PAGE = 50
BATCH = 100
"""So few that neither the keys nor another program that writes wait for long."""
REMEMBER = (
    "INSERT INTO history "
    "SELECT decision, at, run, review, slot, agent, tool, kind, actor, rule, confidence, opened_at, looked_ms, size, spot_check, standing "
    "FROM remembered WHERE decision > ? ORDER BY decision LIMIT ?"
)
INDEX = (
    "INSERT INTO history_text (rowid, facets, words) "
    "SELECT decision, facets, words FROM remembered WHERE decision > ? ORDER BY decision LIMIT ?"
)
NEW = (
    "SELECT 1 FROM decisions WHERE id > (SELECT coalesce(max(decision), 0) FROM history) "
    "AND review NOT IN (SELECT review FROM attention) LIMIT 1"
)
HISTORY = (
    "h.decision, h.at, h.run, h.review, h.slot, h.agent, h.tool, h.kind, h.actor, h.rule, h.confidence, h.opened_at, "
    "h.looked_ms, h.standing"
)
BEGINNING = 400
"""Characters of a reason, or of arguments that no queue has shown, that are read for a list."""
COMPARED = 20_000
"""Characters of edited arguments beyond which a list does not say what was changed."""
PROPOSED = "SELECT {} FROM actions a WHERE a.review = h.review AND a.slot = h.slot"
LISTED = (
    "SELECT h.*, d.undone_at, h.kind = 'reject' AND (d.args IS NOT NULL OR v.kind = 'draft'), "
    f"substr(coalesce(d.message, ''), 1, {BEGINNING}), "
    f"CASE WHEN h.kind = 'edit' AND length(d.args) <= {COMPARED} THEN edited(({PROPOSED.format('a.args')}), d.args) ELSE '[]' END, "
    f"coalesce(CASE h.slot WHEN 0 THEN v.summary ELSE ({PROPOSED.format(f'substr(a.args, 1, {BEGINNING})')}) END, '') "
    "FROM ({}) h LEFT JOIN decisions d ON d.id = h.decision LEFT JOIN reviews v ON v.id = h.review"
)
"""A page with what tells its decisions apart. Of the first action there is a summary already; its arguments are not read."""
WAITING = {
    "agent": "v.agent", "tool": "v.title", "rule": "(SELECT group_concat(rule, ' ') FROM actions a WHERE a.review = v.id)",
    "by": "coalesce(v.claimed_by, '')", "run": "v.run", "review": "v.id", "kind": "v.kind", "risk": "coalesce(v.risk, 'unknown')",
    "outcome": "coalesce(v.route, 'none')", "decided": "''", "thumb": "''",
}  # fmt: skip
"""Where the fields of a filter are found on a review that waits."""


async def catch_up(store: Store) -> None:
    """Take into the index what was decided since it was looked at last; whoever decides does not wait for it."""
    while store.glance(NEW):
        async with store.transaction() as db:
            began = time.monotonic()
            [(last,)] = await db.execute_fetchall("SELECT coalesce(max(decision), 0) FROM history")
            taken = (await db.execute(REMEMBER, (last, BATCH))).rowcount
            await db.execute(INDEX, (last, BATCH))
        if taken < BATCH:
            return
        await asyncio.sleep((time.monotonic() - began) / 2)  # others may write: they look again and again, and must find it free


async def history(store: Store, wanted: Filter, before: int | None = None, limit: int = PAGE) -> list[Remembered]:
    """Decisions that fit, the newest first; `before` is the last one's number of the page before.

    Cost follows what is asked for, not what there is: words and fields are looked up in an index, newest first.
    """
    asked = await _asked(store, wanted, "h.decision < ?", before)
    if asked is None:
        return []
    source, key, values = asked
    return await _thumbed(store, await store.all(LISTED.format(f"SELECT {HISTORY} {source} ORDER BY {key} DESC LIMIT ?"), (*values, limit)))


async def rows(store: Store, ids: Sequence[int]) -> list[Remembered]:
    """These decisions as the history lists them, the newest first."""
    these = f"SELECT {HISTORY} FROM history h WHERE h.decision IN (SELECT value FROM json_each(?))"
    return await _thumbed(store, await store.all(LISTED.format(these), (json.dumps(list(ids)),)))


async def decision(store: Store, number: int) -> Decision | None:
    """One decision, whether or not it stands; None when there is none of that number."""
    row = await store.one("SELECT review, slot, kind, args, message, actor, digest, at, looked_ms FROM decisions WHERE id = ?", (number,))
    if row is None:
        return None
    review, slot, kind, args, message, actor, digest, at, looked_ms = row
    return Decision(number, review, slot, answer_of(kind, args, message), actor, digest, at, looked_ms)


async def decided(store: Store, wanted: Filter) -> AsyncIterator[int]:
    """The review of every standing decision that fits, the oldest first; one with several comes several times."""
    last = 0
    while asked := await _asked(store, wanted, "h.decision > ?", last):
        source, key, values = asked
        page = await store.all(f"SELECT h.decision, h.review, h.standing {source} ORDER BY {key} LIMIT 2000", values)
        for _, review, standing in page:
            if standing:
                yield int(review)
        if len(page) < 2000:
            return
        last = page[-1][0]


async def _asked(store: Store, wanted: Filter, where: str, number: int | None) -> tuple[str, str, list[Any]] | None:
    """From where and by which key in order, and values; None when nothing can fit. `where` bounds the page, unless the number is None."""
    await catch_up(store)
    match = await _match(store, wanted)
    if match is None:
        return None
    clauses, values = _bounds(wanted)
    source, key = "FROM history h", "h.decision"
    if match:
        if any(term.field == "thumb" and not term.negated for term in wanted.terms):  # they are fewer than what any word is in
            source = "FROM history h CROSS JOIN history_text t ON t.rowid = h.decision"
        else:
            source, key = "FROM history_text t CROSS JOIN history h ON h.decision = t.rowid", "t.rowid"
        clauses.append("history_text MATCH ?")
        values.append(match)
    if number is not None:
        clauses.append(where.replace("h.decision", key))
        values.append(number)
    return f"{source} WHERE {' AND '.join(clauses)}" if clauses else source, key, values


def _bounds(wanted: Filter) -> tuple[list[str], list[Any]]:
    where, values = [], []
    if wanted.since is not None:
        where += ["h.at >= ?", "h.decision >= coalesce((SELECT min(decision) FROM history WHERE at >= ?), 9223372036854775807)"]
        values += [wanted.since, wanted.since]
    if wanted.until is not None:
        where.append("h.at <= ?")
        values.append(wanted.until)
    for limit in wanted.confidence:
        where.append(f"h.confidence {_sign(limit)} ?")
        values.append(limit.value)
    for term in wanted.terms:
        if term.field == "thumb":
            thumbs = ", ".join({"up": "1", "down": "-1"}[value] for value in term.values)
            said = f"SELECT decision FROM ({feedback.ON_ANY}) WHERE thumb IN ({thumbs})"
            where.append(f"h.decision {'NOT ' * term.negated}IN ({said})")
    return where, values


async def _match(store: Store, wanted: Filter) -> str | None:
    """What the index of words is asked; empty when nothing, None when nothing can fit."""
    asked: list[str] = []
    but: list[str] = []
    for term in wanted.terms:
        if term.field == "thumb":
            continue  # given after the words were indexed
        tokens = [token async for token in _tokens(store, term)]
        if not tokens and not term.negated:
            return None
        if tokens:
            (but if term.negated else asked).append(f"facets : ({' OR '.join(tokens)})")
    asked += [f"words : {phrase}" for word in wanted.words if (phrase := _phrase(word))]
    but += [f"words : {phrase}" for word in wanted.without if (phrase := _phrase(word))]
    if but and not asked:
        asked = ["facets : agent *"]  # every row has one
    return "".join([" AND ".join(asked), *(f" NOT ({one})" for one in but)])


def _phrase(word: str) -> str:
    """The word as FTS5 quotes it, the beginning of a longer one; empty when it holds nothing that the index knows."""
    return f'"{word.replace(chr(34), "")}" *' if re.search(r"\w", word) else ""


async def _tokens(store: Store, term: Term) -> AsyncIterator[str]:
    for value in term.values:
        if term.field not in GLOBS:
            yield f"{term.field}{value.encode().hex().upper()}" if term.field in ("kind", "risk") else f"{term.field}{value}"
        elif "*" not in value and "?" not in value:
            yield f"{term.field}{_lower(value).encode().hex().upper()}"
        else:
            column = {"by": "actor"}.get(term.field, term.field)
            async for name in _names(store, column, value):
                yield f"{term.field}{name.encode().hex().upper()}"


async def _names(store: Store, column: str, glob: str) -> AsyncIterator[str]:
    for (name,) in await store.all("SELECT name FROM history_names WHERE field = ? AND name GLOB ?", (column, _glob(glob))):
        yield name


def _lower(text: str) -> str:
    """As SQLite's lower(): of ASCII letters alone."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def _glob(glob: str) -> str:
    """For SQLite, where brackets would mean something."""
    return _lower(glob).replace("[", "[[]")


def _sign(limit: Limit) -> str:
    return {"<": "<", "<=": "<=", ">": ">", ">=": ">="}[limit.sign]


async def _thumbed(store: Store, found: Sequence[Sequence[Any]]) -> list[Remembered]:
    thumbs = await feedback.opinions(store, [row[0] for row in found])
    return [_remembered(row, thumbs.get(row[0])) for row in sorted(found, key=lambda row: row[0], reverse=True)]


def _remembered(row: Sequence[Any], thumb: Thumb | None) -> Remembered:
    decision, at, run, review, slot, agent, tool, kind, actor, rule, confidence, opened_at, looked_ms, standing = row[:14]
    undone_at, back, said, changed, summary = row[14:]
    return Remembered(
        decision, at, run, review, slot, agent, tool, DecisionKind(kind), actor, rule, confidence, opened_at, looked_ms, bool(standing),
        undone_at, bool(back), thumb, said, tuple(json.loads(changed)), _summary(summary) if slot else summary,
    )  # fmt: skip


def _summary(beginning: str) -> str:
    """Arguments as the queue lists them; as JSON where they are cut."""
    try:
        return canonical_json.one_line(json.loads(beginning))
    except ValueError:
        return canonical_json.one_line(beginning)


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
    return {int(row[0]) for row in store.glance(asked, (json.dumps(list(ids)), *values))}


def _where(wanted: Filter) -> tuple[str, list[Any]]:
    found = list(_waiting(wanted))
    return " AND ".join(clause for clause, _ in found) or "TRUE", [value for _, given in found for value in given]


def _waiting(wanted: Filter) -> Iterator[tuple[str, list[Any]]]:
    """Clauses about a review `v`, with their values."""
    for term in wanted.terms:
        column = WAITING[term.field]
        if term.field in GLOBS:
            clause = " OR ".join(f"lower({column}) GLOB ?" for _ in term.values)
            given: list[Any] = [_glob(value) for value in term.values]
        else:
            clause = f"{column} IN ({', '.join('?' * len(term.values))})"
            given = [int(value) if term.field in ("run", "review") else value for value in term.values]
        yield (f"NOT ({clause})" if term.negated else f"({clause})"), given
    text = "lower(v.agent || char(10) || v.title || char(10) || v.summary)"
    for word in wanted.words:
        yield f"instr({text}, lower(?))", [word]
    for word in wanted.without:
        yield f"NOT instr({text}, lower(?))", [word]
    for limit in wanted.confidence:
        yield f"v.confidence {_sign(limit)} ?", [limit.value]
    if wanted.since is not None:
        yield "v.opened_at >= ?", [wanted.since]
    if wanted.until is not None:
        yield "v.opened_at <= ?", [wanted.until]
