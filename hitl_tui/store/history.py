"""The history of decisions as SQL: its index, the search by filter, details, and past decisions on similar actions.

`model/history.py` declares the columns that people choose from, `inbox/history.py` is what a reviewer can ask.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.filter_language import FIELDS, Filter, Term
from hitl_tui.model import (
    ActorKind,
    Decision,
    DecisionKind,
    HistoryDetails,
    HistoryRow,
    Identified,
    Outcome,
    PastDecision,
    PauseKind,
    Rating,
)
from hitl_tui.store import feedback
from hitl_tui.store.connection import Store
from hitl_tui.store.filters import comparison, lower, lower_glob
from hitl_tui.store.reviews import DECISION, answer_of, conversation_of, read_decision

PAGE = 50
SCANNED = 2000
"""Rows that are read at a time when all decisions that match are wanted."""

# Taking new decisions into the index

BATCH = 100
"""Decisions indexed in one transaction: few, so that neither keys nor other programs that write wait for long."""
COLUMNS = (
    "decision, at, run, review, slot, agent, tool, kind, actor, actor_kind, actor_key, rule, confidence, opened_at, viewed_ms, size, "
    "spot_check, seen, reading_ms"
)
ADD_ROWS = f"""
INSERT INTO history ({COLUMNS}, in_force)
SELECT {COLUMNS}, 0 FROM history_source WHERE decision > :last ORDER BY decision LIMIT :batch
"""
ADD_WORDS = """
INSERT INTO history_text (rowid, facets, words)
SELECT decision, facets, words FROM history_source WHERE decision > :last ORDER BY decision LIMIT :batch
"""
ADD_NAMES = """
INSERT OR IGNORE INTO history_names (field, name)
SELECT n.key, n.value FROM history h
CROSS JOIN json_each(json_object('agent', lower(h.agent), 'tool', lower(h.tool), 'actor', lower(h.actor), 'rule', lower(h.rule))) n
WHERE h.decision > :last
"""
MARK_IN_FORCE = """
UPDATE history SET in_force = 1
WHERE decision > :last AND decision IN (SELECT id FROM decisions WHERE id > :last AND NOT superseded)
"""
"""Triggers count the rows for statistics when this marks them."""
NEW = """
SELECT 1 FROM decisions
WHERE id > (SELECT coalesce(max(decision), 0) FROM history) AND review NOT IN (SELECT review FROM attention_checks) LIMIT 1
"""


async def catch_up(store: Store) -> None:
    """Index the decisions made since the last call. Readers call it, so that deciding is not slower for it."""
    while store.read_now(NEW):
        async with store.transaction() as db:
            began = time.monotonic()
            (last,) = db.row("SELECT coalesce(max(decision), 0) FROM history")
            values = {"last": last, "batch": BATCH}
            taken = db.execute(ADD_ROWS, values).rowcount
            for statement in (ADD_WORDS, ADD_NAMES, MARK_IN_FORCE):
                db.execute(statement, values)
        if taken < BATCH:
            return
        await asyncio.sleep((time.monotonic() - began) / 2)  # other programs that want to write poll, and must find the database free


# Judgements

LOOKED_THROUGH = (500, 20_000)
"""Decisions that are read at a time for judgements, and in all."""


async def judgements(store: Store, statement: str, values: Mapping[str, Any], most: int) -> list[list[Any]]:
    """People's last judgements, newest first, each with its decisions: what one person stored with one key is one judgement.

    Args:
        statement: selects `(decision, at, actor_key, …)`, newest first: those before decision `:before`, and `:limit` of them at most.
        values: for its other parameters.
        most: how many judgements are wanted.
    """
    found, before, read = list[list[Any]](), 2**62, 0
    each, in_all = LOOKED_THROUGH
    while read < in_all:
        rows = await store.all(statement, {**values, "before": before, "limit": each})
        for row in rows:
            if found and found[-1][0][1:3] == row[1:3]:
                found[-1].append(row)
            elif len(found) == most:
                return found
            else:
                found.append([row])
        if len(rows) < each:
            break
        before, read = rows[-1][0], read + each
    return found


# Searching

ROW = (
    "h.decision, h.at, h.run, h.review, h.slot, h.agent, h.tool, h.kind, h.actor, h.rule, h.confidence, h.opened_at, "
    "h.viewed_ms, h.in_force, h.actor_kind, h.seen"
)
BEGINNING = 400
"""Characters of a reason, or of arguments without a summary, that are read for a list."""
COMPARED = 20_000
"""Characters of edited arguments beyond which a list does not tell what was changed."""
TOGETHER = "SELECT {} FROM history s WHERE h.actor_kind = 'person' AND s.at = h.at AND s.actor = h.actor"
"""The decisions that a person stored in one transaction, and so at the same time."""
SET = """
SELECT s.decision FROM history f JOIN history s ON s.at = f.at AND s.actor = f.actor
WHERE f.decision IN ({}) AND f.actor_kind = 'person'
"""
WAS_IDENTIFIED = "coalesce((SELECT i.identified FROM decisions i WHERE i.id = h.decision), 'none') IN ({})"
BY_IDENTIFIED = "FROM decisions i INDEXED BY decisions_identified CROSS JOIN history h ON h.decision = i.id AND i.identified {}"
"""The decisions of people who were identified in one way, in the order of their numbers."""
OF_GRANT = """
SELECT d.id FROM actions a JOIN decisions d ON d.review = a.review AND d.slot = a.slot WHERE a.grant_id IN ({})
"""
"""Decisions on calls that a grant let through, or that were picked from these for a person to check."""
NOT_INDEXED = ("rating", "set", "grant", "identified")
"""Fields of a filter whose values are not among the indexed words."""
LISTED = f"""
SELECT h.*, d.undone_at, h.kind = 'reject' AND (d.args IS NOT NULL OR v.kind = 'draft'), substr(coalesce(d.message, ''), 1, {BEGINNING}),
    CASE WHEN h.kind = 'edit' AND length(d.args) <= {COMPARED}
        THEN edited((SELECT a.args FROM actions a WHERE a.review = h.review AND a.slot = h.slot), d.args) ELSE '[]' END,
    coalesce(
        CASE h.slot WHEN 0 THEN v.summary
        ELSE (SELECT substr(a.args, 1, {BEGINNING}) FROM actions a WHERE a.review = h.review AND a.slot = h.slot) END,
        ''
    ),
    ({TOGETHER.format("count(*)")}), ({TOGETHER.format("min(s.decision)")}), d.identified
FROM ({{}}) h
LEFT JOIN decisions d ON d.id = h.decision
LEFT JOIN reviews v ON v.id = h.review
"""
"""Rows of `ROW` as a list shows them. The first action of a review has a summary; its arguments are not read."""
AS_HEX = ("kind", "risk")
"""Choices that are indexed in hexadecimal, like globs: their words contain characters that would split them."""


async def search(store: Store, wanted: Filter, before: int | None = None, limit: int = PAGE) -> list[HistoryRow]:
    """Decisions that match, newest first; `before` is the number of the last decision of the previous page.

    The cost depends on the size of the page, not on the number of decisions: words and fields are looked up in an index, newest first.
    """
    found = await _source(store, wanted, "<", before)
    if found is None:
        return []
    page = found.page(ROW, "DESC")
    return await _with_ratings(store, await store.all(LISTED.format(page), {**found.values, "limit": limit}))


async def rows(store: Store, ids: Sequence[int]) -> list[HistoryRow]:
    """These decisions as the history lists them, newest first."""
    these = f"SELECT {ROW} FROM history h WHERE h.decision IN (SELECT value FROM json_each(?))"
    return await _with_ratings(store, await store.all(LISTED.format(these), (json.dumps(list(ids)),)))


async def decision(store: Store, number: int) -> Decision | None:
    """One decision, also if it was undone or replaced; None if there is none of that number."""
    row = await store.one(f"SELECT {DECISION} FROM decisions WHERE id = ?", (number,))
    return read_decision(row) if row else None


async def decided(store: Store, wanted: Filter) -> AsyncIterator[int]:
    """The review of every decision in force that matches, oldest first; a review with several comes several times."""
    last = 0
    while found := await _source(store, wanted, ">", last):
        page = await store.all(found.page("h.decision, h.review, h.in_force", "ASC"), {**found.values, "limit": SCANNED})
        for number, review, in_force in page:
            last = number
            if in_force:
                yield int(review)
        if len(page) < SCANNED:
            return


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the decisions that match are found, in the order of their numbers."""

    parts: Sequence[str]
    """FROM and WHERE clauses, each of other decisions."""
    key: str
    """The column of the numbers."""
    values: Mapping[str, Any]

    def page(self, columns: str, order: str) -> str:
        """The query of the first `:limit` rows. Each part is read in its order, and no further than the page needs."""
        parts = [f"SELECT * FROM (SELECT {columns} {part} ORDER BY {self.key} {order} LIMIT :limit)" for part in self.parts]
        return parts[0] if len(parts) == 1 else f"{' UNION ALL '.join(parts)} ORDER BY 1 {order} LIMIT :limit"


async def _source(store: Store, wanted: Filter, sign: str, number: int | None) -> _Source | None:
    """The decisions that match; None if none can.

    A page begins before (`<`) or after (`>`) the decision of that number; None is the first page.
    """
    await catch_up(store)
    match = await _match(store, wanted)
    how = _identified(wanted)
    if match is None or how == []:
        return None
    sources, key = ["FROM history h"], "h.decision"
    if match and any(term.field == "rating" and not term.negated for term in wanted.terms):  # ratings are fewer than the rows of a word
        sources = ["FROM history h CROSS JOIN history_text t ON t.rowid = h.decision"]
    elif match:
        sources, key = ["FROM history_text t CROSS JOIN history h ON h.decision = t.rowid"], "t.rowid"
    elif how:
        sources, key = [BY_IDENTIFIED.format("IS NULL" if one == "none" else f"= '{one}'") for one in how], "i.id"
    clauses, values = _bounds(wanted, key)
    if match:
        values["match"] = match
        clauses.append("history_text MATCH :match")
        clauses += [WAS_IDENTIFIED.format(", ".join(f"'{one}'" for one in how))] if how else []
    if number is not None:
        values["number"] = number
        clauses.append(f"{key} {sign} :number")
    condition = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    return _Source([source + condition for source in sources], key, values)


def _identified(wanted: Filter) -> list[str] | None:
    """How the people of decisions that match can have been identified: choices of the field `identified`; None for in any way."""
    terms = [term for term in wanted.terms if term.field == "identified"]
    return [how for how in FIELDS["identified"].choices if all((how in term.values) != term.negated for term in terms)] if terms else None


def _bounds(wanted: Filter, key: str) -> tuple[list[str], dict[str, Any]]:
    """Conditions that no index of words holds, and their values; `key` is the column of the decisions' numbers."""
    where, values = list[str](), dict[str, Any]()
    if wanted.since is not None:
        where += ["h.at >= :since", f"{key} >= coalesce((SELECT min(decision) FROM history WHERE at >= :since), 9223372036854775807)"]
        values["since"] = wanted.since
    if wanted.until is not None:
        where.append("h.at <= :until")
        values["until"] = wanted.until
    for place, limit in enumerate(wanted.confidence):
        where.append(f"h.confidence {comparison(limit)} :confidence{place}")
        values[f"confidence{place}"] = limit.value
    for term in wanted.terms:
        if term.field == "rating":
            ratings = ", ".join({"up": "1", "down": "-1"}[value] for value in term.values)
            said = f"SELECT decision FROM ({feedback.ON_ANY}) WHERE rating IN ({ratings})"
            where.append(f"h.decision {'NOT ' * term.negated}IN ({said})")
        elif term.field == "set":
            where.append(f"h.decision {'NOT ' * term.negated}IN ({SET.format(', '.join(map(str, map(int, term.values))))})")
        elif term.field == "grant":
            where.append(f"h.decision {'NOT ' * term.negated}IN ({OF_GRANT.format(', '.join(map(str, map(int, term.values))))})")
    return where, values


async def _match(store: Store, wanted: Filter) -> str | None:
    """The FTS5 query; empty if the filter needs none, None if nothing can match."""
    required: list[str] = []
    excluded: list[str] = []
    for term in wanted.terms:
        if term.field in NOT_INDEXED:
            continue
        tokens = [token async for token in _tokens(store, term)]
        if not tokens and not term.negated:
            return None
        if tokens:
            (excluded if term.negated else required).append(f"facets : ({' OR '.join(tokens)})")
    required += [f"words : {phrase}" for word in wanted.words if (phrase := _phrase(word))]
    excluded += [f"words : {phrase}" for word in wanted.without if (phrase := _phrase(word))]
    if excluded and not required:
        required = ["facets : agent *"]  # every row has one
    return "".join([" AND ".join(required), *(f" NOT ({one})" for one in excluded)])


def _phrase(word: str) -> str:
    """The word as a prefix query of FTS5; empty if it has no character that is indexed."""
    return f'"{word.replace(chr(34), "")}" *' if re.search(r"\w", word) else ""


async def _tokens(store: Store, term: Term) -> AsyncIterator[str]:
    for value in term.values:
        if FIELDS[term.field].kind != "glob":
            yield f"{term.field}{value.encode().hex().upper()}" if term.field in AS_HEX else f"{term.field}{value}"
        elif "*" not in value and "?" not in value:
            yield f"{term.field}{lower(value).encode().hex().upper()}"
        else:
            names = {"field": {"by": "actor"}.get(term.field, term.field), "glob": lower_glob(value)}
            for (name,) in await store.all("SELECT name FROM history_names WHERE field = :field AND name GLOB :glob", names):
                yield f"{term.field}{name.encode().hex().upper()}"


async def _with_ratings(store: Store, found: Sequence[Sequence[Any]]) -> list[HistoryRow]:
    ratings = await feedback.opinions(store, [decision for decision, *_ in found])
    return sorted((_row(row, ratings) for row in found), key=lambda row: row.decision, reverse=True)


def _row(row: Sequence[Any], ratings: Mapping[int, Rating]) -> HistoryRow:
    """The decision of a row of `LISTED`."""
    (decision, at, run, review, slot, agent, tool, kind, actor, rule, confidence, opened_at, viewed_ms, in_force, actor_kind, seen,
     undone_at, back, said, changed, summary, set_size, set_first, how) = row  # fmt: skip
    return HistoryRow(
        decision, at, run, review, slot, agent, tool, DecisionKind(kind), actor, rule, confidence, opened_at, viewed_ms, bool(in_force),
        undone_at, bool(back), ratings.get(decision), said, tuple(json.loads(changed)), _summary(summary) if slot else summary,
        ActorKind(actor_kind), seen, set_size, set_first or decision, how and Identified(how),
    )  # fmt: skip


def _summary(beginning: str) -> str:
    """Arguments on one line, as the queue lists them; as JSON if they were cut off."""
    try:
        return canonical_json.one_line(json.loads(beginning))
    except ValueError:
        return canonical_json.one_line(beginning)


# Past decisions on similar actions

PAST_BATCH = 500
SIMILAR_LISTED = 20
PAST_ACTION = """
SELECT d.review, d.slot, v.agent, a.name, a.args, v.kind, a.allowed,
    coalesce(a.declared, CASE WHEN v.slots = 1 AND a.risk IS NULL THEN v.risk END), coalesce(a.confidence, v.confidence),
    CASE WHEN v.state IN ('stale', 'expired', 'failed') THEN '' ELSE v.note END, d.kind, d.actor, v.opened_at, d.at, a.outcome,
    d.actor_kind, a.confidence_source, v.run, CASE d.kind WHEN 'edit' THEN d.args END, r.tags, r.limits
FROM decisions d
JOIN reviews v ON v.id = d.review
JOIN runs r ON r.id = v.run
JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE NOT d.superseded AND d.review NOT IN (SELECT review FROM attention_checks)
"""
PAST = f"{PAST_ACTION} AND (d.review, d.slot) > (:review, :slot) AND d.at >= :since ORDER BY d.review, d.slot LIMIT {PAST_BATCH}"
SIMILAR = f"{PAST_ACTION} AND d.agent = :agent AND d.tool = :tool AND d.review != :review ORDER BY d.id DESC LIMIT {SIMILAR_LISTED}"
DETAILS = """
SELECT d.id, a.args, d.kind, d.args, d.message, (SELECT min(first_at) FROM review_views l WHERE l.review = d.review)
FROM decisions d JOIN actions a ON a.review = d.review AND a.slot = d.slot
WHERE d.id IN (SELECT value FROM json_each(?))
"""


SAID = """
SELECT v.id, json_extract(c.context, '$.conversation'), r.input
FROM reviews v JOIN runs r ON r.id = v.run LEFT JOIN details c ON c.review = v.id
WHERE v.id IN (SELECT value FROM json_each(?))
"""


async def decided_since(
    store: Store, since: float, with_context: Callable[[PastDecision], bool] = lambda past: False
) -> AsyncGenerator[list[PastDecision], None]:
    """Every action decided since that Unix time with its last decision, in batches, by review and slot.

    `with_context`: of which ones to read what was said before, and what their run was launched with; it is much to read.
    """
    review, slot = 0, -1
    while rows := await store.all(PAST, {"review": review, "slot": slot, "since": since}):
        batch = [_past_decision(row) for row in rows]
        if wanted := {past.review for past in batch if with_context(past)}:
            said = await store.all(SAID, (json.dumps(sorted(wanted)),))
            known = {number: (conversation_of(text), json.loads(launched)) for number, text, launched in said}
            batch = [
                replace(past, conversation=known[past.review][0], launch_input=known[past.review][1]) if past.review in known else past
                for past in batch
            ]
        yield batch
        review, slot = batch[-1].review, batch[-1].slot


async def similar(store: Store, review: int, agent: str, tools: Collection[str]) -> list[PastDecision]:
    """The last decisions on these tools of the agent, except those on one review; newest first."""
    asked = [{"agent": agent, "tool": tool, "review": review} for tool in tools]
    found = [_past_decision(row) for values in asked for row in await store.all(SIMILAR, values)]
    return sorted(found, key=lambda past: past.decided_at, reverse=True)[:SIMILAR_LISTED]


async def details(store: Store, rows: Sequence[HistoryRow]) -> list[HistoryDetails]:
    """These decisions with the proposal and the answer, in the same order."""
    found = await store.all(DETAILS, (json.dumps([row.decision for row in rows]),))
    said = {number: (json.loads(proposed), answer_of(kind, args, message), seen) for number, proposed, kind, args, message, seen in found}
    return [HistoryDetails(row, *said[row.decision]) for row in rows]


def _past_decision(row: Any) -> PastDecision:
    (review, slot, agent, tool, args, kind, allowed, risk, confidence, note, decision, actor, opened_at, at, outcome, actor_kind,
     source, run, edited, tags, limits) = row  # fmt: skip
    return PastDecision(
        review, slot, agent, tool, json.loads(args), PauseKind(kind), tuple(map(DecisionKind, json.loads(allowed))), risk, confidence, note,
        DecisionKind(decision), actor, opened_at, at, outcome and Outcome(outcome), ActorKind(actor_kind), source, run,
        None if edited is None else json.loads(edited), tuple(json.loads(tags)), tuple(json.loads(limits)),
    )  # fmt: skip
