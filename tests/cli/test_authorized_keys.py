"""`hitl-tui people authorized-keys`: a line for each key that counts, which lets its person in under that name only."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from hitl_tui.cli import main
from hitl_tui.cli.authorized_keys import lines
from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.model import People, Person, PersonKey

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJrrdxpqAaUfIcnCEWyu9LPb4jfD3jzoRzqqjQsHRxT"
NOW = 1_800_000_000.0


def forced(line: str) -> list[str]:
    """The words of a line's forced command, as sshd and the login's shell read them."""
    quoted = line.partition('command="')[2].rpartition(f'" {KEY}')[0]
    return shlex.split(quoted.replace('\\"', '"'))


@pytest.mark.parametrize("folder", ["/srv/review", "/srv/two words", "/srv/it's", '/srv/a"b', "/srv/$HOME;id"])
def test_line_forces_the_name_of_its_person(folder: str) -> None:
    people = People((Person("Ann O'Neil", keys=(PersonKey(f"{KEY} ann@laptop"),)),), is_checked=True)
    (line,) = lines(people, Home(Path(folder)), NOW)
    assert line.startswith("restrict,pty,agent-forwarding,command=") and line.endswith(f'" {KEY} ann@laptop')
    assert forced(line)[1:] == ["-I", "-m", "hitl_tui", "ssh-session", "--as", "Ann O'Neil", "--home", folder]


def test_keys_that_do_not_count_now_have_no_line() -> None:
    keys = (PersonKey(KEY, revoked=NOW - 1), PersonKey(KEY, added=NOW + 1), PersonKey(KEY, added=NOW - 1, revoked=NOW + 1))
    assert len(list(lines(People((Person("ann", keys=keys), Person("bob"))), Home(Path("/h")), NOW))) == 1


def test_home_with_a_line_break_in_its_path_has_no_line() -> None:
    with pytest.raises(Refused, match="cannot be written into authorized_keys"):
        list(lines(People((Person("ann", keys=(PersonKey(KEY),)),)), Home(Path("/srv/a\nb")), NOW))


@pytest.mark.parametrize(
    ("text", "said"),
    [("[[person]", "people.toml lets nobody in: "), ('[[person]]\nname = "ann"\n', "people.toml has no key that counts now")],
)
def test_people_without_a_usable_key_get_no_lines(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "people.toml").write_text(text)
    done = CliRunner().invoke(main, ["people", "authorized-keys", "--home", str(tmp_path)])
    assert done.exit_code == 1 and said in done.output and KEY not in done.output
