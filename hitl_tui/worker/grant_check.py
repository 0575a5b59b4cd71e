"""Which grants a worker lets calls through by: of people who may make them, and signed where people.toml wants all decisions signed."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.errors import HitlError
from hitl_tui.model import Grant, People, Role, Run
from hitl_tui.people.rights import refusal
from hitl_tui.store import Store, grants
from hitl_tui.store.signature_checks import problem_of_stored_grant


class UsableGrants:
    """The grants of a home, checked each time: people.toml may have changed, or a grant may have been revoked."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def usable(self, run: Run, people: People) -> list[Grant]:
        """The grants that may let calls of a run through now."""
        found = grants.live(self._store, run.agent, run.id, people)
        return [one for one in found if not self._problem(one, people)]

    def that_decided(self, numbers: Sequence[int], people: People) -> list[Grant]:
        """Of the grants that have let calls through, those that still count; also if those were their last uses."""
        found = [one for one in grants.some(self._store, numbers) if one.revoked_at is None and one.expires_at > self._store.now()]
        return [one for one in found if refusal(people, one.actor, Role.GRANT) is None and not self._problem(one, people)]

    def _problem(self, grant: Grant, people: People) -> str:
        if people.sign != "always":
            return ""
        try:
            return problem_of_stored_grant(self._store, grant, people)
        except HitlError as error:  # ssh-keygen is missing
            return error.happened
