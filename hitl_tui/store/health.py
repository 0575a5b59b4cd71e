"""Whether a SQLite file is sound, looked at without changing it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from hitl_tui.store.migrations import STEPS


def problem(path: Path) -> str:
    """What is wrong with the file, as a phrase; empty when it is sound."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as db:
            verdict = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
            schema = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        return f"{path} cannot be read: {error}; move it away to start afresh, or restore a copy"
    if verdict != "ok":
        return f"{path} is damaged: {verdict}; move it away to start afresh, or restore a copy"
    if path.name == "hitl.db" and schema > len(STEPS):
        return f"{path} was written by a newer hitl-tui (schema {schema}; this one knows {len(STEPS)}); upgrade hitl-tui"
    return ""
