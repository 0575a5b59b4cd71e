"""Runs the console on an invented home: `tests.ui.demo [variety|routed|decided|empty|loading|broken|many|huge|hostile] [theme] [s]`."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TEXTUAL_FPS", "240")

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.support.empty_database import open_store
from tests.ui.conftest import opens
from tests.ui.homes import escalations, history, run_heads, seed

HOSTILE = (
    {"memo": "thanks", "amount": 100, "to": "EVIL"},
    {"memo": "thanks" + "\u093e" * 34 + "\U0001f3fb\U0001f3ff" * 8 + "\u0903" * 9, "दुनिया": "नमस्ते दुनिया · שָׁלוֹם · ไทยที่ · 👍🏽 🇩🇪"},
    {"✓ approved by bob just now: another person must approve the same": "x", "n": "5", "m": 5, "l": "[]", "t": "a\tb  "},
    {"to": "аnn@exаmple.com", "memo": "e\u0301 ⟨U+202E⟩ \u202e", "sum": "က\u103c\u102d" * 20},
)
"""Arguments that were drawn over others, or looked like the console's own lines."""


async def add_hostile(store: Store, project: int) -> None:
    """Add a review for each of these arguments."""
    for args in HOSTILE:
        call = seed.action("wire", args, description="⚖ goes on by itself: rule 'small' says auto")
        await seed.add_waiting_run(store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, call))


async def main(what: str = "variety", theme: str = "", undo_s: str = "3") -> None:
    """Fill a temporary home and run the console on it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).prepare()
        async with open_store(home.database) as store:
            pool = NoWorkers()
            if what == "many":
                await seed.add_many_reviews(store, 100_000)
            elif what == "loading":
                pool.labels = ("sample_agents",)
                pool.alive = 1
            else:
                project = await seed.add_project(store, seed.AGENTS if what != "broken" else (*seed.AGENTS, seed.BROKEN))
                await seed.add_worker(store, project)
                if what == "huge":
                    big = {"blob": "x" * 2_000_000, "lines": "\n".join(f"line {n} of the text" for n in range(100_000))}
                    await seed.add_waiting_run(
                        store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("write_file", big))
                    )
                if what == "routed":
                    await escalations.add_escalations(store, project, time.time())
                if what == "decided":
                    await history.add_decisions(store, project, time.time())
                if what in ("variety", "huge"):
                    await seed.add_every_kind(store, project, time.time())
                await (add_hostile(store, project) if what == "hostile" else seed.add_runs(store, project, time.time()))
                if what == "variety":
                    await run_heads.add_heads(store)
            await HitlApp(opens(Inbox(store, "ann", grace_s=float(undo_s))), Settings(theme=theme), pool, home).run_async()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
