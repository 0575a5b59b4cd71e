"""Secrets and personal data, replaced before anything leaves: by patterns, in an example's strings and numbers, with a count of each."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.errors import Refused

LONGEST = 20_000
"""Characters looked at in one piece; longer texts are cut at blanks, so that no pattern takes forever."""
MAX_REMEMBERED, SHORT_TEXT = 10_000, 40
"""So many texts of so few characters are remembered to have nothing to mask: keys, roles, names of tools come in every example."""
NUMBERS = (int, float)
EXACT = 10**22
"""Floats below this are written as the whole number that they are, if they are one."""
PHONE_KEY = re.compile(r"(?i)(?:phone|mobile|fax|(?<![a-z])tel)(?:[_ -]?(?:number|no|nr))?$")
"""Keys of telephone numbers: as a number one has lost the plus that it is known by."""


@dataclass(frozen=True, slots=True)
class Mask:
    """What is looked for, and what is written in its place: `[name]`."""

    name: str
    pattern: re.Pattern[str]

    @property
    def instead(self) -> str:
        """As `re` takes it."""
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
        """An example masked: but not its own numbers, which are ids and times, nor those of a tool's schema, which are bounds."""
        return {key: part if type(part) in NUMBERS else self._named(key, part, key != "tools") for key, part in example.items()}

    def mask(self, value: Any, numbers: bool = True) -> Any:
        """The same value with every string in it masked, keys too, and every number; a masked number becomes a string."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.mask(part, numbers) for part in value]
        if isinstance(value, dict):
            return {self._text(str(key)): self._named(str(key), part, numbers) for key, part in value.items()}
        return self._number(value) if numbers and type(value) in NUMBERS else value

    def _named(self, key: str, value: Any, numbers: bool) -> Any:
        """A value under a key, which may be what tells that it is secret."""
        masked = self.mask(value, numbers)
        if isinstance(value, str):
            text = value
        elif numbers and type(value) in NUMBERS and _is_whole(value):
            text = "+" * bool(PHONE_KEY.search(key)) + _digits(value)
        else:
            return masked
        return masked if masked != value or len(key) > SHORT_TEXT else self._told(key, text) or masked

    def _told(self, key: str, text: str) -> str:
        """What is written for a text that is secret under this key; empty when it is not."""
        beginning = f"{key}={text[:SHORT_TEXT]}"
        for mask in self._masks:
            if (found := mask.pattern.search(beginning)) and found.end() > len(key) + 1:
                self.counts[mask.name] += 1
                return f"[{mask.name}]"
        return ""

    def _number(self, value: float) -> Any:
        """A whole number in which anything is found, or a broken one that is altogether what is looked for, as the mask's string."""
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
            masked, count = mask.pattern.subn(mask.instead, masked)
            if count:
                self.counts[mask.name] += count
        if masked == text and len(text) <= SHORT_TEXT and len(self._clean) < MAX_REMEMBERED:
            self._clean.add(text)
        return masked


def _digits(value: float) -> str:
    """A number as people write it: `4111.0` is `4111`."""
    return str(int(value)) if _is_whole(value) else repr(value)


def _is_whole(value: float) -> bool:
    return isinstance(value, int) or (abs(value) < EXACT and value.is_integer())


def _pieces(text: str) -> Iterator[str]:
    """Pieces that are short enough, cut at a blank where there is one."""
    at = 0
    while at < len(text):
        end = at + LONGEST
        if end < len(text):
            end = text.rfind(" ", at, end) + 1 or end
        yield text[at:end]
        at = end


def read_masks(text: str, place: str) -> tuple[Mask, ...]:
    """Masks of a TOML file: `defaults = true`, and a table `[masks]` of names and regular expressions.

    Raises:
        Refused: it is not of this form; with the place.
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
            raise Refused(f"{place}: the pattern of {name} is no regular expression: {error}", "correct it") from None
        if made[-1].pattern.search(""):
            raise Refused(f"{place}: the pattern of {name} finds nothing at all everywhere", "let it ask for one character at least")
    return (*made, *(DEFAULT if defaults else ()))
