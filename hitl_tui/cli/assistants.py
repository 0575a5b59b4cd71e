"""`hitl-tui assistants`: lists, stores and removes named sets of context and configuration."""

from __future__ import annotations

import click

from hitl_tui import canonical_json
from hitl_tui.cli import output
from hitl_tui.cli.command_group import ListByDefault, example
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, completes, config_options, given_json, json_option
from hitl_tui.inbox import Inbox
from hitl_tui.model import Assistant


@click.group(cls=ListByDefault, epilog=example("hitl-tui assistants", "hitl-tui launch writer 'a poem' --assistant formal"))
def assistants() -> None:
    """Keep named sets of context and configuration.

    A run that is launched with `--assistant NAME` gets them, and keeps them when it is retried or continued.
    """


@assistants.command("list", epilog=example("hitl-tui assistants list --json"))
@json_option
@common_options
def list_(json_: bool, home: str | None, reviewer: str | None) -> None:
    """List the assistants."""

    async def work(inbox: Inbox) -> str:
        found = await inbox.agents.assistants()
        if json_:
            return output.as_json([_json(one) for one in found])
        rows = ((one.agent, one.name, canonical_json.dumps(_values(one))) for one in found)
        return output.table(rows, whole=True) or "no assistants yet: `hitl-tui assistants save` stores one"

    print_from_inbox(work, home, reviewer)


@assistants.command("save", epilog=example("""hitl-tui assistants save writer formal --context '{"tone": "formal"}'"""))
@click.argument("agent", shell_complete=completes("agents"))
@click.argument("name")
@config_options
@common_options
def save(agent: str, name: str, context: str | None, config: str | None, home: str | None, reviewer: str | None) -> None:
    """Store an assistant of an agent. One of the same name is replaced."""
    values = given_json(context, "the context"), given_json(config, "the config")

    async def work(inbox: Inbox) -> str:
        await inbox.agents.save_assistant(agent, name, *values)
        return f"assistant {name} of {agent} is stored"

    print_from_inbox(work, home, reviewer)


@assistants.command("remove", epilog=example("hitl-tui assistants remove writer formal"))
@click.argument("agent", shell_complete=completes("agents"))
@click.argument("name")
@common_options
def remove(agent: str, name: str, home: str | None, reviewer: str | None) -> None:
    """Remove an assistant. Runs that were launched with it keep their values."""

    async def work(inbox: Inbox) -> str:
        await inbox.agents.remove_assistant(agent, name)
        return f"assistant {name} of {agent} is removed"

    print_from_inbox(work, home, reviewer)


def _values(one: Assistant) -> dict[str, object]:
    return {name: value for name, value in (("context", one.context), ("config", one.config)) if value is not None}


def _json(one: Assistant) -> dict[str, object]:
    return {"agent": one.agent, "assistant": one.name, "context": one.context, "config": one.config, "by": one.actor, "at": one.at}
