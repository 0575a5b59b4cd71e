"""The order of the queue, against a list that is sorted anew after every change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.ui.queue.queue_order import ORDINARY, Groups, Key, RankedIds, Sort, ordered

IDS = st.integers(1, 12)
KEYS: st.SearchStrategy[Key] = st.sampled_from([(0, 5.0), (1, 2.0), (1, 7.0), (2, 0.0), ORDINARY])
CHANGES = st.lists(st.tuples(st.sampled_from(["add", "drop", "rank"]), IDS, KEYS))


@given(listed=st.sets(IDS), keys=st.dictionaries(IDS, KEYS), changes=CHANGES)
def test_ranked_ids_when_changed_stay_in_the_order_of_their_keys(
    listed: set[int], keys: dict[int, Key], changes: list[tuple[str, int, Key]]
) -> None:
    urgent = [(key, id_) for id_, key in keys.items() if key != ORDINARY]
    order = ordered(Sort.URGENCY, sorted(listed), {}, urgent)
    assert isinstance(order, RankedIds)
    keys = {id_: key for id_, key in keys.items() if id_ in listed}
    for what, id_, key in changes:
        match what:
            case "add":
                assert order.add(id_) == (id_ not in listed)
                listed.add(id_)
            case "drop":
                assert order.drop(id_) == (id_ in listed)
                listed.discard(id_)
            case _:
                order.rank(id_, key)
                keys[id_] = key
        expected = sorted(listed, key=lambda one: (keys.get(one, ORDINARY), one))
        assert order.slice(0, 99) == expected
        assert [order.place(one) for one in expected] == list(range(len(expected)))
        assert {one for one in range(1, 13) if one in order} == listed


def test_orders_of_reviews_with_the_same_tools() -> None:
    tools: dict[Key, list[int]] = {("b", "x"): [1, 4], ("a", "y"): [2], ("a", "x"): [3, 5]}
    urgent: list[tuple[Key, int]] = [((2, 0.0), 5), ((1, 9.0), 4), ((1, 9.0), 9)]
    found = {sort: ordered(sort, [1, 2, 3, 4, 5], tools, urgent).slice(0, 9) for sort in Sort}
    assert found == {
        Sort.URGENCY: [4, 5, 1, 2, 3],
        Sort.OLDEST: [1, 2, 3, 4, 5],
        Sort.NEWEST: [5, 4, 3, 2, 1],
        Sort.AGENT: [3, 5, 2, 1, 4],
    }
    leaders = Groups(tools).leaders
    assert leaders == [1, 2, 3]
    assert ordered(Sort.AGENT, leaders, tools, []).slice(0, 9) == [3, 2, 1]
