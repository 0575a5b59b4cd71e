"""Grants on the screen: `p` on a review makes one from its evidence, and F5 lists and revokes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Grant, PauseKind, Scope
from hitl_tui.policy.grants import GrantIndex
from hitl_tui.store import Store
from hitl_tui.ui.dialogs.grant import GrantScreen
from hitl_tui.ui.dialogs.text_page import PageScreen
from hitl_tui.worker.policy_router import route
from tests.support.empty_database import open_store
from tests.support.fake_clock import pretend
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_snapshots import Pictured

FOLDERS = ("letters", "letters", "letters", "bills", "letters")


async def fill(store: Store, project: int) -> None:
    """Five decided calls of a tool, of which one was rejected, and one more that waits."""
    ann = Inbox(store, "ann")
    for place, folder in enumerate((*FOLDERS, "letters")):
        call = seed.action("file_mail", {"label": folder, "mail": "m-1001"}, risk="reversible")
        review = await seed.add_waiting_run(
            store, project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, call, context=seed.mail_context())
        )
        if place < len(FOLDERS):
            kind = DecisionKind.REJECT if folder == "bills" else DecisionKind.APPROVE
            await ann.reviews.decide(await ann.reviews.get(review), {0: Answer(kind)})


async def opened(console: ConsoleDriver) -> None:
    await fill(console.store, console.project)
    await console.settle()
    await console.until_shown("p allow the like")
    await console.press("p")
    await console.until_shown("Allow calls like file_mail", "exactly this call")


async def let_through(console: ConsoleDriver, grant: Grant) -> None:
    """Open one more call of the tool, which the grant lets through."""
    call = seed.action("file_mail", {"label": "letters", "mail": "m-1001"}, risk="reversible")
    what = seed.pause(PauseKind.TOOL_CALLS, call, context=seed.mail_context())
    run = await console.bob.runs.get(1)
    await seed.add_waiting_run(
        console.store, console.project, "mail_assistant", what, judge=lambda pause: route(None, run, pause, NOW, {}, GrantIndex([grant]))
    )


@pytest.mark.slow
async def test_grant_is_made_with_its_evidence_and_revoked_on_f5(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await opened(console)
        assert isinstance(console.app.screen, GrantScreen)
        await console.press("right")
        await console.until_shown('args.label == "letters" and args.mail == "m-1001"', "4 of 5 calls in 90 days: 4 approved unchanged")
        await console.press("down", "left", "down", "left")
        await console.until_shown("It would have let through 1 call that was rejected.", "nobody sees any more: label, mail")
        await console.press("v")
        assert isinstance(console.app.screen, PageScreen) and "rejected" in console.screen_text()
        await console.press("escape", "k", "right")
        await console.until_shown("nobody sees any more: mail", "4 of 5 calls")
        await console.press("ctrl+s")
        (made,) = await console.bob.grants.every()
        assert (made.scope, made.uses, made.for_s, made.actor) == (Scope(condition='args.label == "letters"'), 20, 86_400.0, "ann")
        await console.press("f5")
        await console.until_shown("file_mail", "20 left, 24 h", "no call has used it yet")
        await let_through(console, made)
        await console.until_shown("used by 1 call", "v its calls")
        await console.press("v")
        await console.until_shown("History  1  /grant:1", "grant:1")
        assert [row.actor for row in await console.bob.history.search("grant:1")] == ["grant:1"]
        assert len(await console.bob.history.search("-grant:1")) == len(FOLDERS) and not await console.bob.history.search("grant:2")
        await console.press("f5")
        await console.until_shown("used by 1 call")
        await console.press("r")
        await console.until_shown("revoked", "grant 1 is revoked")
        assert (await console.bob.grants.get(made.id)).revoked_by == "ann"


@pytest.mark.slow
async def test_tool_of_unknown_risk_asks_what_it_can_do(start_console: StartConsole) -> None:
    async with start_console("") as console:
        call = seed.action("lookup", {"order": "9912"})
        await seed.add_waiting_run(console.store, console.project, "support_desk", seed.pause(PauseKind.TOOL_CALLS, call))
        await console.settle()
        await console.press("p", "ctrl+s")
        await console.until_shown("nobody says what it can do", "choose what it can do at worst")
        await console.press("j", "j", "right", "ctrl+s")
        (made,) = await console.bob.grants.every()
        assert made.risk == "read" and made.scope.is_exact


@pytest.mark.slow
async def test_question_makes_no_grant(start_console: StartConsole) -> None:
    async with start_console("") as console:
        ask = seed.pause(PauseKind.QUESTION, seed.action("ask", {"question": "Which?"}, allowed=seed.ANSWERS))
        await seed.add_waiting_run(console.store, console.project, "planner", ask)
        await console.settle()
        await console.press("p")
        assert "allow the like" not in console.screen_text()
        assert len(console.app.screen_stack) == 1 and "is no tool call" in console.screen_text() + " ".join(console.refusals())


async def pictured(home: Home) -> None:
    async with open_store(home.database) as store:
        await fill(store, await seed.add_project(store))
        ann = Inbox(store, "ann")
        offer = await ann.grants.offer(6, 0)
        await ann.grants.make(offer, Scope(condition='args.label == "letters" and args.mail == "m-1001"'))
        await ann.grants.make(offer, Scope(digest=offer.action.digest), 5)
        await ann.grants.revoke(2, "too wide")


SCREENS: list[tuple[str, tuple[int, int], str, Sequence[str]]] = [
    ("grant_120x36", (120, 36), "", ["p", "right", "down", "left", "down", "left"]),
    ("grants_120x36", (120, 36), "", ["f5"]),
]
KNOWN = {screen[0] for screen in SCREENS}
SLOW = [
    *((name, size, theme, ["p", "right", "down", "left", "down", "left"]) for name, size, theme in looks("grant", KNOWN)),
    *((name, size, theme, ["f5"]) for name, size, theme in looks("grants", KNOWN)),
]


@pytest.mark.parametrize(("name", "size", "theme", "keys"), cases(SCREENS[:1], [*SCREENS[1:], *SLOW]))
def test_screen(
    name: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    pretend(monkeypatch, lambda: NOW)
    home = Home(tmp_path).prepare()
    asyncio.run(pictured(home))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys))
