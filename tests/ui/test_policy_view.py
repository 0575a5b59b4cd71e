"""F5, policy: the rules, how often each matched, and which one matches the review under the queue's cursor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hitl_tui.home import Home
from hitl_tui.model import Outcome, Verdict
from hitl_tui.store import policy_log
from hitl_tui.ui.app import HitlApp
from hitl_tui.ui.policy.view import PolicyView
from hitl_tui.ui.queue.view import QueueView
from hitl_tui.ui.widgets.text_view import TextView
from tests.support.empty_database import open_store
from tests.ui.conftest import NOW, ConsoleDriver, StartConsole
from tests.ui.homes import policy as ruled
from tests.ui.homes import seed
from tests.ui.snapshots import cases, looks, press_keys, use_utc
from tests.ui.test_snapshots import Pictured

REFUND = ("issue_refund", {"order": "9912", "amount": 420.0})


def view(console: ConsoleDriver) -> PolicyView:
    return console.app.query_one(PolicyView)


def text(console: ConsoleDriver, selector: str) -> str:
    """Return the whole text of a document, visible or not."""
    document = console.app.query_one(selector, TextView)
    return "\n".join(f"{line.lead} {line.text}".strip() for line in [*document._lines, *document._source])


async def filled(console: ConsoleDriver) -> list[int]:
    """Write the policy, and add reviews routed by it."""
    ruled.write_policy(console.home.path)
    made = await ruled.add_routed_reviews(console.store, console.project, time.time())
    await console.settle()
    console.app.query_one(QueueView).go_to(made[0])
    await console.settle()
    return made


@pytest.mark.slow
async def test_policy_view_lists_rules_in_order_with_their_match_counts(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f5")
        names = [view(console).items.rows[id_].name for id_ in range(len(view(console).items.order))]
        assert names == [
            "reading", "no mass changes", "large refunds", "refunds", "outgoing mail", "thresholds", "safety", "spot check",
            "autonomy", "attention", "answers", "confidence", "groups", "escalation", "notify",
        ]  # fmt: skip
        shown = console.screen_text()
        assert "Rules  5" in shown and "policy.toml  in the home" in shown
        assert "1 auto · 3 min ago" in shown and "1 deny · 1 min ago" in shown and "never" in shown
        assert "issue_* tagged eu mon-fri 09:00-17:00 UTC" in shown
        assert "2 people to finance · within 1 h 30 min, e" in shown


@pytest.mark.slow
async def test_drill_in_the_console_shows_what_would_run_and_what_closes_it(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await seed.add_mail_tool(console.store)
        (console.home.path / "policy.toml").write_text('[[rule]]\nname = "all mail"\ntool = "send_email"\noutcome = "auto"\n')
        await console.press("f5", "d")
        await console.until_shown("Nothing runs", "bad calls to", "run by 'all mail'", "closed by this rule before line 1")
        await console.press("escape")
        await console.until_shown("Rules  1")


@pytest.mark.slow
async def test_policy_view_explains_the_review_under_the_queue_cursor(start_console: StartConsole) -> None:
    async with start_console("") as console:
        refund, *_ = await filled(console)
        await console.press("f5")
        assert f"Why issue_refund · review {refund}" in console.screen_text()
        walk = text(console, "#walk")
        assert walk.startswith("⚖ asks: rule 'large refunds'\n2 people to finance · within 1 h 30 min, else rejected\n")
        assert "stated risk reversible · confidence 0.72 · treated as irreversible" in walk
        assert "· reading its tool issue_refund is not read_mail, search_mail or list_tables" in walk
        assert "· no mass changes its tool issue_refund is not execute; its agent support_desk is not sql_steward" in walk
        assert "▶ large refunds matched: rule 'large refunds' says ask (args.amount is 420.0)" in walk
        assert "– refunds skipped: rule 'large refunds' comes before it" in walk
        await console.press("f1", "j", "f5")
        assert "1 send_email" in console.screen_text() and "2 issue_note" in console.screen_text()
        assert "matched: rule 'outgoing mail' says ask" in text(console, "#walk")
        await console.press("right_square_bracket")
        assert "· refunds its run has no tag eu" in text(console, "#walk")
        assert "▶ thresholds matched: its confidence 0.95 is at least 0.9" in text(console, "#walk")


@pytest.mark.slow
async def test_policy_view_explains_the_call_selected_in_the_queue(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("j", "right", "f2", "f5")
        assert "thresholds matched" in text(console, "#walk")


@pytest.mark.slow
async def test_policy_view_shows_every_entry_without_secrets(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f5")
        told, shown = [], []
        for _ in range(15):
            told.append(text(console, "#rule-text"))
            shown.append(console.screen_text())
            await console.press("j")
        assert "when    lower(args.sql)" not in told[0] and 'when lower(args.sql) matches "delete from *" and not' in told[1]
        assert "to finance: ann, bob" in told[2] and "people 2 different people must approve" in told[2]
        assert "outcome by confidence: the thresholds decide" in told[3] and "never matched" in told[3]
        assert "takeover confidence below 0.6" in told[5] and "takeover 1 time, last 1 min ago" in told[5]
        assert "10 % of automatic calls ask first; seed x" in told[7]
        assert "sql_* the graph's state, then the agent's own words" in told[11]
        assert "step 2 leads: cleo, dora" in told[13] and "after 15 min without a claim" in told[13]
        assert "channels bell, desktop, command say-it, 1 URL" in told[14] and "quiet hours 22:00-07:00" in told[14]
        assert not [secret for secret in ("hunter2", "hush", "mailto") if secret in "\n".join([*told, *shown])]


@pytest.mark.slow
async def test_policy_view_updates_match_counts(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f5", "j", "j")
        assert "ask 1 time, last" in text(console, "#rule-text")
        await ruled.add_routed_run(console.store, console.project, "support_desk", REFUND)
        await console.settle()
        assert "ask 2 times, last 0 s ago" in text(console, "#rule-text")


@pytest.mark.slow
async def test_policy_view_rereads_a_changed_file_and_keeps_the_cursor_on_its_rule(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f5", "j", "j")
        ruled.write_policy(
            console.home.path,
            ruled.POLICY.replace(
                '[[rule]]\nname = "reading"', '[[rule]]\nname = "new"\noutcome = "deny"\ntool = "x"\n\n[[rule]]\nname = "reading"'
            ),
        )
        await console.until_shown("Rules  6")
        cursor = view(console).items.cursor
        assert cursor == 3 and view(console).items.rows[cursor].name == "large refunds"
        assert "· new its tool issue_refund is not x" in text(console, "#walk")
        ruled.write_policy(console.home.path, ruled.POLICY.replace('"issue_refund"', '"refund"'))
        await console.until_shown("Rules  5")
        assert "when it arrived: asks: rule 'large refunds'" in text(console, "#walk")


@pytest.mark.slow
async def test_policy_view_of_a_broken_file_shows_the_problems(start_console: StartConsole) -> None:
    async with start_console("") as console:
        await filled(console)
        await console.press("f5")
        assert not console.app.query_one("#policy-problems").display
        ruled.write_policy(
            console.home.path, ruled.POLICY.replace('outcome = "auto"', 'outcome = "atuo"').replace("spot_check", "spot_chek")
        )
        await console.until_shown("The policy cannot be used: everything asks until it is fixed.")
        await console.until_shown(
            "✗ line 1: unknown key 'spot_chek'; did you mean spot_check?",
            "line 19: outcome cannot be 'atuo'; it is one of auto, ask, takeover, deny",
        )
        assert text(console, "#walk").startswith("⚖ asks: everything asks until the policy is corrected\nwhen it arrived: asks: rule")
        assert "Rules  5  as last read" in console.screen_text()
        ruled.write_policy(console.home.path, '[[rule]]\nname = "a"\noutcome = "ask"\n[[rule]]\nname = "b"\noutcome = "deny"\n')
        await console.until_shown("⚠ line 4: rule 'b' can never match: rule 'a' on line 1 matches everything that it does")
        assert "cannot be used" not in console.screen_text()


@pytest.mark.slow
async def test_policy_view_without_a_policy_explains_policies(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console() as console:
        await console.press("f5")
        assert "There is no policy, so everything asks." in console.screen_text() and "hitl-tui policy init" in console.screen_text()
        await console.press("e")
        assert "there is no policy.toml; `hitl-tui policy init` writes one" in console.notifications()
        ruled.write_policy(console.home.path)
        await console.until_shown("Rules  5")
        await console.press("j")
        assert view(console).items.cursor == 1
        os.remove(console.home.path / "policy.toml")
        await console.until_shown("There is no policy")
        await console.press("f1")
        assert "send_email" in console.screen_text()


@pytest.mark.slow
async def test_policy_in_the_agents_folder_is_shown_and_accepted_with_a_key(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("agents")
    ruled.write_policy(folder)
    monkeypatch.setattr("tests.ui.conftest.root_of", lambda key: folder)
    async with start_console() as console:
        await console.press("f5")
        await console.until_shown("nobody has accepted the policy", "Rules  5", "everything asks until the policy is accepted")
        await console.press("a")
        await console.until_shown("Accept the policy", "spot_check = 0.1")
        await console.press("n")
        await console.press("a", "y")
        assert "the policy is accepted, and takes effect" in console.notifications()
        assert "nobody has accepted" not in console.screen_text()
        body, actor = await console.store.one("SELECT body, actor FROM audit WHERE kind = 'policy'")
        assert str(folder / "policy.toml") in body and actor == "ann"
        ruled.write_policy(folder, ruled.POLICY + "# changed")
        await console.until_shown("nobody has accepted the policy")


@pytest.mark.slow
async def test_policy_view_edit_key_opens_the_editor_and_checks_the_result(
    start_console: StartConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr(HitlApp, "suspend", lambda self: contextlib.nullcontext())
    async with start_console("") as console:
        await filled(console)
        await console.press("f5")
        monkeypatch.setenv("EDITOR", "sed -i s/spot_check/spot_chek/")
        await console.press("e")
        assert "1 error in the policy: everything asks until it is fixed" in console.notifications()
        assert "unknown key 'spot_chek'" in console.screen_text()
        monkeypatch.setenv("EDITOR", "sed -i s/spot_chek/spot_check/")
        await console.press("e")
        assert "the policy is valid: 5 rules" in console.notifications()
        assert "unknown key" not in console.screen_text()
        monkeypatch.setenv("EDITOR", "/no/such/editor")
        await console.press("e")
        assert "cannot be started" in console.notifications()


@pytest.mark.slow
async def test_policy_view_shows_file_and_agent_text_as_plain_text(start_console: StartConsole) -> None:
    policy = '[[rule]]\nname = "[red]x[/] /y]"\ntool = ["[b]*"]\nwhen = "args.to == \'[/]\'"\noutcome = "ask"\n'
    async with start_console("") as console:
        ruled.write_policy(console.home.path, policy)
        await ruled.add_routed_run(console.store, console.project, "[i]agent[/i]", ("[b]\u202etool", {"to": "\x1b[31m[/]"}), policy=policy)
        await console.settle()
        await console.press("f5")
        assert "[red]x[/] /y]" in console.screen_text()
        assert "[b]⟨U+202E⟩tool" in console.screen_text()
        assert "args.to == '[/]' is false (args.to is \"\\u001b[31m[/]\")" in " ".join(text(console, "#walk").split())


@pytest.mark.slow
async def test_policy_view_on_a_small_screen_opens_details_on_enter(start_console: StartConsole) -> None:
    async with start_console("", size=(80, 24)) as console:
        await filled(console)
        await console.press("f5")
        assert "Rules  5" in console.screen_text() and "Why issue_refund" not in console.screen_text()
        await console.press("enter")
        assert "Why issue_refund" in console.screen_text() and "Rules  5" not in console.screen_text()
        await console.press("escape", "j")
        assert view(console).items.cursor == 1


@pytest.mark.slow
async def test_policy_view_with_an_empty_queue_explains_nothing(start_console: StartConsole) -> None:
    async with start_console("") as console:
        ruled.write_policy(console.home.path)
        await console.press("f5")
        assert "Select a review in the queue" in console.screen_text()
        assert view(console).items.has_focus
        await console.press("f2", "f5", "f1")
        assert "Nothing waits for you." in console.screen_text()


async def fill(home: Home, what: str) -> None:
    """Fill the home of a snapshot."""
    async with open_store(home.database) as store:
        of = await seed.add_project(store)
        await ruled.add_routed_reviews(store, of, NOW)
    if what != "absent":
        ruled.write_policy(home.path, ruled.POLICY.replace("spot_check", "spot_chek") if what == "broken" else ruled.POLICY)


SCREENS: list[tuple[str, str, tuple[int, int], str, Sequence[str]]] = [
    ("policy_80x24", "good", (80, 24), "", ["f5", "j", "j"]),
    ("policy_120x36", "good", (120, 36), "", ["f5", "j", "j"]),
    ("policy_broken", "broken", (120, 36), "", ["f5"]),
]


SLOW = [
    *((name, "good", size, theme, ["f5", "j", "j"]) for name, size, theme in looks("policy", {screen[0] for screen in SCREENS})),
    ("policy_details_80x24", "good", (80, 24), "", ["f5", "j", "j", "enter"]),
    ("policy_light", "good", (120, 36), "hitl-light", ["j", "right", "f5", "j"]),
    ("policy_absent", "absent", (120, 36), "", ["f5"]),
]


@pytest.mark.parametrize(("name", "what", "size", "theme", "keys"), cases(SCREENS, SLOW))
def test_screen(
    name: str, what: str, size: tuple[int, int], theme: str, keys: Sequence[str], tmp_path: Path, snap_compare: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    use_utc(monkeypatch)
    home = Home(tmp_path).prepare()
    asyncio.run(fill(home, what))
    assert snap_compare(Pictured(home, theme), terminal_size=size, run_before=press_keys(keys))


@pytest.mark.slow
async def test_reader_and_what_no_rule_decides_have_their_place_in_the_list(start_console: StartConsole) -> None:
    async with start_console("nothing", size=(120, 60)) as console:
        text = '[reader]\ncommand = ["/opt/look"]\ntool = ["send_*"]\nrisk = "irreversible"\n'
        (console.home.path / "policy.toml").write_text(text)
        async with console.store.transaction() as db:
            policy_log.count(db, [Verdict(Outcome.TAKEOVER, "reject loop", "x"), Verdict(Outcome.ASK, "limits", "x")], 1.0)
        await console.press("f5")
        screen = await console.until_shown("second reader", "look reads send_* · irreversible")
        assert "no longer in the file" not in screen
