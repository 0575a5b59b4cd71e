"""Searching in a text: `/`, the hits on the screen, and the way from one to the next."""

from __future__ import annotations

import math
from typing import Any

import pytest

from hitl_tui.model import Context, Message, PauseKind
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.text.lines import line
from hitl_tui.ui.text.search import STRETCH, TextSearch
from hitl_tui.ui.widgets.text_view import TextView
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed

LONG = "\n".join(f"row {n}: {'the Needle is here' if n in (2, 150, 299) else 'only hay'}" for n in range(300))


async def add_review(console: ConsoleDriver, text: str = LONG, **more: Any) -> None:
    """Add a review of one call with a long text, and wait until it is shown."""
    what = seed.pause(PauseKind.TOOL_CALLS, seed.action("write", {"text": text}), **more)
    await seed.add_waiting_run(console.store, console.project, "mail_assistant", what)
    await console.until_keys_accepted()


def shown(console: ConsoleDriver) -> str:
    """The text with the search, below the input line that has a screen of its own."""
    view = next(view for screen in reversed(console.app.screen_stack) for view in screen.query(TextView) if view.searched)
    return "\n".join("".join(segment.text for segment in view.render_line(y)) for y in range(view.size.height))


@pytest.mark.slow
async def test_search_in_arguments_goes_from_hit_to_hit(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await add_review(console)
        await console.press("enter", "slash", *"needle")
        await console.until_shown("1 of 3")
        assert "row 2: the Needle is here" in shown(console)
        await console.press("enter", "n")
        await console.until_shown("row 150: the Needle is here", "/needle: 2 of 3", "n next, N previous, esc ends")
        await console.press("N", "N")
        await console.until_shown("row 299: the Needle is here", "/needle: 3 of 3")
        await console.press("escape")
        assert "/needle" not in console.screen_text() and console.app.query_one(ArgumentsView).has_focus
        await console.press("escape", "slash")
        await console.until_shown("Filter the queue")


@pytest.mark.slow
async def test_typing_a_search_decides_nothing_and_escape_goes_back_to_the_place(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await add_review(console)
        await console.press("enter", "slash", *"row 299", "escape")
        await console.until_shown("row 0: only hay")
        assert console.app.query_one(ArgumentsView).searched == "" and not await console.decisions_of(1)
        await console.press("slash", *"are")
        await console.until_shown("no hit")
        assert not await console.decisions_of(1)


@pytest.mark.slow
async def test_jump_to_a_hit_leaves_rows_before_it_unseen(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await add_review(console)
        await console.press("enter", "slash", *"row 299", "enter")
        arguments = console.app.query_one(ArgumentsView)
        for _ in range(100):
            if arguments.end_seen:
                break
            await console.pilot.pause(0.05)
        assert arguments.end_seen and arguments.unseen_rows > 200
        await console.press("a")
        assert not await console.decisions_of(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "words", "told"),
    sampled(
        [
            (["enter", "tab", "tab"], "hello", "1 of 2"),
            (["enter", "tab"], "because", "1 of 1"),
            (["question_mark"], "ctrl+d", "1 of 1"),
        ]
    ),
    ids=["conversation", "why", "help"],
)
async def test_every_text_can_be_searched(start_console: StartConsole, keys: list[str], words: str, told: str) -> None:
    async with start_console("empty") as console:
        said = (Message("user", "Hello there."), Message("agent", "hello, I look at once."))
        await add_review(console, context=Context(conversation=said, reasoning="I write because Ann asked."))
        await console.settle()
        await console.press(*keys, "slash", *words)
        await console.until_shown(told)


@pytest.mark.slow
async def test_text_that_grows_keeps_its_search(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await add_review(console)
        arguments = console.app.query_one(ArgumentsView)
        arguments.find("needle")
        arguments.splice(200, [line("another needle, which came later")])
        await console.settle()
        assert arguments.hits_told == "1 of 3"


def test_words_that_stand_across_two_stretches_are_found_once() -> None:
    text = "x" * (STRETCH - 3) + "needle needle"
    search = TextSearch("NEEDLE")
    while not search.is_complete:
        search.look([line(text)], -math.inf, all_known=True)
    assert [(hit.start, hit.end) for hit in search.hits] == [(STRETCH - 3, STRETCH + 3), (STRETCH + 4, STRETCH + 10)]
