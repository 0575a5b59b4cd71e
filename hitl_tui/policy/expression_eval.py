"""Evaluates a parsed `when` condition on the facts of one action: true, false, or undetermined with the reason.

Values are not converted: text is not a number, 1 is not true. Comparing a fact that is missing or of another type is undetermined.
`and`, `or` and `not` use three-valued logic: `false and undetermined` is false, `true and undetermined` is undetermined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.effects import provenance, shell, sql
from hitl_tui.effects.hosts import Domain, hosts
from hitl_tui.effects.provenance import Origin, Provenance, Sources
from hitl_tui.look_alikes import skeleton
from hitl_tui.model import Facts, Json
from hitl_tui.policy import globs
from hitl_tui.policy.expression import (
    ITEMS,
    NAMES,
    ORIGINS,
    Binary,
    Constant,
    Expression,
    Field,
    FunctionCall,
    ListLiteral,
    Logic,
    Name,
    Node,
    Part,
    Quantified,
    Unary,
)

WORK = 1_000_000
"""Most characters and items that one evaluation may read."""
SHORT = 60
"""Characters of a value in `values_read`."""
UNKNOWN = {"repeated": "what was said before is not known"}
"""Why a fact is unknown, where that is not its name."""
BITS = 1024
"""Most bits of a whole number in arithmetic."""


@dataclass(frozen=True, slots=True)
class Undetermined:
    """A condition or value that cannot be determined, and why, as a clause."""

    why: str


class LookAlike(Undetermined):
    """Two texts differ and look the same: no rule can say that one is not the other, and none that it is."""


def evaluate(expression: Expression, facts: Facts) -> bool | Undetermined:
    """Whether the condition is true for the action. Never raises, and does bounded work for any arguments."""
    try:
        found = _Evaluator(facts).value(expression.tree)
    except _Stop as stop:
        return Undetermined(str(stop))
    if isinstance(found, bool | Undetermined):
        return found
    return Undetermined(f"the condition is {_kind(found)} and not true or false")


def warm_up(expression: Expression) -> None:
    """Import the parsers that a condition needs, which takes a fraction of a second: not for an event loop."""
    functions = {node.function for node in nodes(expression.tree) if isinstance(node, FunctionCall)}
    if "commands" in functions:
        shell.parse("true")
    if "statements" in functions:
        sql.parse("select 1")


def values_read(expression: Expression, facts: Facts) -> list[tuple[str, str]]:
    """Each fact that the condition reads, as `(path, value)` texts for people: `("args.amount", "500")`. Long values are cut."""
    evaluator = _Evaluator(facts)
    found: dict[str, str] = {}
    for node in _reads(expression.tree):
        try:
            value = evaluator.value(node)
        except _Stop:
            break
        if isinstance(node, FunctionCall) and isinstance(value, list):
            text = "; ".join(item["text"] for item in value)
            found.setdefault(path_of(node), text if len(text) <= SHORT else text[: SHORT - 1] + "…")
        elif not isinstance(node, FunctionCall) or isinstance(value, bool):
            found.setdefault(path_of(node), "missing" if isinstance(value, Undetermined) else _short(value))
    return list(found.items())


def _reads(node: Node) -> Iterator[Name | Part | FunctionCall]:
    if isinstance(node, Name):
        yield node
    elif isinstance(node, FunctionCall) and node.function in (*ITEMS, *ORIGINS):
        yield from _reads(node.argument)
        yield node
    elif isinstance(node, Part):
        yield from (node,) if path_of(node).startswith(tuple(NAMES)) else _reads(node.whole)
    else:
        for part in _children(node):
            yield from _reads(part)


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Logic):
        return node.operands
    if isinstance(node, Binary):
        return node.left, node.right
    if isinstance(node, ListLiteral):
        return node.items
    if isinstance(node, Unary):
        return (node.operand,)
    if isinstance(node, Quantified):
        return node.items, node.condition
    return (node.argument,) if isinstance(node, FunctionCall) else ()


def nodes(node: Node) -> Iterator[Node]:
    """A node and everything below it."""
    yield node
    for part in _children(node):
        yield from nodes(part)


def _short(value: Any) -> str:
    text = canonical_json.dumps(value[:SHORT] if isinstance(value, str) else value)
    return text if len(text) <= SHORT else text[: SHORT - 1] + "…"


class _Stop(Exception):
    """The evaluation cannot go on. The message says why, as a clause."""


class _Evaluator:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._left = WORK
        self._sources: Sources | None = None
        self._items: list[Mapping[str, Any]] = []
        """The item that each `all` or `any` looks at, the innermost last."""

    def _spend(self, amount: int) -> None:
        self._left -= amount + 1
        if self._left < 0:
            raise _Stop("it would take too long: the arguments are too large for it")

    def value(self, node: Node) -> Any:
        """The value of a node, or `Undetermined`."""
        self._spend(1)
        if isinstance(node, Constant):
            return node.value
        if isinstance(node, Name | Part):
            return self._fact(node)
        if isinstance(node, Logic):
            return self._logic(node)
        if isinstance(node, Binary):
            left, right = self.value(node.left), self.value(node.right)
            return next((side for side in (left, right) if isinstance(side, Undetermined)), None) or self._binary(node.sign, left, right)
        if isinstance(node, Unary):
            return self._unary(node)
        if isinstance(node, Field):
            return self._items[-1][node.name]
        if isinstance(node, Quantified):
            return self._quantified(node)
        if isinstance(node, ListLiteral):
            items = [self.value(item) for item in node.items]
            return next((item for item in items if isinstance(item, Undetermined)), items)
        return self._call(node)

    def _fact(self, node: Name | Part) -> Any:
        if isinstance(node, Name):
            found = NAMES[node.name](self._facts)
            return (
                Undetermined(UNKNOWN.get(node.name, f"its {node.name} is unknown"))
                if found is None and node.name != "args"
                else _fact_value(found)
            )
        whole = self.value(node.whole)
        if isinstance(whole, Undetermined):
            return whole
        if isinstance(whole, Mapping) and isinstance(node.key, str):
            return whole[node.key] if node.key in whole else Undetermined(f"there is no {path_of(node)}")
        if isinstance(whole, list) and isinstance(node.key, int):
            return whole[node.key] if node.key < len(whole) else Undetermined(f"there is no {path_of(node)}")
        return Undetermined(f"there is no {path_of(node)}: {path_of(node.whole)} is {_kind(whole)}")

    def _logic(self, node: Logic) -> Any:
        deciding = node.word == "or"
        doubt: Undetermined | None = None
        for operand in node.operands:
            found = self.value(operand)
            if isinstance(found, bool):
                if found is deciding:
                    return found
            elif doubt is None:
                doubt = found if isinstance(found, Undetermined) else Undetermined(f"{node.word} is applied to {_kind(found)}")
        return doubt or not deciding

    def _quantified(self, node: Quantified) -> Any:
        items = self.value(node.items)
        if isinstance(items, Undetermined):
            return items
        if not items:
            return Undetermined(f"there is nothing in {path_of(node.items)}")
        deciding, doubt = node.word == "any", None
        for item in items:
            self._items.append(item)
            found = self.value(node.condition)
            self._items.pop()
            if found is deciding:
                return found
            if not isinstance(found, bool) and doubt is None:
                doubt = found if isinstance(found, Undetermined) else Undetermined(f"{node.word} is applied to {_kind(found)}")
        return doubt or not deciding

    def _unary(self, node: Unary) -> Any:
        found = self.value(node.operand)
        if isinstance(found, Undetermined):
            return found
        if node.sign == "not":
            return not found if isinstance(found, bool) else Undetermined(f"not is applied to {_kind(found)}")
        return -found if _is_number(found) else Undetermined(f"- is applied to {_kind(found)}")

    def _call(self, node: FunctionCall) -> Any:
        found = self.value(node.argument)
        if node.function == "known":
            return not isinstance(found, Undetermined) and found is not None
        if isinstance(found, Undetermined):
            return found
        if node.function in ORIGINS:
            return self._comes_from(node, found)
        if node.function == "domain":
            return Domain(found)
        if node.function == "commands":
            return self._commands(found)
        if node.function == "statements":
            return self._statements(found)
        if node.function == "len":
            return len(found) if isinstance(found, str | list | Mapping) else Undetermined(f"len() of {_kind(found)}")
        if not isinstance(found, str):
            return Undetermined(f"{node.function}() of {_kind(found)}")
        self._spend(len(found))
        return found.lower() if node.function == "lower" else found.upper()

    def _commands(self, found: Any) -> list[Mapping[str, Any]] | Undetermined:
        """The commands of a script, or of a list that is a program and its arguments."""
        if not isinstance(found, str) and not (isinstance(found, list) and all(isinstance(word, str) for word in found)):
            return Undetermined(f"commands() of {_kind(found)}")
        self._spend(8 * (len(found) if isinstance(found, str) else sum(map(len, found))))
        script = shell.parse(found) if isinstance(found, str) else shell.parse_words(tuple(found))
        if script.problem:
            return Undetermined(f"the command cannot be split: {script.problem}")
        self._spend(20 * len(script.commands))
        return [_command_fields(command) for command in script.commands]

    def _comes_from(self, node: FunctionCall, found: Any) -> bool | Undetermined:
        """Whether a value comes from somewhere; of a list, whether one does from nowhere or a tool, and all do from elsewhere."""
        if self._facts.conversation is None:
            return Undetermined(UNKNOWN["repeated"])
        if self._sources is None:
            self._sources = provenance.sources(self._facts.conversation, self._facts.launch_input)
        self._spend(sum(len(source.text) for source in self._sources.all) // 50)
        values = found if isinstance(found, list) else [found]
        traced = [provenance.trace_value(value, self._sources) for value in values]
        if not traced or any(one is None for one in traced):
            return Undetermined(f"where {_kind(found)} comes from cannot be told")
        hits = [_is_from(node, one) for one in traced if one is not None]
        return any(hits) if node.function in ("from_tool", "from_nowhere") else all(hits)

    def _statements(self, found: Any) -> list[Mapping[str, Any]] | Undetermined:
        """The statements of a text of SQL."""
        if not isinstance(found, str):
            return Undetermined(f"statements() of {_kind(found)}")
        self._spend(20 * len(found))
        parsed = sql.parse(found)
        if parsed.problem:
            return Undetermined(f"the SQL cannot be split: {parsed.problem}")
        return [
            {
                "kind": one.kind if one.kind != "other" else Undetermined("the kind of a statement is not known"),
                "tables": list(one.tables),
                "where": one.where,
                "writes": Undetermined("whether a statement writes is not known") if one.writes is None else one.writes,
                "text": one.text,
            }
            for one in parsed.statements
        ]

    def _binary(self, sign: str, left: Any, right: Any) -> Any:
        if sign in _ARITHMETIC:
            return _calculate(sign, left, right)
        if sign in ("==", "!="):
            same = self._same(left, right)
            return same if isinstance(same, Undetermined) else same is (sign == "==")
        if sign in _ORDER:
            return _compare_order(sign, left, right)
        if sign == "in":
            return self._in(left, right)
        if sign == "contains" and isinstance(left, list | Mapping):
            return self._in(right, left)
        return self._text(sign, left, right)

    def _text(self, sign: str, left: Any, right: Any) -> Any:
        if not isinstance(left, str) or not isinstance(right, str):
            return Undetermined(f"{sign} compares {_kind(left)} with {_kind(right)}")
        self._spend(2 * (len(left) + len(right)))
        if sign == "matches":
            self._spend(2 * len(left) * len(right) if "?" in right else len(left))
        found = _TEXT[sign](left, right)
        return found or (_looks_alike(right) if _TEXT[sign](skeleton(left), skeleton(right)) else False)

    def _same(self, left: Any, right: Any) -> bool | Undetermined:
        if left is None or right is None:
            return left is right
        if _is_number(left) and _is_number(right):
            return bool(left == right)
        if _kind(left) != _kind(right) or isinstance(left, Domain):
            return Undetermined(f"it compares {_kind(left)} with {_kind(right)}")
        if isinstance(left, list | Mapping):
            try:
                left, right = self._canonical(left), self._canonical(right)
            except (ValueError, TypeError, RecursionError):
                return Undetermined("a value it compares is not plain JSON")
        if left == right or not isinstance(left, str):
            return bool(left == right)
        self._spend(len(left) + len(right))
        return _looks_alike(right) if skeleton(left) == skeleton(right) else False

    def _canonical(self, value: Json) -> str:
        """The text by which nested values are compared, in which 1 is not true."""
        self._weigh(value)
        return canonical_json.canonical(value)

    def _weigh(self, value: Json) -> None:
        waiting = [value]
        while waiting:
            one = waiting.pop()
            self._spend(len(one) if isinstance(one, str | list | Mapping) else 1)
            waiting += one if isinstance(one, list) else [*one.keys(), *one.values()] if isinstance(one, Mapping) else ()

    def _in(self, left: Any, right: Any) -> bool | Undetermined:
        if isinstance(right, Domain):
            return self._in_domain(left, right)
        if isinstance(right, Mapping):
            if not isinstance(left, str):
                return Undetermined(f"the keys of an object are text, not {_kind(left)}")
            return left in right or self._in(left, list(right))
        if not isinstance(right, list):
            return Undetermined(f"in takes a list, not {_kind(right)}" + ("; contains takes a text" if isinstance(right, str) else ""))
        found = []
        for item in right:
            found.append(self._same(left, item))
            if found[-1] is True:
                return True
            self._spend(len(item) if isinstance(item, str) else 1)
        alike = next((one for one in found if isinstance(one, LookAlike)), None)
        return alike or (found[0] if found and all(isinstance(one, Undetermined) for one in found) else False)

    def _in_domain(self, left: Any, domain: Domain) -> bool | Undetermined:
        texts = left if isinstance(left, list) else [left]
        if not texts:
            return Undetermined("there is no address in an empty list")
        for text in texts:
            if not isinstance(text, str):
                return Undetermined(f"{_kind(text)} is not an address")
            self._spend(len(text))
            named = hosts(text)
            if not named:
                return Undetermined("a text is not a valid address")
            if not all(domain.contains(host) for host in named):
                alike = all(domain.contains(host) or domain.looks_like(host) for host in named)
                return _looks_alike(domain.name) if alike else False
        return True


def _is_from(node: FunctionCall, one: Provenance) -> bool:
    if node.function == "from_tool":
        named = (*one.tools, one.tool) if one.origin is Origin.COMPUTED else one.tools
        is_trusted = one.origin in (Origin.USER, Origin.INPUT)
        return not is_trusted and any(globs.matches(node.tools, tool) for tool in named if tool)
    return f"from_{one.origin}" == node.function


def _command_fields(command: shell.Command) -> Mapping[str, Any]:
    """The fields of a command as `ITEMS` names them; what is not known of it is undetermined."""

    def known(value: bool | None, does: str) -> bool | Undetermined:
        return Undetermined(f"whether {canonical_json.one_line(command.program, SHORT)} {does} is not known") if value is None else value

    def texts(values: Sequence[str | None], what: str) -> list[str] | Undetermined:
        found = [value for value in values if value is not None]
        return found if len(found) == len(values) else Undetermined(f"{what} are known only when it runs")

    effects = command.effects
    hosts = list(effects.hosts)
    return {
        "program": command.program,
        "arguments": texts(command.arguments, "its arguments"),
        "writes": known(effects.writes, "writes"),
        "deletes": known(effects.deletes, "deletes"),
        "network": known(effects.network, "uses the network"),
        "hosts": hosts if effects.network is False or (hosts and "?" not in hosts) else Undetermined("its hosts are not known"),
        "written": texts([None if name == "?" else name for name in command.written], "the files it writes"),
        "under": list(command.under),
        "text": command.text,
    }


def _fact_value(found: Any) -> Any:
    """A fact as a value of the language: enumerations are text, NaN and infinity are undetermined."""
    if isinstance(found, float) and not math.isfinite(found):
        return Undetermined("it is not a finite number")
    return str(found) if isinstance(found, str) else found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, Domain):
        return "a domain"
    for kinds, name in ((bool, "true or false"), (int | float, "a number"), (str, "a text"), (list, "a list")):
        if isinstance(value, kinds):
            return name
    return "an object"


def path_of(node: Node) -> str:
    """A fact as the language writes it: `args.items[0]`."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, FunctionCall):
        return f"{node.function}({path_of(node.argument)})"
    if isinstance(node, Field):
        return node.name
    if not isinstance(node, Part):
        return "the value before it"
    return f"{path_of(node.whole)}[{node.key}]" if isinstance(node.key, int) else f"{path_of(node.whole)}.{node.key}"


def _looks_alike(text: str) -> LookAlike:
    return LookAlike(f"a text only looks like {canonical_json.one_line(text, SHORT)}: a character in one of them is another")


_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "matches": lambda text, glob: globs.matches(glob, text),
    "contains": lambda text, part: part in text,
    "startswith": lambda text, part: text.startswith(part),
    "endswith": lambda text, part: text.endswith(part),
}
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_ARITHMETIC: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "%": lambda a, b: a % b,
}


def _compare_order(sign: str, left: Any, right: Any) -> bool | Undetermined:
    if not (_is_number(left) and _is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
        return Undetermined(f"{sign} compares {_kind(left)} with {_kind(right)}")
    if left != left or right != right:
        return Undetermined(f"{sign} compares NaN, which is not a number")
    return _ORDER[sign](left, right)


def _calculate(sign: str, left: Any, right: Any) -> Any:
    if not _is_number(left) or not _is_number(right):
        return Undetermined(f"{sign} is between {_kind(left)} and {_kind(right)}")
    if any(isinstance(side, int) and side.bit_length() > BITS for side in (left, right)):
        return Undetermined("a number is too large to calculate with")
    try:
        found = _ARITHMETIC[sign](left, right)
    except ZeroDivisionError:
        return Undetermined("it divides by zero")
    except OverflowError:
        return Undetermined("a number is too large to calculate with")
    return found if isinstance(found, int) or math.isfinite(found) else Undetermined("a number is too large to calculate with")
