"""Which grants count: those of people who may make them, and signed where people.toml wants all decisions signed.

Workers, the drill, explanations and replays all read grants from here, so that they judge by the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.errors import HitlError
from hitl_tui.model import Grant, People, Role
from hitl_tui.people.rights import refusal
from hitl_tui.policy.grants import PastGrants
from hitl_tui.store import grants
from hitl_tui.store.connection import Store
from hitl_tui.store.signature_checks import problem_of_stored_grant

TAKEN_BEFORE = """
SELECT a.grant_id, count(*) FROM actions a JOIN decisions d ON d.review = a.review AND d.slot = a.slot
WHERE a.grant_id IS NOT NULL AND d.actor_kind = 'grant' AND d.at < :since GROUP BY a.grant_id
"""
OF_CHECKS = "SELECT g.id FROM grants g JOIN attention_checks c ON c.review = g.review"


class UsableGrants:
    """The grants of a home, checked each time: people.toml may have changed, or a grant may have been revoked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def usable(self, agent: str, run: int, people: People) -> list[Grant]:
        """The grants that may let calls of an agent's run through now. Reads at once."""
        found = grants.live(self._store, agent, run, people)
        return [one for one in found if not self._problem(one, people)]

    async def of_every_run(self, agent: str, people: People) -> list[Grant]:
        """The grants that may let calls of an agent through now, in whichever run."""
        of_checks, now = {number for (number,) in await self._store.all(OF_CHECKS)}, self._store.now()
        found = [one for one in await grants.every(self._store) if one.agent == agent and one.state(now) == "active"]
        return [one for one in found if one.id not in of_checks and self._counts(one, people)]

    def that_decided(self, numbers: Sequence[int], people: People) -> list[Grant]:
        """Of the grants that have let calls through, those that still count; also if those were their last uses."""
        found = [one for one in grants.some(self._store, numbers) if one.revoked_at is None and one.expires_at > self._store.now()]
        return [one for one in found if self._counts(one, people)]

    async def as_they_were(self, since: float, people: People) -> PastGrants:
        """All grants, for a replay of what was asked since that Unix time: each with the uses that were taken before."""
        taken = dict(await self._store.all(TAKEN_BEFORE, {"since": since}))
        of_checks = {number for (number,) in await self._store.all(OF_CHECKS)}
        found = [one for one in await grants.every(self._store) if one.id not in of_checks and self._counts(one, people)]
        return PastGrants(found, taken)

    def _counts(self, grant: Grant, people: People) -> bool:
        return refusal(people, grant.actor, Role.GRANT) is None and not self._problem(grant, people)

    def _problem(self, grant: Grant, people: People) -> str:
        if people.sign != "always":
            return ""
        try:
            return problem_of_stored_grant(self._store, grant, people)
        except HitlError as error:  # ssh-keygen is missing
            return error.happened
