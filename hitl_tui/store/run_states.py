"""Effects of a change of a run's state: on its takeover, and on the review of its failure."""

from __future__ import annotations

import time

from hitl_tui import canonical_json
from hitl_tui.model import PROGRAM, UNTIL_HANDED_BACK, Actor, ReviewState, RunState
from hitl_tui.store import audit, reviews
from hitl_tui.store.connection import Transaction

LIVE_TAKEOVER = "('open', 'handed_back', 'submitted')"
"""States of a takeover that has not ended, for SQL."""
LAUNCHED = "SELECT agent, thread, title, created_at, launched_by FROM runs WHERE id = ?"
END_TAKEOVER = "UPDATE takeovers SET state = :state, note = :note, ended_at = :now WHERE id = :takeover"
RELEASE_REVIEWS = """
UPDATE reviews SET claimed_by = NULL, claimed_key = NULL, claimed_until = NULL
WHERE run = :run AND state = 'open' AND claimed_until = :until
"""


def note_launch(db: Transaction, run: int) -> None:
    """Log that a run was inserted."""
    agent, thread, title, at, by = db.row(LAUNCHED, (run,))
    audit.note(db, at, "launched", Actor(by), {"agent": agent, "thread": thread, "title": title}, run)


def changed(db: Transaction, run: int, was: RunState, state: RunState) -> None:
    """Apply the effects of a change of state that was just stored."""
    if was == state:
        return
    if was == RunState.FAILED:
        _end_failure(db, run)
    for takeover, held in db.rows(f"SELECT id, state FROM takeovers WHERE run = ? AND state IN {LIVE_TAKEOVER}", (run,)):
        if held != "submitted":
            ended, note = ("discarded", "the run was cancelled") if state == RunState.CANCELLED else ("stale", "the run went on meanwhile")
            end_takeover(db, takeover, ended, note)
        elif state in (RunState.FAILED, RunState.CANCELLED):
            end_takeover(db, takeover, "failed", f"may have been applied: the run was {state} meanwhile")


def _end_failure(db: Transaction, run: int) -> None:
    db.execute("UPDATE runs SET failure_seen = 0 WHERE id = ?", (run,))
    for (review,) in db.rows("SELECT id FROM reviews WHERE run = ? AND kind = 'failure' AND state IN ('open', 'decided')", (run,)):
        reviews.end(db, review, ReviewState.STALE, "the run goes on")


def end_takeover(db: Transaction, takeover: int, state: str, note: str) -> None:
    """End a takeover, and the claims of reviews that it held."""
    now, note = time.time(), canonical_json.storable(note)
    run, actor = db.row("SELECT run, actor FROM takeovers WHERE id = ?", (takeover,))
    db.execute(END_TAKEOVER, {"state": state, "note": note, "now": now, "takeover": takeover})
    db.execute(RELEASE_REVIEWS, {"run": run, "until": UNTIL_HANDED_BACK})
    db.execute("UPDATE runs SET activity = '' WHERE id = ? AND state IN ('waiting', 'failed', 'cancelled')", (run,))
    kind, by = ("discarded", Actor(actor)) if state == "discarded" else (f"take_over_{state}", PROGRAM)
    audit.note(db, now, kind, by, {"takeover": takeover, "note": note, "plan": None}, run)
