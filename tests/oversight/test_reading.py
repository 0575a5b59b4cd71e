"""How long reading takes: words of the arguments and of the text they refer to, within a floor and a ceiling."""

from __future__ import annotations

import pytest

from hitl_tui.model import Attempt, Context, Json
from hitl_tui.oversight.reading import MOST_WORDS, reading_time_s, words_to_read
from tests.ui.homes import seed


@pytest.mark.parametrize(("words", "seconds"), [(0, 1.0), (20, 1.0), (60, 3.0), (1_000_000, 10.0)])
def test_reading_time_has_a_floor_of_one_second_and_a_ceiling(words: int, seconds: float) -> None:
    assert reading_time_s(words) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({}, 0),
        ({"id": "4711"}, 2),
        ({"to": "ann", "body": "two words"}, 5),
        ([1, None, {"deep": ["a b"]}], 5),
        ("x" * 36, 3),  # a run without blanks is more than one word
        ("word " * 1_000_000, MOST_WORDS),
    ],
)
def test_words_of_arguments_are_counted_as_far_as_they_matter(args: Json, words: int) -> None:
    assert words_to_read(seed.action("tool", args), Context()) == words


def test_the_text_that_arguments_refer_to_is_to_be_read_too() -> None:
    mails = (Attempt("read_mail", {"id": "4711"}, "an older text"), Attempt("read_mail", {"id": "4712"}, "please keep this one"))
    context = Context(reasoning="it is spam", attempts=mails)
    assert words_to_read(seed.action("delete_mail", {"id": "4712"}), context) == 2 + 4
    assert words_to_read(seed.action("delete_mail", {"id": "4713"}), context) == 2
    assert words_to_read(seed.action("delete_mail", {"all": True}), context) == 2  # a boolean names nothing
