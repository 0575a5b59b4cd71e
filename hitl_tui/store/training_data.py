"""Decided reviews with their context, streamed for exports: the memory used does not grow with their number."""

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
REVIEWS = f"""
SELECT r.thread, v.interrupt, v.node, v.path, v.decided_at, v.submitted_at, v.applied_at, d.value, d.context,
    (SELECT min(first_at) FROM review_views l WHERE l.review = v.id), {ROW}
FROM reviews v JOIN runs r ON r.id = v.run JOIN details d ON d.review = v.id
WHERE v.id IN (SELECT value FROM json_each(?))
"""
ACTIONS = f"SELECT review, {ACTION} FROM actions WHERE review IN (SELECT value FROM json_each(?)) ORDER BY review, slot"
DECISIONS = f"SELECT {DECISION} FROM decisions WHERE review IN (SELECT value FROM json_each(?)) AND NOT superseded"
ASKED = """
SELECT r.thread, v.id, a.digest, a.tool_call, d.kind, d.args, d.message
FROM runs r
JOIN reviews v ON v.run = r.id
JOIN actions a ON a.review = v.id
LEFT JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded
WHERE r.thread IN (SELECT value FROM json_each(?)) ORDER BY v.id, a.slot
"""


async def cases(store: Store, wanted: Filter) -> AsyncGenerator[ExportCase, None]:
    """Every review with a matching decision in force, each once, in the order of its first matching decision."""
    seen = bytearray()  # a bit for each review: a review with several decisions is found several times
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
    these = (json.dumps(list(ids)),)
    rows = await store.all(REVIEWS, these)
    actions: dict[int, list[Action]] = defaultdict(list)
    for review, *row in await store.all(ACTIONS, these):
        actions[review].append(read_action(row))
    decisions: dict[int, dict[int, Decision]] = defaultdict(dict)
    for row in await store.all(DECISIONS, these):
        decision = read_decision(row)
        decisions[decision.review][decision.slot] = decision
    ratings = await feedback.opinions(store, [one.id for by_slot in decisions.values() for one in by_slot.values()])
    threads = await _asked(store, sorted({thread for thread, *_ in rows}))
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
    """The calls that people were asked about on each thread, with their answers."""
    found: dict[str, list[AskedCall]] = {thread: [] for thread in threads}
    for thread, review, digest, tool_call, kind, args, message in await store.all(ASKED, (json.dumps(list(threads)),)):
        found[thread].append(AskedCall(review, digest, tool_call, answer_of(kind, args, message) if kind else None))
    return {thread: ThreadHistory(asked) for thread, asked in found.items()}
