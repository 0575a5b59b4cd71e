"""`hitl-tui practice`: good and bad calls that can never run, and how many of the bad ones somebody caught."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Sequence

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import load_target, with_inbox
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.errors import Refused
from hitl_tui.home import Home, sample_agents
from hitl_tui.inbox import Inbox
from hitl_tui.oversight.practice import CALLS, LEAST, MINUTES, MOST, USUAL, PracticeAnswer, PracticeCall, PracticeResult, result_of, rows_of
from hitl_tui.sanitize import one_line, visible

LONGEST = 300
KEYS = {"a": True, "r": False}


@command("hitl-tui practice", "hitl-tui practice --calls 10 --bad 0.5")
@click.option("--calls", type=click.IntRange(2, 200), default=CALLS, show_default=True, help="How many calls.")
@click.option("--bad", type=click.FloatRange(LEAST, MOST), default=USUAL, show_default=True, help="About which share of them is bad.")
@click.option("--seed", metavar="TEXT", help="The same text gives the same calls; default: others each time.")
@json_option
@common_options
def practice(calls: int, bad: float, seed: str | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Practise finding bad calls.

    Shows calls like those of this home, good ones and bad ones in random order.
    None of them can run. `a` approves, `r` rejects, `q` ends; it ends by itself
    after 10 minutes. Then it says what you caught and missed, and what gave it
    away. The figures are kept in the audit log as training.
    """

    async def work(inbox: Inbox, opened: Home) -> None:
        if not await inbox.agents.all():
            load_target(opened, str(sample_agents()))
        queue = await inbox.practice.queue(calls, bad, seed or secrets.token_hex(8))
        if not queue:
            raise Refused("there are no calls to practise on", "load agents with tools: `hitl-tui agents TARGET`")
        answers = _ask(queue)
        if answers:
            await inbox.practice.keep(result_of(answers))
        found = result_of(answers)
        click.echo(output.as_json(found.as_json()) if json_ else "\n".join(lines(found, answers)))

    with_inbox(work, home, reviewer)


def _ask(queue: Sequence[PracticeCall]) -> list[PracticeAnswer]:
    """Ask about each call until there are none, `q`, or the time is over. What is asked goes to the standard error."""
    answers: list[PracticeAnswer] = []
    until = time.monotonic() + MINUTES * 60
    for number, call in enumerate(queue, 1):
        click.echo(f"\nPRACTICE {number} of {len(queue)}: nothing here can run", err=True)
        click.echo(visible(f"{call.agent} wants to call {call.tool}"), err=True)
        click.echo(f"  the user asked for  {one_line(call.asked, LONGEST)}", err=True)
        click.echo(_drawn(call), err=True)
        click.echo("a approve   r reject   q end", err=True)
        began = time.monotonic()
        key = _key()
        if key not in KEYS or time.monotonic() > until:
            break
        answers.append(PracticeAnswer(call, KEYS[key], time.monotonic() - began))
    return answers


def _drawn(call: PracticeCall) -> str:
    """The arguments as a person reads them, whole, behind the bar of agents' text."""
    return "\n".join(f"  ┃ {visible(line)}" for row in rows_of(call.args) for line in row.split("\n"))


def _key() -> str:
    """The next of the keys; `q` also for the end of the input."""
    while True:
        try:
            pressed = (click.getchar() if sys.stdin.isatty() else sys.stdin.read(1)).lower()
        except (EOFError, KeyboardInterrupt):
            return "q"
        if pressed in (*KEYS, "q", "", "\x1b", "\x04"):
            return pressed if pressed in KEYS else "q"


def lines(found: PracticeResult, answers: Sequence[PracticeAnswer]) -> Iterator[str]:
    """The figures as text, and each miss with what gave it away."""
    if not answers:
        yield "nothing was decided"
        return
    yield from found.told()
    for one in answers:
        if one.missed and one.call.wrong:
            yield visible(f"missed: {one.call.agent} {one.call.tool}: {one.call.wrong.clause}")
            yield f"    asked for: {one_line(one.call.asked, LONGEST)}"
            yield _drawn(one.call)
