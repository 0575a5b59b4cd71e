"""`hitl-tui console`, and what runs without a command."""

from __future__ import annotations

import sys

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import shared, targets_argument
from hitl_tui.console import run_console


@command()
@targets_argument
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Runs each worker drives at a time; else config.toml's, else 8.")
@shared
def console(targets: tuple[str, ...], concurrency: int | None, home: str | None, reviewer: str | None) -> None:
    """The console (what runs without a command)."""
    sys.exit(run_console(home, targets, reviewer, concurrency))
