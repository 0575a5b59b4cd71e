"""The home: folders of threads."""

from __future__ import annotations

import unicodedata
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.home import Home

TWINS = [
    ("a" * 120 + "b", "a" * 120 + "c"), ("Ann", "ann"), ("café", unicodedata.normalize("NFD", "café")), ("漢" * 130, "漢" * 131),
    ("con", "con%"), ("", "%"), ("a/b", "a-b"), ("..", "."), ("a b", "a  b"), ("x" * 300, "x" * 301), ("ß", "ss"), ("\ud800", "\ud801"),
    ("ı", "i"), ("a" * 100, "a" * 101),
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_threads_with_similar_ids_have_folders_of_their_own(tmp_path: Path, one: str, other: str) -> None:
    folders = [Home(tmp_path).workdir(thread) for thread in (one, other)]
    assert len({unicodedata.normalize("NFC", str(folder)).casefold() for folder in folders}) == 2
    for folder in folders:
        folder.mkdir(parents=True)
        assert folder.parent == tmp_path / "work"


@given(st.text())
def test_work_folder_of_any_thread_has_a_short_ascii_name(thread: str) -> None:
    name = Home(Path("/nowhere")).workdir(thread).name
    assert name.isascii() and len(name) <= 100 and name not in ("", ".", "..", "con", "nul")
    assert name == name.lower()


def test_work_folder_of_an_ordinary_thread_is_called_like_it(tmp_path: Path) -> None:
    thread = str(uuid.uuid4())
    assert Home(tmp_path).workdir(thread).name == thread


def test_work_folder_that_an_earlier_version_made_is_used_on(tmp_path: Path) -> None:
    earlier = tmp_path / "work" / "Trip%202026"
    earlier.mkdir(parents=True)
    assert Home(tmp_path).workdir("Trip 2026") == earlier
    cut_off = tmp_path / "work" / ("A" * 120)
    cut_off.mkdir()
    assert Home(tmp_path).workdir("A" * 130) != cut_off
