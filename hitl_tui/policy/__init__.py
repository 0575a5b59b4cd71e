"""Policy: what goes on by itself, what asks, what a person takes over, what is denied. Pure, but for `files`, which reads policy.toml."""

from hitl_tui.policy.files import Policies, PolicyFile, PolicyNow, policy_paths, read_policy, read_text
from hitl_tui.policy.judging import BROKEN, careful, is_picked, judge, risk_of, unsampled
from hitl_tui.policy.reading import Problem, examine, parse
from hitl_tui.policy.replaying import Replay
from hitl_tui.policy.rules import Hours, Ladder, Notify, Policy, Rule, Step, Thresholds

__all__ = [
    "BROKEN", "Hours", "Ladder", "Notify", "Policies", "Policy", "PolicyFile", "PolicyNow", "Problem", "Replay", "Rule", "Step",
    "Thresholds", "careful", "examine", "is_picked", "judge", "parse", "policy_paths", "read_policy", "read_text", "risk_of", "unsampled",
]  # fmt: skip
