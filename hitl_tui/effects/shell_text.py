"""Prepares a shell script for its parser: joins continued lines and takes here-documents out, as bash reads them. Pure.

tree-sitter's grammar reads `r\\⏎m` as two words, and finds the ends of here-documents by rules of its own. So both are gone before it
sees the text. What this module does not understand for certain is a `NotUnderstood`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 10_000
"""Characters of a script that is parsed."""
MOST_SIGNS = 300
"""Pipes, redirections and the like of a script: the time that parsing them takes grows with their square."""
PLACEHOLDER = "__here_document_{}__"
"""Stands for the text of a here-document, as a file that is read."""
_HERE = re.compile(
    r"<<(?P<tabs>-?)[ \t]*(?:(?P<bare>\w+)|'(?P<single>[\w.-]+)'|\"(?P<double>[\w.-]+)\"|\\(?P<escaped>\w+))(?=[\s;|&<>()]|$)", re.ASCII
)


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set of names."""
    return frozenset(text.split())


class NotUnderstood(Exception):
    """A script cannot be split into commands for certain. The message says why, as a clause."""


@dataclass(frozen=True, slots=True)
class HereDocument:
    """The text that a here-document feeds to a command."""

    text: str
    is_literal: bool
    """Whether its end mark is quoted, so that nothing in the text is expanded."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A script without continued lines and here-documents."""

    text: str
    documents: Mapping[str, HereDocument]
    """By the file name that stands in its place."""


def prepare(script: str) -> Prepared:
    """Join continued lines, and replace each here-document by reading a file of a made-up name.

    Raises:
        NotUnderstood: it is too long, holds characters that cannot be seen, or is nested in a way that only bash understands.
    """
    if len(script) > LONGEST:
        raise NotUnderstood(f"it has {len(script):,} characters, and at most {LONGEST:,} are parsed")
    odd = next((c for c in script if c not in "\n\t" and (not c.isprintable() or (c != " " and c.isspace()))), "")
    if odd or any(unicodedata.category(c) in ("Cf", "Cs", "Co", "Cn") for c in script if c > "\x7f"):
        raise NotUnderstood("it holds characters that cannot be seen")
    if many := next((sign for sign in "|&<>" if script.count(sign) > MOST_SIGNS), ""):
        raise NotUnderstood(f"it has more than {MOST_SIGNS} {many}")
    if "__here_document_" in script:
        raise NotUnderstood("it uses a name that is reserved here")
    if "\\\n" not in script and "<<" not in script:
        return Prepared(script, {})
    return _Scanner(script).prepared()


class _Scanner:
    """Reads a script once, with a stack of the quotes and brackets that are open."""

    def __init__(self, script: str) -> None:
        if re.search(r"\b(?:case|esac)\b", script):
            raise NotUnderstood("it has a case beside a continued line or a here-document")
        self._script = script
        self._at = 0
        self._made: list[str] = []
        self._open: list[str] = []
        self._waiting: list[tuple[str, str, bool, bool]] = []
        """Here-documents whose text begins on the next line: file name, end mark, whether literal, whether tabs are dropped."""
        self._documents: dict[str, HereDocument] = {}

    def prepared(self) -> Prepared:
        while self._at < len(self._script):
            self._step()
        if self._open or self._waiting:
            raise NotUnderstood("a quote, a bracket or a here-document does not end")
        return Prepared("".join(self._made), self._documents)

    def _take(self, count: int = 1) -> None:
        self._made.append(self._script[self._at : self._at + count])
        self._at += count

    def _step(self) -> None:
        text, at, inside = self._script, self._at, self._open[-1] if self._open else ""
        if text.startswith("\\\n", at) and inside != "`":
            self._at += 2
        elif text[at] == "\\":
            self._take(2)
        elif text.startswith(("$(", "${"), at):
            self._open.append(text[at + 1])
            self._take(2)
        elif text[at] == "`":
            raise NotUnderstood("it has backquotes beside a continued line or a here-document")
        elif text[at] == '"':
            self._open.pop() if inside == '"' else self._open.append('"')
            self._take()
        elif inside == '"':
            self._take()
        elif inside == "{":
            self._in_braces()
        else:
            self._plain(inside)

    def _in_braces(self) -> None:
        """Inside `${…}`: nothing but its end and what is plain."""
        if self._script[self._at] == "}":
            self._open.pop()
        elif self._script[self._at] in "'#<\n":
            raise NotUnderstood("it has an expansion with a pattern beside a continued line or a here-document")
        self._take()

    def _plain(self, inside: str) -> None:
        text, at = self._script, self._at
        if text[at] == "'":
            end = text.find("'", at + 1)
            if end < 0 or (at and text[at - 1] == "$"):
                raise NotUnderstood("it has a text in quotes that does not end, or that is written as $'…'")
            self._take(end + 1 - at)
        elif text[at] == "#" and (at == 0 or text[at - 1] in " \t\n;|&()<>"):
            end = text.find("\n", at)
            self._at = len(text) if end < 0 else end  # a comment says nothing, and a backslash at its end joins nothing
        elif text.startswith("<<<", at):
            self._take(3)
        elif text.startswith("<<", at):
            self._begin_document()
        elif text[at] == "\n" and self._waiting:
            self._take()
            self._read_documents()
        else:
            if text[at] == "(":
                self._open.append("(")
            elif text[at] == ")" and inside == "(":
                self._open.pop()
            self._take()

    def _begin_document(self) -> None:
        found = _HERE.match(self._script, self._at)
        if not found:
            raise NotUnderstood("the end mark of a here-document is not a plain word")
        mark = found["bare"] or found["single"] or found["double"] or found["escaped"]
        name = PLACEHOLDER.format(len(self._documents) + len(self._waiting))
        self._waiting.append((name, mark, not found["bare"], bool(found["tabs"])))
        self._made.append(f"<{name}")
        self._at = found.end()

    def _read_documents(self) -> None:
        for name, mark, is_literal, drops_tabs in self._waiting:
            lines: list[str] = []
            while True:
                if self._at >= len(self._script):
                    raise NotUnderstood("a here-document does not end")
                end = self._script.find("\n", self._at)
                end = len(self._script) if end < 0 else end
                line = self._script[self._at : end]
                self._at = end + 1
                line = line.lstrip("\t") if drops_tabs else line
                if line == mark:
                    break
                if line.endswith("\\") and not is_literal:
                    raise NotUnderstood("a here-document has a continued line")
                if line.rstrip(")") == mark and self._open:
                    raise NotUnderstood("a here-document ends with a bracket")
                lines.append(line)
            self._documents[name] = HereDocument("".join(f"{line}\n" for line in lines), is_literal)
        self._waiting.clear()
