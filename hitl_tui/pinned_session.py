"""Sessions that cannot choose their name: over SSH by a forced command, or in a browser.

Who has one may review, and may not reach the files or the shell of the account that owns the home: no $EDITOR, no suspending, no files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from hitl_tui.errors import Refused

VARIABLE = "HITL_TUI_PINNED"
"""Set in the process of such a session, to `ssh` or `browser`."""
KEPT = re.compile(
    r"HOME|LOGNAME|USER|SHELL|PATH|TERM|COLORTERM|NO_COLOR|TZ|LANG|LC_\w+|SSH_(?:AUTH_SOCK|CLIENT|CONNECTION|TTY)|XDG_\w+|TMPDIR"
)
"""Names of variables that such a session keeps; others could name a home, an editor, a driver or code to load."""
KEPT_IN_BROWSER = re.compile(r"TEXTUAL_(?:DRIVER|FPS|COLOR_SYSTEM)|COLUMNS|ROWS")
"""Those that `hitl-tui serve` sets."""


def is_pinned() -> bool:
    """Whether this process is such a session."""
    return VARIABLE in os.environ


def kind() -> str:
    """`ssh` or `browser` in such a session; empty elsewhere."""
    return os.environ.get(VARIABLE, "")


def pinned_environment(environ: Mapping[str, str], is_browser: bool) -> dict[str, str]:
    """The environment of such a session, of what its process was started with."""
    kept = {name: value for name, value in environ.items() if KEPT.fullmatch(name) or (is_browser and KEPT_IN_BROWSER.fullmatch(name))}
    return {**kept, VARIABLE: "browser" if is_browser else "ssh"}


def refuse_if_pinned(what: str) -> None:
    """Refuse what only somebody with an account on this machine may do.

    Raises:
        Refused: this process is a pinned session.
    """
    if is_pinned():
        raise Refused(f"a session over SSH or in a browser has no {what}", "type it here")
