"""`hitl-tui people`: people.toml is made, changed and checked."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hitl_tui.cli import main
from hitl_tui.settings import login
from hitl_tui.store import audit
from tests.support.empty_database import open_store

KEY = base64.b64encode((11).to_bytes(4) + b"ssh-ed25519" + (32).to_bytes(4) + bytes(32)).decode()


def run(home: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["people", *args, "--home", str(home)])


def refused(home: Path, *args: str) -> str:
    """The sentence of a refusal."""
    done = run(home, *args)
    assert done.exit_code == 1 or done.exception
    return str(done.exception) if not done.output.strip() else done.output


def listed(home: Path) -> dict[str, Any]:
    return {one["name"]: one for one in json.loads(run(home, "list", "--json").output)["people"]}


def test_people_are_added_and_removed_and_comments_stay(tmp_path: Path) -> None:
    assert "everybody who can open the home decides" in run(tmp_path, "list").output
    assert f"only its people decide now, and {login()} has every role" in run(tmp_path, "add", "bob", "--group", "finance").output
    path = tmp_path / "people.toml"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text(path.read_text().replace('[[person]]\nname = "bob"', '# of accounting\n[[person]]\nname = "bob"'))
    run(tmp_path, "add", "ann", "--alias", "a.meyer", "--role", "read")
    assert run(tmp_path, "add", "bob", "--key", f"ssh-ed25519 {KEY} bob@laptop").output == "bob has a key\n"
    found = listed(tmp_path)
    assert (found["bob"]["groups"], found["bob"]["roles"]) == (["finance"], ["decide", "take_over"])
    assert found["bob"]["keys"][0]["key"].startswith("ssh-ed25519 ") and found["ann"]["roles"] == ["read"]
    run(tmp_path, "remove", "A.MEYER")
    assert set(listed(tmp_path)) == {login(), "bob"} and "# of accounting" in path.read_text()

    async def changes() -> list[tuple[str, str]]:
        async with open_store(tmp_path / "hitl.db") as store:
            return [tuple(row) for row in await store.all("SELECT actor, body FROM audit WHERE kind = 'people_changed' ORDER BY seq")]

    said = [(actor, json.loads(body)["change"]) for actor, body in asyncio.run(changes())]
    assert said == [(login(), one) for one in ("added bob", "added ann", "added a key of bob", "removed A.MEYER")]
    assert audit.verify(tmp_path / "hitl.db").problem == ""


def test_people_are_changed_by_those_alone_who_may(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text(f'[[person]]\nname = "{login()}"\n')
    assert "does not give them the role people" in refused(tmp_path, "add", "bob")
    (tmp_path / "people.toml").write_text("[[person]")
    assert "correct it by hand" in refused(tmp_path, "add", "bob")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("add", "BOB"), "BOB is bob of line"),
        (("add", "zoe", "--alias", "bob"), "bob is bob of line"),
        (("add", "\u0430nn"), "mixes letters of Cyrillic and Latin"),
        (("add", "zoe", "--key", "nothing"), "is no public key, and no file with one"),
        (("remove", "zoe"), "there is no zoe in people.toml"),
        (("remove", login()), "nobody could change people.toml"),
    ],
)
def test_change_of_people_that_makes_no_sense_is_refused(tmp_path: Path, args: tuple[str, ...], said: str) -> None:
    run(tmp_path, "add", "bob")
    before = (tmp_path / "people.toml").read_text()
    assert said in refused(tmp_path, *args)
    assert args[1] == "zoe" or (tmp_path / "people.toml").read_text() == before


def test_people_check_says_what_protects_against_whom_and_finds_mistakes(tmp_path: Path) -> None:
    run(tmp_path, "add", "bob", "--group", "finance")
    (tmp_path / "policy.toml").write_text('[groups]\nlegal = ["zed"]\n[[rule]]\nname = "r"\noutcome = "ask"\nto = "legal"\n')
    done = run(tmp_path, "check")
    assert done.exit_code == 0 and "policy.toml, line 3: people.toml has nobody in 'legal'" in done.output
    assert "reviewers who have no access to the home's files" in done.output
    (tmp_path / "people.toml").write_text('[[person]]\nname = "bob"\naliases = ["x"]\n[[person]]\nname = "x"\n')
    done = run(tmp_path, "check", "--json")
    assert done.exit_code == 1 and json.loads(done.output)["problems"][0]["line"] == 5


@pytest.mark.slow
def test_people_with_a_mistake_in_their_file_may_decide_nothing(tmp_path: Path) -> None:
    (tmp_path / "people.toml").write_text("[[person]]\nname = 5\n")
    assert run(tmp_path, "list").output.startswith("nobody may decide: ")
    done = run(tmp_path, "check")
    assert done.exit_code == 1 and "everything asks, and nobody may decide, until that is corrected" in done.output
    assert "people.toml:2: error: " in done.output
    (tmp_path / "people.toml").unlink()
    done = run(tmp_path, "check")
    assert done.exit_code == 0 and "everybody who can open the home decides" in done.output


@pytest.mark.slow
def test_people_check_warns_of_a_file_that_others_can_change_and_nobody_keeps(tmp_path: Path) -> None:
    path = tmp_path / "people.toml"
    path.write_text('[[person]]\nname = "bob"\n')
    path.chmod(0o666)
    done = run(tmp_path, "check")
    assert done.exit_code == 0 and "other users of this machine can change it; run chmod go-w" in done.output
    assert "nobody has the role people" in done.output


@pytest.mark.slow
def test_key_is_added_from_a_file_with_one_line_and_to_people_as_they_are(tmp_path: Path) -> None:
    run(tmp_path, "add", "bob")
    file = tmp_path / "id.pub"
    file.write_text(f"# of the laptop\nssh-ed25519 {KEY} bob@laptop\n")
    assert "bob is there already; add only a key, or change line" in refused(tmp_path, "add", "bob", "--key", str(file), "--group", "x")
    assert run(tmp_path, "add", "bob", "--key", str(file)).output == "bob has a key\n"
    for text in ("", "ssh-ed25519 nothing\n", file.read_text() * 2):
        file.write_text(text)
        assert f"{file} holds no public key" in refused(tmp_path, "add", "zoe", "--key", str(file))
    assert set(listed(tmp_path)) == {login(), "bob"}


@pytest.mark.slow
def test_change_of_people_that_cannot_be_signed_waits_for_somebody_who_can(tmp_path: Path) -> None:
    assert "no change of people.toml waits for a signature" in refused(tmp_path, "accept")
    run(tmp_path, "add", "bob")
    run(tmp_path, "add", login(), "--key", f"ssh-ed25519 {KEY} me@laptop")  # whose private key is not here
    told = run(tmp_path, "add", "eve").output
    assert told.startswith("eve is added\nthe change does not count yet: ")
    assert "eve" not in listed(tmp_path) and "people.toml was changed" in run(tmp_path, "list").output
    assert "signature" in refused(tmp_path, "accept") or "key" in refused(tmp_path, "accept")
