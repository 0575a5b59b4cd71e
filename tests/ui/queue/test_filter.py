"""Filters in the queue: matching items, arrivals, and mistakes."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from hitl_tui.model import Answer, DecisionKind, PauseKind
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.runs.list import RunsList
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed


def shown(console: ConsoleDriver) -> int:
    return len(console.app.query_one(QueueList).order)


async def ask(console: ConsoleDriver, agent: str) -> int:
    """Add an open review."""
    made = await seed.add_waiting_run(
        console.store, console.project, agent, seed.pause(PauseKind.TOOL_CALLS, seed.mail("late@example.com"))
    )
    await console.settle()
    return made


@pytest.mark.slow
async def test_filtered_queue_shows_matching_arrivals_only(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"agent:mail* -tool:delete_* ann@example", "enter")
        assert shown(console) == 1 and "1 of 9" in console.screen_text()
        await ask(console, "planner")
        assert shown(console) == 1
        await console.press("slash", *"agent:mail* -tool:delete_*", "enter")
        assert shown(console) == 2
        late = await ask(console, "mail_assistant")
        assert shown(console) == 3
        assert late in console.app.query_one(QueueList).order


@pytest.mark.slow
@pytest.mark.parametrize("view", sampled(["f1", "f2", "f3"]))
async def test_filter_that_was_not_submitted_is_there_when_the_dialog_opens_again(start_console: StartConsole, view: str) -> None:
    async with start_console() as console:
        inbox = console.bob
        await inbox.reviews.decide(await inbox.reviews.get(1), {0: Answer(DecisionKind.APPROVE)})
        await console.press(view, "slash", *"agent:nobody", "escape")
        assert "agent:nobody" not in console.screen_text()
        await console.press("slash")
        assert console.app.screen.query_one(Input).value == "agent:nobody"
        await console.press("backspace", "enter", "slash")
        assert console.app.screen.query_one(Input).value == ""


@pytest.mark.slow
async def test_filtered_queue_keeps_items_that_no_longer_match(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.bob.reviews.claim(console.review_ids[0])
        await console.press("slash", *"by:bob", "enter")
        assert shown(console) == 1 and "claimed by bob" in await console.until_shown("claimed by bob")
        await console.bob.reviews.release(console.review_ids[0])
        await console.settle()
        assert shown(console) == 1 and "claimed by bob" not in console.screen_text()


@pytest.mark.slow
async def test_filter_with_a_mistake_is_explained_and_kept(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"agnet:mail*", "enter")
        assert "did you mean agent?" in console.screen_text() and "agnet:mail*" in console.screen_text()
        await console.press("home", *["right"] * 2, *["delete"] * 2, *"en")
        assert "did you mean" not in console.screen_text()
        await console.press("enter")
        assert shown(console) == 3


@pytest.mark.slow
async def test_filtered_queue_keeps_items_just_decided(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("a")
        await console.press("slash", *"agent:mail*", "enter")
        assert console.review_ids[0] in console.app.query_one(QueueList).order
        await console.press("slash", *["backspace"] * 11, *"planner", "enter")
        assert console.review_ids[0] not in console.app.query_one(QueueList).order


@pytest.mark.slow
async def test_queue_is_filtered_while_one_types_and_escape_restores_it(start_console: StartConsole) -> None:
    async with start_console() as console:
        items = console.app.query_one(QueueList)
        await console.press("j", "x", "slash", *"agent:mail*")
        await console.until_shown("Filter the queue", "3 of 9")
        assert shown(console) == 3 and items.cursor == items.order.at(0)
        await console.press("escape")
        await console.settle()
        assert shown(console) == 9 and items.cursor == console.review_ids[1] and items.marks == {console.review_ids[1]}


@pytest.mark.slow
async def test_filter_that_does_not_parse_keeps_the_last_good_list(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"agent:mail*")
        await console.until_shown("3 of 9")
        await console.press("end", *" risk:odd")
        await console.until_shown("risk: cannot be 'odd'")
        assert shown(console) == 3


@pytest.mark.slow
async def test_filter_completes_fields_and_values(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"mail ag")
        field = console.app.screen.query_one(Input)
        await console.press("tab")
        assert field.value == "mail agent:"
        await console.press(*"sq")
        await console.until_shown("agent:sql_steward")
        await console.press("tab", "space", *"-risk:irr")
        assert field.value == "mail agent:sql_steward -risk:irr"
        await console.press("tab", "tab")
        assert field.value == "mail agent:sql_steward -risk:irreversible"
        await console.until_shown("there is nothing to complete here")


@pytest.mark.slow
async def test_filter_without_a_hit_says_so_and_escape_clears_it(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"agent:nobody", "enter")
        await console.until_shown("no review matches agent:nobody, esc clears", "esc clear filter")
        await console.press("escape")
        await console.until_shown("Waiting 9")
        assert shown(console) == 9
        await console.press("f2", "slash", *"no such run", "enter")
        await console.until_shown("no run matches no such run, esc clears")
        await console.press("escape")
        await console.settle()
        assert len(console.app.query_one(RunsList).order) == 9
        await console.press("f3", "slash", *"by:nobody", "enter")
        await console.until_shown("no decision matches by:nobody, esc clears")
        await console.press("escape", "escape")
        await console.until_shown("there is nothing to go back to")
