"""`hitl-tui worker`: runs agents without a console."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import click

from hitl_tui.agents import targets as parsing
from hitl_tui.cli.command_group import command
from hitl_tui.cli.options import common_options, python_option, targets_argument
from hitl_tui.errors import BadTarget
from hitl_tui.home import OWN_PYTHON, Home, find_home
from hitl_tui.sanitize import visible
from hitl_tui.settings import read_settings
from hitl_tui.supervisor import STOPPING, stopped_early, worker_command

ENDED_POLL_S = 0.5


@command("hitl-tui worker --until-idle", "hitl-tui worker ./my_project ./agent.py:graph")
@targets_argument
@click.option("--until-idle", is_flag=True, help="Exit once no run can continue without a person.")
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Runs to drive at a time; default: config.toml, else by CPU.")
@python_option
@click.option("--describe", is_flag=True, hidden=True)
@click.option("--doorbell", type=int, hidden=True)
@click.option("--lock", type=(str, int), hidden=True)
@common_options
def worker(
    targets: tuple[str, ...], until_idle: bool, concurrency: int | None, python: str, describe: bool, doorbell: int | None,
    lock: tuple[str, int] | None, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Run agents without a console.

    Each TARGET gets a process of its own, in the Python environment of its
    project if it has one (.venv); the agents of a server's URL run there.
    Without a TARGET it runs the agents of the langgraph.json in the current
    folder, else the sample agents.
    """
    opened = find_home(home).prepare()
    settings = read_settings(opened)
    parallel = concurrency or settings.concurrency
    if len(targets) > 1:
        sys.exit(_one_each(targets, opened, parallel, until_idle, python))
    (given,) = parsing.or_default(targets)
    target = parsing.parse(given)
    _end_on_signals(target.label, int(describe))
    note = ""
    if isinstance(target, parsing.ServerTarget):
        if python:
            raise BadTarget(f"{target.label} runs its agents itself", "leave out --python")
        target = settings.servers.get(target.url, target)
    elif OWN_PYTHON not in os.environ:  # else this process is in the project's environment already
        from hitl_tui.agents.environment import enter, environment_of

        environment, note = environment_of(target, python)
        if environment:
            enter(environment, opened.path, sys.argv[1:])
    from hitl_tui.worker.process import Options, run_worker  # imports LangGraph, which `--help` must not

    options = Options(parallel, until_idle, describe, doorbell, settings.time_limit_s, lock, given, python, note)
    run_worker(target, opened, options, lambda line: print(visible(line), file=sys.stderr, flush=True))


def _end_on_signals(label: str, code: int) -> None:
    """While LangGraph is imported: end with a sentence when asked to. The worker then has handlers of its own."""

    def end(*_: object) -> None:
        os.write(2, f"{visible(stopped_early(label))}\n".encode())  # the handler may have come amid a print
        os._exit(code)

    for number in STOPPING:
        signal.signal(number, end)


def _one_each(targets: Sequence[str], home: Home, concurrency: int, until_idle: bool, python: str) -> int:
    """Run a worker process for each target. Ends them when this process is ended, and unless `until_idle`, when one of them has ended.

    Returns 0 if all exited with 0.
    """
    extra = [*(["--concurrency", str(concurrency)] if concurrency else []), *(["--until-idle"] if until_idle else [])]
    extra += ["--python", python] if python else []
    processes = [subprocess.Popen([*worker_command(home.path), *extra, "--", target]) for target in targets]

    def end(*_: object) -> None:
        for process in processes:
            process.terminate()

    for number in STOPPING:
        signal.signal(number, end)
    if not until_idle:  # as a service: what started this process starts all again
        while all(process.poll() is None for process in processes):
            time.sleep(ENDED_POLL_S)
        end()
    return int(any([process.wait() for process in processes]))
