"""The take-over workspace: what is typed there, what it comes to, and that nothing of it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import TextArea

from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Call, HandBack, Run, RunState, TakeOver
from hitl_tui.settings import Settings
from hitl_tui.store import Store
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.runs.view import RunsView
from hitl_tui.ui.runtime.worker_pool import NoWorkers
from tests.support.harness import Place, Reviewer, approve, results, reviewer, rounds
from tests.ui.conftest import NOW, Console, Desk, opened
from tests.ui.homes import seed
from tests.ui.homes.run_heads import heads_of
from tests.ui.test_snapshots import Pictured
from tests.ui.test_two_reviewers import second

ONE, TWO = 1, 4
"""Runs that wait before one mail, and before two."""


@contextlib.asynccontextmanager
async def mails(console: Console, size: tuple[int, int] = (120, 36), runs: bool = False) -> AsyncIterator[Desk]:
    """Ann's console with runs that can be taken over."""
    async with console("runs" if runs else "variety", size=size) as desk:
        await heads_of(desk.store)
        await desk.settle()
        yield desk


async def over(desk: Desk, run: int = ONE) -> TakeOver:
    """The run's last take-over, as the store has it."""
    found = await desk.other.takeovers.latest(run)
    assert found is not None
    return found


async def write(desk: Desk, way: str, text: str) -> None:
    """Go into a way, and put a text where its cursor stands."""
    await desk.press("escape" if isinstance(desk.app.screen.focused, TextArea) else "shift", way)
    await put(desk, text)


async def put(desk: Desk, text: str) -> None:
    """Put a text in the place of the one that has the focus."""
    area = desk.app.screen.focused
    assert isinstance(area, TextArea)
    area.text = text


def told(desk: Desk) -> str:
    """The effect of hand-back, and all that is on the screen under it."""
    return " ".join(desk.screen().rpartition("When you hand back")[2].replace("│", " ").replace("╰", " ").split())


async def tells(desk: Desk, what: str) -> None:
    """Wait until that is said to happen on hand back, or to stand in its way."""
    for _ in range(200):
        if what in told(desk):
            return
        await desk.pilot.pause(0.05)
    raise AssertionError(f"never said {what}: {desk.screen()}")


def on_one_line(desk: Desk) -> str:
    """The right side of the screen as one line."""
    return " ".join(" ".join(row[60:] for row in desk.screen().splitlines()).replace("│", " ").split())


async def test_it_opens_on_the_whole_run_and_keeps_what_was_typed(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t")
        seen = await desk.seen("Takeover mail_assistant · run r1", "taken over by you", "write the tool's result", "stop the run")
        assert "Could you please send me the receipt" in seen and '→ send_email(to="ann@example.com"' in seen
        assert (await over(desk)).actor == "ann" and (await over(desk)).state == "open"
        await desk.press("3", *"ask her first")
        await tells(desk, "guidance written; 1 open call does not run, and the agent reads the guidance and tries again")
        await desk.press("escape", "escape")
        assert len(desk.app.screen_stack) == 1 and "taken over by you" in desk.screen()
        assert "still taken over by you; t returns to it" in desk.notices() and "t back to it" in desk.screen()
        assert (await over(desk)).plan == HandBack(guidance="ask her first")
        await desk.press("t")
        assert "3 guide the agent and retry" in await desk.seen("✓ written")
        await desk.press("3")
        area = desk.app.screen.focused
        assert isinstance(area, TextArea) and area.text == "ask her first"


async def test_what_is_no_plan_yet_is_kept_by_the_console_and_never_handed_back(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t")
        await write(desk, "4", '{"folder": "inbox", "unread": 2')
        await tells(desk, "the state is not JSON")
        assert "✗ invalid" in desk.screen()
        await desk.press("ctrl+b")
        await tells(desk, "the state is not JSON")
        assert (await over(desk)).state == "open"
        await desk.press("escape", "escape", "t", "4")
        area = desk.app.screen.focused
        assert isinstance(area, TextArea) and area.text == '{"folder": "inbox", "unread": 2'
        for text, problem in (
            ('{"folder": "inbox"}', "the key 'unread' is missing"),
            ('{"folder": "inbox", "unread": "many"}', "unread: 'many' is not of type 'integer'"),
            ('{"folder": "inbox", "unread": 2, "colour": 1}', "the graph's state has no 'colour'"),
            ('{"folder": "inbox", "unread": 2, "messages": []}', "the messages are not edited as a state"),
            ("[]", "the state is not an object"),
        ):
            await put(desk, text)
            await tells(desk, problem)
            await desk.press("ctrl+b")
            assert (await over(desk)).state == "open"
        await put(desk, '{"folder": "half')
        await desk.press("escape", "ctrl+g")
        await desk.seen("What you wrote is deleted")
        await desk.press("escape", "escape")
        assert (await over(desk)).typed == {"state": '{"folder": "half'}, "another console shows it"
        desk.app._takeover_drafts.clear()
        await desk.press("t", "4")
        area = desk.app.screen.focused
        assert isinstance(area, TextArea) and area.text == '{"folder": "half'
        await put(desk, '{"folder": "inbox", "unread": 0, "note": "by hand"}')
        await tells(desk, "2 state keys changed; 1 call asks again before it runs")
        assert "note added" in on_one_line(desk) and "- 2" in on_one_line(desk)


async def test_calls_are_checked_against_their_tools(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t", "2", "tab")
        good = {"id": "call-0", "name": "send_email", "args": {"to": "eve@example.com", "subject": "Hi", "body": ""}}
        for text, problem in (
            ("{}", "the calls are not a list"),
            ('[{"name": "send_email"}]', "is no call"),
            ('[{"name": "fly", "args": {}}]', "the agent has no tool fly"),
            ('[{"name": "send_email", "args": {"to": "eve@example.com"}}]', "'subject' is a required property"),
            (json.dumps([good, good]), "two calls have the same id"),
        ):
            await put(desk, text)
            await tells(desk, problem)
            await desk.press("ctrl+b")
            assert (await over(desk)).state == "open"
        await put(desk, json.dumps([good, {"name": "read_mail", "args": {"id": "4711"}}]))
        await tells(desk, "2 calls instead of 1; 2 calls ask again before they run")
        await desk.press("escape", "escape")
        calls = (Call("call-0", "send_email", good["args"]), Call("", "read_mail", {"id": "4711"}))
        assert (await over(desk)).plan == HandBack(calls=calls)


async def test_what_contradicts_itself_is_refused(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t")
        await desk.press("ctrl+b")
        await tells(desk, "✗ nothing to hand back yet")
        await write(desk, "3", "try again")
        await write(desk, "5", "I answered her by phone.")
        await tells(desk, "an answer ends the run, and guidance lets the agent go on")
        await desk.press("ctrl+b")
        await tells(desk, "an answer ends the run")
        assert (await over(desk)).state == "open"
        await write(desk, "3", "")
        await tells(desk, "final answer written; 1 open call does not run, and the run ends with your answer")
        await write(desk, "2", "")
        await desk.press("tab")
        await put(desk, '[{"name": "read_mail", "args": {}}]')
        await tells(desk, "the rewritten calls would never run")


async def test_each_open_call_has_its_own_answer(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("j", "j", "j", "t", "1", *"sent by hand")
        await tells(desk, "1 call answered by you; 1 call asks again before it runs")
        assert "1 of 2 answered" in desk.screen()
        await desk.press("tab", *"also")
        await tells(desk, "2 calls answered by you; the agent goes on")
        await desk.press("ctrl+b")
        found = await over(desk, TWO)
        assert found.state == "handed_back" and found.plan.results == {"call-0": "sent by hand", "call-1": "also"}


async def test_it_is_taken_from_somebody_with_a_reason(console: Console) -> None:
    async with mails(console) as desk, second(desk) as bob:
        await bob.press("t", "3", *"mine")
        await bob.press("escape")
        await desk.settle()
        assert "taken over by bob" in desk.screen()
        await desk.press("t")
        assert "bob has it" in desk.screen()
        await desk.press("enter")
        assert "a reason is required" in desk.screen() and (await over(desk)).actor == "bob"
        await desk.press("escape")
        assert len(desk.app.screen_stack) == 1 and (await over(desk)).actor == "bob"
        await desk.press("t", *"bob left", "enter")
        await desk.seen("Takeover mail_assistant")
        assert (await over(desk)).actor == "ann"
        await bob.seen("ann has taken it over")
        await bob.press("ctrl+b")
        await tells(bob, "the takeover of run r1 is discarded: taken by ann: bob left")
        assert (await over(desk)).state == "open"
        await bob.press("escape", "t")
        assert "ann has it" in bob.screen()


async def test_what_moves_is_not_taken_and_the_sentence_says_so(console: Console) -> None:
    async with mails(console, runs=True) as desk:
        await desk.press("f2", "G", "k", "t")
        assert "run r2 is moving: it is running (agent · writing)" in desk.notices() and len(desk.app.screen_stack) == 1
        await desk.press("k", "t")
        assert "run r3 is done" in desk.notices() and len(desk.app.screen_stack) == 1


async def test_a_failed_run_offers_what_can_be_done_there(console: Console) -> None:
    async with mails(console, runs=True) as desk:
        await desk.press("f2", "g", "j", "t")
        seen = await desk.seen("Takeover mail_assistant · run r4", "✗ ConnectionError: [bold]refused[/]")
        assert seen.count("(not here)") == 3
        await desk.press("1")
        assert "no tool call waits for a result here" in on_one_line(desk)
        await desk.press("6")
        assert "the run is already failed" in on_one_line(desk) and len(desk.app.screen_stack) == 2
        await desk.press("3", *"use port 25", "escape", "escape")
        assert "taken over by ann" in desk.screen()


async def test_it_is_discarded_only_after_asking_and_stopped_only_after_asking(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t", "3", *"never mind", "ctrl+g")
        assert "What you wrote is deleted" in desk.screen()
        await desk.press("n")
        assert (await over(desk)).state == "open" and "never mind" in desk.screen()
        await desk.press("ctrl+g", "y")
        assert (await over(desk)).state == "discarded" and "taken over" not in desk.screen()
        await desk.press("t", "6", "n")
        assert (await desk.other.runs.get(ONE)).state == "waiting"
        await desk.press("6", "y")
        assert (await desk.other.runs.get(ONE)).state == "cancelled" and len(desk.app.screen_stack) == 1


async def test_one_side_at_a_time_where_there_is_no_room_for_two(console: Console) -> None:
    async with mails(console, size=(80, 24)) as desk:
        await desk.press("t")
        assert "Conversation 6" in desk.screen() and "write the tool's result" not in desk.screen()
        await desk.press("ctrl+o")
        assert "Conversation 6" not in desk.screen() and "write the tool's result" in desk.screen()
        await desk.press("ctrl+o", "3", *"wait")
        assert "guide the agent and retry" in desk.screen() and "wait" in desk.screen()
        await desk.press("ctrl+o", "right_square_bracket")
        assert "no such attachment" in desk.screen()
        await desk.press("escape")
        assert (await over(desk)).plan == HandBack(guidance="wait")


async def test_agents_text_is_only_ever_text(console: Console) -> None:
    async with console() as desk:
        await heads_of(desk.store)
        await desk.store.write("UPDATE heads SET words = ?, calls = ? WHERE run = 1", (
            seed.ODD.encode("utf-8", "replace").decode(),
            json.dumps([{"id": "c", "name": "[bold]pay[/]", "args": {"to": "\u202eevil \x1b[31m[/x]"}}]),
        ))  # fmt: skip
        await desk.press("t", "2")
        assert "⟨U+202E⟩" in desk.screen() and "[red]markup[/]" in desk.screen() and "\x1b" not in desk.screen()
        await tells(desk, "nothing to hand back yet")
        await desk.press("tab")
        assert "\\u202eevil \\u001b[31m[/x]" in desk.screen()
        await desk.press("escape", "1")
        assert "[bold]pay[/]" in desk.screen()


async def test_the_console_can_be_left_from_here(console: Console) -> None:
    async with mails(console) as desk:
        await desk.press("t", "3", *"later")
        await desk.press("escape")
        await desk.press("f2")
        assert len(desk.app.screen_stack) == 1 and "taken over by ann" in desk.screen()
        await desk.press("f1", "t", "3", *" or never", "escape")
        await desk.pilot.press("q")
    async with Store.open(desk.home.database) as store:  # when it has been left, and not before
        found = await Inbox(store, "ann").takeovers.latest(ONE)
    assert found and found.plan == HandBack(guidance="later or never")


async def test_keys_typed_ahead_arrive_in_it(console: Console) -> None:
    async with mails(console) as desk:
        await desk.pilot.press("t", "3", *"quick")
        await desk.settle()
        area = desk.app.screen.focused
        assert isinstance(area, TextArea) and area.text == "quick"


async def test_a_plan_too_long_for_the_screen_is_written_outside(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    async with console() as desk:
        await heads_of(desk.store)
        row = await desk.store.one("SELECT context FROM heads WHERE run = 1")
        context = {**json.loads(row[0]), "state": {"folder": "x" * 250_000, "unread": 2}} if row else {}
        await desk.store.write("UPDATE heads SET context = ? WHERE run = 1", (json.dumps(context),))
        await desk.press("t", "4")
        assert "too long to edit here" in desk.screen()
        monkeypatch.setenv(
            "EDITOR", f"{sys.executable} -c \"import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.replace('2', '3'))\""
        )
        monkeypatch.setattr(type(desk.app), "suspend", contextlib.nullcontext)
        await desk.press("ctrl+e")
        await tells(desk, "1 state key changed")
        await desk.press("escape")
        assert (await over(desk)).plan == HandBack(state={"unread": 3})


# Pictures: after a change on purpose pytest --snapshot-update, then look at them

SCREENS: list[tuple[str, tuple[int, int], str, list[str]]] = [
    ("run_80x24", (80, 24), "", ["t"]),
    ("actions_80x24", (80, 24), "", ["t", "3"]),
    ("results_120x36", (120, 36), "", ["j", "j", "j", "t", "1"]),
    ("state_120x36", (120, 36), "hitl-light", ["t", "4"]),
    ("failed_120x36", (120, 36), "", ["f2", "g", "j", "t", "5"]),
    ("rewrite_200x50", (200, 50), "", ["t", "2"]),
]


async def fill(home: Home) -> None:
    """Runs that wait and one that failed, all in ann's hands since the picture's time."""
    async with Store.open(home.database) as store:
        of = await seed.project(store)
        await seed.variety_of(store, of, NOW)
        await seed.other_runs(store, of, NOW)
        await heads_of(store)
        for (run,) in await store.all("SELECT run FROM heads"):
            taken = await Inbox(store, "ann").takeovers.take(run)
            await Inbox(store, "ann").takeovers.save_plan(
                taken.id, HandBack(guidance="Ask her first.", state={"unread": 0} if run == ONE else {})
            )
        await store.write("UPDATE takeovers SET at = ?", (NOW,))


@pytest.mark.parametrize(("name", "size", "theme", "keys"), SCREENS, ids=[s[0] for s in SCREENS])
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
        for area in pilot.app.screen.query(TextArea):
            area.cursor_blink = False
        await pilot.pause(0.5)

    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=drive)


# Handed back to real agents


@contextlib.asynccontextmanager
async def console_of(who: Reviewer, run: Run) -> AsyncIterator[Desk]:
    """Ann's console on the home of a place with a worker, its cursor on a run."""
    async with Store.open(who.place.home.database) as store:
        inbox = Inbox(store, "ann", lambda: None)
        app = HitlApp(opened(inbox), Settings(), NoWorkers(), who.place.home)
        async with app.run_test(size=(120, 36), notifications=True) as pilot:
            desk = Desk(app, pilot, who.store, 1, who.place.home, who.inbox)
            await desk.press("f2")
            app.query_one(RunsView).go_to(run.id)
            await desk.settle()
            yield desk


async def handed_back(desk: Desk, run: Run) -> TakeOver:
    """`ctrl+b`, and what came of it, once the workspace is left or the plan is back in it."""
    await desk.press("ctrl+b")
    for _ in range(600):
        found = await over(desk, run.id)
        if found.state in ("applied", "stale", "failed") or "not applied" in desk.screen():
            break
        await desk.pilot.pause(0.05)
    await desk.settle()
    return await over(desk, run.id)


async def test_a_tools_result_is_written_by_hand(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("send", {"to": "bob"}), ("send", {"to": "eve"})])
    await pauses.one(run)
    async with console_of(pauses, run) as desk:
        await desk.press("t", "1", *"by phone")
        await tells(desk, "1 call answered by you; 1 call asks again before it runs")
        assert (await handed_back(desk, run)).state == "applied"
        review = await pauses.one(run)
        assert [action.args for action in review.actions] == [{"to": "eve"}] and pauses.did(run) == []
        assert "taken over" not in desk.screen() and "waiting" in desk.screen()
        await pauses.decide(review, approve())
        assert results(await pauses.done(run)) == {"send": ["by phone", "sent to eve"]}


async def test_calls_are_rewritten_and_asked(pauses: Reviewer) -> None:
    run = await pauses.launch("gated_agent", [("send", {"to": "bob"})])
    await pauses.one(run)
    async with console_of(pauses, run) as desk:
        await desk.press("t", "2")
        await put(desk, "I write to zoe instead.")
        await desk.press("tab")
        await put(desk, '[{"name": "send", "args": {"to": "zoe", "copies": "two"}}]')
        await tells(desk, "do not fit")
        await put(desk, '[{"name": "send", "args": {"to": "zoe"}}]')
        await tells(desk, "the agent's message rewritten, 1 call instead of 1; 1 call asks again before it runs")
        assert (await handed_back(desk, run)).state == "applied"
    review = await pauses.one(run)
    assert [action.args for action in review.actions] == [{"to": "zoe"}] and pauses.did(run) == []
    await pauses.decide(review, approve())
    assert ("agent", "I write to zoe instead.") in [(m["role"], m["text"]) for m in (await pauses.done(run))["messages"]]
    assert [did["to"] for did in pauses.did(run)] == ["zoe"]


async def test_guidance_at_an_interrupt_and_an_answer_at_the_next(pauses: Reviewer) -> None:
    run = await pauses.launch("per_call", [("send", {"to": "bob"})])
    await pauses.one(run)
    async with console_of(pauses, run) as desk:
        await desk.press("t", "3")
        await put(desk, rounds([("delete", {"path": "letter"})]))
        await tells(desk, "1 open call does not run, and the agent reads the guidance and tries again")
        assert (await handed_back(desk, run)).state == "applied"
        assert [action.name for action in (await pauses.one(run)).actions] == ["delete"]
        await desk.settle()
        await desk.press("t", "5", *"I did it myself.")
        await tells(desk, "the run ends with your answer")
        assert (await handed_back(desk, run)).state == "applied"
        state = await pauses.done(run)
        await desk.seen("done")
    assert state["messages"][-1]["text"] == "I did it myself." and pauses.did(run) == []


async def test_a_failed_run_goes_on_with_another_state(own: Callable[[str], Place]) -> None:
    place = own("takeover")
    place.start()
    async with reviewer(place) as ann:
        run = await ann.launch("spender", given={"amount": 5})
        await ann.one(run)
        async with console_of(ann, run) as desk:
            await desk.press("t", "4")
            area = desk.app.screen.focused
            assert isinstance(area, TextArea)
            await put(desk, area.text.replace('"amount": 5', '"amount": "much"'))
            await tells(desk, "'much' is not of type 'integer'")
            await put(desk, area.text.replace('"much"', "7"))
            await tells(desk, "1 state key changed; the agent goes on")
            assert (await handed_back(desk, run)).state == "applied"
        await ann.decide(await ann.one(run), approve())
        await ann.done(run)
        assert [did["amount"] for did in ann.did(run) if did["did"] == "spend"] == [7]
        run = await ann.launch("talker", text="hello")
        await ann.wait(run, RunState.FAILED)
        async with console_of(ann, run) as desk:
            await desk.press("t")
            await desk.seen("✗ ConnectionError: the model does not answer")
            await desk.press("3", *"say hi")
            assert (await handed_back(desk, run)).state == "applied"
            assert (await ann.done(run))["messages"][-1]["text"] == "you said: say hi"


async def test_a_plan_that_cannot_be_carried_out_comes_back_with_its_sentence(own: Callable[[str], Place]) -> None:
    place = own("takeover")
    place.start()
    async with reviewer(place) as ann:
        run = await ann.launch("beside", given={"text": "x"})
        await ann.one(run)
        async with console_of(ann, run) as desk:
            await desk.press("t", "4")
            area = desk.app.screen.focused
            assert isinstance(area, TextArea)
            await put(desk, area.text.replace('"x"', '"y"'))
            await tells(desk, "1 state key changed")
            ended = await handed_back(desk, run)
            assert ended.state == "open" and ended.plan == HandBack(state={"text": "y"})
            await desk.seen("not applied: quick has already ended in this step", "plan is kept", "go on?", "✓ 1 key changed")
            await desk.press("escape", "ctrl+g", "y")
        assert (await ann.inbox.runs.get(run.id)).state == "waiting"


async def test_a_run_is_stopped(pauses: Reviewer) -> None:
    run = await pauses.launch("batched", [("send", {"to": "bob"})])
    review = await pauses.one(run)
    async with console_of(pauses, run) as desk:
        await desk.press("t", "6")
        assert "Its open requests are closed" in desk.screen()
        await desk.press("y")
        await desk.seen("cancelled")
    assert (await pauses.wait(run, RunState.CANCELLED)).taken_by is None
    assert (await pauses.inbox.reviews.get(review.row.id)).row.state == "stale" and pauses.did(run) == []
