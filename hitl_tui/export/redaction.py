"""Masks secrets and personal data in exported examples by regular expressions, in strings and numbers, and counts what it masked."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.errors import Refused

LONGEST = 20_000
"""Characters searched at once. Longer texts are split at spaces, so that no pattern takes too long."""
MAX_REMEMBERED, SHORT_TEXT = 10_000, 40
"""Number and length of the texts that are remembered as clean: keys, roles and names of tools occur in every example."""
NUMBERS = (int, float)
EXACT = 10**22
"""Floats below this that are whole are searched as whole numbers."""
PHONE_KEY = re.compile(r"(?i)(?:phone|mobile|fax|(?<![a-z])tel)(?:[_ -]?(?:number|no|nr))?$")
"""Keys of telephone numbers. A JSON number has lost the plus sign by which a telephone number is recognised."""


@dataclass(frozen=True, slots=True)
class Mask:
    """A pattern to mask, and the name that replaces it as `[name]`."""

    name: str
    pattern: re.Pattern[str]

    @property
    def replacement(self) -> str:
        """The replacement in the syntax of `re.sub`."""
        return f"[{self.name}]".replace("\\", r"\\")


def _mask(name: str, pattern: str) -> Mask:
    return Mask(name, re.compile(pattern))


DEFAULT = (
    _mask("private key", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,8000}-----END [A-Z ]{0,30}PRIVATE KEY-----"),
    _mask("access key", r"\bAKIA[0-9A-Z]{16}\b|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    _mask("token", r"\b(?:sk|pk|rk|ghp|gho|ghs|glpat|xox[abprs])[-_][A-Za-z0-9_-]{12,200}"),
    _mask("password", r"(?i:(?:password|passwd|secret|api[_-]?key|token)\b[\"']?\s{0,3}[:=]\s{0,3})[\"']?[^\s\"',;]{4,200}"),
    _mask("e-mail", r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}\b"),
    _mask("IBAN", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    _mask("card number", r"\b(?:\d[ -]?){13,18}\d\b"),
    _mask("telephone", r"(?<![\w.])\+\d{1,3}[ /-]?(?:\(?\d{1,5}\)?[ /-]?){2,5}\d{2,6}\b"),
)  # fmt: skip


class Masker:
    """Masks examples, and counts what it masked."""

    def __init__(self, masks: Sequence[Mask] = DEFAULT) -> None:
        self._masks = masks
        self.counts: Counter[str] = Counter()
        self._clean: set[str] = set()

    def example(self, example: dict[str, Any]) -> dict[str, Any]:
        """Mask an example, except its top-level numbers, which are ids and times, and the numbers in tool schemas, which are limits."""
        return {key: part if type(part) in NUMBERS else self._named(key, part, key != "tools") for key, part in example.items()}

    def mask(self, value: Any, numbers: bool = True) -> Any:
        """Mask every string in a JSON value, keys included, and with `numbers` every number. A masked number becomes a string."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.mask(part, numbers) for part in value]
        if isinstance(value, dict):
            return {self._text(str(key)): self._named(str(key), part, numbers) for key, part in value.items()}
        return self._number(value) if numbers and type(value) in NUMBERS else value

    def _named(self, key: str, value: Any, numbers: bool) -> Any:
        """Mask a value under a key. The key may be what shows that the value is secret."""
        masked = self.mask(value, numbers)
        if isinstance(value, str):
            text = value
        elif numbers and type(value) in NUMBERS and _is_whole(value):
            text = "+" * bool(PHONE_KEY.search(key)) + _digits(value)
        else:
            return masked
        return masked if masked != value or len(key) > SHORT_TEXT else self._mask_by_key(key, text) or masked

    def _mask_by_key(self, key: str, text: str) -> str:
        """The replacement of a text that is secret under this key; empty if it is not secret."""
        beginning = f"{key}={text[:SHORT_TEXT]}"
        for mask in self._masks:
            if (found := mask.pattern.search(beginning)) and found.end() > len(key) + 1:
                self.counts[mask.name] += 1
                return f"[{mask.name}]"
        return ""

    def _number(self, value: float) -> Any:
        """Mask a number: a whole number if a pattern occurs in it, another one only if a pattern matches all of it."""
        text, whole = _digits(value), _is_whole(value)
        for mask in self._masks:
            if mask.pattern.search(text) if whole else mask.pattern.fullmatch(text):
                self.counts[mask.name] += 1
                return f"[{mask.name}]"
        return value

    def _text(self, text: str) -> str:
        if text in self._clean:
            return text
        if len(text) > LONGEST:
            return "".join(map(self._text, _pieces(text)))
        masked = text
        for mask in self._masks:
            masked, count = mask.pattern.subn(mask.replacement, masked)
            if count:
                self.counts[mask.name] += count
        if masked == text and len(text) <= SHORT_TEXT and len(self._clean) < MAX_REMEMBERED:
            self._clean.add(text)
        return masked


def _digits(value: float) -> str:
    """The digits of a number; `4111.0` is `4111`."""
    return str(int(value)) if _is_whole(value) else repr(value)


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or (abs(value) < EXACT and value.is_integer())


def _pieces(text: str) -> Iterator[str]:
    """Split a text into pieces of at most `LONGEST` characters, at spaces if possible."""
    at = 0
    while at < len(text):
        end = at + LONGEST
        if end < len(text):
            end = text.rfind(" ", at, end) + 1 or end
        yield text[at:end]
        at = end


def read_masks(text: str, place: str) -> tuple[Mask, ...]:
    """Read masks from TOML: `defaults = true`, and a table `[masks]` of names and regular expressions.

    Raises:
        Refused: the text does not have this form. The message names `place`, the file.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{place} is not TOML: {error}", "correct it") from None
    if unknown := set(table) - {"defaults", "masks"}:
        raise Refused(f"{place} has an unknown key {sorted(unknown)[0]!r}", "known keys: defaults, masks")
    own, defaults = table.get("masks", {}), table.get("defaults", True)
    if not isinstance(own, dict) or not all(isinstance(pattern, str) for pattern in own.values()) or not isinstance(defaults, bool):
        raise Refused(f"{place}: masks is not a table of regular expressions", 'write it like customer = "C-[0-9]{6}"')
    made = []
    for name, pattern in own.items():
        try:
            made.append(Mask(name, re.compile(pattern)))
        except re.error as error:
            raise Refused(f"{place}: the pattern of {name} is not a regular expression: {error}", "correct it") from None
        if made[-1].pattern.search(""):
            raise Refused(f"{place}: the pattern of {name} matches the empty text", "make it require at least one character")
    return (*made, *(DEFAULT if defaults else ()))
