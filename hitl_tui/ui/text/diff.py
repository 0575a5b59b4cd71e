"""The difference between what was proposed and what a person made of it, argument by argument and word by word. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence

from hitl_tui import canonical_json
from hitl_tui.argument_text import json_rows, name_text
from hitl_tui.model import Json
from hitl_tui.sanitize import draw
from hitl_tui.ui.text.lines import BLANK, Line, json_spans, layered, line
from hitl_tui.ui.text.syntax import line_spans, suffix_of

COMPARED = 4000
"""Lines beyond which a difference is only counted."""
WHOLE = 200
"""Lines beyond which only what differs is shown, with a few lines around it."""
PAIRED = 400
"""Pairs of lines that are compared to find which line became which; with more of them, the first becomes the first."""
WORDS = 2000
"""Words of a line beyond which one stretch is marked, from the first difference to the last."""
SIMILAR = 0.4
"""Share of words that two lines have in common if one became the other."""

BOLD = frozenset({"key", "literal", "title", "strong"})
"""Styles of a text that are bold in a difference."""
Mark = tuple[int, int]
"""From and to, as offsets in a line."""
Bold = list[list[Mark]]
"""What is bold, by line."""

_WORD = re.compile(r"\w+|\s+|[^\w\s]")


def difference_lines(before: Json, after: Json, same: str = "no difference to the proposal") -> Iterator[Line]:
    """Only what differs, or `same`; whole values by name, texts line by line, with the words that differ marked."""
    if _same(before, after):
        yield line(same, "muted")
        return
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield from _lines(_rows(before), _rows(after), _same_type(before, after), _language("", after))
        return
    for name in [*before, *(name for name in after if name not in before)]:
        if name in before and name in after and _same(before[name], after[name]):
            continue
        word = "" if name in before and name in after else "  added" if name in after else "  removed"
        yield Line(name_text(name) + word, "strong", is_agent=True)
        old, new = (_rows(values[name]) if name in values else [] for values in (before, after))
        language = _language(name, after[name] if name in after else before[name])
        yield from _lines(old, new, bool(word) or _same_type(before[name], after[name]), language)
        yield BLANK


def _same(a: Json, b: Json) -> bool:
    return canonical_json.canonical(a) == canonical_json.canonical(b)


def _same_type(a: Json, b: Json) -> bool:
    return isinstance(a, str) == isinstance(b, str)


def _language(name: str, value: Json) -> str:
    return suffix_of(name, value) if isinstance(value, str) else ".json"


def _rows(value: Json) -> list[str]:
    return value.split("\n") if isinstance(value, str) else json_rows(value)


def _lines(before: list[str], after: list[str], same_type: bool, language: str) -> Iterator[Line]:
    if len(before) + len(after) > COMPARED:
        yield line(f"{len(before):,} lines become {len(after):,}: too many to compare here", "muted")
        return
    blocks = difflib.SequenceMatcher(None, before, after)
    bold = (_bold(before, language), _bold(after, language))
    if len(before) + len(after) < WHOLE:
        yield from _block(blocks.get_opcodes(), before, after, *bold)
    else:
        for number, block in enumerate(blocks.get_grouped_opcodes(2)):
            if number:
                yield line("…", "muted", "", 2)
            yield from _block(block, before, after, *bold)
    if before == after and not same_type:
        yield line("the type changes: text and not text", "warning")


def _bold(rows: list[str], language: str) -> Bold:
    """The names and keywords of each row: in a difference the colours say what was removed and added, and only weight is left."""
    found = json_spans(rows) if language == ".json" else line_spans("\n".join(rows), language)
    bold = [[(start, end) for start, end, style in spans if style in BOLD] for spans in found]
    return bold + [[]] * (len(rows) - len(bold))


def _block(
    codes: Sequence[tuple[str, int, int, int, int]],
    before: list[str],
    after: list[str],
    old_bold: Bold,
    new_bold: Bold,
) -> Iterator[Line]:
    for tag, a, b, c, d in codes:
        if tag == "equal":
            yield from (line(text, "muted", " ", 2, agent=True) for text in before[a:b])
            continue
        pairs = _pairs(before[a:b], after[c:d])
        for old in range(a, b):
            new = pairs.get(old - a)
            marks = _changed_words(before[old], after[new + c])[0] if new is not None else None
            yield _marked(before[old], "removed", "-", marks, old_bold[old])
            if new is not None:
                yield _marked(after[new + c], "added", "+", _changed_words(before[old], after[new + c])[1], new_bold[new + c])
        taken = set(pairs.values())
        yield from (_marked(after[new], "added", "+", None, new_bold[new]) for new in range(c, d) if new - c not in taken)


def _pairs(before: list[str], after: list[str]) -> dict[int, int]:
    """Which line became which, in order: by place, and only if they have words in common."""
    if len(before) * len(after) > PAIRED or len(before) == len(after):
        return {n: n for n in range(min(len(before), len(after))) if _alike(before[n], after[n])}
    found: dict[int, int] = {}
    start = 0
    for old, text in enumerate(before):
        best = max(range(start, len(after)), key=lambda new: _likeness(text, after[new]), default=None)
        if best is not None and _alike(text, after[best]):
            found[old] = best
            start = best + 1
    return found


def _likeness(a: str, b: str) -> float:
    words, others = set(re.findall(r"\w+", a)), set(re.findall(r"\w+", b))
    return len(words & others) / max(1, min(len(words), len(others)))


def _alike(a: str, b: str) -> bool:
    return _likeness(a, b) >= SIMILAR


def _changed_words(before: str, after: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Where the words of two lines differ: from and to, as offsets in each."""
    a, b = _WORD.findall(before), _WORD.findall(after)
    if len(a) + len(b) > WORDS:
        head = _common(a, b)
        tail = _common(a[head:][::-1], b[head:][::-1])
        codes = [("replace", head, len(a) - tail, head, len(b) - tail)]
    else:
        codes = [code for code in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes() if code[0] != "equal"]
    return [_offsets(a, code[1], code[2]) for code in codes], [_offsets(b, code[3], code[4]) for code in codes]


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two texts have in common from their start."""
    return next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _offsets(words: Sequence[str], start: int, end: int) -> tuple[int, int]:
    at = sum(map(len, words[:start]))
    return at, at + sum(map(len, words[start:end]))


def _marked(text: str, style: str, sign: str, marks: list[Mark] | None, bold: list[Mark]) -> Line:
    """A line that was removed or added; without `marks` as a whole. `bold` are offsets in the line as it is drawn."""
    strong = [(start, end, f"{style}-strong") for start, end in bold]
    drawn = draw(text)
    words = [(drawn.at(start), drawn.at(end), f"{style}-word") for start, end in marks or ()]
    spans = layered(layered(strong, words), drawn.marks)
    return Line(drawn.text, style, tuple(spans), sign, style, 2, is_agent=True)
