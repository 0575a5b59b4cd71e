"""Decided reviews with all that surrounded them, streamed: a million of them take no more memory than a thousand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence

from hitl_tui.export import AskedCall, ExportCase, ThreadHistory
from hitl_tui.filter_language import Filter
from hitl_tui.model import Action, Decision, Review
from hitl_tui.store import feedback
from hitl_tui.store.connection import Store
from hitl_tui.store.history import decided
from hitl_tui.store.reviews import ACTION, DECISION, ROW, answer_of, read_action, read_context, read_decision, read_row

BATCH = 200


async def cases(store: Store, wanted: Filter) -> AsyncGenerator[ExportCase, None]:
    """Every review of which a decision in force fits, each once, in the order in which the first of those was made."""
    seen = bytearray()  # a bit for each review: one with several actions is met several times
    batch: list[int] = []
    async for review in decided(store, wanted):
        place, bit = divmod(review, 8)
        if place >= len(seen):
            seen.extend(bytes(place - len(seen) + 1))
        if seen[place] & (1 << bit):
            continue
        seen[place] |= 1 << bit
        batch.append(review)
        if len(batch) == BATCH:
            for case in await _whole(store, batch):
                yield case
            batch = []
    for case in await _whole(store, batch):
        yield case


async def _whole(store: Store, ids: Sequence[int]) -> list[ExportCase]:
    marks, values = ", ".join("?" * len(ids)), tuple(ids)
    rows = await store.all(
        "SELECT r.thread, v.interrupt, v.node, v.path, v.decided_at, v.submitted_at, v.applied_at, d.value, d.context, "
        f"(SELECT min(first_at) FROM review_views l WHERE l.review = v.id), {ROW} "
        f"FROM reviews v JOIN runs r ON r.id = v.run JOIN details d ON d.review = v.id WHERE v.id IN ({marks})",
        values,
    )
    actions: dict[int, list[Action]] = defaultdict(list)
    for review, *row in await store.all(f"SELECT review, {ACTION} FROM actions WHERE review IN ({marks}) ORDER BY review, slot", values):
        actions[review].append(read_action(row))
    decisions: dict[int, dict[int, Decision]] = defaultdict(dict)
    for row in await store.all(f"SELECT {DECISION} FROM decisions WHERE review IN ({marks}) AND NOT superseded", values):
        decision = read_decision(row)
        decisions[decision.review][decision.slot] = decision
    ratings = await feedback.opinions(store, [one.id for by_slot in decisions.values() for one in by_slot.values()])
    threads = await _asked(store, sorted({row[0] for row in rows}))
    found = {}
    for row in rows:
        thread, interrupt, node, path, decided_at, submitted_at, applied_at, value, context, seen, *columns = row
        short = read_row(columns)
        review = Review(
            short, thread, interrupt, node, tuple(json.loads(path)), json.loads(value), tuple(actions[short.id]), decisions[short.id],
            decided_at, submitted_at, applied_at,
        )  # fmt: skip
        disliked = frozenset(slot for slot, one in decisions[short.id].items() if ratings.get(one.id) == -1)
        found[short.id] = ExportCase(review, read_context(json.loads(context)), disliked, seen, threads[thread])
    return [found[id_] for id_ in ids if id_ in found]


async def _asked(store: Store, threads: Sequence[str]) -> dict[str, ThreadHistory]:
    """What was asked on each thread."""
    found: dict[str, list[AskedCall]] = {thread: [] for thread in threads}
    for thread, review, digest, tool_call, kind, *answer in await store.all(
        "SELECT r.thread, v.id, a.digest, a.tool_call, d.kind, d.args, d.message FROM runs r JOIN reviews v ON v.run = r.id "
        "JOIN actions a ON a.review = v.id LEFT JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded "
        f"WHERE r.thread IN ({', '.join('?' * len(threads))}) ORDER BY v.id, a.slot",
        tuple(threads),
    ):
        found[thread].append(AskedCall(review, digest, tool_call, answer_of(kind, *answer) if kind else None))
    return {thread: ThreadHistory(asked) for thread, asked in found.items()}
