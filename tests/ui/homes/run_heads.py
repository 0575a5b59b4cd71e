"""Adds the checkpoint heads that a takeover of seeded runs needs, as a worker stores them."""

from __future__ import annotations

from dataclasses import replace

from hitl_tui import canonical_json
from hitl_tui.model import Call, RunHead
from hitl_tui.store import Store, runs
from tests.ui.homes import seed

STATE_SCHEMA = {
    "type": "object",
    "properties": {
        "messages": {"type": "array"},
        "folder": {"type": "string"},
        "unread": {"type": "integer", "minimum": 0},
        "note": {"type": "string"},
    },
    "required": ["messages", "folder"],
}
SAID = "Ann asked twice for the receipt of invoice 4711; the ledger shows it paid."
MAILS = {1: ("ann@example.com",), 4: ("bob@example.com", "eve@example.com")}


async def add_heads(store: Store) -> None:
    """Store heads: run 1 before one mail, run 4 before two, and failed runs in the node that failed."""
    async with store.transaction() as db:
        known = (
            canonical_json.dumps(STATE_SCHEMA),
            canonical_json.dumps({"send_email": seed.MAIL_SCHEMA, "read_mail": {"type": "object"}}),
        )
        db.execute("UPDATE agents SET state_schema = ?, tools = ? WHERE name = 'mail_assistant'", known)
        for run, mails in MAILS.items():
            calls = tuple(Call(f"call-{slot}", "send_email", seed.mail(to).args) for slot, to in enumerate(mails))
            runs.put_head(db, run, RunHead(f"1f0-{run}", ("tools",), seed.mail_context(), SAID, calls))
        failed = list(db.rows("SELECT id, error FROM runs WHERE state = 'failed'"))
        for run, error in failed:
            runs.put_head(db, run, RunHead(f"1f0-{run}", ("send",), replace(seed.mail_context(), error=error), None))
