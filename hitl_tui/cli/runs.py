"""The commands on runs: launch, list, retry and cancel them."""

from __future__ import annotations

from pathlib import Path

import click

from hitl_tui import canonical_json, durations
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, run_number, shared
from hitl_tui.inbox import Inbox
from hitl_tui.model import RunOptions
from hitl_tui.sanitize import visible


@command()
@click.argument("agent")
@click.argument("text", required=False)
@click.option("--input", "input_", metavar="JSON", help="The graph's input.")
@click.option("--input-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the graph's input as JSON.")
@click.option("--count", type=click.IntRange(1, 100_000), default=1, help="So many runs.")
@click.option("--thread", metavar="ID", help="Continue this thread instead of a new one.")
@click.option("--project", type=int, metavar="ID", help="Which project's agent, when several have one of this name.")
@click.option("--gate", "gates", multiple=True, metavar="NODE", help="Stop before this node too, in these runs; * for every node.")
@click.option("--gate-after", "gates_after", multiple=True, metavar="NODE", help="Stop after this node too.")
@click.option("--time-limit", metavar="TIME", help="How long the agent may work, like 90s or 10m; waiting for people does not count.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A word by which policy knows these runs.")
@json_option
@shared
def launch(
    agent: str, text: str | None, input_: str | None, input_file: Path | None, count: int, thread: str | None, project: int | None,
    gates: tuple[str, ...], gates_after: tuple[str, ...], time_limit: str | None, tags: tuple[str, ...], json_: bool,
    home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Queue a run of AGENT with TEXT, or with JSON input."""
    if sum(given is not None for given in (text, input_, input_file)) != 1:
        raise click.UsageError("give one of TEXT, --input JSON and --input-file F")
    source = input_file.read_text("utf-8", "replace") if input_file else input_
    given = canonical_json.loads(source, "the input") if source is not None else None
    limit_s = durations.seconds(time_limit) if time_limit is not None else None
    options = RunOptions(gates, gates_after, limit_s, tags)

    async def work(inbox: Inbox) -> str:
        others = await inbox.suggestions(agent)
        runs = await inbox.launch(agent, text=text, given=given, count=count, thread=thread, project=project, options=options)
        if others:
            click.echo(
                f"hitl-tui: no agent {agent} is known here yet (known: {', '.join(others)}); it waits for a worker that has it", err=True
            )
        if json_:
            return output.as_json([output.run_json(run) for run in runs])
        return "\n".join(f"run {output.run_id(run.id)} of {agent} is queued" for run in runs)

    tell(work, home, reviewer)


@command()
@click.option("--limit", type=click.IntRange(1), default=200, help="At most so many, the newest.")
@json_option
@shared
def runs(limit: int, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List runs, newest first."""

    async def work(inbox: Inbox) -> str:
        found = await inbox.runs(limit)
        if json_:
            return output.as_json([output.run_json(run) for run in found])
        return output.runs_table(found) or "no runs yet"

    tell(work, home, reviewer)


@command()
@click.argument("run", metavar="RUN")
@shared
def retry(run: str, home: str | None, reviewer: str | None) -> None:
    """Let a failed or cancelled run go on from its checkpoint."""

    async def work(inbox: Inbox) -> str:
        await inbox.retry(run_number(run))
        return f"run {run} is queued again"

    tell(work, home, reviewer)


@command()
@click.argument("run", metavar="RUN")
@shared
def cancel(run: str, home: str | None, reviewer: str | None) -> None:
    """End a run; what it asked becomes stale."""

    async def work(inbox: Inbox) -> str:
        await inbox.cancel(run_number(run))
        check = inbox.attention_of(run_number(run))
        return visible(check.told(inbox.reviewer)) if check else f"run {run} is being cancelled"

    tell(work, home, reviewer)


async def shown(inbox: Inbox, number: int, as_json: bool) -> str:
    """One run whole.

    Raises:
        Refused: there is none of that id.
    """
    run = await inbox.run(number)
    trace, reviews = await inbox.trace(run.id), await inbox.reviews_of(run.id)
    feedback = await inbox.ratings.of_run(run.id)
    if not as_json:
        return "\n".join(filter(None, [output.run_text(run, trace, reviews), output.feedback_text(feedback)]))
    more = {
        "traceback": run.traceback or None,
        "reviews": [str(review.id) for review in reviews],
        "trace": [output.event_json(event) for event in trace],
        "feedback": [output.feedback_json(one) for one in feedback],
    }
    return output.as_json({**output.run_json(run), **more})
