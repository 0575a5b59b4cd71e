"""Parses a rule's `when` condition: to add a name, add it to `NAMES` here; a function, to `FUNCTIONS` here and in `expression_eval.py`.

    args.amount > 500 and args.to not in domain("example.com")

Operators, loosest first: `or`; `and`; `not`; `== != < <= > >= in, not in, contains, startswith, endswith, matches`; `+ -`; `* / %`; `-`.
`x matches "glob"` knows `*` and `?`. Values: numbers, "text" or 'text', true, false, null, [lists], and the names in `NAMES`.
Functions: those in `FUNCTIONS`. `all(commands(args.cmd), program == "ls" and not writes)` and `any(…)` hold a condition against each item
of a list that one of `ITEMS` makes; in it, the names of an item come before those in `NAMES`. `expression_eval` evaluates the tree.

A name that reads something new needs it in `Facts` of `model/verdicts.py`, filled in by `policy/facts.py`. A function is evaluated in
`policy/expression_eval.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hitl_tui.errors import BadExpression
from hitl_tui.model import Facts, graph_of
from hitl_tui.suggest import did_you_mean

LENGTH = 2000
"""Most characters of an expression."""
DEPTH = 25
"""Most levels of its tree."""
NAMES: Mapping[str, Callable[[Facts], Any]] = {
    "args": lambda facts: facts.args,
    "agent": lambda facts: graph_of(facts.agent),
    "tool": lambda facts: facts.tool,
    "kind": lambda facts: facts.kind,
    "confidence": lambda facts: facts.confidence,
    "risk": lambda facts: facts.risk,
    "tags": lambda facts: list(facts.tags),
    "age": lambda facts: facts.age_s,
    "repeated": lambda facts: facts.is_repeated,
}
"""Each name of a condition, and what it reads of an action; None if that is unknown."""
ITEMS: Mapping[str, tuple[str, ...]] = {
    "commands": ("program", "arguments", "writes", "deletes", "network", "hosts", "written", "under", "text"),
    "statements": ("kind", "tables", "where", "writes", "text"),
}
"""Functions that split an argument, and the names of each item's fields."""
ORIGINS = ("from_user", "from_input", "from_tool", "from_prompt", "from_nowhere")
"""Functions that say where a value comes from; `from_tool` also takes a glob of tool names."""
FUNCTIONS = ("len", "lower", "upper", "domain", "known", *ORIGINS, *ITEMS)
QUANTIFIERS = ("all", "any")
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in", "contains", "startswith", "endswith", "matches")
_CONSTANTS = {"true": True, "false": False, "null": None}
_WORDS = {"and", "or", "not", *_CONSTANTS, *COMPARISONS[6:]}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<word>[^\W\d]\w*)|(?P<text>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<sign>==|!=|<=|>=|[-+*/%<>()\[\],.]))",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal value."""

    value: str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """One of `NAMES`."""

    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """A field of an object, or an item of a list: `whole.key` or `whole[key]`."""

    whole: Node
    key: str | int


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """A list: `[item, item]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A call of a function, all of which have one argument."""

    function: str
    argument: Node
    tools: str = ""
    """The second argument of `from_tool`."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the item that a `Quantified` looks at."""

    name: str


@dataclass(frozen=True, slots=True)
class Quantified:
    """`all` or `any` over the items of a list: whether the condition holds for each, or for one of them."""

    word: str
    items: FunctionCall
    condition: Node


@dataclass(frozen=True, slots=True)
class Unary:
    """`not` or `-`."""

    sign: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """A comparison or arithmetic."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` over two or more operands."""

    word: str
    operands: tuple[Node, ...]


Node: TypeAlias = Constant | Name | Part | ListLiteral | FunctionCall | Field | Quantified | Unary | Binary | Logic


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed `when` condition."""

    text: str
    tree: Node
    constant: bool
    """Whether it reads no facts of the action."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Expression:
    """Parse an expression.

    Raises:
        BadExpression: the text has a mistake, whose position the error gives. No text raises anything else.
    """
    if len(text) > LENGTH:
        raise BadExpression(f"it has {len(text):,} characters", f"at most {LENGTH:,} are allowed", LENGTH)
    parser = _ExpressionParser(_tokens(text))
    tree = parser.expression(0)
    if parser.now.kind != "end":
        raise BadExpression(f"{_describe(parser.now)} is not expected here", "join conditions with and, or", parser.now.at)
    return Expression(text, tree, not parser.reads_facts)


def caret(text: str, at: int) -> str:
    """Return the line of the expression that contains position `at`, with a caret under it."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[begin : end if end >= 0 else len(text)]
    left = max(0, at - begin - 60)
    return f"{line[left : left + 100]}\n{' ' * (at - begin - left)}^"


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if not match or not match.lastgroup:
            at += len(text[at:]) - len(text[at:].lstrip())
            problem = "the text that begins here never ends" if text[at] in "\"'" else f"{text[at]!r} is not allowed here"
            hint = "use == to compare" if text[at] == "=" else "use and, or, not" if text[at] in "&|!" else ""
            raise BadExpression(problem, hint, at)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return [*found, _Token("end", "", end)]


def _describe(token: _Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text[:40])


class _ExpressionParser:
    """Recursive descent over the tokens. Each method parses one level of operator precedence; `level` counts the nesting."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth: dict[int, int] = {}
        self._fields: list[tuple[str, ...]] = []
        """Names of the items' fields, of each `all` or `any` that is open."""
        self.reads_facts = False

    @property
    def now(self) -> _Token:
        return self._tokens[self._at]

    def _is(self, *texts: str) -> bool:
        return self.now.kind in ("sign", "word") and self.now.text in texts

    def _take(self) -> _Token:
        token = self.now
        self._at += 1
        return token

    def _expect(self, sign: str) -> None:
        if not self._is(sign):
            raise BadExpression(f"expected {sign!r}, found {_describe(self.now)}", "", self.now.at)
        self._take()

    def _made(self, node: Node, *parts: Node) -> Node:
        """Return the node, unless its tree is too deep: evaluation is recursive."""
        depth = 1 + max((self._depth.get(id(part), 1) for part in parts), default=0)
        if depth > DEPTH:
            raise BadExpression("it is nested too deeply", f"at most {DEPTH} levels are allowed", self.now.at)
        self._depth[id(node)] = depth
        return node

    def expression(self, level: int) -> Node:
        if level > DEPTH:
            raise BadExpression("it is nested too deeply", f"at most {DEPTH} levels are allowed", self.now.at)
        return self._logic("or", level)

    def _logic(self, word: str, level: int) -> Node:
        operands = [self._operand(word, level)]
        while self._is(word):
            self._take()
            operands.append(self._operand(word, level))
        return operands[0] if len(operands) == 1 else self._made(Logic(word, tuple(operands)), *operands)

    def _operand(self, word: str, level: int) -> Node:
        return self._logic("and", level) if word == "or" else self._negation(level)

    def _negation(self, level: int) -> Node:
        if not self._is("not"):
            return self._comparison(level)
        self._take()
        if level > DEPTH:
            raise BadExpression("it is nested too deeply", f"at most {DEPTH} levels are allowed", self.now.at)
        operand = self._negation(level + 1)
        return self._made(Unary("not", operand), operand)

    def _comparison(self, level: int) -> Node:
        left = self._sum(level)
        negated = self._is("not")
        if negated:
            self._take()
            if not self._is(*COMPARISONS[6:]):
                raise BadExpression("expected a comparison after not", "write: x not in …", self.now.at)
        if not self._is(*COMPARISONS):
            return left
        sign = self._take().text
        right = self._sum(level)
        node = self._made(Binary(sign, left, right), left, right)
        if self._is(*COMPARISONS) or self._is("not"):
            raise BadExpression("comparisons cannot be chained", "join two of them with and", self.now.at)
        return self._made(Unary("not", node), node) if negated else node

    def _sum(self, level: int) -> Node:
        left = self._product(level)
        while self._is("+", "-"):
            sign, right = self._take().text, self._product(level)
            left = self._made(Binary(sign, left, right), left, right)
        return left

    def _product(self, level: int) -> Node:
        left = self._minus(level)
        while self._is("*", "/", "%"):
            sign, right = self._take().text, self._minus(level)
            left = self._made(Binary(sign, left, right), left, right)
        return left

    def _minus(self, level: int) -> Node:
        if not self._is("-"):
            return self._parts(level)
        self._take()
        if level > DEPTH:
            raise BadExpression("it is nested too deeply", f"at most {DEPTH} levels are allowed", self.now.at)
        operand = self._minus(level + 1)
        return self._made(Unary("-", operand), operand)

    def _parts(self, level: int) -> Node:
        node = self._value(level)
        while self._is(".", "["):
            dotted = self._take().text == "."
            token = self._take()
            if dotted and token.kind == "word":
                node = self._made(Part(node, token.text), node)
            elif not dotted and token.kind in ("number", "text"):
                node = self._made(Part(node, _index(token)), node)
                self._expect("]")
            else:
                raise BadExpression(f"{_describe(token)} is not a field", 'write args.name, args["name"] or args.items[0]', token.at)
        return node

    def _value(self, level: int) -> Node:
        token = self.now
        if token.kind == "number":
            return self._made(Constant(_number(self._take())))
        if token.kind == "text":
            return self._made(Constant(_text(self._take())))
        if self._is("("):
            self._take()
            node = self.expression(level + 1)
            self._expect(")")
            return node
        if self._is("["):
            return self._items(level)
        if token.kind == "word" and token.text in _CONSTANTS:
            self._take()
            return self._made(Constant(_CONSTANTS[token.text]))
        if token.kind == "word" and token.text not in _WORDS:
            return self._named(level)
        raise BadExpression(f"expected a value, found {_describe(token)}", "", token.at)

    def _items(self, level: int) -> Node:
        self._take()
        items: list[Node] = []
        while not self._is("]"):
            items.append(self.expression(level + 1))
            if not self._is("]"):
                self._expect(",")
        self._take()
        return self._made(ListLiteral(tuple(items)), *items)

    def _named(self, level: int) -> Node:
        token = self._take()
        if not self._is("("):
            fields = self._fields[-1] if self._fields else ()
            if token.text in fields:
                return self._made(Field(token.text))
            if token.text not in NAMES:
                raise BadExpression(f"unknown name {token.text!r}", did_you_mean(token.text, [*fields, *NAMES]), token.at)
            self.reads_facts = True
            return self._made(Name(token.text))
        if token.text in QUANTIFIERS:
            return self._quantified(token, level)
        if token.text not in FUNCTIONS:
            raise BadExpression(f"there is no function {token.text}()", did_you_mean(token.text, [*FUNCTIONS, *QUANTIFIERS]), token.at)
        self._take()
        argument = self.expression(level + 1)
        tools = self._tools(token) if token.text == "from_tool" else ""
        self.reads_facts = self.reads_facts or token.text in ORIGINS
        self._expect(")")
        if token.text == "domain" and not (isinstance(argument, Constant) and isinstance(argument.value, str) and argument.value):
            raise BadExpression("domain() takes one domain as text", 'write domain("example.com")', token.at)
        return self._made(FunctionCall(token.text, argument, tools), argument)

    def _tools(self, token: _Token) -> str:
        """The tools that `from_tool` names, from the comma on; any if it names none."""
        if not self._is(","):
            return "*"
        self._take()
        named = self._take()
        if named.kind != "text":
            raise BadExpression("from_tool() takes the tool's name as text", 'write from_tool(args.to, "read_mail")', token.at)
        return _text(named)

    def _quantified(self, token: _Token, level: int) -> Node:
        """`all(commands(args.cmd), condition)`, from its opening bracket on."""
        self._take()
        items = self.expression(level + 1)
        if not isinstance(items, FunctionCall) or items.function not in ITEMS:
            made_by = " or ".join(f"{function}(…)" for function in ITEMS)
            raise BadExpression(
                f"{token.text}() takes a list that is made by {made_by}", f"write {token.text}(commands(args.cmd), …)", token.at
            )
        self._expect(",")
        self._fields.append(ITEMS[items.function])
        condition = self.expression(level + 1)
        self._fields.pop()
        self._expect(")")
        return self._made(Quantified(token.text, items, condition), items, condition)


def _number(token: _Token) -> int | float:
    if len(token.text) > 30:
        raise BadExpression("the number is too long", "at most 30 digits are allowed", token.at)
    return float(token.text) if "." in token.text else int(token.text)


def _text(token: _Token) -> str:
    def escaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise BadExpression(f"unknown escape \\{match[1]}", "write \\\\ for a backslash", token.at + match.start() + 1)
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", escaped, token.text[1:-1], flags=re.DOTALL)


def _index(token: _Token) -> str | int:
    if token.kind == "text":
        return _text(token)
    number = _number(token)
    if isinstance(number, float):
        raise BadExpression("a list index is a whole number", "the first item has index 0", token.at)
    return number
