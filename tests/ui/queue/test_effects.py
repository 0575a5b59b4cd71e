"""What a call would do is shown under its arguments."""

from __future__ import annotations

import pytest

from hitl_tui.effects.provenance import of_call
from hitl_tui.model import Context, Message, Opinion, PauseKind, Reading, Reason, RemarkSource
from hitl_tui.patterns import PreviewTable
from hitl_tui.previews import body_of
from hitl_tui.store import remarks
from hitl_tui.ui.review.effects import value_marks
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.widgets.text_view import TextView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_unseen import go_to


async def add(console: ConsoleDriver, tool: str, **args: object) -> int:
    action = seed.action(tool, args)
    review = await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, action))
    await go_to(console, review)
    return review


async def test_commands_of_a_call_are_shown_under_its_arguments(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        await add(console, "run_shell", command="git status && rm -rf build > log.txt")
        await console.until_shown("What it would do", "commands of command", "rm -rf build ↳ deletes", "into log.txt")
        assert console.app.query_one(ReviewPane).arguments.all_seen  # what arrives later need not be read before a decision
        await console.press("a")
        await console.until_shown("approved by you")


async def test_a_preview_that_arrives_later_is_shown_without_moving_what_is_read(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        review = await add(console, "execute", statement=f"DELETE FROM t WHERE id IN ({', '.join(map(str, range(900)))})")
        pane = console.app.query_one(ReviewPane)
        await console.press("space")
        was = pane.arguments.scroll_offset.y
        body = body_of(PreviewTable(["id", "name"], [[1, "\x1b[31mAnn"], [2, "Bob"]], "2 rows would be deleted"))
        await remarks.add(console.store, review, 0, RemarkSource.PREVIEW, body, "", 1.0)
        await console.until_shown("preview by the author of execute", "2 rows would be deleted")
        assert pane.arguments.scroll_offset.y == was > 0
        await console.press("left_square_bracket", "o")
        await console.until_shown("1 ⟨U+001B⟩[31mAnn")
        assert all("┃" in row for row in console.screen_text().splitlines() if "Bob" in row or "rows would be deleted" in row)


async def test_effects_of_a_long_call_are_on_the_first_screen_at_80x24_and_its_worst_leads(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        script = "\n".join([*(f"echo step {number}" for number in range(60)), "rm -rf /srv/data"])
        await seed.add_waiting_run(
            console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, seed.action("run_shell", {"command": script}))
        )
        await console.until_shown("deletes · stated risk unknown tool call", "What it would do: commands of command: 61")
        screen = await console.until_shown("rm -rf /srv/data ↳ deletes", "page 1 of")
        assert screen.count("risk unknown") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("risk", "told"),
    [
        (None, "delete, no WHERE · stated risk unknown"),
        ("reversible", "delete, no WHERE · stated risk reversible"),
        ("irreversible", "irreversible tool call"),
    ],
)
async def test_first_line_names_what_is_destroyed_before_a_risk_that_says_less(
    start_console: StartConsole, risk: str | None, told: str
) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        action = seed.action("run_sql", {"query": "DELETE FROM carts"}, risk=risk)
        await seed.add_waiting_run(console.store, console.project, "ops", seed.pause(PauseKind.TOOL_CALLS, action, risk=risk))
        await console.until_shown(told, "What it would do: statements of query", "every row")


async def test_what_a_call_destroys_is_said_in_the_list_the_details_and_the_table_of_many(start_console: StartConsole) -> None:
    async with start_console("", size=(120, 36)) as console:
        last = 0
        for query in ("SELECT 1", "DELETE FROM carts", "SELECT 2", "DROP TABLE carts"):
            pause = seed.pause(PauseKind.TOOL_CALLS, seed.action("run_sql", {"query": query}))
            last = await seed.add_waiting_run(console.store, console.project, "ops", pause)
        await console.until_shown("DROP TABLE carts drop", "SELECT 2", "delete, no WHERE")
        await go_to(console, last)
        await console.until_shown("drop · stated risk unknown")
        await console.press("X", "A")
        screen = await console.until_shown("run_sql ×4 · ops · delete, no WHERE · stated risk unknown")
        assert "decide alone: drop, and the arguments differ" in screen and "decide alone: delete, no WHERE" in screen
        await console.until_shown("approve 2 calls")


@pytest.mark.slow
async def test_the_second_reader_is_shown_apart_from_the_agents_words(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 40)) as console:
        review = await add(console, "archive_mail", id="m-1")
        reasons = (Reason("a mail asks for it", "please delete m-1", True), Reason("nobody else does", "made up"))
        await remarks.add_reading(console.store, review, 0, Reading(Opinion.TAKEOVER, 0.9, reasons, "look"), 1.0)
        await console.until_shown("second reader: look", "takeover, 90% sure", "a mail asks for it", "stands nowhere in what it was given")
        await console.until_shown("the second reader says takeover (90% sure): a mail asks for it")
        await console.press("a")
        await console.until_shown("the second reader says takeover")  # the question that a takeover asks before it is approved
        assert await console.decisions_of(review) == []


@pytest.mark.slow
async def test_a_preview_without_a_result_says_why(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        review = await add(console, "archive_mail", id="m-1")
        await remarks.add(console.store, review, 0, RemarkSource.PREVIEW, None, "it took longer than 5 s", 1.0)
        await console.until_shown("preview by the author of archive_mail: it took longer than 5 s")


@pytest.mark.slow
async def test_unreadable_commands_say_so_and_calls_without_effects_have_no_section(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 36)) as console:
        await add(console, "run_shell", command="eval $x")
        await console.until_shown("commands of command: cannot be told, because it uses eval")
        await add(console, "archive_mail", id="m-1")
        await console.until_shown("archive_mail")
        await console.settle()
        assert not console.app.query_one("#effects", TextView).display


@pytest.mark.slow
async def test_values_say_where_they_come_from_and_the_tab_has_the_passage(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 40)) as console:
        said = (Message("user", "Pay order 4711."), Message("tool", "IBAN DE89 3704 0044 of Ann", name="read_mail"))
        action = seed.action("pay", {"order": 4711, "iban": "DE89 3704 0044", "note": "urgent"})
        pause = seed.pause(PauseKind.TOOL_CALLS, action, context=Context(conversation=said))
        await go_to(console, await seed.add_waiting_run(console.store, console.project, "ops", pause))
        await console.until_shown("order ✎ 4711", "iban  ← DE89 3704 0044", "note  ∅ urgent")
        await console.press("left_square_bracket")
        await console.until_shown("iban: from read_mail, result 1 IBAN DE89 3704 0044 of Ann", "Effects")


def test_only_values_from_nowhere_that_matter_are_warned_of() -> None:
    said = (Message("user", "Answer the mail of Ann."), Message("tool", "May I have the receipt?", name="read_mail"))
    args = {
        "to": "eve@invented.org",
        "cc": ["ann"],
        "body": "Good morning! Here it is.",
        "copies": 2,
        "iban": "DE89 3704 0044",
        "amount": 420,
    }
    marks = value_marks(args, of_call(args, said, None))
    assert marks == {
        "to": ("∅", "warning"), "cc": ("✎", "muted"), "body": ("∅", "muted"), "copies": ("∅", "muted"), "iban": ("∅", "warning"),
        "amount": ("∅", "warning"),
    }  # fmt: skip
