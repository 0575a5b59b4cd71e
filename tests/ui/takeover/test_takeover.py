"""The takeover screen: interventions, checks, hand back, and keeping of typed text."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Call, PauseKind, Run, RunState, Takeover, TakeoverPlan
from hitl_tui.settings import Settings
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.form import ChoiceField, DateField, Form, LineField
from hitl_tui.ui.dialogs.text_areas import JsonArea, TextBox
from hitl_tui.ui.runs.view import RunsView
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from hitl_tui.ui.takeover.draft import LABELS
from tests.support.empty_database import open_store
from tests.support.harness import Reviewer, SandboxFactory, approve, open_reviewer, rounds, tool_results
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole, opens
from tests.ui.homes import seed
from tests.ui.homes.run_heads import SAID, add_heads
from tests.ui.snapshots import cases, looks, stop_cursors
from tests.ui.test_snapshots import Pictured
from tests.ui.test_two_reviewers import second

ONE, TWO = 1, 4
"""Runs that wait before one mail, and before two."""


@contextlib.asynccontextmanager
async def mails(start_console: StartConsole, size: tuple[int, int] = (120, 36), runs: bool = False) -> AsyncIterator[ConsoleDriver]:
    """Ann's console with runs that can be taken over."""
    async with start_console("runs" if runs else "variety", size=size) as console:
        await add_heads(console.store)
        await console.settle()
        yield console


async def over(console: ConsoleDriver, run: int = ONE) -> Takeover:
    """Return the run's latest takeover from the store."""
    found = await console.bob.takeovers.latest(run)
    assert found is not None
    return found


async def write(console: ConsoleDriver, way: str, text: str) -> None:
    """Open an intervention, and insert a text at its cursor."""
    await console.press("escape" if isinstance(console.app.screen.focused, TextArea) else "shift", way)
    await put(console, text)


async def put(console: ConsoleDriver, text: str) -> None:
    """Replace the text of the focused text area."""
    area = console.app.screen.focused
    assert isinstance(area, TextArea)
    area.text = text


def rewrite(calls: str) -> str:
    """Return the JSON of a rewrite that leaves the agent's message as it is."""
    return f'{{"message": {json.dumps(SAID)}, "calls": {calls}}}'


def told(console: ConsoleDriver) -> str:
    """Return the screen from the effect of the hand back downwards."""
    return " ".join(console.screen_text().rpartition("When you hand back")[2].replace("│", " ").replace("╰", " ").split())


async def tells(console: ConsoleDriver, what: str) -> None:
    """Wait until the screen names this effect or obstacle of the hand back."""
    for _ in range(200):
        if what in told(console):
            return
        await console.pilot.pause(0.05)
    raise AssertionError(f"never said {what}: {console.screen_text()}")


def on_one_line(console: ConsoleDriver) -> str:
    """Return the right half of the screen as one line."""
    return " ".join(" ".join(row[60:] for row in console.screen_text().splitlines()).replace("│", " ").split())


@pytest.mark.slow
async def test_takeover_shows_the_whole_run_and_keeps_typed_text(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t")
        seen = await console.until_shown("Takeover mail_assistant · run r1", "taken over by you", "write the tool's result", "stop the run")
        assert "Could you please send me the receipt" in seen and "→ send_email" in seen and re.search(r"body +Dear Ann, ", seen)
        assert (await over(console)).actor == "ann" and (await over(console)).state == "open"
        await console.press("3", *"ask her first")
        await tells(console, "guidance written; 1 open call does not run, and the agent reads the guidance and tries again")
        await console.press("escape", "escape")
        assert len(console.app.screen_stack) == 1 and "taken over by you" in console.screen_text()
        assert "still taken over by you; t returns to it" in console.notifications() and "t back to it" in console.screen_text()
        assert (await over(console)).plan == TakeoverPlan(guidance="ask her first")
        await console.press("t")
        assert "3 guide the agent and retry" in await console.until_shown("✓ written")
        await console.press("3")
        area = console.app.screen.focused
        assert isinstance(area, TextArea) and area.text == "ask her first"


@pytest.mark.slow
async def test_takeover_left_with_nothing_written_releases_the_run(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t")
        assert "esc leave: releases the run" in console.screen_text()
        await console.press("3", *"a", "backspace", "escape", "escape")
        assert (await over(console)).state == "discarded" and "taken over" not in console.screen_text()
        assert "nothing was written: run r1 is released" in console.notifications()
        await console.press("t", "3", *"b", "escape")
        assert "esc leave: stays yours" in console.screen_text() and "ctrl+g discard my changes" in console.screen_text()


@pytest.mark.slow
async def test_takeover_with_an_invalid_plan_is_kept_and_not_handed_back(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t", "4", "ctrl+t")
        await put(console, '{"folder": "inbox", "unread": 2')
        await tells(console, "the state is not JSON")
        assert "✗ invalid" in console.screen_text()
        await console.press("ctrl+s")
        await tells(console, "the state is not JSON")
        assert (await over(console)).state == "open"
        await console.press("escape", "escape", "t", "4")
        area = console.app.screen.focused
        assert isinstance(area, TextArea) and area.text == '{"folder": "inbox", "unread": 2'
        for text, problem in (
            ('{"folder": "inbox"}', "the key 'unread' is missing"),
            ('{"folder": "inbox", "unread": "many"}', "unread: 'many' is not of type 'integer'"),
            ('{"folder": "inbox", "unread": 2, "colour": 1}', "the graph's state has no 'colour'"),
            ('{"folder": "inbox", "unread": 2, "messages": []}', "messages cannot be edited as state"),
            ("[]", "the state is not an object"),
        ):
            await put(console, text)
            await tells(console, problem)
            await console.press("ctrl+s")
            assert (await over(console)).state == "open"
        await put(console, '{"folder": "half')
        await console.press("escape", "ctrl+g")
        await console.until_shown("What you wrote is deleted")
        await console.press("escape", "escape")
        assert (await over(console)).typed == {"state": '{"folder": "half'}, "another console shows it"
        console.app._takeover_drafts.clear()
        await console.press("t", "4")
        area = console.app.screen.focused
        assert isinstance(area, TextArea) and area.text == '{"folder": "half'
        await put(console, '{"folder": "inbox", "unread": 0, "note": "by hand"}')
        await tells(console, "2 state keys changed; 1 call asks again before it runs")
        assert "note added" in on_one_line(console) and "- 2" in on_one_line(console)


@pytest.mark.slow
async def test_takeover_calls_are_checked_against_tool_schemas(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t", "2", "ctrl+t")
        good = {"id": "call-0", "name": "send_email", "args": {"to": "eve@example.com", "subject": "Hi", "body": ""}}
        for text, problem in (
            ("{}", "the calls are not a list"),
            ('[{"name": "send_email"}]', "is malformed"),
            ('[{"name": "fly", "args": {}}]', "the agent has no tool fly"),
            ('[{"name": "send_email", "args": {"to": "eve@example.com"}}]', "'subject' is a required property"),
            (json.dumps([good, good]), "two calls have the same id"),
        ):
            await put(console, rewrite(text))
            await tells(console, problem)
            await console.press("ctrl+s")
            assert (await over(console)).state == "open"
        await put(console, rewrite(json.dumps([good, {"name": "read_mail", "args": {"id": "4711"}}])))
        await tells(console, "2 calls instead of 1; 2 calls ask again before they run")
        await console.press("escape", "escape")
        calls = (Call("call-0", "send_email", good["args"]), Call("", "read_mail", {"id": "4711"}))
        assert (await over(console)).plan == TakeoverPlan(calls=calls)


@pytest.mark.slow
async def test_takeover_with_contradictory_parts_is_refused(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t")
        await console.press("ctrl+s")
        await tells(console, "✗ nothing to hand back yet")
        await write(console, "3", "try again")
        await write(console, "5", "I answered her by phone.")
        await tells(console, "an answer ends the run, and guidance lets the agent go on")
        await console.press("ctrl+s")
        await tells(console, "an answer ends the run")
        assert (await over(console)).state == "open"
        await write(console, "3", "")
        await tells(console, "final answer written; 1 open call does not run, and the run ends with your answer")
        await console.press("escape", "2", "ctrl+t")
        await put(console, rewrite('[{"name": "read_mail", "args": {}}]'))
        await tells(console, "the rewritten calls would never run")


@pytest.mark.slow
async def test_takeover_answers_each_open_call_separately(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("j", "j", "j", "t", "1", *"sent by hand")
        await tells(console, "1 call answered by you; 1 call asks again before it runs")
        assert "1 of 2 answered" in console.screen_text()
        await console.press("tab", *"also")
        await tells(console, "2 calls answered by you; the agent goes on")
        await console.press("ctrl+s")
        found = await over(console, TWO)
        assert found.state == "handed_back" and found.plan.results == {"call-0": "sent by hand", "call-1": "also"}


@pytest.mark.slow
async def test_takeover_can_be_taken_from_another_person_with_a_reason(start_console: StartConsole) -> None:
    async with mails(start_console) as console, second(console) as bob:
        await bob.press("t", "3", *"mine")
        await bob.press("escape")
        await console.settle()
        assert "taken over by bob" in console.screen_text()
        await console.press("t")
        assert "bob has it" in console.screen_text()
        await console.press("enter")
        assert "a reason is required" in console.screen_text() and (await over(console)).actor == "bob"
        await console.press("escape")
        assert len(console.app.screen_stack) == 1 and (await over(console)).actor == "bob"
        await console.press("t", *"bob left", "enter")
        await console.until_shown("Takeover mail_assistant")
        assert (await over(console)).actor == "ann"
        await bob.until_shown("ann has taken it over")
        await bob.press("ctrl+s")
        await tells(bob, "the takeover of run r1 is discarded: taken by ann: bob left")
        assert (await over(console)).state == "open"
        await bob.press("escape", "t")
        assert "ann has it" in bob.screen_text()


@pytest.mark.slow
async def test_takeover_of_a_running_run_is_refused(start_console: StartConsole) -> None:
    async with mails(start_console, runs=True) as console:
        await console.press("f2", "G", "k", "t")
        assert "run r2 is moving: it is running (agent · writing)" in console.notifications() and len(console.app.screen_stack) == 1
        await console.press("k", "t")
        assert "run r3 is done" in console.notifications() and len(console.app.screen_stack) == 1


@pytest.mark.slow
async def test_takeover_of_a_failed_run_offers_fitting_interventions(start_console: StartConsole) -> None:
    async with mails(start_console, runs=True) as console:
        await console.press("f2", "g", "t")
        seen = await console.until_shown("Takeover mail_assistant · run r4", "✗ ConnectionError: [bold]refused[/]")
        assert seen.count("(not here: ") == 3
        await console.press("1")
        assert "no tool call waits" in on_one_line(console)
        await console.press("6")
        assert "the run has failed" in on_one_line(console) and len(console.app.screen_stack) == 2
        await console.press("3", *"use port 25", "escape", "escape")
        assert "taken over by ann" in console.screen_text()


@pytest.mark.slow
async def test_takeover_discard_and_stop_ask_first(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t", "3", *"never mind", "ctrl+g")
        assert "What you wrote is deleted" in console.screen_text()
        await console.press("n")
        assert (await over(console)).state == "open" and "never mind" in console.screen_text()
        await console.press("ctrl+g", "y")
        assert (await over(console)).state == "discarded" and "taken over" not in console.screen_text()
        await console.press("t", "6", "n")
        assert (await console.bob.runs.get(ONE)).state == "waiting"
        await console.press("6", "y")
        assert (await console.bob.runs.get(ONE)).state == "cancelled" and len(console.app.screen_stack) == 1


@pytest.mark.slow
async def test_takeover_on_a_small_screen_shows_one_panel(start_console: StartConsole) -> None:
    async with mails(start_console, size=(80, 24)) as console:
        await console.press("t")
        await console.until_shown("Conversation 6", *LABELS.values(), "esc leave: releases the run", "ctrl+s hand back")
        await console.press("ctrl+o")
        assert "Conversation 6" not in console.screen_text()
        await console.until_shown(*LABELS.values(), "When you hand back")
        await console.press("ctrl+o", "3", *"wait")
        assert "guide the agent and retry" in console.screen_text() and "wait" in console.screen_text()
        await console.press("ctrl+o", "right_square_bracket", "ctrl+d", "ctrl+d")
        await console.until_shown("Done so far", "no such attachment", *LABELS.values())
        await console.press("escape")
        assert (await over(console)).plan == TakeoverPlan(guidance="wait")


@pytest.mark.slow
async def test_takeover_shows_agent_text_as_plain_text(start_console: StartConsole) -> None:
    async with start_console() as console:
        await add_heads(console.store)
        await console.store.write("UPDATE heads SET words = ?, calls = ? WHERE run = 1", (
            seed.ODD.encode("utf-8", "replace").decode(),
            json.dumps([{"id": "c", "name": "[bold]pay[/]", "args": {"to": "\u202eevil \x1b[31m[/x]"}}]),
        ))  # fmt: skip
        await console.press("t", "2")
        assert "⟨U+202E⟩" in console.screen_text() and "[red]markup[/]" in console.screen_text() and "\x1b" not in console.screen_text()
        await tells(console, "nothing to hand back yet")
        await console.press("tab")
        assert "\\u202eevil \\u001b[31m[/x]" in console.screen_text()
        await console.press("escape", "1")
        assert "[bold]pay[/]" in console.screen_text()


@pytest.mark.slow
async def test_takeover_can_be_left_to_other_views(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t", "3", *"later")
        await console.press("escape")
        await console.press("f2")
        assert len(console.app.screen_stack) == 1 and "taken over by ann" in console.screen_text()
        await console.press("f1", "t", "3", *" or never", "escape")
        await console.pilot.press("q")
    async with open_store(console.home.database) as store:  # when it has been left, and not before
        found = await Inbox(store, "ann").takeovers.latest(ONE)
    assert found and found.plan == TakeoverPlan(guidance="later or never")


@pytest.mark.slow
async def test_takeover_receives_keys_typed_ahead(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.pilot.press("t", "3", *"quick")
        await console.settle()
        area = console.app.screen.focused
        assert isinstance(area, TextArea) and area.text == "quick"


@pytest.mark.slow
async def test_takeover_plan_too_long_for_the_screen_opens_the_editor(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console() as console:
        await add_heads(console.store)
        row = await console.store.one("SELECT context FROM heads WHERE run = 1")
        context = {**json.loads(row[0]), "state": {"folder": "2" + "x" * 250_000, "unread": 2}} if row else {}
        await console.store.write("UPDATE heads SET context = ? WHERE run = 1", (json.dumps(context),))
        await console.press("t", "4")
        assert "too long to edit here" in console.screen_text()
        monkeypatch.setenv(
            "EDITOR", f"{sys.executable} -c \"import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.replace('2', '3'))\""
        )
        monkeypatch.setattr(type(console.app), "suspend", contextlib.nullcontext)
        await console.press("ctrl+e")
        await tells(console, "1 state key changed")
        await console.press("ctrl+t")
        assert "too long to edit here" in console.screen_text()
        await console.press("escape", "escape")
        assert (await over(console)).plan == TakeoverPlan(state={"folder": "3" + "x" * 250_000})


TYPED_STATE: dict[str, Any] = {
    "note": "Dear Ann,\nthanks.",
    "unread": 2,
    "urgent": True,
    "channel": "mail",
    "due": "2026-03-31",
    "labels": ["a", {"float": "nan"}],
}
TYPED_SCHEMA = {
    "type": "object",
    "properties": {
        "messages": {"type": "array"},
        "note": {"type": "string"},
        "unread": {"type": "integer", "minimum": 0},
        "urgent": {"type": "boolean"},
        "channel": {"enum": ["mail", "letter"]},
        "due": {"type": "string", "format": "date"},
        "labels": {"type": "array"},
    },
    "required": ["messages", "note"],
}


@contextlib.asynccontextmanager
async def typed_state(start_console: StartConsole, size: tuple[int, int]) -> AsyncIterator[ConsoleDriver]:
    """Ann's console with a run whose state has a value of every type."""
    async with mails(start_console, size) as console:
        (context,) = await console.store.one("SELECT context FROM heads WHERE run = ?", (ONE,)) or ("{}",)
        changed = json.dumps({**json.loads(context), "state": TYPED_STATE})
        await console.store.write("UPDATE heads SET context = ? WHERE run = ?", (changed, ONE))
        await console.store.write("UPDATE agents SET state_schema = ? WHERE name = 'mail_assistant'", (json.dumps(TYPED_SCHEMA),))
        yield console


@pytest.mark.slow
@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_takeover_state_is_edited_as_fields_that_stay_in_view(start_console: StartConsole, size: tuple[int, int]) -> None:
    async with typed_state(start_console, size) as console:
        await console.press("t", "4")
        kinds = []
        for place in range(len(TYPED_STATE)):
            if place:
                await console.press("tab")
            field = console.app.screen.focused
            assert field is not None
            form = console.app.screen.query_one("#edit-state Form", Form)
            assert form.region.contains_region(field.region) and console.app.screen.region.contains_region(form.region)
            kinds.append(type(field))
        assert kinds == [TextBox, LineField, ChoiceField, ChoiceField, DateField, JsonArea]
        await console.press("escape", "4", *"Hi ", "tab", "backspace", "3", "tab", "right", "tab", "right", "tab", "up")
        await tells(console, "5 state keys changed")
        await console.press("ctrl+s")
        plan = (await over(console)).plan
        assert plan.state == {
            "note": "Hi Dear Ann,\nthanks.", "unread": 3, "urgent": False, "channel": "letter", "due": "2026-04-01",
        }  # fmt: skip


@pytest.mark.slow
async def test_takeover_state_with_a_part_json_lacks_keeps_that_part(start_console: StartConsole) -> None:
    async with typed_state(start_console, (120, 36)) as console:
        await console.press("t", "4", *["tab"] * 5)
        await put(console, '["b", {"float": "nan"}]')
        await tells(console, "1 state key changed")
        await console.press("ctrl+s")
        assert (await over(console)).plan.state == {"labels": ["b", {"float": "nan"}]}


@pytest.mark.slow
async def test_takeover_field_that_is_invalid_is_kept_for_another_console(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.press("t", "4", *"my ", "tab", *"x")
        await tells(console, "unread is not a whole number")
        await console.press("escape", "escape")
        assert (await over(console)).typed == {"state fields": '{"folder": "my inbox", "unread": "2x"}'}
        console.app._takeover_drafts.clear()
        await console.press("t", "ctrl+s")
        await tells(console, "unread is not a whole number")
        await console.press("backspace")
        await tells(console, "1 state key changed")
        await console.press("ctrl+t")
        area = console.app.screen.focused
        assert isinstance(area, JsonArea) and json.loads(area.text) == {"folder": "my inbox", "unread": 2}


@pytest.mark.slow
async def test_takeover_opens_the_focused_field_in_the_editor(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "import os, sys; open(sys.argv[1], 'w').write(os.path.basename(sys.argv[1]))"
    monkeypatch.setenv("EDITOR", f'{sys.executable} -c "{command}"')
    async with mails(start_console) as console:
        monkeypatch.setattr(type(console.app), "suspend", contextlib.nullcontext)
        await console.press("t", "3", "escape", "E")
        await tells(console, "guidance written")
        assert "guidance.md" in console.screen_text()
        await console.press("3", *["backspace"] * len("guidance.md"), "escape", "4", "ctrl+e")
        await tells(console, "1 state key changed")
        await console.press("escape", "2", "tab", "tab", "tab", "ctrl+e")
        await tells(console, "1 call rewritten")
        await console.press("escape", "escape")
        plan = (await over(console)).plan
        assert plan.state == {"folder": "folder.md"} and plan.calls and plan.calls[0].args["body"] == "send_email_body.md"


# Pictures: after a change on purpose pytest --snapshot-update, then look at them

SCREENS: list[tuple[str, tuple[int, int], str, list[str]]] = [
    ("state_120x36", (120, 36), "", ["t", "4"]),
    ("state_light_120x36", (120, 36), "hitl-light", ["t", "4", "ctrl+t"]),
    ("state_80x24", (80, 24), "", ["t", "4", "tab"]),
    ("state_60x16", (60, 16), "", ["t", "4", "tab"]),
    ("run_80x24", (80, 24), "", ["t"]),
    ("actions_80x24", (80, 24), "", ["t", "3"]),
    ("results_120x36", (120, 36), "", ["j", "j", "j", "t", "1"]),
    ("rewrite_80x24", (80, 24), "hitl-light", ["t", "2", "tab"]),
    ("failed_120x36", (120, 36), "", ["f2", "g", "j", "t", "5"]),
    ("rewrite_200x50", (200, 50), "", ["t", "2"]),
]
SLOW = [*SCREENS[1:], *((name, size, theme, ["t", "4"]) for name, size, theme in looks("state", {screen[0] for screen in SCREENS}))]


async def fill(home: Home) -> None:
    """Fill a home with waiting runs and a failed one, all taken over by ann at the snapshot's time."""
    async with open_store(home.database) as store:
        of = await seed.add_project(store)
        await seed.add_every_kind(store, of, NOW)
        await seed.add_runs(store, of, NOW)
        await add_heads(store)
        for (run,) in await store.all("SELECT run FROM heads"):
            taken = await Inbox(store, "ann").takeovers.take(run)
            await Inbox(store, "ann").takeovers.save_plan(
                taken.id, TakeoverPlan(guidance="Ask her first.", state={"unread": 0} if run == ONE else {})
            )
        await store.write("UPDATE takeovers SET at = ?", (NOW,))


@pytest.mark.parametrize(("name", "size", "theme", "keys"), cases(SCREENS[:1], SLOW))
def test_screen(
    name: str,
    size: tuple[int, int],
    theme: str,
    keys: list[str],
    tmp_path: Path,
    snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home))

    async def drive(pilot: Pilot[None]) -> None:
        assert isinstance(pilot.app, Pictured)
        await pilot.app.catch_up()
        await pilot.pause(0.5)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.5)
        stop_cursors(pilot.app)
        await pilot.pause(0.5)

    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=drive)


# Handed back to real agents


@contextlib.asynccontextmanager
async def console_of(who: Reviewer, run: Run) -> AsyncIterator[ConsoleDriver]:
    """Start ann's console on a sandbox with a worker, with the cursor on a run."""
    async with open_store(who.sandbox.home.database) as store:
        inbox = Inbox(store, "ann", lambda: None)
        app = HitlApp(opens(inbox), Settings(), NoWorkers(), who.sandbox.home)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            console = ConsoleDriver(app, pilot, who.store, 1, who.sandbox.home, who.inbox)
            await console.press("f2")
            app.query_one(RunsView).go_to(run.id)
            await console.settle()
            yield console


async def handed_back(console: ConsoleDriver, run: Run) -> Takeover:
    """Press `ctrl+s`, and wait for the result: the screen is left, or the plan comes back."""
    await console.press("ctrl+s")
    for _ in range(600):
        found = await over(console, run.id)
        if found.state in ("applied", "stale", "failed") or "not applied" in console.screen_text():
            break
        await console.pilot.pause(0.05)
    await console.settle()
    return await over(console, run.id)


@pytest.mark.slow
async def test_takeover_with_a_written_result_replaces_the_tool(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("send", {"to": "bob"}), ("send", {"to": "eve"})])
    await pauses.open_review(run)
    async with console_of(pauses, run) as console:
        await console.press("t", "1", *"by phone")
        await tells(console, "1 call answered by you; 1 call asks again before it runs")
        assert (await handed_back(console, run)).state == "applied"
        review = await pauses.open_review(run)
        assert [action.args for action in review.actions] == [{"to": "eve"}] and pauses.effects(run) == []
        assert "taken over" not in console.screen_text() and "waiting" in console.screen_text()
        await pauses.decide(review, approve())
        assert tool_results(await pauses.result_of(run)) == {"send": ["by phone", "sent to eve"]}


@pytest.mark.slow
async def test_takeover_with_rewritten_calls_asks_for_them(pauses: Reviewer) -> None:
    run = await pauses.launch("gated_agent", [("send", {"to": "bob"})])
    await pauses.open_review(run)
    async with console_of(pauses, run) as console:
        await console.press("t", "2")
        await put(console, "I write to zoe instead.")
        await console.press("tab")
        await put(console, "zoe")
        await tells(console, "the agent's message rewritten, 1 call rewritten; 1 call asks again before it runs")
        assert (await handed_back(console, run)).state == "applied"
    review = await pauses.open_review(run)
    assert [action.args for action in review.actions] == [{"to": "zoe"}] and pauses.effects(run) == []
    await pauses.decide(review, approve())
    assert ("agent", "I write to zoe instead.") in [(m["role"], m["text"]) for m in (await pauses.result_of(run))["messages"]]
    assert [did["to"] for did in pauses.effects(run)] == ["zoe"]


@pytest.mark.slow
async def test_takeover_with_guidance_then_answer_ends_the_run(pauses: Reviewer) -> None:
    run = await pauses.launch("per_call", [("send", {"to": "bob"})])
    await pauses.open_review(run)
    async with console_of(pauses, run) as console:
        await console.press("t", "3")
        await put(console, rounds([("delete", {"path": "letter"})]))
        await tells(console, "1 open call does not run, and the agent reads the guidance and tries again")
        assert (await handed_back(console, run)).state == "applied"
        assert [action.name for action in (await pauses.open_review(run)).actions] == ["delete"]
        await console.settle()
        await console.press("t", "5", *"I did it myself.")
        await tells(console, "the run ends with your answer")
        assert (await handed_back(console, run)).state == "applied"
        state = await pauses.result_of(run)
        await console.until_shown("done")
    assert state["messages"][-1]["text"] == "I did it myself." and pauses.effects(run) == []


@pytest.mark.slow
async def test_takeover_of_a_failed_run_continues_with_an_edited_state(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("takeover")
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("spender", given={"amount": 5})
        await ann.open_review(run)
        async with console_of(ann, run) as console:
            await console.press("t", "4", "backspace", *"much")
            await tells(console, "amount is not a whole number")
            await console.press(*["backspace"] * 4, "7")
            await tells(console, "1 state key changed; the agent goes on")
            assert (await handed_back(console, run)).state == "applied"
        await ann.result_of(run)
        assert [did["amount"] for did in ann.effects(run) if did["did"] == "spend"] == [7]
        run = await ann.launch("talker", text="hello")
        await ann.wait(run, RunState.FAILED)
        async with console_of(ann, run) as console:
            await console.press("t")
            await console.until_shown("✗ ConnectionError: the model does not answer")
            await console.press("3", *"say hi")
            assert (await handed_back(console, run)).state == "applied"
            assert (await ann.result_of(run))["messages"][-1]["text"] == "you said: say hi"


@pytest.mark.slow
async def test_takeover_plan_that_fails_comes_back_with_its_error(new_sandbox: SandboxFactory) -> None:
    sandbox = new_sandbox("takeover")
    sandbox.start()
    async with open_reviewer(sandbox) as ann:
        run = await ann.launch("beside", given={"text": "x"})
        await ann.open_review(run)
        async with console_of(ann, run) as console:
            await console.press("t", "4")
            await put(console, "y")
            await tells(console, "1 state key changed")
            ended = await handed_back(console, run)
            assert ended.state == "open" and ended.plan == TakeoverPlan(state={"text": "y"})
            await console.until_shown("not applied: quick has already ended in this step", "plan is kept", "go on?", "✓ 1 key changed")
            await console.press("escape", "ctrl+g", "y")
        assert (await ann.inbox.runs.get(run.id)).state == "waiting"


async def test_takeover_can_stop_the_run(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("send", {"to": "bob"})])
    review = await pauses.open_review(run)
    async with console_of(pauses, run) as console:
        await console.press("t", "6")
        assert "Its open requests are closed" in console.screen_text()
        await console.press("y")
        await console.until_shown("cancelled")
    assert (await pauses.wait(run, RunState.CANCELLED)).taken_by is None
    assert (await pauses.inbox.reviews.get(review.row.id)).row.state == "stale" and pauses.effects(run) == []


async def test_hand_back_that_needs_a_second_person_is_read_and_confirmed(start_console: StartConsole) -> None:
    async with mails(start_console) as console:
        await console.store.write("UPDATE actions SET reviewers = 2")
        taken = await console.bob.takeovers.take(ONE)
        shown = await console.bob.takeovers.hand_back(taken.id, TakeoverPlan(guidance="\n".join(f"line {n}" for n in range(60))))
        assert shown.is_unconfirmed
        await console.press("t")
        await console.until_shown("Confirm the hand-back of run r1", "guidance: the agent tries again", "line 1")
        await console.press("enter", "y")
        await console.until_shown("the plan goes on below")
        await console.press("G", "y")
        await console.settle()
        assert "is confirmed; its agent goes on" in console.notifications() and not (await over(console)).is_unconfirmed


async def waiting_run(console: ConsoleDriver) -> int:
    """A run that asks what two people must decide, and that can be taken over."""
    pay = seed.action("pay", {"amount": 5}, reviewers=2)
    review = await seed.add_waiting_run(console.store, console.project, "desk", seed.pause(PauseKind.TOOL_CALLS, pay))
    run = (await console.bob.reviews.get(review)).row.run
    await console.store.write("INSERT INTO heads (run, checkpoint, nodes, calls) VALUES (?, 'c', '[]', '[]')", (run,))
    return run


async def hand_back_by(inbox: Inbox, run: int) -> Takeover:
    return await inbox.takeovers.hand_back((await inbox.takeovers.take(run)).id, TakeoverPlan(state={"paid": True}))


async def test_hand_back_is_told_to_who_may_confirm_it_and_counted_until_then(start_console: StartConsole) -> None:
    async with start_console("nothing") as ann:
        shown = await hand_back_by(ann.bob, await waiting_run(ann))
        await ann.until_shown("handed back by bob: confirm it", "1 hand-back to confirm")
        while f"bob has handed r{shown.run} back" not in ann.notifications():
            await ann.pilot.pause(0.05)
        await Inbox(ann.store, "cleo").takeovers.confirm(shown)
        while "hand-back to confirm" in ann.screen_text():
            await ann.pilot.pause(0.05)
        assert ann.notifications().count("handed") == 1


async def test_hand_back_of_a_cancelled_run_is_confirmed_from_the_empty_queue(start_console: StartConsole) -> None:
    async with start_console("nothing") as ann:
        run = await waiting_run(ann)
        await ann.bob.runs.cancel(run)
        await hand_back_by(ann.bob, run)
        await ann.until_shown("1 hand-back to confirm.", f"r{run} desk: handed back by bob; read the plan, and confirm it", "confirm it")
        await ann.press("t")
        await ann.until_shown(f"Confirm the hand-back of run r{run}")
        await ann.press("y")
        await ann.until_shown("Nothing waits for you.")
        ended = await ann.bob.takeovers.latest(run)
        assert ended and ended.state == "handed_back" and not ended.is_unconfirmed


@pytest.mark.slow
async def test_hand_back_of_a_cancelled_run_is_named_below_what_waits(start_console: StartConsole) -> None:
    async with mails(start_console) as ann:
        run = await waiting_run(ann)
        await ann.bob.runs.cancel(run)
        await hand_back_by(ann.bob, run)
        await ann.until_shown(f"1 hand-back to confirm (r{run}: F2)")
        await ann.press("f2")
        await ann.until_shown("handed back, not confirmed yet")


@pytest.mark.slow
async def test_own_hand_back_of_a_cancelled_run_is_shown_and_opened_again(start_console: StartConsole) -> None:
    async with start_console("nothing") as ann:
        run, mine = await waiting_run(ann), Inbox(ann.store, "ann")
        await mine.runs.cancel(run)
        await hand_back_by(mine, run)
        await ann.until_shown("Nothing waits for you.", f"r{run} desk: handed back by you; another person must confirm it")
        await ann.press("t")
        await ann.until_shown(f"Takeover desk · run r{run}")
        latest = await mine.takeovers.latest(run)
        assert latest and latest.state == "open", "its author writes on"


@pytest.mark.slow
async def test_author_of_a_hand_back_is_told_that_it_is_confirmed(start_console: StartConsole) -> None:
    async with start_console("nothing") as ann:
        shown = await hand_back_by(Inbox(ann.store, "ann"), await waiting_run(ann))
        screen = await ann.until_shown("handed back by you, not confirmed yet")
        assert "hand-back to confirm" not in screen
        await ann.bob.takeovers.confirm(shown)
        while "is confirmed: its agent goes on" not in ann.notifications():
            await ann.pilot.pause(0.05)
