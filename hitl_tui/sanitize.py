"""Makes agent text safe to display: invisible characters and terminal controls become codes such as `⟨U+200B⟩`. Pure.

What is drawn tells every text from every other, also without colour: a literal `⟨U+200B⟩` is drawn with a code for its bracket.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hitl_tui import look_alikes

_CLASS = (
    "\x00-\x08\x0b-\x1f\x7f-\xa0"  # control characters, but for tab and newline; the blank after them does not break
    "\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"  # of single scripts
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"  # odd spaces, zero width, line separators, bidi
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff"  # blanks, variation selectors, specials
    "\ud800-\uf8ff"  # lone surrogates, private use
    "\U000110bd\U000110cd\U00013430-\U0001343f\U00013441\U00013442\U00016fe4"  # number signs, joiners, blanks
    "\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a"  # shorthand and musical controls
    "\U000e0000-\U0010ffff"  # tags, private use
)
INVISIBLE = re.compile(f"[{_CLASS}]")
"""Every character that Unicode calls a control, a format character, a separator, private or ignorable by default, and blank symbols.

Characters that are not assigned yet are not among them; `is_hidden` knows them.
"""
_UNSEEN_RUN = re.compile(f"[{_CLASS}]+")
_FIRM_BLANKS = "\u00a0\u202f"
_HOLDING = re.compile("[\ufe0e\ufe0f]?[\u200c\u200d]?")
"""A variation selector, then a joiner or non-joiner: they belong to the spelling of emoji and some scripts."""
TAB = 4
MARKS = 4
"""Most marks on one character: terminals draw a pile of them over the rows around it."""
GAP = 60
"""So many blanks could push what follows off the screen: they are counted."""

PLAIN = (
    " -~¡-¬®-\u02ff\u0370-\u0373\u0375-\u0377\u037a-\u037d\u037f\u0384-\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ff"  # Latin, Greek
    "\u0400-\u0482\u048a-\u052f\u1e00-\u1eff"  # Cyrillic, more of Latin
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u21e4\u21e6-\u22ff"  # punctuation, arrows, mathematics
    "\u2500-\u25fc\u2610-\u2613\u2694-\u26a0\u270e-\u2727"  # lines, blocks, symbols
    "\u3001-\u3029\u3041-\u3096\u30a0-\u30ff\u4e00-\u9fa5\uac00-\ud7a3\uff01-\uff60"  # Chinese, Japanese, Korean
)
"""Characters that never need a code and whose width nothing disputes, as the inside of a regular expression's class."""
_LOOK = re.compile(f"[^{PLAIN}]+| {{{GAP},}}| +$")
_SIGNS = "⇥␣"
"""Drawn for a tab and for a blank at the end of a line; in a text they are codes."""
_OWN = f"⟨⟩{_SIGNS}"
_LIKE_A_CODE = re.compile("U\\+|\\d")
_HALF_CODE = re.compile("⟨(?:U(?:\\+[0-9A-F]*)?|[0-9]+[ a-z]*)?$")
_ONE_LINE_BLANKS = re.compile("(?:[ \\t\\n]|\\r\\n)+")


def code(character: str) -> str:
    """The code of one character: `⟨U+200B⟩`."""
    return f"⟨U+{ord(character):04X}⟩"


@lru_cache(8192)
def is_hidden(character: str) -> bool:
    """Whether a character is always drawn as a code: it cannot be seen, controls something, or is not assigned."""
    return bool(INVISIBLE.match(character)) or unicodedata.category(character) == "Cn"


@lru_cache(8192)
def is_mark(character: str) -> bool:
    """Whether a character is drawn with the one before it: accents, vowel signs, and the later parts of a Korean syllable."""
    return unicodedata.category(character)[0] == "M" or "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7fb"


@lru_cache(8192)
def _has_code(character: str) -> bool:
    """Whether a character is a code wherever it stands: also one that is only another spelling of others, such as U+212B of Å."""
    return character in _SIGNS or is_hidden(character) or not unicodedata.is_normalized("NFC", character)


@lru_cache(8192)
def _carries(held: str, mark: str) -> bool:
    """Whether a mark is drawn on what stands before it: a character with the marks that it has already.

    A spelling that Unicode calls equal to another one is not: `e` with U+0301 looks like `é`.
    """
    if not held or len(held) > MARKS or not unicodedata.is_normalized("NFC", held + mark):
        return False
    if unicodedata.category(mark)[0] == "M":
        return True
    return "\u1100" <= held[0] <= "\u115e" or "\ua960" <= held[0] <= "\ua97c" or "\uac00" <= held[0] <= "\ud7a3"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line as it is drawn."""

    text: str
    marks: tuple[tuple[int, int, str], ...]
    """From, to and style of each part that stands for something else: `code`, or `faint` for tabs and blanks."""
    replaced: tuple[tuple[int, int, int], ...]
    """From and to in the original line, and the length it is drawn in; in order."""

    def at(self, offset: int) -> int:
        """The place in the drawn line of an offset in the original one."""
        moved = offset
        for start, end, size in self.replaced:
            if end > offset:
                break
            moved += size - (end - start)
        return moved


def draw(text: str, is_name: bool = False, keeps_codes: bool = False) -> Drawn:
    """One line as it is drawn: codes for what cannot be seen and for newlines, signs for tabs and for blanks at the end.

    Characters that look like others are codes too in addresses, URLs and paths, and in all of a name. `keeps_codes` is for sentences of the
    console, which hold names that are drawn already: what looks like a code stays as it is.
    """
    if text.isascii() and not _LOOK.search(text):
        return Drawn(text, (), ())
    parts: list[str] = []
    marks: list[tuple[int, int, str]] = []
    replaced: list[tuple[int, int, int]] = []
    at = size = 0
    for start, end, shown, style in _replacements(text, is_name, keeps_codes):
        size += start - at
        if shown == "⇥":
            shown += " " * (TAB - 1 - size % TAB)
        parts += [text[at:start], shown]
        marks.append((size, size + len(shown), style))
        replaced.append((start, end, len(shown)))
        size, at = size + len(shown), end
    parts.append(text[at:])
    return Drawn("".join(parts), tuple(marks), tuple(replaced))


def _replacements(text: str, is_name: bool, keeps_codes: bool) -> list[tuple[int, int, str, str]]:
    """From, to, what is drawn instead and its style, for each part of a line that is not drawn as it is; in order."""
    found = list(_unseen(text, keeps_codes)) if _LOOK.search(text) else []
    taken = {start for start, *_ in found}
    alike = [(at, at + 1, code(c), "code") for at, c in look_alikes.look_alikes(text, is_name) if at not in taken]
    return sorted([*found, *alike]) if alike else found


def _unseen(text: str, keeps_codes: bool) -> Iterator[tuple[int, int, str, str]]:
    for match in _LOOK.finditer(text):
        start, end = match.span()
        if text[start] == " ":
            count = end - start
            yield start, end, "␣" * count if count < GAP else f"⟨{count} blanks⟩", "faint" if count < GAP else "code"
            continue
        held = text[start - 1].strip(" ") if start else ""
        for place in range(start, end):
            one = text[place]
            if one == "\t":
                yield place, place + 1, "⇥", "faint"
            elif keeps_codes and one in _OWN:
                held = ""
                continue
            elif one == "\n" or _has_code(one) or (one == "⟨" and _LIKE_A_CODE.match(text, place + 1)):
                yield place, place + 1, code(one), "code"
            elif is_mark(one):
                if _carries(held, one):
                    held += one
                    continue
                yield place, place + 1, code(one), "code"
            elif "\U0001f3fb" <= one <= "\U0001f3ff" and (len(held) != 1 or unicodedata.category(held) != "So"):
                yield place, place + 1, code(one), "code"  # a skin tone on nothing
            else:
                held = one
                continue
            held = ""


def visible_line(text: str, keeps_codes: bool = False) -> tuple[str, list[tuple[int, int, str]]]:
    """One line as it is drawn, and the `(start, end, style)` of each part that stands for something else; see `draw`."""
    drawn = draw(text, keeps_codes=keeps_codes)
    return drawn.text, list(drawn.marks)


def visible(text: str) -> str:
    """A sentence of the console with everything that `draw` replaces, line by line; newlines and codes stay."""
    return text if text.isascii() and not _LOOK.search(text) else "\n".join(draw(line, keeps_codes=True).text for line in text.split("\n"))


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
    names, texts = [name, *_keys(args)], _texts(args)
    codes = {
        f"U+{ord(character):04X}"
        for text in (*names, *texts)
        for character in set(text)
        if character not in "\t\n" and is_hidden(character)
    }
    listed = ", ".join(sorted(codes)[:3]) + (" …" if len(codes) > 3 else "")
    unseen = (f"it holds characters that cannot be seen: {listed}",) if codes else ()
    return (*unseen, *look_alikes.findings(names, texts))


def _texts(*values: Any) -> list[str]:
    found: list[str] = []
    left = list(values)
    while left:
        value = left.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def _keys(*values: Any) -> list[str]:
    found: list[str] = []
    left = list(values)
    while left:
        value = left.pop()
        if isinstance(value, dict):
            found += value
            left += value.values()
        elif isinstance(value, list):
            left += value
    return found


def one_line(text: str, limit: int = 300) -> str:
    """The beginning of a text as a single visible line, for lists, titles and notifications; `…` marks what was cut."""
    found, goes_on = _beginning(text, limit)
    return cut(draw(found).text, limit, goes_on)


def whole_line(text: str) -> str:
    """A text as a single visible line, all of it; blanks and line breaks between words become one blank."""
    return draw(_ONE_LINE_BLANKS.sub(" ", text).strip(" ")).text


def exact_line(text: str) -> str:
    """A text as a single visible line that tells it from every other: line breaks are codes."""
    return draw(text).text


def shortened(text: str, limit: int) -> str:
    """The beginning of a text on one line, not drawn yet, for what is drawn later; `…` marks what was cut."""
    found, goes_on = _beginning(text, limit)
    return f"{found[: limit - 1]}…" if goes_on or len(found) > limit else found


def _beginning(text: str, limit: int) -> tuple[str, bool]:
    """Somewhat more than the beginning of a text, on one line, and whether more than blanks follows."""
    return _ONE_LINE_BLANKS.sub(" ", text[: limit * 2]).strip(" "), bool(text[limit * 2 :].strip(" \t\r\n"))


def cut(drawn: str, size: int, goes_on: bool = False) -> str:
    """At most so many characters of a text as it is drawn, without half a code or half a character; `…` marks what was cut."""
    if len(drawn) <= size and not goes_on:
        return drawn
    size = min(len(drawn), max(0, size - 1))
    while 0 < size < len(drawn) and is_mark(drawn[size]):
        size -= 1
    return _HALF_CODE.sub("", drawn[:size]) + "…"
