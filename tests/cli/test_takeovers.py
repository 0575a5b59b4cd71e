"""`hitl-tui take-over`, `hand-back`, `confirm` and `discard`: what they print and refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hitl_tui.inbox import Inbox
from hitl_tui.model import PauseKind, TakeoverPlan
from hitl_tui.store import Store
from tests.cli.commands import Commands
from tests.ui.homes import seed

pytestmark = pytest.mark.slow
PLAN = '{"state": {"paid": true}}'


@pytest.fixture
def hitl(tmp_path: Path) -> Commands:
    """Commands on a home whose run r1 asks what two people must approve."""
    made = Commands(tmp_path)
    made.rows(lambda store, project: asking(store, project, reviewers=2))
    return made


async def asking(store: Store, project: int, **demands: Any) -> None:
    """Add a run that waits and can be taken over."""
    asked = seed.pause(PauseKind.TOOL_CALLS, seed.action("send_email", seed.mail().args, **demands))
    await seed.add_waiting_run(store, project, "mail_assistant", asked)
    await store.write("INSERT INTO heads (run, checkpoint, nodes, calls) SELECT id, 'c', '[]', '[]' FROM runs")


def test_hand_back_is_confirmed_by_the_digest_of_the_plan_that_was_read(hitl: Commands) -> None:
    hitl("take-over", "r1", "--reviewer", "ann")
    told = hitl("hand-back", "r1", "--plan", PLAN, "--reviewer", "ann")
    assert told == "run r1 is handed back once another person has confirmed it: hitl-tui confirm r1\n"
    shown = hitl("confirm", "r1", "--reviewer", "bob")
    assert "ann hands run r1 back with this plan:\n" in shown and '"paid": true' in shown
    digest = shown.split()[-1]
    assert "the plan has another digest" in hitl("confirm", "r1", "--digest", "2:0", "--reviewer", "bob", code=1)
    assert "you handed it back yourself" in hitl("confirm", "r1", "--digest", digest, "--reviewer", "ann", code=1)
    told = hitl("confirm", "r1", "--digest", digest, "--reviewer", "bob")
    assert told == "the hand-back of run r1 is confirmed; its agent goes on\n"
    assert "no hand-back of run r1 waits for another person" in hitl("confirm", "r1", "--reviewer", "bob", code=1)


def test_plan_on_the_command_line_and_in_a_file_is_a_usage_error(hitl: Commands, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN)
    assert "pass only one of --plan JSON and --plan-file" in hitl("hand-back", "r1", "--plan", PLAN, "--plan-file", str(file), code=2)
    hitl("take-over", "r1", "--reviewer", "ann")
    assert "handed back" in hitl("hand-back", "r1", "--plan-file", str(file), "--reviewer", "ann")


def test_plan_with_a_part_that_cannot_be_read_is_not_handed_back(hitl: Commands) -> None:
    async def write(store: Store, _: int) -> None:
        ann = Inbox(store, "ann")
        await ann.takeovers.save_plan((await ann.takeovers.take(1)).id, TakeoverPlan(guidance="wait"), {"state": "{", "calls": "["})

    hitl.rows(write)
    assert "what you typed for state and calls is not valid yet" in hitl("hand-back", "r1", "--reviewer", "ann", code=1)
    assert "handed back" in hitl("hand-back", "r1", "--plan", PLAN, "--reviewer", "ann"), "a plan that is passed counts instead"


def test_discarded_takeover_leaves_the_run_and_cannot_be_discarded_again(hitl: Commands) -> None:
    hitl("take-over", "r1", "--reviewer", "ann")
    assert hitl("discard", "r1", "--reviewer", "ann") == "run r1 stays as it was before the takeover\n"
    assert "run r1 is not taken over: the last takeover was discarded" in hitl("discard", "r1", "--reviewer", "ann", code=1)
