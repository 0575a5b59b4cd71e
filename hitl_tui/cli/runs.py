"""Commands on runs: launch, list, retry and cancel."""

from __future__ import annotations

from pathlib import Path

import click

from hitl_tui import canonical_json
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, completes, config_options, given_json, json_option, run_number
from hitl_tui.formatting import parse_duration
from hitl_tui.inbox import Inbox
from hitl_tui.model import RunOptions
from hitl_tui.sanitize import visible


@command(
    "hitl-tui launch mail_assistant 'answer everything from Ann and tidy up'",
    "hitl-tui launch sql_steward --input-file request.json --time-limit 10m",
    """hitl-tui launch writer 'a poem' --context '{"tone": "formal"}'""",
)
@click.argument("agent", shell_complete=completes("agents"))
@click.argument("text", required=False)
@click.option("--input", "input_", metavar="JSON", help="The graph's input as JSON.")
@click.option("--input-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File with the graph's input as JSON.")
@click.option("--count", type=click.IntRange(1, 100_000), default=1, help="Number of runs.")
@click.option("--thread", metavar="ID", help="Continue this thread; default: a new one.")
@click.option("--project", type=int, metavar="ID", help="The agent's project, if several have one of this name.")
@click.option("--gate", "gates", multiple=True, metavar="NODE", help="Also pause before this node; * for every node.")
@click.option("--gate-after", "gates_after", multiple=True, metavar="NODE", help="Also pause after this node; * for every node.")
@click.option("--time-limit", metavar="TIME", help="Cancel after this much working time, like 90s or 10m.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="A tag for policy rules; repeatable.")
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="LIMIT",
    help="Ask about calls outside it, like 'count(refund) <= 2', or deny them: '… else deny'; repeatable.",
)
@click.option("--assistant", metavar="NAME", help="Start from the context and config of this assistant.")
@config_options
@json_option
@common_options
def launch(
    agent: str, text: str | None, input_: str | None, input_file: Path | None, count: int, thread: str | None, project: int | None,
    gates: tuple[str, ...], gates_after: tuple[str, ...], time_limit: str | None, tags: tuple[str, ...],
    limits: tuple[str, ...], assistant: str | None,
    context: str | None, config: str | None, json_: bool, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Queue runs of an agent.

    Pass the input as TEXT or as JSON. Time that a run waits for people does not count towards --time-limit.
    """
    if sum(given is not None for given in (text, input_, input_file)) != 1:
        raise click.UsageError("pass exactly one of TEXT, --input JSON and --input-file FILE")
    source = input_file.read_text("utf-8", "replace") if input_file else input_
    given = canonical_json.loads(source, "the input") if source is not None else None
    limit_s = parse_duration(time_limit) if time_limit is not None else None
    values = given_json(context, "the context"), given_json(config, "the config")
    options = RunOptions(gates, gates_after, limit_s, tags, *values, limits)

    async def work(inbox: Inbox) -> str:
        others = await inbox.agents.suggestions(agent)
        runs = await inbox.runs.launch(
            agent, text=text, given=given, count=count, thread=thread, project=project, options=options, assistant=assistant
        )
        if others:
            click.echo(
                f"hitl-tui: no agent {agent} is known yet (known: {', '.join(others)}); the run waits for a worker that has it", err=True
            )
        if json_:
            return output.as_json([output.run_json(run) for run in runs])
        return "\n".join(f"run {output.run_id(run.id)} of {agent} is queued" for run in runs)

    print_from_inbox(work, home, reviewer)


@command("hitl-tui runs --limit 20")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True, help="List at most this many, the newest.")
@json_option
@common_options
def runs(limit: int, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List runs, newest first."""

    async def work(inbox: Inbox) -> str:
        found = await inbox.runs.newest(limit)
        if json_:
            return output.as_json([output.run_json(run) for run in found])
        return output.runs_table(found) or "no runs yet"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui retry r3")
@click.argument("run", metavar="RUN", shell_complete=completes("stopped runs"))
@common_options
def retry(run: str, home: str | None, reviewer: str | None) -> None:
    """Continue a failed or cancelled run from its checkpoint."""

    async def work(inbox: Inbox) -> str:
        await inbox.runs.retry(run_number(run))
        return f"run {run} is queued again"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui cancel r3")
@click.argument("run", metavar="RUN", shell_complete=completes("live runs"))
@common_options
def cancel(run: str, home: str | None, reviewer: str | None) -> None:
    """Cancel a run.

    Its open reviews become stale.
    """

    async def work(inbox: Inbox) -> str:
        await inbox.runs.cancel(run_number(run))
        check = inbox.runs.attention_check(run_number(run))
        return visible(check.told(inbox.reviewer)) if check else f"run {run} is being cancelled"

    print_from_inbox(work, home, reviewer)


async def shown(inbox: Inbox, number: int, as_json: bool) -> str:
    """One run in full: state, trace, reviews, ratings and result.

    Raises:
        Refused: there is no such run.
    """
    run = await inbox.runs.get(number)
    trace, reviews = await inbox.runs.trace(run.id), await inbox.reviews.of_run(run.id)
    feedback = await inbox.feedback.of_run(run.id)
    if not as_json:
        return "\n".join(filter(None, [output.run_text(run, trace, reviews), output.feedback_text(feedback)]))
    more = {
        "traceback": run.traceback or None,
        "reviews": [str(review.id) for review in reviews],
        "trace": [output.event_json(event) for event in trace],
        "feedback": [output.feedback_json(one) for one in feedback],
    }
    return output.as_json({**output.run_json(run), **more})
