"""How the console behaves around decisions: arrivals, layouts, launches, runs, failures, keys."""

from __future__ import annotations

import asyncio
import json

import pytest

from hitl_tui.errors import BadHome
from hitl_tui.inbox import Changes, Inbox
from hitl_tui.model import Answer, Context, DecisionKind, PauseKind, RunOptions
from hitl_tui.settings import Settings
from hitl_tui.store import agents
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.commands import COMMANDS, read_keymap
from hitl_tui.ui.dialogs.help import help_lines
from hitl_tui.ui.dialogs.text_areas import JsonArea
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from hitl_tui.ui.widgets.text_view import TextView
from tests.ui.conftest import Console, Desk, opened
from tests.ui.homes import seed


def cursor(desk: Desk) -> int | None:
    """The id under the cursor."""
    return desk.app.query_one(QueueList).cursor


async def test_an_arrival_moves_nothing(console: Console) -> None:
    async with console() as desk:
        await desk.press("j", "j")
        here, top = cursor(desk), desk.app.query_one(QueueList).scroll_offset.y
        for _ in range(30):
            await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.mail()))
        await desk.settle()
        assert cursor(desk) == here and desk.app.query_one(QueueList).scroll_offset.y == top
        assert "Queue 39" in desk.screen()


async def test_the_item_stays_in_its_row_when_one_above_leaves(console: Console) -> None:
    async with console(size=(120, 16)) as desk:
        await desk.press("G", "k")
        items = desk.app.query_one(QueueList)
        row = items.order.place(cursor(desk) or 0) * 2 - items.scroll_offset.y
        first = await desk.other.reviews.get(desk.ids[0])
        await desk.other.reviews.decide(first, {0: Answer(DecisionKind.APPROVE)})
        await desk.settle()
        await desk.pilot.pause(2.3)
        assert items.order.place(cursor(desk) or 0) * 2 - items.scroll_offset.y == row


async def test_a_huge_payload_is_reached_to_its_last_character(console: Console) -> None:
    async with console("empty") as desk:
        args = {"blob": "x" * 300_000 + "!", "lines": "\n".join(f"line {n}" for n in range(20_000)) + "\nlast of all"}
        await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("write", args)))
        await desk.settle()
        await desk.press("enter", "G")
        await desk.pilot.pause(1.5)
        await desk.press("G")
        assert "last of all" in desk.screen()


async def test_agent_text_is_never_markup_or_control(console: Console) -> None:
    async with console("empty") as desk:
        odd = seed.ODD.replace("\ud83d", "")
        named = seed.pause(
            PauseKind.QUESTION, seed.action(odd, {odd: odd, "deep": [odd]}, description=odd, allowed=seed.ANSWERS, choices=(odd,)),
            node=odd, note=odd, risk=odd, context=Context(reasoning=odd, error=odd, model=odd, before=(odd,)),
        )  # fmt: skip
        await seed.ask(desk.store, desk.project, odd, named, title=odd)
        await desk.settle()
        assert "[red]markup[/]" in desk.screen()
        for key in ("o", "]", "]", "]", "]", "m", "escape", "f2", "]", "]", "]"):
            await desk.press(key)
            seen = desk.screen()
            assert "⟨U+202E⟩" in seen
            assert not any(c in seen for c in "\u202e\u200b\x1b")
        desk.app.worker_died(odd)
        await desk.settle()
        assert "[red]markup[/]" in desk.screen()


async def test_one_pane_shows_before_it_decides(console: Console) -> None:
    async with console(size=(80, 24)) as desk:
        await desk.press("a")
        assert await desk.decided(desk.ids[0]) == []
        assert "Kind regards" in desk.screen() or "Dear Ann" in desk.screen()
        await desk.armed()
        await desk.press("a")
        assert await desk.decided(desk.ids[0]) == [(0, "approve", None, None)]
        await desk.press("escape")
        assert "run_sql" in desk.screen()


async def test_too_small(console: Console) -> None:
    async with console(size=(50, 12)) as desk:
        assert "60×16" in desk.screen()
        await desk.pilot.resize_terminal(100, 30)
        await desk.settle()
        assert "Waiting" in desk.screen() and "60×16" not in desk.screen()


async def test_empty_queue_says_what_to_do(console: Console) -> None:
    async with console("runs") as desk:
        seen = desk.screen()
        assert "Nothing waits" in seen and "mail_assistant" in seen and "agent · writing" in seen


async def test_loading_and_broken_projects(console: Console) -> None:
    pool = NoWorkers()
    pool.labels, pool.targets, pool.alive = ("other",), ("/srv/other",), 1
    async with console("empty", pool=pool) as desk:
        await desk.store.db.execute("DELETE FROM agents")
        await desk.settle()
        assert "loading the agents of other" in desk.screen()
        made = await agents.register_project(desk.store, "/srv/other", "other")
        await agents.replace_agents(desk.store, made, (), "no langgraph.json there")
        await desk.settle()
        assert "other cannot be loaded: no langgraph.json there" in desk.screen()


async def test_launch(console: Console) -> None:
    async with console("empty") as desk:
        await desk.press("n", "enter", *"Answer Ann", "enter")
        run = await desk.store.one("SELECT agent, title, input FROM runs")
        assert run == ("mail_assistant", "Answer Ann", '{"text": "Answer Ann"}')
        assert "is queued" in desk.screen()


async def test_launch_with_json_kept_on_error(console: Console) -> None:
    async with console("empty") as desk:
        await desk.press("n", "down", "enter")
        area = desk.app.screen.query_one("#json", JsonArea)
        assert '"topic": ""' in area.text and '"pages": 1' in area.text and "draft" not in area.text
        area.text = '{"topic": 1}'
        await desk.press("ctrl+s")
        assert "does not fit report_writer" in desk.screen() and area.text == '{"topic": 1}'
        area.text = '{"topic": "x", "pages": 3}'
        await desk.press("ctrl+s")
        assert await desk.store.one("SELECT input FROM runs") == ('{"input": {"topic": "x", "pages": 3}}',)


async def test_broken_agent_shows_why(console: Console) -> None:
    async with console("empty") as desk:
        await seed.project(desk.store, (*seed.AGENTS, seed.BROKEN))
        await desk.settle()
        assert "wrecked is broken" in desk.screen()
        await desk.press("n", "up")
        assert "✗ wrecked" in desk.screen() and "import nope" in desk.screen() and "[bold]nope[/]" in desk.screen()


async def test_worker_died(console: Console) -> None:
    pool = NoWorkers()
    pool.labels, pool.alive = ("other",), 0
    async with console("empty", pool=pool) as desk:
        desk.app.worker_died("the worker of [x] was ended by SIGKILL; it starts again in 1 s")
        await desk.settle()
        assert "was ended by SIGKILL" in desk.screen() and "✗ down" in desk.screen()


async def test_runs(console: Console) -> None:
    async with console("runs") as desk:
        await desk.press("f2", "j")
        assert "smtp.connect()" in desk.screen() and "[bold]refused[/]" in desk.screen()
        await desk.press("ctrl+r")
        assert await desk.store.one("SELECT state FROM runs WHERE id = 4") == ("queued",)
        await desk.press("ctrl+x", "escape")
        assert await desk.store.one("SELECT state FROM runs WHERE id = 4") == ("queued",)
        await desk.press("ctrl+x", "y")
        assert await desk.store.one("SELECT state FROM runs WHERE id = 4") == ("cancelled",)


@pytest.mark.parametrize("view", ["runs", "history", "insights", "policy", "lessons"])
async def test_rows_that_change_while_a_view_is_mounted_do_no_harm(console: Console, view: str) -> None:
    async with console("runs") as desk:
        changes = Changes(await desk.other.revision(), [], [])
        opening = asyncio.ensure_future(desk.app.action_show(view))
        while not opening.done():
            for shown in [*desk.app._views.values()][1:]:
                await shown.take(changes)
            await asyncio.sleep(0)
        await opening
        await desk.settle()
        assert desk.app.is_running


async def test_run_log(console: Console) -> None:
    async with console("runs") as desk:
        desk.home.run_log(5).write_text("x" * 300_000 + "\n\x1b[31mthe end\n")
        await desk.press("f2", "]", "]", "]", "enter", "G")
        await desk.pilot.pause(0.5)
        await desk.press("G")
        assert "⟨U+001B⟩[31mthe end" in desk.screen()


async def test_from_a_waiting_run_to_its_review(console: Console) -> None:
    async with console() as desk:
        await desk.press("f2", "G", "enter")
        assert cursor(desk) == desk.ids[0] and "Dear Ann" in desk.screen()


async def test_filter(console: Console) -> None:
    async with console() as desk:
        await desk.press("slash", *"planner", "enter")
        assert len(desk.app.query_one(QueueList).order) == 3 and "3 of 9" in desk.screen()
        await desk.press("slash", *["backspace"] * 7, "enter")
        assert len(desk.app.query_one(QueueList).order) == 9


async def test_own_keys(console: Console) -> None:
    async with console(settings=Settings(keys={"approve": "y"})) as desk:
        assert "y approve" in desk.screen()
        await desk.press("a")
        assert await desk.decided(desk.ids[0]) == []
        await desk.press("y")
        assert await desk.decided(desk.ids[0]) == [(0, "approve", None, None)]


@pytest.mark.parametrize(
    ("keys", "why"), [({"nope": "y"}, "no command"), ({"approve": "e"}, "given to"), ({"approve": ""}, "names no key")]
)
def test_bad_keys(keys: dict[str, str], why: str) -> None:
    with pytest.raises(BadHome, match=why):
        read_keymap(keys)


async def test_bad_theme(console: Console) -> None:
    async with console("empty") as desk:
        with pytest.raises(BadHome, match="no theme 'nope'"):
            HitlApp(opened(Inbox(desk.store, "x")), Settings(theme="nope"), NoWorkers(), desk.home)


async def test_every_command_is_declared_explained_and_in_the_help(console: Console) -> None:
    assert len({c.id for c in COMMANDS}) == len(COMMANDS) and all(c.about.endswith(".") for c in COMMANDS)
    shown = "\n".join(line.text for line in help_lines({}))
    assert all(command.id in shown and command.about in shown for command in COMMANDS)
    async with console("empty") as desk:
        await desk.press("question_mark")
        assert "Let the call run as it is shown." in desk.screen()


async def test_palette_has_our_commands(console: Console) -> None:
    async with console() as desk:
        titles = {command.title for command in desk.app.get_system_commands(desk.app.screen)}
        assert {"approve", "new run", "restart worker"} <= titles


async def test_restart(console: Console) -> None:
    class Counting(NoWorkers):
        count = 0

        async def restart(self) -> None:
            self.count += 1

    pool = Counting()
    async with console("empty", pool=pool) as desk:
        await desk.press("R")
        assert pool.count == 1


async def test_texts_keep_their_place_when_the_terminal_changes(console: Console) -> None:
    async with console("empty") as desk:
        args = {"lines": "\n".join(f"row {n} " + "word " * 30 for n in range(500))}
        await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("write", args)))
        await desk.settle()
        page = desk.app.query_one("#arguments", TextView)
        page.scroll_to(y=600, animate=False)
        await desk.settle()
        first = next(row for row in desk.screen().split("\n") if "row " in row).split("row ")[1].split()[0]
        await desk.pilot.resize_terminal(140, 36)
        await desk.settle()
        again = next(row for row in desk.screen().split("\n") if "row " in row).split("row ")[1].split()[0]
        assert abs(int(first) - int(again)) <= 1


async def test_a_line_is_never_cut_at_the_scrollbar(console: Console) -> None:
    async with console("empty", size=(80, 24)) as desk:
        text = "I am sorry that you had to ask twice. We received your payment of 248.00 EUR on 28 October.\n" * 30
        await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, seed.action("w", {"a": text})))
        await desk.settle()
        for width in range(80, 95):
            await desk.pilot.resize_terminal(width, 24)
            await desk.press("enter")
            words = [word for row in desk.screen().split("\n")[3:18] for word in row.strip("│ ▁▂▃▄▅▆▇█").split()]
            assert set(words) <= {*text.split(), "a"}


async def test_a_result_is_read_as_a_conversation(console: Console) -> None:
    async with console("runs") as desk:
        said = [
            {"role": "user", "text": "tidy", "name": "", "calls": [], "failed": False},
            {"role": "agent", "text": "", "name": "", "calls": [{"name": "send", "args": {"to": "x"}}], "failed": False},
            {"role": "agent", "text": "kept in\noutbox/new", "name": "", "calls": [], "failed": False},
        ]
        await desk.store.db.execute("UPDATE runs SET result = ? WHERE id = 3", (json.dumps({"messages": said, "n": 1}),))
        await desk.press("f2", "j", "j")
        await desk.settle()
        assert "outbox/new" in desk.screen() and 'send(to="x")' in desk.screen() and '"role"' not in desk.screen()


async def test_a_run_says_what_its_launch_asked_for(console: Console) -> None:
    async with console("empty") as desk:
        options = RunOptions(gates_before=("tools", "publish"), gates_after=("*",), time_limit_s=90)
        await desk.other.runs.launch("mail_assistant", text="tidy", options=options)
        await desk.other.runs.launch("mail_assistant", text="plain")
        await desk.settle()
        await desk.press("f2")
        assert "stops " not in desk.screen()
        await desk.press("j")
        assert "stops before tools, publish and after every node · works 90 s at most" in desk.screen()
