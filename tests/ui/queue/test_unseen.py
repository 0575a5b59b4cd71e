"""Approve counts only for what has been on the screen: pages, questions by policy, and the share that is stored."""

from __future__ import annotations

import pytest

from hitl_tui.model import Json, Outcome, PauseKind
from hitl_tui.ui.dialogs.confirm import ConfirmScreen
from hitl_tui.ui.queue import decision_controller
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.review.arguments import ArgumentsView, Coverage
from hitl_tui.ui.text.lines import line
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import policy, seed
from tests.ui.test_input_filter import replay

SCRIPT = "\n".join([*(f"echo step {number}" for number in range(120)), "kubectl delete pod --all"])


async def add(console: ConsoleDriver, args: Json, risk: str | None = "irreversible", **more: object) -> int:
    """Add a waiting call, and put the cursor on it."""
    action = seed.action("run_shell", args, **more)  # type: ignore[arg-type]
    review = await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, action, risk=risk))
    await go_to(console, review)
    return review


async def go_to(console: ConsoleDriver, review: int) -> None:
    """Put the cursor on a review, and wait until its page has been on the screen."""
    await console.settle()
    console.app.query_one(QueueView).go_to(review)
    await console.until_keys_accepted()


async def press_and_wait(console: ConsoleDriver, *keys: str) -> None:
    """Press keys, each after the page on the screen has been there for long enough."""
    for key in keys:
        await console.press(key)
        await console.until_keys_accepted()


def pages(console: ConsoleDriver) -> tuple[int, int]:
    """The page on the screen, and how many there are."""
    return console.app.query_one(ArgumentsView).page


async def seen_of(console: ConsoleDriver, review: int) -> float | None:
    """The share that is stored with the decision."""
    row = await console.store.one("SELECT seen FROM decisions WHERE review = ?", (review,))
    return None if row is None else row[0]


@pytest.mark.slow
async def test_approve_with_unseen_lines_shows_the_next_page(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        review = await add(console, {"script": SCRIPT})
        page, count = pages(console)
        assert page == 1 and count > 4
        await console.until_shown(f"more lines · page 1 of {count} seen · a or space reads on")
        assert "a read on" in console.screen_text()
        for number in range(2, count + 1):
            await console.press("a")
            assert pages(console) == (number, count) and await console.decisions_of(review) == []
            await console.until_keys_accepted()
        await console.until_shown("kubectl delete pod --all", f"▴ end · page {count} of {count} seen", "a approve")
        await console.press("a")
        assert [row[1] for row in await console.decisions_of(review)] == ["approve"]
        assert await seen_of(console, review) == 1.0


async def test_status_when_another_call_was_shown_a_moment_before_says_the_page_is_seen(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        arguments = console.app.query_one(ArgumentsView)
        other = await add(console, {"script": SCRIPT})
        for digest, script in ((other, SCRIPT), (0, f"{SCRIPT} --force")):
            arguments.show_call(str(digest), [], [line(row) for row in script.splitlines()])
            await console.pilot.pause(0.15)
        await console.until_shown(f"page 1 of {pages(console)[1]} seen")


async def test_approve_before_the_page_counts_as_seen_is_ignored(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        review = await add(console, {"script": SCRIPT})
        monkeypatch.setattr("hitl_tui.ui.review.arguments.SEEN_S", 60.0)
        await console.press("a", "a", "a")
        assert pages(console)[0] == 2 and await console.decisions_of(review) == []
        row = next(row for row in console.screen_text().split("\n") if "this page has just come on the screen" in row)
        assert "more lines" in row, "it is said beside what is left to read"


@pytest.mark.slow
async def test_space_reads_on_and_seen_pages_survive_a_resize_and_another_review(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        other = await add(console, {"script": "ls"}, "reversible")
        review = await add(console, {"script": SCRIPT})
        await press_and_wait(console, "space", "space")
        unseen = console.app.query_one(ArgumentsView).unseen_rows
        assert 0 < unseen < 80
        await console.pilot.resize_terminal(100, 40)
        await console.until_keys_accepted()
        assert console.app.query_one(ArgumentsView).unseen_rows <= unseen
        await go_to(console, other)
        await go_to(console, review)
        again = await add(console, {"script": SCRIPT})  # the same digest: rows seen of one count for the other
        assert console.app.query_one(ArgumentsView).unseen_rows <= unseen
        await press_and_wait(console, *["a"] * 8)
        assert [row[1] for row in await console.decisions_of(again)] == ["approve"]


async def hold(console: ConsoleDriver, key: bytes, first_delay_s: float = 0.5, per_s: float = 30, repeats: int = 40) -> None:
    """Send what a terminal sends while a key is held, by the times of the keyboard; each press after what the one before did."""
    times = (0.0, *(first_delay_s + number / per_s for number in range(repeats)))
    for message in replay(*((at, key) for at in times)):
        console.app.post_message(message)
        await console.pilot.pause()
    await console.settle()


@pytest.mark.slow
@pytest.mark.parametrize(("key", "inside"), sampled([(b" ", False), (b"a", False), (b" ", True), (b"\x1b[6~", True), (b"\x04", False)]))
async def test_held_key_turns_one_page_at_most(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch, key: bytes, inside: bool
) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        review = await add(console, {"script": SCRIPT})
        await press_and_wait(console, *(["enter"] if inside else []))
        monkeypatch.setattr("hitl_tui.ui.review.arguments.SEEN_S", 0.0)  # nothing but the repeats keeps pages from counting as seen
        await hold(console, key)
        assert pages(console)[0] == 2 and await console.decisions_of(review) == []


@pytest.mark.slow
async def test_held_movement_key_scrolls_and_leaves_what_passes_unseen(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        await add(console, {"script": SCRIPT})
        await press_and_wait(console, "enter")
        arguments = console.app.query_one(ArgumentsView)
        unseen = arguments.unseen_rows
        monkeypatch.setattr("hitl_tui.ui.review.arguments.SEEN_S", 60.0)
        await hold(console, b"j")
        assert arguments.scroll_offset.y == 41 and arguments.unseen_rows == unseen


@pytest.mark.slow
async def test_irreversible_call_is_never_approved_unseen(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        review = await add(console, {"script": SCRIPT})
        await press_and_wait(console, "enter", "G", "escape", "a")
        assert len(console.app.screen_stack) == 1 and await console.decisions_of(review) == []
        assert pages(console)[0] == 2  # the first that was skipped


@pytest.mark.slow
async def test_skipped_lines_are_named_and_asked_about_where_the_policy_confirms(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        review = await add(console, {"script": SCRIPT}, None)
        await press_and_wait(console, "enter", "G", "escape")
        unseen = console.app.query_one(ArgumentsView).unseen_rows
        assert f"▴ end · {unseen} lines above not seen · space shows them" in console.screen_text()
        await console.press("a")
        assert isinstance(console.app.screen, ConfirmScreen)
        await console.until_shown(f"{unseen} lines of it were not seen", "┃ echo step 0")
        await console.press("n")
        assert await console.decisions_of(review) == []
        await console.until_keys_accepted()
        await console.pilot.pause(decision_controller.APPROVE_PAUSE_S)
        await console.press("a", "y")
        assert [row[1] for row in await console.decisions_of(review)] == ["approve"]
        share = await seen_of(console, review)
        assert share is not None and 0 < share < 1
        await console.press("f3", "enter")
        await console.until_shown(f"{round(share * 100)} % of it was on the screen")


@pytest.mark.slow
async def test_a_very_long_text_is_asked_about_on_the_first_page(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        await add(console, {"script": SCRIPT * 20}, "reversible")
        await console.press("a")
        assert isinstance(console.app.screen, ConfirmScreen)


@pytest.mark.slow
async def test_home_policy_decides_what_unseen_lines_mean(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 30)) as console:
        policy.write_policy(console.home.path, '[review.unseen]\nread = "allow"\nreversible = "never"\nirreversible = "confirm"\n')
        allowed = await add(console, {"script": SCRIPT}, "read")
        await console.press("a")
        assert [row[1] for row in await console.decisions_of(allowed)] == ["approve"]
        share = await seen_of(console, allowed)
        assert share is not None and share < 0.5
        never = await add(console, {"script": SCRIPT + "2"}, "reversible")
        await press_and_wait(console, "enter", "G", "escape", "a")
        assert len(console.app.screen_stack) == 1 and await console.decisions_of(never) == []
        await add(console, {"script": SCRIPT + "3"}, "irreversible")
        await press_and_wait(console, "enter", "G", "escape", "a")
        assert isinstance(console.app.screen, ConfirmScreen)


@pytest.mark.slow
async def test_takeover_rule_has_no_approve_key_and_asks_with_what_the_rule_demands(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        ruled = {"outcome": Outcome.TAKEOVER, "rule": "large refunds", "reason": "args.amount > 200"}
        review = await add(console, {"amount": 420}, **ruled)
        keys = console.screen_text().splitlines()[-1].split()
        assert keys[:3] == ["t", "take", "over"] and "approve" not in keys, "what the rule demands comes first"
        await console.press("p")
        await console.until_shown("no grant lifts a takeover")
        await console.press("a")
        assert isinstance(console.app.screen, ConfirmScreen) and await console.decisions_of(review) == []
        await console.until_shown("a person to take the run over", "args.amount > 200 (large refunds)")
        await console.press("a", "enter")
        assert isinstance(console.app.screen, ConfirmScreen) and await console.decisions_of(review) == []
        await console.press("y")
        assert [row[1] for row in await console.decisions_of(review)] == ["approve"]


async def test_blank_lines_and_gaps_are_counted(start_console: StartConsole) -> None:
    async with start_console("nothing") as console:
        await add(console, {"script": "ls" + "\n" * 61 + "rm -rf /", "also": "ls" + " " * 400 + "; rm -rf /"})
        await console.until_shown("60 empty lines", "rm -rf /", "⟨400 blanks⟩; rm -rf /")


def test_coverage_joins_ranges_and_finds_gaps() -> None:
    coverage = Coverage([(0, 10), (20, 30), (10, 12), (50, 40)])
    assert list(coverage.gaps(40)) == [(12, 20), (30, 40)]
    coverage.add(5, 35)
    assert list(coverage.gaps(40)) == [(35, 40)]
    assert list(coverage.moved(-30).gaps(10)) == [(5, 10)]
    assert list(coverage.moved(5).gaps(10)) == [(0, 5)]
    assert list(Coverage().gaps(0)) == []
