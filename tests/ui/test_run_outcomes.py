"""Outcomes of runs: failures are announced until they are seen, last messages are shown, and a conversation continues."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from hitl_tui import canonical_json
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Event, Run, RunState
from hitl_tui.store import Store, events, runs
from hitl_tui.ui.runs.list import RunsList
from hitl_tui.ui.runs.outcome import last_message, own_frames
from hitl_tui.ui.runs.view import RunsView
from hitl_tui.ui.widgets.status_line import StatusLine
from hitl_tui.ui.widgets.tabs import TabBar
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed
from tests.ui.queue.test_decisions import MAIL

TRACEBACK = """Traceback (most recent call last):
  File "/v/lib/python3.11/site-packages/langgraph/main.py", line 10, in ainvoke
    await step()
  File "/usr/lib/python3.11/asyncio/tasks.py", line 11, in wait
    await inner()
  File "/srv/agents/deploy.py", line 7, in deploy
    push(host)
    ^^^^^^^^^^
ConnectionError: HTTPError 500"""


async def fail(store: Store, run: int, error: str = "HTTPError 500", traceback: str = "") -> None:
    """Let a run fail, as its worker does."""
    ended = "UPDATE runs SET state = 'failed', error = ?, traceback = ?, ended_at = ? WHERE id = ?"
    await store.write(ended, (error, traceback, time.time(), run))


async def finish(store: Store, run: int, message: str) -> None:
    """Let a run end with a last message."""
    said = [{"role": "agent", "text": message, "name": "", "calls": [], "failed": False}]
    ended = "UPDATE runs SET state = 'done', result = ?, ended_at = ? WHERE id = ?"
    await store.write(ended, (canonical_json.dumps({"messages": said}), time.time(), run))


def status(console: ConsoleDriver) -> str:
    """The row above the key line."""
    return console.screen_text().split("\n")[-2].strip()


def on_runs(console: ConsoleDriver) -> bool:
    """Whether the runs are shown."""
    return bool(console.app.query_one(RunsView).display)


async def test_failure_after_an_approval_stays_on_the_status_line_until_seen(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("a")
        await fail(console.store, 1)
        await console.until_shown("✗ r1 failed after you approved send_email: HTTPError 500 · F2 shows it", "Runs 8 ✗1")
        await console.press("j", "o", "o", "k")
        assert status(console).startswith("✗ r1 failed")
        await console.press("f2")
        items = console.app.query_one(RunsList)
        assert items.cursor == items.order.at(0) == 1
        await console.until_shown("Runs  9")
        for _ in range(40):
            if "✗1" not in console.screen_text():
                break
            await console.pilot.pause(0.1)
        assert status(console) == "" and "✗1" not in console.screen_text()
        await console.press("f1", "f2")
        assert items.order.at(0) == 9


async def test_failure_of_another_persons_run_is_counted_but_not_told(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await console.bob.reviews.get(console.review_ids[MAIL])
        await console.bob.reviews.decide(review, {0: Answer(DecisionKind.APPROVE)})
        await fail(console.store, 1)
        await console.until_shown("Runs 8 ✗1")
        assert status(console) == ""
        assert [one.run for one in await console.bob.runs.unseen_failures() if one.is_own] == [1]
        await console.bob.runs.mark_failures_seen([1])
        assert await console.bob.runs.unseen_failures() == []
        await console.store.write("UPDATE runs SET state = 'running', ended_at = NULL WHERE id = 1")
        await fail(console.store, 1)
        assert [one.run for one in await console.bob.runs.unseen_failures()] == [1], "it failed again"


async def test_last_message_of_a_run_is_shown_when_the_queue_becomes_empty(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.store.write("UPDATE reviews SET state = 'stale' WHERE state = 'open'")
        await finish(console.store, 1, "I sent the receipt to Ann.")
        await fail(console.store, 2, "NameError: no table")
        screen = await console.until_shown(
            "Nothing waits for you.", "I sent the receipt to Ann.", "NameError: no table", "r2 sql_steward failed"
        )
        assert "Agents stop here" not in screen


async def test_run_that_goes_on_after_a_failure_shows_its_trace(start_console: StartConsole) -> None:
    async with start_console() as console:
        await fail(console.store, 1)
        await console.until_shown("✗1")
        await console.press("f2")
        await console.until_shown("Error", "HTTPError 500")
        await console.until_keys_accepted()
        await console.press("ctrl+r")
        await console.until(lambda: console.app.query_one("#run-tabs", TabBar).chosen == "Trace", "an empty result is shown")


def test_last_message_of_a_graph_without_messages_is_what_it_found_out() -> None:
    given = {"input": {"details": "wire", "status": None}}
    run = Run(1, 1, "approval", "t", "wire", given, RunState.DONE, "", "", "", None, 0, 0.0, None, None, False, False)
    assert last_message(replace(run, result={"details": "wire", "status": "approved", "tries": 2})) == "status: approved · tries: 2"
    assert last_message(replace(run, result={"details": "wire", "tries": 2})) == "wire", "its only text"
    assert last_message(replace(run, result={"messages": [], "n": 0})) == "n: 0"


async def test_run_that_ends_is_told_on_the_status_line(start_console: StartConsole) -> None:
    async with start_console() as console:
        await finish(console.store, 1, "I sent the receipt\nto Ann.")
        await console.settle()
        assert status(console) == "✓ r1 mail_assistant is done: I sent the receipt to Ann. · F2 shows it"


async def test_run_that_ends_with_a_long_message_is_told_on_one_row(start_console: StartConsole) -> None:
    async with start_console(size=(80, 24)) as console:
        await finish(console.store, 1, "I sent the receipt to Ann, and told her that the next invoice comes in May. " * 3)
        screen = await console.until_shown("is done: I sent the receipt", "… · F2 shows it")
        assert "next invoice" not in screen and console.app.query_one(StatusLine).size.height == 1


async def test_error_shows_the_agents_own_frames_first(start_console: StartConsole) -> None:
    assert [text for text, folded in own_frames(TRACEBACK) if folded] == ["… 2 frames of langgraph, Python"]
    async with start_console() as console:
        await fail(console.store, 1, traceback=TRACEBACK)
        await console.press("f2")
        screen = await console.until_shown("… 2 frames of langgraph, Python", "push(host)", "the whole traceback")
        assert screen.index('"/srv/agents/deploy.py"') < screen.index("the whole traceback") < screen.index("langgraph/main.py")


@pytest.mark.slow
async def test_runs_are_filtered_by_words_and_fields(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "slash", *"failed", "enter")
        items = console.app.query_one(RunsList)
        assert items.order.slice(0, 9) == [4] and "/failed" in console.screen_text()
        await console.press("slash", *["backspace"] * 6, *"agent:mail* -failed", "enter")
        assert len(items.order) == 4
        await console.press("slash", *"tool:x", "enter")
        await console.until_shown("runs have no tool to filter by")
        await console.press("escape")
        await console.settle()
        assert len(items.order) == 4


@pytest.mark.slow
async def test_v_goes_from_a_review_to_its_run_and_back(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("j", "v")
        assert on_runs(console) and console.app.query_one(RunsView).items.cursor == 2
        await console.press("v")
        assert not on_runs(console)
        await console.press("v")
        await finish(console.store, 2, "done")
        await console.settle()
        await console.press("v")
        assert not on_runs(console), "a run that waits for nobody goes back to where the person came from"


async def test_trace_names_the_answer_and_who_gave_it(start_console: StartConsole) -> None:
    told = [
        {"tool": "ask", "kind": "respond", "by": "ann", "message": "Astoria", "args": None},
        {"tool": "run_sql", "kind": "edit", "by": "bob", "message": "", "args": {"query": "SELECT 1"}},
    ]
    async with start_console() as console:
        await events.append(console.store, {1: [Event(50, time.time(), "decided", "", (), {"answers": told})]})
        await console.press("v")
        await console.until_shown("ask answered by ann", "Astoria", "run_sql edited by bob", 'run_sql(query="SELECT 1")')


@pytest.mark.slow
async def test_time_of_a_waiting_run_goes_on(start_console: StartConsole) -> None:
    now = [time.time()]
    async with start_console(clock=lambda: now[0]) as console:
        await console.store.write("UPDATE runs SET started_at = ? WHERE id = 1", (now[0] - 5,))
        await console.press("v")
        await console.until_shown("for 5 s")
        now[0] += 60
        await console.until_shown("for 1 min")


@pytest.mark.slow
async def test_m_sends_the_next_message_of_a_finished_run(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "slash", *"done", "enter", "m")
        await console.until_shown("Next message to mail_assistant", "goes on with the conversation of r3")
        await console.press(*"thanks", "escape", "m")
        assert "thanks" in console.screen_text(), "what was typed is kept"
        await console.press("enter")
        made = await console.store.one("SELECT thread, title, state, launched_by FROM runs ORDER BY id DESC LIMIT 1")
        assert made == ("t-2", "thanks", RunState.QUEUED, "ann")


@pytest.mark.slow
async def test_m_on_a_run_that_goes_on_says_why_not(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "slash", *"running", "enter", "m")
        assert "run r2 is running: only a finished run takes another message" in console.refusals()


@pytest.mark.slow
async def test_m_on_a_run_without_a_conversation_says_why_not(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.store.write("UPDATE runs SET input = ?, result = ? WHERE id = 3", ('{"input": {"city": "Kiel"}}', '{"city": "Kiel"}'))
        await console.press("f2", "slash", *"done", "enter")
        assert "next message" not in console.screen_text()
        await console.press("m")
        assert "keeps no conversation: n starts another run" in console.refusals()


async def test_edited_code_is_told_until_the_worker_is_restarted(start_console: StartConsole) -> None:
    async with start_console() as console:
        await seed.add_worker(console.store, console.project)
        await console.store.write("UPDATE workers SET code_changed = 1")
        await console.until_shown("the code of sample_agents changed on disk: restart its worker to load it")
        await console.store.write("UPDATE workers SET code_changed = 0")
        for _ in range(40):
            await console.settle()
            if status(console) == "":
                break
            await console.pilot.pause(0.1)
        assert status(console) == ""


async def add_done_runs(store: Store, project: int, count: int) -> None:
    """Add runs that ended well, so that the list is longer than the screen."""
    new = [runs.NewRun(project, "mail_assistant", f"more-{n}", f"Tidy the shelf {n}", {"text": "x"}) for n in range(count)]
    for run in await runs.insert(store, new):
        await store.write("UPDATE runs SET state = 'done', ended_at = 1 WHERE id = ?", (run,))


async def test_list_of_runs_opened_again_has_the_new_failure_under_the_cursor(start_console: StartConsole) -> None:
    async with start_console("runs", size=(80, 24)) as console:
        await add_done_runs(console.store, console.project, 20)
        await Inbox(console.store, "ann").runs.mark_failures_seen([4])
        await console.press("f2", "G")
        items = console.app.query_one(RunsList)
        assert items.cursor == 1 and "above" in console.screen_text() and 2 in items.in_view and items.scroll_offset.y > 0
        await console.press("f1")
        await fail(console.store, 2)
        await console.press("f2")
        await console.until_shown("r2 mail_assistant", "HTTPError 500")
        assert items.cursor == 2 == items.order.at(0) and 2 in items.in_view
        await console.until_keys_accepted()
        await console.press("ctrl+r")
        assert await console.store.all("SELECT id FROM runs WHERE state = 'queued' ORDER BY id") == [(1,), (2,)]
        await console.until_shown("run r2 goes on from its checkpoint")


@pytest.mark.slow
async def test_retry_of_a_run_that_is_not_on_the_screen_shows_it_first(start_console: StartConsole) -> None:
    async with start_console("runs", size=(80, 20)) as console:
        await add_done_runs(console.store, console.project, 20)
        await console.press("f2")
        items = console.app.query_one(RunsList)
        assert items.cursor == 4
        await console.until_keys_accepted()
        items.scroll_end(animate=False)
        await console.settle()
        assert 4 not in items.in_view
        await console.press("ctrl+r")
        await console.until_shown("run r4 was not on the screen")
        assert 4 in items.in_view and (await console.bob.runs.get(4)).state is RunState.FAILED
        await console.until_keys_accepted()
        await console.press("ctrl+r")
        assert (await console.bob.runs.get(4)).state is RunState.QUEUED


async def test_v_on_an_empty_queue_shows_the_last_run_and_goes_back(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.store.write("UPDATE reviews SET state = 'stale' WHERE state = 'open'")
        await console.until_shown("Nothing waits for you.")
        await console.press("v")
        assert on_runs(console) and console.app.query_one(RunsList).cursor == 1
        await console.press("v")
        assert not on_runs(console)


async def test_queued_run_that_no_worker_serves_says_how_to_start_one(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        await console.press("f2", "G")
        told = "no worker serves mail_assistant: start `hitl-tui worker"
        assert (await console.until_shown(told)).count("no worker serves") == 2, "in its row, and in the details"
        await seed.add_worker(console.store, console.project)
        for _ in range(100):
            if "no worker serves" not in console.screen_text():
                break
            await console.pilot.pause(0.1)
        assert "no worker serves" not in console.screen_text()


@pytest.mark.slow
async def test_details_of_a_run_name_the_folder_of_its_files(start_console: StartConsole) -> None:
    async with start_console("runs") as console:
        folder = console.home.workdir((await console.bob.runs.get(3)).thread)
        folder.mkdir(parents=True)
        await console.press("f2", "j", "j")
        assert console.app.query_one(RunsList).cursor == 3
        await console.settle()
        assert str(folder).replace("/", "")[-20:] in "".join(console.screen_text().split()).replace("│", "").replace("/", "")
