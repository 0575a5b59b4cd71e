"""F5, autonomy levels: each tool's level, the evidence for the next one, and accepting or setting it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.widgets import Input

from hitl_tui.agents.targets import root_of
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.autonomy import Autonomy
from hitl_tui.model import Answer, DecisionKind, Level
from hitl_tui.policy.loader import Policies
from hitl_tui.ui.dialogs.confirm import ConfirmScreen
from hitl_tui.ui.policy.level_dialog import LevelScreen
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import lessons, policy, seed
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_policy_view import text, view
from tests.ui.test_snapshots import Pictured

TOOL = ("support_desk", "lookup_order")


async def climbing(console: ConsoleDriver, count: int = lessons.LOOKUPS) -> None:
    """Open F5 on a home with an autonomy proposal."""
    policy.write_policy(console.home.path, lessons.POLICY)
    await lessons.add_autonomy_evidence(console.store, console.project, time.time(), count)
    await console.settle()
    await console.press("f5")
    await console.until_shown("Rules  5")


async def typed(console: ConsoleDriver, *keys: str) -> None:
    """Press keys without waiting between them."""
    await console.pilot.press(*keys)
    await console.settle()


async def level(console: ConsoleDriver) -> Level:
    """Return the tool's stored level."""
    row = await console.store.one("SELECT level FROM levels WHERE agent = ? AND tool = ?", TOOL)
    return Level(row[0]) if row else Level.ASK


def other(console: ConsoleDriver) -> Autonomy:
    """Return bob's autonomy verbs."""
    policies = Policies(console.home.path, root_of)
    return Inbox(console.bob.store, "bob", policies=lambda: policies).autonomy


async def test_autonomy_proposal_shows_its_figures_and_can_be_accepted(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await climbing(console)
        await console.until_shown("Rules  5  1 proposed", "Policy ◇1", "p 1 proposed")
        await console.press("p")
        assert "a accept threshold" in console.screen_text() and "ask ◇" in console.screen_text()
        shown = text(console, "#rule-text")
        assert shown.startswith("lookup_order of support_desk\n\n· act calls run without asking, no spot checks\n")
        assert "◇ threshold calls run without asking from confidence 0.9; the rest ask (proposed)\n▶ ask every call asks\n" in shown
        assert "◇ threshold is proposed: 12 of 12 approved unchanged, at least 75 %" in shown
        assert "unchanged 12 of 12, 100 %" in shown and "at least 75 % (95 % CI)" in shown
        assert "confidence off by 0.05 on average" in shown and "attention no checks shown" in shown
        assert "no changes yet" in shown
        await console.press("a")
        assert isinstance(console.app.screen, ConfirmScreen)
        assert "From now on, for lookup_order of support_desk: calls run without asking from" in console.screen_text()
        assert "12 of 12 approved unchanged, at least 75 %" in console.screen_text()
        await console.press("enter", "n")
        assert await level(console) is Level.ASK
        await console.press("a", "y")
        assert await level(console) is Level.THRESHOLD
        assert "lookup_order of support_desk: ask → threshold" in console.notifications()
        assert "1 proposed" not in console.screen_text() and "◇" not in console.screen_text()
        shown = text(console, "#rule-text")
        assert "▶ threshold" in shown and "at this level 0 of these decisions" in shown
        assert "↑ ask → threshold by you, 0 s ago\n12 of 12 approved unchanged" in shown


@pytest.mark.slow
async def test_autonomy_level_without_a_proposal_can_be_set_with_a_reason(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await climbing(console)
        await typed(console, "a", "s")
        assert "select a tool with a proposed level first" in console.refusals()
        await typed(console, "G", "k", "a")
        assert "no level is proposed for close_ticket: 3 of 10 decisions" in console.refusals()
        await typed(console, "j", "s")
        assert isinstance(console.app.screen, LevelScreen) and "▶ ask" in console.screen_text()
        await typed(console, "enter", "1", "enter")
        assert isinstance(console.app.screen, LevelScreen) and "already at ask" in console.screen_text()
        await typed(console, "2", "enter")
        assert isinstance(console.app.screen, ConfirmScreen)  # the evidence is the reason for a step that is proposed
        await typed(console, "n", "s", "3", "enter", "enter")
        assert "except 1 in 10 as a spot check." in " ".join(console.screen_text().split())
        assert "a reason is required" in console.screen_text()
        console.app.screen.query_one(Input).value = "it only reads"
        await console.press("enter")
        assert await level(console) is Level.SPOT_CHECKS
        assert [(one.actor, one.why) for one in await other(console).changes(*TOOL)] == [("ann", "it only reads")]
        assert "↑ ask → spot checks by you" in text(console, "#rule-text") and "it only reads" in text(console, "#rule-text")
        await typed(console, "s", "1", "enter", "n", "o", "enter")
        assert await level(console) is Level.ASK and "↓ spot checks → ask by you" in text(console, "#rule-text")


@pytest.mark.slow
async def test_autonomy_view_follows_new_decisions(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await climbing(console, 9)
        await console.press("G")
        assert "9 of 10 decisions" in console.screen_text()
        for number in range(2):
            call = ("lookup_order", {"order": str(number)})
            await lessons.add_decision(
                console.store, console.project, "support_desk", call, Answer(DecisionKind.APPROVE), time.time(), sure=0.95
            )
        await console.until_shown("Rules  5  1 proposed", "11 of 11 approved unchanged")
        chosen = view(console).items.chosen
        assert chosen and chosen.name == "lookup_order"
        await other(console).set(*TOOL, Level.THRESHOLD)
        await console.until_shown("↑ ask → threshold by bob")


@pytest.mark.slow
async def test_autonomy_view_when_disabled_explains_how_to_enable_it(start_console: StartConsole) -> None:
    async with start_console("") as console:
        policy.write_policy(console.home.path)
        await console.press("f5", *["j"] * 8)
        assert "off: no tool earns autonomy" in console.screen_text() and "[autonomy] in the file switches it on" in console.screen_text()
        assert "Add the line [autonomy] to the file." in text(console, "#rule-text")
        await console.press("p", "a", "s")
        assert len(console.app.screen_stack) == 1 and "no level is proposed now" in console.refusals()
        policy.write_policy(console.home.path, lessons.POLICY)
        await console.until_shown("next level after 10 decisions, 70 %")
        assert "decisions at least 10 by people, among the last 100 within 90 d" in text(console, "#rule-text")


@pytest.mark.slow
async def test_autonomy_view_shows_agent_names_as_plain_text(start_console: StartConsole) -> None:
    async with start_console("") as console:
        policy.write_policy(console.home.path, lessons.POLICY)
        odd = ("[red]x[/] \u202etool", {"a": 1})
        await lessons.add_decision(console.store, console.project, "[i]agent[/]", odd, Answer(DecisionKind.APPROVE), time.time())
        await console.settle()
        await console.press("f5", "G")
        assert "[red]x[/] ⟨U+202E⟩tool of [i]agent[/]" in console.screen_text()
        await console.press("s", "4", "enter")
        assert 'From now on, for "[red]x[/] ⟨U+202E⟩tool" of [i]agent[/]: calls run without' in console.screen_text()


async def fill(home: Home, what: str) -> None:
    """Fill the home of a snapshot."""
    async with open_store(home.database) as store:
        of = await seed.add_project(store)
        await policy.add_routed_reviews(store, of, NOW)
        if what == "climbing":
            await lessons.add_autonomy_evidence(store, of, NOW)
    policy.write_policy(home.path, lessons.POLICY if what == "climbing" else policy.POLICY)


SCREENS: list[tuple[str, str, tuple[int, int], str, Sequence[str]]] = [
    ("ladder_80x24", "climbing", (80, 24), "", ["f5", "p"]),
    ("ladder_accept", "climbing", (120, 36), "hitl-light", ["f5", "p", "a"]),
]


KNOWN = {screen[0] for screen in SCREENS}
SLOW = [
    *((name, "climbing", size, theme, ["f5", "p"]) for name, size, theme in looks("ladder", KNOWN)),
    *((name, "climbing", size, theme, ["f5", "p", "s", "4"]) for name, size, theme in looks("level", KNOWN)),
    ("ladder_details_80x24", "climbing", (80, 24), "", ["f5", "p", "enter"]),
    ("ladder_off", "off", (120, 36), "", ["f5", *["j"] * 8]),
]


@pytest.mark.parametrize(("name", "what", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str, what: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    pretend(monkeypatch, lambda: NOW)  # the evidence is of the last days before
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys))
