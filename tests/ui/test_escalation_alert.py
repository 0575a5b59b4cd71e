"""Terminal alerts for escalations: once per reviewer, with the text the policy allows, and not in quiet time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from hitl_tui.errors import BadHome
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind
from hitl_tui.settings import read_settings
from hitl_tui.store import Store
from tests.benchmarks.startup import console_command
from tests.benchmarks.terminal import terminal
from tests.support.empty_database import open_store
from tests.ui.conftest import StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import MAIL, SQL
from tests.ui.test_two_reviewers import second

POLICY = '[groups]\nleads = ["ann"]\nothers = ["eve"]\n\n[notify]\n'
BELL = b"\x1b]9;%b\x07\x07"


def on(home: Home, do: Callable[[Store], Coroutine[None, None, None]]) -> None:
    """Run a function on the store of a home."""

    async def opened() -> None:
        async with open_store(home.database) as store:
            await do(store)

    asyncio.run(opened())


def escalate(home: Home, review: int, to: str) -> None:
    """Escalate as bob."""
    on(home, lambda store: Inbox(store, "bob").reviews.escalate(review, to, "look\x1b]9;evil\x07 at it"))


@pytest.mark.slow
def test_escalation_rings_the_bell_and_sends_a_terminal_notification(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    policy = home.path / "policy.toml"
    policy.write_text(POLICY)

    async def fill(store: Store) -> None:
        await seed.add_every_kind(store, await seed.add_project(store), 1_760_000_000.0)
        await Inbox(store, "bob").reviews.escalate(9, "ann")  # before the console runs

    on(home, fill)
    with terminal([*console_command(home.path), "--reviewer", "ann"]) as screen:
        screen.until(b"send_email")
        screen.drain(2.0)
        escalate(home, 1, "leads")
        screen.until(BELL % b"hitl-tui: send_email by mail_assistant \xc2\xb7 hitl-tui show 1")
        on(home, lambda store: Inbox(store, "bob").reviews.claim(1))
        escalate(home, 2, "others")
        policy.write_text(POLICY + 'quiet = "00:00-24:00"\n')
        escalate(home, 5, "leads")
        screen.drain(2.0)
        policy.write_text(POLICY + 'content = "nothing"\n')
        escalate(home, 6, "")
        screen.until(BELL % b"hitl-tui show 6")
        assert b"\x1b]9;" not in screen.before
        policy.write_text(POLICY + 'content = "summary"\n')
        escalate(home, 9, "ann")  # its arguments hold escape sequences, and so does the note
        screen.until(b"\x1b]9;")
        screen.until(b"\x07\x07")
        assert b"red" in screen.before and b"evil" in screen.before and screen.before.decode().isprintable()


@pytest.mark.slow
async def test_escalation_alerts_its_recipients_once(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.bob.reviews.escalate(ann.review_ids[MAIL], "", "somebody look")
        await ann.settle()
        await ann.until_shown("escalated by bob, unassigned: ")
        await ann.bob.reviews.claim(ann.review_ids[MAIL])
        await ann.bob.reviews.release(ann.review_ids[MAIL])
        await ann.bob.reviews.escalate(ann.review_ids[SQL], "eve")
        await ann.settle()
        assert ann.notifications().count("by bob, unassigned") == 1 and "eve" not in ann.notifications() and bob.notifications() == ""


async def test_escalation_to_a_group_uses_the_policy_of_the_reviews_project(start_console: StartConsole, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "policy.toml").write_text(POLICY)
    async with start_console() as ann:
        await ann.store.write("UPDATE projects SET target = ?", (str(folder / "langgraph.json"),))
        await ann.bob.reviews.escalate(ann.review_ids[SQL], "others")
        await ann.bob.reviews.escalate(ann.review_ids[MAIL], "leads")
        await ann.settle()
        await ann.until_shown("escalated by bob to leads")
        assert "to others" not in ann.notifications()


@pytest.mark.slow
def test_arrival_and_failure_alert_as_config_says_and_the_title_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path).prepare()
    home.config.write_text('[alerts]\narrival = "bell"\nfailure = "notice"\n')
    monkeypatch.setenv("TMUX", "/tmp/tmux,1,0")

    async def fill(store: Store) -> None:
        await seed.add_every_kind(store, await seed.add_project(store), 1_760_000_000.0)

    async def arrive(store: Store) -> None:
        await seed.add_waiting_run(store, 1, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))

    async def fail(store: Store) -> None:
        await store.write("UPDATE runs SET state = 'failed', error = 'evil\x1b]9;x', ended_at = ? WHERE id = 1", (time.time(),))

    on(home, fill)
    with terminal([*console_command(home.path), "--reviewer", "ann"]) as screen:
        screen.until("\x1b]2;9 waiting – hitl-tui\x07".encode())
        screen.drain(1.0)
        on(home, arrive)
        screen.until(b"\x1b]2;10 waiting")
        assert b"\x07" in screen.before and b"\x1b]9;" not in screen.before
        on(home, fail)
        screen.until(b"\x1bPtmux;\x1b\x1b]9;hitl-tui: 1 run failed, r1 of mail_assistant\x07\x1b\\")


@pytest.mark.parametrize("alerts", ['arrivals = "bell"', 'failure = "loud"', "failure = true"])
def test_alerts_that_are_unknown_are_refused(tmp_path: Path, alerts: str) -> None:
    home = Home(tmp_path).prepare()
    home.config.write_text(f"[alerts]\n{alerts}\n")
    with pytest.raises(BadHome, match="alerts is not a table of arrival and failure, each with bell, notice or both"):
        read_settings(home)
