"""How far each agent's tool goes by itself: where it stands, what the evidence says, and people's word on the next step."""

from __future__ import annotations

from collections.abc import Callable

from hitl_tui.policy import PolicyNow
from hitl_tui.store import Store


class AutonomyDesk:
    """The ladder, as one reviewer sees and changes it."""

    def __init__(self, store: Store, reviewer: str, policy_now: Callable[[], PolicyNow], ring: Callable[[], None]) -> None:
        self._store = store
        self._reviewer = reviewer
        self._policy_now = policy_now
        self._ring = ring
