"""`hitl-tui service`: prints a systemd unit that runs the agents, whoever opens or leaves a console."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import checked_targets
from hitl_tui.cli.options import common_options, python_option, targets_argument
from hitl_tui.errors import Refused
from hitl_tui.home import find_home
from hitl_tui.settings import login
from hitl_tui.supervisor import STOP_S, worker_command

RESTART_S = 2
"""Time until systemd starts a worker again that has ended: shorter than consoles wait before they start one of their own."""
UNIT = """\
# {file}
[Unit]
Description=hitl-tui worker of {about}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
{user}WorkingDirectory={folder}
# What the agents need, such as keys of model providers, one NAME=value a line:
# EnvironmentFile={home}/agents.env
ExecStart={command}
Restart=always
RestartSec={restart}
KillMode=mixed
TimeoutStopSec={stop}
UMask=0077

[Install]
WantedBy={wanted_by}
"""


@command("hitl-tui service ./my_project > hitl-tui.service", "hitl-tui service --user ./my_project")
@targets_argument
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), help="Runs that each worker drives at a time; default: config.toml, else by CPU."
)
@python_option
@click.option("--user", "is_user", is_flag=True, help="Print a unit for `systemctl --user`, which needs no root.")
@common_options
def service(targets: tuple[str, ...], concurrency: int | None, python: str, is_user: bool, home: str | None, reviewer: str | None) -> None:
    """Print a systemd unit that runs the agents of the TARGETs.

    Consoles on the same home then start no worker of their own. The unit runs
    as the login that prints it, which must own the home.
    """
    folder = find_home(home).path
    extra = [*(["--concurrency", str(concurrency)] if concurrency else []), *(["--python", os.path.abspath(python)] if python else [])]
    wanted = [_absolute(target) for target in checked_targets(targets)]
    words = [*worker_command(folder), *extra, "--", *wanted]
    click.echo(unit(words, Path.cwd(), folder, wanted, is_user), nl=False)


def unit(words: Sequence[str], folder: Path, home: Path, targets: Sequence[str], is_user: bool) -> str:
    """The unit that runs a command in a folder; `targets` are for its description, `is_user` is for a unit of one login.

    Raises:
        Refused: a path has a character that no unit can hold.
    """
    user = "" if is_user else f"User={login()}\n"
    where = "~/.config/systemd/user/hitl-tui.service" if is_user else "/etc/systemd/system/hitl-tui.service"
    return UNIT.format(
        file=where,
        about=_plain(", ".join(targets)),
        user=user,
        folder=_plain(str(folder)),
        home=_plain(str(home)),
        command=" ".join(_word(word) for word in words),
        restart=RESTART_S,
        stop=int(STOP_S) + 22,
        wanted_by="default.target" if is_user else "multi-user.target",
    )


def _absolute(target: str) -> str:
    """A target that means the same in any folder; a module's name stays, and is found from the unit's folder."""
    path, colon, name = (target, "", "") if os.path.exists(os.path.expanduser(target)) else target.rpartition(":")
    path = os.path.expanduser(path)
    return f"{os.path.abspath(path)}{colon}{name}" if os.path.exists(path) else target


def _plain(text: str) -> str:
    """A text as the rest of a line of a unit.

    Raises:
        Refused: it has a line break or another control character.
    """
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Refused(f"{text!r} cannot be written into a systemd unit", "rename what has a control character in its name")
    return text.replace("%", "%%")


def _word(word: str) -> str:
    """A word of a command line of a unit."""
    plain = _plain(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return plain if plain and not set(plain) & set(" \t\"'\\;") else f'"{plain}"'
