"""Ratings in the console: rate, comment, replace, remove; learned reasons in the reject dialog."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from hitl_tui.model import Answer, DecisionKind, Event, Feedback, Subject
from hitl_tui.settings import Settings
from hitl_tui.store import events
from hitl_tui.ui.dialogs.reject import RejectScreen
from hitl_tui.ui.feedback.comment_dialog import CommentScreen
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import history
from tests.ui.test_key_queue import burst

MAIL = Subject(6, 6, 0)
"""The newest of the decided ones."""


async def ratings(console: ConsoleDriver, run: int) -> list[tuple[object, ...]]:
    """Return (person, slot, rating, comment) of a review's ratings."""
    found = await console.bob.feedback.of_run(run)
    return [(one.actor, one.subject.slot, one.rating, one.comment, one.tags) for one in found]


async def in_history(console: ConsoleDriver) -> None:
    await history.add_decisions(console.store, console.project, time.time())
    await console.press("f3")
    await console.until_shown("History  11", "changes" if console.app.size.width > 80 else "edited by bob")


@pytest.mark.slow
async def test_rating_in_the_queue_works_only_after_the_decision(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as console:
        await console.press("plus")
        assert "1#1 has no decision yet" in console.notifications() and "thumbs up" not in console.screen_text()
        await console.press("a", "k")
        await console.until_shown("+ thumbs up  - thumbs down")
        await console.press("plus")
        assert "thumbs up on send_email of r1; the same key again adds a comment" in console.notifications()
        assert await ratings(console, 1) == [("ann", 0, 1, "", ())]
        await console.until_keys_accepted()
        await burst(console, "a", "a", "a")
        assert "review 1 is approved by you" in console.refusals()
        await console.press("u")
        assert (await console.bob.reviews.get(1)).row.state == "open"


@pytest.mark.slow
async def test_rating_key_pressed_twice_opens_the_comment(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await in_history(console)
        await burst(console, "minus", "minus", *"not to her")
        assert isinstance(console.app.screen, CommentScreen)
        await console.press("escape")
        assert await ratings(console, 6) == [("ann", 0, -1, "", ())]
        await console.press("minus", "tab")
        await burst(console, *"Tone,a,b,c,d,e,f,g,h,i,j", "enter")
        assert "11 tags are too many" in console.notifications() and isinstance(console.app.screen, CommentScreen)
        assert "not to her" in console.screen_text()
        await console.press("tab")
        await burst(console, *["backspace"] * 4, "enter")
        assert await ratings(console, 6) == [("ann", 0, -1, "not to her", ("tone", *"abcdefgh"))]
        await console.until_shown("edited by bob · ▼ thumbs down", "▼ thumbs down by you at", "tone · a", "not to her")


@pytest.mark.slow
async def test_rating_can_be_replaced_and_removed(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        await in_history(console)
        await console.bob.feedback.rate(MAIL, 1, "[red]kind[/]\x1b words")
        await console.until_shown("edited by bob · ▲ thumbs up")
        await console.press("enter", "minus")
        await console.until_shown("▲ thumbs up by bob at", "[red]kind[/]⟨U+001B⟩ words", "▼ thumbs down by you at")
        await console.press("minus")
        assert "such as tone, wrong person" in console.screen_text()
        await console.press("escape", "plus", "escape")
        assert [one[:3] for one in await ratings(console, 6)] == [("bob", 0, 1), ("ann", 0, 1)]
        await console.press("equals_sign", "equals_sign")
        assert "your rating of send_email of r6 is removed" in console.notifications()
        assert "you have not rated this" in console.notifications()
        assert [one[0] for one in await ratings(console, 6)] == ["bob"]
        await console.press("j", "j", "plus")
        assert "this decision was undone or replaced" in console.refusals()
        await burst(console, "slash", *"rating:up", "enter")
        await console.until_shown("History  1 ", "/rating:up")


@pytest.mark.slow
async def test_rating_in_the_runs_view_rates_the_whole_run(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "j", "minus")
        await console.until_shown("▼ thumbs down on the whole run by you at")
        await burst(console, "minus", *"it never ended", "enter")
        await console.until_shown("it never ended")
        await console.bob.feedback.rate(Subject((await console.bob.runs.ids())[-1]), 1)
        await console.until_shown("▲ thumbs up on the whole run by bob", "▼ thumbs down on the whole run by you")
        await console.press("j")
        assert "thumbs down on the whole" not in console.screen_text()


@pytest.mark.slow
async def test_rating_of_a_trace_line_works_in_every_view(start_console: StartConsole) -> None:
    def on_lines(found: Sequence[Feedback]) -> list[tuple[object, ...]]:
        return [(one.subject.event, one.rating, one.comment, one.tags) for one in found]

    async with start_console(size=(200, 50)) as console:
        lines = [Event(13, 0.0, "message", "a[b]", (), {"text": "[red]Sorry[/]\x1b\nagain"}), Event(14, 0.0, "end", "agent", (), {"ms": 3})]
        await events.append(console.store, {1: lines})
        await console.press("plus")
        assert "decide it first; * rates the messages of its run" in console.notifications()
        await burst(console, "asterisk", "minus", "minus", *"rude")  # the newest the agent said
        await console.press("tab")
        await burst(console, *"Tone", "enter")
        await console.until_shown("▼ a[b]", "[red]Sorry[/]⟨U+001B⟩ again", "▼ thumbs down by you at", "tone", "rude", "= remove")
        assert on_lines(await console.bob.feedback.of_run(1)) == [(13, -1, "rude", ("tone",))]
        await burst(console, "j", "plus", "j", "plus", "equals_sign", "g", "minus", "escape")  # an older one, a result, the run
        assert on_lines(await console.bob.feedback.of_run(1)) == [(13, -1, "rude", ("tone",)), (11, 1, "", ()), (None, -1, "", ())]
        assert console.app.focused is console.app.query_one(QueueView).items and "thumbs up on “Ann asked twice" in console.notifications()
        await console.bob.feedback.rate(Subject(1, event=3), 1, "well begun")
        order = ("I look for her", "▲ thumbs up by bob", "well begun", "⟨U+001B⟩", "▼ thumbs down by you", "rude")
        trace = await console.until_shown(*order)
        places = [trace.index(text) for text in order]
        assert places == sorted(places) and await console.decisions_of(1) == []
        await console.press("f2", "G", "asterisk", "j", "equals_sign", "escape")
        await console.until_shown(
            "▼ thumbs down on the whole run by you", "1 × thumbs up, 1 × thumbs down on its decisions", "▲ thumbs up by bob at"
        )
        assert "you have not rated this" not in console.notifications()
        await console.press("k", "asterisk")
        assert "the whole run" in console.screen_text() and "no messages" in console.screen_text()


@pytest.mark.slow
async def test_reject_dialog_lists_past_reasons_of_the_tool_first(start_console: StartConsole) -> None:
    async with start_console(settings=Settings(reject_reasons=("too risky", "Keep it", "not needed"))) as console:
        batch = await console.bob.reviews.get(4)
        for slot, message in enumerate(["keep  it", "she left"]):
            await console.bob.reviews.decide(batch, {slot: Answer(DecisionKind.REJECT, message=message)})
        await console.until_keys_accepted()
        await console.press("r")
        assert isinstance(console.app.screen, RejectScreen)
        places = [console.screen_text().index(preset) for preset in (" 1  she left", " 2  keep it", " 3  too risky", " 4  not needed")]
        assert places == sorted(places) and " 5  " not in console.screen_text()
        await console.press("1", "enter")
        assert await console.decisions_of(1) == [(0, "reject", None, "she left")]
