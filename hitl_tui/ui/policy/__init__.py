"""The policy view (F5): rules, autonomy levels, changes of the policy file."""
