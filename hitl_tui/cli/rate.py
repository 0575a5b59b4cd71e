"""The command that gives thumbs, and takes them back."""

from __future__ import annotations

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, number, review_number, run_number, shared, slot_number
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Feedback, Subject, Thumb
from hitl_tui.sanitize import visible

THUMBS: dict[str, Thumb] = {"up": 1, "down": -1}


@command()
@click.argument("thumb", type=click.Choice([*THUMBS, "none"]))
@click.argument("what", metavar="REVIEW[#SLOT]|RUN[#LINE]")
@click.option("--comment", metavar="TEXT", default="", help="What was good or not.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="To find it by; may be given several times.")
@json_option
@shared
def rate(thumb: str, what: str, comment: str, tags: tuple[str, ...], json_: bool, home: str | None, reviewer: str | None) -> None:
    """Give a decision (12#0), a run (r3) or a line of its trace (r3#7) a thumb, or take yours back."""
    if thumb == "none" and (comment or tags):
        raise Refused("a thumb that is taken back has no words", "leave --comment and --tag out")
    whole, _, part = what.partition("#")

    async def work(inbox: Inbox) -> str:
        subjects = _of_run(whole, part) if whole.startswith("r") else await _of_review(inbox, whole, part)
        if thumb == "none":
            subjects = [one for one in subjects if inbox.ratings.mine(one)] or subjects[:1]
            for subject in subjects:
                await inbox.ratings.withdraw(subject)
            return "[]" if json_ else visible(f"your thumb on {what} is taken back")
        given: list[Feedback] = [await inbox.ratings.rate(subject, THUMBS[thumb], comment, tags) for subject in subjects]
        if json_:
            return output.as_json([output.feedback_json(one) for one in given])
        return visible(f"thumb {thumb} on {what}")

    tell(work, home, reviewer)


def _of_run(run: str, line: str) -> list[Subject]:
    return [Subject(run_number(run), event=number(line, "a line of its trace, like r3#7") if line else None)]


async def _of_review(inbox: Inbox, review: str, slot: str) -> list[Subject]:
    """The decision of that slot; without one all that are decided of the review."""
    found = await inbox.review(review_number(review))
    slots = [slot_number(slot)] if slot else [*found.decisions] or [action.slot for action in found.actions[:1]]
    return [Subject(found.row.run, found.row.id, one) for one in slots]
