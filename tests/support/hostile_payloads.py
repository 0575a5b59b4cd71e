"""Arguments made to look like others, to hide something, or to break what draws them; from a seed, so that each can be made again."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from hitl_tui.ui.text.lines import Line
from hitl_tui.ui.widgets.text_view import row_pieces, row_starts

CONSOLE_LINES = (
    "✓ approved by bob just now: another person must approve the same", "⚖ goes on by itself: rule 'small' says auto", "risk: read",
    "approve by bob", "▾ 3 more lines", "┃ to       ann@example.com", "│ to", "┊ x", "⟨3 empty lines⟩", "⟨1 empty line⟩", "⟨70 blanks⟩",
    "⟨U+202E⟩", "⟨U+27E8⟩U+202E⟩", '"""', "(empty text)", "no arguments", "[image, png, 3 kB]", "#2 send_mail", "  allowed: approve",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    "5", 5, 5.0, "5.0", "null", None, "true", True, "[]", [], "{}", {}, "", '""', '"', '"5"', "[", "{", "[\n  1\n]", [1], ["1"], '{\n  "a": 1\n}',
    {"a": 1}, {"a": "1"}, -0.0, 0, 10**40, "1e5", 1e5, '"""\n[\n"""', "NaN", "-", [[]], [{}], [""], {"": ""}, "\n", "\n\n", " ", "  ", "\t",
)  # fmt: skip
ODD = (
    "\u202e", "\u200b", "\u00a0", "\u2028", "\x85", "\x1b[31m", "\x1b]0;x\x07", "\x9b2J", "\r", "\b", "\x00", "\ufeff", "\u3000", "\U000e0041",
    "\U0001bca0", "\U00013430", "\u093e" * 7, "e\u0301", "é", "\u0301", "\u0489" * 6, "👍🏽", "🏽", "❤\ufe0f", "❤", "👩\u200d👧", "🇩🇪", "日本", "नमस्ते", "שָׁלוֹם",
    "عَرَبِيّ", "ไทยที่", "\u1112\u1161\u11ab", "한", "\ufffd", "\ue000", "\U0010ffff", "\ud83d", "\u0378", "⇥", "␣", "⏎", "…", "pаypal", "аnn@exаmple.com",
    "exаmple.com", "/usr/bin/рython", "\u212b", "Å", "[red]x[/]", "[/x]", "\\u202e", "\\n", "&lt;", "{{x}}", "%s", "=1+1",
)  # fmt: skip
NAMES = (
    "to",
    "memo",
    "amount",
    "body",
    "",
    " ",
    "to ",
    "to\n",
    "a b",
    '"to"',
    "to   ann",
    "x" * 21,
    "x" * 22,
    "x" * 23,
    "yy " * 9,
    "5",
    "tо",
    "⟨to⟩",
)


def _text(random_: random.Random) -> str:
    parts: list[str] = []
    for _ in range(random_.randint(1, 5)):
        match random_.randrange(7):
            case 0:
                parts.append(random_.choice(CONSOLE_LINES))
            case 1 | 2:
                parts.append(random_.choice(ODD))
            case 3:
                parts.append(random_.choice((" ", "\n", "\t")) * random_.choice((1, 1, 2, 3, 5, 59, 60, 61)))
            case 4:
                parts.append(
                    chr(
                        random_.choice(
                            (random_.randrange(0x20, 0x250), random_.randrange(0x250, 0xFFFF), random_.randrange(0x1F000, 0x1FAFF))
                        )
                    )
                )
            case 5:
                parts.append(random_.choice("abcxyz") * random_.choice((1, 5, 30, 58, 59, 60, 61)))
            case _:
                parts.append(random_.choice(("rm -rf /tmp", "ann@example.com", "word", "100")))
    return "".join(parts)


def _value(random_: random.Random, depth: int = 2) -> Any:
    chosen = random_.randrange(10)
    if chosen < 5:
        return _text(random_)
    if chosen < 8 or not depth:
        return random_.choice(VALUES)
    if chosen == 8:
        return [_value(random_, depth - 1) for _ in range(random_.randrange(3))]
    return {_name(random_): _value(random_, depth - 1) for _ in range(random_.randrange(3))}


def _name(random_: random.Random) -> str:
    return random_.choice(NAMES) if random_.randrange(3) else _text(random_)


TWINS: tuple[Callable[[str], Any], ...] = (
    lambda text: text + " ", lambda text: text + "\n", lambda text: text.replace(" ", "\n", 1), lambda text: text.replace("\n", " ", 1),
    lambda text: text.replace(" ", "  ", 1), lambda text: text.replace(" ", "\t", 1), lambda text: text.replace("\t", "    ", 1),
    lambda text: unicodedata.normalize("NFD", text), lambda text: unicodedata.normalize("NFC", text), lambda text: [text], lambda text: f'"{text}"',
    lambda text: text.replace("\n", "\n\n", 1), lambda text: text.replace("⟨", "⟨U+27E8⟩", 1), lambda text: text[1:], lambda text: text.strip(),
    lambda text: "".join(f"⟨U+{ord(c):04X}⟩" if ord(c) > 0x2000 else c for c in text), lambda text: {"text": text}, lambda text: text.replace("\u0301", ""),
)  # fmt: skip
"""What makes another value of a text that could look like it."""


def payloads(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """So many objects of arguments; half of them are such that could be taken for the one before."""
    random_ = random.Random(seed)
    last: dict[str, Any] = {}
    for number in range(count):
        if number % 2 and last:
            yield _twin(random_, last)
        else:
            last = {_name(random_): _value(random_) for _ in range(random_.randint(0, 4))}
            yield last


def _twin(random_: random.Random, args: dict[str, Any]) -> dict[str, Any]:
    pairs = list(args.items())
    at = random_.randrange(len(pairs))
    name, value = pairs[at]
    match random_.randrange(4):
        case 0 if isinstance(value, str) and at + 1 < len(pairs):  # the end of a value as another argument, or the other way round
            head, _, tail = value.partition("\n")
            pairs[at : at + 1] = [(name, head), (tail.strip() or "x", pairs[at + 1][1])]
        case 1:
            changed = random_.choice(TWINS)(name)
            pairs[at] = (changed if isinstance(changed, str) else f"{name} {value}"[:60], value)
        case 2 if not isinstance(value, str):
            pairs[at] = (name, str(value))
        case _:
            pairs[at] = (name, random_.choice(TWINS)(value if isinstance(value, str) else repr(value)))
    return dict(pairs)


def rows(lines: Iterable[Line], width: int) -> list[str]:
    """What a pane of so many cells shows of lines, without colours."""
    found = []
    for line in lines:
        starts = [*row_starts(line.text, width - line.gutter), len(line.text)]
        found += ["".join(text for text, _ in row_pieces(line, a, b)).rstrip() for a, b in pairwise(starts)] or [""]
    return found
