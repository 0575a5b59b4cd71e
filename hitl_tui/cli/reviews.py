"""Commands on reviews: list, show, decide, undo, claim, release and escalate."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import click

from hitl_tui import canonical_json
from hitl_tui.cli import output, runs
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import call_slot, common_options, completes, json_option, number, review_number, run_number
from hitl_tui.effects import remark_sections
from hitl_tui.effects.provenance import of_call
from hitl_tui.effects.view import sections
from hitl_tui.errors import Refused, Stale
from hitl_tui.formatting import parse_duration
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Context, DecisionKind, Review, call_id
from hitl_tui.sanitize import exact_line, visible
from hitl_tui.store.errors import when

LONGEST_GRACE_S = 86_400
SIGNING = "waits for your key: touch it if it blinks, or answer its question (ctrl+c ends it)"
SIGNING_S = 0.5
"""Seconds after which that is said."""


@command("hitl-tui queue", "hitl-tui queue --filter 'tool:send_* risk:irreversible since:2h'")
@click.option("--limit", type=click.IntRange(1), default=1000, show_default=True, help="List at most this many, the oldest.")
@click.option("--filter", "wanted", metavar="FILTER", default="", help="List only reviews that match, like tool:send_*.")
@json_option
@common_options
def queue(limit: int, wanted: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List open reviews, oldest first."""

    async def work(inbox: Inbox) -> str:
        rows = (
            await inbox.reviews.rows((await inbox.reviews.matching_ids(wanted))[:limit])
            if wanted.strip()
            else await inbox.reviews.pending(limit)
        )
        if json_:
            return output.as_json([await _json(inbox, await inbox.reviews.get(row.id)) for row in rows])
        listed = output.queue_table(rows) or "no open reviews" + (" match" if wanted.strip() else "")
        waiting = [one for one in inbox.takeovers.waiting() if one.needs_me]
        told = [f"{one.author} has handed r{one.run} back: `hitl-tui confirm r{one.run}` shows the plan" for one in waiting]
        return "\n".join([listed, *map(exact_line, told)])

    print_from_inbox(work, home, reviewer)


@command("hitl-tui show 12", "hitl-tui show r3")
@click.argument("what", metavar="REVIEW|RUN", shell_complete=completes("reviews", "runs"))
@json_option
@common_options
def show(what: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Show a review (12) or a run (r3) in full."""
    if what.startswith("r"):
        print_from_inbox(lambda inbox: runs.shown(inbox, run_number(what), json_), home, reviewer)
        return
    id_ = number(what, "a review, like 12, nor a run, like r3")
    print_from_inbox(lambda inbox: _shown(inbox, id_, json_), home, reviewer)


@command(
    "hitl-tui decide 12 approve",
    "hitl-tui decide 12#1 reject --message 'wrong recipient'",
    'hitl-tui decide 12#2 edit --args \'{"to": "ann@example.com"}\'',
)
@click.argument("review", metavar="REVIEW[#CALL]", shell_complete=completes("reviews"))
@click.argument("decision", type=click.Choice(["approve", "edit", "reject", "respond"]))
@click.option("--args", "args_", metavar="JSON", help="edit: the new arguments. respond: an answer. reject: your version.")
@click.option("--message", metavar="TEXT", help="reject: the reason, or what to revise. respond: the answer. approve: for its template.")
@click.option("--digest", metavar="HEX", help="Refuse unless the action still has this digest.")
@click.option("--grace", metavar="TIME", default="0", help="Time in which `undo` can take it back, like 30s.")
@json_option
@common_options
def decide(
    review: str, decision: str, args_: str | None, message: str | None, digest: str | None, grace: str, json_: bool,
    home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Decide a review (12), or one call of it (12#1).

    `edit --args` passes all arguments of the call, the unchanged ones too. `reject` with --args sends the call back for revision from
    your version. Where a rule needs two people, the second same decision counts.
    """
    if decision == "respond" and args_ is None and message is None:
        raise Refused("a response needs --message or --args", "pass the answer")
    id_, _, call = review.partition("#")
    grace_s = parse_duration(grace)
    if grace_s > LONGEST_GRACE_S:
        raise Refused(f"{grace} is too long to hold a decision back", "at most a day: 24h")
    answer = Answer(DecisionKind(decision), canonical_json.loads(args_, "--args") if args_ is not None else None, message)

    number_ = review_number(id_)
    print_from_inbox(lambda inbox: _decided(inbox, number_, call, answer, digest, json_), home, reviewer, grace_s)


@command("hitl-tui decide 12 approve --grace 30s", "hitl-tui undo 12")
@click.argument("review", metavar="REVIEW", shell_complete=completes("decided"))
@common_options
def undo(review: str, home: str | None, reviewer: str | None) -> None:
    """Take back your last decision on a review.

    This works until its grace time (`decide --grace`, or undo_s in the console) is over.
    """
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.reviews.undo(id_)
        row = (await inbox.reviews.get(id_)).row
        return visible(f"review {id_} is open again" + (f": {row.decided}" if row.decided else ""))

    print_from_inbox(work, home, reviewer)


@command("hitl-tui claim 12")
@click.argument("review", metavar="REVIEW", shell_complete=completes("reviews"))
@click.option("--reason", metavar="TEXT", default="", help="Why you take it, if somebody else claimed it.")
@common_options
def claim(review: str, reason: str, home: str | None, reviewer: str | None) -> None:
    """Claim a review, so that nobody else decides it.

    A claim also stops the escalation chain. It ends by itself after claim_s (config.toml).
    """
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.reviews.claim(id_, reason)
        row = (await inbox.reviews.get(id_)).row
        if row.claimant(time.time()) != inbox.reviewer:
            return f"review {id_} is not claimed, because claim_s is 0 in config.toml; its escalation stops here"
        return f"review {id_} is claimed by you{when(row.claimed_until, 'until', 'until')}"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui release 12", "hitl-tui release r3")
@click.argument("what", metavar="REVIEW|RUN", shell_complete=completes("reviews", "live runs"))
@common_options
def release(what: str, home: str | None, reviewer: str | None) -> None:
    """Release a review that you claimed, or a stuck run (r3).

    A run is stuck while its worker does not respond. Once released it goes on from its checkpoint with another worker. What its worker did
    until then stays done, and what it does from now on is not stored.
    """
    run = run_number(what) if what.startswith("r") else None
    id_ = number(what, "a review, like 12, nor a run, like r3") if run is None else 0

    async def work(inbox: Inbox) -> str:
        if run is not None:
            await inbox.runs.release(run)
            return f"run {output.run_id(run)} is released: it goes on with another worker"
        await inbox.reviews.release(id_)
        return f"review {id_} is released"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui escalate 12 --to leads --note 'over my limit'")
@click.argument("review", metavar="REVIEW", shell_complete=completes("reviews"))
@click.option("--to", metavar="WHO", default="", help="A person or group; default: the policy's escalation chain.")
@click.option("--note", metavar="TEXT", default="", help="What they need to know.")
@common_options
def escalate(review: str, to: str, note: str, home: str | None, reviewer: str | None) -> None:
    """Escalate a review to another person or group.

    Your claim on it is released.
    """
    id_ = review_number(review)

    async def work(inbox: Inbox) -> str:
        await inbox.reviews.escalate(id_, to, note)
        if check := inbox.reviews.attention_check(id_):
            return visible(check.told(inbox.reviewer))
        return visible(f"review {id_} is escalated to {(await inbox.reviews.get(id_)).row.escalated}")

    print_from_inbox(work, home, reviewer)


async def _shown(inbox: Inbox, review: int, as_json: bool) -> str:
    found = await inbox.reviews.get(review)
    context, versions, notifications = (
        await inbox.reviews.context(review),
        await inbox.reviews.versions(review),
        await inbox.reviews.notifications(review),
    )
    effects = await _effects(inbox, found, context)
    escalations, feedback = await inbox.reviews.escalations(review), await inbox.feedback.of_review(review)
    if as_json:
        more = {
            "context": output.context_json(context),
            "versions": [output.version_json(version) for version in versions],
            "escalations": [output.escalation_json(one) for one in escalations],
            "notifications": [output.notification_json(notification) for notification in notifications],
            "feedback": [output.feedback_json(one) for one in feedback],
        }
        denied = inbox.reviews.refusal(found)
        shown = {**await _json(inbox, found), **more, "refused": denied.happened if denied else None}
        for action in shown["actions"]:
            told, origins = effects.get(action["slot"], ((), ()))
            action["effects"] = [section.as_json() for section in told]
            action["origins"] = [one.as_json() for one in origins]
        return output.as_json(shown)
    people, check = (await inbox.reviews.endorsements(review), await inbox.reviews.views(review)), inbox.reviews.attention_check(review)
    parts = [
        visible(check.told(inbox.reviewer)) if check else "",
        visible(f"you cannot decide it: {denied.happened}") if (denied := inbox.reviews.refusal(found)) else "",
        output.review_text(found, context, *people, effects),
        output.versions_text(versions),
        output.escalations_text(escalations, time.time()),
        output.notifications_text(notifications),
        output.feedback_text(feedback),
    ]
    return "\n".join(filter(None, parts))


async def _effects(inbox: Inbox, found: Review, context: Context) -> dict[int, output.Effects]:
    """By slot, what the tool calls of a review would do, and where their values come from."""
    if not found.row.kind.is_tool_call:
        return {}
    settings, remarks = await inbox.policy.effect_settings(found), await inbox.reviews.remarks(found.row.id)

    def read(action: Action) -> output.Effects:
        known = settings[action.slot]
        told = (*remark_sections.sections_of(action.name, action.slot, remarks), *sections(action.name, action.args, known))
        return told, of_call(action.args, context.conversation, known.launch_input)

    return {action.slot: await asyncio.to_thread(read, action) for action in found.actions}


async def _decided(inbox: Inbox, review: int, call: str, answer: Answer, digest: str | None, as_json: bool) -> str:
    """Decide one call of a review by its number, or all of them if `call` is empty. Returns the review's state as text or JSON."""
    found = await inbox.reviews.get(review)
    slots = [call_slot(call, review, len(found.actions))] if call else [action.slot for action in found.actions]
    if digest is not None and [a.digest for a in found.actions if a.slot in slots] != [digest]:
        raise Stale(f"review {review} no longer has an action with that digest", "look at it again")
    with _told_to_touch(inbox, [action for action in found.actions if action.slot in slots]):
        await inbox.reviews.decide(found, dict.fromkeys(slots, answer))
    now = await inbox.reviews.get(review)
    if as_json:
        return output.as_json(await _json(inbox, now))
    if check := inbox.reviews.attention_check(review):
        return visible(check.told(inbox.reviewer))
    answered = [one.slot for one in await inbox.reviews.endorsements(review) if one.slot in now.undecided and one.slot in slots]
    if answered:
        again = "another person must approve the same"
        if all(action.blind for action in found.actions if action.slot in slots):
            differ = len(answered) > len(set(answered))
            again = "the answers differ, and the next one decides" if differ else "another person answers without seeing it"
        return visible(f"review {review} has {now.row.decided}; {again}{_undecided(now, slots)}")
    return visible(f"review {review} is {now.row.decided or now.row.state}{_undecided(now, [])}")


@contextlib.contextmanager
def _told_to_touch(inbox: Inbox, actions: Sequence[Action]) -> Iterator[None]:
    """Say on standard error that the key is waited for, if these calls must be signed and that takes long."""
    if not inbox.reviews.must_sign(actions):
        yield
        return
    said = asyncio.get_running_loop().call_later(SIGNING_S, functools.partial(click.echo, SIGNING, err=True))
    try:
        yield
    finally:
        said.cancel()


async def _json(inbox: Inbox, review: Review) -> dict[str, Any]:
    views = await inbox.reviews.views(review.row.id)
    people = output.people_json(await inbox.reviews.endorsements(review.row.id), views)
    check = inbox.reviews.attention_check(review.row.id)
    result = {"caught": check.caught, "wrong": check.wrong, "said": check.said, "by": check.actor, "at": check.at} if check else None
    return {**output.review_json(review, time.time(), views), **people, "attention_check": result}


def _undecided(review: Review, done: list[int]) -> str:
    slots = [slot for slot in review.undecided if slot not in done]
    return f"; still undecided: {', '.join(call_id(review.row.id, slot) for slot in slots)}" if slots else ""
