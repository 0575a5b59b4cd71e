"""Random bytes, sizes and signals in a pseudo-terminal: only keys decide, nothing crashes, and the terminal is always restored.

The seeds are the numbers below 2,000 (`python -m tests --full`); the slow tests take those of a sample. One seed again:
`pytest tests/e2e/test_terminal_sessions.py -k "seed-17"` with `HYPOTHESIS_PROFILE=thorough`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.store import Store
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import terminal_of
from tests.support.terminal_sessions import RecordedTerminal, Session, play
from tests.ui.homes import seed

SEEDS = range(2000) if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else range(16)
DECIDED = "SELECT (SELECT count(DISTINCT at) FROM decisions) + (SELECT count(DISTINCT at) FROM endorsements) + (SELECT count(*) FROM runs)"
"""How often somebody decided one call or many, or started a run."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with reviews of all kinds, in a folder whose project is broken: without a worker, only keys change rows."""
    folder = tmp_path_factory.mktemp("sessions")
    home = Home(folder / "home").prepare()

    async def fill() -> None:
        async with Store.open(home.database) as store:
            await seed.add_every_kind(store, await seed.add_project(store), time.time())

    asyncio.run(fill())
    (folder / "langgraph.json").write_text("{")
    return folder


def decided(home: Path) -> int:
    with sqlite3.connect(home / "hitl.db") as db:
        found: int = db.execute(DECIDED).fetchone()[0]
        return found


@pytest.mark.slow
@pytest.mark.parametrize("number", SEEDS, ids=lambda number: f"seed-{number}")
def test_random_session_decides_only_by_keys_and_restores_the_terminal(tmp_path: Path, filled: Path, number: int) -> None:
    session, folder = Session(number), tmp_path / "copy"
    shutil.copytree(filled, folder)
    before = decided(folder / "home")
    with terminal_of(RecordedTerminal, ["sh", "-c", f'cd {folder} && exec "$0" "$@"', *console_command(folder / "home")]) as screen:
        screen.until(b"cannot be loaded")
        expected = play(session, screen)
        screen.wait()
        assert (screen.exit_code, screen.unrestored()) == (expected, []), bytes(screen.output[-3000:]).decode(errors="replace")
    assert decided(folder / "home") - before <= session.may_decide
