"""A trial of the sample mail assistant with a reviewer by script: what three grants, and the rules they become, spare a person.

A real worker runs the assistant, and every decision is made by `hitl-tui decide`. The reviewer decides by what a call says alone. Grants
are made from the first half; what they spare, and what they let through, is measured on the second half, which nobody had seen then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from hitl_tui.home import sample_agents
from hitl_tui.model import Action, ActorKind, DecisionKind, Review
from hitl_tui.store import audit
from tests.support.harness import Reviewer, SandboxFactory, open_reviewer

TASKS = ("label the inbox", "archive m-101, m-102, m-103, m-104, m-105 and m-106, reply to Bob and delete the newsletter and the spam")
CALLS = 18
"""Calls that both tasks come to."""
SEEN, GRANTED, BY_RULES = 6, 4, 2
"""Rounds of both tasks: without grants; with grants, which are used up then; with the rules that they became."""
POLICY = """
spot_check = 0
[thresholds]
auto = 1.0
ask = 0.0
[[rule]]
name = "outgoing mail"
tool = ["send_mail", "delete_mail"]
risk = "irreversible"
outcome = "ask"
[[rule]]
name = "filing"
tool = ["archive_mail", "label_mail"]
risk = "reversible"
"""
GRANTS: tuple[tuple[str, dict[str, str], int, tuple[str, ...]], ...] = (
    ("label_mail", {"label": "invoices"}, 4, ("--scope", "values", "--arg", "label=invoices", "--from", "message_id=read_mail")),
    ("label_mail", {"label": "newsletter"}, 1, ("--scope", "values", "--arg", "label=newsletter", "--from", "message_id=read_mail")),
    ("archive_mail", {}, 6, ("--scope", "tool", "--from", "message_id=read_mail")),
)
"""Tool, arguments of a call that the grant is made from, calls of a round that it covers, and the options."""


def wanted(tool: str, args: Any) -> DecisionKind:
    """What the reviewer decides about a call."""
    if (tool, args.get("label")) == ("label_mail", "spam") or (tool, args.get("message_id")) == ("delete_mail", "m-107"):
        return DecisionKind.REJECT  # spam is deleted and not labelled, and the newsletter is read
    return DecisionKind.APPROVE


@dataclass
class Trial:
    """The assistant's runs and the reviewer."""

    reviewer: Reviewer
    asked: Counter[str] = field(default_factory=Counter)
    """By phase, the calls that a person decided."""
    ran: dict[str, list[Action]] = field(default_factory=dict)
    """By phase, the calls that ran without a person."""

    async def rounds(self, phase: str, count: int) -> None:
        """Let the assistant do its tasks so often, and decide what it asks."""
        sandbox, known = self.reviewer.sandbox, {row.id for row in await self.reviews()}
        for _ in range(count):
            for task in TASKS:
                sandbox.cli("launch", "mail_assistant", task)
        assert sandbox.run_until_idle() == 0
        new = [await self.reviewer.inbox.reviews.get(row.id) for row in await self.reviews() if row.id not in known]
        assert sum(len(review.actions) for review in new) == count * CALLS
        for review, action in self.open_calls(new):
            sandbox.cli("decide", f"{review.row.id}#{action.number}", wanted(action.name, action.args))
            self.asked[phase] += 1
        by_itself = (ActorKind.POLICY, ActorKind.GRANT)
        self.ran[phase] = [
            one for review in new for one in review.actions if (made := review.decisions.get(one.slot)) and made.actor_kind in by_itself
        ]
        assert sandbox.run_until_idle() == 0

    async def reviews(self) -> list[Any]:
        runs = await self.reviewer.store.all("SELECT id FROM runs ORDER BY id")
        return [row for (run,) in runs for row in await self.reviewer.inbox.reviews.of_run(run)]

    @staticmethod
    def open_calls(reviews: list[Review]) -> Iterator[tuple[Review, Action]]:
        return ((review, one) for review in reviews for one in review.actions if one.slot in review.undecided)

    async def call(self, tool: str, args: dict[str, str]) -> str:
        """The newest call of a tool with these arguments, as `12#1`."""
        for row in reversed(await self.reviews()):
            for one in (await self.reviewer.inbox.reviews.get(row.id)).actions:
                if one.name == tool and isinstance(one.args, dict) and args.items() <= one.args.items():
                    return f"{row.id}#{one.number}"
        raise AssertionError(f"there is no {tool}")

    def spared(self, phase: str, rounds: int) -> float:
        return 1 - self.asked[phase] / (rounds * CALLS)


@pytest.mark.slow
async def test_three_grants_and_their_rules_spare_most_questions_and_let_no_rejected_call_through(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox(str(sample_agents()))) as reviewer:
        sandbox, trial = reviewer.sandbox, Trial(reviewer)
        path = sandbox.home.path / "policy.toml"
        path.write_text(POLICY)
        await trial.rounds("seen", SEEN)
        assert trial.asked["seen"] == SEEN * CALLS and not trial.ran["seen"], "a person decided all of it"
        for tool, args, each, options in GRANTS:
            made = sandbox.cli_json("grant", await trial.call(tool, args), *options, "--uses", str(each * GRANTED))
            assert made["evidence"]["approved"] and not made["evidence"]["rejected"], "the first half speaks against none"
        await trial.rounds("granted", GRANTED)
        assert {one["state"] for one in sandbox.cli_json("grants")} == {"used up"}
        suggested = sandbox.cli_json("policy", "suggest", "--write")
        assert len(suggested["suggestions"]) == len(GRANTS) and suggested["replay"]["let_through"] == []
        assert path.read_text().count('name = "as grant ') == len(GRANTS)
        await trial.rounds("by rules", BY_RULES)
        decided = await reviewer.store.one("SELECT count(*) FROM decisions WHERE NOT superseded")
        assert tuple(decided) == ((SEEN + GRANTED + BY_RULES) * CALLS,) and decided[0] >= 200
        for phase, rounds in (("granted", GRANTED), ("by rules", BY_RULES)):
            assert trial.spared(phase, rounds) >= 0.6
            assert [one for one in trial.ran[phase] if wanted(one.name, one.args) is not DecisionKind.APPROVE] == []
        replayed = sandbox.cli_json("policy", "replay")
        assert replayed["let_through"] == [] and replayed["actions"] == decided[0]
        by_grants, by_rules = trial.spared("granted", GRANTED), trial.spared("by rules", BY_RULES)
        print(f"{decided[0]} decisions; spared by grants {by_grants:.0%}, by rules {by_rules:.0%}")
        assert audit.verify(sandbox.home.database).problem == ""
