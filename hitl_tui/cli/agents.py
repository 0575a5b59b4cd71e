"""Commands on agents: list, pause and resume."""

from __future__ import annotations

from pathlib import Path

import click

from hitl_tui.agents.targets import MANIFEST, here, is_gone, parse_local
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets, load_target, print_from_inbox, with_inbox
from hitl_tui.cli.options import common_options, completes, json_option, python_option, targets_argument
from hitl_tui.errors import BadTarget, Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.sanitize import visible


@command("hitl-tui agents", "hitl-tui agents ./my_project")
@targets_argument
@python_option
@json_option
@common_options
def agents(targets: tuple[str, ...], python: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List the agents that can be launched.

    The agents of the TARGETs are loaded first; without one, those of the langgraph.json in the current folder.
    """

    async def work(inbox: Inbox, opened: Home) -> None:
        wanted = checked_targets(targets) if targets or here() or not await inbox.agents.all() else []
        problems = [f"{target} cannot be loaded: {problem}" for target in wanted if (problem := load_target(opened, target, python))]
        found = await inbox.agents.all()
        if json_:
            click.echo(output.as_json([output.agent_json(agent) for agent in found]))
        else:
            click.echo(output.table(((a.name, a.label, f"broken: {a.error}" if a.error else a.description) for a in found), whole=True))
        for label, warning in await inbox.agents.warnings():
            click.echo(f"hitl-tui: {visible(f'{label}: {warning}')}", err=True)
        if problems:
            raise BadTarget("; ".join(problems))

    with_inbox(work, home, reviewer)


@command("hitl-tui moved ~/shop ~/projects/shop")
@click.argument("old")
@click.argument("new")
@common_options
def moved(old: str, new: str, home: str | None, reviewer: str | None) -> None:
    """Say that a project's folder was moved.

    A project is known by its path. Its agents keep their names, and with them
    their runs, autonomy levels, lessons and assistants.
    """
    target = parse_local(new)
    places = (old, str(Path(old).expanduser().absolute()), str(Path(old).expanduser().absolute() / MANIFEST))

    async def work(inbox: Inbox) -> str:
        known = await inbox.agents.targets()
        before = next((place for place in places if place in known), old)
        if before == target.key or (before in known and not is_gone(before)):
            raise Refused(f"{before} is still there", "two projects cannot have the same agents: move it first")
        await inbox.agents.move_project(before, target.key, target.label)
        return f"{before} is now {target.key}; its agents keep their names, runs, levels and lessons"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui pause", "hitl-tui pause mail_assistant")
@click.argument("agent", required=False, default="", shell_complete=completes("agents"))
@common_options
def pause(agent: str, home: str | None, reviewer: str | None) -> None:
    """Pause all agents, or one.

    Steps under way finish and nothing new starts. Runs, decisions and automatic approvals wait until `resume`; nothing is lost.
    """

    async def work(inbox: Inbox) -> str:
        await inbox.agents.pause(agent)
        return f"{f'agent {agent} is' if agent else 'all agents are'} paused; steps under way finish, everything else waits for `resume`"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui resume", "hitl-tui resume mail_assistant")
@click.argument("agent", required=False, default="", shell_complete=completes("agents"))
@common_options
def resume(agent: str, home: str | None, reviewer: str | None) -> None:
    """Let paused agents go on: all of them, or one."""

    async def work(inbox: Inbox) -> str:
        await inbox.agents.resume(agent)
        return f"{f'agent {agent} goes' if agent else 'all agents go'} on"

    print_from_inbox(work, home, reviewer)
