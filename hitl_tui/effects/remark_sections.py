"""Remarks on a call (previews, second readings) as sections below its arguments. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

from hitl_tui import canonical_json
from hitl_tui.effects.view import Effect, Section
from hitl_tui.model import Json, Opinion, Remark, RemarkSource, reading_of

SHOWN_ROWS = 200
"""Rows of a preview that are drawn."""
LONGEST_COLUMN = 40
"""Characters to which a column of a table is padded."""
CONTEXT_LINES = 2
"""Unchanged lines around each change of a difference."""
EMPTY = "it shows nothing"


STYLES = {Opinion.OK: "muted", Opinion.ASK: "warning"}
"""Style of an opinion; the others are errors."""
NOT_FOUND = "stands nowhere in what it was given"


def sections_of(tool: str, slot: int, remarks: Iterable[Remark]) -> tuple[Section, ...]:
    """The sections of a call's remarks: the second reader's first."""
    mine = [one for one in remarks if one.slot == slot]
    readings = [reading_section(one) for one in mine if one.source is RemarkSource.READER]
    failed = [Section("", "decider", (), one.problem) for one in mine if one.source is RemarkSource.DECIDER]
    return (*readings, *failed, *(section_of(tool, one.body, one.problem) for one in mine if one.source is RemarkSource.PREVIEW))


def reading_section(remark: Remark) -> Section:
    """A stored reading as a section: its verdict, then each reason with the passage that it rests on."""
    reading = reading_of(remark.body, remark.problem)
    if reading.problem:
        return Section("", "reader", (), reading.problem)
    sure = f", {reading.confidence:.0%} sure" if reading.confidence is not None else ""
    rows = [Effect("", (f"{reading.opinion.value}{sure}",), "", STYLES.get(reading.opinion, "error"))]
    for reason in reading.reasons:
        rows.append(Effect(reason.text))
        if reason.passage:
            rows.append(
                Effect(f"“{reason.passage}”", () if reason.is_found else (NOT_FOUND,), "", "muted" if reason.is_found else "warning", 1)
            )
    return Section("", "reader", tuple(rows), note=reading.by)


def section_of(tool: str, body: Json, problem: str = "") -> Section:
    """A stored preview as a section of what a call would do. Its texts are the agent's; `problem` says why there is none."""
    if problem or not isinstance(body, Mapping):
        return Section(tool, "preview", (), problem or "it cannot be read")
    rows = list(_rows(body))
    shown = rows[:SHOWN_ROWS]
    is_cut = bool(body.get("cut")) or len(rows) > SHOWN_ROWS
    note = "not all of it" if is_cut else ""
    return Section(tool, "preview", tuple(shown), "" if shown else EMPTY, note)


def _rows(body: Mapping[str, Json]) -> list[Effect]:
    note = body.get("note")
    head = [Effect(note)] if isinstance(note, str) and note else []
    if body.get("kind") == "text":
        return [Effect(row) for row in str(body.get("text", "")).split("\n")]
    if body.get("kind") == "table":
        return head + _table_rows(body)
    return head + _difference_rows(str(body.get("before", "")), str(body.get("after", "")))


def _table_rows(body: Mapping[str, Json]) -> list[Effect]:
    columns, rows = body.get("columns"), body.get("rows")
    listed = [*([columns] if columns else []), *(rows if isinstance(rows, list) else [])]
    cells = [list(map(_one_line, one)) for one in listed if isinstance(one, list)]
    widths = [min(LONGEST_COLUMN, max(map(len, column))) for column in _transposed(cells)]
    drawn = ["  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=False)).rstrip() for one in cells]
    return [Effect(text, style="muted" if columns and number == 0 else "") for number, text in enumerate(drawn)]


def _one_line(cell: Json) -> str:
    return " ".join(str(cell).split()) if isinstance(cell, str) else canonical_json.dumps(cell)


def _transposed(cells: Sequence[Sequence[str]]) -> list[list[str]]:
    width = max(map(len, cells), default=0)
    return [[row[number] for row in cells if number < len(row)] for number in range(width)]


def _difference_rows(before: str, after: str) -> list[Effect]:
    signs = {"+": ("added", "success"), "-": ("removed", "error"), " ": ("", "muted")}
    found: list[Effect] = []
    for row in list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=CONTEXT_LINES, lineterm=""))[2:]:
        if row.startswith("@@"):
            found += [Effect("", (), "…", "muted")] if found else []
        else:
            word, style = signs[row[0]]
            found.append(Effect(row[1:], (word,) if word else (), "", style))
    return found
