"""The policy in force, how often its rules matched, and what it says about a review."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hitl_tui.errors import Stale
from hitl_tui.model import Action, Review, Role, RuleCount
from hitl_tui.store import agents

if TYPE_CHECKING:
    from hitl_tui.drill.report import Report
    from hitl_tui.effects.view import EffectSettings
    from hitl_tui.inbox.inbox import Inbox
    from hitl_tui.policy.explain import Explanation, Walk
    from hitl_tui.policy.loader import Policies, PolicyStatus
    from hitl_tui.policy.schema import Policy, Unseen


class PolicyLookup:
    """The policies of this home and its projects, as their files are now."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store
        self._policies: Policies | None = None

    def active(self, target: str = "") -> Policy | None:
        """The policy in force, or that of a project if `target` names one; None if there is none. Costs one or two `stat` calls."""
        return self.status(target).policy

    def status(self, target: str = "") -> PolicyStatus:
        """The policy in force with its file and errors. Returns the same object while the file does not change."""
        policies = self._found()
        if policies is None:
            from hitl_tui.policy.loader import PolicyStatus

            return PolicyStatus()
        return policies.of(target).now()

    def unseen(self, risk: str | None) -> Unseen:
        """Whether a call of that risk can be approved while a part of it is unseen: `never`, `confirm` or `allow`.

        Only the home's policy sets this, because agents may write in the folder of their project.
        """
        from hitl_tui.policy.schema import ReviewSettings

        policy = self._of_home()
        return (policy.review if policy else ReviewSettings()).unseen_of(risk)

    def undo_s(self, risks: Iterable[str | None], default: float) -> float:
        """Seconds in which a decision on calls of these risks can be undone: the longest of them. Only the home's policy can set them."""
        policy = self._of_home()
        return max((policy.review.undo_s_of(risk, default) for risk in risks), default=default) if policy else default

    def _of_home(self) -> Policy | None:
        policies = self._found()
        return policies.of_home.current() if policies else None

    def _found(self) -> Policies | None:
        if self._policies is None and self._inbox.find_policies:
            from hitl_tui.store import policy_log

            self._policies = self._inbox.find_policies()
            self._policies.accepted = functools.partial(policy_log.is_accepted, self._store)
        return self._policies

    async def accept(self, path: Path, digest: str) -> None:
        """Let the policy in an agents' folder take effect, as it is now. Each change of the file must be accepted again.

        Args:
            path: the file.
            digest: SHA-256 (hex) of its text as this person has read it.

        Raises:
            BadPolicy: it cannot be read or has a mistake.
            Stale: it was changed meanwhile.
        """
        from hitl_tui.policy.loader import digest_of, read_policy, read_text
        from hitl_tui.store import policy_log

        await self._inbox.require(Role.POLICY, "accept a policy")
        found = read_policy(path, self._inbox.people())
        if digest_of(read_text(path)) != digest:
            raise Stale(f"{path} was changed meanwhile", "read it again")
        await policy_log.accept(self._store, path, digest, len(found.rules), self._inbox.reviewer)
        self._inbox.ring()

    async def of_review(self, review: int) -> Policy | None:
        """The policy that applies to a review: the home's if it has one, otherwise that of the review's project."""
        return self.active(await agents.target_of(self._store, review))

    async def effect_settings(self, review: Review) -> Mapping[int, EffectSettings]:
        """By slot, what is known beside the arguments of a review's calls, to tell what they would do."""
        from hitl_tui.effects.view import EffectSettings
        from hitl_tui.home import Home

        target = await agents.target_of(self._store, review.row.id)
        policy, policies, run = self.active(target), self._found(), await self._inbox.runs.get(review.row.run)
        folder = Home(policies.home).workdir(run.thread) if policies else ""
        own = policy.domains if policy else ()
        views = {action.slot: policy.views_of(review.row.agent, action.name) if policy else {} for action in review.actions}
        return {slot: EffectSettings(one, str(folder), own, run.input) for slot, one in views.items()}

    async def destroyed(self, review: Review) -> Mapping[int, str]:
        """By slot, what a call's commands or statements destroy, in words; only of those that destroy something."""
        from hitl_tui.effects.view import destroyed

        settings = await self.effect_settings(review)

        def look() -> dict[int, str]:
            found = {action.slot: destroyed(action.args, settings[action.slot]) for action in review.actions}
            return {slot: words for slot, words in found.items() if words}

        return await asyncio.to_thread(look) if review.row.kind.is_tool_call else {}

    async def rule_counts(self) -> list[RuleCount]:
        """How often each rule matched, by outcome."""
        from hitl_tui.store import policy_log

        return await policy_log.counts(self._store)

    async def drill(self, target: str, since: float, own: Sequence[Mapping[str, Any]] = ()) -> Report:
        """Let the policy of a target judge good and bad calls of its agents, as `drill/` makes them. Nothing runs.

        Args:
            target: the target, whose agents have been loaded.
            since: Unix time from which on decisions are read.
            own: bad calls of a user's own, as `own_calls` takes them.
        """
        from hitl_tui.drill import calls
        from hitl_tui.drill.report import drill
        from hitl_tui.policy.grants import GrantIndex
        from hitl_tui.policy.loader import read_text
        from hitl_tui.store import autonomy, history
        from hitl_tui.store.usable_grants import UsableGrants

        status, levels = self.status(target), await autonomy.every_level(self._store)
        found = [agent for agent in await agents.of_project(self._store, target) if not agent.error]
        names = {agent.name for agent in found}
        async with contextlib.aclosing(history.decided_since(self._store, since)) as batches:
            past = [one async for batch in batches for one in batch if one.agent in names]

        people, usable = self._inbox.people(), UsableGrants(self._store)
        granted = GrantIndex([grant for name in sorted(names) for grant in await usable.of_every_run(name, people)])

        def work() -> Report:
            schemas = {(agent.name, tool): schema for agent in found for tool, schema in agent.tools.items()}
            goods = calls.good_calls(schemas, past)
            domains = status.policy.domains if status.policy else ()
            bads = [
                bad for good in calls.first_of_each(goods) for bad in calls.bad_calls(good, schemas.get((good.agent, good.tool)), domains)
            ]
            bads += calls.own_calls(own, calls.first_of_each(goods))
            text = read_text(status.path) if status.path else ""
            made = drill(goods, bads, status.policy, text, levels, past, time.time(), granted)
            known = {(good.agent, good.tool) for good in goods}
            return replace(made, without=tuple(f"{agent}: {tool}" for agent, tool in schemas if (agent, tool) not in known))

        return await asyncio.to_thread(work)  # parsers and replays take seconds

    async def explain(self, review: int) -> Explanation:
        """Explain what the current policy says about a review's actions, with the facts of when the review opened.

        Raises:
            Refused: there is no such review.
        """
        from hitl_tui.policy import facts
        from hitl_tui.policy.explain import Explanation, explain
        from hitl_tui.policy.grants import GrantIndex
        from hitl_tui.store import autonomy
        from hitl_tui.store.usable_grants import UsableGrants

        found = await self._inbox.reviews.get(review)
        run = await self._inbox.runs.get(found.row.run)
        target = await agents.target_of(self._store, review)
        now = self.status(target)
        note, levels = facts.warning_of(found), autonomy.levels(self._store, run.agent)
        context = await self._inbox.reviews.context(review)
        index = GrantIndex(UsableGrants(self._store).usable(run.agent, run.id, self._inbox.people()))

        def explained(action: Action) -> Walk:
            return explain(facts.of_review(run, found, action, context), now.policy, found.row.opened_at, note, levels, index)

        walks = {a.slot: await asyncio.to_thread(explained, a) for a in found.actions}  # it may import parsers, and search a conversation
        return Explanation(found, target, now, walks)
