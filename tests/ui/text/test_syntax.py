"""Colours of texts in other languages: they never change a character."""

from __future__ import annotations

import pytest

from hitl_tui.model import Json
from hitl_tui.ui.text.diff import COMPARED, WHOLE, WORDS, difference_lines
from hitl_tui.ui.text.lines import HIGHLIGHT_LIMIT, Line, json_lines, paragraph, value_lines
from hitl_tui.ui.text.syntax import LONGEST_TEXT, suffix_of

SQL = "SELECT name -- who\nFROM customers WHERE age > 30;"
SHELL = '#!/bin/bash\nset -e\necho "done"  # all\n'
DIFF = "--- a/x\n+++ b/x\n-old\n+new"
MARKDOWN = "# Title\n> quoted\n- one **two** `three`\n```\ncode\n```"
PYTHON = "def send(to):\n    return 1\n"


def styles(one: Line) -> dict[str, str]:
    """Each coloured piece of a line, with its style."""
    return {one.text[start:end].strip(): style for start, end, style in one.spans if one.text[start:end].strip()}


@pytest.mark.parametrize(
    ("name", "text", "row", "expected"),
    [
        ("query", SQL, 0, {"SELECT": "literal", "-- who": "comment"}),
        ("query", SQL, 1, {"30": "number", "FROM": "literal"}),
        ("command", SHELL, 2, {"echo": "key", '"done"': "string", "# all": "comment"}),
        ("change", DIFF, 2, {"-old": "removed"}),
        ("change", DIFF, 3, {"+new": "added"}),
        ("body", MARKDOWN, 0, {"# Title": "title"}),
        ("body", MARKDOWN, 2, {"-": "accent", "**two**": "strong", "`three`": "string"}),
        ("body", MARKDOWN, 4, {"code": "string"}),
        ("code", PYTHON, 0, {"def": "literal", "send": "key"}),
    ],
)
def test_value_is_coloured_by_its_language(name: str, text: str, row: int, expected: dict[str, str]) -> None:
    shown = [*value_lines(text, name)]
    assert styles(shown[row]).items() >= expected.items()


@pytest.mark.parametrize("text", [SQL, SHELL, DIFF, MARKDOWN, PYTHON, "SELECT 1 FROM\n\n\n\n\nt -- x"])
@pytest.mark.parametrize("odd", ["", "\u202e", "\t", "\u200b\u200b", " " * 80, "\ud800", "日本", "⟨U+202E⟩"])
def test_colours_change_no_character_and_leave_codes_marked(text: str, odd: str) -> None:
    text = text.replace(" ", f" {odd}")
    plain, coloured = [*paragraph(text, agent=True)], [*value_lines(text)]
    assert [one.text for one in coloured] == [one.text for one in plain]
    for before, after in zip(plain, coloured, strict=True):
        assert {span for span in after.spans if span[2] in ("code", "faint")} == set(before.spans)
        ends = [0, *(place for start, end, _ in after.spans for place in (start, end)), len(after.text)]
        assert ends == sorted(ends)


@pytest.mark.parametrize("text", ["cat <<x\n" * 4000, "SELECT 'a" * 5000, "x" * (LONGEST_TEXT + 1), "**a" * 1300, "[" * 3999])
def test_text_made_to_be_slow_is_shown_whole(text: str) -> None:
    shown = "\n".join(one.text for one in value_lines(f"#!/bin/sh\n{text}"))
    assert shown.replace("\n⟨1 empty line⟩", "\n") == f"#!/bin/sh\n{text}"


def test_keywords_of_a_difference_are_bold_in_the_colour_of_the_change() -> None:
    before, after = {"sql": "SELECT a FROM t", "n": {"k": 1}}, {"sql": "SELECT b FROM t", "n": {"k": 2}}
    [_, removed, added, _, _, *rest] = difference_lines(before, after)
    assert styles(removed) == {"SELECT": "removed-strong", "a": "removed-word", "FROM": "removed-strong"}
    assert styles(added) == {"SELECT": "added-strong", "b": "added-word", "FROM": "added-strong"}
    assert {'"k"': "removed-strong", "1": "removed-word"} in [styles(one) for one in rest]


def test_language_is_told_by_the_text_before_the_name() -> None:
    assert [suffix_of("command", text) for text in (SQL, SHELL, DIFF, "ls")] == [".sql", ".sh", ".diff", ".sh"]


def told(before: Json, after: Json) -> list[str]:
    return [f"{one.lead}|{one.text}" for one in difference_lines(before, after)]


@pytest.mark.slow
def test_difference_of_long_texts_shows_only_what_changed() -> None:
    before = [f"line {number}" for number in range(WHOLE)]
    after = [*before]
    after[2], after[-3] = "line two", "line three"
    shown = told({"body": "\n".join(before)}, {"body": "\n".join(after)})
    assert (
        shown.count("|…") == 1 and len(shown) < 20 and any("line two" in one for one in shown) and any("line three" in one for one in shown)
    )
    many = "\n".join(map(str, range(COMPARED)))
    assert f"|{COMPARED:,} lines become {COMPARED + 1:,}: too many to compare here" in told({"body": many}, {"body": f"{many}\nmore"})


@pytest.mark.slow
def test_difference_of_a_line_of_many_words_marks_one_stretch() -> None:
    words = [f"w{number}" for number in range(WORDS)]
    before, after = " ".join(words), " ".join([*words[:10], "changed", *words[11:-5], "too", *words[-4:]])
    removed, added = [one for one in difference_lines(before, after) if one.spans]
    ((start, end),) = [(start, end) for start, end, style in added.spans if style == "added-word"]
    assert added.text[start:end].startswith("changed") and added.text[start:end].endswith("too")
    ((start, end),) = [(start, end) for start, end, style in removed.spans if style == "removed-word"]
    assert removed.text[start:end].startswith("w10 ") and removed.text[start:end].endswith(words[-5])


@pytest.mark.slow
def test_json_of_a_very_long_row_is_shown_in_one_colour() -> None:
    (one,) = json_lines("x" * (HIGHLIGHT_LIMIT + 1))
    assert one.style == "string" and len(one.text) == HIGHLIGHT_LIMIT + 3
