"""Different Python values have different JSON, and so different digests; digests of 0.1.0 are still recognised."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui import canonical_json
from hitl_tui.canonical_json import as_json, canonical, restored
from hitl_tui.model import digest_of, has_digest
from tests.support.properties import examples

DEEP: Any = "bottom"
for _ in range(150):
    DEEP = [DEEP]
OTHER_DEEP: Any = "elsewhere"
for _ in range(150):
    OTHER_DEEP = [OTHER_DEEP]

VALUES = [
    None, True, False, 0, 1, -1, 0.0, -0.0, 1.0, float("nan"), float("inf"), float("-inf"), 10**4000, 10**4000 + 1,
    "", "None", "null", "1", "True", "nan", "inf", "b'a'", "\ud83d\ude00", "😀", "\ud83d", "'\\ud83d\\ude00'",
    {"float": "inf"}, {"float": "nan"}, {"float": "inf", "x": 1}, {"⟨str⟩ float": "inf"}, {"⟨str⟩ ⟨str⟩ float": "inf"},
    b"a", bytearray(b"a"), {"bytes": "b'a'"}, {"⟨bytes⟩": "b'a'"}, {"⟨str⟩ ⟨bytes⟩": "b'a'"},
    [], {}, set(), frozenset(), {"set": []}, {"⟨set⟩": []}, {1}, {"1"}, [1], ["1"], {1: "ls"}, {"1": "ls"}, {1: "ls", "1": "rm"},
    {"1": "ls", 1: "rm"}, {1.5: "ls"}, {"1.5": "ls"}, {True: "ls"}, {"True": "ls"}, {None: "ls"}, {"None": "ls"}, {"⟨int⟩ 1": "ls"},
    {(1, 2): "ls"}, {"(1, 2)": "ls"}, {b"a": "ls"}, {"⟨bytes⟩ b'a'": "ls"}, {"\ud83d\ude00": 1}, {"😀": 1},
    dt.date(2026, 1, 1), dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.time(1), dt.timedelta(1),  # noqa: DTZ001
    {"datetime": "datetime.datetime(2026, 1, 1, 0, 0)"}, Decimal("1"), Decimal("1.0"), Fraction(1), 1j, UUID(int=1), {"Decimal": "1"},
    DEEP, OTHER_DEEP, [DEEP], range(3), [0, 1, 2], ..., NotImplemented, int, {"type": "<class 'int'>"},
]  # fmt: skip


def test_json_of_different_values_differs_in_every_pair() -> None:
    told = [canonical(as_json(value)) for value in VALUES]
    for (first, a), (second, b) in combinations(zip(VALUES, told, strict=True), 2):
        assert a != b, (first, second)
    assert len({digest_of("tool", as_json(value)) for value in VALUES}) == len(VALUES)


@pytest.mark.parametrize("value", VALUES[:-3])
def test_value_that_is_not_edited_stays_as_it_was(value: Any) -> None:
    assert repr(restored(as_json(value), value)) == repr(value)


def _normal(value: Any) -> Any:
    """What makes a value another one: its type, but for tuples, which checkpoints read back as lists."""
    if isinstance(value, dict):
        return "dict", frozenset((_normal(key), _normal(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "list", tuple(map(_normal, value))
    if isinstance(value, set | frozenset):
        return type(value).__name__, frozenset(map(_normal, value))
    return type(value).__name__, repr(value)


KEYS = st.one_of(
    st.text(max_size=4),
    st.integers(-3, 3),
    st.floats(),
    st.booleans(),
    st.none(),
    st.binary(max_size=2),
    st.sampled_from(["float", "⟨int⟩ 1"]),
)
LEAVES = st.one_of(
    KEYS,
    st.integers(),
    st.dates(),
    st.datetimes(),
    st.decimals(),
    st.sets(KEYS, max_size=3),
    st.sampled_from(["inf", "nan", "\ud83d\ude00"]),
)
ANY = st.recursive(LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(KEYS, inside, max_size=3), max_leaves=8)


@given(ANY, ANY)
@examples(2)
def test_json_is_the_same_only_for_the_same_value(one: Any, other: Any) -> None:
    for a, b in ((one, other), (one, as_json(one)), (as_json(one), as_json(as_json(one))), ({"float": one}, one)):
        assert (canonical(as_json(a)) == canonical(as_json(b))) == (_normal(a) == _normal(b))


def test_digest_has_a_version_and_is_recognised_by_it() -> None:
    args = {"to": "ann@example.com"}
    old = hashlib.sha256(canonical_json.canonical(["send", args]).encode()).hexdigest()
    assert digest_of("send", args) == f"2:{old}"
    assert has_digest(old, "send", args) and has_digest(f"2:{old}", "send", args)
    assert not any(has_digest(digest, "send", args) for digest in ("", f"1:{old}", f"3:{old}", f"2:{old[:-1]}", old.upper()))
