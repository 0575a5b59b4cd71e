"""Which calls a grant covers: the one place that every judging asks. Pure.

A grant covers a call of its agent's tool if its condition holds, and if no value of the call comes from the result of a tool, unless the
scope pins that value (`args.to == "ann@example.com"`) or names the tool. Where nothing is known of what was said, each text and number must
be pinned. A call that is irreversible is covered only by a grant for exactly this call, once.
"""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from hitl_tui import canonical_json
from hitl_tui.effects import provenance
from hitl_tui.effects.provenance import Origin
from hitl_tui.model import Facts, Grant, Json, Risk, Scope, digest_of, has_digest
from hitl_tui.model.verdicts import severity
from hitl_tui.policy import expression, globs
from hitl_tui.policy.expression import Binary, Constant, FunctionCall, ListLiteral, Logic, Name, Node, Part
from hitl_tui.policy.expression_eval import Undetermined, evaluate

Outside = Mapping[str, tuple[str, ...]]
"""By argument, the tools whose results hold a value of it that nobody typed."""


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

    def counts(self, grant: Grant) -> bool:
        """Whether a grant counts now."""
        return True

    def covering(self, facts: Facts, risk: Risk | None) -> Grant | None:
        """The first grant that covers a call, the narrowest first; None if none does. `risk` is what policy judges it by."""
        of_tool = self._by_tool.get((facts.agent, facts.tool))
        outside = _Remembered(facts)
        for grant in of_tool.candidates(facts) if of_tool else ():
            if self.counts(grant) and not refusal(grant, facts, risk, outside):
                return grant
        return None


class PastGrants(GrantIndex):
    """All grants of a home for a replay. Each counts while it was in force, and for as many calls as it has uses."""

    def __init__(self, grants: Iterable[Grant], taken: Mapping[int, int]) -> None:
        """`taken`: by grant, the uses that were taken before the first call of the replay."""
        super().__init__(grants)
        self._taken = Counter(taken)
        self._run, self._at = 0, 0.0

    def move_to(self, run: int, at: float) -> None:
        """Count from now on the grants that were in force for a run at that Unix time."""
        self._run, self._at = run, at

    def take(self, grant: int) -> None:
        """Take one use of a grant."""
        self._taken[grant] += 1

    def counts(self, grant: Grant) -> bool:
        ends = grant.expires_at if grant.revoked_at is None else min(grant.expires_at, grant.revoked_at)
        return grant.at <= self._at < ends and grant.run in (None, self._run) and self._taken[grant.id] < grant.uses


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
        unknown = [name for name in free if has_values(facts.args[name])]
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


def has_values(value: Json) -> bool:
    """Whether a value holds a text or a number, of which it can be asked where it comes from."""
    if isinstance(value, dict):
        return any(map(has_values, value.values()))
    if isinstance(value, list):
        return any(map(has_values, value))
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
