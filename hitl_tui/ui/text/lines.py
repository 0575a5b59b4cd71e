"""Lines as they are drawn: text with styles, made one at a time from agents' values, exact and never shortened. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from hitl_tui import canonical_json
from hitl_tui.sanitize import one_line, visible_line
from hitl_tui.ui.text.syntax import Span, line_spans, suffix_of

if TYPE_CHECKING:
    from hitl_tui.model import Json

AGE_CELLS = 7
"""Cells of an age with the gap before it: ` 59 min`."""
NAME_CELLS = 20
"""Cells that the tool's name may have before the agent's name gives way to the time."""
HIGHLIGHT_LIMIT = 4000
"""A JSON line longer than this is one string for sure, and is drawn plain."""

_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\b\d[\d.eE+-]*)|(?P<literal>\b(?:true|false|null)\b)'
)

BLANK_LINES = re.compile(r"(?:[ \t]*\n){3,}")
"""Lines, from the beginning of one, that are counted instead of drawn."""


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line; the document wraps it."""

    text: str
    """As drawn: already visible, without tabs or newlines."""
    style: str = ""
    spans: tuple[Span, ...] = ()
    """Ordered, and apart from each other."""
    lead: str = ""
    """What stands in the gutter beside the first row."""
    lead_style: str = "muted"
    indent: int = 0
    """Cells of the gutter, on every row."""
    is_console: bool = False
    """Words of the console among an agent's: drawn on a ground of their own, which no text can imitate."""


BLANK = Line("")


def line(text: str, style: str = "", lead: str = "", indent: int = 0, lead_style: str = "muted") -> Line:
    """One line of any text that holds no newline."""
    drawn, marks = visible_line(text)
    return Line(drawn, style, tuple((a, b, "code") for a, b in marks), visible_line(lead)[0], lead_style, indent)


def paragraph(
    text: str, style: str = "", lead: str = "", indent: int = 0, lead_style: str = "muted", colours: Iterator[Sequence[Span]] | None = None
) -> Iterator[Line]:
    """The text with its line breaks, a line at a time. `colours` are the styles of each line, as `syntax.line_spans` has them."""
    at = 0
    while True:
        if blank := BLANK_LINES.match(text, at):
            yield _blank_lines(blank[0], lead, indent, lead_style)
            at, lead = blank.end(), ""
            deque(islice(colours or (), blank[0].count("\n")), maxlen=0)
        end = text.find("\n", at)
        one = line(text[at:] if end < 0 else text[at:end], style, lead, indent, lead_style)
        spans = next(colours, ()) if colours else ()
        yield replace(one, spans=tuple(layered(spans, one.spans))) if spans else one
        if end < 0:
            return
        at, lead = end + 1, ""


def _blank_lines(text: str, lead: str, indent: int, lead_style: str) -> Line:
    """Lines without anything on them, counted: drawn as they are, they would push what follows off the screen."""
    word = "blank" if text.strip("\n") else "empty"
    return Line(f"{text.count(chr(10))} {word} lines", "muted", (), visible_line(lead)[0], lead_style, indent, is_console=True)


def json_lines(value: Json, lead: str = "", indent: int = 0, lead_style: str = "muted") -> Iterator[Line]:
    """The value as indented, coloured JSON."""
    for raw in canonical_json.dumps(value, indent=2).split("\n"):
        yield json_line(raw, lead, indent, lead_style)
        lead = ""


def json_line(raw: str, lead: str = "", indent: int = 0, lead_style: str = "muted") -> Line:
    """One line of JSON text, coloured."""
    drawn, marks = visible_line(raw)
    codes = [(a, b, "code") for a, b in marks]
    if len(drawn) > HIGHLIGHT_LIMIT:
        return Line(drawn, "string", tuple(codes), visible_line(lead)[0], lead_style, indent)
    return Line(drawn, "", tuple(layered(_tokens(drawn), codes)), visible_line(lead)[0], lead_style, indent)


def json_spans(rows: Iterable[str]) -> Iterator[Sequence[Span]]:
    """The styles of each row of JSON text, as offsets in the row as it is drawn."""
    for drawn, _ in map(visible_line, rows):
        yield _tokens(drawn) if len(drawn) <= HIGHLIGHT_LIMIT else ()


def _tokens(drawn: str) -> list[Span]:
    return [(found.start(), found.end(), str(found.lastgroup)) for found in _TOKEN.finditer(drawn)]


def value_lines(value: Json, lead: str = "", indent: int = 0, lead_style: str = "muted") -> Iterator[Line]:
    """A value as a person reads it: text as text, a plain value on its line, anything nested as JSON."""
    if isinstance(value, str):
        if value:
            yield from paragraph(value, "", lead, indent, lead_style, line_spans(value, suffix_of(lead, value)))
        else:
            yield line("(empty text)", "muted", lead, indent)
    else:
        yield from json_lines(value, lead, indent, lead_style)


def table(rows: Iterable[tuple[str, Json]], limit: int = 22) -> Iterator[Line]:
    """Names and values in two aligned columns."""
    pairs = list(rows)
    column = min(max((_cells(name) for name, _ in pairs), default=0), limit)
    for name, value in pairs:
        if _cells(name) > limit:
            yield line(name, "muted")
            name = ""
        yield from value_lines(value, name, column + 3)


def _cells(name: str) -> int:
    return cell_len(visible_line(name)[0])


def layered(under: Iterable[Span], over: Sequence[Span]) -> list[Span]:
    """Spans of two layers, each ordered and apart, as one layer: where both have a style, that of `over` is drawn."""
    rest: list[Span] = []
    for start, end, style in under:
        at = start
        for a, b, _ in over:
            if a >= end or b <= at:
                continue
            if a > at:
                rest.append((at, a, style))
            at = b
        if at < end:
            rest.append((at, end, style))
    return sorted([*rest, *over])


def fit(text: str, cells: int) -> str:
    """The text on one line in exactly so many cells."""
    text = one_line(text, max(1, cells))
    if cell_len(text) > cells:
        text = set_cell_size(text, max(0, cells - 1)).rstrip() + "…"
    return set_cell_size(text, max(0, cells))
