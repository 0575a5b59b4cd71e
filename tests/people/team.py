"""A store with people and reviews that a rule sends to a group, and what a worker would send of what they decide."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.errors import NotAllowed
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, Identified, PauseKind, ReviewState, RunOptions
from hitl_tui.policy.loader import HomePeople
from hitl_tui.store import Store, audit, reconcile, runs, submissions
from hitl_tui.store.connection import FUNCTIONS
from tests.support.harness import approve
from tests.ui.homes import seed

PEOPLE = """
[[person]]
name = "ann"
aliases = ["a.meyer", "Anna"]
groups = ["finance"]

[[person]]
name = "bob"
groups = ["finance"]

[[person]]
name = "carl"
roles = ["decide", "take_over", "export"]

[[person]]
name = "rita"
groups = ["finance"]
roles = ["read"]
"""


class Team:
    """A store with people, and what a worker would send."""

    def __init__(self, store: Store, project: int, home: Path) -> None:
        self.store, self.project, self.home = store, project, home
        self.people = HomePeople(home)
        self.rewrite(PEOPLE)

    def rewrite(self, text: str) -> None:
        (self.home / "people.toml").write_text(text)

    def inbox(self, name: str) -> Inbox:
        person = self.people.current().find(name)
        return Inbox(self.store, person.name if person else name, identified=Identified.LOGIN, people=self.people.current)

    async def ask(self, by: str = "somebody", calls: int = 1, **demands: Any) -> int:
        """A review of mails that a rule sends to finance, of a run that somebody launched."""
        mails = [seed.action("send_email", seed.mail().args, slot, **{"decider": "finance", **demands}) for slot in range(calls)]
        made = [runs.NewRun(self.project, "mail_assistant", f"thread-{time.monotonic_ns()}", "mail", {"text": "mail"})]
        (run,) = await runs.insert(self.store, made, RunOptions(), by)
        await reconcile.reconcile(self.store, run, "mail_assistant", "nobody", [seed.pause(PauseKind.TOOL_CALLS, *mails)], {})
        await self.store.write("UPDATE runs SET state = 'waiting' WHERE id = ?", (run,))
        return int((await self.store.one("SELECT max(id) FROM reviews"))[0])

    async def say(self, who: str, review: int, *answers: Answer) -> ReviewState:
        inbox = self.inbox(who)
        return await inbox.reviews.decide(await inbox.reviews.get(review), dict(enumerate(answers or (approve(),))))

    async def refused(self, who: str, review: int, *answers: Answer) -> str:
        with pytest.raises(NotAllowed) as error:
            await self.say(who, review, *answers)
        return error.value.happened

    async def sent(self) -> set[int]:
        """The reviews that a worker would send now."""
        found = submissions.ready(self.store, self.project, ["mail_assistant"], ())
        return await submissions.submit(self.store, "w", found[1], self.people.current()) if found else set()

    async def kinds(self, review: int) -> list[str]:
        return [entry.kind for entry in await audit.of_review(self.store, review)]

    def sql(self, *statements: tuple[str, Any]) -> None:
        """Write past the console, as any program could that can open the file."""
        with contextlib.closing(sqlite3.connect(self.store.path)) as db:
            for name, count, function in FUNCTIONS:  # which triggers call
                db.create_function(name, count, function, deterministic=True)
            for statement, values in statements:
                db.execute(statement, values)
            db.commit()
