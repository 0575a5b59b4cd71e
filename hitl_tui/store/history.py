"""The history of decisions as SQL: its columns, its index, the search by filter, and what was decided of similar actions."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.filter_language import FIELDS, ConfidenceLimit, Filter, Term
from hitl_tui.model import ActorKind, Decision, DecisionKind, HistoryDetails, HistoryRow, Outcome, PastDecision, PauseKind, Rating
from hitl_tui.store import feedback
from hitl_tui.store.connection import Store
from hitl_tui.store.reviews import DECISION, answer_of, read_decision

PAGE = 50
BATCH = 100
"""So few that neither the keys nor another program that writes wait for long."""
FACTS = (
    "decision, at, run, review, slot, agent, tool, kind, actor, actor_kind, actor_key, rule, confidence, opened_at, viewed_ms, size, "
    "spot_check, seen, reading_ms"
)
ADD_ROWS = f"""
INSERT INTO history ({FACTS}, in_force)
SELECT {FACTS}, 0 FROM history_source WHERE decision > :last ORDER BY decision LIMIT :batch
"""
INDEX = """
INSERT INTO history_text (rowid, facets, words)
SELECT decision, facets, words FROM history_source WHERE decision > :last ORDER BY decision LIMIT :batch
"""
NAMES = """
INSERT OR IGNORE INTO history_names (field, name)
SELECT n.key, n.value FROM history h
CROSS JOIN json_each(json_object('agent', lower(h.agent), 'tool', lower(h.tool), 'actor', lower(h.actor), 'rule', lower(h.rule))) n
WHERE h.decision > :last
"""
MARK_IN_FORCE = (
    "UPDATE history SET in_force = 1 WHERE decision > :last AND decision IN (SELECT id FROM decisions WHERE id > :last AND NOT superseded)"
)
"""With this the rows are counted, by a trigger."""
NEW = (
    "SELECT 1 FROM decisions WHERE id > (SELECT coalesce(max(decision), 0) FROM history) "
    "AND review NOT IN (SELECT review FROM attention_checks) LIMIT 1"
)
HISTORY = (
    "h.decision, h.at, h.run, h.review, h.slot, h.agent, h.tool, h.kind, h.actor, h.rule, h.confidence, h.opened_at, "
    "h.viewed_ms, h.in_force, h.actor_kind, h.seen"
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
IN_HEX = ("kind", "risk")
"""Choices whose facet is indexed in hexadecimal, as those of globs are: their words hold more than letters, which would split them."""
PAST_BATCH = 500
LAST = 20
PAST_ACTION = (
    "SELECT d.review, d.slot, v.agent, a.name, a.args, v.kind, a.allowed, "
    "coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END), coalesce(a.confidence, v.confidence), v.note, "
    "d.kind, d.actor, v.opened_at, d.at, a.outcome, d.actor_kind "
    "FROM decisions d JOIN reviews v ON v.id = d.review JOIN actions a ON a.review = d.review AND a.slot = d.slot "
    "WHERE NOT d.superseded AND d.review NOT IN (SELECT review FROM attention_checks) AND "
)
PAST = f"{PAST_ACTION}(d.review, d.slot) > (?, ?) AND d.at >= ? ORDER BY d.review, d.slot LIMIT ?"
SIMILAR = f"{PAST_ACTION}d.agent = ? AND d.tool = ? AND d.review != ? ORDER BY d.id DESC LIMIT {LAST}"


async def catch_up(store: Store) -> None:
    """Take into the index what was decided since it was looked at last; whoever decides does not wait for it."""
    while store.read_now(NEW):
        async with store.transaction() as db:
            began = time.monotonic()
            (last,) = db.row("SELECT coalesce(max(decision), 0) FROM history")
            values = {"last": last, "batch": BATCH}
            taken = db.execute(ADD_ROWS, values).rowcount
            for statement in (INDEX, NAMES, MARK_IN_FORCE):
                db.execute(statement, values)
        if taken < BATCH:
            return
        await asyncio.sleep((time.monotonic() - began) / 2)  # others may write: they look again and again, and must find it free


async def search(store: Store, wanted: Filter, before: int | None = None, limit: int = PAGE) -> list[HistoryRow]:
    """Decisions that fit, the newest first; `before` is the last one's number of the page before.

    Cost follows what is asked for, not what there is: words and fields are looked up in an index, newest first.
    """
    asked = await _asked(store, wanted, "h.decision < ?", before)
    if asked is None:
        return []
    source, key, values = asked
    return await _with_ratings(
        store, await store.all(LISTED.format(f"SELECT {HISTORY} {source} ORDER BY {key} DESC LIMIT ?"), (*values, limit))
    )


async def rows(store: Store, ids: Sequence[int]) -> list[HistoryRow]:
    """These decisions as the history lists them, the newest first."""
    these = f"SELECT {HISTORY} FROM history h WHERE h.decision IN (SELECT value FROM json_each(?))"
    return await _with_ratings(store, await store.all(LISTED.format(these), (json.dumps(list(ids)),)))


async def decision(store: Store, number: int) -> Decision | None:
    """One decision, whether or not it stands; None when there is none of that number."""
    row = await store.one(f"SELECT {DECISION} FROM decisions WHERE id = ?", (number,))
    return read_decision(row) if row else None


async def decided(store: Store, wanted: Filter) -> AsyncIterator[int]:
    """The review of every decision in force that fits, the oldest first; one with several comes several times."""
    last = 0
    while asked := await _asked(store, wanted, "h.decision > ?", last):
        source, key, values = asked
        page = await store.all(f"SELECT h.decision, h.review, h.in_force {source} ORDER BY {key} LIMIT 2000", values)
        for _, review, in_force in page:
            if in_force:
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
        if any(term.field == "rating" and not term.negated for term in wanted.terms):  # they are fewer than what any word is in
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
        where.append(f"h.confidence {sign_of(limit)} ?")
        values.append(limit.value)
    for term in wanted.terms:
        if term.field == "rating":
            ratings = ", ".join({"up": "1", "down": "-1"}[value] for value in term.values)
            said = f"SELECT decision FROM ({feedback.ON_ANY}) WHERE rating IN ({ratings})"
            where.append(f"h.decision {'NOT ' * term.negated}IN ({said})")
    return where, values


async def _match(store: Store, wanted: Filter) -> str | None:
    """What the index of words is asked; empty when nothing, None when nothing can fit."""
    asked: list[str] = []
    but: list[str] = []
    for term in wanted.terms:
        if term.field == "rating":
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
        if FIELDS[term.field].kind != "glob":
            yield f"{term.field}{value.encode().hex().upper()}" if term.field in IN_HEX else f"{term.field}{value}"
        elif "*" not in value and "?" not in value:
            yield f"{term.field}{_lower(value).encode().hex().upper()}"
        else:
            column = {"by": "actor"}.get(term.field, term.field)
            async for name in _names(store, column, value):
                yield f"{term.field}{name.encode().hex().upper()}"


async def _names(store: Store, column: str, glob: str) -> AsyncIterator[str]:
    for (name,) in await store.all("SELECT name FROM history_names WHERE field = ? AND name GLOB ?", (column, lower_glob(glob))):
        yield name


def _lower(text: str) -> str:
    """As SQLite's lower(): of ASCII letters alone."""
    return "".join(c.lower() if c.isascii() else c for c in text)


def lower_glob(glob: str) -> str:
    """A glob for SQLite: lower case, and with brackets that mean themselves."""
    return _lower(glob).replace("[", "[[]")


def sign_of(limit: ConfidenceLimit) -> str:
    """A limit's comparison, as SQL."""
    return {"<": "<", "<=": "<=", ">": ">", ">=": ">="}[limit.sign]


async def _with_ratings(store: Store, found: Sequence[Sequence[Any]]) -> list[HistoryRow]:
    ratings = await feedback.opinions(store, [row[0] for row in found])
    return [_row(row, ratings.get(row[0])) for row in sorted(found, key=lambda row: row[0], reverse=True)]


def _row(row: Sequence[Any], rating: Rating | None) -> HistoryRow:
    (decision, at, run, review, slot, agent, tool, kind, actor, rule, confidence, opened_at, viewed_ms, in_force, actor_kind, seen,
     undone_at, back, said, changed, summary) = row  # fmt: skip
    return HistoryRow(
        decision, at, run, review, slot, agent, tool, DecisionKind(kind), actor, rule, confidence, opened_at, viewed_ms, bool(in_force),
        undone_at, bool(back), rating, said, tuple(json.loads(changed)), _summary(summary) if slot else summary,
        ActorKind(actor_kind), seen,
    )  # fmt: skip


def _summary(beginning: str) -> str:
    """Arguments as the queue lists them; as JSON where they are cut."""
    try:
        return canonical_json.one_line(json.loads(beginning))
    except ValueError:
        return canonical_json.one_line(beginning)


# What was decided of the like


async def decided_since(store: Store, since: float) -> AsyncGenerator[list[PastDecision], None]:
    """Every action decided since that Unix time, with what was decided last of it; in batches, by review and slot."""
    review, slot = 0, -1
    while rows := await store.all(PAST, (review, slot, since, PAST_BATCH)):
        batch = [_past_decision(row) for row in rows]
        yield batch
        review, slot = batch[-1].review, batch[-1].slot


async def similar(store: Store, review: int, agent: str, tools: Collection[str]) -> list[PastDecision]:
    """The last actions of these tools of the agent that were decided, but for those of one review; newest first."""
    found = [_past_decision(row) for tool in tools for row in await store.all(SIMILAR, (agent, tool, review))]
    return sorted(found, key=lambda past: past.decided_at, reverse=True)[:LAST]


async def details(store: Store, rows: Sequence[HistoryRow]) -> list[HistoryDetails]:
    """These decisions with what was proposed and said, in the same order."""
    found = await store.all(
        "SELECT d.id, a.args, d.kind, d.args, d.message, (SELECT min(first_at) FROM review_views l WHERE l.review = d.review) "
        "FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot WHERE d.id IN (SELECT value FROM json_each(?))",
        (json.dumps([row.decision for row in rows]),),
    )
    said = {number: (json.loads(proposed), answer_of(kind, args, message), seen) for number, proposed, kind, args, message, seen in found}
    return [HistoryDetails(row, *said[row.decision]) for row in rows]


def _past_decision(row: Any) -> PastDecision:
    review, slot, agent, tool, args, kind, allowed, risk, confidence, note, decision, actor, opened_at, at, outcome, actor_kind = row
    return PastDecision(
        review, slot, agent, tool, json.loads(args), PauseKind(kind), tuple(map(DecisionKind, json.loads(allowed))), risk, confidence, note,
        DecisionKind(decision), actor, opened_at, at, outcome and Outcome(outcome), ActorKind(actor_kind),
    )  # fmt: skip
