"""F3, history: listing, filtering and opening decisions."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.model import Answer, DecisionKind
from hitl_tui.ui.history.view import HistoryView
from tests.export.test_export import hitl
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import history, seed
from tests.ui.queue.test_decisions import BATCH, go_to
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_policy_view import text
from tests.ui.test_snapshots import Pictured


def view(console: ConsoleDriver) -> HistoryView:
    return console.app.query_one(HistoryView)


def listed(console: ConsoleDriver) -> list[str]:
    items = view(console).items
    return [items.rows[id_].tool for id_ in items.order.slice(0, 99) if id_ in items.rows]


async def filled(console: ConsoleDriver) -> list[int]:
    made = await history.add_decisions(console.store, console.project, time.time())
    await console.settle()
    return made


@pytest.mark.slow
async def test_history_lists_decisions_newest_first_and_opens_them(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f3")
        assert listed(console)[:4] == ["send_email", "run_sql", "publish", "send_email"] and len(listed(console)) == 11
        shown = await console.until_shown("edited by bob · waited 1 h  changed body", "“she left the company”", "undone", "History  11")
        assert "rejected by policy (no mass changes)" in shown
        assert "approved by you  ┃ bob@example.com" in shown and "“rule" not in shown
        told = text(console, "#history-text")
        assert "- the invoice was paid on 3 March" in told and "+ the invoice was paid on 4 March" in told
        assert "subject Re: invoice 4711" in told.partition("proposal")[2]
        log = text(console, "#history-tab")
        assert "opened by the agent" in log and "note please look at the date · to bob · why ann escalated it" in log
        assert "decided by bob" in log and len(re.findall(r"\bhash [0-9a-f]{12}…", log)) >= 4
        await console.press("right_square_bracket")
        assert "seen by bob for 7.4 s" in text(console, "#history-tab")
        await console.press("right_square_bracket")
        assert "I asked last week already." in text(console, "#history-tab")
        await console.press("j", "j")
        assert "undone at" in text(console, "#history-text")


@pytest.mark.slow
async def test_history_is_filtered_while_typing_and_escape_restores_it(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f3", "slash", *"agent:mail* decided:rejec")
        await console.until_shown("did you mean reject?")
        await console.press("t")
        await console.until_shown("History  2")
        assert listed(console) == ["send_email", "delete_mail"]
        await console.press("escape")
        await console.until_shown("History  11")
        await console.press("slash", *"astoria", "enter")
        await console.until_shown("History  1 ", "/astoria")
        assert view(console).items.has_focus and listed(console) == ["ask"]
        await console.press("slash", *"by:nobody", "enter")
        await console.until_shown("no decision matches")


@pytest.mark.slow
async def test_history_follows_new_and_undone_decisions(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("f3")
        assert "No decisions yet." in console.screen_text()
        await console.bob.reviews.decide(await console.bob.reviews.get(console.review_ids[0]), {0: Answer(DecisionKind.APPROVE)})
        await console.until_shown("approved by bob", "History  1 ")
        await console.press("f1", "j")
        await console.until_keys_accepted()
        await console.press("a", "f3")
        await console.until_shown("approved by you", "History  2 ")
        await console.press("f1", "u", "f3")
        await console.until_shown("approved by you · undone")


@pytest.mark.slow
async def test_history_loads_more_when_scrolled(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await seed.add_many_reviews(console.store, 300)
        await console.store.db.execute(
            "INSERT INTO decisions (review, slot, kind, actor, actor_kind, actor_key, digest, at, effective_at) "
            "SELECT id, 0, 'approve', 'bob', 'person', 'bob', '', opened_at, opened_at FROM reviews ORDER BY id"
        )
        await console.settle()
        await console.press("f3")
        items = view(console).items
        assert 50 <= len(items.order) <= 150
        for _ in range(6):
            await console.press("G")
        await console.until_shown("History  300 ")
        assert items.cursor == items.order.at(299) == 1 and len(items.rows) <= 400


async def test_history_on_a_small_screen_opens_a_decision_on_enter(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 20)) as console:
        await filled(console)
        await console.press("f3")
        assert "History  11" in console.screen_text() and "Conversation" not in console.screen_text()
        await console.press("enter")
        assert "changes" in console.screen_text() and "History  11" not in console.screen_text()
        await console.press("escape", "j")
        assert listed(console)[1] == "run_sql" and view(console).items.cursor == view(console).items.order.at(1)


@pytest.mark.slow
async def test_calls_are_numbered_alike_on_screens_and_on_the_command_line(start_console: StartConsole) -> None:
    async with start_console() as console:
        batch, where = console.review_ids[BATCH], ("--home", str(console.home.path))
        answer = ("decide", f"{batch}#2", "reject", "--message", "she left", "--reviewer", "bob")
        assert (await asyncio.to_thread(hitl, *answer, *where))[0] == 0
        assert [slot for slot, *_ in await console.decisions_of(batch)] == [1]  # stored from 0
        await go_to(console, BATCH)
        await console.until_shown("2 send_email ✗ rejected")
        await console.press("a", "f3", "g")
        await console.until_shown("send_email  call 1", "100 % of it was on the screen")
        await console.press("j")
        await console.until_shown("send_email  call 2", "rejected by bob", "share seen: not measured")
        for number, call in ((1, f"{batch}#2"), (2, f"{batch}#1")):
            assert f"decision {number} · {call} · " in (await asyncio.to_thread(hitl, "history", "--show", str(number), *where))[1]


async def test_history_of_an_unknown_decision_is_refused(start_console: StartConsole) -> None:
    async with start_console("") as console:
        with pytest.raises(Refused, match="there is no decision 99"):
            await console.bob.history.get(99)


async def fill(home: Home) -> None:
    """Fill the home of a snapshot."""
    async with open_store(home.database) as store:
        await history.add_decisions(store, await seed.add_project(store), NOW)


SCREENS: list[tuple[str, tuple[int, int], str, Sequence[str]]] = [
    ("history_80x24", (80, 24), "", ["f3"]),
    ("history_120x36", (120, 36), "", ["f3"]),
    ("history_filter", (120, 36), "", ["f3", "slash", *"mail decided:reject"]),
]


SLOW = [
    *((name, size, theme, ["f3"]) for name, size, theme in looks("history", {screen[0] for screen in SCREENS})),
    ("history_details_80x24", (80, 24), "", ["f3", "enter"]),
    ("history_light", (120, 36), "hitl-light", ["f3", "j", "j", "j", "right_square_bracket"]),
]


@pytest.mark.parametrize(("name", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    home = Home(tmp_path).prepare()
    ticks = itertools.count()
    with monkeypatch.context() as still:  # what is logged is chained: the hashes in the picture are those of these times
        pretend(still, lambda: NOW)
        still.setattr(time, "monotonic_ns", lambda: next(ticks))
        asyncio.run(fill(home))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys))
