"""Masks credentials and personal data in exported examples, in strings and numbers, and counts what it masked."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from hitl_tui.errors import Refused
from hitl_tui.export import credentials
from hitl_tui.export.secret_names import is_secret_name, may_be_secret_name

LONGEST = 20_000
"""Characters in which a pattern of the user's is searched at once. Longer texts are split at spaces, so that none takes too long."""
MAX_REMEMBERED, SHORT_TEXT = 10_000, 40
"""Number and length of the texts that are remembered as clean: keys, roles and names of tools occur in every example."""
DEEPEST = 3
"""How many JSON texts inside each other are read: a body that quotes a body."""
NUMBERS = (int, float)
EXACT = 10**22
"""Floats below this that are whole are searched as whole numbers."""
PHONE_KEY = re.compile(r"(?i)(?:phone|mobile|fax|(?<![a-z])tel)(?:[_ -]?(?:number|no|nr))?$")
"""Keys of telephone numbers. A JSON number has lost the plus sign by which a telephone number is recognised."""
VALUE_KEYS = ("value", "data", "content", "plain", "text", "secret")
"""Keys of the value itself, inside an object whose own key says that it is secret."""
NAME_KEYS = ("name", "key", "header", "field", "Name", "Key")
"""Keys of a name whose value stands beside it, as in `{"name": "DB_PASSWORD", "value": "…"}`."""
WEB_KEY_PARTS = ("d", "p", "q", "dp", "dq", "qi", "k")
"""The private numbers of a JSON web key."""
IN_BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,100000}={0,2}(?![A-Za-z0-9+/=_-])")
IN_URL = re.compile(r"[^\s\"'<>]{0,4000}%[0-9A-Fa-f]{2}[^\s\"'<>]{0,8000}")


@dataclass(frozen=True, slots=True)
class Mask:
    """A pattern to mask, and the name that replaces it as `[name]`."""

    name: str
    pattern: re.Pattern[str]

    @property
    def replacement(self) -> str:
        """The replacement in the syntax of `re.sub`."""
        return f"[{self.name}]".replace("\\", r"\\")


@dataclass(frozen=True, slots=True)
class Masks:
    """What to mask."""

    own: tuple[Mask, ...] = ()
    """The user's patterns, which come first."""
    defaults: bool = True
    """Whether credentials and personal data are masked too."""


def _mask(name: str, pattern: str) -> Mask:
    return Mask(name, re.compile(pattern))


PERSONAL_DATA = (
    _mask("e-mail", r"\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,5}\b"),
    _mask("IBAN", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    _mask("card number", r"\b(?:\d[ -]?){13,18}\d\b"),
    _mask("telephone", r"(?<![\w.])\+\d{1,3}[ /-]?(?:\(?\d{1,5}\)?[ /-]?){2,5}\d{2,6}\b"),
)


class Masker:
    """Masks examples, and counts what it masked."""

    def __init__(self, masks: Masks = Masks()) -> None:
        self._masks = (*masks.own, *(PERSONAL_DATA if masks.defaults else ()))
        self._own = masks.own
        self._defaults = masks.defaults
        self.counts: Counter[str] = Counter()
        self._clean: set[str] = set()

    def example(self, example: dict[str, Any]) -> dict[str, Any]:
        """Mask an example, except its top-level numbers, which are ids and times, and the numbers in tool schemas, which are limits."""
        return {key: part if type(part) in NUMBERS else self._named(key, part, key != "tools") for key, part in example.items()}

    def mask(self, value: Any, numbers: bool = True) -> Any:
        """Mask every string in a JSON value, keys included, and with `numbers` every number. A masked number becomes a string."""
        return self._value(value, numbers, 0)

    def _value(self, value: Any, numbers: bool, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value, depth)
        if isinstance(value, list):
            return [self._value(part, numbers, depth) for part in value]
        if isinstance(value, dict):
            return self._object(value, numbers, depth)
        return self._number(value) if numbers and type(value) in NUMBERS else value

    def _object(self, value: dict[str, Any], numbers: bool, depth: int) -> dict[str, Any]:
        secret = self._secret_parts(value) if self._defaults else frozenset()
        return {
            self._text(str(key), depth): self._hidden(part) if key in secret else self._named(str(key), part, numbers, depth)
            for key, part in value.items()
        }

    def _secret_parts(self, value: dict[str, Any]) -> frozenset[str]:
        """Keys whose values are secret because of what stands beside them."""
        found: set[str] = set()
        if "kty" in value:
            found.update(WEB_KEY_PARTS)
        names = [value[key] for key in NAME_KEYS if isinstance(value.get(key), str)]
        if any(is_secret_name(name) for name in names):
            found.update(key for key in ("value", "Value", "default") if isinstance(value.get(key), str))
        return frozenset(found & value.keys())

    def _named(self, key: str, value: Any, numbers: bool, depth: int = 0) -> Any:
        """Mask a value under a key. The key may be what shows that the value is secret."""
        if self._defaults and not isinstance(value, str | int | float | None) and is_secret_name(key):
            return self._below_secret(value, numbers, depth)
        masked = self._value(value, numbers, depth)
        if isinstance(value, str):
            text = value
        elif numbers and type(value) in NUMBERS and _is_whole(value):
            text = "+" * bool(PHONE_KEY.search(key)) + _digits(value)
        else:
            return masked
        if masked != value and isinstance(value, str) and self._defaults and is_secret_name(key):
            return masked if masked.startswith("[") and masked.endswith("]") and " " not in masked else self._hidden(value)
        return masked if masked != value or len(key) > 3 * SHORT_TEXT else self._mask_by_key(key, text) or masked

    def _below_secret(self, value: Any, numbers: bool, depth: int) -> Any:
        """Mask a list or an object under a key that says it is secret: every text of a list, and the values of an object."""
        if isinstance(value, list):
            return [self._hidden(part) if isinstance(part, str) else self._below_secret(part, numbers, depth) for part in value]
        if isinstance(value, dict):
            known = {key for key in value if key in VALUE_KEYS or (isinstance(value[key], str) and credentials.is_random(value[key]))}
            hidden = {key: self._hidden(part) for key, part in value.items() if key in known and isinstance(part, str)}
            return {**self._object({**value, **dict.fromkeys(hidden)}, numbers, depth), **hidden}
        return self._value(value, numbers, depth)

    def _hidden(self, value: Any, name: str = "password") -> Any:
        """The replacement of a whole value."""
        if not isinstance(value, str) or not value or credentials.PLACEHOLDER.match(value):
            return value
        self.counts[name] += 1
        return f"[{name}]"

    def _mask_by_key(self, key: str, text: str) -> str:
        """The replacement of a text that is secret under this key; empty if it is not secret."""
        beginning = f"{key}={text[:SHORT_TEXT]}"
        for mask in self._masks:
            if (found := mask.pattern.search(beginning)) and found.end() > len(key) + 1:
                self.counts[mask.name] += 1
                return f"[{mask.name}]"
        if not self._defaults or credentials.PLACEHOLDER.match(text) or not text:
            return ""
        if is_secret_name(key) or (may_be_secret_name(key) and credentials.is_random(text)):
            self.counts["password"] += 1
            return "[password]"
        return ""

    def _number(self, value: float) -> Any:
        """Mask a number: a whole number if a pattern occurs in it, another one only if a pattern matches all of it."""
        text, whole = _digits(value), _is_whole(value)
        for mask in self._masks:
            if mask.pattern.search(text) if whole else mask.pattern.fullmatch(text):
                self.counts[mask.name] += 1
                return f"[{mask.name}]"
        return value

    def _text(self, text: str, depth: int = 0) -> str:
        if text in self._clean:
            return text
        masked = self._json(text, depth) if self._defaults and depth < DEEPEST else None
        if masked is None:
            masked = "".join(map(self._patterns, _pieces(text))) if self._own else text
            if self._defaults:
                masked = self._credentials(masked)
                masked = self._encoded(masked)
            masked = "".join(map(self._personal, _pieces(masked)))
        if masked == text and len(text) <= SHORT_TEXT and len(self._clean) < MAX_REMEMBERED:
            self._clean.add(text)
        return masked

    def _patterns(self, text: str) -> str:
        return self._substituted(text, self._own)

    def _personal(self, text: str) -> str:
        return self._substituted(text, self._masks[len(self._own) :])

    def _substituted(self, text: str, masks: Sequence[Mask]) -> str:
        for mask in masks:
            text, count = mask.pattern.subn(mask.replacement, text)
            if count:
                self.counts[mask.name] += count
        return text

    def _credentials(self, text: str) -> str:
        """The text with its credentials masked. Of those that overlap, all is masked under the name of the first."""
        made, at, open_ = list[str](), 0, 0
        for one in sorted(credentials.found(text), key=lambda one: (one.start, -one.end)):
            if one.start >= open_:
                made += [text[at : one.start], f"[{one.name}]"]
                self.counts[one.name] += 1
            at = open_ = max(open_, one.end)
        return "".join(made) + text[at:] if made else text

    def _json(self, text: str, depth: int) -> str | None:
        """A text that is JSON, with the values in it masked; None if it is none, or an empty one."""
        begin = text.lstrip()[:1]
        if begin not in ("{", "[") or len(text) > 50 * LONGEST:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None
        masked = self._value(value, True, depth + 1)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)

    def _encoded(self, text: str) -> str:
        """The text without what holds credentials once it is decoded, from URLs and from base64."""
        if "%" in text:
            text = IN_URL.sub(self._decoded_url, text)
        return IN_BASE64.sub(self._decoded_base64, text) if len(text) >= 16 else text

    def _decoded_url(self, found: re.Match[str]) -> str:
        plain = unquote(found[0])
        masked = self._credentials(plain)
        return found[0] if masked == plain else masked

    def _decoded_base64(self, found: re.Match[str]) -> str:
        plain = credentials.from_base64(found[0])
        hidden = next(iter(credentials.found(plain)), None) if plain else None
        if hidden is None:
            return found[0]
        self.counts[hidden.name] += 1
        return f"[{hidden.name}]"


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


def read_masks(text: str, place: str) -> Masks:
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
    return Masks(tuple(made), defaults)
