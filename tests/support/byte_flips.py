"""Homes with all kinds of rows and files, and one byte of one of their files that a bad disk changed."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from hitl_tui.cli import main
from hitl_tui.inbox import Inbox
from hitl_tui.model import (
    Action,
    Answer,
    Context,
    DecisionKind,
    Message,
    Outcome,
    Pause,
    PauseKind,
    ReviewOutcome,
    ReviewState,
    Routed,
    Subject,
    Verdict,
    digest_of,
)
from hitl_tui.store import Store, reconcile
from tests.support.empty_database import open_store

READING = (("queue",), ("show", "4"), ("show", "r1"), ("history",), ("stats",), ("audit", "verify"), ("doctor",))
"""Commands that read most of a home."""
WRITING = (("decide", "4", "reject", "--message", "no"), ("launch", "mail", "hello"))
"""Commands that write to it."""


ROWS_OF_A_PAGE = 12
"""So many rows of a table, in each page that they fill, may be lost with one of its bytes: those of the other pages are readable."""


@dataclass(frozen=True)
class Flip:
    """A byte to change."""

    file: str
    at: int
    bit: int

    def apply(self, home: Path) -> None:
        path = home / self.file
        data = bytearray(path.read_bytes())
        data[self.at] ^= 1 << self.bit
        path.write_bytes(data)


def flips(home: Path, count: int, seed: int) -> list[Flip]:
    """Random flips: half in bytes of the database that are not zero, the others in its schema, in its header and in other files."""
    numbers = random.Random(seed)
    database = (home / "hitl.db").read_bytes()
    used = [at for at, byte in enumerate(database) if byte]
    schema = [
        at
        for found in re.finditer(rb"CREATE (?:TABLE|INDEX|UNIQUE|VIEW|TRIGGER)", database)
        for at in range(found.start() - 40, found.end() + 200)
    ]
    others = sorted(path for path in home.rglob("*") if path.is_file() and path.name != "hitl.db" and path.stat().st_size)
    made = []
    for number in range(count):
        path = home / "hitl.db" if number % 8 or not others else numbers.choice(others)
        places = range(path.stat().st_size) if number % 8 == 0 else range(100) if number % 8 == 1 else schema if number % 8 < 4 else used
        made.append(Flip(str(path.relative_to(home)), numbers.choice(places), numbers.randrange(8)))
    return made


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, [*args, "--home", str(home)])


def complaint(done: Result) -> str:
    """What is wrong with the answer of a command: an exception, or no word. Empty if it is a sentence or a result."""
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return f"{type(done.exception).__name__}: {done.exception}"
    return "" if done.exit_code == 0 or done.output.strip() else f"ended with {done.exit_code} and no word"


def problems_after(flip: Flip, home: Path, before: dict[str, int], most_lost: int = ROWS_OF_A_PAGE) -> list[str]:
    """Change a byte of a copy of a home, use the home, repair it and use it again. Returns what went wrong.

    `most_lost`: rows that a damaged page may take with it.
    """
    flip.apply(home)
    found = [f"{args}: {said}" for args in (*READING, *WRITING) if (said := complaint(run(home, *args)))]
    repaired = run(home, "doctor", "--repair")
    if said := complaint(repaired):
        found.append(f"repair: {said}")
    if flip.file != "hitl.db":
        return found
    for args in READING[:4]:
        if (done := run(home, *args)).exit_code:
            found.append(f"{args} after the repair: {complaint(done) or done.output}")
    left = counts(home / "hitl.db")
    lost = {table: (count, left[table]) for table, count in before.items() if left[table] < count}
    if sum(was - now for was, now in lost.values()) > most_lost:
        found.append(f"lost {lost}: {repaired.output}")
    return found


def counts(database: Path) -> dict[str, int]:
    """Rows by table, of what people said and agents asked."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        tables = ("runs", "reviews", "actions", "details", "decisions", "endorsements", "feedback", "escalations", "events", "audit")
        return {table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def make_home(home: Path) -> Path:
    """A closed home with rows in most tables, a policy, settings and a trace."""
    home.mkdir()

    async def work() -> None:
        async with open_store(home / "hitl.db") as store:
            await _fill(store)

    asyncio.run(work())
    assert run(home, "policy", "init").exit_code == 0
    (home / "config.toml").write_text('reviewer = "ann"\n')
    return home


async def _fill(store: Store) -> None:
    ann, bob = Inbox(store, "ann"), Inbox(store, "bob")
    two = Routed({0: Verdict(Outcome.ASK, "big", "much money", reviewers=2)})
    for number in range(12):
        [made] = await ann.runs.launch("mail", text=f"hello {number} " + "ab" * 40)
        run_id = made.id
        await store.write("UPDATE runs SET state = 'running', worker = 'w' WHERE id = ?", (run_id,))
        args = {"to": f"ann{number}@example.com", "text": "Grüße ✓ " * 20, "amount": number * 1000}
        action = Action(0, "send_mail", args, tuple(DecisionKind), digest=digest_of("send_mail", args), description="Send a mail.")
        context = Context(conversation=(Message("user", "Answer Ann, please."), Message("agent", "", calls=(("send_mail", args),))))
        pause = Pause(f"i{number}", PauseKind.TOOL_CALLS, "tools", (), args, (action,), context)
        judge = (lambda _: two) if number == 2 else None
        await reconcile.reconcile(store, run_id, "mail", "w", [pause], {}, judge=judge)
        event = (run_id, 1, 1.0, "message", "model", "[]", '{"role":"agent","text":"I will send a mail."}')
        await store.write("INSERT INTO events (run, seq, at, kind, node, path, body) VALUES (?, ?, ?, ?, ?, ?, ?)", event)
    for id_ in (1, 2, 3, 5, 6):
        await ann.reviews.decide(await ann.reviews.get(id_), {0: Answer(DecisionKind.APPROVE)})
    await reconcile.close(store, {id_: ReviewOutcome(ReviewState.APPLIED, "") for id_ in (1, 2, 5)})
    await ann.feedback.rate(Subject(1, 1, 0), 1, "well done")
    await bob.reviews.escalate(7, "carol", "too large for me")
    await bob.agents.pause("mail")


def copied(home: Path, to: Path) -> Path:
    shutil.copytree(home, to)
    return to
