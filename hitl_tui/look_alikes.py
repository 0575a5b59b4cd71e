"""Characters that look like others, by the skeletons of Unicode TR39: in addresses, URLs, paths, names, and what policy compares. Pure.

The table is that of the package `confusable-homoglyphs`, which has no skeletons. It is read when it is first needed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache

MIXED = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "GEORGIAN", "LISU", "DESERET", "OSAGE"})
"""Scripts with letters that look alike; a word has one of them."""
SHORT = 100
"""Characters of a text whose skeleton is kept: policy compares the same words over and over."""
LONGEST = 4000
"""Characters of a word beyond which it is data."""
_WORD = re.compile(r"""[^\s<>"'(),;\[\]{}]*[^\x00-\x7f\s<>"'(),;\[\]{}][^\s<>"'(),;\[\]{}]*""")
"""Words that are not all ASCII."""
_ADDRESS = re.compile(r"@|://|^(?:~|\.{0,2})?[/\\]|^[A-Za-z]:[/\\]|^\w[\w-]*(?:\.\w[\w-]*)+$|^xn--")
"""What makes a word an address, a URL, a host or file name, or a path."""
_LIKE_ASCII = re.compile(r"[\w./@:\\-]+", re.ASCII)
_SIGNS = str.maketrans("‐‑‒–−․。．／∕⁄＠：", "-----...///@:")
"""Signs that look like those which make an address."""
_PARTS = re.compile(r"[^\W_]+")
_OWN = "…æœÆŒþÞ"
"""Characters that the table compares with others, and that nobody takes for them."""
_MARK = "\u200e"
"""Stands around right-to-left characters in the table."""


@cache
def _prototypes() -> Mapping[int, str]:
    """By code point: the character, or several, that a character looks like."""
    import importlib.resources  # not before the console's first frame
    import json

    text = importlib.resources.files("confusable_homoglyphs").joinpath("confusables.json").read_text("utf-8")
    table = {key.strip(_MARK): [one["c"].strip(_MARK) for one in found] for key, found in json.loads(text).items()}
    found: dict[int, str] = {}
    for character, others in table.items():
        if len(character) > 1:
            continue
        several = [other for other in others if len(other) > 1]
        if several:
            found[ord(character)] = several[0]
        elif len(others) == 1 and (len(table.get(others[0], ())) > 1 or others[0] < character):
            found[ord(character)] = others[0]  # the table also lists all that look like a character; only those have one entry
    return found


def skeleton(text: str) -> str:
    """The text with each character replaced by the one that it looks like: texts that look the same have the same skeleton.

    Other than in TR39, letters in other forms, such as fullwidth ones, count as the letters that they are.
    """
    return _short_skeleton(text) if len(text) <= SHORT else _skeleton(text)


def _skeleton(text: str) -> str:
    if text.isascii():
        return text.translate(_prototypes())
    shown = "".join(c for c in unicodedata.normalize("NFKD", text) if c < "\x7f" or not _is_ignorable(c))
    return unicodedata.normalize("NFD", shown.translate(_prototypes()))


_short_skeleton = lru_cache(8192)(_skeleton)


@lru_cache(4096)
def _is_ignorable(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cn")


def look_alikes(text: str, is_name: bool = False) -> Iterator[tuple[int, str]]:
    """Place and character of each one that looks like another, in addresses, URLs, paths and, if it is a name, in all of the text."""
    if text.isascii():
        return
    for word in _WORD.finditer(text):
        if len(word[0]) <= LONGEST and (is_name or _ADDRESS.search(word[0].translate(_SIGNS))):
            yield from _in_word(word[0], word.start())


def _in_word(word: str, at: int) -> Iterator[tuple[int, str]]:
    odd = [(place, c) for place, c in enumerate(word) if c > "\x7f" and c not in _OWN and _LIKE_ASCII.fullmatch(skeleton(c))]
    if not odd:
        return
    spans = [part.span() for part in _PARTS.finditer(word)]
    for place, c in odd:
        start, end = next((span for span in spans if span[0] <= place < span[1]), (place, place + 1))
        part = word[start:end]
        if len(_scripts(part) & MIXED) > 1 or _LIKE_ASCII.fullmatch(skeleton(part)):
            yield at + place, c


def mixed_scripts(name: str) -> tuple[str, ...]:
    """The scripts with letters that look alike that a name mixes, as in `Cyrillic and Latin`; none if it has only one of them."""
    if name.isascii():
        return ()
    found = sorted(_scripts(unicodedata.normalize("NFKC", name)) & MIXED)
    return tuple(script.capitalize() for script in found) if len(found) > 1 else ()


def _scripts(part: str) -> set[str]:
    return {unicodedata.name(c, "").partition(" ")[0] for c in part if c.isalpha()}


def findings(names: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """What is suspicious in names, and in the addresses, URLs and paths that texts hold, as clauses; none if nothing is."""
    odd: dict[str, None] = {}
    is_decomposed = False
    for is_name, group in ((True, names), (False, texts)):
        for text in group:
            odd |= dict.fromkeys(f"U+{ord(c):04X} like {skeleton(c)}" for _, c in look_alikes(text, is_name))
            words = (
                (word[0] for word in _WORD.finditer(text) if is_name or _ADDRESS.search(word[0].translate(_SIGNS)))
                if not text.isascii()
                else ()
            )
            is_decomposed = is_decomposed or any(not unicodedata.is_normalized("NFC", word) for word in words)
    listed = ", ".join([*odd][:3]) + (" …" if len(odd) > 3 else "")
    return (
        *([f"a name or an address in it has characters that look like others: {listed}"] if odd else []),
        *(["a name or an address in it is spelt in a way that looks like another spelling"] if is_decomposed else []),
    )
