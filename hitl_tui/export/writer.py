"""Writes an export: a file of examples, and beside it a manifest of its contents and of what was left out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hitl_tui import __version__, atomic_write
from hitl_tui.export.examples import ExportCase, IncludedCases, left_out_reason
from hitl_tui.export.formats import FORMATS, fit_columns
from hitl_tui.export.redaction import Masker
from hitl_tui.formatting import counted

UNPAIRED = re.compile("[\ud800-\udfff]")
"""Lone surrogates: UTF-8 cannot encode them, and readers of training data refuse them."""
LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}
"""Characters that some readers take for the end of a line, with their escapes."""
EQUAL = "whose two answers are equal once they are masked"
"""Why a pair is left out."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")
"""First characters that make a spreadsheet run a cell as a formula, and the sign that is put before them."""


@dataclass(slots=True)
class ExportResult:
    """What an export contains, counted while it is written."""

    format: str
    wanted: str
    """The filter as it was given."""
    head: str
    """Head of the audit chain when the export began."""
    began: float
    """Unix time, seconds."""
    seen: int = 0
    """Reviews that match the filter."""
    reviews: int = 0
    """Reviews that gave examples."""
    examples: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    """Reviews without an example, by reason."""
    masked: Counter[str] = field(default_factory=Counter)
    """Masked texts, by the name of the mask."""
    as_text: int = 0
    """Whole numbers beyond 64 bits, written as text."""
    sha256: str = ""
    """Of the file, in hexadecimal."""

    def as_json(self) -> dict[str, Any]:
        """The manifest."""
        columns = FORMATS[self.format].column_types
        return {
            "hitl_tui": __version__, "format": self.format, "filter": self.wanted, "reviews": self.reviews, "examples": self.examples,
            "left_out": dict(sorted(self.left_out.items())), "masked": dict(sorted(self.masked.items())),
            "numbers_as_text": self.as_text, "sha256": self.sha256, "audit_head": self.head, **({"features": columns} if columns else {}),
        }  # fmt: skip

    def lines(self, path: Path) -> Iterator[str]:
        """The result in words."""
        are = "is" if self.examples == 1 else "are"
        made = f"{counted(self.examples, 'example')} of {counted(self.reviews, 'review')} {are} in {path}"
        yield f"{made}, the manifest is {manifest_of(path).name}"
        for why, count in sorted(self.left_out.items()):
            yield f"  left out: {count:,} {why}"
        for name, count in sorted(self.masked.items()):
            yield f"  masked: {count:,} × {name}"
        if self.as_text:
            yield f"  written as text: {counted(self.as_text, 'whole number')} beyond 64 bits"


def manifest_of(path: Path) -> Path:
    """Path of a file's manifest."""
    return path.with_name(f"{path.name}.manifest.json")


async def write(
    path: Path,
    cases: AsyncIterator[ExportCase],
    done: ExportResult,
    selection: IncludedCases,
    masker: Masker | None,
    progress: Callable[[int], None],
    record: Callable[[ExportResult], Awaitable[None]],
) -> None:
    """Write cases into a new file and its manifest. The same cases give the same bytes, and memory does not grow with their number.

    Args:
        path: the file, which must not exist yet.
        cases: what to export.
        done: names format and filter; its counts are filled in.
        selection: which cases are left out.
        masker: masks secrets and personal data; None to mask nothing.
        progress: called after each review with the number of reviews read.
        record: awaited when both files are on the disk under temporary names; if it raises, neither file appears.
    """
    hashed = hashlib.sha256()
    with atomic_write.whole(manifest_of(path)) as manifest, atomic_write.whole(path) as file:
        header = FORMATS[done.format].header

        def add(text: str) -> None:
            file.write(text)
            hashed.update(text.encode())

        if header:
            add(_cells(header))
        async for case in cases:
            done.seen += 1
            for text in _texts(case, done, selection, masker, _row if header else _line):
                add(text)
            progress(done.seen)
        done.sha256 = hashed.hexdigest()
        done.masked = masker.counts if masker else Counter()
        manifest.write(json.dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n")
        for one in (file, manifest):  # both are on the disk before either has its name
            one.flush()
            os.fsync(one.fileno())
        await record(done)


def _texts(
    case: ExportCase, done: ExportResult, selection: IncludedCases, masker: Masker | None, encode: Callable[[dict[str, Any]], str]
) -> Iterator[str]:
    format_ = FORMATS[done.format]
    if left := left_out_reason(case, selection, done.began, format_.is_chat):
        done.left_out[left] += 1
        return
    made = equal = 0
    for example in format_.examples(case):
        masked = masker.example(example) if masker else example
        if masker and format_.pair and masked[format_.pair[0]] == masked[format_.pair[1]]:
            equal = 1
            continue
        whole = format_.finish(masked)
        if format_.column_types:
            whole, count = fit_columns(whole)
            done.as_text += count
        yield encode(whole)
        done.examples += 1
        made = 1
    done.reviews += made
    if equal:
        done.left_out[EQUAL] += 1
    elif not made:
        done.left_out[f"nothing for {done.format}: {format_.no_example}"] += 1


def _line(example: dict[str, Any]) -> str:
    return _paired(json.dumps(example, ensure_ascii=False)).translate(LINE_ENDS) + "\n"


def _paired(text: str) -> str:
    """The text with U+FFFD and a code in the place of each lone surrogate."""
    return UNPAIRED.sub(lambda found: f"\ufffd⟨U+{ord(found[0]):04X}⟩", text)


def _row(example: dict[str, Any]) -> str:
    return _cells([f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell for cell in example.values()])


def _cells(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return _paired(text.getvalue())
