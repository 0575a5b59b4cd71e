"""The commands on reviews: list and show them, decide, take back, claim, release and escalate."""

from __future__ import annotations

import time
from typing import Any

import click

from hitl_tui import canonical_json, durations
from hitl_tui.cli import output, runs
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, number, review_number, run_number, shared, slot_number
from hitl_tui.errors import Refused, Stale
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Review
from hitl_tui.sanitize import visible
from hitl_tui.store.error_context import when

LONGEST_GRACE_S = 86_400


@command()
@click.option("--limit", type=click.IntRange(1), default=1000, help="At most so many, the oldest.")
@click.option("--filter", "wanted", metavar="FILTER", default="", help='Only what waits and fits, like "tool:send_* risk:high since:2h".')
@json_option
@shared
def queue(limit: int, wanted: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List what waits for a decision, oldest first."""

    async def work(inbox: Inbox) -> str:
        rows = await inbox.rows((await inbox.matching_ids(wanted))[:limit]) if wanted.strip() else await inbox.waiting(limit)
        if json_:
            return output.as_json([await _json(inbox, await inbox.review(row.id)) for row in rows])
        return output.queue_table(rows) or "nothing waits" + (" that fits" if wanted.strip() else "")

    tell(work, home, reviewer)


@command()
@click.argument("what", metavar="REVIEW|RUN")
@json_option
@shared
def show(what: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Show a review (12) or a run (r3) whole."""
    if what.startswith("r"):
        tell(lambda inbox: runs.shown(inbox, run_number(what), json_), home, reviewer)
        return
    id_ = number(what, "a review, like 12, nor a run, like r3")
    tell(lambda inbox: _shown(inbox, id_, json_), home, reviewer)


@command()
@click.argument("review", metavar="REVIEW[#SLOT]")
@click.argument("decision", type=click.Choice(["approve", "edit", "reject", "respond"]))
@click.option("--args", "args_", metavar="JSON", help="With edit: what runs. With respond: a JSON answer. With reject: another pass.")
@click.option("--message", metavar="TEXT", help="With reject: the reason, or what the next pass shall do. With respond: the answer.")
@click.option("--digest", metavar="HEX", help="Refuse unless the action is still the one with this digest.")
@click.option("--grace", metavar="TIME", default="0", help="How long it can be taken back (`undo`) before it takes effect, like 30s.")
@json_option
@shared
def decide(
    review: str, decision: str, args_: str | None, message: str | None, digest: str | None, grace: str, json_: bool,
    home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Decide a review, or one action of it: 12 or 12#0. Where two people are needed, the second to say the same decides."""
    if decision == "respond" and args_ is None and message is None:
        raise Refused("a response needs --message or --args", "say what to answer")
    id_, _, slot = review.partition("#")
    grace_s = durations.seconds(grace)
    if grace_s > LONGEST_GRACE_S:
        raise Refused(f"{grace} is too long to hold a decision back", "at most a day: 24h")
    answer = Answer(DecisionKind(decision), canonical_json.loads(args_, "--args") if args_ is not None else None, message)

    which = review_number(id_), slot_number(slot) if slot else None
    tell(lambda inbox: _decided(inbox, *which, answer, digest, json_), home, reviewer, grace_s)


@command()
@click.argument("review", metavar="REVIEW")
@shared
def undo(review: str, home: str | None, reviewer: str | None) -> None:
    """Take back what you said last of a review, before its grace time is over."""
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.undo(id_)
        row = (await inbox.review(id_)).row
        return visible(f"review {id_} is open again" + (f": {row.decided}" if row.decided else ""))

    tell(work, home, reviewer)


@command()
@click.argument("review", metavar="REVIEW")
@click.option("--reason", metavar="TEXT", default="", help="Why you take it, when somebody else has it.")
@shared
def claim(review: str, reason: str, home: str | None, reviewer: str | None) -> None:
    """Have a review for a while: nobody else decides it, and its escalation goes no further."""
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.claim(id_, reason)
        row = (await inbox.review(id_)).row
        if row.claimant(time.time()) != inbox.reviewer:
            return f"review {id_} is nobody's, by claim_s in config.toml; its escalation goes no further"
        return f"review {id_} is yours{when(row.claimed_until, 'until', 'until')}"

    tell(work, home, reviewer)


@command()
@click.argument("review", metavar="REVIEW")
@shared
def release(review: str, home: str | None, reviewer: str | None) -> None:
    """Give a review back that you claimed."""
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.release(id_)
        return f"review {id_} is anybody's again"

    tell(work, home, reviewer)


@command()
@click.argument("review", metavar="REVIEW")
@click.option("--to", metavar="WHO", default="", help="A group of the policy or a person; else anybody, along the policy's chain.")
@click.option("--note", metavar="TEXT", default="", help="What they need to know.")
@shared
def escalate(review: str, to: str, note: str, home: str | None, reviewer: str | None) -> None:
    """Put a review before somebody else; a claim of yours on it is given back."""
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.escalate(id_, to, note)
        if check := inbox.attention(id_):
            return visible(check.told(inbox.reviewer))
        return visible(f"review {id_} is escalated to {(await inbox.review(id_)).row.escalated}")

    tell(work, home, reviewer)


async def _shown(inbox: Inbox, review: int, as_json: bool) -> str:
    found = await inbox.review(review)
    context, versions, notices = await inbox.context(review), await inbox.versions(review), await inbox.notices(review)
    escalations, feedback = await inbox.escalations(review), await inbox.ratings.of_review(review)
    if as_json:
        more = {
            "context": output.context_json(context),
            "versions": [output.version_json(version) for version in versions],
            "escalations": [output.escalation_json(one) for one in escalations],
            "notices": [output.notice_json(notice) for notice in notices],
            "feedback": [output.feedback_json(one) for one in feedback],
        }
        return output.as_json({**await _json(inbox, found), **more})
    people, check = (await inbox.endorsements(review), await inbox.looks(review)), inbox.attention(review)
    told = [
        visible(check.told(inbox.reviewer)) if check else "",
        output.review_text(found, context, *people),
        output.versions_text(versions),
        output.escalations_text(escalations, time.time()),
        output.notices_text(notices),
        output.feedback_text(feedback),
    ]
    return "\n".join(filter(None, told))


async def _decided(inbox: Inbox, review: int, slot: int | None, answer: Answer, digest: str | None, as_json: bool) -> str:
    """Give all actions of a review, or the one of that slot, an answer; where the review is then."""
    found = await inbox.review(review)
    slots = [action.slot for action in found.actions] if slot is None else [slot]
    if digest is not None and [a.digest for a in found.actions if a.slot in slots] != [digest]:
        raise Stale(f"review {review} no longer has an action with that digest", "look at it again")
    await inbox.decide(found, dict.fromkeys(slots, answer))
    now = await inbox.review(review)
    if as_json:
        return output.as_json(await _json(inbox, now))
    if check := inbox.attention(review):
        return visible(check.told(inbox.reviewer))
    if any(one.slot in now.undecided and one.slot in slots for one in await inbox.endorsements(review)):
        return visible(f"review {review} has {now.row.decided}; another person must approve the same{_left(now, slots)}")
    return visible(f"review {review} is {now.row.decided or now.row.state}{_left(now, [])}")


async def _json(inbox: Inbox, review: Review) -> dict[str, Any]:
    looks = await inbox.looks(review.row.id)
    people = output.people_json(await inbox.endorsements(review.row.id), looks)
    check = inbox.attention(review.row.id)
    told = {"caught": check.caught, "wrong": check.wrong, "said": check.said, "by": check.actor, "at": check.at} if check else None
    return {**output.review_json(review, time.time(), looks), **people, "attention_check": told}


def _left(review: Review, said: list[int]) -> str:
    left = [slot for slot in review.undecided if slot not in said]
    return f"; still undecided: {', '.join(f'{review.row.id}#{slot}' for slot in left)}" if left else ""
