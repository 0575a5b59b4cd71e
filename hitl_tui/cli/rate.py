"""`hitl-tui rate`: rates decisions, runs and messages, and withdraws ratings."""

from __future__ import annotations

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import call_slot, common_options, completes, json_option, number, review_number, run_number
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Feedback, Rating, Subject
from hitl_tui.sanitize import visible

RATINGS: dict[str, Rating] = {"up": 1, "down": -1}


@command("hitl-tui rate up 12#1", "hitl-tui rate down r3 --comment 'the wrong day' --tag dates", "hitl-tui rate none 12#1")
@click.argument("rating", metavar="up|down|none", type=click.Choice([*RATINGS, "none"]))
@click.argument("what", metavar="REVIEW[#CALL]|RUN[#LINE]", shell_complete=completes("all reviews", "runs"))
@click.option("--comment", metavar="TEXT", default="", help="What was good or bad.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A tag; repeatable.")
@json_option
@common_options
def rate(rating: str, what: str, comment: str, tags: tuple[str, ...], json_: bool, home: str | None, reviewer: str | None) -> None:
    """Rate a decision, a run or a message (thumbs up / down).

    Rates a decision (12#1 is the first call's), a run (r3) or a line of its trace (r3#7). `none` withdraws your rating.
    """
    if rating == "none" and (comment or tags):
        raise Refused("a withdrawn rating has no comment and no tags", "leave out --comment and --tag")
    whole, _, part = what.partition("#")

    async def work(inbox: Inbox) -> str:
        subjects = _of_run(whole, part) if whole.startswith("r") else await _of_review(inbox, whole, part)
        if rating == "none":
            subjects = [one for one in subjects if inbox.feedback.mine(one)] or subjects[:1]
            for subject in subjects:
                await inbox.feedback.withdraw(subject)
            return "[]" if json_ else visible(f"your rating of {what} is withdrawn")
        given: list[Feedback] = [await inbox.feedback.rate(subject, RATINGS[rating], comment, tags) for subject in subjects]
        if json_:
            return output.as_json([output.feedback_json(one) for one in given])
        return visible(f"rated {what}: thumbs {rating}")

    print_from_inbox(work, home, reviewer)


def _of_run(run: str, line: str) -> list[Subject]:
    return [Subject(run_number(run), event=number(line, "a line of its trace, like r3#7") if line else None)]


async def _of_review(inbox: Inbox, review: str, call: str) -> list[Subject]:
    """The decision of a call; without its number, every decided call of the review."""
    found = await inbox.reviews.get(review_number(review))
    if call:
        slots = [call_slot(call, found.row.id, len(found.actions))]
    else:
        slots = [*found.decisions] or [action.slot for action in found.actions[:1]]
    return [Subject(found.row.run, found.row.id, one) for one in slots]
