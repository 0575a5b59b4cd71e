"""How long it takes to read what is decided: the one model behind the fatigue notice, the extra wait and the Fatigue chart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from hitl_tui.model import Action, Context, Json

WORDS_PER_S = 20.0
"""1,200 words a minute: nobody reads that fast."""
LEAST_S = 1.0
"""Nobody decides sensibly in less, however short it is."""
MOST_S = 10.0
"""Longest reading time, however long the text is: people search it for what they know."""
WORD_LENGTH = 6
"""Characters of an average word, with the blank after it."""
LONGEST_WORD = 12
"""Longer words count as one word per so many characters."""
MOST_WORDS = int(MOST_S * WORDS_PER_S)
"""Words that are counted; more do not change the result."""
LEAST_NAME, MOST_NAME, MOST_NAMES = 2, 200, 100
"""Shortest and longest value, and number of values, by which two calls are recognised as being about the same thing."""


def reading_time_s(words: float) -> float:
    """Seconds below which nobody can have read so many words."""
    return min(MOST_S, max(LEAST_S, words / WORDS_PER_S))


def words_of_size(characters: int) -> float:
    """About how many words a text of that length has, if the text itself is not available."""
    return characters / WORD_LENGTH


def words_to_read(action: Action, context: Context) -> int:
    """Count the words a reviewer must read: the arguments, and the text that they refer to; at most `MOST_WORDS`.

    `delete_mail(id="4711")` refers to the result of an earlier `read_mail(id="4711")`: a person who approves one must know the other.
    The agent's reason is not counted: it is the same for all calls of a review.
    """
    return _count(chain(_texts(action.args), _referred(action, context)))


def words_of(values: Iterable[Json]) -> int:
    """Count the words of values that are read together, names included; at most `MOST_WORDS`."""
    return _count(chain.from_iterable(map(_texts, values)))


def _count(texts: Iterable[str]) -> int:
    return sum(1 for _ in islice(chain.from_iterable(map(_words, texts)), MOST_WORDS))


def _referred(action: Action, context: Context) -> Iterator[str]:
    """The result of the last call that shares a value with the action."""
    named = set(islice(_names(action.args), MOST_NAMES))
    for attempt in reversed(context.attempts):
        if attempt.result and not named.isdisjoint(islice(_names(attempt.args), MOST_NAMES)):
            yield attempt.result
            return


def _words(text: str) -> Iterator[str]:
    """The words of a text; a long word is cut into words of `LONGEST_WORD` characters."""
    for word in text[: MOST_WORDS * 2 * LONGEST_WORD].split():
        yield from (word[at : at + LONGEST_WORD] for at in range(0, len(word), LONGEST_WORD))


def _texts(value: Json) -> Iterator[str]:
    """Every name and value, as text."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
    else:
        yield value if isinstance(value, str) else str(value)


def _names(value: Json) -> Iterator[str]:
    """The values that could name something: short texts and numbers, no truth values."""
    if isinstance(value, dict):
        for part in value.values():
            yield from _names(part)
    elif isinstance(value, list):
        for part in value:
            yield from _names(part)
    elif isinstance(value, str | int | float) and not isinstance(value, bool) and LEAST_NAME <= len(name := str(value)) <= MOST_NAME:
        yield name
