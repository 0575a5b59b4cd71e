"""`hitl-tui export`: writes decisions as training data, with a manifest."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import io
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from hitl_tui import __version__, atomic_write, filter_language
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import interrupt_on_signals
from hitl_tui.cli.options import common_options, json_option
from hitl_tui.export import CHATS, COLUMNS, Case, Masker, Rules, examples, features, loadable, read_masks, why_left_out, written
from hitl_tui.formatting import counted
from hitl_tui.home import Home, find_home
from hitl_tui.inbox import signature
from hitl_tui.sanitize import visible
from hitl_tui.settings import login, read_settings
from hitl_tui.store import Store, audit
from hitl_tui.store.training_data import cases

Told = Callable[[int, int], None]
"""Hears how many reviews are done, of at most how many."""
Encode = Callable[[dict[str, Any]], str]
"""Makes the text of an example."""
UNPAIRED = re.compile("[\ud800-\udfff]")
"""Halves of a character: no text in UTF-8 has them, and no reader of training data takes them."""
LINE_ENDS = {number: f"\\u{number:04x}" for number in (0x85, 0x2028, 0x2029)}
"""What some readers take for the end of a line, escaped."""
NOTHING = {
    "sft": "no call to learn from, or no conversation",
    "dpo": "no correction, a call that was refused, or no conversation",
    "openai-dpo": "no correction, a call that was refused, or no conversation",
    "kto": "no conversation",
}
"""Why a review has nothing for a format; the others take every one."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would run."""


@command("hitl-tui export mails.jsonl --format dpo --filter 'decided:edit since:30d'")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(["sft", "dpo", "kto", "openai-dpo", "jsonl", "csv"]), default="sft", show_default=True
)
@click.option("--filter", "wanted", metavar="FILTER", default="", help="Which decisions, like decided:edit; default: all.")
@click.option("--keep-policy", is_flag=True, help="Include decisions by policy and timeouts.")
@click.option("--keep-fast", is_flag=True, help="Include decisions faster than anybody can read.")
@click.option("--keep-undoable", is_flag=True, help="Include decisions that can still be undone.")
@click.option("--masks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="TOML file with more patterns to mask.")
@click.option("--no-masks", is_flag=True, help="Do not mask secrets and personal data.")
@json_option
@common_options
def export(
    file: Path, format_: str, wanted: str, keep_policy: bool, keep_fast: bool, keep_undoable: bool, masks: Path | None, no_masks: bool,
    json_: bool, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Export decisions as training data.

    Writes FILE, which must not exist yet, and a manifest beside it.
    """
    place = find_home(home).prepare()
    masker = Masker(read_masks(masks.read_text("utf-8", "replace"), str(masks))) if masks else None if no_masks else Masker()
    who = signature(reviewer or read_settings(place).reviewer or login())
    bar: Any
    with interrupt_on_signals(), click.progressbar(length=1, label="exporting", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def told(done: int, most: int) -> None:
            bar.length = most
            bar.update(done - bar.pos)

        rules = Rules(keep_policy, keep_fast, keep_undoable)
        done = asyncio.run(_export(place, file, format_, wanted, rules, masker, who, told))
    click.echo(output.as_json(done.as_json()) if json_ else visible("\n".join(done.lines(file))))


@dataclass(slots=True)
class Exported:
    """What an export came to."""

    format: str
    wanted: str
    """The filter, as it was given."""
    head: str
    """Where the audit ended when it began."""
    began: float
    """When that was, as Unix time."""
    seen: int = 0
    """Reviews that fit the filter."""
    reviews: int = 0
    """Those of them that gave examples."""
    examples: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    masked: Counter[str] = field(default_factory=Counter)
    as_text: int = 0
    """Whole numbers that no typed column holds, written as text."""
    sha256: str = ""

    def as_json(self) -> dict[str, Any]:
        """The manifest."""
        columns = features(self.format)
        return {
            "hitl_tui": __version__, "format": self.format, "filter": self.wanted, "reviews": self.reviews, "examples": self.examples,
            "left_out": dict(sorted(self.left_out.items())), "masked": dict(sorted(self.masked.items())),
            "numbers_as_text": self.as_text, "sha256": self.sha256, "audit_head": self.head, **({"features": columns} if columns else {}),
        }  # fmt: skip

    def lines(self, path: Path) -> Iterator[str]:
        """For people."""
        are = "is" if self.examples == 1 else "are"
        made = f"{counted(self.examples, 'example')} of {counted(self.reviews, 'review')} {are} in {path}"
        yield f"{made}, and what they are in {manifest_of(path).name}"
        for why, count in sorted(self.left_out.items()):
            yield f"  left out: {count:,} {why}"
        for name, count in sorted(self.masked.items()):
            yield f"  masked: {count:,} × {name}"
        if self.as_text:
            yield f"  written as text: {counted(self.as_text, 'whole number')} beyond 64 bits"


def manifest_of(path: Path) -> Path:
    """Where the manifest of a file is."""
    return path.with_name(f"{path.name}.manifest.json")


async def _export(
    home: Home, path: Path, format_: str, wanted: str, rules: Rules, masker: Masker | None, reviewer: str, told: Told
) -> Exported:
    """Write what people decided into a new file. The same decisions give the same bytes; however many, they take no more memory."""
    now = time.time()
    asked = filter_language.parse(wanted, now)
    async with Store.open(home.database) as store:
        done = Exported(format_, wanted, str(audit.head(home.database)), now)
        hashed = hashlib.sha256()
        with atomic_write.whole(manifest_of(path)) as manifest, atomic_write.whole(path) as file:
            table = format_ == "csv"

            def write(text: str) -> None:
                file.write(text)
                hashed.update(text.encode())

            if table:
                write(_cells(COLUMNS))
            [(most,)] = await store.all("SELECT count(*) FROM reviews WHERE decided_at IS NOT NULL")
            async with contextlib.aclosing(cases(store, asked)) as found:
                async for case in found:
                    done.seen += 1
                    for text in _texts(case, done, rules, masker, _row if table else _line):
                        write(text)
                    told(done.seen, most)
            done.sha256 = hashed.hexdigest()
            done.masked = masker.counts if masker else Counter()
            manifest.write(json.dumps(done.as_json(), indent=2, ensure_ascii=False) + "\n")
            for one in (file, manifest):  # both are on the disk before either has its name
                one.flush()
                os.fsync(one.fileno())
            async with store.transaction() as db:  # before the files get their names: nothing leaves that the log does not know of
                await audit.note(db, time.time(), "exported", reviewer, done.as_json())
    return done


def _texts(case: Case, done: Exported, rules: Rules, masker: Masker | None, encode: Encode) -> Iterator[str]:
    if left := why_left_out(case, rules, done.began, done.format in CHATS):
        done.left_out[left] += 1
        return
    made = 0
    for example in examples(case, done.format):
        whole = written(masker.example(example) if masker else example, done.format)
        if features(done.format):
            whole, count = loadable(whole)
            done.as_text += count
        yield encode(whole)
        done.examples += 1
        made = 1
    done.reviews += made
    if not made:
        done.left_out[f"nothing for {done.format}: {NOTHING.get(done.format, 'no call')}"] += 1


def _line(example: dict[str, Any]) -> str:
    return UNPAIRED.sub("\ufffd", json.dumps(example, ensure_ascii=False)).translate(LINE_ENDS) + "\n"


def _row(example: dict[str, Any]) -> str:
    return _cells([f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell for cell in example.values()])


def _cells(cells: Sequence[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return UNPAIRED.sub("\ufffd", text.getvalue())
