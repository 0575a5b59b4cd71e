"""Many reviews at once: marks, groups, order, snoozes, pauses, and a table that decides calls together."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from hitl_tui.model import Action, Answer, Context, DecisionKind, Outcome, PauseKind
from hitl_tui.oversight.statistics import LONG_STREAK
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.dialogs import decide_many
from hitl_tui.ui.dialogs.decide_many import SEEN_S, CallTable, DecideManyScreen
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.review.arguments import ArgumentsView
from tests.support.fake_clock import Monotonic
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import policy, seed
from tests.ui.queue.test_unseen import hold


def restart(host: str, slot: int = 0, **more: Any) -> Action:
    args = {"host": host, "service": "api", **more.pop("args", {})}
    return seed.action("restart_service", args, slot, **more)


async def add(store: Store, *reviews: Sequence[Action], agent: str = "mail_assistant", **more: Any) -> list[int]:
    """Waiting reviews of these calls, one run each."""
    return [await seed.add_waiting_run(store, 1, agent, seed.pause(PauseKind.TOOL_CALLS, *calls, **more)) for calls in reviews]


async def shown(console: ConsoleDriver, ids: Sequence[int]) -> None:
    """Wait until the queue lists as many reviews."""
    for _ in range(100):
        await console.settle()
        if len(console.app.query_one(QueueList).order) >= len(ids):
            return
        await console.pilot.pause(0.05)
    raise AssertionError(console.screen_text())


async def table(console: ConsoleDriver) -> DecideManyScreen:
    """Return the dialog once everything it shows has been on the screen for long enough."""
    await console.pilot.pause()
    screen = console.app.screen
    assert isinstance(screen, DecideManyScreen), console.screen_text()
    for _ in range(100):
        if screen.query_one(CallTable).all_seen and screen._accepts_keys:
            return screen
        await console.pilot.pause(0.02)
    raise AssertionError(console.screen_text())


async def states(store: Store) -> list[str]:
    return [str(state) for (state,) in await store.all("SELECT state FROM reviews ORDER BY id")]


@pytest.mark.slow
async def test_marked_reviews_when_decided_together_are_undone_together(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(3)), [restart("web-9")])
        await shown(console, ids)
        await console.press("g", "J", "J", "A")
        assert "Decide 3 calls of 3 reviews" in console.screen_text()
        await table(console)
        assert "approve 3 calls of 3 reviews" in await console.until_shown("approve 3")
        await console.press("a")
        assert await states(console.store) == ["decided", "decided", "decided", "open"]
        assert console.app.query_one(QueueList).cursor == ids[3]
        assert len(await console.store.all("SELECT DISTINCT digest FROM decisions")) == 3
        await console.press("u")
        assert await states(console.store) == ["open"] * 4 and console.app.query_one(QueueList).cursor == ids[0]


@pytest.mark.slow
async def test_decisions_made_together_are_a_set_in_the_history(start_console: StartConsole) -> None:
    async with start_console("") as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(4)))
        await shown(console, ids)
        await console.press("g", "J", "J", "A")
        await table(console)
        await console.press("a")
        await console.until_keys_accepted()
        await console.press("a")
        await console.press("f3")
        await console.until_shown("set:1 ×3")
        await console.press("j")
        await console.until_shown("decided together with 2 more: /set:1 lists them")
        [row] = await console.bob.history.search("-set:2")
        assert (row.decision, row.together) == (4, None)
        assert [one.decision for one in await console.bob.history.search("set:2")] == [3, 2, 1]
        assert len(await console.bob.history.search("set:4")) == 1


@pytest.mark.slow
async def test_the_table_when_one_call_differs_shows_it_on_top(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        odd = restart("web-1", args={"force": True})
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(4)), [odd])
        await shown(console, ids)
        await console.press("s", "5")
        await console.until_shown("grouped", "restart_service ×5", "host, force differ")
        await console.press("A")
        await table(console)
        screen = console.screen_text()
        first, second = re.search(r"r5 +host web-1 +force true", screen), re.search(r"r1 +host web-0", screen)
        assert first and second and first.start() < second.start()
        assert len(re.findall(r"service +api", screen)) == 1  # what all share is shown once
        await console.press("x")
        await console.until_shown("approve 4 calls of 4 reviews · 1 left out by you")
        await console.press("a")
        assert await states(console.store) == ["decided"] * 4 + ["open"]


async def test_mark_all_when_some_are_decided_marks_the_open_ones_and_then_none(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(3)))
        await shown(console, ids)
        await console.press("g", "a", "X")
        assert console.app.query_one(QueueList).marks == set(ids[1:])
        await console.until_shown("2 marked")
        await console.press("X")
        assert console.app.query_one(QueueList).marks == set()


@pytest.mark.slow
async def test_mark_all_when_grouped_marks_every_review_of_every_group(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(3)), [seed.action("wipe", {"host": "web-1"})])
        await shown(console, ids)
        await console.press("s", "5", "X")
        assert console.app.query_one(QueueList).marks == set(ids)


@pytest.mark.slow
async def test_the_table_when_one_call_of_a_common_tool_stands_out_shows_that_tool_first(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        mails = ["oncall@example.com"] * 3 + ["press@example.net"]
        calls = [[restart(f"web-{n}"), seed.action("send_mail", {"to": to}, 1)] for n, to in enumerate(mails)]
        ids = await add(console.store, *calls, [seed.action("wipe", {"host": "web-1"})])
        await shown(console, ids)
        await console.press("X", "A")
        await table(console)
        screen = console.screen_text()
        places = [screen.index(text) for text in ("to press@example.net", "to oncall@example.com", "wipe · mail_assistant", "host web-0")]
        assert places == sorted(places)


@pytest.mark.slow
async def test_the_row_of_a_group_that_is_shown_already_says_how_its_calls_differ(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await shown(console, await add(console.store, *([restart(f"web-{n}")] for n in range(3))))
        await console.press("s", "5")
        await console.until_shown("restart_service ×3", "only host differs: web-0 …")


@pytest.mark.slow
async def test_calls_that_must_be_decided_alone_when_all_are_decided_are_left_out_and_named(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        wires = [seed.action("wire", {"to": f"{name}@example.com"}, slot, risk="irreversible") for slot, name in enumerate(("ann", "bob"))]
        await add(console.store, [*wires, restart("web-1", 2), restart("web-1", 3)])
        await shown(console, [1])
        await console.press("A")
        await table(console)
        left_out = "2 left out: irreversible, and the arguments differ"
        await console.until_shown("approve 2 calls of 1 review", left_out, "reaches 2 addresses", "all calls are identical")
        await console.press("a")
        await console.until_shown("2 of 4 decided")
        assert [slot for slot, *_ in await console.decisions_of(1)] == [2, 3]


@pytest.mark.slow
async def test_takeovers_when_all_are_decided_are_left_out_and_named(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ruled: dict[str, Any] = {"outcome": Outcome.TAKEOVER, "rule": "large refunds", "reason": "args.amount > 200"}
        ids = await add(console.store, [restart("web-1"), seed.action("refund", {"amount": 420}, 1, **ruled)])
        await shown(console, ids)
        await console.press("A")
        await table(console)
        await console.until_shown("approve 1 call of 1 review · 1 left out: to be taken over", "decide alone: to be taken over")
        await console.press("a")
        assert [slot for slot, *_ in await console.decisions_of(ids[0])] == [0]


@pytest.mark.slow
async def test_table_when_open_for_a_quarter_second_takes_keys(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, [restart("web-1"), restart("web-2", 1)])
        await shown(console, ids)
        clock = Monotonic()
        monkeypatch.setattr(decide_many, "time", clock)
        await console.press("A", "a")
        assert "ignored: the dialog had just opened" in console.screen_text()
        clock.now += 0.25
        await console.press("a")
        assert await states(console.store) == ["decided"]


@pytest.mark.slow
async def test_rows_painted_later_in_the_table_count_without_another_key(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console("", grace_s=60, size=(120, 24)) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(24)))
        await shown(console, ids)
        await console.press("X", "A")
        found: re.Match[str] | None = None
        for _ in range(200):
            if found := re.search(r"approve ([1-9]\d*) calls", console.screen_text()):
                break
            await console.pilot.pause(0.05)
        assert found
        rows = console.app.screen.query_one(CallTable)
        clock = Monotonic()
        monkeypatch.setattr(decide_many, "time", clock)
        for row in (1, 2):  # the second comes on the screen before the first has been there for long enough
            rows.scroll_to(y=row, animate=False)
            await console.pilot.pause(0.25)  # until it is painted
            clock.now += SEEN_S * 0.6
        await console.pilot.pause(3 * SEEN_S)  # the table has looked at its rows by now, and only the first counts
        clock.now += SEEN_S
        await console.until_shown(f"approve {int(found[1]) + 2} calls")


@pytest.mark.slow
async def test_a_long_table_when_not_read_to_the_end_approves_only_what_was_seen(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60, size=(120, 24)) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(40)))
        await shown(console, ids)
        await console.press("s", "5", "A")
        await console.until_shown("left out: not all of it has been on the screen")
        for _ in range(60):
            if re.search("approve [1-9]", console.screen_text()):
                break
            await console.pilot.pause(0.05)
        await console.pilot.pause(0.5)
        on_screen = len(re.findall(r"☑ r\d+ ", console.screen_text()))
        await console.press("a")
        assert (await states(console.store)).count("decided") == on_screen < 40


@pytest.mark.slow
async def test_space_in_the_table_turns_one_page_while_held_and_goes_back_to_what_was_skipped(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console("", grace_s=60, size=(120, 24)) as console:
        await shown(console, await add(console.store, *([restart(f"web-{n}")] for n in range(60))))
        await console.press("X", "A")
        await console.until_shown("☑ r1 ")
        rows = console.app.screen.query_one(CallTable)
        page = rows.text_rows
        monkeypatch.setattr(decide_many, "SEEN_S", 0.0)
        await hold(console, b" ")
        assert rows.scroll_offset.y == page
        await console.press("G")
        assert rows.scroll_offset.y > 2 * page
        await console.press("space")
        assert page < rows.scroll_offset.y <= 2 * page  # at the first row that has not been on the screen


@pytest.mark.slow
async def test_many_calls_when_rejected_carry_the_reason(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        await add(console.store, [restart("web-1"), restart("web-2", 1)])
        await shown(console, [1])
        await console.press("A")
        await table(console)
        await console.press("r", *"3 hosts are affected", "ctrl+s")
        assert {row[3] for row in await console.decisions_of(1)} == {"3 hosts are affected"} and len(await console.decisions_of(1)) == 2


@pytest.mark.slow
async def test_many_calls_when_rejected_by_number_carry_the_preset_reason(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60, settings=Settings(reject_reasons=("wrong host", "not now"))) as console:
        await add(console.store, [restart("web-1"), restart("web-2", 1)])
        await shown(console, [1])
        await console.press("A")
        await table(console)
        await console.press("r", *"just kept", "escape")
        await console.until_shown("approve 2 calls of 1 review", "leave a row out")
        await console.press("r")
        await console.until_shown("just kept", "2 not now")
        await console.press(*["backspace"] * 9, "2", "ctrl+s")
        assert {row[3] for row in await console.decisions_of(1)} == {"not now"}


@pytest.mark.slow
async def test_calls_decided_together_when_the_policy_sets_grace_times_share_the_longest_of_their_review(
    start_console: StartConsole,
) -> None:
    async with start_console("", grace_s=60) as console:
        policy.write_policy(console.home.path, "[review.undo_s]\nirreversible = 600\nread = 5\n")
        wipe = seed.action("wipe", {"host": "web-1"}, 1, risk="irreversible")
        ids = await add(console.store, [restart("web-1", risk="read"), wipe], [restart("web-1", risk="read")], [restart("web-1")])
        await shown(console, ids)
        await console.press("g", "J", "J", "A")
        await table(console)
        await console.press("a")
        graces = await console.store.all("SELECT round(effective_at - decided_at) FROM reviews ORDER BY id")
        assert graces == [(600,), (5,), (60,)]


@pytest.mark.slow
async def test_a_text_too_long_for_the_table_when_read_in_its_review_is_approved_there_and_measured(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        first, second = ("\n".join(f"echo {name} {number}" for number in range(60)) for name in "ab")
        ids = await add(console.store, [restart("web-1", args={"script": first})], [restart("web-2", args={"script": second})])
        await shown(console, ids)
        await console.press("g")
        for _ in range(20):  # read the first to its end
            await console.until_keys_accepted()
            if console.app.query_one(ArgumentsView).has_seen(restart("web-1", args={"script": first}).digest):
                break
            await console.press("space")
        await console.press("J", "A")
        await console.until_shown("approve 1 call of 1 review", "1 left out: not all of it has been on the screen")
        await console.pilot.pause(0.5)
        await console.press("a")
        assert await states(console.store) == ["decided", "open"]
        assert await console.store.all("SELECT seen, reading_ms FROM decisions") == [(1.0, 1000)]


async def test_the_fatigue_guard_when_many_are_approved_too_fast_asks_to_read_the_next_irreversible_one(
    start_console: StartConsole,
) -> None:
    async with start_console("", grace_s=60, size=(160, 50)) as console:
        ids = await add(console.store, *([restart(f"web-{n}", args={"note": f"{n} " + "word " * 20})] for n in range(LONG_STREAK)))
        wire = seed.action("wire", {"to": "x", "why": "word " * 300}, risk="irreversible")  # takes a minute to read
        ids += await add(console.store, [wire], risk="irreversible")
        await shown(console, ids)
        await console.press("s", "5", "G")
        items = console.app.query_one(QueueList)
        while items.cursor == ids[-1]:
            await console.press("k")
        await console.press("A")
        await table(console)
        await console.press("a")
        seen = await console.store.all("SELECT DISTINCT seen, viewed_ms < reading_ms FROM decisions")
        assert seen == [(1.0, 1)]
        await console.until_keys_accepted()
        await console.press("a")
        assert "your last approvals were fast" in await console.until_shown("this call is irreversible")


async def test_the_queue_when_sorted_by_urgency_keeps_the_cursor_on_its_review(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(5)))
        await shown(console, ids)
        await console.press("j")
        items = console.app.query_one(QueueList)
        assert items.cursor == ids[1]
        (risky,) = await add(console.store, [seed.action("wire", {"to": "x"}, risk="irreversible")], risk="irreversible")
        await console.bob.reviews.escalate(ids[2], "ann")
        for review, hours in ((ids[3], 5), (ids[4], 4)):
            await console.store.write("UPDATE reviews SET deadline_at = ? WHERE id = ?", (time.time() + hours * 3600, review))
        await shown(console, [*ids, risky])
        expected = [ids[2], ids[4], ids[3], risky, ids[0], ids[1]]  # escalated to ann, by deadline, irreversible, oldest
        for _ in range(100):
            if items.order.slice(0, 6) == expected:
                break
            await console.pilot.pause(0.05)
        assert items.order.slice(0, 6) == expected and items.cursor == ids[1]


@pytest.mark.slow
async def test_marks_when_extended_upwards_reach_the_row_above(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(4)))
        await shown(console, ids)
        await console.press("G", "K", "K")
        items = console.app.query_one(QueueList)
        assert items.marks == set(ids[1:]) and items.cursor == ids[1]
        await console.until_shown("3 marked")


@pytest.mark.slow
@pytest.mark.parametrize("choice", ["3", "4", "5"])
async def test_reviews_that_change_while_the_queue_is_sorted_are_listed_as_they_are(start_console: StartConsole, choice: str) -> None:
    async with start_console("") as console:
        await seed.add_many_reviews(console.store, 1500)
        await shown(console, range(1500))
        await console.press("s")
        await console.pilot.press(choice)
        for review in (2, 3):
            await console.bob.reviews.decide(await console.bob.reviews.get(review), {0: Answer(DecisionKind.APPROVE)})
        (new,) = await add(console.store, [restart("web-1")])
        await console.until_shown("Waiting 1,499", {"3": "newest first", "4": "by agent", "5": "grouped"}[choice])
        await console.settle()
        assert new in console.app.query_one(QueueList).order
        await console.press("X")
        assert len(console.app.query_one(QueueList).marks) == 1499


async def test_rows_when_reviews_call_several_tools_name_all_and_say_what_differs(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        shell = seed.action("run_shell", {"command": "ls"}, 1, risk="irreversible")
        ids = await add(
            console.store, [restart("web-1", risk="reversible"), shell], [restart("web-1")], *([[restart("web-2")]] * 3)
        )  # so many that they stand beside the review
        await shown(console, ids)
        screen = await console.until_shown("run_shell +1", "host web-2", "same as above")
        assert " r3 " in screen and "┃same" not in screen, "the bar is for words of agents"


@pytest.mark.slow
async def test_rows_of_values_that_begin_alike_show_where_they_differ(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        begin = "SELECT id, name, country, created_at FROM customers WHERE region = 'north' AND"
        calls = [[seed.action("run_sql", {"query": f"{begin} {end}"})] for end in ("id = 1", "id = 2", "id = 2", "name = 'Ann'", "id = 3")]
        await shown(console, await add(console.store, *calls))
        rows = console.screen_text()
        assert "query …AND id = 2" in rows and "query …'north' AND name = 'Ann'" in rows and "same as above" in rows, rows


async def test_irreversible_calls_that_are_alike_are_approved_once_the_others_are_left_out(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        calls = [[seed.action("delete_mail", {"id": id_}, risk="irreversible")] for id_ in ("m-1", "m-1", "m-2")]
        ids = await add(console.store, *calls)
        await shown(console, ids)
        await console.press("X", "A")
        await console.until_shown("nothing", "3 left out: irreversible, and the arguments differ")
        await console.press("x")  # the odd one is on top
        await console.until_shown("approve 2 calls of 2 reviews", "1 left out by you")
        await console.press("x")
        await console.until_shown("3 left out: irreversible, and the arguments differ")
        await console.press("x")
        await console.until_shown("approve 2 calls of 2 reviews")
        await table(console)
        await console.press("a")
        await console.until_shown("approved by you")
        assert await states(console.store) == ["decided", "decided", "open"]


async def test_row_when_a_review_mixes_tools_shows_the_riskiest_first_at_80_columns(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        mails = [seed.action("send_mail", {"to": f"{who}@example.com", "text": "Hi"}, place) for place, who in enumerate(("ann", "bob"))]
        gone = [seed.action("delete", {"path": f"/tmp/{name}"}, place, risk="reversible") for place, name in enumerate("ab", 2)]
        shell = seed.action("run_shell", {"command": "rm -r /srv"}, 4, risk="irreversible")
        again = seed.action("run_shell", {"command": "rm -r /opt"}, 4, risk="irreversible")
        ids = await add(console.store, [*mails, *gone, shell], [*mails, *gone, again], [restart("web-1", slot) for slot in range(40)])
        await shown(console, ids)
        rows = [row.strip("│▌┃ ") for row in console.screen_text().split("\n")]
        assert any(row.startswith("run_shell, send_mail ×2, delete ×2") for row in rows), rows
        assert any(row.startswith("run_shell rm -r /srv · send_mail to ann@example.com, bob@") for row in rows), rows
        assert any(row.startswith("run_shell command rm -r /opt") and "send_mail" not in row for row in rows), rows
        assert any(row.startswith("restart_service ×40") for row in rows) and any(row.startswith("web-1 · api") for row in rows), rows


@pytest.mark.slow
async def test_review_of_several_calls_opens_on_the_riskiest_and_goes_on_with_the_next(start_console: StartConsole) -> None:
    async with start_console("") as console:
        risks = ("read", None, "irreversible", "reversible")
        calls = [seed.action(f"tool_{place}", {"n": place}, place, risk=risk) for place, risk in enumerate(risks)]
        ids = await add(console.store, calls)
        await shown(console, ids)
        await console.until_shown("▸3 tool_2", "irreversible")
        for following in ("▸2 tool_1", "▸4 tool_3", "▸1 tool_0"):
            await console.until_keys_accepted()
            await console.press("a")
            await console.until_shown(following)
        assert [row[0] for row in await console.decisions_of(ids[0])] == [1, 2, 3]


async def test_risk_of_a_call_that_nobody_knows_is_not_that_of_another_call(start_console: StartConsole) -> None:
    async with start_console("") as console:
        unknown, known = seed.action("run_sql", {"query": "DROP"}), seed.action("look", {"at": "it"}, 1, risk="read")
        await shown(console, await add(console.store, [unknown, known], risk="read"))
        screen = await console.until_shown("▸1 run_sql", "risk unknown   tool call")
        assert " read " not in screen


async def test_row_when_a_mixed_review_has_a_deadline_names_its_tools_and_its_run(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        mails = [seed.action("send_mail", {"to": f"{who}@example.com"}, place) for place, who in enumerate(("ann", "bob"))]
        gone = [seed.action("delete_mail", {"id": name}, place, risk="irreversible") for place, name in enumerate("ab", 2)]
        ids = await add(console.store, [*mails, *gone], *([restart("web-1")] for _ in range(3)))
        await console.store.db.execute(
            "UPDATE reviews SET deadline_at = :at, deadline_then = 'reject' WHERE id = :id", {"at": time.time() + 4 * 3600, "id": ids[0]}
        )
        await console.bob.reviews.escalate(ids[0], "", "look")
        await shown(console, ids)
        rows = console.screen_text().split("\n")
        place = next((place for place, row in enumerate(rows) if "delete_mail ×2" in row), 0)
        assert " r1 " in rows[place] and "auto-reject in 4 h" in rows[place + 1] and "irreversible" in rows[place + 1], (
            console.screen_text()
        )
        assert "mail" in rows[place + 2] and "rejected in 4 h if nobody decides" in console.screen_text(), (
            "the details have room for all of it"
        )


@pytest.mark.slow
async def test_a_snoozed_review_when_it_changes_comes_back(start_console: StartConsole) -> None:
    async with start_console("") as console:
        ids = await add(console.store, [restart("web-1")], [restart("web-2")])
        await shown(console, ids)
        await console.press("g", "h", "5", "enter")
        assert "1 snoozed" in await console.until_shown("1 snoozed")
        assert console.app.query_one(QueueList).order.slice(0, 9) == [ids[1]]
        await console.bob.reviews.escalate(ids[0], "", "look")
        await shown(console, ids)
        assert ids[0] in console.app.query_one(QueueList).order


@pytest.mark.slow
async def test_a_review_when_snoozed_until_a_time_is_hidden_until_it_is_woken(start_console: StartConsole) -> None:
    async with start_console("") as console:
        ids = await add(console.store, [restart("web-1")], [restart("web-2")])
        await shown(console, ids)
        await console.press("g", "h", "1", "enter")
        await console.until_shown("1 snoozed")
        ((review, until),) = await console.store.all("SELECT review, until FROM snoozes")
        assert review == ids[0] and 0 < until - time.time() <= 900
        await console.press("s", "6", "g", "h")
        assert await console.store.all("SELECT review FROM snoozes") == []


@pytest.mark.slow
async def test_agents_when_paused_are_named_in_a_banner_until_they_go_on(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await add(console.store, [restart("web-1")])
        await shown(console, [1])
        await console.press("P", "1", "enter")
        await console.until_shown("all agents are paused by ann", "P resumes")
        assert [one.agent for one in console.bob.agents.pauses()] == [""]
        await console.press("P", "1", "enter")
        for _ in range(50):
            if "paused" not in console.screen_text():
                break
            await console.pilot.pause(0.05)
        assert "paused" not in console.screen_text() and console.bob.agents.pauses() == []


@pytest.mark.slow
async def test_one_agent_when_paused_is_named_in_the_banner_and_others_are_not(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await add(console.store, [restart("web-1")], agent="sql_steward")
        await shown(console, [1])
        await console.press("P")
        await console.until_shown("pause all agents", "pause sql_steward only")
        await console.press("2", "enter")
        await console.until_shown("agent sql_steward is paused by ann")
        assert [one.agent for one in console.bob.agents.pauses()] == ["sql_steward"]
        await console.press("P", "1", "enter")
        assert console.bob.agents.pauses() == []
        await console.store.db.execute("DELETE FROM agents WHERE name = 'sql_steward'")
        await console.press("P")
        assert "only" not in await console.until_shown("pause all agents"), "an agent that is not there cannot be paused"


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["1", "2", "3", "4"])
async def test_the_cursor_when_the_order_changes_stays_on_its_review(start_console: StartConsole, sort: str) -> None:
    async with start_console("", clock=time.time) as console:
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(4)))
        await shown(console, ids)
        await console.press("j", "j", "s", sort, "enter")
        items = console.app.query_one(QueueList)
        assert items.cursor == ids[2] and len(items.order) == 4


REASONS = "I tidy up:\n\n1. delete_mail m-101: it is spam.\n2. delete_mail m-102: “Offers” is a newsletter.\n\nconfidence: 0.93"


def deletions(first: int = 101) -> list[Action]:
    return [seed.action("delete_mail", {"message_id": f"m-{first + slot}"}, slot) for slot in range(2)]


async def test_the_table_when_nothing_can_be_approved_says_why_and_offers_no_approval(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        calls = [replace(call, risk="irreversible") for call in deletions()]
        ids = await add(console.store, calls, context=Context(reasoning=REASONS))
        await shown(console, ids)
        assert console.screen_text().index("m-101: it is spam.") < console.screen_text().index("I tidy up:")
        await console.press("A")
        await table(console)
        screen = await console.until_shown("nothing here can be approved together · 2 left out: irreversible, and the arguments differ")
        assert "approve 0" not in screen and "r reject" in screen
        rows = screen.split("\n")
        for mail, reason in (("m-101", "it is spam."), ("m-102", "“Offers” is a newsletter.")):
            place = next(place for place, row in enumerate(rows) if f"message_id {mail}   decide alone" in row)
            assert "why" in rows[place + 1] and reason in rows[place + 1], screen
        await console.press("a")
        await console.until_shown("no call can be approved here (irreversible, and the arguments differ)")


@pytest.mark.slow
async def test_the_table_when_all_calls_have_one_reason_tells_it_once(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60) as console:
        said = Context(reasoning="CPU is high on api.")
        ids = await add(console.store, *([restart(f"web-{n}")] for n in range(3)), context=said)
        await shown(console, ids)
        await console.press("X", "A")
        await table(console)
        told = [row for row in console.screen_text().split("\n") if " why " in row]
        assert len(told) == 1 and "CPU is high on api." in told[0], console.screen_text()


@pytest.mark.slow
async def test_row_of_a_group_counts_its_calls_and_its_reviews(start_console: StartConsole) -> None:
    async with start_console("", grace_s=60, size=(160, 36)) as console:
        ids = await add(console.store, deletions(), deletions(103), deletions(105))
        await shown(console, ids)
        await console.press("s", "5")
        await console.until_shown("delete_mail ×6 in 3 reviews")
