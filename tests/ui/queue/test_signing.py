"""Deciding what must be signed: the screen works on while a key waits for a touch, escape takes it back, and nothing typed is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_tui.model import People, Person, PersonKey
from tests.support.ssh import agent, asking, make_key, needs_openssh, public
from tests.ui.conftest import StartConsole

pytestmark = needs_openssh


def everything_signed(key: Path) -> People:
    return People((Person("ann", keys=(PersonKey(str(public(key))),)),), sign="always", is_checked=True)


async def test_screen_works_while_a_key_waits_and_escape_takes_it_back(
    start_console: StartConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = make_key(tmp_path)
    with asking(tmp_path), agent(tmp_path, key, options=("-c",)) as socket:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        async with start_console(people=everything_signed(key)) as console:
            await console.pilot.press("a")
            await console.until_shown("waits for your key · esc takes it back")
            await console.pilot.press("r")
            await console.pilot.press("u")
            assert console.refusals().count("your key is waited for") == 2
            await console.pilot.press("f3")
            await console.until_shown("History")
            await console.pilot.press("f1")
            await console.pilot.press("escape")
            await console.settle()
            assert "you took the signature back, and nothing is decided" in console.notifications()
            assert [await console.decisions_of(review) for review in console.review_ids] == [[]] * len(console.review_ids)
            assert await console.store.all("SELECT 1 FROM signatures") == []


async def test_draft_stays_where_there_is_no_key_and_is_signed_with_one(
    start_console: StartConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    key, missing = make_key(tmp_path), tmp_path / "none"
    async with start_console(people=everything_signed(key), signing_key=missing) as console:
        await console.press("r")
        await console.press(*"not him")
        await console.press("enter")
        assert f"there is no key {missing}" in console.notifications()
        missing.write_bytes(key.read_bytes())
        missing.chmod(0o600)
        await console.until_keys_accepted()
        await console.press("r")
        await console.until_shown("not him")
        await console.press("enter")
        assert (await console.decisions_of(console.review_ids[0]))[0][1:] == ("reject", None, "not him")
        assert await console.store.one("SELECT identified, signature FROM decisions") == ("signed", 1)


async def test_browser_cannot_sign(start_console: StartConsole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_key(tmp_path)
    monkeypatch.setenv("HITL_TUI_PINNED", "browser")
    async with start_console(people=everything_signed(key), signing_key=key) as console:
        assert {"escalate"} == {command for command, _ in console.app.key_hints[0]} & {"approve", "reject", "edit", "take_over", "escalate"}
        await console.press("a")
        assert "a browser cannot sign" in console.notifications()
        assert await console.decisions_of(console.review_ids[0]) == []
