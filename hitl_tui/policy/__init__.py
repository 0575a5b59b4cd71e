"""Policy: what goes on by itself, what asks, what a person takes over, what is denied. Pure, but for `files`, which reads policy.toml."""

from hitl_tui.policy.files import PolicyFile, policy_paths, read_policy, read_text
from hitl_tui.policy.judging import BROKEN, is_picked, judge, risk_of, unsampled
from hitl_tui.policy.pending import not_yet
from hitl_tui.policy.reading import Problem, examine, parse
from hitl_tui.policy.replaying import Replay
from hitl_tui.policy.rules import Hours, Notify, Policy, Rule, Step, Thresholds

__all__ = [
    "BROKEN", "Hours", "Notify", "Policy", "PolicyFile", "Problem", "Replay", "Rule", "Step", "Thresholds",
    "examine", "is_picked", "judge", "not_yet", "parse", "policy_paths", "read_policy", "read_text", "risk_of", "unsampled",
]  # fmt: skip
