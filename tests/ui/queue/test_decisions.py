"""Every kind of decision, through the keys, down to the rows."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json

import pytest
from textual import events

from hitl_tui.model import UNTIL_HANDED_BACK, Answer, DecisionKind, PauseKind
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.text_areas import PlainArea
from hitl_tui.ui.queue import decision_controller
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.queue.prefetch_cache import LoadedReview, PrefetchCache
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed

MAIL, SQL, REFUND, BATCH, DELETE, GATE, CHOICES, FORM, ODD = range(9)


async def go_to(console: ConsoleDriver, sandbox: int) -> int:
    """Put the cursor on one of the seeded reviews."""
    await console.press("g", *["j"] * sandbox)
    await console.until_keys_accepted()
    return console.review_ids[sandbox]


def text(console: ConsoleDriver, selector: str) -> str:
    """Return the text of a field."""
    widget = console.app.screen.query_one(selector)
    return str(getattr(widget, "text", None) or getattr(widget, "value", ""))


def put(console: ConsoleDriver, selector: str, content: str) -> None:
    """Replace the text of a text area."""
    console.app.screen.query_one(selector, PlainArea).text = content


async def test_approve_stores_the_decision_with_its_view_time(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("a")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "approve", None, None)]
        actor, viewed = await console.store.one("SELECT actor, viewed_ms FROM decisions")
        assert actor == "ann" and viewed >= 400
        assert "✓ approved by you" in console.screen_text()
        assert console.app.query_one(QueueList).cursor == console.review_ids[SQL]


async def test_decided_item_leaves_the_queue_after_a_while(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("a")
        await console.pilot.pause(2.2)
        assert "approved by you" not in console.screen_text()
        assert "Queue 8" in console.screen_text()


async def test_double_press_approves_only_one(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console() as console:
        monkeypatch.setattr(decision_controller, "SETTLE_S", 5.0)
        await console.pilot.press("a", "a", "a")
        await console.settle()
        assert await console.store.one("SELECT count(*) FROM decisions") == (1,)


@pytest.mark.slow
async def test_decision_keys_are_ignored_for_a_moment_after_the_review_changes(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start_console() as console:
        monkeypatch.setattr(decision_controller, "SETTLE_S", 3.0)
        await console.press("a", "a")
        assert await console.decisions_of(console.review_ids[SQL]) == []
        await console.pilot.pause(3.1)
        await console.press("a")
        assert await console.decisions_of(console.review_ids[SQL]) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_enter_never_approves(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("enter", "enter", "enter", "escape", "enter")
        assert await console.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_reject_with_a_number_and_enter_stores_the_presets_text(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("r", "3")
        assert "the agent reads: not needed" in console.screen_text()
        assert await console.decisions_of(console.review_ids[MAIL]) == []
        await console.press("enter")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "not needed")]


@pytest.mark.slow
async def test_reject_when_the_text_begins_with_a_digit_keeps_it_and_pasted_lines(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("r", *"3 hosts are affected")
        console.app.screen.post_message(events.Paste("\nweb-01\nweb-02"))
        await console.pilot.pause()
        await console.press("ctrl+s")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "3 hosts are affected\nweb-01\nweb-02")]


@pytest.mark.slow
async def test_reject_reason_is_kept_when_the_dialog_is_left(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("r", *"no 3", "escape")
        assert await console.decisions_of(console.review_ids[MAIL]) == []
        await console.press("r", *"x", "enter")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "reject", None, "no 3x")]


@pytest.mark.slow
async def test_edit_stores_exactly_what_was_typed(start_console: StartConsole) -> None:
    async with start_console() as console:
        before = console.app.query_one(QueueView).pane.viewed_ms
        await console.press("e", "ctrl+t")
        await console.pilot.pause(0.4)
        edited = '{"to": "x@example.com", "subject": "\\u202e é\\n", "body": "1.0"}'
        put(console, "#edit-text", edited)
        await console.pilot.pause(0.3)
        assert "x@example.com" in console.screen_text()
        await console.press("ctrl+s")
        ((slot, kind, args, _),) = await console.decisions_of(console.review_ids[MAIL])
        assert (slot, kind) == (0, "edit")
        assert json.loads(str(args)) == json.loads(edited)
        (viewed,) = await console.store.one("SELECT viewed_ms FROM decisions")
        assert viewed >= before + 700  # time in the dialog counts as viewed


@pytest.mark.slow
async def test_invalid_edits_are_kept_and_explained(start_console: StartConsole) -> None:
    async with start_console() as console:
        for bad, why in (
            ("{nope", "is not JSON"),
            ("[1]", "not an object"),
            ('{"to": 1}', "do not fit"),
            ('{"to": "", "to": ""}', "twice"),
        ):
            if not console.app.screen.query("#edit-text"):
                await console.press("e", "ctrl+t")
            put(console, "#edit-text", bad)
            await console.press("ctrl+s")
            assert why in console.screen_text()
            await console.press("escape", "e")
            assert text(console, "#edit-text") == bad
        assert await console.decisions_of(console.review_ids[MAIL]) == []


@pytest.mark.slow
async def test_editor_shows_invisible_characters_as_escapes(start_console: StartConsole) -> None:
    odd_text = seed.ODD.replace("\ud83d", "")
    async with start_console() as console:
        odd = seed.pause(PauseKind.TOOL_CALLS, seed.action("pay", {"to": odd_text, "tag": "\U000e0041"}))
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", odd)
        await console.settle()
        await console.press("G")
        await console.until_keys_accepted()
        await console.press("e")
        shown = text(console, "#field-0") + text(console, "#field-1")
        assert "\\u202e" in shown and "\\udb40\\udc41" in shown and "\u202e" not in shown
        await console.press("ctrl+s")
        ((_, kind, args, _),) = await console.decisions_of(review)
        assert kind == "edit" and json.loads(str(args)) == {"to": odd_text, "tag": "\U000e0041"}


@pytest.mark.slow
async def test_respond_replaces_the_tools_result(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("m", *"sent by hand", "enter")
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "respond", "null", "sent by hand")]


async def test_batch_is_decided_call_by_call(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, BATCH)
        await console.press("a")
        assert "✓ approved" in console.screen_text() and "eve@example.com" in console.screen_text()
        await console.until_keys_accepted()
        await console.press("left")
        assert "bob@example.com" in console.screen_text()
        await console.press("r", "2", "enter")
        await console.until_keys_accepted()
        await console.press("a")
        assert [row[:2] for row in await console.decisions_of(review)] == [(0, "reject"), (1, "approve")]
        assert await console.store.one("SELECT state FROM reviews WHERE id = ?", (review,)) == ("decided",)


@pytest.mark.slow
async def test_edit_of_one_call_of_a_batch_leaves_the_others_open(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, BATCH)
        await console.press("right", "e", *"joe,", "ctrl+s")
        ((slot, kind, args, _),) = await console.decisions_of(review)
        assert (slot, kind, json.loads(str(args))["to"]) == (1, "edit", "joe,eve@example.com")
        await console.until_shown("1 of 2 decided", "2 send_email ✎ edited")
        assert await console.store.one("SELECT state FROM reviews WHERE id = ?", (review,)) == ("open",)


@pytest.mark.slow
async def test_approve_while_the_next_call_is_loading_does_nothing(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console() as console:
        review = await go_to(console, BATCH)
        may_read, read = asyncio.Event(), PrefetchCache.read

        async def slowly(shelf: PrefetchCache, id_: int) -> LoadedReview:
            await may_read.wait()
            return await read(shelf, id_)

        monkeypatch.setattr(PrefetchCache, "read", slowly)
        await console.press("a")
        await console.pilot.pause(decision_controller.SETTLE_S + 0.1)
        assert "bob@example.com" in console.screen_text()  # the decided call: the next one is not read yet
        await console.press("a", "r")
        assert len(console.app.screen_stack) == 1 and "ignored: the item had just changed" in console.screen_text()
        may_read.set()
        await console.until_shown("eve@example.com")
        await console.until_keys_accepted()
        await console.press("3", "enter", "a", "a")  # keys meant for the dialog that did not open
        assert "reject was ignored; to approve instead, wait a second" in console.refusals()
        assert [row[:2] for row in await console.decisions_of(review)] == [(0, "approve")]
        may_read.clear()
        console.app.query_one(QueueView).review_decided(review, False)  # read again: what is shown stays, and can be decided
        await console.pilot.pause(0.2)
        await console.pilot.press("r")
        await console.pilot.press("3", "enter")
        may_read.set()
        await console.settle()
        assert [row[:2] for row in await console.decisions_of(review)] == [(0, "approve"), (1, "reject")]


@pytest.mark.slow
async def test_decision_that_is_not_allowed_is_not_offered(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, DELETE)
        await console.press("e", "m")
        assert len(console.app.screen_stack) == 1
        assert "cannot be answered with" in console.screen_text()
        assert await console.decisions_of(review) == []


@pytest.mark.slow
async def test_gate_can_be_approved(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, GATE)
        assert "gate" in console.screen_text()
        await console.press("a")
        assert await console.decisions_of(review) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_choice_can_be_selected(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, CHOICES)
        await console.press("m", "enter")
        assert await console.decisions_of(review) == []
        await console.press("2", "enter")
        assert await console.decisions_of(review) == [(0, "respond", "null", "Bellevue")]


@pytest.mark.slow
async def test_choice_with_a_json_value_is_sent_as_it_is(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, CHOICES)
        await console.press("m", "3", "enter")
        assert await console.decisions_of(review) == [(0, "respond", '{"other": 1}', None)]


@pytest.mark.slow
async def test_form_is_checked_against_the_schema(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, FORM)
        await console.press("m", *"eve", "tab", *"x", "ctrl+s")
        assert "days is not a whole number" in console.screen_text()
        await console.press("backspace", "0", "ctrl+s")
        assert "less than the minimum" in console.screen_text()
        await console.press("backspace", "3", "tab", "right", "ctrl+s")
        assert await console.decisions_of(review) == [(0, "respond", '{"approved_by": "eve", "days": 3, "urgent": true}', None)]


@pytest.mark.slow
async def test_form_can_be_answered_as_json(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, FORM)
        await console.press("m", "ctrl+t")
        put(console, "#json", '{"approved_by": "x"}')
        await console.press("ctrl+s")
        assert "'days' is a required property" in console.screen_text()
        await console.press("escape", "m")
        assert text(console, "#json") == '{"approved_by": "x"}'
        put(console, "#json", '{"approved_by": "x", "days": 2}')
        await console.press("ctrl+s")
        assert await console.decisions_of(review) == [(0, "respond", '{"approved_by": "x", "days": 2}', None)]


async def test_approve_shows_what_it_means_before(start_console: StartConsole) -> None:
    async with start_console() as console:
        review = await go_to(console, ODD)
        assert "a answers true" in console.screen_text() and "r answers false" in console.screen_text()
        await console.press("a")
        assert await console.decisions_of(review) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_dialog_closes_when_another_person_decided(start_console: StartConsole) -> None:
    async with start_console() as console:
        await console.press("r")
        theirs = await console.bob.reviews.get(console.review_ids[MAIL])
        await console.bob.reviews.decide(theirs, {0: Answer(DecisionKind.APPROVE)})
        await console.press(*"mine", "enter")
        assert "approved by bob" in console.screen_text()
        assert await console.decisions_of(console.review_ids[MAIL]) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_editor_key_edits_arguments_in_the_editor(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("EDITOR", "sed -i s/Ann/Bob/")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console() as console:
        await console.press("E")
        await console.pilot.pause(0.3)
        assert "Dear Ann" in console.screen_text() and text(console, "#field-2").startswith("Dear Bob,\n")
        await console.press("ctrl+s")
        ((_, kind, args, _),) = await console.decisions_of(console.review_ids[MAIL])
        assert kind == "edit" and json.loads(str(args))["body"].startswith("Dear Bob,\n\nthe")


@pytest.mark.slow
async def test_editor_that_does_not_exist_is_reported(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("VISUAL", "/no/such/editor")
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console() as console:
        await console.press("E")
        assert "cannot be started" in console.screen_text()


async def test_editor_key_without_a_terminal_to_give_away_says_so(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under pilot, as in a browser, the console cannot make room for another program."""
    monkeypatch.setenv("VISUAL", "true")
    async with start_console() as console:
        await console.press("E")
        await console.until_shown("a browser has no room for $EDITOR")


@pytest.mark.slow
async def test_arguments_too_long_for_the_dialog_open_the_editor(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/x!/y!/")
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console("empty") as console:
        long = seed.pause(PauseKind.TOOL_CALLS, seed.action("write", {"blob": "x" * 400_000 + "!"}))
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", long)
        await console.until_keys_accepted()
        await console.press("e")
        assert "too long to edit here" in console.screen_text()
        await console.press("ctrl+e", "ctrl+s")
        ((_, kind, args, _),) = await console.decisions_of(review)
        assert kind == "edit" and json.loads(str(args)) == {"blob": "x" * 399_999 + "y!"}


async def test_key_hints_of_a_run_taken_over_start_with_the_way_back(start_console: StartConsole) -> None:
    means = {"reject": "tells the agent that nobody can help", "respond": "gives the agent this answer"}
    async with start_console("nothing", size=(80, 24)) as console:
        asked = seed.action("ask_a_person", {"question": "where?"}, allowed=(DecisionKind.REJECT, DecisionKind.RESPOND), means=means)
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, asked))
        await console.store.write("UPDATE reviews SET claimed_by = 'ann', claimed_until = ? WHERE id = ?", (UNTIL_HANDED_BACK, review))
        await console.until_keys_accepted()
        await console.press("enter")
        assert "t back to it  r reject  m respond " in await console.until_shown("taken over by you", "t back to it")


@pytest.mark.slow
async def test_copy_takes_the_value_exactly_and_asks_which_of_several(start_console: StartConsole) -> None:
    async with start_console() as console:
        await go_to(console, SQL)
        await console.press("y")
        row = await console.store.one("SELECT args FROM actions WHERE review = ?", (console.review_ids[SQL],))
        assert row and console.app.clipboard == next(iter(json.loads(row[0]).values()))
        await go_to(console, MAIL)
        await console.press("y")
        assert "What goes to the clipboard" in console.screen_text() and "all arguments as JSON" in console.screen_text()
        await console.press("3", "enter")
        assert console.app.clipboard.count("\n") > 1 and "copied body" in console.notifications()
        await go_to(console, ODD)
        await console.press("y")
        assert "lone surrogates" in console.notifications()


async def test_calls_that_share_an_id_get_one_answer_once_all_were_read(start_console: StartConsole) -> None:
    async with start_console("") as console:
        calls = [seed.action("send_email", {"to": to}, slot, tool_call="x") for slot, to in enumerate(("ann", "bob"))]
        note = "calls 1 and 2 share the id 'x': the graph gives them one answer, and they cannot be edited"
        paused = dataclasses.replace(seed.pause(PauseKind.TOOL_CALLS, *calls), caution=note)
        review = await seed.add_waiting_run(console.store, console.project, "mail_assistant", paused)
        await console.until_shown("calls 1 and 2 share the id")
        await console.until_keys_accepted()
        await console.press("a")
        assert "it gets one answer with call 2, which shares its id: read that too" in console.refusals()
        assert await console.decisions_of(review) == []
        await console.press("right")
        await console.until_keys_accepted()
        await console.press("a")
        assert await console.decisions_of(review) == [(0, "approve", None, None), (1, "approve", None, None)]
