"""Snapshots of the main screens. After an intended change: pytest --snapshot-update, then look at the pictures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hitl_tui.agents.targets import root_of
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, PauseKind
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.queue import view_tracking
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.ui.conftest import NOW
from tests.ui.homes import escalations, seed
from tests.ui.snapshots import cases, stop_cursors

Compare = Callable[..., bool]


class Pictured(HitlApp):
    """A console that opens its own store when it starts, as `snap_compare` runs the loop itself."""

    def __init__(self, home: Home, theme: str) -> None:
        super().__init__(self._open, Settings(theme=theme), NoWorkers(), home, clock=lambda: NOW)

    async def _open(self) -> Inbox:
        self._opened = Store.open(self._home.database)
        return Inbox(await self._opened.__aenter__(), "ann", policies=lambda: Policies(self._home.path, root_of))

    async def on_unmount(self) -> None:
        await self._opened.__aexit__(None, None, None)


async def fill(home: Home, what: str) -> None:
    """Seed a home."""
    async with Store.open(home.database) as store:
        of = await seed.add_project(store, (*seed.AGENTS, seed.BROKEN) if what == "empty" else seed.AGENTS)
        if what == "variety":
            await seed.add_every_kind(store, of, NOW)
        if what == "long":
            script = "#!/bin/bash\n" + "\n".join(f"echo step {n}  # one of many" for n in range(2_000))
            await seed.add_waiting_run(store, of, "ops", seed.pause(PauseKind.TOOL_CALLS, seed.action("run_shell", {"command": script})))
            await store.db.execute("UPDATE reviews SET opened_at = ?", (NOW - 47,))
        if what == "mixed":
            await add_mixed(store, of)
        if what == "routed":
            await escalations.add_escalations(store, of, NOW)
        await seed.add_runs(store, of, NOW)


async def add_mixed(store: Store, project: int) -> None:
    """Add reviews of several tools, some of them alike, a failed run that ann had approved, and a pause of all agents."""
    mails = [seed.mail(f"{name}@example.com", place) for place, name in enumerate(("bob", "eve"))]
    gone = [seed.action("delete", {"path": f"/srv/{name}"}, place, risk="reversible") for place, name in enumerate(("old", "tmp"), 2)]
    for command in ("kubectl delete pod api-0", "kubectl drain box-7"):
        calls = [*mails, *gone, seed.action("run_shell", {"command": f"set -e\n{command}"}, 4, risk="irreversible")]
        await seed.add_waiting_run(store, project, "ops", seed.pause(PauseKind.TOOL_CALLS, *calls))
    restart = [seed.action("restart_service", {"host": "web-01", "service": "api"}, slot) for slot in range(40)]
    await seed.add_waiting_run(store, project, "ops", seed.pause(PauseKind.TOOL_CALLS, *restart))
    failed = await seed.add_waiting_run(store, project, "ops", seed.pause(PauseKind.TOOL_CALLS, seed.action("deploy", {"to": "prod"})))
    ann = Inbox(store, "ann")
    await ann.reviews.decide(await ann.reviews.get(failed), {0: Answer(DecisionKind.APPROVE)})
    await store.db.execute("UPDATE reviews SET opened_at = ?", (NOW - 240,))
    await store.db.execute("UPDATE reviews SET state = 'applied' WHERE id = ?", (failed,))
    await store.db.execute(
        "UPDATE runs SET state = 'failed', error = 'HTTPError 500', started_at = ?, ended_at = ? "
        "WHERE id = (SELECT run FROM reviews WHERE id = ?)",
        (NOW - 240, time.time(), failed),  # old failures are no news
    )
    await store.db.execute("INSERT INTO pauses (agent, actor, at) VALUES ('', 'bob', ?)", (NOW - 120,))


async def decide_some(home: Home) -> None:
    """Let ann approve a review and one call of the batch, bob answer a question, and cancel a run, all at the snapshot's time."""
    async with Store.open(home.database) as store:
        ann, bob = Inbox(store, "ann", grace_s=3), Inbox(store, "bob")
        for inbox, review, answer in (
            (ann, 1, Answer(DecisionKind.APPROVE)),
            (ann, 4, Answer(DecisionKind.REJECT, message="she left the company")),
            (bob, 7, Answer(DecisionKind.RESPOND, message="Astoria")),
        ):
            await inbox.reviews.decide(await inbox.reviews.get(review), {0: answer})
        await bob.runs.cancel((await bob.reviews.get(5)).row.run)
        await store.db.execute("UPDATE decisions SET at = ?", (NOW,))
        await store.db.execute("UPDATE reviews SET decided_at = ?, effective_at = ? + (id = 1) * 3 WHERE decided_at", (NOW, NOW))


SIZES = (("_small", (80, 24), ""), ("_large_light", (200, 50), "hitl-light"))
"""End of the name, size and theme of the slow pictures of each dialog; the gate has those of 120×36."""
DIALOGS: dict[str, tuple[str, Sequence[str]]] = {
    "reject": ("variety", ["r", "2"]),
    "edit": ("variety", ["e"]),
    "respond": ("variety", ["m"]),
    "new_run": ("variety", ["n", "wait:800"]),
    "new_run_form": ("variety", ["n", "down", "tab", *"bees"]),
    "help": ("variety", ["question_mark"]),
    "filter": ("variety", ["slash"]),
    "search": ("variety", ["enter", "slash", *"invoice"]),
    "searched": ("variety", ["enter", "slash", *"invoice", "enter"]),
    "decide_many": ("mixed", ["wait:500", "A", "wait:1500"]),
    "snooze": ("variety", ["h"]),
    "copy": ("variety", ["y"]),
    "sort": ("variety", ["s"]),
    "mixed": ("mixed", ["j"]),
    "unseen": ("long", ["a"]),
    "next_message": ("variety", ["f2", "j", "j", "m", *"and the rest?"]),
}
SCREENS: list[tuple[str, str, tuple[int, int], str, Sequence[str]]] = [
    ("queue_80x24", "variety", (80, 24), "", []),
    ("review_80x24", "variety", (80, 24), "", ["enter"]),
    ("queue_120x36", "variety", (120, 36), "", []),
    ("queue_200x50", "variety", (200, 50), "", []),
    ("queue_light", "variety", (120, 36), "hitl-light", ["j", "j"]),
    ("batch", "variety", (120, 36), "", ["j", "j", "j", "right"]),
    ("odd_text", "variety", (120, 36), "", ["G"]),
    ("empty", "empty", (100, 30), "", []),
    ("undo", "variety", (120, 36), "", ["decided"]),
    ("undo_80x24", "variety", (80, 24), "", ["decided"]),
    ("elsewhere", "variety", (120, 36), "", [*["j"] * 6, "wait:500", "m", "2", "decided"]),
    ("routed_80x24", "routed", (80, 24), "", []),
    ("routed_review_80x24", "routed", (80, 24), "", ["enter", "wait:500"]),
    ("routed_120x36", "routed", (120, 36), "", ["right_square_bracket", "right_square_bracket", "wait:500"]),
    ("routed_light", "routed", (120, 36), "hitl-light", ["wait:500", *["right_square_bracket"] * 3]),
    ("routed_200x50", "routed", (200, 50), "", ["j", "wait:500"]),
    ("claim", "routed", (120, 36), "", ["wait:500", "c", *"she waits"]),
    ("escalate", "routed", (120, 36), "", ["wait:500", "j", "exclamation_mark", "wait:300", "down"]),
    ("runs", "variety", (120, 36), "", ["f2", "j"]),
    ("choices", "variety", (120, 36), "", [*["j"] * 6, "wait:500", "m", "2"]),
    ("form", "variety", (120, 36), "", [*["j"] * 7, "wait:2000", "m", "wait:500"]),
    ("edit_80x24", "variety", (80, 24), "", ["enter", "wait:500", "e", "tab", "tab", *"Hi", "wait:300"]),
    ("edit_200x50_light", "variety", (200, 50), "hitl-light", ["wait:500", "j", "j", "wait:500", "e", "tab", *"5", "wait:300"]),
    ("revise", "variety", (120, 36), "", ["wait:500", "w", *"shorter", "wait:300"]),
    ("reject_80x24_light", "variety", (80, 24), "hitl-light", ["enter", "wait:500", "r", *"3 hosts"]),
    ("form_80x24", "variety", (80, 24), "", [*["j"] * 7, "wait:500", "enter", "wait:500", "m"]),
    *[(name, what, (120, 36), "", ["wait:500", *keys]) for name, (what, keys) in DIALOGS.items()],
]
OTHER_SIZES = ("runs", "claim", "escalate", "undo", "empty")
"""Those of `SCREENS` that are taken in the other sizes too."""
SLOW = [
    *[(f"{one[0]}{end}", one[1], size, theme, one[4]) for end, size, theme in SIZES for one in SCREENS if one[0] in OTHER_SIZES],
    *[(f"{name}{end}", what, size, theme, ["wait:500", *keys]) for end, size, theme in SIZES for name, (what, keys) in DIALOGS.items()],
]


@pytest.mark.parametrize(("name", "what", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str,
    what: str,
    size: tuple[int, int],
    theme: str,
    keys: Sequence[str],
    tmp_path: Path,
    snap_compare: Compare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(view_tracking, "LOOKED_S", 3600.0)  # on a slow machine a picture takes as long as a look
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))

    async def drive(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, Pictured)
        await pilot.app.catch_up()
        await pilot.pause(0.3)
        for key in keys:
            if key.startswith("wait:"):
                await pilot.pause(int(key[5:]) / 1000)
            elif key == "decided":
                await decide_some(home)
                await pilot.app.catch_up()
            else:
                await pilot.press(key)
                await pilot.pause(0.1)
        stop_cursors(pilot.app)
        await pilot.pause(0.3)

    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=drive)
