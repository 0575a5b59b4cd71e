"""The process that runs agents: it leases runs, drives them to their next pause, and applies what people decided."""
