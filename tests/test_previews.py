"""What a preview function may return, how it is bounded, and the rows that are shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from hitl_tui.effects.remark_sections import section_of
from hitl_tui.effects.view import Section
from hitl_tui.patterns import PreviewDifference, PreviewTable
from hitl_tui.previews import Registry, body_of


def shown(found: Any) -> Section:
    return section_of("execute", body_of(found))


def rows(section: Section) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.text, one.marks) for one in section.effects]


def test_a_table_is_aligned_and_bounded_in_rows_columns_and_cells() -> None:
    assert rows(shown(PreviewTable(["id", "name"], [[7, "Ann"], [12, None]], "2 rows"))) == [
        ("2 rows", ()), ("id  name", ()), ("7   Ann", ()), ("12", ()),
    ]  # fmt: skip
    body = body_of(PreviewTable(["c"] * 30, [["x" * 5000] * 30] * 1000))
    assert isinstance(body, dict) and body["cut"] is True
    assert (len(body["rows"]), len(body["rows"][0]), len(body["rows"][0][0])) == (100, 20, 200)
    assert section_of("execute", body).note == "not all of it"


def test_a_text_is_bounded_and_a_difference_shows_changed_lines() -> None:
    assert rows(shown("one\ntwo")) == [("one", ()), ("two", ())]
    cut = body_of("x" * 30_000)
    assert isinstance(cut, dict) and (len(cut["text"]), cut["cut"]) == (20_000, True)
    assert rows(shown(PreviewDifference("a\nb\nc", "a\nB\nc"))) == [("a", ()), ("b", ("removed",)), ("B", ("added",)), ("c", ())]
    assert shown(PreviewDifference("a", "a")).problem == "it shows nothing"


@pytest.mark.parametrize("found", [None, 5, ["a"], {"rows": []}])
def test_anything_else_is_no_preview(found: object) -> None:
    with pytest.raises(ValueError, match="a preview is a text, a PreviewTable or a PreviewDifference"):
        body_of(found)


async def _async(args: dict[str, Any]) -> str:
    return f"async {args['n']}"


def test_a_function_may_take_the_configuration_and_may_be_async() -> None:
    known = Registry()
    known.add("one", lambda args: f"args {args['n']}")
    known.add("two", lambda args, config: f"{config['run']} {args['n']}")
    known.add("two", lambda args: "of desk", agent="desk")
    known.add("three", _async, timeout_s=60)

    def run(agent: str, tool: str) -> Any:
        found = known.of(agent, tool)
        assert found is not None
        body = found.run({"n": 1}, {"run": "r1"})
        assert isinstance(body, dict)
        return body["text"]

    assert [run("x", "one"), run("x", "two"), run("desk@shop", "two"), run("x", "three")] == ["args 1", "r1 1", "of desk", "async 1"]
    assert known.of("x", "four") is None and sorted(known.tools) == ["one", "three", "two"]


@pytest.mark.parametrize("wrong", [("", print), ("t", 5), ("t", print, "", 0), ("t", print, "", 61), ("t", print, "", True)])
def test_a_preview_without_name_function_or_time_is_refused(wrong: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError):
        Registry().add(*wrong)
