"""Commands on agents: list, pause and resume."""

from __future__ import annotations

import click

from hitl_tui.agents.targets import here
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets, load_target, print_from_inbox, with_inbox
from hitl_tui.cli.options import common_options, completes, json_option, python_option, targets_argument
from hitl_tui.errors import BadTarget
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
