"""What a call would do to files: where a path leads from the run's work folder, and what would change in a file.

Reads the file that would change, if it is small enough; nothing is written.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

LARGEST = 200_000
"""Bytes of a file, and characters of its new text, that are compared."""
MOST_ROWS = 200
"""Rows of a difference."""
CONTEXT = 2
PATHS = ("path", "file_path", "filepath", "file", "filename", "file_name", "directory", "folder", "dir", "destination", "dest")
"""Names of arguments that hold a path."""
CONTENTS = ("content", "contents", "text", "body", "data", "new_content", "file_text")
"""Names of arguments that hold the new text of a file."""
_WRITING = ("write", "save", "create", "put", "overwrite", "update")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads."""

    path: str
    """As it is written."""
    resolved: str
    """Absolute, with links followed; empty where the folder is not known and the path is relative."""
    is_outside: bool | None = None
    """Whether it is outside the folder; None where that is not known."""
    exists: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What would change in a file."""

    path: str
    rows: tuple[tuple[str, str], ...] = ()
    """Each a sign, `+`, `-`, ` ` or `…`, and a line."""
    note: str = ""
    """`new file`, `no change`, or why it cannot be compared."""


def place(path: str, folder: str) -> Place:
    """Where a path leads.

    Args:
        path: as the argument has it.
        folder: the folder from which relative paths count, and outside of which a path is marked; empty if not known.
    """
    if "\\0" in path or "\0" in path:
        return Place(path, "")
    if path.startswith("~"):
        return Place(path, os.path.expanduser(path), bool(folder) or None)
    if not folder:
        return Place(path, os.path.normpath(path) if os.path.isabs(path) else "")
    root, resolved = os.path.realpath(folder), os.path.realpath(os.path.join(folder, path))
    return Place(path, resolved, os.path.commonpath([root, resolved]) != root, os.path.lexists(resolved) if os.path.isdir(root) else None)


def change(tool: str, args: Mapping[str, Any], folder: str) -> Change | None:
    """What a call that writes a file would change in it; None if the call is none, by its name and arguments."""
    path = next((args[name] for name in PATHS if isinstance(args.get(name), str)), None)
    if path is None:
        return None
    old, new = (next((args[name] for name in names if isinstance(args.get(name), str)), None) for names in (_OLD, _NEW))
    if old is not None and new is not None:
        return Change(path, _rows(old, new))
    text = next((args[name] for name in CONTENTS if isinstance(args.get(name), str)), None)
    if text is None or not any(word in tool.lower() for word in _WRITING):
        return None
    return _against(path, text, place(path, folder).resolved)


_OLD = ("old_string", "old_str", "old_text")
_NEW = ("new_string", "new_str", "new_text")


def _against(path: str, text: str, resolved: str) -> Change:
    if not resolved:
        return Change(path, note="its folder is not known")
    try:
        about = os.stat(resolved)
        if not stat.S_ISREG(about.st_mode):
            return Change(path, note="it is no plain file")
        if about.st_size > LARGEST or len(text) > LARGEST:
            return Change(path, note="it is too large to be compared")
        before = Path(resolved).read_bytes()[:LARGEST].decode("utf-8")
    except FileNotFoundError:
        return Change(path, note="new file")
    except UnicodeDecodeError:
        return Change(path, note="the file is no text")
    except (OSError, ValueError):
        return Change(path, note="the file cannot be read")
    return Change(path, _rows(before, text)) if before != text else Change(path, note="no change")


def _rows(before: str, after: str) -> tuple[tuple[str, str], ...]:
    """The difference of two texts, line by line, with a little of what surrounds it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=CONTEXT, lineterm="")
    found = []
    for line in islice(lines, 2, MOST_ROWS + 3):
        found.append(("…", "") if line.startswith("@@") else (line[:1], line[1:]))
    if len(found) > MOST_ROWS:
        found = [*found[:MOST_ROWS], ("…", "")]
    return tuple(found[1:] if found[:1] == [("…", "")] else found)
