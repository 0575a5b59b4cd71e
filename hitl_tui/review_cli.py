"""What the commands on reviews do: list and show them, decide, take back, claim, release and escalate."""

from __future__ import annotations

import time
from typing import Any

from hitl_tui import printing
from hitl_tui.errors import Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, Review
from hitl_tui.safety import visible
from hitl_tui.store.why import when


async def listed(inbox: Inbox, limit: int, as_json: bool) -> str:
    """The oldest reviews that are not yet applied."""
    rows = await inbox.waiting(limit)
    if as_json:
        return printing.as_json([await _json(inbox, await inbox.review(row.id)) for row in rows])
    return printing.queue_table(rows) or "nothing waits"


async def shown(inbox: Inbox, review: int, as_json: bool) -> str:
    """One review whole.

    Raises:
        Refused: there is none of that id.
    """
    found = await inbox.review(review)
    context, versions, notices = await inbox.context(review), await inbox.versions(review), await inbox.notices(review)
    escalations = await inbox.escalations(review)
    if as_json:
        more = {
            "context": printing.context_json(context),
            "versions": [printing.version_json(version) for version in versions],
            "escalations": [printing.escalation_json(one) for one in escalations],
            "notices": [printing.notice_json(notice) for notice in notices],
        }
        return printing.as_json({**await _json(inbox, found), **more})
    people = await inbox.endorsements(review), await inbox.looks(review)
    told = [
        printing.review_text(found, context, *people),
        printing.versions_text(versions),
        printing.escalations_text(escalations, time.time()),
        printing.notices_text(notices),
    ]
    return "\n".join(filter(None, told))


async def decide(inbox: Inbox, review: int, slot: int | None, answer: Answer, digest: str | None, as_json: bool) -> str:
    """Give all actions of a review, or the one of that slot, an answer; where the review is then.

    Raises:
        Refused: the answer does not fit, or somebody else has the review.
        Stale: the review is no longer open, or its action is not the one with that digest.
    """
    found = await inbox.review(review)
    slots = [action.slot for action in found.actions] if slot is None else [slot]
    if digest is not None and [a.digest for a in found.actions if a.slot in slots] != [digest]:
        raise Stale(f"review {review} no longer has an action with that digest", "look at it again")
    await inbox.decide(found, dict.fromkeys(slots, answer))
    now = await inbox.review(review)
    if as_json:
        return printing.as_json(await _json(inbox, now))
    if any(one.slot in now.undecided and one.slot in slots for one in await inbox.endorsements(review)):
        return visible(f"review {review} has {now.row.decided}; another person must approve the same{_left(now, slots)}")
    return visible(f"review {review} is {now.row.decided or now.row.state}{_left(now, [])}")


async def undo(inbox: Inbox, review: int) -> str:
    """Take back what was said last; where the review is then.

    Raises:
        Refused: there is nothing to take back, or it is too late.
    """
    await inbox.undo(review)
    row = (await inbox.review(review)).row
    return visible(f"review {review} is open again" + (f": {row.decided}" if row.decided else ""))


async def claim(inbox: Inbox, review: int, reason: str) -> str:
    """Claim a review; until when.

    Raises:
        Refused: somebody else has it and no reason is given, or it is no longer open.
    """
    await inbox.claim(review, reason)
    row = (await inbox.review(review)).row
    if row.claimant(time.time()) != inbox.reviewer:
        return f"review {review} is nobody's, by claim_s in config.toml; its escalation goes no further"
    return f"review {review} is yours{when(row.claimed_until, 'until', 'until')}"


async def release(inbox: Inbox, review: int) -> str:
    """Give a review back.

    Raises:
        Refused: it is not this reviewer's.
    """
    await inbox.release(review)
    return f"review {review} is anybody's again"


async def escalate(inbox: Inbox, review: int, to: str, note: str) -> str:
    """Put a review before somebody; before whom.

    Raises:
        Refused: nobody can be meant by that name, somebody else has the review, or it is no longer open.
    """
    await inbox.escalate(review, to, note)
    return visible(f"review {review} is escalated to {(await inbox.review(review)).row.escalated}")


async def _json(inbox: Inbox, review: Review) -> dict[str, Any]:
    people = printing.people_json(await inbox.endorsements(review.row.id), await inbox.looks(review.row.id))
    return {**printing.review_json(review, time.time()), **people}


def _left(review: Review, said: list[int]) -> str:
    left = [slot for slot in review.undecided if slot not in said]
    return f"; still undecided: {', '.join(f'{review.row.id}#{slot}' for slot in left)}" if left else ""
