"""Free questions in the console: the keys they have, choices by number, a form for several questions, and answer templates."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hitl_tui.agents.interrupt_payloads import normalise
from hitl_tui.model import Json
from hitl_tui.ui.dialogs.reject import ApproveScreen
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed

TEMPLATE = '[[answer]]\nagent = "planner"\napprove = {approved = true}\nreject = {approved = false, reason = "$message", by = "$person"}\n'


async def ask(console: ConsoleDriver, value: Json, schema: Json = None) -> int:
    """Add a run that asks a free question, as the worker reads it, and wait until the console shows it."""
    kind, actions = normalise(value, "ask", {}, schema)
    review = await seed.add_waiting_run(console.store, console.project, "planner", seed.pause(kind, *actions, node="ask", value=value))
    await console.until_keys_accepted()
    await console.until_shown("answer" if len(actions[0].allowed) == 1 else "a ")
    return review


async def answer_to(console: ConsoleDriver, review: int) -> tuple[str, Any, Any]:
    """Return kind, JSON answer or text, and template of the review's decision."""
    row = await console.store.one("SELECT kind, args, message, template FROM decisions WHERE review = ? AND NOT superseded", (review,))
    assert row is not None
    kind, args, message, template = row
    said = message if message is not None else json.loads(args or "null")
    return kind, said, None if template is None else json.loads(template)


@pytest.mark.slow
async def test_question_without_yes_or_no_has_no_approve_key(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await ask(console, "How many hours may it take?")
        keys = console.screen_text().splitlines()[-1]
        assert keys.strip().startswith("m answer") and "a answers" not in keys and "r answers" not in keys
        await console.press("a", "r")
        assert "takes no yes or no, so it cannot be answered with approve" in console.refusals()
        assert "takes no yes or no, so it cannot be answered with reject" in console.refusals()
        assert len(console.app.screen_stack) == 1 and await console.decisions_of(review) == []
        await console.press("m", *"3", "enter")
        assert await answer_to(console, review) == ("respond", "3", None)


@pytest.mark.slow
async def test_object_typed_as_a_text_answer_is_said_to_be_a_text(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await ask(console, {"question": "Do you approve?", "context": "a refund"})
        await console.press("m", *'{"approved": true')
        assert "sent as a text" not in console.screen_text()
        await console.press("}")
        await console.until_shown("this is sent as a text: ctrl+t to enter it as JSON")
        await console.press("ctrl+t")
        assert "sent as a text" not in console.screen_text()
        await console.press(*'{"approved": true}', "ctrl+s")
        assert await answer_to(console, review) == ("respond", {"approved": True}, None)


@pytest.mark.slow
async def test_question_that_takes_yes_or_no_says_what_the_keys_send(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await ask(console, "Delete the file? (yes/no)")
        assert 'a answers "yes"' in console.screen_text() and 'r answers "no"' in console.screen_text()
        await console.press("a")
        assert await console.decisions_of(review) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_option_is_picked_by_its_number_and_sends_its_value(start_console: StartConsole) -> None:
    async with start_console("") as console:
        rooms = [{"id": "hall", "title": "The hall"}, {"id": "attic", "title": "The attic", "description": "12 seats"}]
        review = await ask(console, {"question": "Which room?", "options": rooms})
        assert "The attic – 12 seats" in console.screen_text() and 'sends "attic"' in console.screen_text()
        await console.press("m")
        await console.until_shown("1 The hall", "2 The attic – 12 seats")
        await console.press("2", "enter")
        assert await answer_to(console, review) == ("respond", "attic", None)


@pytest.mark.slow
async def test_slot_without_a_value_is_sent_whole(start_console: StartConsole) -> None:
    async with start_console("") as console:
        review = await ask(console, {"message": "When?", "slots": [{"day": "monday", "hour": 9}, {"day": "friday", "hour": 14}]})
        await console.press("m", "2", "enter")
        assert await answer_to(console, review) == ("respond", {"day": "friday", "hour": 14}, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "sent"), [(("id", "id"), {"size": "l", "note": "thanks"}), (("id", "x"), ["l", "thanks"])], ids=["object", "list"]
)
async def test_several_questions_are_a_form_with_a_choice_each(start_console: StartConsole, keys: tuple[str, str], sent: Json) -> None:
    size = {keys[0]: "size", "question": "How large?", "choices": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]}
    async with start_console("") as console:
        review = await ask(console, {"questions": [size, {keys[1]: "note", "question": "Anything else?"}]})
        await console.press("m")
        await console.until_shown("How large?", "Small", "Anything else?")
        await console.press("ctrl+s")
        assert "How large? has no answer yet" in console.screen_text()
        await console.press("right", "right", "tab", *"thanks", "ctrl+s")
        assert await answer_to(console, review) == ("respond", sent, None)


@pytest.mark.slow
async def test_template_is_shown_before_it_is_sent(start_console: StartConsole) -> None:
    async with start_console("") as console:
        (console.home.path / "policy.toml").write_text(TEMPLATE)
        review = await ask(console, {"question": "Send it?", "draft": "Dear Ann"})
        assert 'a sends {"approved": true}' in console.screen_text()
        await console.until_shown("sent by the policy's answer template")
        await console.press("r", *"late")
        await console.until_shown('It sends {"approved": false, "reason": "late", "by": "ann"}.')
        await console.press("enter")
        assert await answer_to(console, review) == ("reject", "late", {"approved": False, "reason": "late", "by": "ann"})


@pytest.mark.slow
async def test_approve_that_takes_a_message_asks_for_it(start_console: StartConsole) -> None:
    async with start_console("") as console:
        (console.home.path / "policy.toml").write_text('[[answer]]\napprove = {ok = true, note = "$message"}\n')
        review = await ask(console, {"question": "Send it?"})
        await console.press("a")
        assert isinstance(console.app.screen, ApproveScreen)
        await console.press(*"fine", "enter")
        assert await answer_to(console, review) == ("approve", "fine", {"ok": True, "note": "fine"})


@pytest.mark.slow
async def test_template_that_does_not_fit_is_not_offered_and_says_why(start_console: StartConsole) -> None:
    async with start_console("") as console:
        (console.home.path / "policy.toml").write_text(TEMPLATE)
        review = await ask(console, "Is it good?", {"type": "object", "required": ["ok"]})
        assert "a sends" not in console.screen_text()
        await console.until_shown("approve is not offered: the template does not fit the response schema: 'ok' is a required property")
        await console.press("a")
        assert "does not fit the response schema: 'ok' is a required property" in console.notifications()
        assert await console.decisions_of(review) == []


@pytest.mark.slow
async def test_marked_questions_are_decided_together_with_their_template(start_console: StartConsole) -> None:
    async with start_console("") as console:
        (console.home.path / "policy.toml").write_text(TEMPLATE)
        reviews = [await ask(console, {"question": f"Send letter {number}?"}) for number in range(2)]
        await console.press("g", "J", "J", "A")
        await console.until_shown("approve 2 calls of 2 reviews", "approve sends", '{"approved": true}')
        await console.press("r", *"no", "ctrl+s")
        assert [await answer_to(console, review) for review in reviews] == [
            ("reject", "no", {"approved": False, "reason": "no", "by": "ann"})
        ] * 2


async def test_a_lone_no_is_sent_only_once_it_is_said_that_a_graph_may_take_it_for_yes(start_console: StartConsole) -> None:
    async with start_console("") as console:
        first, second = [await ask(console, {"question": "Approve this action?", "details": name}) for name in ("one", "two")]
        await console.press("a")
        await console.until_shown("it cannot be answered with approve: m answers it in words")
        await console.press("m", *"No", "enter")
        await console.until_shown('"No" goes as a text', "takes for yes: ctrl+t for false")
        assert not await console.decisions_of(first)
        await console.press("ctrl+t", "ctrl+s")
        await console.until_shown("details two")
        assert (await answer_to(console, first))[1] is False
        await console.until_keys_accepted()
        await console.press("m", *"no", "enter", "enter")
        await console.until_shown("answered by you")
        assert (await answer_to(console, second))[1] == "no"
