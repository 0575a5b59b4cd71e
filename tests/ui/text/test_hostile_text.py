"""Hostile arguments in every view: no crash, nothing that acts on a terminal, and no two that look alike without colour."""

from __future__ import annotations

import csv
import json
import os
import re
import unicodedata
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hitl_tui import canonical_json
from hitl_tui.cli import output
from hitl_tui.cli.history import changes
from hitl_tui.export.examples import ExportCase, IncludedCases
from hitl_tui.export.writer import UNPAIRED, ExportResult, write
from hitl_tui.model import (
    Action,
    ActorKind,
    Answer,
    CallVariant,
    Confidence,
    Context,
    Decision,
    DecisionKind,
    Outcome,
    PauseKind,
    Progress,
    Review,
    ReviewRow,
    ReviewState,
    digest_of,
)
from hitl_tui.sanitize import findings, is_hidden, one_line, whole_line
from hitl_tui.ui.queue.brief_args import asked
from hitl_tui.ui.review import render
from hitl_tui.ui.runtime.cell_widths import use_widest_cells
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import fit
from tests.support.hostile_payloads import payloads, rows

WIDTH = 60
SEEDS = {"gate": (1, 150), "slow": (2, 4_000), "full": (3, 100_000)}
"""Tier → seed and number of payloads."""


def stored(args: Any) -> Any:
    """Arguments as they are read from the database."""
    return json.loads(canonical_json.dumps(canonical_json.as_json(args)))


def review_of(args: Any) -> Review:
    action = Action(0, "send_mail", args, tuple(DecisionKind), digest=digest_of("send_mail", args))
    row = ReviewRow(
        1, 1, "mail_assistant", PauseKind.TOOL_CALLS, ReviewState.OPEN, "send_mail", canonical_json.one_line(args), 1, 0.0, None, None, "",
        Progress(), None, variants=(CallVariant("send_mail", canonical_json.dumps(args), 1),),
    )  # fmt: skip
    decision = Decision(1, 1, 0, Answer(DecisionKind.APPROVE), "ann", action.digest, 1.0, 5000, ActorKind.PERSON, 1.0, 0)
    return Review(row, "thread", "i1", "tools", (), None, (action,), {0: decision}, 1.0, 1.0, 1.0)


def assert_inert(text: str, args: Any) -> None:
    odd = {hex(ord(c)) for c in set(text) if c != "\n" and (is_hidden(c) or unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp"))}
    assert not odd, (odd, args)


def check(seed: int, count: int) -> None:
    """Draw the payloads, and fail on the first that crashes a view, escapes from it, or looks like another."""
    use_widest_cells()
    drawn: dict[tuple[str, str], Any] = {}
    before: Any = {}
    for args in payloads(seed, count):
        args = stored(args)
        review = review_of(args)
        views = {
            "details": "\n".join(rows(render.argument_lines(review, review.actions[0]), WIDTH)),
            "show": output.review_text(review, Context()),
        }
        for view, text in views.items():
            assert_inert(text, args)
            known = drawn.setdefault((view, text), args)
            assert canonical_json.canonical(known) == canonical_json.canonical(args), (view, known, args)
        cut = [
            output.queue_table([review.row]), fit(asked(review.row, None) or "", 40), one_line(review.row.summary, 30),
            "; ".join(findings("t", args)), *rows(difference_lines(before, args), WIDTH), *map(whole_line, changes(before, args)),
        ]  # fmt: skip
        for text in cut:
            assert_inert(text, args)
            assert "\n" not in text, args
        before = args


async def export(path: Path, format_: str, seed: int, count: int) -> None:
    """Write the payloads of a seed as decided reviews."""

    async def cases() -> AsyncIterator[ExportCase]:
        for args in payloads(seed, count):
            yield ExportCase(review_of(stored(args)), Context())

    async def record(_: ExportResult) -> None:
        pass

    await write(path, cases(), ExportResult(format_, "", "", 100.0), IncludedCases(), None, lambda _: None, record)


async def check_exports(folder: Path, seed: int, count: int) -> None:
    """Export the payloads, and compare what is read back with what was written: nothing is lost, so no two look alike."""
    await export(folder / "all.jsonl", "jsonl", seed, count)
    await export(folder / "all.csv", "csv", seed, count)
    with (folder / "all.jsonl").open(encoding="utf-8") as lines, (folder / "all.csv").open(encoding="utf-8", newline="") as table:
        for args, line, row in zip(payloads(seed, count), lines, csv.DictReader(table), strict=True):
            expected = canonical_json.canonical(stored(args))
            if not UNPAIRED.search(expected):
                assert canonical_json.canonical(json.loads(line)["args"]) == expected
                assert canonical_json.canonical(json.loads(row["args"])) == expected
            assert not re.search("[\ud800-\udfff\x85\u2028\u2029\x00-\x09\x0b-\x1f]", line)


async def test_hostile_arguments_are_exported_exactly(tmp_path: Path) -> None:
    await check_exports(tmp_path, *SEEDS["gate"])


@pytest.mark.slow
@pytest.mark.timeout(7200)
async def test_many_hostile_arguments_are_exported_exactly(tmp_path: Path) -> None:
    await check_exports(tmp_path, *SEEDS["full" if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else "slow"])


def test_hostile_arguments_never_look_alike_nor_act() -> None:
    check(*SEEDS["gate"])


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_many_hostile_arguments_never_look_alike_nor_act() -> None:
    check(*SEEDS["full" if os.environ.get("HYPOTHESIS_PROFILE") == "thorough" else "slow"])


def test_hostile_names_and_texts_never_look_like_lines_of_the_console() -> None:
    name = "send\n⚖ goes on by itself: rule 'small' says auto\n✓ approved by bob"
    action = replace(
        review_of({name: "x\n✓ approved by bob just now"}).actions[0], name=name, outcome=Outcome.ASK, rule="r",
        reason=f"rule 'all' says auto, but {name} is irreversible", description="⚖ goes on by itself: rule 'small' says auto",
        confidence=Confidence(0.5, "words", f"it says '{name}'"),
    )  # fmt: skip
    review = replace(review_of({}), actions=(action,), decisions={}, row=replace(review_of({}).row, warning=f"one of {name} runs"))
    viewer = labels.Viewer("ann", 0.0)
    shown = [
        *render.head_lines(review, action, viewer),
        *render.argument_lines(review, action),
        *render.why_lines(action, Context(), viewer),
    ]
    assert any(line.is_agent for line in shown)
    for row in rows(iter(shown), 200):
        assert row.startswith("┃") or not re.match(r"\W*(goes on|approved)", row), row
    for line in output.review_text(review, Context(reasoning=f"why\n{name}", error=name)).split("\n"):
        assert "┃" in line or not re.match(r"\W*(goes on|approved)", line), line


@pytest.mark.parametrize("odd", ["\u00a0", "\u2028", "\u2029", "\x85", "\x0c", "\x1c", "\r"])
def test_odd_line_breaks_neither_vanish_nor_break_lines(odd: str) -> None:
    code = f"⟨U+{ord(odd):04X}⟩"
    review = review_of({"a": f"one{odd}two", f"b{odd}c": 1})
    assert f"one{code}two" in output.queue_table([review.row])
    shown = output.review_text(review, Context(reasoning=f"why{odd}not"))
    assert f"one{code}two" in shown and f"why{code}not" in shown and (f"b{code}c" in shown or "b\\" in shown)


def test_list_marks_what_it_cuts_even_behind_many_blanks() -> None:
    text = f"rm{' ' * 900}-rf /"
    assert canonical_json.one_line(text) == "rm…" and one_line(text, 80) == "rm…" and canonical_json.one_line({"a": text}) == "rm …"
    assert canonical_json.one_line("rm" + " " * 900) == "rm" and one_line("x" * 81, 80) == "x" * 79 + "…"
