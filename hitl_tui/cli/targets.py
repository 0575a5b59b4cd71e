"""The targets a command is given: read before anything starts, and loaded in a process of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from hitl_tui.agents import targets as parsing
from hitl_tui.settings import Home
from hitl_tui.supervisor import worker_command


def parsed(targets: Sequence[str]) -> list[str]:
    """The targets, checked now so that a mistake is a sentence before anything starts; the sample agents for none.

    Raises:
        BadTarget: one of them can be none.
    """
    wanted = list(targets) or [str(parsing.sample_agents())]
    for target in wanted:
        parsing.parse(target)
    return wanted


def describe(place: Home, target: str) -> str:
    """Load a target in a process of its own, which stores what it holds; what the process said if it failed."""
    command = [*worker_command(place.path), "--describe", "--", target]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    said = (done.stderr.strip().splitlines() or [f"loading ended with exit code {done.returncode}"])[-1]
    return "" if done.returncode == 0 else said.removeprefix("hitl-tui: ")
