"""`hitl-tui doctor`: prints the checks of `hitl_tui/doctor.py`."""

from __future__ import annotations

import json
import sys

import click

from hitl_tui import doctor as checks
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets, load_target
from hitl_tui.cli.options import common_options, json_option, targets_argument
from hitl_tui.home import find_home


@command("hitl-tui doctor", "hitl-tui doctor ./my_project", "hitl-tui doctor --repair")
@targets_argument
@click.option("--repair", is_flag=True, help="Repair what can be repaired. Damaged files are kept aside.")
@json_option
@common_options
def doctor(targets: tuple[str, ...], repair: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check the installation, the databases and the agents.

    Checks versions, paths, databases, stuck rows, and that each TARGET loads. Exits with 1 if a check fails. Without a TARGET and without
    --repair it writes nothing.
    """
    wanted = checked_targets(targets) if targets else []
    findings = checks.check_installation(find_home(home), wanted, load_target, repair)
    if json_:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        click.echo(output.table((("ok" if finding.good else "BAD", finding.what, finding.found) for finding in findings), whole=True))
    sys.exit(0 if all(finding.good for finding in findings) else 1)
