"""`hitl-tui console`: opens the console; also the default command."""

from __future__ import annotations

import sys

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import common_options, python_option, targets_argument
from hitl_tui.console import run_console


@command("hitl-tui", "hitl-tui ./my_project", "hitl-tui ./agent.py:graph my_package.agents:make_graph")
@targets_argument
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), help="Runs that each worker drives at a time; default: config.toml, else by CPU."
)
@python_option
@click.option("--no-worker", is_flag=True, help="Start no worker: others run the agents, as a service does.")
@common_options
def console(
    targets: tuple[str, ...], concurrency: int | None, python: str, no_worker: bool, home: str | None, reviewer: str | None
) -> None:
    """Open the console (the default)."""
    sys.exit(run_console(home, targets, reviewer, concurrency, python, starts_workers=not no_worker))
