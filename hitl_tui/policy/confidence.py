"""Reads an agent's confidence in an action from its interrupt, messages, state, log-probabilities or words: 0 to 1, or unknown. Pure.

Of the sources that give a value, the lowest counts; one that is invalid makes it unknown: 1.7, -1, NaN, "high" and true are no confidence.
Nothing is clamped or guessed. Of a message only the agent's own words count, not what it quotes. Only JSON is read here, never an agent's
objects.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui import canonical_json
from hitl_tui.model import Confidence, Json

STATE_KEY = "confidence"
READ = 20_000
"""Characters of a message's text that are searched, from its end: the last words count."""
MOST = 200_000
"""Characters of a message beyond which its words say nothing: where a quotation begins must be seen."""
TOKENS = 50_000
"""Most tokens of a message whose log-probabilities are read."""


class ConfidenceSource(StrEnum):
    """A place where an agent's confidence may be found."""

    INTERRUPT = "interrupt"
    """Key `confidence` of the interrupt's value."""
    METADATA = "metadata"
    """Key `confidence` of the tool call, its metadata, or the message's metadata."""
    STATE = "state"
    """A key of the graph's state."""
    LOGPROBS = "logprobs"
    """The model's log-probabilities of the tool call's tokens."""
    FIELD = "field"
    """Self-report as a number: the tool argument `confidence`, or that field of a message that is a JSON object."""
    WORDS = "words"
    """Self-report in words: `confidence: 0.82`, `I am 85 % sure`."""


DEFAULT_ORDER = tuple(ConfidenceSource)
SELF_REPORTED = (ConfidenceSource.FIELD, ConfidenceSource.WORDS)
"""Sources that the model writes itself: alone they let no action run, unless the policy trusts them."""


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything that may contain an agent's confidence in one action, as plain JSON; None for a part that does not exist.

    No tool's result and no user's message is among them.
    """

    value: Json = None
    """The interrupt's value."""
    call: Json = None
    """The tool call or action request: `{"name", "args", "id", "metadata"?, "confidence"?}`."""
    message: Json = None
    """The message that made the call: `{"content", "additional_kwargs", "response_metadata", "metadata"?}`."""
    state: Json = None
    state_key: str = STATE_KEY


UNKNOWN = Confidence(None, "", "nobody said how sure the agent is")


def assess(signals: Signals, order: Sequence[ConfidenceSource] = DEFAULT_ORDER) -> Confidence:
    """The lowest confidence that these sources give; `source` names all that gave one. Unknown if one of them is invalid. Never raises."""
    read = [(source, _READERS[source](signals)) for source in order]
    found = [(one.value, source.value, one.note) for source, one in read if one is not None]
    if not found:
        return UNKNOWN
    if invalid := next((one for one in found if one[0] is None), None):
        return Confidence(*invalid)
    ranked = sorted(((value or 0.0, source, note) for value, source, note in found), key=lambda one: one[0])
    if len(ranked) == 1:
        return Confidence(*ranked[0])
    told = ", ".join(f"{source} {value:.3g}" for value, source, _ in ranked)
    return Confidence(ranked[0][0], ", ".join(source for _, source, _ in ranked), f"the lowest of {told}")


def _interrupt(signals: Signals) -> Confidence | None:
    return _value_at(signals.value)


def _metadata(signals: Signals) -> Confidence | None:
    call, message = signals.call, signals.message
    holders = (call, _in(call, "metadata"), *(_in(message, key) for key in ("metadata", "additional_kwargs", "response_metadata")))
    return next(filter(None, map(_value_at, holders)), None)


def _state(signals: Signals) -> Confidence | None:
    return _value_at(signals.state, signals.state_key)


def _field(signals: Signals) -> Confidence | None:
    return _value_at(_in(signals.call, "args")) or _value_at(_object(_text_of(signals.message)))


def _in(holder: Json, key: str) -> Json:
    return holder.get(key) if isinstance(holder, Mapping) else None


def _value_at(holder: Json, key: str = "confidence") -> Confidence | None:
    """The confidence under a key; None if the key is missing or null."""
    found = _in(holder, key)
    return None if found is None else _number(found)


def _number(found: Json) -> Confidence:
    if isinstance(found, str):
        return _parse_text(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        return _no_number(found)
    return Confidence(float(found))


_WRITTEN = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,17})?|\.[0-9]{1,17})\s?(%?)")


def _parse_text(text: str) -> Confidence:
    """Parse a number in a text: from 0 to 1, or with a % sign from 0 to 100."""
    match = _WRITTEN.fullmatch(text.strip())
    number = round(float(match[1]) / 100, 6) if match and match[2] else float(match[1]) if match else math.nan
    return Confidence(number) if 0 <= number <= 1 else _no_number(text)


def _no_number(found: Json) -> Confidence:
    return Confidence(None, "", f"it says {_short(found)}, which is not a number from 0 to 1")


def _short(found: Json) -> str:
    if isinstance(found, str | int | float | None):
        text = repr(found[:40]) if isinstance(found, str) else str(found) if not _is_huge(found) else "a number without end"
        return text[:60]
    return "an object" if isinstance(found, Mapping) else "a list"


def _is_huge(found: Json) -> bool:
    return isinstance(found, int) and found.bit_length() > canonical_json.BITS


def _object(text: str) -> Json:
    """Parse a text that is one JSON object; None for any other text."""
    text = text.strip()
    if not text.startswith("{") or len(text) > READ:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _text_of(message: Json) -> str:
    """The text of a message, without its reasoning and tool-use blocks."""
    content = _in(message, "content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part if isinstance(part, str) else _in(part, "text") for part in content if _is_said(part)]
    return "\n".join(part for part in parts if isinstance(part, str))


def _is_said(part: Json) -> bool:
    """Whether a content block is the agent's own text: providers put results of their own tools beside it."""
    return isinstance(part, str) or _in(part, "type") in (None, "text", "output_text")


# Log-probabilities


def _logprobs(signals: Signals) -> Confidence | None:
    """The geometric mean of the tokens' probabilities, which does not depend on the number of tokens.

    Uses the tool call's own tokens if its arguments are found among them, else all tokens of the message; the note says which. None if the
    tokens are only the message's text: they do not belong to the call.
    """
    listed = _in(_in(signals.message, "response_metadata"), "logprobs")
    tokens = listed if isinstance(listed, list) else _in(listed, "content")
    if not isinstance(tokens, list) or not tokens or len(tokens) > TOKENS:
        return None
    texts = [_in(token, "token") for token in tokens]
    logs = [_in(token, "logprob") for token in tokens]
    if not all(isinstance(text, str) for text in texts) or not all(_is_logprob(log) for log in logs):
        return Confidence(None, "", "its log-probabilities are malformed")
    if isinstance(signals.call, Mapping) and "".join(texts).strip() == _text_of(signals.message).strip():
        return None
    own = _tokens_of(signals.call, texts)
    chosen = logs[own] if own else logs
    mean = min(1.0, math.exp(math.fsum(chosen) / len(chosen)))
    which = "the tool call's" if own else "all the message's"
    return Confidence(mean, "", f"geometric mean over {which} {len(chosen):,} tokens")


def _is_logprob(found: Json) -> bool:
    return isinstance(found, int | float) and not isinstance(found, bool) and -1e6 <= found <= 1e-6


def _tokens_of(call: Json, texts: list[str]) -> slice | None:
    """The range of tokens that spell the call's arguments as JSON, with or without spaces; None if they occur not exactly once."""
    args = _in(call, "args")
    if not isinstance(args, Mapping) or not args:
        return None
    whole = "".join(texts)
    for written in _spellings(args):
        start = whole.find(written)
        if start >= 0 and whole.find(written, start + 1) < 0:
            return _covering(texts, start, start + len(written))
    return None


def _spellings(args: Json) -> Iterator[str]:
    for separators in ((",", ":"), (", ", ": ")):
        for ascii_ in (False, True):
            try:
                yield json.dumps(args, ensure_ascii=ascii_, separators=separators)
            except (ValueError, TypeError, RecursionError):
                return


def _covering(texts: list[str], start: int, end: int) -> slice:
    at, first, last = 0, None, 0
    for number, text in enumerate(texts):
        if at < end and at + len(text) > start:
            first = number if first is None else first
            last = number
        at += len(text)
    return slice(first, last + 1)


# Self-report in words

# Spaces are collapsed before these patterns are searched, and every repetition is bounded, so that no text makes them slow.
_SURE = r"(?:sure|certain|confident)"
_I_AM = r"(?:\bI am|\bI ?['’]m|\bI feel|\bI['’]d say I ?['’]m|\bwe are|\bwe['’]re)"
_ABOUT = r"(?:(?:about|around|roughly|approximately|at least|over|more than|now|only|just|~|≈|>) ?)?"
_PERCENT = r"(?P<{0}>[0-9.,]{{1,12}} ?(?:%|percent\b|per cent\b))"
_BEGINS = r"(?:^|\n|[.!;:—–•] |[(\[*]| - )(?:- )?"
_NOUN = r"\bconfidence(?: level| score| rating| estimate)?(?: ?\((?:0|0\.0|0%) ?(?:-|–|to) ?(?:1|1\.0|100%)\))?"
_TOKEN = r"[^\s)\]}}\"'`*<|;]{{0,40}}(?: %| ?percent\b| out of)?"
_CLAIMS = re.compile(
    rf"{_NOUN}[\"'*_`]{{0,3}} ?[:=][*_`\"']{{0,3}} ?[*_`\"']{{0,3}}(?P<labelled>[^\s)\]}}\"'`*<|;]{_TOKEN.format()})"
    rf"|{_NOUN} (?:(?:is|of|at) {_ABOUT})?(?P<stated>[0-9.]{_TOKEN.format()})"
    rf"|(?:{_I_AM} |{_BEGINS}){_ABOUT}{_PERCENT.format('sure')} {_SURE}\b"
    rf"|\b(?:with|at) {_ABOUT}{_PERCENT.format('having')} (?:confidence|certainty)\b(?! (?:interval|level|band|bound|limit))",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|never|no|cannot|nor|hardly|barely|if|unless|until|were|was|would|could|should|might|less\s+than|under|below|at\s+most|up\s+to"
    r"|than)\b|n['’]t\b|<",
    re.IGNORECASE,
)
_CLAUSE = 60
_SENTENCE = 160
_REPORTED = re.compile(
    r"\b(?:says|said|wrote|writes|written|reads|states|stated|claims|claimed|reports|reported|according to|quot(?:e|es|ed|ing)|answered"
    r"|replied|returned|returns)\b"
    r"|\b(?:e?-?mails?|messages?|documents?|pages?|files?|tickets?|notes?|users?|customers?|tools?|results?|outputs?|repl(?:y|ies)|context|input"
    r"|text|subject|body|log)\b[^.!?\n]{0,40}: ?$",
    re.IGNORECASE,
)
"""What introduces somebody else's words, within the sentence before them."""
_QUOTED = re.compile(
    r"(?:^|(?<=\n))(?:```|~~~).*?(?:\n(?:```|~~~)|$)|(?:^|(?<=\n))[ \t]*>[^\n]*"
    r"|“[^”]*(?:”|$)|„[^“”]*(?:[“”]|$)|«[^»]*(?:»|$)|‹[^›]*(?:›|$)|「[^」]*(?:」|$)|\"[^\"]*(?:\"|$)|`[^`]*(?:`|$)"
    r"|(?<!\w)['‘][^'’]{0,500}['’](?!\w)|<(?P<tag>[A-Za-z][\w-]{0,30})[^<>]{0,200}>.*?(?:</(?P=tag)>|$)|\{[^{}]*(?:\}|$)",
    re.DOTALL,
)
"""Text that a message quotes: between quotes, in code, in a quoted line, in a tag, or as JSON. What is never closed goes on to the end."""
_BARE = re.compile(r"\W*(?:confidence(?: level| score| rating| estimate)?|[0-9.]+ ?%?)\W*", re.IGNORECASE)
"""A label or number in quotes, which quotes nobody."""


def _own_words(text: str) -> str:
    """The text without what it quotes."""
    return _QUOTED.sub(lambda match: match[0] if _BARE.fullmatch(match[0]) else " “…” ", text)


def _words(signals: Signals) -> Confidence | None:
    """The lowest confidence stated in the message's own words; unknown if any statement is invalid, negated, conditional or reported."""
    text = _text_of(signals.message)
    if len(text) > MOST:
        return None
    text = re.sub(r"\s*\n\s*", "\n", re.sub(r"[^\S\n]+", " ", _own_words(text)[-READ:]))
    found = [_claim(text, match) for match in _CLAIMS.finditer(text)]
    doubtful = next((one for one in found if one.value is None), None)
    if not found or doubtful:
        return doubtful
    lowest = min(found, key=lambda one: one.value or 0.0)
    return Confidence(lowest.value, "", f"the lowest of {len(found)} numbers" if len({one.value for one in found}) > 1 else lowest.note)


def _claim(text: str, match: re.Match[str]) -> Confidence:
    said = match["labelled"] or match["stated"] or match["sure"] or match["having"]
    quote = f"it says {' '.join(match[0].split())[-60:]!r}"
    clause = re.split(r"[.!;:\n]\s", text[max(0, match.start() - _CLAUSE) : match.start()])[-1]
    sentence = re.split(r"[.!?]\s|(?<!:)\n", text[max(0, match.start() - _SENTENCE) : match.start()])[-1]
    if _DOUBT.search(clause) or _REPORTED.search(sentence.replace("\n", " ")) or text[match.end() :].lstrip(" \t\"'*")[:1] == "?":
        return Confidence(None, "", f"{quote}, but not plainly")
    number = _parse_text(re.sub(r"\s?per\s?cent$", "%", said.strip().rstrip(".,:!"), flags=re.IGNORECASE))
    return Confidence(number.value, "", quote if number.value is not None else f"{quote}, which is not a number from 0 to 1")


_READERS: Mapping[ConfidenceSource, Callable[[Signals], Confidence | None]] = {
    ConfidenceSource.INTERRUPT: _interrupt,
    ConfidenceSource.METADATA: _metadata,
    ConfidenceSource.STATE: _state,
    ConfidenceSource.LOGPROBS: _logprobs,
    ConfidenceSource.FIELD: _field,
    ConfidenceSource.WORDS: _words,
}
