"""Commands that write files: who may, what is in the way, and that a refusal is logged."""

from __future__ import annotations

from pathlib import Path

import pytest

from hitl_tui.settings import login
from hitl_tui.store import audit
from tests.cli.commands import Commands
from tests.ui.homes import seed

pytestmark = pytest.mark.slow


@pytest.fixture
def hitl(tmp_path: Path) -> Commands:
    """Commands on a home with a review."""
    made = Commands(tmp_path / "home")
    made.rows(lambda store, project: seed.add_every_kind(store, project, 1_760_000_000.0))
    return made


def people(hitl: Commands, roles: str) -> None:
    (hitl.home.path / "people.toml").write_text(f'[[person]]\nname = "{login()}"\nroles = {roles}\n')


def test_export_without_the_role_writes_nothing_and_is_logged(hitl: Commands, tmp_path: Path) -> None:
    people(hitl, '["decide"]')
    file = tmp_path / "all.csv"
    assert f"{login()} may not export" in hitl("export", str(file), "--format", "csv", code=1)
    assert not file.exists() and [path.name for path in tmp_path.iterdir()] == ["home"]
    (refused,) = [one for one in audit.entries(hitl.home.database) if one["kind"] == "refused"]
    assert refused["actor"] == login() and "export" in str(refused["body"])
    people(hitl, '["export"]')
    hitl("export", str(file), "--format", "csv")
    assert file.exists()


def test_lessons_without_the_role_are_not_exported(hitl: Commands, tmp_path: Path) -> None:
    people(hitl, '["decide"]')
    assert "may not export: " in hitl("lessons", "export", "-o", str(tmp_path / "lessons.md"), code=1)
    assert not (tmp_path / "lessons.md").exists()


def test_signatures_are_written_into_no_folder_that_exists(hitl: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "signatures"
    folder.write_text("mine")
    assert "cannot be made: File exists; name a folder that does not exist" in hitl("audit", "signatures", str(folder), code=1)
    assert folder.read_text() == "mine"
    assert hitl("audit", "signatures", str(tmp_path / "new")).startswith("0 signatures written to ")


def test_masks_that_are_no_patterns_export_nothing(hitl: Commands, tmp_path: Path) -> None:
    masks, file = tmp_path / "masks.toml", tmp_path / "all.jsonl"
    for text, said in (("[", "is not TOML"), ("colour = 1", "has an unknown key 'colour'"), ("masks = 5", "is not a table")):
        masks.write_text(text)
        assert said in hitl("export", str(file), "--format", "jsonl", "--masks", str(masks), code=1)
    assert not file.exists()
