"""What bash itself runs for a script: a sandbox folder in which every program is one that writes down its name and arguments."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from hitl_tui.effects.shell import Command
from hitl_tui.effects.shell_text import words

LOGGED = words(
    "ls cat grep date rm git echo printf pwd true false wc sort head tail uniq cut tr seq touch mkdir cp mv tee id test [ curl sed"
)
PASSED_ON = {
    **{name: f"/usr/bin/{name}" for name in ("env", "xargs", "nice", "timeout", "find", "stdbuf", "setsid")},
    **dict.fromkeys(("sh", "bash", "dash"), "/bin/bash"),
}
SILENT = words("cd : [[ read export unset set exit wait jobs exec command builtin time pushd popd shift break continue return") | {""}
"""What bash does itself and the sandbox does not see."""
_LOG = """#!/bin/sh
line="${0##*/}"; for word; do line="$line@$word"; done
printf '%s#' "$line" >> 'LOG'
""".replace("@", "\x1f").replace("#'", "\x1e'")
"""Writes name and arguments at once: programs of a pipe run at the same time."""
_PRELUDE = """
enable -n echo printf pwd true false test [
command_not_found_handle() { 'LOGGER' "$@"; }
"""
_SUDO = """
while :; do case "$1" in -u) shift 2;; -*) shift;; *=*) export "$1"; shift;; *) break;; esac; done
exec "$@"
"""


class BashSandbox:
    """A folder in which bash runs scripts of harmless programs."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._bin, self._log = folder / "work", folder / "bin", folder / "log"
        self._prelude = folder / "prelude"
        self._folder.mkdir()
        self._bin.mkdir()
        log = _LOG.replace("LOG", str(self._log))
        for name in LOGGED:
            self._program(name, log)
        for name, real in PASSED_ON.items():
            self._program(name, f'{log}exec {real} "$@"\n')
        for name in ("sudo", "doas", "nohup", "busybox"):
            self._program(name, log + _SUDO)
        logger = folder / "logger"
        logger.write_text(log.replace('line="${0##*/}"', 'line="$1"; shift'))
        logger.chmod(0o755)
        self._prelude.write_text(_PRELUDE.replace("LOGGER", str(logger)))
        self.reset()
        self.before = self.files()

    def reset(self) -> None:
        """Put the files of the folder back as they were."""
        for one in self._folder.iterdir():
            one.unlink()
        for name in ("a", "b", "f", "x"):
            (self._folder / name).write_text(f"{name}\n")

    def files(self) -> dict[str, bytes]:
        """The files of the folder: name and content."""
        return {one.name: one.read_bytes() for one in self._folder.iterdir()}

    def _program(self, name: str, text: str) -> None:
        (self._bin / name).write_text(text)
        (self._bin / name).chmod(0o755)

    def runs(self, script: str) -> list[tuple[str, ...]] | None:
        """Run a script; each program it runs with its arguments, in no certain order. None if bash finds a mistake in it."""
        self._log.write_bytes(b"")
        env = {"PATH": str(self._bin), "BASH_ENV": str(self._prelude), "HOME": str(self._folder), "LANG": os.environ.get("LANG", "C.UTF-8")}
        done = subprocess.run(
            ["/bin/bash", "--norc", "--noprofile", "-c", "--", script],
            cwd=self._folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        found = [tuple(one.split("\x1f")) for one in self._log.read_text(errors="replace").split("\x1e") if one]
        return None if done.returncode == 2 and b"syntax error" in done.stderr and not found else found


def fits(command: Command, run: Sequence[str]) -> bool:
    """Whether a program that bash ran is this command, whose unknown arguments stand for any number of words."""
    return command.program.rpartition("/")[2] == run[0] and _fits(command.arguments, run[1:])


def _fits(known: Sequence[str | None], words: Sequence[str]) -> bool:
    if not known:
        return not words
    if known[0] is None:
        return any(_fits(known[1:], words[count:]) for count in range(len(words) + 1))
    return bool(words) and words[0] == known[0] and _fits(known[1:], words[1:])
