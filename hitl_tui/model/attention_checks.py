"""Attention checks: clearly wrong actions that people are shown now and then, and that can never run."""

from __future__ import annotations

from dataclasses import dataclass

from hitl_tui.model.actors import same_person


@dataclass(frozen=True, slots=True)
class AttentionCheck:
    """The result of an attention check."""

    review: int
    wrong: str
    """What was clearly wrong, as a clause."""
    actor: str
    """Who acted on it."""
    said: str
    """What they did: `approved`, `edited`, `rejected`, `answered`, `escalated to bob`, `taken over` or `cancelled`."""
    caught: bool
    """Whether the person did not approve it."""
    at: float
    """Unix time, seconds."""

    def told(self, reviewer: str) -> str:
        """A sentence for the reviewer: `that was an attention check: you caught it (…); nothing was going to run`."""
        who = "you" if same_person(self.actor, reviewer) else self.actor
        did = "caught it" if self.caught else "missed it"
        return f"that was an attention check: {who} {did} ({self.wrong}); nothing was going to run"
