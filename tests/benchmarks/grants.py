"""Judging calls with 1,000 grants for their tools, relative to none: calls that grants cover are part of both sides' work."""

from __future__ import annotations

import time

from hitl_tui.home import sample_agents
from hitl_tui.model import Facts, Grant, Json, Message, Risk, Scope, digest_of
from hitl_tui.policy.engine import judge
from hitl_tui.policy.grants import NO_GRANTS, GrantIndex
from hitl_tui.policy.loader import read_policy
from tests.benchmarks.ratio import Ratio, median_ratio

GRANTS = 1000
ROUNDS = 40
PAIRS = 9
TOOLS = tuple(f"tool_{number}" for number in range(20))
SAID = (Message("user", "Answer all mails of today and file them. " * 20), Message("tool", "12 mails", name="list_mail"))


def made() -> list[Grant]:
    """For each of the tools grants of every kind: most pin a value, some are for exactly one call, a few bound a value."""
    found = list[Grant]()
    for number in range(GRANTS):
        tool, kind = TOOLS[number % len(TOOLS)], number // len(TOOLS)
        if kind % 10 == 0 and kind < 20:
            scope = Scope(condition=f'args.to in domain("host{number}.example.com")')
        elif kind % 3 == 0:
            scope = Scope(digest=digest_of(tool, {"to": f"person{number}@example.com"}))
        else:
            scope = Scope(condition=f'args.to == "person{number}@example.com" and args.count <= 100')
        found.append(Grant(number, 0.0, "ann", 1, 0, "desk", tool, scope, 20, 86_400.0, 1e12, risk=Risk.REVERSIBLE))
    return found


def calls() -> list[Facts]:
    """Calls that ask, of which no grant covers any."""
    args: list[dict[str, Json]] = [{"to": f"other{number}@example.org", "count": number, "body": "Dear all, " * 40} for number in range(40)]
    return [
        Facts(
            "desk",
            TOOLS[number % len(TOOLS)],
            one,
            risk=Risk.REVERSIBLE,
            confidence=0.7,
            conversation=SAID,
            id=str(number),
            digest=digest_of(TOOLS[number % len(TOOLS)], one),
        )
        for number, one in enumerate(args)
    ]


def measure() -> list[Ratio]:
    """The time to judge the same calls with and without grants."""
    policy, index, asked = read_policy(sample_agents() / "policy.toml"), GrantIndex(made()), calls()

    def judged(grants: GrantIndex) -> float:
        begun = time.perf_counter()
        for _ in range(ROUNDS):
            for facts in asked:
                judge(facts, policy, 0.0, {}, "", grants)
        return time.perf_counter() - begun

    judged(index)
    return [median_ratio("judging with 1,000 grants ÷ with none", 1.2, PAIRS, lambda: judged(index), lambda: judged(NO_GRANTS))]
