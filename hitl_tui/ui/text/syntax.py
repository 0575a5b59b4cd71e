"""Colours texts by the language they are probably written in. It adds styles to a text and never changes a character of it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pkgutil import resolve_name
from typing import Protocol

from hitl_tui.sanitize import visible_line

Span = tuple[int, int, str]
"""From, to, style."""

SUFFIXES = {
    ".sql": {"sql"},
    ".sh": {"command", "cmd", "script", "shell", "bash", "sh"},
    ".py": {"code", "python"},
    ".html": {"html"},
    ".yaml": {"yaml", "yml"},
    ".diff": {"diff", "patch"},
}
"""Suffix of a file by the words in the name of what it holds."""
SQL = re.compile(
    r"\s*(select\b.+\bfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|with\s+\w+\s+as|(create|alter|drop)\s+(table|view|index))\b",
    re.I | re.S,
)
DIFF = re.compile(r"diff --git |--- [^\n]+\n\+\+\+ ")
LEXERS = {
    ".sql": "pygments.lexers.sql:SqlLexer",
    ".sh": "pygments.lexers.shell:BashLexer",
    ".py": "pygments.lexers.python:PythonLexer",
    ".yaml": "pygments.lexers.data:YamlLexer",
    ".diff": "pygments.lexers.diff:DiffLexer",
}
"""Suffix → the lexer that comes with Textual. They are imported when the first such text is shown."""
STYLES = (
    ("Comment", "comment"),
    ("Keyword", "literal"),
    ("Operator.Word", "literal"),
    ("Literal.String", "string"),
    ("Literal.Number", "number"),
    ("Name.Builtin", "key"),
    ("Name.Function", "key"),
    ("Name.Variable", "key"),
    ("Name.Tag", "key"),
    ("Name.Attribute", "key"),
    ("Generic.Inserted", "added"),
    ("Generic.Deleted", "removed"),
    ("Generic.Heading", "title"),
    ("Generic.Subheading", "accent"),
)
"""Token type of Pygments → style; the first that fits."""
MARKDOWN = re.compile(
    r"(?P<title>^#{1,6} .*)|(?P<muted>^ {0,3}>.*)|(?P<accent>^ *(?:[-*+]|\d{1,3}[.)]) )|(?P<strong>\*\*[^*]+\*\*)|(?P<string>`[^`]+`)"
)
FENCE = re.compile(r" {0,3}(```|~~~)")
LONGEST_TEXT = 50_000
"""Characters beyond which a text is drawn plain."""
LONGEST_LINE = 4000
"""Characters beyond which no line of a text is coloured: it is data, or made to cost time."""
BUDGET_S = 0.05
"""CPU time for one text; what follows is drawn plain. Some texts take a lexer time that grows with the square of their length."""


def suffix_of(name: str, text: str) -> str:
    """The file suffix of the language a text is probably written in, by its name and its beginning: `.md` if nothing says otherwise."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    if text.startswith("#!"):
        return ".py" if "python" in text.partition("\n")[0] else ".sh"
    if DIFF.match(text):
        return ".diff"
    if SQL.match(text[:LONGEST_TEXT]):
        return ".sql"
    return next((suffix for suffix, known in SUFFIXES.items() if words & known), ".md")


def line_spans(text: str, suffix: str) -> Iterator[Sequence[Span]]:
    """The styles of each line of a text, as offsets in the line as it is drawn, one line after another."""
    if len(text) <= LONGEST_TEXT:
        lines = [visible_line(one)[0] for one in text.split("\n")]
        if max(map(len, lines)) <= LONGEST_LINE:
            yield from _lexed(lines, LEXERS[suffix]) if suffix in LEXERS else _markdown(lines) if suffix == ".md" else ()


def _markdown(lines: Sequence[str]) -> Iterator[Sequence[Span]]:
    in_code = False
    for one in lines:
        if FENCE.match(one):
            in_code = not in_code
            yield [(0, len(one), "muted")]
        elif in_code:
            yield [(0, len(one), "string")] if one else ()
        else:
            yield [(found.start(), found.end(), str(found.lastgroup)) for found in MARKDOWN.finditer(one)]


def _lexed(lines: Sequence[str], lexer: str) -> Iterator[Sequence[Span]]:
    """The lines by a lexer of Pygments, as long as its time lasts."""
    spans: list[Span] = []
    at, used = 0, 0.0
    tokens = _lexer(lexer).get_tokens_unprocessed("".join(f"{one}\n" for one in lines))
    while used < BUDGET_S:
        began = time.thread_time()
        token = next(tokens, None)
        used += time.thread_time() - began
        if token is None:
            return
        first, *others = token[2].split("\n")
        style = _style(str(token[1]))
        for place, piece in enumerate((first, *others)):
            if place:
                yield spans
                spans, at = [], 0
            if piece and style:
                spans.append((at, at + len(piece), style))
            at += len(piece)


class Lexer(Protocol):
    """What a lexer of Pygments does for us."""

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, object, str]]:
        """Offset, type and text of each token, one after another."""


@lru_cache
def _lexer(location: str) -> Lexer:
    found: Lexer = resolve_name(location)()
    return found


@lru_cache(500)
def _style(token: str) -> str:
    """The style of a token type such as `Token.Keyword.Reserved`; empty for none."""
    return next((style for kind, style in STYLES if f"{token}.".startswith(f"Token.{kind}.")), "")
