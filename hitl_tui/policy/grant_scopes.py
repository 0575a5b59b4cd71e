"""Scopes of grants as people choose and write them: bounds of a call's arguments, as conditions of the policy language. Pure.

`policy.grants` says which calls such a scope covers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.effects.hosts import hosts
from hitl_tui.errors import BadExpression, Refused
from hitl_tui.model import Grant, Json, Scope
from hitl_tui.policy import expression, globs
from hitl_tui.policy.grants import has_values, pinned

LONGEST_VALUE = 200
"""Characters of a text that a scope may pin."""
SHORTEST_PREFIX = 3
_NAME = re.compile(r"[^\W\d]\w*")
_PATH = re.compile(r"(?:\.{0,2}/|~/|[A-Za-z]:\\)?[^\s:]*[/\\][^\s:]*")
_PREFIX = re.compile(r"\w+[^\w\s]*\s?")
_ARGUMENT = re.compile(r"(?P<name>[^=<>]+?)\s*(?P<sign><=|>=|=)\s*(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Bound:
    """One way to bound an argument, from the value that it has in the call."""

    told: str
    """For people: `ann@example.com`, `in example.com`, `below /srv/reports/`, `at most 100`."""
    condition: str


def bounds_of(name: str, value: Json) -> tuple[Bound, ...]:
    """The bounds that are offered for an argument, narrowest first; none for a value that a condition cannot name."""
    place = place_of(name)
    if isinstance(value, bool) or value is None:
        return (Bound(f"= {canonical_json.dumps(value)}", f"{place} == {canonical_json.dumps(value)}"),)
    if isinstance(value, int | float):
        return tuple(_numbers(place, value))
    if isinstance(value, str):
        return tuple(_texts(place, value))
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        whole = f"[{', '.join(map(quoted, value))}]"
        exact = [Bound(f"= {whole}", f"{place} == {whole}")] if len(whole) <= LONGEST_VALUE else []
        return (*exact, *_domains(place, value))
    return ()


def _numbers(place: str, value: float) -> Iterator[Bound]:
    if value < 0 or not canonical_json.dumps(value).replace(".", "").isdigit():
        return  # the language has no exponents, and a bound from above would let any negative number through
    text = canonical_json.dumps(value)
    yield Bound(f"= {text}", f"{place} == {text}")
    most = _rounded_up(value)
    yield Bound(f"at most {most}", f"{place} <= {most} and {place} >= 0")


def _rounded_up(value: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50 …"""
    size = 1
    while True:
        for step in (1, 2, 5):
            if value <= step * size:
                return step * size
        size *= 10


def _texts(place: str, value: str) -> Iterator[Bound]:
    if 0 < len(value) <= LONGEST_VALUE:
        yield Bound(f"= {canonical_json.one_line(value, 60)}", f"{place} == {quoted(value)}")
    domains = list(_domains(place, [value]))
    yield from domains
    folder = value[: max(value.rfind("/"), value.rfind("\\")) + 1] if not domains and _PATH.fullmatch(value) else ""
    if len(folder) > 1 and ".." not in folder:
        yield Bound(f"below {folder}", f'{place} startswith {quoted(folder)} and {place} not contains ".."')
    prefix = _PREFIX.match(value)
    if prefix and not domains and not folder and SHORTEST_PREFIX <= len(prefix[0]) < len(value):
        yield Bound(f"begins with {canonical_json.one_line(prefix[0], 40)}", f"{place} startswith {quoted(prefix[0])}")


def _domains(place: str, texts: list[str]) -> Iterator[Bound]:
    """The domain of addresses or of a URL, if all of them are in the same."""
    if not all("@" in text or "://" in text for text in texts):
        return
    found = {host.lower() for text in texts for host in (hosts(text) or ("",))}
    if len(found) == 1 and (host := found.pop()) and '"' not in host:
        yield Bound(f"in {host}", f"{place} in domain({quoted(host)})")


def place_of(name: str) -> str:
    """An argument as conditions write it."""
    return f"args.{name}" if _NAME.fullmatch(name) else f"args[{quoted(name)}]"


def quoted(text: str) -> str:
    """A text as conditions write it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def condition_of(text: str, args: Json) -> str:
    """The condition of `--arg`: `to=*@example.com`, `amount<=100`, `folder=inbox`.

    Args:
        text: the option's value.
        args: arguments of the call, whose values say what kind a value is of.

    Raises:
        Refused: it is none, or the call has no such argument.
    """
    found = _ARGUMENT.fullmatch(text.strip())
    if not found:
        raise Refused(f"{text!r} is not an argument with a value", "write it like to=*@example.com, folder=inbox or amount<=100")
    name, sign, wanted = found["name"], found["sign"], found["value"]
    if not isinstance(args, dict) or name not in args:
        known = ", ".join(args) if isinstance(args, dict) else "none"
        raise Refused(f"the call has no argument {name!r}", f"it has: {known}")
    place, value = place_of(name), args[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if sign != "=" or is_number or isinstance(value, bool):
        if not re.fullmatch(r"[0-9]+(?:\.[0-9]+)?" if is_number else "true|false", wanted):
            raise Refused(
                f"{wanted!r} is no value that {name} can be held against", f"it is {canonical_json.one_line(value, 60)} in the call"
            )
        bound = f"{place} {sign if sign != '=' else '=='} {wanted}"
        return f"{bound} and {place} >= 0" if sign == "<=" else bound
    if wanted.startswith("*@") and globs.is_plain(wanted[2:]) and len(hosts(wanted[2:])) == 1:
        return f"{place} in domain({quoted(wanted[2:].lower())})"
    if isinstance(value, list):
        raise Refused(f"{name} is a list", f"bound it by a domain: --arg '{name}=*@example.com'")
    return f"{place} == {quoted(wanted)}" if globs.is_plain(wanted) else f"{place} matches {quoted(wanted)}"


def check(scope: Scope) -> None:
    """Refuse a scope that no grant can have.

    Raises:
        Refused: its condition cannot be read, or reads nothing of the call.
    """
    if not scope.condition:
        return
    try:
        parsed = expression.parse(scope.condition)
    except BadExpression as error:
        raise Refused(f"the scope cannot be read: {error.happened}", error.todo or "see docs/grants.md") from None
    if parsed.constant:
        raise Refused(f"the scope {scope.condition} reads nothing of the call", "name an argument: args.to == …")


def as_rule(grant: Grant, args: Json) -> str:
    """What a grant covers as a condition of a rule, with where its values may come from; empty for a call without arguments.

    `args` are those of the call that it was made from.
    """
    parts = [grant.scope.condition] if grant.scope.condition else []
    for name in args if isinstance(args, dict) else ():
        if name in pinned(grant.scope) or not has_values(args[name]):
            continue
        place, tools = place_of(name), grant.scope.sources.get(name)
        inside = f"not from_tool({place})"
        parts.append(f"({inside} or from_tool({place}, {quoted(tools)}))" if tools else inside)
    return " and ".join(parts)
