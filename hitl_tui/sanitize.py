"""Makes agent text safe to display: invisible characters and terminal controls become codes such as `⟨U+200B⟩`. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

_CLASS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u00a0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"  # blanks, fillers and joiners of single scripts
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f"  # odd spaces, zero width, line separators, bidi
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"  # blanks, variation selectors, specials
    "\ud800-\udfff"  # lone surrogates
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # musical controls, tags
)
INVISIBLE = re.compile(f"[{_CLASS}]")
_UNSEEN_IN_LINE = re.compile(f"[\n{_CLASS}]| {{60,}}")
"""Also so many blanks that they could push what follows off the screen."""
_UNSEEN_RUN = re.compile(f"[{_CLASS}]+")
_FIRM_BLANKS = "\u00a0\u202f"
_HOLDING = re.compile("[\ufe0e\ufe0f]?[\u200c\u200d]?")
"""A variation selector, then a joiner or non-joiner: they belong to the spelling of emoji and some scripts."""
TAB = 4


def code(character: str) -> str:
    """The code of one character: `⟨U+200B⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


def visible(text: str) -> str:
    """Replace every invisible character by its code; tabs and newlines stay."""
    return INVISIBLE.sub(lambda match: code(match[0]), text)


def spell_out(text: str, others: Callable[[str], str] = code) -> str:
    """Replace invisible characters except those that belong to the spelling of a text, for readers other than a screen.

    Kept are non-breaking spaces, and after a letter, mark, number or symbol one variation selector and one joiner or non-joiner.

    Args:
        text: the text.
        others: replaces each of the other invisible characters.
    """

    def spelt_run(run: re.Match[str]) -> str:
        before = run.string[run.start() - 1] if run.start() else " "
        holding = _HOLDING.match(run[0]) if unicodedata.category(before)[0] in "LMNS" or before in "‼⁉#*" else None
        kept = holding[0] if holding else ""
        return kept + "".join(one if one in _FIRM_BLANKS else others(one) for one in run[0][len(kept) :])

    return _UNSEEN_RUN.sub(spelt_run, text)


def findings(name: str, args: Any) -> tuple[str, ...]:
    """Suspicious properties of a tool call, as clauses; none if there are none. `args` is any JSON value."""
    codes = {code(character) for text in _texts(name, args) for character in INVISIBLE.findall(text)}
    listed = ", ".join(sorted(codes)[:3]) + (" …" if len(codes) > 3 else "")
    return (f"it holds characters that cannot be seen: {listed}",) if codes else ()


def _texts(*values: Any) -> list[str]:
    found, left = [], list(values)
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            left += [*value, *value.values()]
        elif isinstance(value, list):
            left += value
    return found


def visible_line(text: str) -> tuple[str, list[tuple[int, int]]]:
    """One line as it is drawn, and the `(start, end)` of each code in it: tabs are expanded, a newline and long gaps are codes."""
    if "\t" in text:
        text = text.expandtabs(TAB)
    if not _UNSEEN_IN_LINE.search(text):
        return text, []
    parts, marks, at, size = [], [], 0, 0
    for match in _UNSEEN_IN_LINE.finditer(text):
        drawn = code(match[0]) if len(match[0]) == 1 else f"⟨{len(match[0])} blanks⟩"
        parts += [text[at : match.start()], drawn]
        size += match.start() - at
        marks.append((size, size + len(drawn)))
        size, at = size + len(drawn), match.end()
    parts.append(text[at:])
    return "".join(parts), marks


def one_line(text: str, limit: int = 300) -> str:
    """The beginning of a text as a single visible line, for lists, titles and notifications."""
    short = " ".join(visible(text[: limit * 2]).split())
    return short if len(short) <= limit and len(text) <= limit * 2 else short[: limit - 1] + "…"
