"""The console around decisions: arrivals, layouts, launches, runs, failures, keys."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from textual import events

from hitl_tui.errors import BadHome
from hitl_tui.home import Home
from hitl_tui.inbox import Changes, Inbox
from hitl_tui.model import Answer, Context, DecisionKind, PauseKind, RunOptions, Worker
from hitl_tui.settings import Settings
from hitl_tui.store import agents
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.commands import BY_ID, COMMANDS, DECIDES, MOVES, read_keymap
from hitl_tui.ui.dialogs.help import help_lines
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.review.reasons import own_reason
from hitl_tui.ui.review.render import why_lines
from hitl_tui.ui.runtime.worker_pool import NoWorkers, worker_status
from hitl_tui.ui.widgets.text_view import TextView
from tests.support.empty_database import open_store
from tests.ui.conftest import ConsoleDriver, StartConsole, opens
from tests.ui.homes import seed


def cursor(console: ConsoleDriver) -> int | None:
    """Return the id of the review under the cursor."""
    return console.app.query_one(QueueList).cursor


async def test_arrival_of_reviews_moves_neither_cursor_nor_list(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("j", "j")
        here, top = cursor(console), console.app.query_one(QueueList).scroll_offset.y
        for _ in range(30):
            await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))
        await console.settle()
        assert cursor(console) == here and console.app.query_one(QueueList).scroll_offset.y == top
        assert "Queue 39" in console.screen_text()


@pytest.mark.slow
async def test_item_under_the_cursor_keeps_its_row_when_one_above_leaves(start_console: StartConsole) -> None:
    async with start_console(size=(120, 16)) as console:
        await console.press("G", "k")
        items = console.app.query_one(QueueList)
        row = items.order.place(cursor(console) or 0) * 2 - items.scroll_offset.y
        first = await console.bob.reviews.get(console.review_ids[0])
        await console.bob.reviews.decide(first, {0: Answer(DecisionKind.APPROVE)})
        await console.settle()
        await console.pilot.pause(2.3)
        assert items.order.place(cursor(console) or 0) * 2 - items.scroll_offset.y == row


async def test_huge_payload_can_be_read_to_its_last_character(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        args = {"blob": "x" * 300_000 + "!", "lines": "\n".join(f"line {n}" for n in range(20_000)) + "\nlast of all"}
        await seed.add_waiting_run(
            console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("write", args))
        )
        await console.settle()
        await console.press("enter", "G")
        await console.pilot.pause(1.5)
        await console.press("G")
        assert "last of all" in console.screen_text()


async def test_agent_text_is_never_markup_or_control_sequence(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        odd = seed.ODD.replace("\ud83d", "")
        named = seed.pause(
            PauseKind.QUESTION, seed.action(odd, {odd: odd, "deep": [odd]}, description=odd, allowed=seed.ANSWERS, choices=(odd,)),
            node=odd, note=odd, risk=odd, context=Context(reasoning=odd, error=odd, model=odd, before=(odd,)),
        )  # fmt: skip
        await seed.add_waiting_run(console.store, console.project, odd, named, title=odd)
        await console.settle()
        assert "[red]markup[/]" in console.screen_text()
        for key in ("o", "]", "]", "]", "]", "m", "escape", "f2", "]", "]", "]"):
            await console.press(key)
            seen = console.screen_text()
            assert "⟨U+202E⟩" in seen
            assert not any(c in seen for c in "\u202e\u200b\x1b")
        console.app.worker_died(odd)
        await console.settle()
        assert "[red]markup[/]" in console.screen_text()


async def test_approve_in_one_pane_shows_the_review_first(start_console: StartConsole) -> None:
    async with start_console(size=(80, 20)) as console:
        await console.press("a")
        assert await console.decisions_of(console.review_ids[0]) == []
        assert "Kind regards" in console.screen_text() or "Dear Ann" in console.screen_text()
        await console.until_keys_accepted()
        await console.press("a")
        assert await console.decisions_of(console.review_ids[0]) == [(0, "approve", None, None)]
        await console.press("escape")
        assert "run_sql" in console.screen_text()


async def test_terminal_that_is_too_small_shows_the_needed_size(start_console: StartConsole) -> None:
    async with start_console(size=(50, 12)) as console:
        assert "60×16" in console.screen_text()
        await console.pilot.resize_terminal(100, 30)
        await console.settle()
        assert "Waiting" in console.screen_text() and "60×16" not in console.screen_text()


async def test_empty_queue_says_what_to_do(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        seen = console.screen_text()
        assert "Nothing waits" in seen and "mail_assistant" in seen and "agent · writing" in seen


async def test_v_on_an_empty_queue_goes_to_the_runs(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("v")
        await console.until_shown("Trace")


async def test_queue_that_becomes_empty_in_a_narrow_terminal_offers_no_way_back(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(80, 24)) as console:
        call = seed.action("read_mail", {"id": "4711"})
        await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, call))
        await console.until_keys_accepted()
        await console.press("enter")
        await console.until_keys_accepted()
        await console.press("a")
        await console.until_shown("Nothing waits for you")
        assert "esc back" not in console.screen_text()


async def test_name_that_all_calls_have_stands_once_before_their_numbers(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(80, 24)) as console:
        calls = [seed.action("delete_mail", {"message_id": f"m-{slot}"}, slot) for slot in range(4)]
        await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, *calls))
        await console.until_keys_accepted()
        await console.press("enter", "right", "right", "right")
        await console.until_shown("delete_mail  1 ○   2 ○   3 ○  ▸4 ○")


async def test_dialog_in_a_narrow_terminal_names_the_way_back(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(60, 16)) as console:
        await console.press("n")
        await console.until_shown("enter start", "esc back")


async def test_projects_that_load_or_are_broken_are_listed(start_console: StartConsole) -> None:
    pool = NoWorkers()
    pool.labels, pool.targets, pool.alive = ("other",), ("/srv/other",), 1
    async with start_console("empty", pool=pool) as console:
        await console.store.db.execute("DELETE FROM agents")
        await console.settle()
        assert "loading the agents of other" in console.screen_text()
        made = await agents.register_project(console.store, "/srv/other", "other")
        await agents.replace_agents(console.store, made, (), "no langgraph.json there")
        await console.settle()
        assert "other cannot be loaded: no langgraph.json there" in console.screen_text()


async def test_project_that_could_not_be_read_is_listed_with_the_way_on(start_console: StartConsole) -> None:
    pool = NoWorkers()
    pool.labels, pool.problems = ("here",), (("here", "/srv/here/langgraph.json cannot be read; correct it"),)
    pool.told = "the console runs the agents of /srv/here/langgraph.json"
    async with start_console("empty", pool=pool) as console:
        await console.until_shown("here cannot be loaded: /srv/here/langgraph.json cannot be read", "fix it, then press R", "✗ down")
        assert pool.told in console.screen_text()


@pytest.mark.slow
async def test_launch_with_text_adds_a_run(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "enter", *"Answer Ann", "enter")
        run = await console.store.one("SELECT agent, title, input FROM runs")
        assert run == ("mail_assistant", "Answer Ann", '{"text": "Answer Ann"}')
        assert "is queued" in console.screen_text()


@pytest.mark.slow
async def test_launch_with_invalid_json_keeps_the_text(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await console.press("n", "down", "enter", "ctrl+t")
        area = console.app.screen.query_one("#json", SendArea)
        assert '"topic": ""' in area.text and '"pages": 1' in area.text and "draft" not in area.text
        area.text = '{"topic": 1}'
        await console.press("ctrl+s")
        assert "does not fit report_writer" in console.screen_text() and area.text == '{"topic": 1}'
        area.text = '{"topic": "x", "pages": 3}'
        await console.press("ctrl+s")
        assert await console.store.one("SELECT input FROM runs") == ('{"input": {"topic": "x", "pages": 3}}',)


@pytest.mark.slow
async def test_broken_agent_shows_why(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        await seed.add_project(console.store, (*seed.AGENTS, seed.BROKEN))
        await console.settle()
        assert "wrecked is broken" in console.screen_text()
        await console.press("n", "up")
        assert "✗ wrecked" in console.screen_text() and "import nope" in console.screen_text() and "[bold]nope[/]" in console.screen_text()


async def test_dead_worker_is_reported(start_console: StartConsole) -> None:
    pool = NoWorkers()
    pool.labels, pool.alive = ("other",), 0
    async with start_console("empty", pool=pool) as console:
        console.app.worker_died("the worker of [x] was ended by SIGKILL; it starts again in 1 s")
        await console.settle()
        assert "was ended by SIGKILL" in console.screen_text() and "✗ down" in console.screen_text()


@pytest.mark.slow
async def test_runs_view_lists_shows_and_retries_runs(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2")  # the failed run is on top
        assert "smtp.connect()" in console.screen_text() and "[bold]refused[/]" in console.screen_text()
        await console.press("ctrl+r")
        assert await console.store.one("SELECT state FROM runs WHERE id = 4") == ("queued",)
        await console.press("ctrl+x", "escape")
        assert await console.store.one("SELECT state FROM runs WHERE id = 4") == ("queued",)
        await console.press("ctrl+x", "y")
        assert await console.store.one("SELECT state FROM runs WHERE id = 4") == ("cancelled",)


async def test_run_whose_worker_does_not_respond_is_released(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await seed.add_worker(console.store, console.project)
        await console.store.write("UPDATE workers SET beat_at = beat_at - 60")
        await console.store.write("UPDATE runs SET worker = 'w1' WHERE id = 2")
        await console.press("f2", "G", "k")
        assert "its worker has not responded for 1 min" in console.screen_text()
        await console.press("c", "escape")
        assert await console.store.one("SELECT state FROM runs WHERE id = 2") == ("running",)
        await console.press("c", "y")
        assert await console.store.one("SELECT state, worker FROM runs WHERE id = 2") == ("queued", None)
        await console.press("c")
        assert "is not held by a worker that does not respond" in console.screen_text()


@pytest.mark.parametrize("view", ["runs", "history", "insights", "policy", "lessons"])
async def test_view_mounted_while_rows_change_shows_them(start_console: StartConsole, view: str) -> None:
    async with start_console("runs") as console:
        changes = Changes(await console.bob.revision(), [], [])
        opening = asyncio.ensure_future(console.app.action_show(view))
        while not opening.done():
            for shown in [*console.app._views.values()][1:]:
                await shown.take(changes)
            await asyncio.sleep(0)
        await opening
        await console.settle()
        assert console.app.is_running


@pytest.mark.slow
async def test_run_log_is_shown_without_control_sequences(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        console.home.run_log(5).write_text("x" * 300_000 + "\n\x1b[31mthe end\n")
        await console.press("f2", "j", "]", "]", "]", "enter", "G")
        await console.pilot.pause(0.5)
        await console.press("G")
        assert "⟨U+001B⟩[31mthe end" in console.screen_text()


@pytest.mark.slow
async def test_enter_on_a_waiting_run_opens_its_review(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("f2", "G", "enter")
        assert cursor(console) == console.review_ids[0] and "Dear Ann" in console.screen_text()


@pytest.mark.slow
async def test_filter_limits_the_queue_until_cleared(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("slash", *"planner", "enter")
        assert len(console.app.query_one(QueueList).order) == 3 and "3 of 9" in console.screen_text()
        await console.press("slash", *["backspace"] * 7, "enter")
        assert len(console.app.query_one(QueueList).order) == 9


async def test_rebound_key_replaces_the_default(start_console: StartConsole) -> None:
    async with start_console(settings=Settings(keys={"approve": "i"})) as console:
        assert "i approve" in console.screen_text()
        await console.press("a")
        assert await console.decisions_of(console.review_ids[0]) == []
        await console.press("i")
        assert await console.decisions_of(console.review_ids[0]) == [(0, "approve", None, None)]


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"nope": "y"}, "not a command"),
        ({"approve": "e"}, "given to"),
        ({"approve": ""}, "does not name a key"),
        ({"approve": "y,return"}, "there is no key 'return'"),
        ({"approve": "shift+y"}, "there is no key"),
        ({"approve": "cmd+y"}, "there is no key"),
        ({"approve": "line_feed"}, "there is no key"),
        ({"approve": "ctrl+m"}, "must not decide"),
        ({"approve": "enter", "open": "o,f9"}, "must not decide"),
        ({"reject": "ctrl+j"}, "must not decide"),
        ({"accept": "alt+enter"}, "must not decide"),
        ({"drop": "escape"}, "must not decide"),
        ({"take_over": "ctrl+["}, "must not decide"),
        ({"retry": "ctrl+i"}, "must not decide"),
        ({"new": "ctrl+m"}, "given to"),
        ({"hand_back": "b"}, "text fields need b"),
        ({"hand_back": "B"}, "text fields need B"),
        ({"discard": "!"}, "text fields need exclamation_mark"),
        ({"outside": "space"}, "text fields need space"),
        ({"other_panel": "ctrl+left"}, "text fields need ctrl"),
        ({"other_panel": "tab"}, "text fields need tab"),
    ],
)
def test_invalid_key_settings_are_refused(keys: dict[str, str], why: str) -> None:
    with pytest.raises(BadHome, match=why):
        read_keymap(keys)


@pytest.mark.parametrize(
    "key", ["z", "Y", "ä", "ctrl+y", "alt+y", "f6", "&", "ampersand", "ctrl+f6", "shift+f6", "insert", "ctrl+backslash"]
)
def test_approve_may_have_keys_that_nothing_else_needs(key: str) -> None:
    assert read_keymap({"approve": key})["approve"] in (key, "ampersand")


async def test_unknown_theme_is_refused(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        with pytest.raises(BadHome, match="no theme 'nope'"):
            HitlApp(opens(Inbox(console.store, "x")), Settings(theme="nope"), NoWorkers(), console.home)


async def test_every_command_has_a_description_and_is_in_the_help(start_console: StartConsole) -> None:
    assert (
        BY_ID.keys() >= DECIDES | MOVES and len({c.id for c in COMMANDS}) == len(COMMANDS) and all(c.about.endswith(".") for c in COMMANDS)
    )
    shown = "\n".join(line.text for line in help_lines({}))
    assert all(command.id in shown and command.about in shown for command in COMMANDS)
    async with start_console("empty") as console:
        await console.press("question_mark")
        assert "Approve the call as shown, or answer yes to a question." in console.screen_text()


async def test_palette_lists_our_commands_but_those_that_decide(start_console: StartConsole) -> None:
    async with start_console() as console:
        titles = {command.title for command in console.app.get_system_commands(console.app.screen)}
        assert {"filter", "new run", "restart worker"} <= titles
        assert not titles & {"approve", "reject", "accept", "hand back"}


async def test_restart_command_restarts_the_worker(start_console: StartConsole) -> None:
    class Counting(NoWorkers):
        count = 0

        async def restart(self) -> None:
            self.count += 1

    pool = Counting()
    async with start_console("empty", pool=pool) as console:
        await console.press("R")
        assert pool.count == 1


@pytest.mark.slow
async def test_scroll_position_is_kept_when_the_terminal_is_resized(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        args = {"lines": "\n".join(f"row {n} " + "word " * 30 for n in range(500))}
        await seed.add_waiting_run(
            console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("write", args))
        )
        await console.settle()
        page = console.app.query_one("#arguments", TextView)
        page.scroll_to(y=600, animate=False)
        await console.settle()
        first = next(row for row in console.screen_text().split("\n") if "row " in row).split("row ")[1].split()[0]
        await console.pilot.resize_terminal(140, 36)
        await console.settle()
        again = next(row for row in console.screen_text().split("\n") if "row " in row).split("row ")[1].split()[0]
        assert abs(int(first) - int(again)) <= 1


@pytest.mark.slow
async def test_lines_wrap_before_the_scrollbar(start_console: StartConsole) -> None:
    async with start_console("empty", size=(80, 24)) as console:
        text = "I am sorry that you had to ask twice. We received your payment of 248.00 EUR on 28 October.\n" * 30
        await seed.add_waiting_run(
            console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("w", {"a": text}))
        )
        await console.settle()
        for width in range(80, 95):
            await console.pilot.resize_terminal(width, 24)
            await console.press("enter")
            words = [word for row in console.screen_text().split("\n")[3:18] for word in row.strip("│ ▁▂▃▄▅▆▇█").replace("┃", " ").split()]
            assert set(words) <= {*text.split(), "a"}


@pytest.mark.slow
async def test_result_with_messages_is_shown_as_a_conversation(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        said = [
            {"role": "user", "text": "tidy", "name": "", "calls": [], "failed": False},
            {"role": "agent", "text": "", "name": "", "calls": [{"name": "send", "args": {"to": "x"}}], "failed": False},
            {"role": "agent", "text": "kept in\noutbox/new", "name": "", "calls": [], "failed": False},
        ]
        await console.store.db.execute("UPDATE runs SET result = ? WHERE id = 3", (json.dumps({"messages": said, "n": 1}),))
        await console.press("f2", "j", "j")
        await console.settle()
        assert "outbox/new" in console.screen_text() and 'send(to="x")' in console.screen_text() and '"role"' not in console.screen_text()


@pytest.mark.slow
async def test_run_shows_its_launch_options(start_console: StartConsole) -> None:
    async with start_console("empty") as console:
        options = RunOptions(gates_before=("tools", "publish"), gates_after=("*",), time_limit_s=90)
        await console.bob.runs.launch("mail_assistant", text="tidy", options=options)
        await console.bob.runs.launch("mail_assistant", text="plain")
        await console.settle()
        await console.press("f2")
        assert "stops " not in console.screen_text()
        await console.press("j")
        assert "stops before tools, publish and after every node · time limit 90 s" in console.screen_text()


@pytest.mark.slow
async def test_another_review_shows_its_arguments_and_the_end_of_its_conversation(start_console: StartConsole) -> None:
    async with start_console(size=(100, 30)) as console:
        await console.press("g", "o", "right_square_bracket")
        assert "no such attachment" in console.screen_text() and "subject" not in console.screen_text()
        await console.press("j", "k")
        screen = await console.until_shown("subject", "Re: invoice 4711", "Ann asked twice for the receipt")
        assert "no such attachment" not in screen
        conversation = console.app.screen.query_one("#surroundings", TextView)
        assert conversation.max_scroll_y > 0 and conversation.scroll_offset.y == conversation.max_scroll_y
        await console.press("o")
        assert "Answer everything from Ann today." in console.screen_text()


def test_reasons_of_one_of_several_calls_start_with_its_own() -> None:
    call = replace(seed.mail(slot=2), description="The third call: Eve asked for it.")
    context = Context(reasoning="I answer all three.\nThe third call: Eve asked for it.")
    assert [line.text for line in why_lines(call, Context(reasoning="I answer all three."), calls=3)] == [
        "The third call: Eve asked for it.",
        "I answer all three.",
    ]
    assert [line.text for line in why_lines(call, context, calls=3)] == ["The third call: Eve asked for it.", "I answer all three."]
    assert [line.text for line in why_lines(call, context)] == context.reasoning.split("\n")


def test_reason_of_one_of_several_calls_is_its_item_in_the_agents_list() -> None:
    calls = [seed.action("delete_mail", {"message_id": f"m-{number}"}, slot) for slot, number in enumerate((101, 102))]
    numbered = "I tidy up:\n\n1. delete_mail m-101: spam,\n   as its server says.\n2. delete_mail m-102: a newsletter.\n\nThat is all."
    assert [own_reason(call, numbered, 2) for call in calls] == [
        "1. delete_mail m-101: spam,\n   as its server says.",
        "2. delete_mail m-102: a newsletter.",
    ]
    lines = [line.text for line in why_lines(calls[1], Context(reasoning=numbered), calls=2)]
    assert lines[0] == "2. delete_mail m-102: a newsletter." and lines.count(lines[0]) == 1 and "That is all." in lines
    listed = "- I delete_mail m-102 first\n- then m-1011\n- and delete_mail m-101, m-101"
    assert [own_reason(call, listed, 2) for call in calls] == ["- and delete_mail m-101, m-101", "- I delete_mail m-102 first"]
    for other in (
        "",
        "delete_mail m-101 is spam",
        "1. first I read\n2. then I think",
        "- delete_mail m-101 and\n- delete_mail m-101 again",
    ):
        assert own_reason(calls[0], other, 2) == "", "nobody can tell whose it is"


async def test_key_pressed_while_the_home_opens_does_not_keep_the_console_from_ending(tmp_path: Path) -> None:
    opening = asyncio.Event()

    async def never() -> Inbox:
        opening.set()
        await asyncio.Event().wait()
        raise AssertionError

    app = HitlApp(never, Settings(), NoWorkers(), Home(tmp_path).prepare())
    running = asyncio.ensure_future(app.run_async(headless=True))
    await asyncio.wait_for(opening.wait(), 40)
    app.post_message(events.Key("j", "j"))  # waits for the queue
    await asyncio.sleep(0.05)
    app.exit(return_code=7)
    await asyncio.wait_for(running, 40)
    assert app.return_code == 7


class TypedAhead(HitlApp):
    """A console that gets a key before its first frame."""

    def on_mount(self) -> None:
        self.post_message(events.Key("j", "j"))


async def test_key_pressed_before_the_first_frame_does_not_keep_the_home_from_opening(tmp_path: Path) -> None:
    home = Home(tmp_path).prepare()
    async with open_store(home.database) as store:
        app = TypedAhead(opens(Inbox(store, "ann")), Settings(), NoWorkers(), home)
        running = asyncio.ensure_future(app.run_async(headless=True))
        await asyncio.wait_for(app.until_begun(), 40)
        app.exit(return_code=7)
        await asyncio.wait_for(running, 40)
        assert app.return_code == 7


def test_workers_that_were_silent_before_the_console_began_are_first_taken_for_dead() -> None:
    silent = Worker("w", 1, "sample_agents", 1, 0.0, 8, 1000.0, 0)
    assert worker_status([silent], NoWorkers(), 1060.0, began_at=1059.0)[0] == "○ none"
    assert worker_status([silent, replace(silent, beat_at=1058.0)], NoWorkers(), 1060.0, began_at=1059.0)[0] == "● idle"
    assert "not responding for 60 s" in worker_status([silent], NoWorkers(), 1060.0, began_at=1001.0)[0]
