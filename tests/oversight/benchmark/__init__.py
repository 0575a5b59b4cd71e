"""The oversight benchmark: what reaches a person, what that costs, and what goes wrong, by ways of routing calls."""
