"""Runs a command whose output goes to a terminal of a given width, and returns what it wrote."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Sequence


def run_in_terminal(args: Sequence[str], columns: int) -> str:
    """Run `hitl-tui` with these arguments, and return its output with `\\n` at the ends of lines."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen([sys.executable, "-m", "hitl_tui", *args], stdin=subprocess.DEVNULL, stdout=theirs, env=env):
        os.close(theirs)
        read = b""
        while piece := _read(ours):
            read += piece
    os.close(ours)
    return read.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    """What the terminal shows next; nothing once no program has it open."""
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux says so by an error
        return b""
