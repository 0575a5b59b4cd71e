"""The command line, and where everything is wired together. Heavy things are imported by the command that needs them."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hitl_tui import __version__

if TYPE_CHECKING:
    from hitl_tui.inbox import Inbox
    from hitl_tui.policy import Policies
    from hitl_tui.settings import Home, Settings

OWN_OPTIONS = ("--home", "--reviewer")


class Group(click.Group):
    """Commands, before which `--home` and `--reviewer` may come too."""

    otherwise: tuple[str, ...] = ()
    """What anything that is no command is given to."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = 0
        while first < len(args) and args[first].startswith(OWN_OPTIONS):
            first += 1 if "=" in args[first] else 2
        if args and args[0] in ("-h", "--help", "--version"):
            pass
        elif first < len(args) and args[first] in self.commands:
            args = [args[first], *args[:first], *args[first + 1 :]]
        else:
            args = [*self.otherwise, *args]
        return super().parse_args(ctx, args)


class Front(Group):
    """Anything that is no command is a target for the console."""

    otherwise = ("console",)


class Sentences(click.Command):
    """A command whose errors are sentences: exit 1 and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        from hitl_tui.errors import HitlError

        try:
            return super().invoke(ctx)
        except HitlError as error:
            from hitl_tui.safety import visible

            click.echo(f"hitl-tui: {visible(str(error))}", err=True)
            ctx.exit(1)
        except UnicodeEncodeError:
            click.echo("hitl-tui: an argument is no text; give it as UTF-8", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            os._exit(0)


Group.command_class = Sentences
Group.group_class = Group


@click.group(cls=Front, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hitl-tui")
def main() -> None:
    """Review what LangGraph agents are about to do.

    Without a command: the console, on the agents of TARGETs (a langgraph.json, a folder holding one, file.py:graph, or
    package.module:graph), or on the sample agents.
    """


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every command."""
    command = click.option("--reviewer", metavar="NAME", help="Who decides; else config.toml's reviewer, else the login.")(command)
    return click.option("--home", metavar="DIR", help="Databases, config and logs; else HITL_TUI_HOME, else the user's data folder.")(
        command
    )


LONGEST_GRACE_S = 86_400
json_option = click.option("--json", "json_", is_flag=True, help="Print JSON; its shape is in the README.")
targets_argument = click.argument("targets", nargs=-1, metavar="[TARGET]...")


@main.command()
@targets_argument
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Runs each worker drives at a time; else config.toml's, else 8.")
@shared
def console(targets: tuple[str, ...], concurrency: int | None, home: str | None, reviewer: str | None) -> None:
    """The console (what runs without a command)."""
    from hitl_tui.console import run_console

    sys.exit(run_console(home, targets, reviewer, concurrency))


@main.command()
@targets_argument
@json_option
@shared
def agents(targets: tuple[str, ...], json_: bool, home: str | None, reviewer: str | None) -> None:
    """List agents; TARGETs are loaded first, so that what they hold is known here."""
    from hitl_tui import printing
    from hitl_tui.errors import BadTarget

    async def work(inbox: Inbox, place: Home) -> None:
        wanted = _parsed(targets) if targets or not await inbox.agents() else []
        problems = [f"{target} cannot be loaded: {problem}" for target in wanted if (problem := _describe(place, target))]
        found = await inbox.agents()
        if json_:
            click.echo(printing.as_json([printing.agent_json(agent) for agent in found]))
        else:
            click.echo(printing.table((a.name, a.label, f"broken: {a.error}" if a.error else a.description) for a in found))
        if problems:
            raise BadTarget("; ".join(problems))

    _with_inbox(work, home, reviewer)


@main.command()
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
    from hitl_tui import durations, jsontext, printing
    from hitl_tui.model import RunOptions

    if sum(given is not None for given in (text, input_, input_file)) != 1:
        raise click.UsageError("give one of TEXT, --input JSON and --input-file F")
    source = input_file.read_text("utf-8", "replace") if input_file else input_
    given = jsontext.loads(source, "the input") if source is not None else None
    limit_s = durations.seconds(time_limit) if time_limit is not None else None
    options = RunOptions(gates, gates_after, limit_s, tags)

    async def work(inbox: Inbox, _: Home) -> None:
        others = await inbox.suggestions(agent)
        runs = await inbox.launch(agent, text=text, given=given, count=count, thread=thread, project=project, options=options)
        if others:
            click.echo(
                f"hitl-tui: no agent {agent} is known here yet (known: {', '.join(others)}); it waits for a worker that has it", err=True
            )
        if json_:
            click.echo(printing.as_json([printing.run_json(run) for run in runs]))
        else:
            click.echo("\n".join(f"run {printing.run_id(run.id)} of {agent} is queued" for run in runs))

    _with_inbox(work, home, reviewer)


@main.command()
@targets_argument
@click.option("--until-idle", is_flag=True, help="End once nothing is queued, running, or decided and not yet applied.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Runs to drive at a time; else config.toml's, else 8.")
@click.option("--describe", is_flag=True, hidden=True)
@click.option("--doorbell", type=int, hidden=True)
@shared
def worker(
    targets: tuple[str, ...], until_idle: bool, concurrency: int | None, describe: bool, doorbell: int | None, home: str | None,
    reviewer: str | None,
) -> None:  # fmt: skip
    """Run agents without a console. One process serves one project; several TARGETs get a process each."""
    from hitl_tui.settings import find_home, read_settings

    place = find_home(home).prepare()
    settings = read_settings(place)
    parallel = concurrency or settings.concurrency
    if len(targets) > 1:
        sys.exit(_one_each(targets, place, parallel, until_idle))
    from hitl_tui.agents import targets as parsing
    from hitl_tui.safety import visible
    from hitl_tui.worker.process import Options, run_worker

    given = targets[0] if targets else str(parsing.sample_agents())
    target = parsing.parse(given)
    stderr = sys.stderr
    options = Options(parallel, until_idle, describe, doorbell, settings.time_limit_s, given)
    run_worker(target, place, options, lambda line: print(visible(line), file=stderr, flush=True))


@main.command()
@click.option("--limit", type=click.IntRange(1), default=1000, help="At most so many, the oldest.")
@json_option
@shared
def queue(limit: int, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List what waits for a decision, oldest first."""
    from hitl_tui import review_cli

    _tell(lambda inbox: review_cli.listed(inbox, limit, json_), home, reviewer)


@main.command()
@click.argument("what", metavar="REVIEW|RUN")
@json_option
@shared
def show(what: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Show a review (12) or a run (r3) whole."""
    from hitl_tui import printing, review_cli

    if not what.startswith("r"):
        number = _number(what, "a review, like 12, nor a run, like r3")
        _tell(lambda inbox: review_cli.shown(inbox, number, json_), home, reviewer)
        return

    async def show_run(inbox: Inbox, _: Home) -> None:
        run = await inbox.run(_run_number(what))
        trace, reviews = await inbox.trace(run.id), await inbox.reviews_of(run.id)
        whole = {
            **printing.run_json(run),
            "traceback": run.traceback or None,
            "reviews": [str(r.id) for r in reviews],
            "trace": [printing.event_json(e) for e in trace],
        }
        click.echo(printing.as_json(whole) if json_ else printing.run_text(run, trace, reviews))

    _with_inbox(show_run, home, reviewer)


@main.command()
@click.argument("review", metavar="REVIEW[#SLOT]")
@click.argument("decision", type=click.Choice(["approve", "edit", "reject", "respond"]))
@click.option("--args", "args_", metavar="JSON", help="With edit: what runs. With respond: a JSON answer. With reject: another pass.")
@click.option("--message", metavar="TEXT", help="With reject: the reason, or what the next pass shall do. With respond: the answer.")
@click.option("--digest", metavar="HEX", help="Refuse unless the action is still the one with this digest.")
@click.option("--grace", metavar="TIME", default="0", help="How long it can be taken back (`undo`) before it takes effect, like 30s.")
@json_option
@shared
def decide(
    review: str,
    decision: str,
    args_: str | None,
    message: str | None,
    digest: str | None,
    grace: str,
    json_: bool,
    home: str | None,
    reviewer: str | None,
) -> None:
    """Decide a review, or one action of it: 12 or 12#0. Where two people are needed, the second to say the same decides."""
    from hitl_tui import durations, jsontext, review_cli
    from hitl_tui.errors import Refused
    from hitl_tui.model import Answer, DecisionKind

    if decision == "respond" and args_ is None and message is None:
        raise Refused("a response needs --message or --args", "say what to answer")
    number, _, slot = review.partition("#")
    grace_s = durations.seconds(grace)
    if grace_s > LONGEST_GRACE_S:
        raise Refused(f"{grace} is too long to hold a decision back", "at most a day: 24h")
    answer = Answer(DecisionKind(decision), jsontext.loads(args_, "--args") if args_ is not None else None, message)

    id_ = _number(number, "a review, like 12")
    place = _number(slot, "an action's slot, like 12#0") if slot else None
    _tell(lambda inbox: review_cli.decide(inbox, id_, place, answer, digest, json_), home, reviewer, grace_s)


@main.command()
@click.argument("review", metavar="REVIEW")
@shared
def undo(review: str, home: str | None, reviewer: str | None) -> None:
    """Take back what you said last of a review, before its grace time is over."""
    from hitl_tui import review_cli

    number = _number(review, "a review, like 12")
    _tell(lambda inbox: review_cli.undo(inbox, number), home, reviewer)


@main.command()
@click.argument("review", metavar="REVIEW")
@click.option("--reason", metavar="TEXT", default="", help="Why you take it, when somebody else has it.")
@shared
def claim(review: str, reason: str, home: str | None, reviewer: str | None) -> None:
    """Have a review for a while: nobody else decides it, and its escalation goes no further."""
    from hitl_tui import review_cli

    number = _number(review, "a review, like 12")
    _tell(lambda inbox: review_cli.claim(inbox, number, reason), home, reviewer)


@main.command()
@click.argument("review", metavar="REVIEW")
@click.option("--to", metavar="WHO", default="", help="A group of the policy or a person; else anybody, along the policy's chain.")
@click.option("--note", metavar="TEXT", default="", help="What they need to know.")
@shared
def escalate(review: str, to: str, note: str, home: str | None, reviewer: str | None) -> None:
    """Put a review before somebody else; a claim of yours on it is given back."""
    from hitl_tui import review_cli

    number = _number(review, "a review, like 12")
    _tell(lambda inbox: review_cli.escalate(inbox, number, to, note), home, reviewer)


@main.command()
@click.argument("review", metavar="REVIEW")
@shared
def release(review: str, home: str | None, reviewer: str | None) -> None:
    """Give a review back that you claimed."""
    from hitl_tui import review_cli

    number = _number(review, "a review, like 12")
    _tell(lambda inbox: review_cli.release(inbox, number), home, reviewer)


@main.command()
@click.option("--limit", type=click.IntRange(1), default=200, help="At most so many, the newest.")
@json_option
@shared
def runs(limit: int, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List runs, newest first."""
    from hitl_tui import printing

    async def work(inbox: Inbox, _: Home) -> None:
        found = await inbox.runs(limit)
        if json_:
            click.echo(printing.as_json([printing.run_json(run) for run in found]))
        else:
            click.echo(printing.runs_table(found) or "no runs yet")

    _with_inbox(work, home, reviewer)


@main.command()
@click.argument("run", metavar="RUN")
@shared
def retry(run: str, home: str | None, reviewer: str | None) -> None:
    """Let a failed or cancelled run go on from its checkpoint."""
    _with_inbox(lambda inbox, _: inbox.retry(_run_number(run)), home, reviewer)
    click.echo(f"run {run} is queued again")


@main.command()
@click.argument("run", metavar="RUN")
@shared
def cancel(run: str, home: str | None, reviewer: str | None) -> None:
    """End a run; what it asked becomes stale."""
    _with_inbox(lambda inbox, _: inbox.cancel(_run_number(run)), home, reviewer)
    click.echo(f"run {run} is being cancelled")


@main.command("take-over")
@click.argument("run", metavar="RUN")
@click.option("--reason", metavar="TEXT", default="", help="Why you take it, when somebody else has it.")
@json_option
@shared
def take_over(run: str, reason: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Be in the agent's place: the run waits for what you hand back, and nobody else decides what it asks."""
    from hitl_tui import run_cli

    _tell(lambda inbox: run_cli.take_over(inbox, _run_number(run), reason, json_), home, reviewer)


@main.command("hand-back")
@click.argument("run", metavar="RUN")
@click.option("--plan", metavar="JSON", help="What is done in the agent's place, each part or none; else what was kept of it.")
@click.option("--plan-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the plan.")
@shared
def hand_back(run: str, plan: str | None, plan_file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Let the agent go on from what you did in its place.

    \b
    A plan is an object with any of these, done in this order:
      "state": {KEY: VALUE}        new values of the graph's state
      "text": TEXT                 the agent's last message instead
      "calls": [{"id", "name", "args"}]  its calls instead, asked before they run
      "results": {CALL: TEXT}      what the tool would have said
      "guidance": TEXT             what the agent is told before it tries again
      "answer": TEXT               the last word: the run ends with it
    """
    from hitl_tui import run_cli

    if plan is not None and plan_file is not None:
        raise click.UsageError("give one of --plan JSON and --plan-file F")
    given = run_cli.plan_of(plan_file.read_text("utf-8", "replace") if plan_file else plan)
    _tell(lambda inbox: run_cli.hand_back(inbox, _run_number(run), given), home, reviewer)


@main.command("give-up")
@click.argument("run", metavar="RUN")
@shared
def give_up(run: str, home: str | None, reviewer: str | None) -> None:
    """Let a run that you took over be as it was."""
    from hitl_tui import run_cli

    _tell(lambda inbox: run_cli.give_up(inbox, _run_number(run)), home, reviewer)


@main.command()
@click.option("--older-than", metavar="TIME", required=True, help="How long every run of a thread must be over, like 30d, 12h or 2w.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@json_option
@shared
def prune(older_than: str, dry_run: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Delete old threads whole: their checkpoints, traces, contexts, logs and work folders, and runs that never asked anybody.

    Reviews, what was asked and what was decided are kept: they are the history of who allowed what. A run that is pruned cannot be
    retried. Console and workers may go on meanwhile. The databases do not shrink; the room in them is used again.
    """
    import time

    from hitl_tui import durations, printing
    from hitl_tui.agents.pruning import prune_threads
    from hitl_tui.errors import Refused

    if older_than.strip()[-1:].isdigit():
        raise Refused(f"{older_than!r} has no unit", "write it like 30d, 12h or 2w")
    before = time.time() - durations.seconds(older_than)

    async def work(inbox: Inbox, place: Home) -> None:
        freed = await prune_threads(inbox.store, place, before, dry_run)
        click.echo(printing.as_json({**freed.as_dict(), "dry_run": dry_run}) if json_ else freed.sentence(dry_run))

    _with_inbox(work, home, reviewer)


@main.command()
@targets_argument
@click.option("--repair", is_flag=True, help="Put right what can be, and say what was done. Nothing is deleted: what is damaged is kept.")
@json_option
@shared
def doctor(targets: tuple[str, ...], repair: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check versions, paths, the databases, stuck rows, and that each target loads. Exit 1 when something is wrong."""
    from hitl_tui import doctor as checks
    from hitl_tui.settings import find_home

    findings = checks.examine(find_home(home), _parsed(targets), _describe, repair)
    if json_:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        click.echo(checks.report(findings))
    sys.exit(0 if all(finding.good for finding in findings) else 1)


@main.group()
def policy() -> None:
    """What goes on by itself, what asks, what a person takes over: policy.toml in the home, or in a project's folder."""


@policy.command("init")
@shared
def policy_init(home: str | None, reviewer: str | None) -> None:
    """Write a commented policy.toml into the home to start from; one that is there stays."""
    from hitl_tui import policy_cli
    from hitl_tui.agents.targets import sample_agents
    from hitl_tui.safety import visible
    from hitl_tui.settings import find_home

    click.echo(visible(f"{policy_cli.init(find_home(home).prepare(), sample_agents() / 'policy.toml')} is there to be edited"))


@policy.command("check")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@shared
def policy_check(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Say what is wrong with a policy, by default the home's. Exit 1 when it cannot be used."""
    from hitl_tui import policy_cli, printing
    from hitl_tui.policy import policy_paths
    from hitl_tui.settings import find_home

    path = file or policy_paths(find_home(home).path)[0]
    found, problems = policy_cli.check(path)
    told = policy_cli.check_json(path, found, problems)
    click.echo(printing.as_json(told) if json_ else "\n".join(policy_cli.check_lines(path, found, problems)))
    sys.exit(0 if told["good"] else 1)


@policy.command("notify-test")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@json_option
@shared
def policy_notify_test(file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Send a test by every channel of a policy, by default the home's. Exit 1 when one fails."""
    from hitl_tui import policy_cli, printing
    from hitl_tui.policy import policy_paths
    from hitl_tui.settings import find_home

    told = policy_cli.notify_test(file or policy_paths(find_home(home).path)[0])
    click.echo(printing.as_json(told) if json_ else policy_cli.notify_lines(told))
    sys.exit(0 if all(one["sent"] for one in told) else 1)


@policy.command("replay")
@click.option("--since", metavar="TIME", default="30d", show_default=True, help="How far back, like 12h, 30d or 2w.")
@click.option("--policy", "file", type=click.Path(path_type=Path), help="The policy to try; else the home's.")
@json_option
@shared
def policy_replay(since: str, file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Judge past actions by a policy, and print what it would have decided otherwise. Changes nothing."""
    from hitl_tui import policy_cli, printing
    from hitl_tui.settings import find_home

    found = policy_cli.replay(find_home(home).prepare(), since, file)
    click.echo(printing.as_json(found.as_json()) if json_ else "\n".join(policy_cli.replay_lines(found, since)))


@main.group()
def audit() -> None:
    """The chained log of everything that was launched, asked and decided."""


@audit.command("verify")
@click.option("--head", metavar="HEAD", help="What `audit head` printed earlier: shows whether entries were cut off or written anew since.")
@click.option("--head-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The same, in a file.")
@json_option
@shared
def audit_verify(head: str | None, head_file: Path | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check every link, offline. Exit 1 when one is broken, or a decision is not what the log says."""
    from hitl_tui import audit_cli, printing
    from hitl_tui.safety import visible
    from hitl_tui.settings import find_home

    found = audit_cli.verify(find_home(home), head, head_file)
    click.echo(printing.as_json(audit_cli.as_json(found)) if json_ else visible(audit_cli.told(found)))
    sys.exit(1 if found.problem else 0)


@audit.command("head")
@shared
def audit_head(home: str | None, reviewer: str | None) -> None:
    """Where the log ends: keep it elsewhere, and give it to `audit verify` later."""
    from hitl_tui.settings import find_home
    from hitl_tui.store import audit as log

    click.echo(str(log.head(find_home(home).database)))


@audit.command("export")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@shared
def audit_export(file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Write every entry as a line of JSON, to FILE (which must be new) or to the screen."""
    from hitl_tui import audit_cli
    from hitl_tui.safety import visible
    from hitl_tui.settings import find_home

    count = audit_cli.export(find_home(home), file)
    if file:
        click.echo(visible(f"{count:,} entries are in {file}"))


@policy.command("explain")
@click.argument("review", metavar="REVIEW[#SLOT]")
@json_option
@shared
def policy_explain(review: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Say of each rule why it does or does not speak for a review's actions, by the policy as it is now."""
    from hitl_tui import policy_cli, printing
    from hitl_tui.errors import Refused

    number, _, slot = review.partition("#")

    async def work(inbox: Inbox, _: Home) -> None:
        found = await inbox.explain(_number(number, "a review, like 12"))
        slots = {_number(slot, "an action's slot, like 12#0")} if slot else set(found.walks)
        if not slots <= found.walks.keys():
            raise Refused(f"review {number} has no action {slot}", f"it has {', '.join(map(str, found.walks))}")
        told = policy_cli.explained_json(found, slots)
        click.echo(printing.as_json(told) if json_ else "\n".join(policy_cli.explained_lines(found, slots)))

    _with_inbox(work, home, reviewer)


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(["sft", "dpo", "kto", "openai-dpo", "jsonl", "csv"]), default="sft", show_default=True
)
@click.option("--filter", "wanted", metavar="FILTER", default="", help='Like "agent:mail* decided:edit since:30d"; else everything.')
@click.option("--keep-policy", is_flag=True, help="Keep what policy and timeouts decided.")
@click.option("--keep-fast", is_flag=True, help="Keep what was decided faster than it can be read.")
@click.option(
    "--masks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A TOML file with patterns of your own to mask."
)
@click.option("--no-masks", is_flag=True, help="Mask nothing: secrets and personal data stay in.")
@json_option
@shared
def export(
    file: Path, format_: str, wanted: str, keep_policy: bool, keep_fast: bool, masks: Path | None, no_masks: bool, json_: bool,
    home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Write what people decided into FILE (which must be new) as training data, with a manifest beside it."""
    from hitl_tui import export_cli, printing
    from hitl_tui.safety import visible
    from hitl_tui.settings import find_home, login, read_settings
    from hitl_tui.training import Masker, Rules, read_masks

    place = find_home(home).prepare()
    masker = Masker(read_masks(masks.read_text("utf-8", "replace"), str(masks))) if masks else None if no_masks else Masker()
    who = reviewer or read_settings(place).reviewer or login()
    bar: Any
    with click.progressbar(length=1, label="exporting", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def told(done: int, most: int) -> None:
            bar.length = most
            bar.update(done - bar.pos)

        done = export_cli.export(place, file, format_, wanted, Rules(keep_policy, keep_fast), masker, who, told)
    click.echo(printing.as_json(done.as_json()) if json_ else visible("\n".join(done.lines(file))))


def _parsed(targets: Sequence[str]) -> list[str]:
    """The targets, checked now so that a mistake is a sentence before anything starts; the sample agents for none."""
    from hitl_tui.agents import targets as parsing

    wanted = list(targets) or [str(parsing.sample_agents())]
    for target in wanted:
        parsing.parse(target)
    return wanted


def _describe(place: Home, target: str) -> str:
    """Load a target in a process of its own, which stores what it holds; what the process said if it failed."""
    from hitl_tui.supervisor import worker_command

    import subprocess  # isort: skip

    command = [*worker_command(place.path), "--describe", "--", target]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = (done.stderr.strip().splitlines() or [f"loading ended with exit code {done.returncode}"])[-1]
    return "" if done.returncode == 0 else said.removeprefix("hitl-tui: ")


def _one_each(targets: Sequence[str], place: Home, concurrency: int, until_idle: bool) -> int:
    """A worker process for each target, which end with this one; 0 when all ended well."""
    import signal
    import subprocess

    from hitl_tui.supervisor import worker_command

    extra = ["--concurrency", str(concurrency), *(["--until-idle"] if until_idle else [])]
    processes = [subprocess.Popen([*worker_command(place.path), *extra, "--", target]) for target in targets]

    def end(*_: object) -> None:
        for process in processes:
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    return int(any([process.wait() for process in processes]))


def _with_inbox(
    work: Callable[[Inbox, Home], Coroutine[Any, Any, None]], home: str | None, reviewer: str | None, grace_s: float = 0.0
) -> None:
    import asyncio

    from hitl_tui.settings import find_home

    place = find_home(home).prepare()

    async def run() -> None:
        async with _inbox(place, reviewer, grace_s) as inbox:
            await work(inbox, place)

    asyncio.run(run())


def _tell(work: Callable[[Inbox], Coroutine[Any, Any, str]], home: str | None, reviewer: str | None, grace_s: float = 0.0) -> None:
    async def told(inbox: Inbox, _: Home) -> None:
        click.echo(await work(inbox))

    _with_inbox(told, home, reviewer, grace_s)


@contextlib.asynccontextmanager
async def _inbox(place: Home, reviewer: str | None, grace_s: float) -> AsyncIterator[Inbox]:
    from hitl_tui.inbox import Inbox
    from hitl_tui.settings import login, read_settings
    from hitl_tui.store import Store, agents

    settings: Settings = read_settings(place)
    async with Store.open(place.database) as store:
        known = await agents.targets(store)
        who = reviewer or settings.reviewer or login()
        yield Inbox(store, who, grace_s=grace_s, policies=lambda: _policies(place, known), claim_s=settings.claim_s)


def _policies(place: Home, known: Sequence[str]) -> Policies:
    from hitl_tui.agents.targets import root_of
    from hitl_tui.policy import Policies

    return Policies(place.path, root_of, known)


def _number(text: str, expected: str) -> int:
    from hitl_tui.errors import Refused

    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(f"{text!r} is not {expected}", "`hitl-tui queue` and `hitl-tui runs` list what there is")
    return int(text)


def _run_number(text: str) -> int:
    return _number(text.removeprefix("r"), "a run, like r3")
