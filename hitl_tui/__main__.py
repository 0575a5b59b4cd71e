"""Entry point: starts the console directly, without importing click (a tenth of the time to the first frame), else the command line."""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Sequence

OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What writing to a full or broken file or device fails with."""

COMPLETING = "_HITL_TUI_COMPLETE"
"""Set when a shell asks for completions, by the scripts that `hitl-tui completion` prints."""


def main() -> None:
    """Start the console if only targets and a home are given, else the command line."""
    asked = None if COMPLETING in os.environ else console_only(sys.argv[1:])
    if asked is None:
        _run_command_line()
        return
    from hitl_tui.console import run_console
    from hitl_tui.errors import HitlError

    try:
        sys.exit(run_console(*asked))
    except HitlError as error:
        from hitl_tui.sanitize import visible

        print(f"hitl-tui: {visible(str(error))}", file=sys.stderr)
        sys.exit(1)


def _run_command_line() -> None:
    """Run a command. An output that cannot be written is a sentence; what its encoding lacks is a question mark."""
    from hitl_tui.cli import main as command_line

    if isinstance(sys.stdout, io.TextIOWrapper) and codecs.lookup(sys.stdout.encoding).name != "utf-8":
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            command_line()
        finally:
            if sys.stdout:
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in OUTPUT_ERRORS:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer would fail once more at the exit
        print(f"hitl-tui: the output cannot be written: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def console_only(arguments: Sequence[str]) -> tuple[str | None, list[str]] | None:
    """Home and targets, if there are no other arguments; else None. A bare word may be a command, so it is not taken for a target."""
    rest = list(arguments)
    home = None
    if len(rest) >= 2 and rest[0] == "--home":
        home, rest = rest[1], rest[2:]
    if any(word.startswith("-") or not set(word) & set("./:") for word in rest):
        return None
    return home, rest


if __name__ == "__main__":
    main()
