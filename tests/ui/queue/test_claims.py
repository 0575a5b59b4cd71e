"""Claims, escalations and a second person on the screen: two consoles on one home."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from textual.widgets import Input

from hitl_tui.model import Action, Answer, DecisionKind, PauseKind
from hitl_tui.ui.queue.list import QueueList
from hitl_tui.ui.review.context import ReviewContext, people_lines, similar_title
from hitl_tui.ui.review.pane import ReviewPane
from hitl_tui.ui.widgets.tabs import TabBar
from hitl_tui.ui.widgets.text_view import TextView
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import escalations, seed
from tests.ui.queue.test_decisions import BATCH, MAIL, SQL
from tests.ui.test_key_queue import burst
from tests.ui.test_two_reviewers import second

CLAIMED = re.compile(r"claimed by bob until (\d{4}-\d\d-\d\d )?\d\d:\d\d")


def cursor(console: ConsoleDriver) -> int | None:
    """Return the id of the review under the cursor."""
    return console.app.query_one(QueueList).cursor


async def claimant(console: ConsoleDriver, review: int) -> str | None:
    """Return who has claimed the review."""
    found: str | None = (await console.store.one("SELECT claimed_by FROM reviews WHERE id = ?", (review,)))[0]
    return found


async def to_last(console: ConsoleDriver) -> None:
    """Put the cursor on the newest review."""
    await console.settle()
    await console.press("G")
    await console.until_keys_accepted()


async def needs_two(console: ConsoleDriver, *actions: Action) -> int:
    """Add a review whose calls need two approvals each."""
    made = await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, *actions))
    await console.store.db.execute("UPDATE actions SET reviewers = 2 WHERE review = ?", (made,))
    return made


@pytest.mark.slow
async def test_claim_blocks_others_until_released(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await bob.press("c")
        assert (
            await claimant(ann, ann.review_ids[MAIL]) == "bob"
            and "claimed by you until" in bob.screen_text()
            and "c release" in bob.screen_text()
        )
        await ann.settle()
        assert CLAIMED.search(ann.screen_text())
        await ann.press("a")
        assert re.search(r"bob has claimed it until [-\d: ]+; claim it first, with a reason", ann.refusals())
        assert await ann.decisions_of(ann.review_ids[MAIL]) == []
        await bob.press("c")
        assert await claimant(ann, ann.review_ids[MAIL]) is None and "claimed by" not in bob.screen_text()
        await ann.until_keys_accepted()
        assert "claimed by" not in ann.screen_text()
        await ann.press("a")
        assert await ann.decisions_of(ann.review_ids[MAIL]) == [(0, "approve", None, None)]


@pytest.mark.slow
async def test_claim_can_be_taken_over_with_a_reason_and_typed_text_stays(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await bob.press("c")
        await ann.settle()
        await ann.press("c", *"she waits")
        assert "Claimed by bob until" in ann.screen_text()
        await ann.press("escape")
        assert await claimant(ann, ann.review_ids[MAIL]) == "bob"
        await ann.press("c")
        assert ann.app.screen.query_one(Input).value == "she waits"
        await ann.press("enter")
        assert await claimant(ann, ann.review_ids[MAIL]) == "ann" and "claimed by you until" in ann.screen_text()
        log = await ann.store.one("SELECT actor, json_extract(body, '$.reason') FROM audit WHERE kind = 'claimed' ORDER BY seq DESC")
        assert log == ("ann", "she waits")
        await bob.settle()
        assert "claimed by ann until" in bob.screen_text()
        await bob.press("r")
        await bob.until_shown("ann has claimed it until")
        assert len(bob.app.screen_stack) == 1


@pytest.mark.slow
async def test_claim_takeover_without_a_reason_is_refused(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await bob.press("c")
        await ann.settle()
        await ann.press("c", "enter")
        assert "a reason is required" in ann.screen_text() and await claimant(ann, ann.review_ids[MAIL]) == "bob"


async def test_claim_not_yet_on_the_screen_still_blocks_a_decision(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.app._updates._turn.acquire()
        await bob.press("c")
        await ann.pilot.press("a")
        await ann.pilot.pause(0.3)
        await ann.pilot.press("c")
        await ann.pilot.pause(0.3)
        ann.app._updates._turn.release()
        await ann.settle()
        assert ann.notifications().count("bob has review 1") == 2 and await claimant(ann, ann.review_ids[MAIL]) == "bob"
        assert await ann.decisions_of(ann.review_ids[MAIL]) == []


async def test_two_person_review_needs_two_approvals(start_console: StartConsole) -> None:
    async with start_console(grace_s=60) as ann, second(ann, grace_s=60) as bob:
        review = await needs_two(ann, seed.mail("all@example.com"))
        await to_last(ann)
        await to_last(bob)
        assert cursor(ann) == cursor(bob) == review and "needs 2 approvals" in ann.screen_text()
        await ann.press("a")
        assert "1 of 2 approvals, by you: another person must approve the same" in ann.notifications()
        assert await ann.decisions_of(review) == [] and cursor(ann) == ann.review_ids[-1] and "u undo" in ann.screen_text()
        await ann.until_keys_accepted()
        await ann.press("G", "a")
        assert "1 of 2 approvals, by you" in ann.screen_text() and await ann.decisions_of(review) == []
        await bob.settle()
        assert "1 of 2 approvals, by ann" in bob.screen_text() and "approved by ann at" in bob.screen_text()
        await bob.press("a")
        assert await ann.decisions_of(review) == [(0, "approve", None, None)]
        await ann.settle()
        assert "approved with ann by bob" in ann.screen_text()


@pytest.mark.slow
async def test_two_person_approval_can_be_undone_by_the_first(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        review = await needs_two(ann, seed.mail("all@example.com"))
        await to_last(ann)
        await ann.press("a", "u")
        await ann.until_shown("needs 2 approvals")
        assert cursor(ann) == review and await ann.bob.reviews.endorsements(review) == []
        await to_last(bob)
        await bob.press("a")
        assert await ann.decisions_of(review) == [] and [one.actor for one in await ann.bob.reviews.endorsements(review)] == ["bob"]


@pytest.mark.slow
async def test_two_person_batch_needs_two_approvals_per_call(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        review = await needs_two(ann, seed.mail("one@example.com"), seed.mail("two@example.com", 1))
        for console in (ann, bob):
            await to_last(console)
            await console.press("a")
            await console.until_keys_accepted()
            await console.press("a")
        assert [row[:2] for row in await ann.decisions_of(review)] == [(0, "approve"), (1, "approve")]


async def test_two_person_review_shows_the_first_persons_edit(start_console: StartConsole) -> None:
    async with start_console() as ann:
        review = await needs_two(ann, seed.action("pay", {"amount": 400}))
        await ann.bob.reviews.decide(await ann.bob.reviews.get(review), {0: Answer(DecisionKind.EDIT, args={"amount": 123})})
        await to_last(ann)
        await ann.until_shown("edited by bob at", "another person must edit it into the", "123")
        await ann.press("a")
        assert await ann.decisions_of(review) == [] and "1 of 2 edits, by bob; 1 of 2 approvals, by you" in ann.notifications()


@pytest.mark.slow
async def test_escalate_to_a_person_with_a_note_reaches_them(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.bob.reviews.record_view(ann.review_ids[SQL], 900)
        await ann.press("exclamation_mark", *"bo")
        await ann.until_shown("bob", "last active")
        await ann.press("down", "enter", *"is this our customer?", "escape", "exclamation_mark")
        to, note = ann.app.screen.query(Input)
        assert (to.value, note.value) == ("bob", "is this our customer?")
        await ann.press("enter", "enter")
        [made] = await ann.bob.reviews.escalations(ann.review_ids[MAIL])
        assert (made.recipient, made.actor, made.note) == ("bob", "ann", "is this our customer?")
        assert re.search(r"↑ send_email", ann.screen_text()) and "↑ escalated to bob" in ann.screen_text()
        assert "escalated by ann to you at" in await bob.until_shown("is this our customer?")
        assert "escalated by ann to you: send_email, review 1" in bob.notifications() and "escalated by" not in ann.notifications()
        await bob.press("c")
        await ann.settle()
        assert "claimed by bob" in ann.screen_text() and "↑ escalated to bob" in ann.screen_text()


@pytest.mark.slow
async def test_dialogs_of_escalation_and_claim_show_the_calls_they_are_about(start_console: StartConsole) -> None:
    async with start_console() as ann:
        await ann.press("exclamation_mark")
        shown = ann.app.screen.query_one("#question", TextView)
        assert "Re: invoice 4711" in "".join(segment.text for y in range(shown.size.height) for segment in shown.render_line(y))
        await ann.bob.reviews.claim(ann.review_ids[BATCH])
        await ann.press("escape", "j", "j", "j", "c")
        await ann.until_shown("Claim send_email ×2", "1  send_email  bob@example.com · Re:", "2  send_email  eve@example.com · Re:")


@pytest.mark.slow
async def test_escalate_when_claimed_by_another_is_refused_and_keeps_the_note(start_console: StartConsole) -> None:
    async with start_console() as ann, second(ann) as bob:
        await ann.press("exclamation_mark", *"leads", "enter", *"why")
        await bob.press("c")
        await ann.press("enter")
        assert "bob has review 1" in ann.notifications()
        to, note = ann.app.screen.query(Input)
        assert (to.value, note.value) == ("leads", "why") and await ann.bob.reviews.escalations(ann.review_ids[MAIL]) == []


@pytest.mark.slow
async def test_view_time_is_recorded_per_person(start_console: StartConsole) -> None:
    async with start_console() as ann:
        await ann.pilot.pause(0.9)
        [look] = await ann.bob.reviews.views(ann.review_ids[MAIL])
        assert look.reviewer == "ann" and look.viewed_ms >= 700
        await burst(ann, "j", "j", "j")
        assert (await ann.bob.reviews.views(ann.review_ids[MAIL]))[0].viewed_ms > look.viewed_ms
        assert await ann.bob.reviews.views(ann.review_ids[SQL]) == []
    async with start_console("empty") as again:
        views = await again.bob.reviews.views(ann.review_ids[BATCH])
        assert not views or views[0].viewed_ms >= 700


async def test_view_time_is_not_recorded_for_the_list_alone(start_console: StartConsole) -> None:
    async with start_console(size=(80, 20)) as ann:  # too low for both, the list and the details
        await ann.pilot.pause(0.9)
        assert await ann.bob.reviews.views(ann.review_ids[MAIL]) == []
        await ann.press("enter")
        await ann.pilot.pause(0.9)
        assert len(await ann.bob.reviews.views(ann.review_ids[MAIL])) == 1
        await ann.press("escape")
        stored = (await ann.bob.reviews.views(ann.review_ids[MAIL]))[0].viewed_ms
        await ann.pilot.pause(0.9)
        assert (await ann.bob.reviews.views(ann.review_ids[MAIL]))[0].viewed_ms == stored


async def test_context_shows_similar_decisions_and_people(start_console: StartConsole) -> None:
    async with start_console("empty", size=(160, 40)) as ann:
        await escalations.add_escalations(ann.store, ann.project, ann.app._clock())
        await ann.until_keys_accepted()
        await ann.until_shown("Similar 2 of 3 approved", "People 2")
        screen = ann.screen_text()
        assert re.search(r"↑ escalated to leads .*claimed by eve until .*rejected in .* if nobody decides", screen)
        assert screen.index("✗ PaymentError") < screen.index("420 euros is above my limit") < screen.index("to take over")
        ann.app.query_one("#tabs", TabBar).choose("Done so far")
        await ann.press("right_square_bracket")
        assert re.search(r"✎ edited by bob 1 d ago +│", ann.screen_text()) and "amount: 10.0 → 5.0" in ann.screen_text()
        await ann.press("right_square_bracket")
        assert re.search(r"seen +by eve for 42 s", ann.screen_text()) and "claimed by eve" in ann.screen_text()
        pane = ann.app.query_one(ReviewPane)
        around = pane.review_context
        assert pane.review and around
        answered = [replace(past, allowed=(DecisionKind.RESPOND,)) for past in around.similar]
        assert similar_title(ReviewContext(answered)) == "Similar 3"  # nothing to approve there
        [first] = around.activity.escalations
        twice = replace(around, activity=replace(around.activity, escalations=[first, replace(first, id=99, note="nobody answered")]))
        told = [one.text for one in people_lines(pane.review.row, twice, "ann", ann.app._clock())]
        assert told.index("nobody answered") < told.index(first.note), "the newest comes first"


@pytest.mark.slow
async def test_claim_by_another_does_not_scroll_the_text(start_console: StartConsole) -> None:
    async with start_console("empty") as ann, second(ann) as bob:
        long = seed.action("write", {"text": "\n".join(f"line {n}" for n in range(200))})
        await seed.add_waiting_run(ann.store, ann.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, long))
        await ann.until_keys_accepted()
        await ann.press("ctrl+d", "ctrl+d")
        before = ann.app.query_one("#arguments").scroll_offset
        await bob.press("c")
        await ann.until_shown("claimed by bob")
        assert before.y > 0 and ann.app.query_one("#arguments").scroll_offset == before
