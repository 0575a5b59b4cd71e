"""Lines as they are drawn: text with styles, made one at a time from agents' values, exact and never shortened. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size

from hitl_tui import canonical_json, media
from hitl_tui.argument_text import FENCE, Row, is_quoted, json_rows, name_text, text_rows
from hitl_tui.sanitize import INVISIBLE, one_line, visible_line
from hitl_tui.ui.text.syntax import Span, line_spans, suffix_of

if TYPE_CHECKING:
    from hitl_tui.model import Json

AGE_CELLS = 7
"""Cells of an age with the gap before it: ` 59 min`."""
NAME_CELLS = 20
"""Cells that the tool's name may have before the agent's name gives way to the time."""
LONGEST_TEXT = 400
"""Characters of a text of which the first words are shown."""
HIGHLIGHT_LIMIT = 4000
"""A JSON line longer than this is one string for sure, and is drawn plain."""

_TOKEN = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\b\d[\d.eE+-]*)|(?P<literal>\b(?:true|false|null)\b)'
)

AGENT_BAR = "┃"
"""Stands before what an agent or a tool wrote, and before nothing else."""
BAR_CELLS = 2
"""Cells of the bar beside agent text, with the gap after it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One logical line; the document wraps it."""

    text: str
    """As drawn: already visible, without tabs or newlines."""
    style: str = ""
    spans: tuple[Span, ...] = ()
    """Ordered, and apart from each other."""
    lead: str = ""
    """What stands in the gutter beside the first row, as drawn."""
    lead_style: str = "muted"
    indent: int = 0
    """Cells of the gutter, on every row."""
    mark: str = ""
    """A word of the console of one cell at the end of the gutter, on the first row; it says something of the text that follows."""
    mark_style: str = "muted"
    is_console: bool = False
    """Words of the console among an agent's: drawn on a ground of their own."""
    is_agent: bool = False
    """Written by an agent or a tool: drawn beside a bar, which nothing else has."""

    @property
    def gutter(self) -> int:
        """Cells before the text, on every row."""
        return self.indent + BAR_CELLS * self.is_agent


BLANK = Line("")


def line(text: str, style: str = "", lead: str = "", indent: int = 0, lead_style: str = "muted", *, agent: bool = False) -> Line:
    """One line of any text; a newline in it is a code. `agent` says that an agent or a tool wrote it."""
    drawn, marks = visible_line(text, keeps_codes=not agent)
    return Line(drawn, style, tuple(marks), _lead(lead), lead_style, indent, is_agent=agent)


def _lead(text: str) -> str:
    """What stands beside a line is drawn already, or a word of the console; nothing invisible gets through all the same."""
    return visible_line(text)[0] if INVISIBLE.search(text) or "\n" in text else text


def paragraph(
    text: str,
    style: str = "",
    lead: str = "",
    indent: int = 0,
    lead_style: str = "muted",
    colours: Iterator[Sequence[Span]] | None = None,
    *,
    agent: bool = False,
) -> Iterator[Line]:
    """The text with its line breaks, a line at a time. `colours` are the styles of each line, as `syntax.line_spans` has them."""
    for row in text_rows(text):
        spans = next(islice(colours, row.count - 1, None), ()) if colours else ()
        if row.is_counted:
            yield _counted(row, lead, indent, lead_style, agent)
        else:
            one = line(row.text, style, lead, indent, lead_style, agent=agent)
            yield replace(one, spans=tuple(layered(spans, one.spans))) if spans else one
        lead = ""


def _counted(row: Row, lead: str, indent: int, lead_style: str, agent: bool) -> Line:
    return Line(row.text, "muted", (), _lead(lead), lead_style, indent, is_console=True, is_agent=agent)


def json_lines(value: Json, lead: str = "", indent: int = 0, lead_style: str = "muted", *, agent: bool = True) -> Iterator[Line]:
    """The value as indented, coloured JSON."""
    for raw in json_rows(value):
        yield json_line(raw, lead, indent, lead_style, agent=agent)
        lead = ""


def json_line(raw: str, lead: str = "", indent: int = 0, lead_style: str = "muted", *, agent: bool = True) -> Line:
    """One line of JSON text, coloured."""
    drawn, marks = visible_line(raw)
    if len(drawn) > HIGHLIGHT_LIMIT:
        return Line(drawn, "string", tuple(marks), _lead(lead), lead_style, indent, is_agent=agent)
    return Line(drawn, "", tuple(layered(_tokens(drawn), marks)), _lead(lead), lead_style, indent, is_agent=agent)


def json_spans(rows: Iterable[str]) -> Iterator[Sequence[Span]]:
    """The styles of each row of JSON text, as offsets in the row as it is drawn."""
    for drawn, _ in map(visible_line, rows):
        yield _tokens(drawn) if len(drawn) <= HIGHLIGHT_LIMIT else ()


def _tokens(drawn: str) -> list[Span]:
    return [(found.start(), found.end(), str(found.lastgroup)) for found in _TOKEN.finditer(drawn)]


def value_lines(value: Json, lead: str = "", indent: int = 0, lead_style: str = "muted", *, agent: bool = True) -> Iterator[Line]:
    """A value as a person reads it: text as text, in quotes if it would read like another value, anything nested as JSON."""
    if not isinstance(value, str):
        yield from json_lines(value, lead, indent, lead_style, agent=agent)
    elif label := media.text_label(value):
        yield line(label, "muted", lead, indent, lead_style, agent=agent)
    elif not is_quoted(value):
        yield from paragraph(value, "", lead, indent, lead_style, line_spans(value, suffix_of(lead, value)), agent=agent)
    elif "\n" in value:
        yield line(FENCE, "muted", lead, indent, lead_style, agent=agent)
        yield from paragraph(value, "", "", indent, lead_style, line_spans(value, suffix_of(lead, value)), agent=agent)
        yield line(FENCE, "muted", "", indent, lead_style, agent=agent)
    else:
        yield json_line(canonical_json.dumps(value), lead, indent, lead_style, agent=agent)


def table(rows: Iterable[tuple[str, Json]], limit: int = 22, *, agent: bool = True) -> Iterator[Line]:
    """Names and values in two aligned columns. The console's own texts (not `agent`) need no quotes: nothing else can be meant."""
    pairs = [(name_text(name), value) if agent else (name, value) for name, value in rows]
    column = min(max((cell_len(name) for name, _ in pairs), default=0), limit)
    for name, value in pairs:
        if cell_len(name) > limit:
            yield Line(name if name.startswith('"') else f'"{name}"', "muted", is_agent=agent)
            name = ""
        if isinstance(value, str) and not agent:
            yield from paragraph(value, "", name, column + 3, "muted", agent=False)
        else:
            yield from value_lines(value, name, column + 3, agent=agent)


def without_last_blank(lines: Iterator[Line]) -> Iterator[Line]:
    """Drop a blank line at the end."""
    held = None
    for one in lines:
        if held is not None:
            yield held
        held = one
    if held is not None and held != BLANK:
        yield held


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


def first_words(text: str, cells: int) -> str:
    """So many whole words of a text as fit, on one line; empty where there is no room for one."""
    whole = one_line(text, LONGEST_TEXT)
    if cell_len(whole) <= cells:
        return whole
    begin, blank, _ = set_cell_size(whole, max(0, cells - 1)).rpartition(" ")
    return f"{begin.rstrip()} …" if blank and begin.strip() and cell_len(begin.rstrip()) + 2 <= cells else ""


def fit_name(name: str, cells: int) -> str:
    """A name as it is drawn, in at most so many cells: cut in its middle, as names that begin alike often differ at the end."""
    end = (cells - 1) // 2
    if cell_len(name) <= cells or end < 1 or not name.isascii():  # half a code would mean nothing
        return fit(name, min(cells, cell_len(name)), drawn=True)
    return f"{name[: cells - 1 - end]}…{name[-end:]}"


def agent_name(name: str, cells: int = 40) -> str:
    """An agent's name for titles and sentences, in at most so many cells; a longer one keeps its beginning and its end."""
    return fit_name(one_line(name), cells)


def fit(text: str, cells: int, *, drawn: bool = False) -> str:
    """The text on one line in exactly so many cells. `drawn` says that nothing in it needs a code any more."""
    text = text if drawn else one_line(text, max(1, cells))
    if cell_len(text) > cells:
        text = set_cell_size(text, max(0, cells - 1)).rstrip() + "…"
    return set_cell_size(text, max(0, cells))
