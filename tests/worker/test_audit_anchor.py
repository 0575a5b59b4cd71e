"""The end of the audit log goes to a command, every so many entries, and a failure is told once."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from hitl_tui.model import PROGRAM
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import AuditSettings, Policy
from hitl_tui.store import Store, audit
from hitl_tui.worker.audit_anchor import AuditAnchor
from tests.support.empty_database import open_store


async def add_entries(store: Store, count: int) -> None:
    async with store.transaction() as db:
        for _ in range(count):
            audit.note(db, time.time(), "clock", PROGRAM, {})


def anchored(store: Store) -> list[dict[str, str]]:
    rows = store.read_now("SELECT body FROM audit WHERE kind = 'anchored' ORDER BY seq")
    return [json.loads(body) for (body,) in rows]


async def test_head_goes_to_the_command_every_so_many_entries(tmp_path: Path) -> None:
    kept = tmp_path / "heads"
    settings = AuditSettings(("sh", "-c", f"cat >> {kept}"), every=3)
    async with open_store(tmp_path / "hitl.db") as store:
        one, other = (AuditAnchor(store, lambda: Policy(audit=settings)) for _ in range(2))
        await add_entries(store, 2)
        first = str(audit.head(store.path))
        await one.look()
        await other.look()  # finds in the log that it is done
        await add_entries(store, 2)
        await one.look()
        assert kept.read_text().split("\n") == [first, ""]
        await add_entries(store, 1)
        second = str(audit.head(store.path))
        await other.look()
        await one.look()
        assert kept.read_text().split("\n") == [first, second, ""]
        assert anchored(store) == [{"head": head, "problem": ""} for head in (first, second)]
        for head in kept.read_text().split("\n")[:-1]:
            assert audit.verify(store.path, audit.read_head(head)).problem == ""


async def test_head_that_cannot_be_kept_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = AuditSettings(("sh", "-c", "echo disk is full >&2; exit 1"))
    async with open_store(tmp_path / "hitl.db") as store:
        anchor = AuditAnchor(store, lambda: Policy(audit=settings))
        await add_entries(store, 1)
        for _ in range(3):
            await anchor.look()
        assert [one["problem"] for one in anchored(store)] == ["disk is full"]
    assert capsys.readouterr().err == "hitl-tui: the audit's head was not kept elsewhere: disk is full\n"


def test_anchor_is_a_program_with_arguments_of_the_homes_policy() -> None:
    text = '[audit]\nanchor = ["logger", "-t", "hitl"]\nevery = 50\nafter = "5m"\n'
    assert parse(text).audit == AuditSettings(("logger", "-t", "hitl"), 50, 300.0)
    assert parse('[audit]\nanchor = "logger"\n').audit.anchor == ("logger",)
    assert parse_with_problems('[audit]\nanchor = "logger -t hitl"\n')[1][0].text == "anchor has arguments, and is no list"
    assert parse_with_problems('[audit]\nafter = "1s"\n')[1][0].text == "after is less than 10 s"
    assert "[audit] has no effect in a project" in parse_with_problems(text, in_home=False)[1][0].text
