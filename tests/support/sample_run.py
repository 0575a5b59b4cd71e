"""A sample agent at work, driven by the command line: launch it, answer what it asks, and look at what it did."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.harness import PATIENCE_S, Place

SAMPLES = str(Path(__file__).parents[2] / "sample_agents")


class Job:
    """One run of a sample agent."""

    def __init__(self, place: Place, agent: str, request: str) -> None:
        self.place = place
        (launched,) = place.json("launch", agent, request)
        self.run = launched["run"]
        self.folder = place.home.workdir(launched["thread"])

    def asked(self) -> dict[str, Any]:
        """The review it waits with, whole."""
        found = self._until("waiting")
        (review,) = [one["review"] for one in self.place.json("queue") if one["run"] == self.run and one["state"] == "open"]
        shown: dict[str, Any] = self.place.json("show", review)
        assert found["state"] == "waiting"
        return shown

    def decide(self, decision: str, *options: str) -> None:
        """Answer what it asks, and wait until that is applied."""
        review = self.asked()["review"]
        self.place.cli("decide", review, decision, *options)
        until = time.monotonic() + PATIENCE_S
        while self._state("reviews", int(review)) != "applied":
            assert time.monotonic() < until, self.place.json("show", review)
            time.sleep(0.02)

    def done(self) -> dict[str, Any]:
        """The state it ended in."""
        result: dict[str, Any] = self._until("done")["result"]
        return result

    def last_word(self) -> str:
        """What the agent said at its end."""
        return str(self.done()["messages"][-1]["text"])

    def files(self) -> Mapping[str, str]:
        """What it left in its folder, by path."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of a journal."""
        return [json.loads(line) for line in self.files().get(name, "").splitlines()]

    def _until(self, state: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while (now := self._state("runs", int(self.run.removeprefix("r")))) != state:
            assert now not in ("done", "failed", "cancelled") and time.monotonic() < until, self.place.json("show", self.run)
            time.sleep(0.02)
        return dict(self.place.json("show", self.run))

    def _state(self, table: str, id_: int) -> str:
        """The state of a run or a review, read from the rows: a process for each look would cost more than the agent."""
        with contextlib.closing(sqlite3.connect(self.place.home.database)) as db:
            return str(db.execute(f"SELECT state FROM {table} WHERE id = ?", (id_,)).fetchone()[0])
