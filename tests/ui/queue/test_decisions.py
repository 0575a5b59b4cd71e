"""Every kind of decision, through the keys, down to the rows."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from hitl_tui.model import UNTIL_HANDED_BACK, Answer, DecisionKind, PauseKind
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.dialogs.text_areas import JsonArea
from hitl_tui.ui.queue import decision_controller
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.queue.prefetch_cache import LoadedReview, PrefetchCache
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import Console, Desk
from tests.ui.homes import seed

MAIL, SQL, REFUND, BATCH, DELETE, GATE, CHOICES, FORM, ODD = range(9)


async def go_to(desk: Desk, place: int) -> int:
    """Put the cursor on one of the seeded reviews."""
    await desk.press("g", *["j"] * place)
    await desk.armed()
    return desk.ids[place]


def text(desk: Desk, selector: str) -> str:
    """What is typed in a field."""
    widget = desk.app.screen.query_one(selector)
    return str(getattr(widget, "text", None) or getattr(widget, "value", ""))


def put(desk: Desk, selector: str, content: str) -> None:
    """Replace what is typed in a text area."""
    desk.app.screen.query_one(selector, JsonArea).text = content


async def test_approve(console: Console) -> None:
    async with console() as desk:
        await desk.press("a")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "approve", None, None)]
        actor, looked = await desk.store.one("SELECT actor, looked_ms FROM decisions")
        assert actor == "ann" and looked >= 400
        assert "✓ approved by you" in desk.screen()
        assert desk.app.query_one(QueueList).cursor == desk.ids[SQL]


async def test_decided_item_leaves_after_a_while(console: Console) -> None:
    async with console() as desk:
        await desk.press("a")
        await desk.pilot.pause(2.2)
        assert "approved by you" not in desk.screen()
        assert "Queue 8" in desk.screen()


async def test_double_press_approves_only_one(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as desk:
        monkeypatch.setattr(decision_controller, "SETTLE_S", 5.0)
        await desk.pilot.press("a", "a", "a")
        await desk.settle()
        assert await desk.store.one("SELECT count(*) FROM decisions") == (1,)


async def test_keys_are_dead_for_a_moment_after_the_cursor_moved_by_itself(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as desk:
        monkeypatch.setattr(decision_controller, "SETTLE_S", 3.0)
        await desk.press("a", "a")
        assert await desk.decided(desk.ids[SQL]) == []
        await desk.pilot.pause(3.1)
        await desk.press("a")
        assert await desk.decided(desk.ids[SQL]) == [(0, "approve", None, None)]


async def test_enter_never_approves(console: Console) -> None:
    async with console() as desk:
        await desk.press("enter", "enter", "enter", "escape", "enter")
        assert await desk.store.one("SELECT count(*) FROM decisions") == (0,)


async def test_reject_with_a_preset(console: Console) -> None:
    async with console() as desk:
        await desk.press("r", "1", "3", "enter")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "reject", None, "not needed")]


async def test_reject_in_own_words_kept_over_escape(console: Console) -> None:
    async with console() as desk:
        await desk.press("r", *"no 3", "escape")
        assert await desk.decided(desk.ids[MAIL]) == []
        await desk.press("r", *"x", "enter")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "reject", None, "no 3x")]


async def test_edit_arrives_exactly(console: Console) -> None:
    async with console() as desk:
        before = desk.app.query_one(QueueView).pane.looked_ms
        await desk.press("e")
        await desk.pilot.pause(0.4)
        edited = '{"to": "x@example.com", "subject": "\\u202e é\\n", "body": "1.0"}'
        put(desk, "#edit-text", edited)
        await desk.pilot.pause(0.3)
        assert "x@example.com" in desk.screen()
        await desk.press("ctrl+s")
        ((slot, kind, args, _),) = await desk.decided(desk.ids[MAIL])
        assert (slot, kind) == (0, "edit")
        assert json.loads(str(args)) == json.loads(edited)
        (looked,) = await desk.store.one("SELECT looked_ms FROM decisions")
        assert looked >= before + 700  # time in the dialog is looking, too


async def test_bad_edits_are_kept_and_explained(console: Console) -> None:
    async with console() as desk:
        for bad, why in (
            ("{nope", "is not JSON"),
            ("[1]", "not an object"),
            ('{"to": 1}', "do not fit"),
            ('{"to": "", "to": ""}', "twice"),
        ):
            await desk.press("e")
            put(desk, "#edit-text", bad)
            await desk.press("ctrl+s")
            assert why in desk.screen()
            await desk.press("escape", "e")
            assert text(desk, "#edit-text") == bad
            await desk.press("escape")
        assert await desk.decided(desk.ids[MAIL]) == []


async def test_an_editor_sees_unseen_characters_as_escapes(console: Console) -> None:
    odd_text = seed.ODD.replace("\ud83d", "")
    async with console() as desk:
        odd = seed.pause(PauseKind.TOOL_CALLS, seed.action("pay", {"to": odd_text, "tag": "\U000e0041"}))
        review = await seed.ask(desk.store, desk.project, "mail_assistant", odd)
        await desk.settle()
        await desk.press("G")
        await desk.armed()
        await desk.press("e")
        shown = text(desk, "#edit-text")
        assert "\\u202e" in shown and "\\udb40\\udc41" in shown and "\u202e" not in shown
        await desk.press("ctrl+s")
        ((_, kind, args, _),) = await desk.decided(review)
        assert kind == "edit" and json.loads(str(args)) == {"to": odd_text, "tag": "\U000e0041"}


async def test_respond_in_a_tools_place(console: Console) -> None:
    async with console() as desk:
        await desk.press("m", *"sent by hand", "enter")
        assert await desk.decided(desk.ids[MAIL]) == [(0, "respond", "null", "sent by hand")]


async def test_a_batch_is_decided_call_by_call(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, BATCH)
        await desk.press("a")
        assert "✓ approved" in desk.screen() and "eve@example.com" in desk.screen()
        await desk.armed()
        await desk.press("left")
        assert "bob@example.com" in desk.screen()
        await desk.press("r", "2", "enter")
        await desk.armed()
        await desk.press("a")
        assert [row[:2] for row in await desk.decided(review)] == [(0, "reject"), (1, "approve")]
        assert await desk.store.one("SELECT state FROM reviews WHERE id = ?", (review,)) == ("decided",)


async def test_keys_while_the_next_call_is_still_read_approve_nothing(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as desk:
        review = await go_to(desk, BATCH)
        may_read, read = asyncio.Event(), PrefetchCache.read

        async def slowly(shelf: PrefetchCache, id_: int) -> LoadedReview:
            await may_read.wait()
            return await read(shelf, id_)

        monkeypatch.setattr(PrefetchCache, "read", slowly)
        await desk.press("a")
        await desk.pilot.pause(decision_controller.SETTLE_S + 0.1)
        assert "bob@example.com" in desk.screen()  # the call that was decided: the next one is not read yet
        await desk.press("a", "r")
        assert len(desk.app.screen_stack) == 1 and "ignored: the item had just changed" in desk.notices()
        may_read.set()
        await desk.seen("eve@example.com")
        await desk.armed()
        await desk.press("3", "enter", "a", "a")  # meant for the dialog that did not open
        assert "reject was not done; to approve instead, wait a second" in desk.notices()
        assert [row[:2] for row in await desk.decided(review)] == [(0, "approve")]
        may_read.clear()
        desk.app.query_one(QueueView).review_decided(review, False)  # read anew: what is shown stays there, and can be decided
        await desk.pilot.pause(0.2)
        await desk.pilot.press("r")
        await desk.pilot.press("3", "enter")
        may_read.set()
        await desk.settle()
        assert [row[:2] for row in await desk.decided(review)] == [(0, "approve"), (1, "reject")]


async def test_what_is_not_allowed_is_not_done(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, DELETE)
        await desk.press("e", "m")
        assert len(desk.app.screen_stack) == 1
        assert "not allowed here" in desk.screen()
        assert await desk.decided(review) == []


async def test_gate(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, GATE)
        assert "gate" in desk.screen()
        await desk.press("a")
        assert await desk.decided(review) == [(0, "approve", None, None)]


async def test_choices(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, CHOICES)
        await desk.press("m", "enter")
        assert await desk.decided(review) == []
        await desk.press("2", "enter")
        assert await desk.decided(review) == [(0, "respond", "null", "Bellevue")]


async def test_a_choice_that_is_no_text(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, CHOICES)
        await desk.press("m", "3", "enter")
        assert await desk.decided(review) == [(0, "respond", '{"other": 1}', None)]


async def test_form(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, FORM)
        await desk.press("m", *"eve", "tab", *"x", "ctrl+s")
        assert "days is not a whole number" in desk.screen()
        await desk.press("backspace", "0", "ctrl+s")
        assert "less than the minimum" in desk.screen()
        await desk.press("backspace", "3", "tab", "right", "ctrl+s")
        assert await desk.decided(review) == [(0, "respond", '{"approved_by": "eve", "days": 3, "urgent": true}', None)]


async def test_the_same_question_as_json(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, FORM)
        await desk.press("m", "ctrl+t")
        put(desk, "#json", '{"approved_by": "x"}')
        await desk.press("ctrl+s")
        assert "'days' is a required property" in desk.screen()
        await desk.press("escape", "m")
        assert text(desk, "#json") == '{"approved_by": "x"}'
        put(desk, "#json", '{"approved_by": "x", "days": 2}')
        await desk.press("ctrl+s")
        assert await desk.decided(review) == [(0, "respond", '{"approved_by": "x", "days": 2}', None)]


async def test_what_yes_means_is_said_before(console: Console) -> None:
    async with console() as desk:
        review = await go_to(desk, ODD)
        assert "a answers true" in desk.screen() and "r answers false" in desk.screen()
        await desk.press("a")
        assert await desk.decided(review) == [(0, "approve", None, None)]


async def test_someone_else_was_first(console: Console) -> None:
    async with console() as desk:
        await desk.press("r")
        theirs = await desk.other.reviews.get(desk.ids[MAIL])
        await desk.other.reviews.decide(theirs, {0: Answer(DecisionKind.APPROVE)})
        await desk.press(*"mine", "enter")
        assert "approved by bob" in desk.screen()
        assert await desk.decided(desk.ids[MAIL]) == [(0, "approve", None, None)]


async def test_editor(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("EDITOR", "sed -i s/ann@/bob@/")
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with console() as desk:
        await desk.press("E")
        await desk.pilot.pause(0.3)
        assert "ann@example.com" in desk.screen() and "bob@example.com" in text(desk, "#edit-text")
        await desk.press("ctrl+s")
        ((_, kind, args, _),) = await desk.decided(desk.ids[MAIL])
        assert kind == "edit" and json.loads(str(args))["to"] == "bob@example.com"


async def test_an_editor_that_does_not_exist(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setenv("VISUAL", "/no/such/editor")
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with console() as desk:
        await desk.press("E")
        assert "cannot be started" in desk.screen()


async def test_arguments_too_long_to_edit_here(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "sed -i s/x!/y!/")
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with console("empty") as desk:
        long = seed.pause(PauseKind.TOOL_CALLS, seed.action("write", {"blob": "x" * 400_000 + "!"}))
        review = await seed.ask(desk.store, desk.project, "mail_assistant", long)
        await desk.armed()
        await desk.press("e")
        assert "too long to edit here" in desk.screen()
        await desk.press("ctrl+e", "ctrl+s")
        ((_, kind, args, _),) = await desk.decided(review)
        assert kind == "edit" and json.loads(str(args)) == {"blob": "x" * 399_999 + "y!"}


async def test_the_way_back_to_a_run_taken_over_is_the_first_key(console: Console) -> None:
    means = {"reject": "tells the agent that nobody can help", "respond": "gives the agent this answer"}
    async with console("nothing", size=(80, 24)) as desk:
        asked = seed.action("ask_a_person", {"question": "where?"}, allowed=(DecisionKind.REJECT, DecisionKind.RESPOND), means=means)
        review = await seed.ask(desk.store, desk.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, asked))
        await desk.store.write("UPDATE reviews SET claimed_by = 'ann', claimed_until = ? WHERE id = ?", (UNTIL_HANDED_BACK, review))
        await desk.armed()
        await desk.press("enter")
        assert "t back to it  r reject  m respond " in await desk.seen("taken over by you", "t back to it")
