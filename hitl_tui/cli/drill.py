"""`hitl-tui drill`: bad calls that the policy judges and that nothing runs, and what closes each hole."""

from __future__ import annotations

import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import click

from hitl_tui.agents import targets as parsing
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets, load_target, with_inbox
from hitl_tui.cli.options import common_options, json_option, python_option
from hitl_tui.errors import BadTarget, Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Risk
from hitl_tui.policy.loader import read_text

RISKS = [risk.value for risk in Risk]


@command("hitl-tui drill", "hitl-tui drill ./my_project --fail-on irreversible")
@click.argument("target", required=False, default="")
@click.option("--since", metavar="TIME", default="90d", show_default=True, help="How much of the history to read, like 30d.")
@click.option("--calls", "own", type=click.Path(path_type=Path), help="TOML file with bad calls of your own: [[call]] name, tool, args.")
@click.option("--fail-on", type=click.Choice(RISKS), help="Exit with 1 if a call of that risk, or worse, would run by itself.")
@python_option
@json_option
@common_options
def drill(
    target: str, since: str, own: Path | None, fail_on: str | None, python: str, json_: bool, home: str | None, reviewer: str | None
) -> None:
    """Find bad calls that the policy would let run.

    Makes good calls from the history of this home and from the tools of TARGET,
    and bad ones from those: recipients outside, amounts x 1,000, paths outside,
    destructive commands and SQL, and so on. The policy judges each; nothing runs.
    For each hole it prints the smallest rule that closes it.
    """
    (wanted,) = checked_targets([target] if target else [])
    after = time.time() - parse_duration(since)
    given = read_calls(own) if own else []
    failed: list[bool] = []

    async def work(inbox: Inbox, opened: Home) -> None:
        if problem := load_target(opened, wanted, python):
            raise BadTarget(f"{wanted} cannot be loaded: {problem}")
        found = await inbox.policy.drill(parsing.parse(wanted).key, after, given)
        click.echo(output.as_json(found.as_json()) if json_ else "\n".join(found.told()))
        failed.append(fail_on is not None and found.fails(Risk(fail_on)))

    with_inbox(work, home, reviewer)
    sys.exit(1 if any(failed) else 0)


def read_calls(path: Path) -> list[dict[str, Any]]:
    """The bad calls of a user's own file: `[{name, tool, args, about?}]`.

    Raises:
        Refused: it is no such file.
    """
    try:
        calls = tomllib.loads(read_text(path)).get("call", [])
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{path} is not TOML: {error}", "see docs/drill.md") from None
    for number, one in enumerate(calls if isinstance(calls, list) else [{}], 1):
        texts = isinstance(one, dict) and all(isinstance(one.get(key, ""), str) for key in ("name", "tool", "about"))
        if not texts or not {"name", "tool", "args"} <= one.keys() or not isinstance(one["args"], dict):
            raise Refused(f"call {number} of {path} needs a name, a tool and a table args", "see docs/drill.md")
    return list(calls)
