"""Entry point: starts the console directly, without importing click (a tenth of the time to the first frame), else the command line."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Sequence
from typing import TextIO

OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""What writing to a full or broken file or device fails with."""

COMPLETING = "_HITL_TUI_COMPLETE"
"""Set when a shell asks for completions, by the scripts that `hitl-tui completion` prints."""
TRACEBACK = "HITL_TUI_TRACEBACK"
"""Set for the traceback of an error that nobody expected, besides the sentence about it."""


def main() -> None:
    """Start the console if only targets and a home are given, else the command line. Every failure is a sentence, and exits with 1."""
    _replace_closed_streams()
    try:
        asked = None if COMPLETING in os.environ else console_only(sys.argv[1:])
        if asked is None:
            _run_command_line()
        else:
            _run_console(*asked)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:  # noqa: BLE001 - a bug
        sys.exit(_tell_bug(error))


def _replace_closed_streams() -> None:
    """Open those of the three standard streams that are closed, so that no file gets their numbers.

    The input is empty, what is written to standard error is lost, and writing to the output fails: it is opened for reading.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for the life of the process
    if sys.stdout is None:
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")  # noqa: SIM115 - for the life of the process
    if sys.stderr is None:
        sys.stderr = open(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")  # noqa: SIM115


def _run_console(home: str | None, targets: Sequence[str]) -> None:
    from hitl_tui.console import run_console
    from hitl_tui.errors import HitlError

    try:
        sys.exit(run_console(home, targets))
    except HitlError as error:
        from hitl_tui.sanitize import visible

        print(f"hitl-tui: {visible(str(error))}", file=sys.stderr)
        sys.exit(1)


def _run_command_line() -> None:
    """Run a command.

    An output that cannot be written is a sentence, a closed pipe ends the process as it ends other tools, and what the output's encoding
    lacks is a question mark.
    """
    from hitl_tui.cli import main as command_line

    stdout = sys.stdout
    if isinstance(stdout, io.TextIOWrapper) and stdout.errors == "strict":
        stdout.reconfigure(errors="replace")
    is_pipe_closed = False
    try:
        try:
            command_line()
        finally:
            is_pipe_closed = sys.stdout is not stdout  # click has replaced it by one that it may still flush
            stdout.flush()
    except BrokenPipeError:
        is_pipe_closed = True
    except OSError as error:
        if error.filename is not None or error.errno not in OUTPUT_ERRORS:
            raise
        _discard(stdout)
        notes = getattr(error, "__notes__", None) or getattr(error.__context__, "__notes__", [])  # the flush fails once more
        told = "; ".join([f"the output cannot be written: {error.strerror}", *notes])
        print(f"hitl-tui: {told}", file=sys.stderr)
        sys.exit(1)
    finally:
        if is_pipe_closed:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGPIPE)


def _discard(stream: TextIO) -> None:
    """Let what is left in a stream's buffer go nowhere: writing it would fail once more at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell_bug(error: Exception) -> int:
    """Print a sentence about an error that nobody expected, and return the exit code."""
    import traceback

    from hitl_tui.sanitize import one_line

    if TRACEBACK in os.environ:
        traceback.print_exception(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    what = one_line(f"{type(error).__name__}: {error}")
    print(
        f"hitl-tui: unexpected error: {what} ({os.path.basename(frame.filename)}, line {frame.lineno}); {TRACEBACK}=1 shows more",
        file=sys.stderr,
    )
    return 1


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
