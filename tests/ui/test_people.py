"""What people may do on the screen: what is refused is not offered, and the header says how people are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hitl_tui.model import EVERYBODY, PauseKind, People, Person, Role
from hitl_tui.ui.commands import BY_ID, OF_AN_ACCOUNT
from hitl_tui.ui.dialogs.help import help_lines
from tests.ui.conftest import ConsoleDriver, StartConsole
from tests.ui.homes import seed

DECIDES, READS = (Role.DECIDE, Role.TAKE_OVER), (Role.READ,)


def people(*roles: Role, groups: tuple[str, ...] = (), trust_names: bool = False) -> People:
    """Ann with these roles, and bob of finance."""
    ann = Person("ann", roles=roles, groups=groups)
    return People((ann, Person("bob", groups=("finance",))), is_checked=True, trust_names=trust_names)


def offered(console: ConsoleDriver) -> set[str]:
    """The commands on the key line."""
    return {command for side in console.app.key_hints for command, _ in side}


def titles(console: ConsoleDriver) -> set[str]:
    """The commands in the palette."""
    return {str(command.title) for command in console.app.get_system_commands(console.app.screen)}


async def test_reader_is_offered_nothing_that_decides_and_told_why_keys_do_nothing(start_console: StartConsole) -> None:
    async with start_console(people=people(*READS)) as console:
        assert not offered(console) & {"approve", "edit", "reject", "respond", "take_over", "escalate", "claim", "new", "rate_message"}
        assert {"show_run", "filter", "copy"} <= offered(console) and "new run" not in titles(console)
        await console.press("a", "n", "P")
        assert console.refusals().count("people.toml does not give them the role decide") == 3
        assert len(console.app.screen_stack) == 1
        await console.press("t")
        assert "may not take runs over" in console.refusals()


async def test_call_of_others_offers_escalation_only(start_console: StartConsole) -> None:
    async with start_console("nothing", people=people(*DECIDES)) as console:
        mail = seed.action("send_email", seed.mail().args, decider="finance")
        await seed.add_waiting_run(console.store, console.project, "mail_assistant", seed.pause(PauseKind.TOOL_CALLS, mail))
        console.app._updates.ring()
        await console.until_shown("send_email")
        await console.until_keys_accepted()
        assert "escalate" in offered(console) and not offered(console) & {"approve", "edit", "reject", "take_over", "claim"}
        await console.press("r")
        assert "only finance (bob) decides" in console.refusals()


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (EVERYBODY, "ann · identity: not checked"),
        (people(*DECIDES, trust_names=True), "ann · names trusted"),
        (replace(people(*DECIDES), is_waiting=True), "ann · people.toml: change not signed"),
        (People((Person("bob"),), is_checked=True), "ann · may only look"),
        (People(is_checked=True, problem="people.toml, line 1: it is not TOML"), "ann · people.toml has a mistake"),
    ],
)
async def test_header_says_how_people_are_known(start_console: StartConsole, tmp_path: Path, known: People, said: str) -> None:
    async with start_console("nothing", people=known) as console:
        await console.until_shown(said)


async def test_pinned_session_lists_no_key_of_an_account(start_console: StartConsole, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start_console("nothing", people=people(*Role)) as console:
        of_an_account = {BY_ID[id_].about for id_ in OF_AN_ACCOUNT}
        everything = {row.text for row in help_lines({})}
        assert all(any(about in row for row in everything) for about in of_an_account) and "suspend" in titles(console)
        monkeypatch.setenv("HITL_TUI_PINNED", "ssh")
        assert not [row.text for row in help_lines({}) if "$EDITOR" in row.text or any(about in row.text for about in of_an_account)]
        assert not titles(console) & {"suspend", "$EDITOR", "edit file", "Screenshot"}


async def test_header_of_people_known_by_their_login_says_nothing_more(start_console: StartConsole) -> None:
    async with start_console("nothing", people=people(*DECIDES)) as console:
        assert "ann ·" not in (await console.until_shown("ann"))
