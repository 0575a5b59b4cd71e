"""`hitl-tui doctor`: what it looks at is in `hitl_tui/doctor.py`."""

from __future__ import annotations

import json
import sys

import click

from hitl_tui import doctor as checks
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import json_option, shared, targets_argument
from hitl_tui.cli.targets import describe, parsed
from hitl_tui.settings import find_home


@command()
@targets_argument
@click.option("--repair", is_flag=True, help="Put right what can be, and say what was done. Nothing is deleted: what is damaged is kept.")
@json_option
@shared
def doctor(targets: tuple[str, ...], repair: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check versions, paths, the databases, stuck rows, and that each target loads. Exit 1 when something is wrong."""
    findings = checks.examine(find_home(home), parsed(targets), describe, repair)
    if json_:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        click.echo(output.table(("ok" if finding.good else "BAD", finding.what, finding.found) for finding in findings))
    sys.exit(0 if all(finding.good for finding in findings) else 1)
