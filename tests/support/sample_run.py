"""Drives one run of a sample agent by the command line: launch it, decide its reviews, and read what it did."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.harness import TIMEOUT_S, Sandbox

SAMPLES = str(Path(__file__).parents[2] / "sample_agents")


class SampleRun:
    """One run of a sample agent, launched on construction."""

    def __init__(self, sandbox: Sandbox, agent: str, request: str) -> None:
        self.sandbox = sandbox
        (launched,) = sandbox.cli_json("launch", agent, request)
        self.run = launched["run"]
        self.folder = sandbox.home.workdir(launched["thread"])

    def open_review(self) -> dict[str, Any]:
        """Wait until the run waits, and return its open review as `show --json` prints it."""
        found = self._until("waiting")
        (review,) = [one["review"] for one in self.sandbox.cli_json("queue") if one["run"] == self.run and one["state"] == "open"]
        shown: dict[str, Any] = self.sandbox.cli_json("show", review)
        assert found["state"] == "waiting"
        return shown

    def decide(self, decision: str, *options: str) -> None:
        """Decide the open review, and wait until that is applied."""
        review = self.open_review()["review"]
        self.sandbox.cli("decide", review, decision, *options)
        until = time.monotonic() + TIMEOUT_S
        while self._state("reviews", int(review)) != "applied":
            assert time.monotonic() < until, self.sandbox.cli_json("show", review)
            time.sleep(0.02)

    def result(self) -> dict[str, Any]:
        """Wait until the run is done, and return its final state."""
        result: dict[str, Any] = self._until("done")["result"]
        return result

    def final_message(self) -> str:
        """Return the text of the last message."""
        return str(self.result()["messages"][-1]["text"])

    def files(self) -> Mapping[str, str]:
        """Return the contents of the run's folder, by path."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def json_lines(self, name: str) -> list[dict[str, Any]]:
        """Return the parsed lines of a JSON lines file in the run's folder."""
        return [json.loads(line) for line in self.files().get(name, "").splitlines()]

    def _until(self, state: str) -> dict[str, Any]:
        until = time.monotonic() + TIMEOUT_S
        while (now := self._state("runs", int(self.run.removeprefix("r")))) != state:
            assert now not in ("done", "failed", "cancelled") and time.monotonic() < until, self.sandbox.cli_json("show", self.run)
            time.sleep(0.02)
        return dict(self.sandbox.cli_json("show", self.run))

    def _state(self, table: str, id_: int) -> str:
        """Read the state of a run or review from the database; a command per poll would cost more than the agent itself."""
        with contextlib.closing(sqlite3.connect(self.sandbox.home.database)) as db:
            return str(db.execute(f"SELECT state FROM {table} WHERE id = ?", (id_,)).fetchone()[0])
