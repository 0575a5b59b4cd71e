"""Names of people: compared in one canonical form, and never parsed out of sentences."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.model import ActorKind, DecisionKind, PartialApproval, Progress, person_key, same_person


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann", "Ann"),
        ("Åsa", "åsa"),
        ("A\u030asa", "åsa"),
        ("ﬁona", "FIONA"),
        ("Straße", "STRASSE"),
        ("ann", "a\u200bnn"),
        ("ann", "\u202eann\u202c"),
        ("ann  lee", " Ann\u00a0Lee "),
    ],
)
def test_spellings_of_one_name_are_the_same_person(one: str, other: str) -> None:
    assert same_person(one, other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("ann", "carl by ann"), ("åsa", "asa"), ("ann", "аnn")])
def test_different_names_are_different_people(one: str, other: str) -> None:
    assert not same_person(one, other)


@given(st.text())
def test_canonical_name_is_stable_and_visible(name: str) -> None:
    key = person_key(name)
    assert person_key(key) == key
    assert not any(unicodedata.category(c) in ("Cc", "Cf") for c in key)


def test_name_that_contains_by_is_not_another_person() -> None:
    decided = Progress("approved", "carl by ann")
    assert not decided.is_by("ann") and decided.is_by("Carl by Ann")
    assert decided.told("ann") == "approved by carl by ann"
    assert decided.told("carl by ann") == "approved by you"


def test_progress_is_described_in_words() -> None:
    assert Progress().told() == ""
    assert Progress("sent back", "bob", others=("ann", "carl")).told("bob") == "sent back with ann and carl by you"
    assert Progress("approved", "policy:reads", ActorKind.POLICY).told("policy:reads") == "approved by policy:reads"
    partial = PartialApproval(DecisionKind.APPROVE, 2, ("ann",))
    assert Progress(slots=3, decided_slots=1, approvals=(partial, partial)).told() == "1 of 3 decided; 1 of 2 approvals, by ann"
