"""A new database for a test: a copy of one that this pytest process migrated once, since the schema's steps cost 40 ms of CPU each time."""

from __future__ import annotations

import contextlib
import functools
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Literal

from hitl_tui.store import Store, migrations


def open_store(path: Path, synchronous: Literal["FULL", "NORMAL"] = "FULL") -> contextlib.AbstractAsyncContextManager[Store]:
    """`Store.open`; where there is no database yet, it opens a copy of an empty one. Tests of creation itself use `Store.open`."""
    if not path.exists() and path.parent.is_dir():
        with tempfile.NamedTemporaryFile(dir=path.parent) as copy, contextlib.suppress(FileExistsError):
            copy.write(_empty())
            copy.flush()
            os.link(copy.name, path)  # at once, and not where a worker makes one at this moment
    return Store.open(path, synchronous)


@functools.cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "hitl.db"
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            for version in migrations.VERSIONS:
                db.executescript(migrations.statements(version))
        return path.read_bytes()
