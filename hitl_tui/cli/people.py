"""`hitl-tui people`: lists the people of the home, adds and removes them, and checks people.toml."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from hitl_tui.cli import output
from hitl_tui.cli.authorized_keys import authorized_keys
from hitl_tui.cli.command_group import ListByDefault, example
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.errors import Refused
from hitl_tui.formatting import counted
from hitl_tui.home import Home, find_home
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.people import PeopleEditor, sign_change
from hitl_tui.model import USUAL_ROLES, People, Person, PersonKey, Role
from hitl_tui.people.file import NAME, PeopleStatus, read_status
from hitl_tui.people.parser import key_problem
from hitl_tui.policy.loader import policy_paths, read_text
from hitl_tui.policy.parser import parse_with_problems
from hitl_tui.sanitize import visible
from hitl_tui.store.people_log import ACCEPT, WAITS
from hitl_tui.toml_reader import Problem

NO_FILE = f"there is no {NAME}: everybody who can open the home decides, under any name (identity: not checked)"
PROTECTION = (
    ("names", "the login, and a people.toml", "mistakes: nobody decides by accident what is not theirs"),
    ("pinned sessions", "an SSH key or a browser session that fixes the name", "reviewers who have no access to the home's files"),
    ("signatures", "a key of the person's own", "also those who can write the home's files"),
)
"""What protects, by what, and against whom."""


@click.group(cls=ListByDefault, epilog=example("hitl-tui people", "hitl-tui people add bob --group finance", "hitl-tui people check"))
def people() -> None:
    """List, add, remove and check the people who may decide.

    They are in people.toml in the home. Without that file everybody may decide.
    """


@people.command("list", epilog=example("hitl-tui people list --json"))
@json_option
@common_options
def list_(json_: bool, home: str | None, reviewer: str | None) -> None:
    """List the people, their groups and roles."""

    async def work(inbox: Inbox) -> str:
        found = inbox.people()
        if json_:
            return output.as_json({**_json(found), "you": {"name": inbox.reviewer, "identified": inbox.actor.identified}})
        if found.problem:
            return visible(f"nobody may decide: {found.problem}")
        if not found.is_checked:
            return NO_FILE
        return output.table(map(_row, found.persons), whole=True) + (f"\n{WAITS}; {ACCEPT}" if found.is_waiting else "")

    print_from_inbox(work, home, reviewer)


@people.command("add", epilog=example("hitl-tui people add bob --group finance --alias b.jones", "hitl-tui people add bob --key bob.pub"))
@click.argument("name")
@click.option("--alias", "aliases", multiple=True, metavar="NAME", help="A login or former name; repeatable.")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="What `to` in policy.toml may name; repeatable.")
@click.option("--role", "roles", multiple=True, type=click.Choice([role.value for role in Role]), help="Default: decide and take_over.")
@click.option("--email", metavar="ADDRESS", default="", help="Where notifications may go.")
@click.option("--key", metavar="KEY", help="A public key, or its file, like id_ed25519.pub.")
@common_options
def add(
    name: str, aliases: Sequence[str], groups: Sequence[str], roles: Sequence[str], email: str, key: str | None, home: str | None,
    reviewer: str | None,
) -> None:  # fmt: skip
    """Add a person, or with --key a public key of a person.

    The first person makes people.toml; whoever adds them then has every role.
    """
    opened = find_home(home)

    async def work(inbox: Inbox) -> str:
        editor, line, told = PeopleEditor(inbox, opened.path), _public_key(key) if key else None, []
        known = inbox.people().find(name)
        if known is None or not line:
            person = Person(name, tuple(aliases), tuple(groups), tuple(map(Role, roles)) or USUAL_ROLES, email)
            made = await editor.add(person)
            told = [f"{name} is added"]
            told += [f"{editor.path} is made: only its people decide now, and {inbox.reviewer} has every role"] if made else []
        elif aliases or groups or roles or email:
            raise Refused(f"{known.name} is there already", f"add only a key, or change line {known.line} of {editor.path}")
        if line:
            await editor.add_key(name, line)
            told.append(f"{name} has a key")
        return visible("\n".join([*told, *await _signed(inbox, opened)]))

    print_from_inbox(work, home, reviewer)


@people.command("remove", epilog=example("hitl-tui people remove bob"))
@click.argument("name")
@common_options
def remove(name: str, home: str | None, reviewer: str | None) -> None:
    """Remove a person. What they decided stays in the history."""

    async def work(inbox: Inbox) -> str:
        opened = find_home(home)
        await PeopleEditor(inbox, opened.path).remove(name)
        told = f"{name} is removed; a former name of somebody goes into their aliases"
        return visible("\n".join([told, *await _signed(inbox, opened)]))

    print_from_inbox(work, home, reviewer)


@people.command("accept", epilog=example("hitl-tui people accept"))
@common_options
def accept(home: str | None, reviewer: str | None) -> None:
    """Sign a change of people.toml.

    Where somebody with the role `people` has a key, a change counts once one of
    them has signed it. `people add` and `people remove` sign by themselves.
    """
    opened = find_home(home)

    async def work(inbox: Inbox) -> str:
        if not await sign_change(inbox, opened.path):
            raise Refused("no change of people.toml waits for a signature", "nothing was changed")
        return visible(f"people.toml counts as it is: signed by {inbox.reviewer}")

    print_from_inbox(work, home, reviewer)


async def _signed(inbox: Inbox, home: Home) -> list[str]:
    """Sign what was just changed, where that is needed. Returns what to tell about it."""
    try:
        return ["the change is signed"] if await sign_change(inbox, home.path) else []
    except Refused as error:
        return [f"the change does not count yet: {error}", ACCEPT]


@people.command("check", epilog=example("hitl-tui people check"))
@json_option
@common_options
def check(json_: bool, home: str | None, reviewer: str | None) -> None:
    """Check people.toml, and say what it protects against.

    Exits with 1 if it has a mistake.
    """
    opened = find_home(home)
    now = read_status(opened.path / NAME)
    problems = [*now.problems, *_warnings(opened, now)]
    click.echo(output.as_json(_check_json(opened, now, problems)) if json_ else "\n".join(_check_lines(opened, now, problems)))
    sys.exit(1 if now.people.problem else 0)


people.add_command(authorized_keys, "authorized-keys")


def _public_key(given: str) -> str:
    """The line of a public key, which is given itself or by its file.

    Raises:
        Refused: it is neither.
    """
    if key_problem(given) is None:
        return given.strip()
    try:
        text = Path(given).expanduser().read_text("utf-8", "replace")
    except OSError as error:
        raise Refused(
            f"{given} is no public key, and no file with one: {error.strerror}", "give a file like ~/.ssh/id_ed25519.pub"
        ) from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) != 1 or key_problem(lines[0]):
        raise Refused(f"{given} holds no public key", "give a file like ~/.ssh/id_ed25519.pub, which has one line")
    return lines[0]


def _warnings(home: Home, now: PeopleStatus) -> Iterator[Problem]:
    """What people.toml, its permissions, and the home's policy together make useless."""
    path = home.path / NAME
    if not now.people.persons:
        return
    if path.stat().st_mode & 0o022:
        yield Problem(1, "other users of this machine can change it", f"run chmod go-w {path}", is_error=False)
    if not any(Role.PEOPLE in person.roles for person in now.people.persons):
        yield Problem(1, "nobody has the role people", "`hitl-tui people add` and `remove` are refused to everybody", is_error=False)
    policy = policy_paths(home.path)[0]
    if policy.exists():
        _, found = parse_with_problems(read_text(policy), people=now.people)
        for problem in found:
            if problem.is_error or "people.toml" in problem.text:
                yield Problem(problem.line, f"{policy.name}, line {problem.line}: {problem.text}", problem.hint, is_error=False)


def _check_json(home: Home, now: PeopleStatus, problems: Sequence[Problem]) -> dict[str, Any]:
    listed = [{"line": p.line, "level": "error" if p.is_error else "warning", "text": p.text, "hint": p.hint} for p in problems]
    protects = [{"what": what, "by": by, "against": against} for what, by, against in PROTECTION]
    return {
        "file": str(home.path / NAME), "exists": now.people.is_checked, "good": not now.people.problem,
        "people": [person.name for person in now.people.persons], "problems": listed, "protects": protects,
    }  # fmt: skip


def _check_lines(home: Home, now: PeopleStatus, problems: Sequence[Problem]) -> Iterator[str]:
    path = home.path / NAME
    for problem in problems:
        hint = f"; {problem.hint}" if problem.hint else ""
        yield visible(f"{path}:{problem.line}: {'error' if problem.is_error else 'warning'}: {problem.text}{hint}")
    if now.people.problem:
        yield "everything asks, and nobody may decide, until that is corrected"
    elif not now.people.is_checked:
        yield NO_FILE
    else:
        groups = len(now.people.own_groups)
        names = "any name given with --reviewer is believed" if now.people.trust_names else "people are known by their login or session"
        yield visible(f"{path} is valid: {_number_of(now.people.persons)}, {counted(groups, 'group')}; {names}")
    yield ""
    yield "what protects against whom:"
    yield output.table(PROTECTION, whole=True)


def _row(person: Person) -> tuple[str, ...]:
    keys = counted(sum(key.revoked is None for key in person.keys), "key") if person.keys else ""
    return (person.name, ", ".join(person.aliases), ", ".join(person.groups), ", ".join(person.roles), person.email, keys)


def _json(found: People) -> dict[str, Any]:
    return {
        "checked": found.is_checked,
        "problem": found.problem or None,
        "trust_names": found.trust_names,
        "sign": found.sign,
        "people": [
            {
                "name": person.name,
                "aliases": list(person.aliases),
                "groups": list(person.groups),
                "roles": list(person.roles),
                "email": person.email or None,
                "keys": list(map(_key_json, person.keys)),
            }
            for person in found.persons
        ],
    }


def _key_json(key: PersonKey) -> dict[str, Any]:
    return {"key": key.key, "added": key.added, "revoked": key.revoked}


def _number_of(persons: Sequence[Person]) -> str:
    return "1 person" if len(persons) == 1 else f"{len(persons)} people"
