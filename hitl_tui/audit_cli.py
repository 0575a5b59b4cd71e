"""What `hitl-tui audit` does: checks the chained log, says where it ends, and writes it out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from hitl_tui import files
from hitl_tui.settings import Home
from hitl_tui.store import audit


def verify(home: Home, saved: str | None, saved_file: Path | None) -> audit.Verified:
    """Check the whole log, and the head that was saved earlier when one is given.

    Raises:
        Refused: what is given is no head.
        BadHome: there is nothing to check.
    """
    text = saved_file.read_text("utf-8", "replace") if saved_file else saved
    return audit.verify(home.database, audit.read_mark(text) if text is not None else None)


def export(home: Home, path: Path | None) -> int:
    """Write every entry as a line of JSON into a new file, or to the screen; how many there were.

    Raises:
        Refused: there is such a file, or it cannot be written.
        BadHome: there is nothing to export.
    """
    entries = audit.entries(home.database)
    if path is None:
        return _write(entries, sys.stdout.write)
    with files.whole(path) as file:
        return _write(entries, file.write)


def _write(entries: Iterable[object], write: Callable[[str], object]) -> int:
    count = 0
    for entry in entries:
        write(json.dumps(entry, ensure_ascii=True) + "\n")
        count += 1
    return count


def told(found: audit.Verified) -> str:
    """A check for people."""
    count = f"{found.mark.seq:,} entr{'y' if found.mark.seq == 1 else 'ies'}"
    if found.problem:
        return f"NOT GOOD after {count}: {found.problem}"
    return f"good: {count}, each vouches for the one before; the head is {found.mark}"


def as_json(found: audit.Verified) -> dict[str, object]:
    """`{good, entries, head, problem}`."""
    return {"good": not found.problem, "entries": found.mark.seq, "head": str(found.mark), "problem": found.problem or None}
