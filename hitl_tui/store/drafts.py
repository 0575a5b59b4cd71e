"""What went to and fro before a review: every draft, or call of the same tool, that its run was asked for and a person sent back."""

from __future__ import annotations

import json

from hitl_tui.model import ProposalVersion
from hitl_tui.store.connection import Store

SENT_BACK = "d.kind = 'reject' AND (d.args IS NOT NULL OR v.kind = 'draft')"
"""A rejection that says how the person left it; of a draft every one."""


async def versions(store: Store, review: int) -> list[ProposalVersion]:
    """The earlier versions of what a review asks, oldest first; of a draft or tool that something else was decided of, those since then."""
    found = await store.all(
        "WITH past AS (SELECT v.id, a.slot, a.name, a.args AS proposal, d.args, d.message, d.actor, d.at, "
        f"{SENT_BACK} AS sent_back FROM reviews w JOIN reviews v ON v.run = w.run AND v.id < w.id AND v.state = 'applied' "
        "JOIN actions a ON a.review = v.id JOIN decisions d ON d.review = v.id AND d.slot = a.slot AND NOT d.superseded "
        "WHERE w.id = ?1 AND a.name IN (SELECT name FROM actions WHERE review = ?1)) "
        "SELECT id, slot, name, proposal, args, message, actor, at FROM past WHERE sent_back "
        "AND id >= (SELECT coalesce(max(o.id), 0) FROM past o WHERE o.name = past.name AND NOT o.sent_back) ORDER BY id, slot",
        (review,),
    )
    return [
        ProposalVersion(id_, slot, name, json.loads(proposal), json.loads(proposal if left is None else left), note or "", actor, at)
        for id_, slot, name, proposal, left, note, actor, at in found
    ]
