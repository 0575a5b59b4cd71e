"""Write the dump of a small home with this version's schema: `python -m tests.store.homes` when a version is released."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from hitl_tui import __version__
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, PauseKind
from tests.support.empty_database import open_store
from tests.ui.homes import seed


async def fill(path: Path) -> None:
    """Three mails, each reviewed by two people: one approved, one rejected and undone, one approved by the first of both."""
    async with open_store(path) as store:
        project = await seed.add_project(store)
        ann, bob = Inbox(store, "ann", grace_s=60), Inbox(store, "Åsa", grace_s=60)
        approve, reject = Answer(DecisionKind.APPROVE), Answer(DecisionKind.REJECT, message="not him")
        for people in ((ann, bob), (bob,), (ann,)):
            mail = seed.action("send_mail", seed.mail().args, 0, reviewers=2)
            review = await seed.add_waiting_run(store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, mail))
            for one in people:
                await one.reviews.decide(await one.reviews.get(review), {0: reject if people == (bob,) else approve})
            if people == (bob,):
                await bob.reviews.undo(review)


def dump(path: Path) -> str:
    """The database as SQL: its marks, tables with their rows, then indexes, views and triggers. Its index of words is empty."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        lines = [f"PRAGMA {name} = {db.execute(f'PRAGMA {name}').fetchone()[0]}" for name in ("application_id", "user_version")]
        schema = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type != 'table', rowid"
        for kind, name, sql in db.execute(schema).fetchall():
            if name.startswith("history_text_"):
                continue
            if not name.startswith("sqlite_"):
                lines.append(sql)
            if kind == "table" and name != "history_text":
                lines += _rows(db, name)
    return "".join(f"{line};\n" for line in lines)


def _rows(db: sqlite3.Connection, table: str) -> list[str]:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    quoted = " || ', ' || ".join(f"quote({column})" for column in columns)
    return [f"INSERT INTO {table} VALUES ({values})" for (values,) in db.execute(f"SELECT {quoted} FROM {table}")]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "hitl.db"
        asyncio.run(fill(made))
        Path(__file__).with_name(f"{__version__}.sql").write_text(dump(made), "utf-8")
