"""Terminals of 60×16 and smaller: the focused field is in view, and nothing is decided that cannot be read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from textual.widgets import TextArea

from hitl_tui.model import Answer, DecisionKind, PauseKind
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.review.arguments import ArgumentsView
from hitl_tui.ui.widgets.header import HeaderBar, HeaderStatus
from hitl_tui.ui.widgets.text_view import TextView
from tests.support.tiers import sampled
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.homes.run_heads import add_heads
from tests.ui.queue.test_unseen import go_to

PLACES: dict[str, Sequence[str]] = {
    "review": ["enter"],
    "search": ["enter", "slash", *"ann"],
    "escalate": ["exclamation_mark", *"leads", "tab", *"why"],
    "edit": ["enter", "e", "tab", "tab", *"Dear"],
    "queue": ["f1"],
    "why": ["enter", "tab"],
    "context": ["enter", "o"],
    "runs": ["f2", "enter"],
    "history": ["f3", "enter"],
    "policy": ["f5"],
    "help": ["question_mark"],
    "filter": ["slash", *"agent:"],
    "reject": ["enter", "r", *"because"],
    "edit as JSON": ["enter", "e", "ctrl+t", "pagedown"],
    "revise": ["enter", "w", *"shorter"],
    "respond": ["enter", "m", *"done"],
    "choices": [*["j"] * 6, "enter", "m", "2"],
    "form": [*["j"] * 7, "enter", "m", "tab", "tab", "tab"],
    "snooze": ["h"],
    "sort": ["s"],
    "pause": ["P"],
    "copy": ["enter", "y"],
    "decide many": ["j", "j", "j", "A"],
    "new run": ["n", "tab", *"tidy"],
    "rate": ["f3", "minus", "minus"],
    "messages": ["enter", "asterisk"],
    "takeover": ["t"],
    "takeover editor": ["t", "ctrl+o", "3", *"try again"],
    "takeover state": ["t", "ctrl+o", "4", "pagedown"],
}


def in_view(console: ConsoleDriver) -> bool:
    """Whether what has the keys is on the screen; of a text area the row of its cursor."""
    screen = console.app.screen
    focused = screen.focused
    assert focused is not None, "nothing has the keys"
    place = screen._compositor.visible_widgets.get(focused)
    if place is None:
        return False
    shown = place[0].intersection(place[1]).intersection(screen.size.region)
    if isinstance(focused, TextArea):
        x, y = focused.cursor_screen_offset
        return shown.contains(x, y)
    return shown.width >= 10 and shown.height >= 1


@pytest.mark.slow
@pytest.mark.parametrize("place", sampled(PLACES, gate=4))
async def test_focused_field_is_in_view_at_60x16(start_console: StartConsole, place: str) -> None:
    async with start_console(size=(60, 16)) as console:
        if place in ("history", "rate"):
            bob = console.bob.reviews
            await bob.decide(await bob.get(2), {0: Answer(DecisionKind.APPROVE)})
        await add_heads(console.store)
        for key in PLACES[place]:
            await console.press(key)
            await console.pilot.pause(0.05)
        await console.settle()
        await console.pilot.pause(0.2)
        assert in_view(console), console.screen_text()


@pytest.mark.slow
async def test_lists_and_forms_that_go_on_below_say_by_how_much(start_console: StartConsole) -> None:
    async with start_console(size=(60, 16)) as console:
        items = console.app.query_one(QueueList)
        await console.until_shown(f"▾ {len(items.order) - items.size.height // 2} more reviews")
        await console.press("G")
        assert "more review" not in console.screen_text()
        await console.press("g", "j", "j", "enter")
        await console.until_keys_accepted()
        await console.press("e")
        await console.until_shown("order", "▾ 8 more lines of lines · 1 more field")
        await console.press(*["tab"] * 4)
        await console.until_shown("notify", "▴ end")


@pytest.mark.slow
async def test_text_areas_and_choices_that_go_on_below_say_by_how_much(start_console: StartConsole) -> None:
    async with start_console(size=(60, 16)) as console:
        await console.press("n", "tab", *["ctrl+j"] * 30)
        await console.press("pageup", "pageup")
        await console.until_shown("more lines")
        await console.press("escape")
        choices = [f"hotel {number}" for number in range(40)]
        many = seed.pause(PauseKind.QUESTION, seed.action("ask", "Which?", allowed=seed.ANSWERS, choices=tuple(choices)))
        review = await seed.add_waiting_run(console.store, console.project, "planner", many)
        await console.settle()
        console.app.query_one(QueueView).go_to(review)
        await console.press("enter", "m")
        await console.until_shown("hotel 1", "more lines")
        await console.press(*["j"] * 40)
        await console.until_shown("hotel 39", "▴ end")


@pytest.mark.slow
async def test_terminal_that_is_too_small_says_so_and_decides_nothing(start_console: StartConsole) -> None:
    async with start_console() as console:
        await add_heads(console.store)
        for key, then in (("g", "Waiting"), ("r", "Reject send_email"), ("t", "Takeover")):
            await console.press(key)
            await console.pilot.resize_terminal(59, 16)
            await console.pilot.pause(0.2)
            assert "the terminal is too small: hitl-tui needs 60×16" in console.screen_text()
            assert "send_email" not in console.screen_text()
            for dead in ("a", "1", "enter", "ctrl+s", "escape"):
                await console.pilot.press(dead)
                await console.pilot.pause(0.05)
            await console.pilot.resize_terminal(120, 36)
            await console.pilot.pause(0.2)
            assert then in console.screen_text() and console.app.screen.focused is not None
            assert not await console.decisions_of(console.review_ids[0])
            await console.press("escape")


@pytest.mark.parametrize("opens", sampled(["r", "", "n", "t", "?"]))
async def test_terminal_that_is_too_small_is_left_also_with_a_dialog(start_console: StartConsole, opens: str) -> None:
    async with start_console() as console:
        await add_heads(console.store)
        await console.press("g", *opens)
        await console.pilot.resize_terminal(59, 16)
        while not console.app.has_class("-too-small"):
            await console.pilot.pause(0.02)
        if opens:
            await console.pilot.press("q")
            assert console.app.return_code is None, "a letter may be meant for a text"
        await console.pilot.press("ctrl+q")
        while console.app.return_code is None:
            await console.pilot.pause(0.02)
        assert console.app.return_code == 0


@pytest.mark.parametrize("width", [60, 80, 200])
async def test_header_names_the_workers_and_the_reviewer_at_every_width(start_console: StartConsole, width: int) -> None:
    async with start_console(size=(width, 24)) as console:
        bar = console.app.query_one(HeaderBar)
        counts = {"queue": "12,345", "runs": "1,234", "policy": "◇2"}
        bar.status = HeaderStatus("queue", counts, 7, "● 2 of 8 runs", "success", "ann", "14:02")
        row = "".join(segment.text for segment in bar.render_line(0))
        assert "● 2 of 8 runs" in row and "ann" in row and "Queue 12,345" in row and "✗7" in row and len(row) == width


@pytest.mark.slow
async def test_facts_where_room_is_short_keep_the_number_and_drop_the_bar(start_console: StartConsole) -> None:
    async with start_console(size=(120, 36)) as console:
        assert "irreversible" in console.screen_text() and "confidence 0.72 ▰▰▰▰▱" in console.screen_text()
        await console.press("j")
        await console.until_shown("risk unknown   tool call, stopped before its node   confidence 0.91")
        assert "▰" not in console.screen_text()
        await console.pilot.resize_terminal(60, 24)
        await console.press("enter")
        await console.until_shown("risk unknown   confidence 0.91")


async def test_details_are_below_a_few_rows_of_the_list_at_80_columns(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        calls = [seed.action("delete", {"path": f"/srv/{name}"}, place) for place, name in enumerate("abcde")]
        (review,) = [await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, *calls))]
        await console.until_shown("Waiting 1", "path /srv/a", "delete ▸1 ○ undecided 2 ○ 3 ○ 4 ○ 5 ○")
        await console.until_keys_accepted()
        await console.until_shown("a approve")
        await console.press("a")
        assert [one[0] for one in await console.decisions_of(review)] == [0], "what is below the list has been seen"
        await console.until_shown("delete 1 ✓ ▸2 ○ undecided 3 ○ 4 ○ 5 ○", "a approve")
        await console.press("f2")
        await console.until_shown("Runs 1", "Trace")
        await console.press("f1")
        await console.until_shown("Waiting 1", "path /srv/b")
        await console.press("enter")
        assert "Waiting" not in console.screen_text()
        await console.press("escape")
        await console.until_shown("Waiting 1", "path /srv/b")
        last = 0
        for name in "fghij":
            one = seed.pause(PauseKind.TOOL_CALLS, seed.action("delete", {"path": f"/srv/{name}"}))
            last = await seed.add_waiting_run(console.store, console.project, "ops", one)
        await console.until_shown("Waiting 6", "▾ 3 more reviews", "path /srv/b")
        await console.press("G")
        await console.until_shown("path /srv/j", "a approve")
        await console.until_keys_accepted()
        await console.press("a")
        await console.until_shown("approved by you")
        assert await console.decisions_of(last), "what is selected is on the screen, and can be decided"


async def test_call_below_the_list_that_does_not_fit_is_read_on_before_it_is_approved(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        review = 0
        for name in "abcdef":
            text = "\n".join(f"{name} {line}" for line in range(30))
            one = seed.pause(PauseKind.TOOL_CALLS, seed.action("note", {"text": text}))
            review = await seed.add_waiting_run(console.store, console.project, "ops", one)
        await go_to(console, review)
        await console.until_shown("f 0", "more lines", "a read on")
        await console.until(lambda: console.app.query_one(ArgumentsView).page_seen, "the page was not seen")
        await console.press("a")
        await console.until(lambda: console.app.query_one(ArgumentsView).scroll_offset.y > 0, "no page was turned")
        assert not await console.decisions_of(review) and "Waiting" in console.screen_text()


@pytest.mark.slow
async def test_terminal_with_few_rows_shows_a_long_list_alone(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 20)) as console:
        for name in "abcdef":
            one = seed.pause(PauseKind.TOOL_CALLS, seed.action("delete", {"path": f"/srv/{name}"}))
            await seed.add_waiting_run(console.store, console.project, "ops", one)
        await console.until_shown("Waiting 6", "/srv/f", "a read on")
        assert "path /srv/a" not in console.screen_text()


@pytest.mark.slow
async def test_details_are_below_a_list_of_one_at_120_columns_until_it_is_long(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        for name, width in (("a", 120), ("b", 120), ("c", 120), ("d", 120), ("e", 80)):  # what is read keeps its lines as long as it can
            one = seed.pause(PauseKind.TOOL_CALLS, seed.action("delete", {"path": f"/srv/{name}"}))
            await seed.add_waiting_run(console.store, console.project, "ops", one)
            await console.until_shown("path /srv/a", f"/srv/{name}")
            await console.settle()
            assert console.app.query_one("#review").region.width == width, name


@pytest.mark.slow
async def test_context_makes_room_where_all_of_the_call_fits_then(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 26)) as console:
        mail = seed.action(
            "send_email", {"to": "ann@example.com", "subject": "receipt", "body": f"{seed.LETTER}\nKim Larsen\n\nNordlicht\nKiel"}
        )
        pause = seed.pause(PauseKind.TOOL_CALLS, mail, context=seed.mail_context())
        review = await seed.add_waiting_run(console.store, console.project, "ops", pause)
        await go_to(console, review)
        await console.until_shown("Nordlicht", "Why", "Conversation 6")

        def is_shown(part: str) -> bool:
            return console.app.query_one(part, TextView).display

        assert not console.app.query_one("#arguments", TextView).goes_on and not is_shown("#surroundings")
        await console.press("right_square_bracket")
        await console.until_shown("search_mail(", "more lines")
        assert is_shown("#surroundings"), "a tab that was asked for is shown"
        await console.press("o")
        assert is_shown("#surroundings") and not is_shown("#arguments")
