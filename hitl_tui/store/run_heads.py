"""Where runs stand that rest, as a worker saw it: what a person who takes one over starts from."""

from __future__ import annotations

from dataclasses import asdict

from hitl_tui import canonical_json
from hitl_tui.model import Context, Head
from hitl_tui.store.connection import Transaction


async def put(db: Transaction, run: int, head: Head | None) -> None:
    """Store where a run stands; None when nobody knows. An empty context is that of the run's newest review, and not stored twice."""
    await db.execute("DELETE FROM heads WHERE run = ?", (run,))
    if head is None:
        return
    plain = canonical_json.plain
    context = None if head.context == Context() else canonical_json.dumps(asdict(head.context))
    calls = [{"id": plain(call.id), "name": plain(call.name), "args": call.args} for call in head.calls]
    await db.execute(
        "INSERT INTO heads (run, checkpoint, nodes, context, words, calls) VALUES (?, ?, ?, ?, ?, ?)",
        (
            run,
            head.checkpoint,
            canonical_json.dumps(list(head.nodes)),
            context,
            None if head.text is None else plain(head.text),
            canonical_json.dumps(calls),
        ),
    )
