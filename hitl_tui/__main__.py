"""Entry point: starts the console directly, without importing click (a tenth of the time to the first frame), else the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main() -> None:
    """Start the console if only targets and a home are given, else the command line."""
    asked = console_only(sys.argv[1:])
    if asked is None:
        from hitl_tui.cli import main as command_line

        command_line()
        return
    from hitl_tui.console import run_console
    from hitl_tui.errors import HitlError

    try:
        sys.exit(run_console(*asked))
    except HitlError as error:
        from hitl_tui.sanitize import visible

        print(f"hitl-tui: {visible(str(error))}", file=sys.stderr)
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
