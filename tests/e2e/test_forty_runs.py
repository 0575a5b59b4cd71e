"""Forty runs that wait with eighty calls, two of which differ: a reviewer decides all of them in a real terminal with a few keys."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.model import Action, PauseKind, RunState
from hitl_tui.store import Store
from tests.benchmarks.resume import GRAPHS
from tests.benchmarks.startup import console_command
from tests.support.harness import SandboxFactory, open_reviewer
from tests.support.tmux import Tmux, needs_tmux, tmux
from tests.ui.homes import seed
from tests.ui.homes.policy import write_policy

RUNS = 40
OTHER_RECIPIENT, OTHER_TOOL = 17, 29
"""The runs of which one call differs from those of the others."""
USUAL, UNUSUAL = "oncall@example.com", "press@example.net"
MOST_KEYS = 12
RISKS = """
[[rule]]
name = "deletions"
tool = "delete"
risk = "irreversible"
outcome = "ask"

[[rule]]
name = "the rest"
risk = "reversible"
outcome = "ask"
"""


@dataclass
class Reviewer:
    """Presses keys one at a time, and counts them."""

    screen: Tmux
    keys: int = 0

    def press(self, key: str, *until: str) -> str:
        """Press a key and wait until the screen shows its effect; returns the screen."""
        self.keys += 1
        self.screen.keys(key)
        return self.screen.until(*until)

    def approve_all_but_two(self, tool: str) -> None:
        """Approve all but the two that differ: the one call of a tool, and the mail to another address."""
        self.screen.until("Queue 40", "a approve")
        self.press("X", "40 marked")
        table = self.press("A", "Decide 80 calls of 40 reviews", tool, UNUSUAL)
        assert table.index(f"{tool} ·") < table.index(f"to {UNUSUAL}") < table.index(f"to {USUAL}")
        self.press("x", "1 left out by you")
        self.press("j", f"▌☑ r{OTHER_RECIPIENT} call 2")
        self.press("x", "2 left out by you")
        self.read_all()
        assert "approve 78 calls of 40 reviews · 2 left out by you" in self.screen.screen()
        self.press("a", "Queue 2 ")

    def reject_the_two(self, tool: str) -> None:
        """Reject what is left."""
        self.press("X", "2 marked")
        self.press("A", "Decide 2 calls of 2 reviews", tool, UNUSUAL)
        self.press("r", "reject 2")
        self.press("Enter", "Queue 0 ")

    def read_all(self) -> None:
        """Read the table of calls on, page by page, until all of it has been on the screen."""
        below = -1
        while below:
            page = self.screen.until_true(_page_is_seen(below), "the page never counted as seen")
            if below := lines_below(page):
                self.press("Space", "Decide")


def _page_is_seen(before: int) -> Callable[[str], bool]:
    """Whether the table shows another page than the one with so many lines below it, and what is not seen are those lines."""
    return lambda table: before != lines_below(table) == calls_unseen(table)


def lines_below(table: str) -> int:
    """Lines that follow below the part of the table that is shown; here each is one call."""
    found = re.search(r"▾ (\d+) more line", table)
    return int(found[1]) if found else 0


def calls_unseen(table: str) -> int:
    """Calls that cannot be approved, for they have not been on the screen."""
    found = re.search(r"(\d+) left out: not all of it has been on the screen", " ".join(table.translate({ord("│"): " "}).split()))
    return int(found[1]) if found else 0


def decisions(home: Home) -> list[tuple[int, str, str]]:
    """Run, tool and kind of every decision whose digest is that of its call, in the order in which they were made."""
    with sqlite3.connect(home.database) as db:
        return db.execute(
            "SELECT v.run, a.name, d.kind FROM decisions d JOIN reviews v ON v.id = d.review "
            "JOIN actions a ON a.review = d.review AND a.slot = d.slot AND a.digest = d.digest ORDER BY d.id"
        ).fetchall()


def check(made: list[tuple[int, str, str]], usual: str, mail: str, tool: str) -> None:
    """Every call has a decision of its own, and only the two that differ are rejected; the first 78 are the approvals."""
    calls = Counter((run, name) for run in range(1, RUNS + 1) for name in (tool if run == OTHER_TOOL else usual, mail))
    assert Counter((run, name) for run, name, _ in made) == calls
    assert [kind for *_, kind in made] == ["approve"] * 78 + ["reject"] * 2
    assert sorted((run, name) for run, name, _ in made[78:]) == [(OTHER_RECIPIENT, mail), (OTHER_TOOL, tool)]


def seeded_calls(run: int) -> list[Action]:
    """The two calls of a run."""
    host, to = f"web-{run:02}", UNUSUAL if run == OTHER_RECIPIENT else USUAL
    first = seed.action("restart", {"host": host, "service": "api"}, risk="reversible")
    other = seed.action("wipe_disk", {"host": host}, risk="irreversible")
    mail = seed.action("send_mail", {"to": to, "subject": "api was restarted"}, 1, risk="reversible")
    return [other if run == OTHER_TOOL else first, mail]


def seed_runs(home: Home) -> None:
    """Forty runs of one agent, each with a review of two calls."""

    async def fill() -> None:
        async with Store.open(home.database) as store:
            project = await seed.add_project(store)
            for run in range(1, RUNS + 1):
                risk = "irreversible" if run == OTHER_TOOL else "reversible"
                await seed.add_waiting_run(store, project, "ops", seed.pause(PauseKind.TOOL_CALLS, *seeded_calls(run), risk=risk))

    asyncio.run(fill())


@needs_tmux
def test_eighty_calls_of_which_two_differ_are_decided_in_twelve_keys(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    seed_runs(home)
    with tmux(console_command(home.path, f"{GRAPHS}:asking")) as screen:
        reviewer = Reviewer(screen)
        reviewer.approve_all_but_two("wipe_disk")
        reviewer.reject_the_two("wipe_disk")
        assert reviewer.keys <= MOST_KEYS
    check(decisions(home), "restart", "send_mail", "wipe_disk")


@pytest.mark.slow
@needs_tmux
async def test_forty_real_runs_go_on_as_they_were_decided_in_twelve_keys(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("pauses")
    write_policy(sandbox.home.path, RISKS)
    async with open_reviewer(sandbox) as worker_side:
        sandbox.start()
        await worker_side.until_workers(1)
        runs = []
        for number in range(1, RUNS + 1):
            first = ("delete", {"path": "/srv"}) if number == OTHER_TOOL else ("store", {"data": f"web-{number:02}"})
            to = UNUSUAL if number == OTHER_RECIPIENT else USUAL
            runs.append(await worker_side.launch("batched", [first, ("send", {"to": to, "body": "api was restarted"})]))
        for run in runs:
            await worker_side.open_review(run)
        with tmux(console_command(sandbox.home.path, f"{GRAPHS}:asking")) as screen:
            reviewer = Reviewer(screen)
            await asyncio.to_thread(reviewer.approve_all_but_two, "delete")
            await asyncio.to_thread(reviewer.reject_the_two, "delete")
            assert reviewer.keys <= MOST_KEYS
            for run in runs:
                await worker_side.wait(run, RunState.DONE)
        check(decisions(sandbox.home), "store", "send", "delete")
        did = Counter(effect["did"] for run in runs for effect in worker_side.effects(run))
        assert did == {"store": 39, "send": 39}
        assert {effect["to"] for run in runs for effect in worker_side.effects(run) if effect["did"] == "send"} == {USUAL}
