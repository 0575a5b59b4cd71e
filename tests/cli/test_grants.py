"""`hitl-tui grant`, `grants` and `revoke`: what they print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hitl_tui.model import PauseKind
from hitl_tui.store import Store
from tests.cli.commands import Commands
from tests.ui.homes import seed

pytestmark = pytest.mark.slow


@pytest.fixture
def hitl(tmp_path: Path) -> Commands:
    """Commands on a home with review 1 of one call, and review 2 of two calls."""
    made = Commands(tmp_path)

    async def add(store: Store, project: int) -> None:
        lookup = seed.action("lookup", {"id": "A-1"})
        await seed.add_waiting_run(store, project, "desk", seed.pause(PauseKind.TOOL_CALLS, lookup))
        await seed.add_waiting_run(store, project, "desk", seed.pause(PauseKind.TOOL_CALLS, lookup, seed.action("look", {"id": "B"}, 1)))

    made.rows(add)
    return made


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("2", "--scope", "tool"), "review 2 has 2 calls; name one of them, like 2#1"),
        (("1", "--scope", "values"), "--arg goes with --scope values; give at least one"),
        (("1", "--scope", "call", "--arg", "id=A-1"), "--arg goes with --scope values"),
        (("1", "--scope", "tool", "--from", "id"), "'id' names no argument and tool"),
        (("1", "--scope", "tool", "--from", "id="), "'id=' names no argument and tool"),
        (("1", "--scope", "tool", "--from", "other=list_mail"), "'other=list_mail' names no argument and tool"),
        (("1#3", "--scope", "tool"), "review 1 has no call 3"),
    ],
)
def test_grant_of_what_makes_no_sense_is_refused(hitl: Commands, args: tuple[str, ...], said: str) -> None:
    assert said in hitl("grant", *args, code=1)
    assert "there are no grants" in hitl("grants")


def test_grant_of_one_call_says_its_risk_for_the_policy_and_ends_when_revoked(hitl: Commands) -> None:
    assert "nobody has said" in hitl("grant", "1", "--scope", "call", "--dry-run"), "what would keep it from letting the call through"
    told = hitl("grant", "2#2", "--scope", "call", "--risk", "read", "--reviewer", "ann")
    assert "grant 1: desk's look: " in told and "read, as ann says" in told
    assert 'add to policy.toml:\n  [[rule]]\n  name = "risk of look"\n  tool = "look"\n  risk = "read"' in told
    one = json.loads(hitl("grants", "1", "--json"))
    assert (one["tool"], one["risk"], one["state"], one["used_by"], one["from"]) == ("look", "read", "active", [], "2#2")
    assert one["digest"] and one["condition"] is None
    assert "no call has used it" in hitl("grants", "1")
    assert "grant 1 is revoked" in hitl("revoke", "1", "--why", "too wide")
    one = json.loads(hitl("grants", "1", "--json"))
    assert (one["state"], one["why"]) == ("revoked", "too wide")


def test_used_up_grant_is_suggested_as_a_rule_and_written_when_asked(hitl: Commands) -> None:
    policy = hitl.home.path / "policy.toml"
    assert hitl("policy", "suggest") == "nothing to suggest: too little was decided\n"
    assert json.loads(hitl("policy", "suggest", "--json")) == {"suggestions": [], "diff": "", "replay": None}
    ping = seed.pause(PauseKind.TOOL_CALLS, seed.action("ping", {}))
    hitl.rows(lambda store, project: seed.add_waiting_run(store, project, "desk", ping))
    hitl("grant", "3", "--scope", "tool", "--uses", "3", "--risk", "read", "--reviewer", "ann")
    hitl.rows(lambda store, _: store.write("UPDATE grants SET taken = uses"))
    told = hitl("policy", "suggest")
    assert "Grant 1 by ann was used up: 3 calls, none rejected or rated down." in told
    assert '+name = "as grant 1"' in told and "none of those that people rejected would run by itself" in told
    assert told.endswith("accept: hitl-tui policy suggest --write\n") and not policy.exists()
    assert hitl("policy", "suggest", "--write").endswith("written into policy.toml\n")
    assert 'tool = "ping"' in policy.read_text() and policy.stat().st_mode & 0o777 == 0o600
    assert "is valid: 1 rule" in hitl("policy", "check")


def test_policy_accept_is_refused_without_a_policy_and_for_that_of_the_home(hitl: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hitl.home.path)
    assert "there is no policy.toml; name the file" in hitl("policy", "accept", code=1)
    (hitl.home.path / "policy.toml").write_text("spot_check = 0\n")
    assert "is the home's policy, which needs no acceptance" in hitl("policy", "accept", code=1)
