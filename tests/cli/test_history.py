"""`hitl-tui history` and `queue --filter`: finding and showing decisions and open reviews."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hitl_tui.cli.history import changes
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Json
from tests.export.test_export import NO, TO_ANN, TO_BOB, YES, ask, hitl
from tests.support.empty_database import open_store

EDITED = Answer(DecisionKind.EDIT, {"to": "Ann\x1b[31m"})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an approval, an edit, a rejection, and an undone decision whose review is open again."""

    async def fill(path: Path) -> None:
        async with open_store(path) as store:
            ann, bob = Inbox(store, "ann", grace_s=60), Inbox(store, "bob", grace_s=60)
            await ask(store, ann, [("send_mail", TO_ANN)], [YES])
            await ask(store, ann, [("send_mail", TO_BOB)], [EDITED])
            await ask(store, bob, [("send_mail", TO_BOB)], [NO])
            await bob.reviews.undo(await ask(store, bob, [("send_mail", TO_ANN)], [YES]))

    folder = tmp_path_factory.mktemp("home")
    asyncio.run(fill(folder / "hitl.db"))
    return folder


def history(home: Path, *args: str) -> Any:
    code, out = hitl("history", "--home", str(home), "--json", *args)
    assert code == 0, out
    return json.loads(out)


def test_history_command_line_shows_person_change_and_reason(home: Path) -> None:
    code, out = hitl("history", "--home", str(home))
    assert code == 0
    back, rejected, edited, approved = out.splitlines()
    assert "approved by bob, undone" in back and "  4#1  " in back
    assert "rejected by bob" in rejected and "“not him”" in rejected
    assert "edited by ann" in edited and "viewed 9.0 s" in edited
    assert "to: Bob → Ann⟨U+001B⟩[31m · body removed" in edited
    assert "approved by ann" in approved and "Ann · Grüße ✓" in approved


def test_history_command_pages_filters_and_limits(home: Path) -> None:
    assert [one["number"] for one in history(home, "--limit", "2")] == [4, 3]
    assert [one["number"] for one in history(home, "--limit", "2", "--before", "3")] == [2, 1]
    assert [one["number"] for one in history(home, "by:ann -decided:edit")] == [1]
    (edited,) = history(home, "decided:edit")
    assert (edited["args"], edited["final"], edited["by"]) == (TO_BOB, EDITED.args, "ann")
    assert history(home, "by:nobody") == []
    assert "no decisions match" in hitl("history", "by:nobody", "--home", str(home))[1]


def test_history_show_prints_context_and_audit_entries(home: Path) -> None:
    found = history(home, "--show", "2")
    assert found["context"]["reasoning"] == "I write to her."
    assert [one["kind"] for one in found["log"]] == ["opened", "decided"]
    out = hitl("history", "--show", "2", "--home", str(home))[1]
    assert "changed: to: Bob → Ann⟨U+001B⟩[31m" in out and "why:" in out and "decided by ann" in out
    code, out = hitl("history", "--show", "99", "--home", str(home))
    assert code == 1
    assert "there is no decision 99" in out
    assert "is not a decision" in hitl("history", "--before", "x", "--home", str(home))[1]


def test_queue_command_uses_the_history_filter_language(home: Path) -> None:
    code, out = hitl("queue", "--filter", "tool:send_* agent:mail", "--home", str(home), "--json")
    assert code == 0
    assert [one["review"] for one in json.loads(out)] == ["4"]
    assert "no open reviews match" in hitl("queue", "--filter", "tool:other", "--home", str(home))[1]
    said = "there is no field 'agnet' to filter by; did you mean agent?"
    for command in (("queue", "--filter", "agnet:x"), ("history", "agnet:x"), ("export", str(home / "x"), "--filter", "agnet:x")):
        code, out = hitl(*command, "--home", str(home))
        assert (code, said in out) == (1, True)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": "1"}, ["a: 1 → 1"]),
        ({"a": {"b": [1]}}, {"a": {"b": [2]}}, ["a: [1] → [2]"]),
        ("x", {"a": 1}, ["x → 1"]),
        ({}, {"a": None}, ["a added: null"]),
    ],
)
def test_changes_are_described_in_one_line(before: Json, after: Json, said: list[str]) -> None:
    assert list(changes(before, after)) == said
