"""What a policy may say and nobody acts upon yet: told, lest somebody relies on it."""

from __future__ import annotations

from collections.abc import Iterator

from hitl_tui.policy.places import Path, line_of, places
from hitl_tui.policy.reading import Problem
from hitl_tui.policy.rules import Policy, Rule

WAITS = "the review waits until somebody decides it"
ANYBODY = "whoever comes first decides it"
ONE = "one person's approval is enough"


def not_yet(text: str, policy: Policy) -> list[Problem]:
    """Warnings for a policy that was read from the text without complaint, in order of lines."""
    lines = places(text)
    found = [(path, f"{key} of rule {rule.name!r}", then) for path, rule, key, then in _of_rules(policy.rules)]
    found += [(("escalation", "step", 0), "the escalation chain", WAITS)] if policy.chain else []
    found += [(("notify",), "notify", "nobody is told but by the queue")] if ("notify",) in lines else []
    problems = [
        Problem(line_of(lines, path), f"{what} is not acted upon yet", f"until it is, {then}", is_error=False) for path, what, then in found
    ]
    return sorted(problems, key=lambda problem: problem.line)


def _of_rules(rules: tuple[Rule, ...]) -> Iterator[tuple[Path, Rule, str, str]]:
    for number, rule in enumerate(rules):
        for key, used, then in (
            ("deadline", rule.deadline_s is not None, WAITS),
            ("reviewers", rule.reviewers > 1, ONE),
            ("to", rule.to, ANYBODY),
        ):
            if used:
                yield ("rule", number, key), rule, key, then
