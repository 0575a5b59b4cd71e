"""Snapshots of the main screens. After an intended change: pytest --snapshot-update, then look at the pictures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hitl_tui.agents.targets import root_of
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, AttentionCheck, DecisionKind, PauseKind
from hitl_tui.policy.loader import Policies
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.attention_result import show_result
from hitl_tui.ui.queue import queue_model, view_tracking
from hitl_tui.ui.review import arguments
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.support.empty_database import open_store
from tests.ui.conftest import NOW
from tests.ui.homes import escalations, seed
from tests.ui.snapshots import LARGE, LIGHT, SMALL, USUAL, Size, cases, looks, stop_cursors

Compare = Callable[..., bool]


class Pictured(HitlApp):
    """A console that opens its own store when it starts, as `snap_compare` runs the loop itself."""

    def __init__(self, home: Home, theme: str) -> None:
        pool = NoWorkers()
        pool.labels = pool.served = ("sample_agents",)  # a service runs the agents
        pool.targets = (seed.TARGET,)
        super().__init__(self._open, Settings(theme=theme), pool, home, clock=lambda: NOW)

    async def _open(self) -> Inbox:
        self._opened = open_store(self._home.database)
        return Inbox(await self._opened.__aenter__(), "ann", policies=lambda: Policies(self._home.path, root_of))

    async def on_unmount(self) -> None:
        await self._opened.__aexit__(None, None, None)


async def fill(home: Home, what: str) -> None:
    """Seed a home."""
    async with open_store(home.database) as store:
        of = await seed.add_project(store, (*seed.AGENTS, seed.BROKEN) if what == "empty" else seed.AGENTS)
        if what == "variety":
            await seed.add_every_kind(store, of, NOW)
        if what == "long":
            script = "#!/bin/bash\n" + "\n".join(f"echo step {n}  # one of many" for n in range(2_000))
            await seed.add_waiting_run(store, of, "ops", seed.pause(PauseKind.TOOL_CALLS, seed.action("run_shell", {"command": script})))
            await store.db.execute("UPDATE reviews SET opened_at = ?", (NOW - 47,))
        if what == "pages":
            script = "#!/bin/bash\n" + "\n".join(f"echo step {n}  # one of many" for n in range(90))
            call = seed.action("run_shell", {"command": script}, risk="irreversible")
            await seed.add_waiting_run(store, of, "ops", seed.pause(PauseKind.TOOL_CALLS, call, risk="irreversible"))
            await store.db.execute("UPDATE reviews SET opened_at = ?", (NOW - 47,))
        if what == "frontend":
            await seed.add_waiting_run(store, of, "travel_chat", seed.frontend_pause(), "Two nights in Kiel in May, please.")
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
        (time.time() - 240, time.time(), failed),  # old failures are no news
    )
    await store.db.execute("INSERT INTO pauses (agent, actor, at) VALUES ('', 'bob', ?)", (NOW - 120,))


async def decide_some(home: Home) -> None:
    """Let ann approve a review and one call of the batch, bob answer a question, and cancel a run, all at the snapshot's time."""
    async with open_store(home.database) as store:
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


async def edit_a_mail(home: Home) -> None:
    """Let ann edit the first review's mail."""
    async with open_store(home.database) as store:
        ann = Inbox(store, "ann", grace_s=3)
        review = await ann.reviews.get(1)
        args = dict(review.actions[0].args, subject="Re: your invoice 4711")
        await ann.reviews.decide(review, {0: Answer(DecisionKind.EDIT, args=args)})
        await store.db.execute("UPDATE decisions SET at = ?", (NOW,))
        await store.db.execute("UPDATE reviews SET decided_at = ?, effective_at = ? WHERE decided_at", (NOW, NOW + 3))


async def until_page_seen(pilot: Pilot[None]) -> None:
    """Wait until the rows on the screen have been there for long enough."""
    while not pilot.app.screen_stack[0].query_one(ArgumentsView).page_seen:
        await pilot.pause(0.1)


async def do(pilot: Pilot[None], home: Home, key: str) -> None:
    """Press a key, or do what a scene names in its place."""
    assert isinstance(pilot.app, Pictured)
    if key.startswith("wait:"):
        await pilot.pause(int(key[5:]) / 1000)
    elif key == "decided":
        await decide_some(home)
        await pilot.app.catch_up()
    elif key == "edited":
        await edit_a_mail(home)
        await pilot.app.catch_up()
        await pilot.pause(0.3)
    elif key == "seen":
        await until_page_seen(pilot)
    elif key == "checked":
        show_result(pilot.app.screen, CHECK)
        await pilot.pause(0.1)
    else:
        await pilot.press(key)
        await pilot.pause(0.1)


CHECK = AttentionCheck(1, "the mail goes to a stranger", "ann", "approved", False, NOW)


@dataclass(frozen=True)
class Scene:
    """What a picture shows: a seeded home, and keys."""

    what: str
    keys: Sequence[str] = ()
    moves: Sequence[str] = ()
    """Keys before these that choose a review in the list."""
    in_details: bool = True
    """Whether the keys are for the details, which a narrow terminal shows only after enter."""

    def keys_at(self, size: Size) -> list[str]:
        """Return all keys, for a terminal of this size."""
        enter = ["enter", "wait:500"] if self.in_details and size[0] < USUAL[0] else []
        return ["wait:500", *self.moves, *(["wait:500"] if self.moves else []), *enter, *self.keys]


SCENES = {
    "queue": Scene("variety", in_details=False),
    "review": Scene("variety"),
    "mixed": Scene("mixed", moves=["j"], in_details=False),
    "mixed_review": Scene("mixed"),
    "routed": Scene("routed", in_details=False),
    "routed_review": Scene("routed"),
    "unseen": Scene("pages", ["seen", "a", "seen"]),
    "refused": Scene("pages", ["a"]),
    "empty": Scene("empty", in_details=False),
    "runs": Scene("variety", ["f2", "j"], in_details=False),
    "failed_run": Scene("mixed", ["f2", "wait:2000", "enter"], in_details=False),  # once it counts as seen
    "reject": Scene("variety", ["r", "2"]),
    "edit": Scene("variety", ["e", "tab", "tab", *"Hi", "wait:300"]),
    "edit_long": Scene("long", ["e", "wait:500"]),
    "revise": Scene("variety", ["w", *"shorter", "wait:300"]),
    "respond": Scene("variety", ["m"]),
    "choices": Scene("variety", ["m", "2"], moves=["j"] * 6),
    "form": Scene("variety", ["m", "wait:500"], moves=["j"] * 7),
    "frontend": Scene("frontend"),
    "frontend_respond": Scene("frontend", ["m", *"12 May"]),
    "approve": Scene("long", ["enter", "seen", "G", "seen", "a"], in_details=False),
    "cancel": Scene("variety", ["f2", *["j"] * 5, "ctrl+x"], in_details=False),
    "new_run": Scene("variety", ["n", "wait:800"], in_details=False),
    "new_run_form": Scene("variety", ["n", "down", "tab", *"bees"], in_details=False),
    "next_message": Scene("variety", ["f2", "j", "j", "m", *"and the rest?"], in_details=False),
    "help": Scene("variety", ["question_mark"]),
    "filter": Scene("variety", ["slash"], in_details=False),
    "search": Scene("variety", ["enter", "slash", *"invoice"], in_details=False),
    "decide_many": Scene("mixed", ["A", "wait:1500"], in_details=False),
    "snooze": Scene("variety", ["h"]),
    "pause": Scene("variety", ["P"]),
    "copy": Scene("variety", ["y"]),
    "claim": Scene("routed", ["c", *"she waits"]),
    "escalate": Scene("routed", ["exclamation_mark", "wait:300", "down"], moves=["j"]),
    "messages": Scene("variety", ["asterisk", "wait:300"]),
    "comment": Scene("variety", ["f2", "j", "wait:500", "plus", "wait:500", "plus", *"well done", "wait:500"], in_details=False),
    "difference": Scene("variety", ["edited", "d"]),
    "check": Scene("variety", ["checked"]),
}
"""Each screen and each dialog of the queue and of the runs; those of other views are in their tests."""
EXTRA: list[tuple[str, str, Size, str, Sequence[str]]] = [
    ("queue_light", "variety", USUAL, LIGHT, ["j", "j"]),
    ("batch", "variety", USUAL, "", ["j", "j", "j", "right"]),
    ("odd_text", "variety", USUAL, "", ["G"]),
    ("undo", "variety", USUAL, "", ["decided"]),
    ("undo_80x24", "variety", SMALL, "", ["decided"]),
    ("elsewhere", "variety", USUAL, "", [*["j"] * 6, "wait:500", "m", "2", "decided"]),
    ("routed_tabs", "routed", USUAL, LIGHT, ["wait:500", *["right_square_bracket"] * 3]),
    ("searched", "variety", USUAL, "", ["enter", "slash", *"invoice", "enter"]),
    ("reject_digit", "variety", SMALL, LIGHT, ["enter", "wait:500", "r", *"3 hosts"]),
    ("edit_numbers", "variety", LARGE, LIGHT, ["wait:500", "j", "j", "wait:500", "e", "tab", *"5", "wait:300"]),
]
"""Pictures of one size, beside the scenes."""
GATE = {
    "queue_120x36", "queue_80x24", "queue_200x50", "review_60x16", "runs_120x36", "edit_120x36", "new_run_120x36", "decide_many_120x36",
    "reject_120x36",
}  # fmt: skip
"""The scenes that are pictured with every change; the others are slow tests."""
ALL = [
    (name, scene.what, size, theme, scene.keys_at(size))
    for key, scene in SCENES.items()
    for name, size, theme in looks(key)
    if size[0] < USUAL[0] or key not in {"review", "mixed_review", "routed_review"}  # on wider terminals it is beside the list
]
SCREENS = [one for one in ALL if one[0] in GATE]
SLOW = [*EXTRA, *(one for one in ALL if one[0] not in GATE)]


def seen_s(name: str) -> float:
    """After how many seconds a row counts as seen on a machine of any speed; where rows are counted, once all panes have their size."""
    return 3600.0 if name.startswith("refused") else 3.0 if name.startswith(("unseen", "approve")) else 0.05


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
    monkeypatch.setattr(queue_model, "LINGER_S", 3600.0)  # and as the time that a decided item stays
    monkeypatch.setattr(arguments, "SEEN_S", seen_s(name))
    monkeypatch.setattr(arguments, "REMARK_S", 60.0)
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))
    if "plus" in keys:
        monkeypatch.setattr(time, "time", lambda: NOW)  # a rating says when it was given

    async def drive(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, Pictured)
        await pilot.app.catch_up()
        await pilot.pause(0.3)
        for key in keys:
            await do(pilot, home, key)
        while any(pane.reads_effects for pane in pilot.app.screen_stack[0].query(ReviewPane)):
            await pilot.pause(0.05)
        stop_cursors(pilot.app)
        await pilot.pause(0.3)

    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=drive)
