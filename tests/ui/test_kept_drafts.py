"""Drafts that a session over SSH or in a browser leaves for the next one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.ui.runtime.kept_drafts import KEPT_S, LONGEST, KeptDrafts, Texts

REVIEW, OTHER, LAUNCH = (1, 0, "edit"), (2, 1, "reject"), (3, "mail", "text")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path).prepare()


def file_of(home: Home) -> Path:
    (path,) = home.drafts.iterdir()
    return path


def test_drafts_are_read_again_by_the_same_person_alone(home: Home) -> None:
    KeptDrafts(home, "ann").save(Texts({REVIEW: "Dear Ann"}, {LAUNCH: "tidy"}))
    assert KeptDrafts(home, "ANN").load() == Texts({REVIEW: "Dear Ann"}, {LAUNCH: "tidy"})
    assert KeptDrafts(home, "bob").load() == Texts()
    assert file_of(home).stat().st_mode & 0o777 == 0o600


def test_drafts_of_two_sessions_of_a_person_are_both_kept_and_sent_ones_go(home: Home) -> None:
    KeptDrafts(home, "ann").save(Texts({REVIEW: "one"}))
    first, second = KeptDrafts(home, "ann"), KeptDrafts(home, "ann")
    first.load(), second.load()
    first.save(Texts({OTHER: "two"}))
    assert KeptDrafts(home, "ann").load().reviews == {OTHER: "two"}
    second.save(Texts({REVIEW: "one more"}))
    assert KeptDrafts(home, "ann").load().reviews == {OTHER: "two", REVIEW: "one more"}


def test_draft_that_is_too_long_takes_no_other_with_it(home: Home) -> None:
    KeptDrafts(home, "ann").save(Texts({REVIEW: "short", OTHER: "x" * (LONGEST + 1)}))
    assert KeptDrafts(home, "ann").load().reviews == {REVIEW: "short"}
    KeptDrafts(home, "eve").save(Texts({REVIEW: "older" * 10, OTHER: "x" * LONGEST}))
    assert list(KeptDrafts(home, "eve").load().reviews) == [OTHER], "the newest is kept first"


@pytest.mark.parametrize("text", ["", "{", "5", "[5]", "[[1, 2]]", '[["review", "x", 0, "edit", "t"]]', "[" * 100_000], ids=range(7))
def test_file_of_drafts_that_cannot_be_read_holds_none(home: Home, text: str) -> None:
    KeptDrafts(home, "ann").save(Texts({REVIEW: "one"}))
    file_of(home).write_text(text)
    assert KeptDrafts(home, "ann").load() == Texts()
    KeptDrafts(home, "ann").save(Texts({OTHER: "two"}))
    assert KeptDrafts(home, "ann").load() == Texts({OTHER: "two"})


def test_old_drafts_are_forgotten_and_no_draft_leaves_no_file(home: Home) -> None:
    kept = KeptDrafts(home, "ann")
    kept.save(Texts({REVIEW: "one"}))
    os.utime(file_of(home), (time.time() - KEPT_S - 60,) * 2)
    assert KeptDrafts(home, "ann").load() == Texts()
    kept.load()
    kept.save(Texts())
    assert not list(home.drafts.iterdir())
