"""Puts attention checks into the queue as often as the policy says: clearly wrong calls that can never run."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Action, Context, Outcome, Pause, Review, Routed, digest_of
from hitl_tui.oversight import attention_checks
from hitl_tui.policy import facts
from hitl_tui.policy.engine import judge
from hitl_tui.policy.schema import Policy
from hitl_tui.store import Store, audit, autonomy, reviews, runs
from hitl_tui.store import attention_checks as rows
from hitl_tui.store.reviews import read_context

PATIENCE_S = 900.0
"""How long a check that is due waits for a moment in which nothing tells it from other runs."""
AGAIN_S = 1.0
"""How often it is looked for."""


class AttentionChecks:
    """The attention checks of one project. Several workers may share them: one check is open at a time."""

    def __init__(self, store: Store, project: int) -> None:
        self._store = store
        self._project = project
        self._examined = (-1, 0)
        self._waits_since: float | None = None
        """Since when a check is due that could be told by its times."""

    @property
    def is_waiting(self) -> bool:
        """Whether a check is due that must not be put into the queue yet."""
        return self._waits_since is not None

    async def make(self, policy: Policy, now: float) -> bool:
        """Put a check into the queue if one is due. True if it did. Reads only the decisions since the last check."""
        every = 0 if policy.problem else policy.attention
        newest = rows.newest_decision(self._store) if every else 0
        if not every or self._examined == (newest, every):
            return False
        self._examined = (newest, every)
        state = rows.past_checks(self._store, self._project)
        if state.is_open:
            return False
        seed = f"{policy.seed}\0{audit.home_id(self._store)}\0{self._project}\0{state.count}"
        wanted = attention_checks.decisions_until_next(every, seed)
        if await rows.decisions_since(self._store, self._project, state.last, wanted) < wanted:
            return False
        return await self._put(policy, state.count, seed, now)

    async def _put(self, policy: Policy, number: int, seed: str, now: float) -> bool:
        found = await rows.sources(self._store, self._project)
        for source in sorted(found, key=lambda one: attention_checks.pick(f"{seed}\0{one.row.id}", 2**32)):
            action, context = source.actions[0], await reviews.context(self._store, source.row.id)
            text = canonical_json.dumps([asdict(context), source.value])
            wrong = attention_checks.make_wrong_call(action.name, action.args, action.args_schema, text, seed, _heard(context))
            if wrong is None:
                continue
            pause = _pause(source, context, wrong, seed, now)
            routed = await self._route(policy, source, pause, now)
            if routed is not None and source.thread != attention_checks.different_id(source.thread, seed):
                if not await rows.can_look_real(self._store, source, now, seed) and self._waits(now):
                    self._examined = (-1, 0)
                    return False
                self._waits_since = None
                return await rows.insert(self._store, source, pause, routed, wrong, number, seed) is not None
        return False

    def _waits(self, now: float) -> bool:
        """Whether to wait for a quiet moment; not for long, since some homes have none."""
        self._waits_since = self._waits_since if self._waits_since is not None else now
        return now - self._waits_since < PATIENCE_S

    async def _route(self, policy: Policy, source: Review, pause: Pause, now: float) -> Routed | None:
        """The policy's verdict on the check, as on any call; None if policy would not ask exactly one person."""
        run = await runs.get(self._store, source.row.run)
        if run is None:
            return None
        verdict = judge(facts.of_pause(run, pause, pause.actions[0]), policy, now, autonomy.levels(self._store, run.agent))
        return Routed({0: verdict}) if verdict.outcome is Outcome.ASK and verdict.reviewers < 2 else None


def _heard(context: Context) -> str:
    """What users and tools said before a review, as one text."""
    return "\n".join(message.text for message in context.conversation if message.role in ("user", "tool"))


def _pause(source: Review, context: Context, wrong: attention_checks.WrongCall, seed: str, now: float) -> Pause:
    """The pause of the source review with other ids, and with the wrong arguments wherever the agent wrote the right ones.

    Messages by the user stay unchanged: the user did not ask for the wrong arguments.
    """
    was = source.actions[0]
    call = was.tool_call and attention_checks.different_id(was.tool_call, f"{seed}\0call")

    def told(value: Any) -> Any:
        return attention_checks.replace_everywhere(attention_checks.replace_everywhere(value, was.args, wrong.args), was.tool_call, call)

    declared = was.declared or (source.row.risk if was.risk is None else None)
    action = Action(
        0,
        was.name,
        wrong.args,
        was.allowed,
        attention_checks.replace_in_text(was.description, was.args, wrong.args),
        was.args_schema,
        was.answer_schema,
        was.choices,
        call,
        digest_of(was.name, wrong.args),
        was.means,
        was.confidence,
        declared,
    )
    before = json.loads(canonical_json.dumps(asdict(context)))
    context_json = told(before)
    messages = zip(before["conversation"], context_json["conversation"], strict=True)
    context_json["conversation"] = [original if original["role"] == "user" else changed for original, changed in messages]
    return Pause(
        attention_checks.different_id(source.interrupt, f"{seed}\0interrupt", now - source.row.opened_at),
        source.row.kind,
        source.node,
        source.path,
        told(source.value),
        (action,),
        read_context(context_json),
        source.row.confidence,
        declared,
    )
