"""Which calls a grant covers, and the scopes that are offered for a call. Pure.

A grant covers a call of its agent's tool if its condition holds, and if no value of the call comes from the result of a tool, unless the
scope pins that value (`args.to == "ann@example.com"`) or names the tool. Where nothing is known of what was said, each text and number must
be pinned. A call that is irreversible is covered only by a grant for exactly this call, once.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.effects import provenance
from hitl_tui.effects.hosts import hosts
from hitl_tui.effects.provenance import Origin
from hitl_tui.errors import BadExpression, Refused
from hitl_tui.model import Facts, Grant, Json, Risk, Scope, digest_of, has_digest
from hitl_tui.model.verdicts import severity
from hitl_tui.policy import expression, globs
from hitl_tui.policy.expression import Binary, Constant, FunctionCall, ListLiteral, Logic, Name, Node, Part
from hitl_tui.policy.expression_eval import Undetermined, evaluate

Outside = Mapping[str, tuple[str, ...]]
"""By argument, the tools whose results hold a value of it that nobody typed."""
LONGEST_VALUE = 200
"""Characters of a text that a scope may pin."""
SHORTEST_PREFIX = 3
_NAME = re.compile(r"[^\W\d]\w*")
_PATH = re.compile(r"(?:\.{0,2}/|~/|[A-Za-z]:\\)?[^\s:]*[/\\][^\s:]*")
_PREFIX = re.compile(r"\w+[^\w\s]*\s?")
_ARGUMENT = re.compile(r"(?P<name>[^=<>]+?)\s*(?P<sign><=|>=|=)\s*(?P<value>.*)", re.DOTALL)


# What a grant covers


class GrantIndex:
    """Grants that may still be used, found by agent, tool and pinned values: most calls are held against few of them."""

    def __init__(self, grants: Iterable[Grant] = ()) -> None:
        self._by_tool: dict[tuple[str, str], _OfTool] = {}
        for grant in grants:
            self._by_tool.setdefault((grant.agent, grant.tool), _OfTool()).add(grant)

    def __bool__(self) -> bool:
        return bool(self._by_tool)

    def knows(self, facts: Facts) -> bool:
        """Whether there is a grant for the call's tool."""
        return (facts.agent, facts.tool) in self._by_tool

    def covering(self, facts: Facts, risk: Risk | None) -> Grant | None:
        """The first grant that covers a call, the narrowest first; None if none does. `risk` is what policy judges it by."""
        of_tool = self._by_tool.get((facts.agent, facts.tool))
        outside = _Remembered(facts)
        for grant in of_tool.candidates(facts) if of_tool else ():
            if not refusal(grant, facts, risk, outside):
                return grant
        return None


class _OfTool:
    """The grants of one agent's tool."""

    def __init__(self) -> None:
        self._exact: dict[str, list[Grant]] = defaultdict(list)
        self._pinned: dict[str, dict[str, list[Grant]]] = defaultdict(lambda: defaultdict(list))
        self._in_domains: dict[str, dict[str, list[Grant]]] = defaultdict(lambda: defaultdict(list))
        self._others: list[Grant] = []

    def add(self, grant: Grant) -> None:
        pins = pinned(grant.scope)
        equal = next(((name, values) for name, values in pins.items() if values), None)
        if grant.scope.digest is not None:
            self._exact[grant.scope.digest].append(grant)
        elif equal:
            name, values = equal
            for value in {_key(value) for value in values}:
                self._pinned[name][value].append(grant)
        elif bounded := in_domain(grant.scope):
            self._in_domains[bounded[0]][bounded[1]].append(grant)
        else:
            self._others.append(grant)

    def candidates(self, facts: Facts) -> Iterator[Grant]:
        if not isinstance(facts.args, dict):
            return
        if self._exact:
            yield from self._exact.get(facts.digest or digest_of(facts.tool, facts.args), ())
        for name, by_value in self._pinned.items():
            if name in facts.args:
                yield from by_value.get(_key(facts.args[name]), ())
        for name, by_domain in self._in_domains.items():
            yield from by_domain.get(_last_host(facts.args.get(name)), ())
        yield from self._others


def _last_host(value: Json) -> str:
    """The host of the last address in a text or a list, roughly: of what a domain holds, all are in it, and the condition is exact."""
    text = value[-1] if isinstance(value, list) and value else value
    if not isinstance(text, str):
        return ""
    _, is_url, rest = text.partition("://")
    return re.split("[/?#:]", rest, maxsplit=1)[0].lower() if is_url else text.rpartition("@")[2].strip(" >").lower()


def _key(value: Json) -> str:
    """A value as it is looked up; one that is a number is the same as another of its size."""
    if isinstance(value, str):
        return f'"{value}'
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return canonical_json.canonical(value)


class _Remembered:
    """`outside_of` a call, looked for once and only if it is asked for."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._found: list[Outside | None] = []

    def __call__(self) -> Outside | None:
        if not self._found:
            self._found.append(outside_of(self._facts))
        return self._found[0]


NO_GRANTS = GrantIndex()


def refusal(grant: Grant, facts: Facts, risk: Risk | None, outside: Callable[[], Outside | None]) -> str:
    """Why a grant does not cover a call of its tool, as a clause; empty if it does. `outside` gives what `outside_of` finds."""
    stated = max((one for one in (risk, grant.risk) if one is not None), key=severity, default=None)
    if stated is None:
        return "nobody has said what the tool can do at worst"
    if stated is Risk.IRREVERSIBLE and not (grant.scope.is_exact and grant.uses == 1):
        return "it is irreversible, and only a grant for exactly this call, once, lets it run"
    return out_of_scope(grant.scope, facts, outside)


def out_of_scope(scope: Scope, facts: Facts, outside: Callable[[], Outside | None]) -> str:
    """Why a call is not in a scope, as a clause; empty if it is."""
    if not isinstance(facts.args, dict):
        return "its arguments are no object"
    if scope.digest is not None:
        return "" if has_digest(scope.digest, facts.tool, facts.args) else "it is another call"
    if scope.condition:
        found = evaluate(_parsed(scope.condition)[0], facts)
        if found is not True:
            return f"{scope.condition} " + (f"cannot be told: {found.why}" if isinstance(found, Undetermined) else "does not hold")
    free = [name for name in facts.args if name not in pinned(scope)]
    if not free:
        return ""
    traced = outside()
    if traced is None:
        unknown = [name for name in free if _has_values(facts.args[name])]
        return f"where {unknown[0]} comes from is not known" if unknown else ""
    for name in free:
        tools = traced.get(name, ())
        if tools and not any(globs.matches(scope.sources.get(name, ""), tool) for tool in tools):
            return f"{name} comes from a result of {tools[0]}"
    return ""


def outside_of(facts: Facts) -> Outside | None:
    """Where a call's values come from, as far as that is the results of tools; None if nothing is known of what was said."""
    if facts.conversation is None:
        return None
    found = dict[str, tuple[str, ...]]()
    for one in provenance.of_call(facts.args, facts.conversation, facts.launch_input):
        if one.origin is Origin.TOOL or (one.origin is Origin.COMPUTED and one.tool):
            name = _argument_of(one.path, facts.args)
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *(one.tools or (one.tool,)))))
    return found


def _argument_of(path: str, args: Json) -> str:
    """The argument that a place like `items[0].name` is in."""
    names = args if isinstance(args, dict) else {}
    return max((name for name in names if path == name or path.startswith((f"{name}.", f"{name}["))), key=len, default=path)


def _has_values(value: Json) -> bool:
    if isinstance(value, dict):
        return any(map(_has_values, value.values()))
    if isinstance(value, list):
        return any(map(_has_values, value))
    return value is not None and not isinstance(value, bool)


def pinned(scope: Scope) -> dict[str, tuple[Json, ...]]:
    """The arguments that a scope's condition holds to certain values, with these values."""
    return _parsed(scope.condition)[1] if scope.condition else {}


@functools.lru_cache(maxsize=4096)
def _parsed(condition: str) -> tuple[expression.Expression, dict[str, tuple[Json, ...]]]:
    """A stored condition, and what it pins: grants are read again for each pause."""
    found = expression.parse(condition)
    return found, _pins(found.tree)


def in_domain(scope: Scope) -> tuple[str, str] | None:
    """An argument that a scope's condition holds to one domain without wildcards, and that domain; None if it does with none."""
    tree = _parsed(scope.condition)[0].tree if scope.condition else None
    for node in tree.operands if isinstance(tree, Logic) and tree.word == "and" else [tree]:
        if isinstance(node, Binary) and node.sign == "in" and isinstance(node.right, FunctionCall) and node.right.function == "domain":
            argument, domain = node.left, node.right.argument
            is_named = isinstance(domain, Constant) and isinstance(domain.value, str) and not domain.value.startswith("*")
            if is_named and isinstance(argument, Part) and argument.whole == Name("args") and isinstance(domain, Constant):
                return str(argument.key), str(domain.value).lower()
    return None


def _pins(node: Node) -> dict[str, tuple[Json, ...]]:
    if isinstance(node, Logic) and node.word == "and":
        return {name: values for operand in node.operands for name, values in _pins(operand).items()}
    if not isinstance(node, Binary) or not (isinstance(node.left, Part) and node.left.whole == Name("args")):
        return {}
    name, right = str(node.left.key), node.right
    if node.sign == "==" and isinstance(right, Constant):
        return {name: (right.value,)}
    if isinstance(right, ListLiteral) and all(isinstance(item, Constant) for item in right.items):
        values = tuple(item.value for item in right.items if isinstance(item, Constant))
        return {name: (list(values),)} if node.sign == "==" else {name: values} if node.sign == "in" and values else {}
    return {}


# Scopes that are offered


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
        if name in pinned(grant.scope) or not _has_values(args[name]):
            continue
        place, tools = place_of(name), grant.scope.sources.get(name)
        inside = f"not from_tool({place})"
        parts.append(f"({inside} or from_tool({place}, {quoted(tools)}))" if tools else inside)
    return " and ".join(parts)
