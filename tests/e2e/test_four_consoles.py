"""Four people on one home, two over SSH, one in Chromium and one at the machine: each decision has one winner, and the others are told."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitl_tui.home import Home
from tests.support.chromium import needs_chromium
from tests.support.four_consoles import Console, four_consoles, until_drawn
from tests.support.ssh import needs_sshd
from tests.support.tiers import is_full

ROUNDS = 300 if is_full else 8
ROUND_S = 120.0


@pytest.fixture
def consoles(tmp_path: Path) -> Iterator[tuple[Home, list[Console]]]:
    with four_consoles(tmp_path, ROUNDS + 20) as found:
        yield found


def decided(home: Home) -> list[tuple[int, str, str]]:
    """Review, person and how they were identified, of every decision."""
    with sqlite3.connect(home.database) as db:
        return db.execute("SELECT review, actor, identified FROM decisions ORDER BY id").fetchall()


@pytest.mark.slow
@pytest.mark.timeout(36_000 if ROUNDS > 100 else 900)
@needs_sshd
@needs_chromium
def test_four_consoles_that_decide_at_once_have_one_winner_each_and_tell_the_others(consoles: tuple[Home, list[Console]]) -> None:
    home, everybody = consoles
    deadline = time.monotonic() + ROUND_S * ROUNDS
    while len(decided(home)) < ROUNDS:
        assert time.monotonic() < deadline, (decided(home), {one.name: one.look()[-300:] for one in everybody})
        for key in "ga":  # all to the first review, then all decide it
            for console in everybody:
                console.press(key)
            for console in everybody:
                console.look()
        time.sleep(0.3)
    found = decided(home)
    assert len({review for review, _, _ in found}) == len(found)
    assert {name for _, name, _ in found} <= {"ann", "bob", "cleo", "dan"}
    assert {how for _, name, how in found if name != "dan"} <= {"pinned"}
    for console in everybody:
        for won in {name for _, name, _ in found} - {console.name}:
            until_drawn(console, everybody, f"approved by {won}")


@pytest.mark.slow
@pytest.mark.timeout(600)
@needs_sshd
@needs_chromium
def test_claim_and_presence_are_seen_on_every_other_console(consoles: tuple[Home, list[Console]]) -> None:
    _, everybody = consoles
    for console in everybody:
        for one in everybody:
            one.forget()
        console.press("j")
        others = [one for one in everybody if one is not console]
        for one in others:
            until_drawn(one, everybody, f"{console.name} is looking", f"{console.name} looking")
        console.press("k")
    for one in everybody:
        one.forget()
    everybody[0].press("c")
    for one in everybody[1:]:
        until_drawn(one, everybody, "claimed by ann", "ann until")
