"""people.toml: strict parsing, and what names mean."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from hitl_tui.model import EVERYBODY, Identified, People, Role
from hitl_tui.people.file import PeopleFile
from hitl_tui.people.parser import parse_with_problems


def public_key(seed: int = 0, kind: str = "ssh-ed25519") -> str:
    """A line that has the form of a public key."""
    body = len(kind).to_bytes(4) + kind.encode() + (32).to_bytes(4) + bytes([seed] * 32)
    return f"{kind} {base64.b64encode(body).decode()} ann@laptop"


WHOLE = f"""
[people]
trust_names = true
sign = "always"

[[person]]
name = "ann"
aliases = ["a.meyer", "Anna Meyer"]
groups = ["finance"]
roles = ["decide", "take_over", "people"]
email = "ann@example.com"

[[person.key]]
key = "{public_key()}"
added = 2026-11-29
revoked = 2027-01-31T12:00:00Z

[[person]]
name = "bob"
groups = ["finance", "leads"]
"""

TWO_WITH_ONE_KEY = "\n".join(f'[[person]]\nname = "{name}"\n[[person.key]]\nkey = "{public_key()}"' for name in ("a", "b"))


def wrong(text: str) -> list[str]:
    """The problems of a file, each with its line."""
    return [str(problem) for problem in parse_with_problems(text)[1]]


def people(text: str) -> People:
    """The people of a file without problems."""
    found, problems = parse_with_problems(text)
    assert problems == []
    return found


def test_every_setting_of_people_is_parsed() -> None:
    found = people(WHOLE)
    ann, bob = found.persons
    assert (found.trust_names, found.sign, found.is_checked) == (True, "always", True)
    assert (ann.name, ann.aliases, ann.email, ann.line) == ("ann", ("a.meyer", "Anna Meyer"), "ann@example.com", 6)
    assert (ann.roles, bob.roles) == ((Role.DECIDE, Role.TAKE_OVER, Role.PEOPLE), (Role.DECIDE, Role.TAKE_OVER))
    (key,) = ann.keys
    assert (key.key, key.added, key.revoked, key.line) == (public_key(), 1_795_910_400.0, 1_801_396_800.0, 13)
    assert found.members("finance") == {"ann", "bob"} and found.members("leads") == {"bob"} and found.members("ann") == {"ann"}
    assert found.same_person("A.Meyer", "anna  meyer") and not found.same_person("ann", "bob")
    assert found.may("a.meyer", Role.PEOPLE) and not found.may("bob", Role.PEOPLE) and not found.may("carl", Role.DECIDE)


def test_without_a_file_everybody_may_do_everything(tmp_path: Path) -> None:
    assert PeopleFile(tmp_path).current() == EVERYBODY
    assert EVERYBODY.may("anybody", Role.PRUNE) and EVERYBODY.is_meant("anybody", "finance")


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[[person]]\nname = "ann"\n\n[[person]]\nname = "bob"\naliases = ["ANN"]', 6, "the name 'ANN' is also ann's, in line 2"),
        ('[[person]]\nname = "a"\naliases = ["x"]\n[[person]]\nname = "b"\naliases = ["x"]', 6, "the name 'x' is also a's, in line 3"),
        ('[[person]]\nname = "ann"\naliases = ["Ann"]', 3, "the name 'Ann' is there twice"),
        ('[[person]]\nname = "аnn"', 2, "mixes letters of Cyrillic and Latin"),
        ('[[person]]\nname = "ann"\naliases = ["аnna"]', 3, "mixes letters of Cyrillic and Latin"),
        ('[[person]]\nname = "cope"\n[[person]]\nname = "соре"', 4, "looks like 'cope' in line 2"),
        ('[[person]]\nname = "a\\u200bnn"', 2, "is not a plain text"),
        ('[[person]]\nname = "ann "', 2, "is no name of a person"),
        ('[[person]]\nname = "policy:x"', 2, "is how policy and agents sign"),
        ('[[person]]\naliases = ["x"]', 1, "the person has no name"),
        ('[[person]]\nname = "ann"\nrole = ["decide"]', 3, "unknown key 'role'"),
        ('[[person]]\nname = "ann"\nroles = ["decides"]', 3, "there is no role 'decides'; did you mean decide?"),
        ('[[person]]\nname = "ann"\nroles = "decide"', 3, "roles is not a list"),
        ('[[person]]\nname = "ann"\ngroups = ["x", "x"]', 3, "groups has something twice"),
        ('[[person]]\nname = "ann"\ngroups = ["ann"]', 1, "'ann' is a group and a person"),
        ('[[person]]\nname = "ann"\nemail = "ann"', 3, "'ann' is no address"),
        ('[people]\ntrust_names = "no"\n[[person]]\nname = "ann"', 2, "trust_names is neither true nor false"),
        ('[people]\nsign = "never"\n[[person]]\nname = "ann"', 2, "sign cannot be 'never'"),
        ('[[person]]\nname = "jos\u00e9"\n[[person]]\nname = "jose\u0301"', 4, "is also josé's, in line 2"),
        ('\ufeff[[person]]\nname = "ann"', 1, "it begins with a byte order mark"),
        ("", 1, "it names nobody"),
        ("[person]\n", 1, "person is not a list of tables"),
        ("[[person]\n", 1, "it is not TOML"),
        ('[[person]]\nname = "ann"\n[[person.key]]\nkey = "ssh-dss AAAA"', 4, "that is no public key of OpenSSH: 'ssh-dss' is none of"),
        ('[[person]]\nname = "ann"\n[[person.key]]\nkey = "ssh-ed25519 AAAA!"', 4, "its second word is not base64"),
        ('[[person]]\nname = "ann"\n[[person.key]]\nkey = "ssh-ed25519 AAAAC3Nz"', 4, "or was cut off"),
        (f'[[person]]\nname = "ann"\n[[person.key]]\nkey = "{public_key()}"\nadded = "2026-11-29"', 5, "added is no date"),
        (TWO_WITH_ONE_KEY, 8, "the same key is in line 4"),
        ('[[person]]\nname = "ann"\n[[person.key]]\nadded = 2026-11-29', 3, "the key is missing"),
        (
            f'[[person]]\nname = "ann"\n[[person.key]]\nkey = "{public_key()}"\nadded = 2026-11-29\nrevoked = 2026-11-28',
            6,
            "revoked before",
        ),
        (f'[[person]]\nname = "ann"\ngroups = ["{"g" * 101}"]', 3, "is no name of a group"),
    ],
)
def test_each_mistake_in_people_is_reported_with_its_line(text: str, line: int, said: str) -> None:
    found, problems = parse_with_problems(text)
    assert any(problem.line == line and said in str(problem) for problem in problems), problems
    assert found.persons == () and found.is_checked, "nobody gains a right"


def test_all_mistakes_in_people_are_reported_at_once() -> None:
    assert len(wrong('[[person]]\nname = "policy:x"\nroles = ["x"]\nemail = "y"\nsize = 1\n')) == 4


@pytest.mark.parametrize("name", ["Åsa", "李雷", "Вера", "山田 Taro", "o'neil", "a.meyer@corp"])
def test_name_in_one_script_is_accepted(name: str) -> None:
    assert wrong(f'[[person]]\nname = "{name}"\n') == []


def test_people_file_is_read_again_and_gives_no_rights_while_broken(tmp_path: Path) -> None:
    file, path = PeopleFile(tmp_path), tmp_path / "people.toml"
    path.write_text(WHOLE)
    assert file.current().may("ann", Role.DECIDE) and file.current() is file.current()
    path.write_text(WHOLE.replace('groups = ["finance"]', "groups = [finance]"))
    os.utime(path, ns=(1, 1))
    broken = file.current()
    assert broken.problem.startswith("people.toml, line 9: it is not TOML") and broken.is_checked
    assert not any(broken.may("ann", role) for role in Role if role is not Role.READ)
    path.unlink()
    assert file.current() == EVERYBODY


def test_people_file_that_is_a_pipe_is_refused_and_waits_for_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "people.toml")
    found = PeopleFile(tmp_path).current()
    assert found.problem.endswith("people.toml cannot be read: it is no ordinary file; check its permissions") and found.is_checked
    assert not found.may("ann", Role.DECIDE)


def test_groups_of_the_policy_count_only_for_people_of_the_file() -> None:
    found = people(WHOLE).with_groups({"legal": ["a.meyer", "mallory"], "finance": ["mallory"]})
    assert found.members("legal") == {"ann"} and found.members("finance") == {"ann", "bob"}
    assert found.is_meant("Anna Meyer", "legal") and not found.is_meant("mallory", "legal") and not found.is_meant("bob", "nobody")


def test_identified_has_the_names_that_are_stored() -> None:
    assert [one.value for one in Identified] == ["named", "login", "pinned", "signed"]
