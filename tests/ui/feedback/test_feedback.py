"""Ratings on the screen: one key rates, the same again asks for a comment, another replaces it; learned reasons in the reject dialog."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hitl_tui.model import Answer, DecisionKind, Event, Feedback, Subject
from hitl_tui.settings import Settings
from hitl_tui.store import events
from hitl_tui.ui.dialogs.reject import RejectScreen
from hitl_tui.ui.feedback.comment_dialog import CommentScreen
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import Console, Desk
from tests.ui.homes import history
from tests.ui.test_key_queue import burst

MAIL = Subject(6, 6, 0)
"""The newest of the decided ones."""


async def ratings(desk: Desk, run: int) -> list[tuple[object, ...]]:
    """Whose, on which slot, which, and the words."""
    found = await desk.other.feedback.of_run(run)
    return [(one.actor, one.subject.slot, one.rating, one.comment, one.tags) for one in found]


async def in_history(desk: Desk) -> None:
    await history.decided_of(desk.store, desk.project, time.time())
    await desk.press("f3")
    await desk.seen("History  11", "changes" if desk.app.size.width > 80 else "edited by bob")


async def test_in_the_queue_while_its_undo_time_runs_and_not_before_it_is_decided(console: Console) -> None:
    async with console(grace_s=60) as desk:
        await desk.press("plus")
        assert "1#0 is not decided" in desk.notices() and "thumbs up" not in desk.screen()
        await desk.press("a", "k")
        await desk.seen("+ thumbs up  - thumbs down")
        await desk.press("plus")
        assert "thumbs up on send_email of r1; the same key again adds a comment" in desk.notices()
        assert await ratings(desk, 1) == [("ann", 0, 1, "", ())]
        await desk.armed()
        await burst(desk, "a", "a", "a")  # it is said once
        assert desk.notices().count("review 1 is approved by you") == 1
        await desk.press("u")
        assert (await desk.other.reviews.get(1)).row.state == "open"


async def test_the_same_key_again_asks_for_words_however_fast_and_escape_keeps_them(console: Console) -> None:
    async with console("") as desk:
        await in_history(desk)
        await burst(desk, "minus", "minus", *"not to her")
        assert isinstance(desk.app.screen, CommentScreen)
        await desk.press("escape")
        assert await ratings(desk, 6) == [("ann", 0, -1, "", ())]
        await desk.press("minus", "tab")
        await burst(desk, *"Tone,a,b,c,d,e,f,g,h,i,j", "enter")
        assert "11 tags are too many" in desk.notices() and isinstance(desk.app.screen, CommentScreen)
        assert "not to her" in desk.screen()
        await desk.press("tab")
        await burst(desk, *["backspace"] * 4, "enter")
        assert await ratings(desk, 6) == [("ann", 0, -1, "not to her", ("tone", *"abcdefgh"))]
        await desk.seen("edited by bob · ▼ thumbs down", "▼ thumbs down by you at", "tone · a", "not to her")


async def test_the_other_key_replaces_it_and_another_takes_it_back(console: Console) -> None:
    async with console("", size=(80, 24)) as desk:
        await in_history(desk)
        await desk.other.feedback.rate(MAIL, 1, "[red]kind[/]\x1b words")
        await desk.seen("edited by bob · ▲ thumbs up")
        await desk.press("enter", "minus")
        await desk.seen("▲ thumbs up by bob at", "[red]kind[/]⟨U+001B⟩ words", "▼ thumbs down by you at")
        await desk.press("minus")
        assert "such as tone, wrong person" in desk.screen()
        await desk.press("escape", "plus", "escape")
        assert [one[:3] for one in await ratings(desk, 6)] == [("bob", 0, 1), ("ann", 0, 1)]
        await desk.press("equals_sign", "equals_sign")
        assert "your rating of send_email of r6 is removed" in desk.notices()
        assert "you have not rated this" in desk.notices()
        assert [one[0] for one in await ratings(desk, 6)] == ["bob"]
        await desk.press("j", "j", "plus")
        assert "this decision was undone or replaced" in desk.notices()
        await burst(desk, "slash", *"rating:up", "enter")
        await desk.seen("History  1 ", "/rating:up")


async def test_a_whole_run_is_rated_among_the_runs(console: Console) -> None:
    async with console("runs") as desk:
        await desk.press("f2", "minus")
        await desk.seen("▼ thumbs down on the whole run by you at")
        await burst(desk, "minus", *"it never ended", "enter")
        await desk.seen("it never ended")
        await desk.other.feedback.rate(Subject((await desk.other.runs.ids())[-1]), 1)
        await desk.seen("▲ thumbs up on the whole run by bob", "▼ thumbs down on the whole run by you")
        await desk.press("j")
        assert "thumbs down on the whole" not in desk.screen()


async def test_what_was_said_in_a_run_is_rated_from_wherever_the_run_is(console: Console) -> None:
    def on_lines(found: Sequence[Feedback]) -> list[tuple[object, ...]]:
        return [(one.subject.event, one.rating, one.comment, one.tags) for one in found]

    async with console(size=(200, 50)) as desk:
        lines = [Event(13, 0.0, "message", "a[b]", (), {"text": "[red]Sorry[/]\x1b\nagain"}), Event(14, 0.0, "end", "agent", (), {"ms": 3})]
        await events.append(desk.store, {1: lines})
        await desk.press("plus")
        assert "decide it first; * rates the messages of its run" in desk.notices()
        await burst(desk, "asterisk", "minus", "minus", *"rude")  # the newest the agent said
        await desk.press("tab")
        await burst(desk, *"Tone", "enter")
        await desk.seen("▼ a[b]", "[red]Sorry[/]⟨U+001B⟩ again", "▼ thumbs down by you at", "tone", "rude", "= remove")
        assert on_lines(await desk.other.feedback.of_run(1)) == [(13, -1, "rude", ("tone",))]
        await burst(desk, "j", "plus", "j", "plus", "equals_sign", "g", "minus", "escape")  # an older one, a result, the run
        assert on_lines(await desk.other.feedback.of_run(1)) == [(13, -1, "rude", ("tone",)), (11, 1, "", ()), (None, -1, "", ())]
        assert desk.app.focused is desk.app.query_one(QueueView).items and "thumbs up on “Ann asked twice" in desk.notices()
        desk.app.clear_notifications()  # they lie over the trace
        await desk.other.feedback.rate(Subject(1, event=3), 1, "well begun")
        order = ("I look for her", "▲ thumbs up by bob", "well begun", "⟨U+001B⟩", "▼ thumbs down by you", "rude")
        trace = await desk.seen(*order)
        places = [trace.index(text) for text in order]
        assert places == sorted(places) and await desk.decided(1) == []
        await desk.press("f2", "G", "asterisk", "j", "equals_sign", "escape")
        await desk.seen("▼ thumbs down on the whole run by you", "1 × thumbs up, 1 × thumbs down on its decisions", "▲ thumbs up by bob at")
        assert "you have not rated this" not in desk.notices()
        await desk.press("k", "asterisk")
        assert "the whole run" in desk.screen() and "no messages" in desk.screen()


async def test_what_people_say_of_a_tool_comes_first_in_the_reject_dialog(console: Console) -> None:
    async with console(settings=Settings(reject_reasons=("too risky", "Keep it", "not needed"))) as desk:
        batch = await desk.other.reviews.get(4)
        for slot, message in enumerate(["keep  it", "she left"]):
            await desk.other.reviews.decide(batch, {slot: Answer(DecisionKind.REJECT, message=message)})
        await desk.armed()
        await desk.press("r")
        assert isinstance(desk.app.screen, RejectScreen)
        places = [desk.screen().index(preset) for preset in (" 1  she left", " 2  keep it", " 3  too risky", " 4  not needed")]
        assert places == sorted(places) and " 5  " not in desk.screen()
        await desk.press("1", "enter")
        assert await desk.decided(1) == [(0, "reject", None, "she left")]
