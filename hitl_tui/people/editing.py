"""Changes people.toml as a text, so that comments and order stay: adds and removes people and keys, and writes the file."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from hitl_tui.errors import BadPeople, Refused
from hitl_tui.model import People, Person, Role
from hitl_tui.people.file import CHECK, NAME
from hitl_tui.people.parser import parse_with_problems
from hitl_tui.toml_reader import first_mistake, key_lines

HEAD = """\
# Who may decide here. `hitl-tui people check` says what that protects against.
[people]
trust_names = false      # whether --reviewer may name somebody else than the login
sign = "rules"           # "always", or where a rule of policy.toml says signed = true
"""


def parsed(text: str) -> People:
    """The people of a text.

    Raises:
        BadPeople: it has a mistake.
    """
    people, problems = parse_with_problems(text)
    if found := first_mistake(problems, NAME, CHECK):
        raise BadPeople(*found)
    return people


def with_person(text: str, person: Person) -> str:
    """The text with another person at its end; with a text that is empty, a new file.

    Raises:
        Refused: somebody has one of the names.
        BadPeople: the result would have a mistake.
    """
    known = parsed(text) if text else People()
    for name in person.names:
        if other := known.find(name):
            raise Refused(f"{name} is {other.name} of line {other.line}", "choose another name, or remove that person first")
    made = f"{text.rstrip() or HEAD.rstrip()}\n\n{_block(person)}"
    parsed(made)
    return made


def with_key(text: str, name: str, key: str, today: str) -> str:
    """The text with another key of a person, from a day like `2026-11-29` on.

    Raises:
        Refused: there is no such person.
        BadPeople: it is no public key, or somebody has it.
    """
    start, end = _place(text, name)
    lines = text.splitlines()
    while end > start and not lines[end - 1].strip():
        end -= 1
    made = "\n".join([*lines[:end], "", *_key_lines(key, today), "", *lines[end:]]).rstrip() + "\n"
    parsed(made)
    return made


def without_person(text: str, name: str) -> str:
    """The text without a person and their keys.

    Raises:
        Refused: there is no such person, or nobody could change people any more.
    """
    start, end = _place(text, name)
    lines = text.splitlines()
    made = "\n".join([*lines[:start], *lines[end:]]).rstrip() + "\n"
    left, _ = parse_with_problems(made)
    if not any(Role.PEOPLE in person.roles for person in left.persons):
        raise Refused(f"without {name} nobody could change people.toml", "give somebody else the role people first")
    return made


def write(path: Path, text: str) -> None:
    """Write the file, private to its owner, at once or not at all.

    Raises:
        Refused: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Refused(f"{path} cannot be written: {error.strerror or error}", "nothing was changed") from None


def _place(text: str, name: str) -> tuple[int, int]:
    """Indexes of the first line of a person, and of the line after them."""
    people = parsed(text)
    person = people.find(name)
    if person is None:
        raise Refused(f"there is no {name} in people.toml", "`hitl-tui people list` shows who is")
    heads = [line for path, line in key_lines(text).items() if path and isinstance(path[-1], int) and len(path) == 2]
    heads += [line for path, line in key_lines(text).items() if path in (("people",), ("person",))]
    later = [line for line in heads if line > person.line]
    return person.line - 1, min(later, default=len(text.splitlines()) + 1) - 1


def _block(person: Person) -> str:
    lines = ["[[person]]", f"name = {_quoted(person.name)}"]
    lines += [f"{key} = {_listed(values)}" for key, values in (("aliases", person.aliases), ("groups", person.groups)) if values]
    lines += [f"roles = {_listed(person.roles)}"]
    lines += [f"email = {_quoted(person.email)}"] if person.email else []
    return "\n".join(lines) + "\n"


def _key_lines(key: str, today: str) -> list[str]:
    return ["[[person.key]]", f"key = {_quoted(key)}", f"added = {today}"]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # TOML's basic strings have the same escapes, for texts that can be printed


def _listed(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, values))}]"
