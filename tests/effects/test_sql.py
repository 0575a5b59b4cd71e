"""SQL is split into statements as every database reads it, or it counts as unparseable."""

from __future__ import annotations

import pytest

from hitl_tui.effects.sql import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM a WHERE x = 1", [("select", ("a",), True, False)]),
        ("DELETE FROM users", [("delete", ("users",), False, True)]),
        ("DELETE FROM users WHERE 1 = 1", [("delete", ("users",), False, True)]),
        ("UPDATE a SET b = 'x' WHERE id = 3; DROP TABLE c", [("update", ("a",), True, True), ("drop", ("c",), False, True)]),
        ("WITH x AS (DELETE FROM a RETURNING *) SELECT * FROM x", [("delete", ("a",), False, True)]),
        ("EXPLAIN ANALYZE DELETE FROM a", [("delete", ("a",), False, True)]),
        ("SELECT * INTO b FROM a", [("create", ("b", "a"), False, True)]),
        ("SELECT count(*), lower(x), now() FROM a; -- all", [("select", ("a",), False, False)]),
        ("SELECT lo_unlink(5)", [("select", (), False, None)]), ("COPY a TO PROGRAM 'rm'", [("copy", ("a",), False, True)]),
        ("SELECT a FROM b UNION SELECT c FROM d", [("select", ("b", "d"), False, False)]),
        ("TRUNCATE TABLE a", [("truncate", ("a",), False, True)]),
        ("UPDATE a SET b = 1 WHERE id IN (SELECT id FROM c)", [("update", ("a", "c"), True, True)]),
    ],
)  # fmt: skip
def test_statements_have_kind_tables_and_where(text: str, expected: list[object]) -> None:
    found = parse(text)
    assert not found.problem
    assert [(one.kind, one.tables, one.where, one.writes) for one in found.statements] == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("SELECT '\\''; DELETE FROM a; -- '", "databases read it differently"), 
        ("INSERT INTO a VALUES ('\\'); DELETE FROM b; -- ')", "differently"),
        ("SELECT 1--1; DELETE FROM a", "no comment in some"), ("SELECT 1 /*! ; DELETE FROM a */", "some databases run"),
        ("SELECT 1 /* /* */ ; DELETE FROM a */", "comment within a comment"), ("find me a hotel", "not SQL"), ("", "not SQL"),
        ("SELECT 1;\u200b", "cannot be seen"), ("SELECT 1;" * 200, "more than 100"), ("x" * 30_000, "at most"),
        ("SELECT " + "(" * 50 + "1" + ")" * 50, "nested too deeply"),
    ],
)  # fmt: skip
def test_text_that_databases_may_read_differently_is_unparseable(text: str, why: str) -> None:
    found = parse(text)
    assert why in found.problem and not found.statements
