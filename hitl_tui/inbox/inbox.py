"""One reviewer at the store: what waits, what was decided, agents and runs, and the desks of this room."""

from __future__ import annotations

import functools
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hitl_tui import canonical_json, failpoints, handback, validation
from hitl_tui.errors import Refused, Stale
from hitl_tui.failpoints import Step
from hitl_tui.model import (
    Agent,
    Answer,
    Attention,
    Context,
    Endorsement,
    Entry,
    Escalation,
    Event,
    HandBack,
    Head,
    Json,
    Look,
    Notice,
    Past,
    Recalled,
    Remembered,
    Review,
    ReviewRow,
    ReviewState,
    RuleCount,
    Run,
    RunOptions,
    RunState,
    TakeOver,
    Version,
    Worker,
)
from hitl_tui.policy import escalation
from hitl_tui.store import (
    Store,
    agents,
    attention_findings,
    changefeed,
    claims,
    decisions,
    drafts,
    endorsements,
    escalations,
    events,
    history,
    notifications,
    people,
    policy_log,
    reviews,
    runs,
    takeovers,
    views,
    workers,
)
from hitl_tui.store.changefeed import Rev

if TYPE_CHECKING:
    from hitl_tui.inbox.autonomy import AutonomyDesk
    from hitl_tui.inbox.feedback import RatingsDesk
    from hitl_tui.inbox.insights import InsightsDesk
    from hitl_tui.inbox.lessons import LessonsDesk
    from hitl_tui.policy.explain import Explained
    from hitl_tui.policy.loader import Policies, PolicyNow
    from hitl_tui.policy.schema import Policy


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since the last look."""

    rev: Rev
    """How far they go; give it to the next call."""
    reviews: list[ReviewRow]
    runs: list[Run]
    whole: bool = True
    """False when the caller fell so far behind that some are missing: read everything anew."""


def new_run_input(agent: Agent | None, text: str | None, given: Json) -> Json:
    """The stored form of a launch's input: `{"text": …}` or `{"input": …}`, checked against the agent's schema when it is known.

    Raises:
        Refused: the input does not fit.
    """
    if text is not None:
        if not text.strip():
            raise Refused("the text is empty", "say what the agent shall do")
        if agent and not agent.takes_text:
            raise Refused(f"{agent.name} takes no plain text", "give its input as JSON (--input)")
        return {"text": text}
    problem = validation.schema_problem(given, agent.input_schema) if agent else ""
    if agent and problem:
        raise Refused(f"the input does not fit {agent.name}: {problem}", "correct it")
    return {"input": given}


def signature(reviewer: str) -> str:
    """The name as it signs what a person does.

    Raises:
        Refused: it is none, or not a person's.
    """
    name = " ".join(reviewer.split())
    if not name:
        raise Refused("a reviewer needs a name", "give one with --reviewer, or in config.toml")
    if name.lower().startswith(("policy:", "timeout:", "agent:")) or name.lower() == "autonomy":
        raise Refused(f"{reviewer!r} is how policy and agents sign", "choose another reviewer's name")
    return name


class Inbox:
    """One reviewer at the store."""

    def __init__(
        self,
        store: Store,
        reviewer: str,
        ring: Callable[[], None] = lambda: None,
        grace_s: float = 0.0,
        policies: Callable[[], Policies] | None = None,
        claim_s: float = 900.0,
    ) -> None:
        """`policies` is called when one is first asked for: the first frame waits for none."""
        self.reviewer = signature(reviewer)
        self.store = store
        self._claim_s = claim_s
        self._ring = ring
        self._grace_s = grace_s
        self._find_policies = policies
        self._policies: Policies | None = None

    # What reviews teach; each has a desk of its own, made when it is first gone to

    @functools.cached_property
    def ratings(self) -> RatingsDesk:
        """Thumbs, and the reasons people give."""
        from hitl_tui.inbox.feedback import RatingsDesk

        return RatingsDesk(self.store, self.reviewer, self._ring)

    @functools.cached_property
    def insights(self) -> InsightsDesk:
        """What the decisions say about agents and reviewers."""
        from hitl_tui.inbox.insights import InsightsDesk

        return InsightsDesk(self.store, self.reviewer)

    @functools.cached_property
    def autonomy(self) -> AutonomyDesk:
        """How far each tool goes by itself."""
        from hitl_tui.inbox.autonomy import AutonomyDesk

        return AutonomyDesk(self.store, self.reviewer, self.policy_now, self._ring)

    @functools.cached_property
    def lessons(self) -> LessonsDesk:
        """What rejections and corrections come to."""
        from hitl_tui.inbox.lessons import LessonsDesk

        return LessonsDesk(self.store, self.reviewer, self._ring)

    # The queue

    async def waiting_ids(self) -> array[int]:
        """Ids of all open reviews, oldest first."""
        return await reviews.waiting_ids(self.store)

    async def matching_ids(self, text: str) -> array[int]:
        """Ids of the open reviews that fit a line of the filter language, oldest first.

        Raises:
            Refused: the line has a slip.
        """
        from hitl_tui import filter_language
        from hitl_tui.store import search

        return await search.waiting_ids(self.store, filter_language.parse(text, time.time()))

    def fitting(self, text: str, ids: Sequence[int]) -> set[int]:
        """Those of a few reviews that fit a line of the filter language, open or not; at once.

        Raises:
            Refused: the line has a slip.
        """
        from hitl_tui import filter_language
        from hitl_tui.store import search

        return search.fitting(self.store, filter_language.parse(text, time.time()), ids)

    async def rows(self, ids: Sequence[int]) -> list[ReviewRow]:
        """These reviews as the queue shows them, in order of id."""
        return await reviews.rows(self.store, ids)

    async def waiting(self, limit: int) -> list[ReviewRow]:
        """The oldest reviews not yet applied."""
        return await reviews.waiting(self.store, limit)

    async def changes(self, rev: Rev) -> Changes:
        """What changed after `rev`. A caller that starts gets its first `rev` from `now`, before it reads anything else."""
        now = await changefeed.now(self.store)  # first: what changes meanwhile comes twice, never not at all
        if now == rev:
            return Changes(now, [], [])
        whole = rev.change >= await changefeed.reach(self.store)
        return Changes(now, await reviews.changed(self.store, rev), await runs.changed(self.store, rev), whole)

    async def now(self) -> Rev:
        """How far things have come."""
        return await changefeed.now(self.store)

    # A review

    async def review(self, review: int) -> Review:
        """One review whole, without its context.

        Raises:
            Refused: there is none of that id.
        """
        found = await reviews.get(self.store, review)
        if found is None:
            raise Refused(f"there is no review {review}", "`hitl-tui queue` lists what waits")
        return found

    async def context(self, review: int) -> Context:
        """Conversation, reasoning, attempts and state around a review."""
        return await reviews.context(self.store, review)

    async def versions(self, review: int) -> list[Version]:
        """What went to and fro before: the drafts, or calls of the same tools, that were sent back for another pass, oldest first."""
        return await drafts.versions(self.store, review)

    async def notices(self, review: int) -> list[Notice]:
        """By which ways people were told of the review's escalations, and what became of that."""
        return await notifications.of_review(self.store, review)

    async def decide(self, review: Review, answers: Mapping[int, Answer], looked_ms: int | None = None) -> ReviewState:
        """Check the answers, by slot, against what was shown, and store them, all or none.

        Returns `open` while other slots are undecided, or another person must say the same, else `decided`; at once `applied` when it was
        an attention check (`attention` tells).

        Raises:
            Refused: an answer does not fit its action, somebody else has claimed the review, or this person has said so already.
            Stale: the review is no longer open, or has changed since it was shown.
        """
        shown = {action.slot: action for action in review.actions}
        for slot, answer in answers.items():
            if slot not in shown:
                raise Refused(f"review {review.row.id} has no action {slot}", f"it has {', '.join(map(str, shown))}")
            validation.check(review.row.kind, shown[slot], answer)
        self._must_be_with_its_agent(review.row.run)
        await decisions.decide(self.store, review.row.id, answers, shown, self.reviewer, self._grace_s, looked_ms)
        failpoints.reached(Step.DECIDED)
        self._ring()
        return await decisions.state_of(self.store, review.row.id)

    def attention(self, review: int) -> Attention | None:
        """What became of a review that was an attention check; None while it waits, and of every other. At once."""
        return attention_findings.of_review(self.store, review)

    def attention_of(self, run: int) -> Attention | None:
        """The same of the one review of a run."""
        return attention_findings.of_run(self.store, run)

    async def undo(self, review: int) -> None:
        """Take back what this reviewer said last of a review: before its grace time is over, or while some action is undecided.

        Raises:
            Refused: nothing of it is theirs.
            Stale: it is too late; the sentence says why.
        """
        await decisions.undo(self.store, review, self.reviewer)
        self._ring()

    async def claim(self, review: int, reason: str = "") -> None:
        """Have a review for the time `config.toml` gives a claim: meanwhile nobody else decides it, and its escalation goes no further.

        Claiming one's own again renews it.

        Raises:
            Refused: somebody else has it, and no reason is given to take it from them.
            Stale: it is no longer open.
        """
        await claims.claim(self.store, review, self.reviewer, self._claim_s, reason.strip())

    async def release(self, review: int) -> None:
        """Give a claimed review back.

        Raises:
            Refused: this reviewer does not have it.
        """
        await claims.release(self.store, review, self.reviewer)

    async def escalate(self, review: int, to: str, note: str = "") -> None:
        """Put an open review before a group or a person, or with an empty `to` before anybody, with a note; a claim on it is given back.

        Raises:
            Refused: somebody else has it, or nobody can be meant by that name.
            Stale: it is no longer open.
        """
        to = " ".join(to.split())
        policy = await self.policy_of(review)
        if problem := escalation.unknown(to, self.reviewer, policy.groups if policy else {}):
            raise Refused(*problem)
        await escalations.escalate(self.store, review, to, self.reviewer, note.strip(), time.time())
        self._ring()

    async def people(self) -> list[tuple[str, float]]:
        """Who had to do with reviews lately, and when each was last here in Unix time; the latest first."""
        return await people.recent(self.store, 20)

    async def escalations(self, review: int) -> list[Escalation]:
        """Every escalation of a review, oldest first: to whom, why, and who has claimed it then."""
        return await escalations.of_review(self.store, review)

    async def saw(self, review: int, ms: int) -> None:
        """Note that this reviewer looked at a review for so many milliseconds more.

        Raises:
            Refused: there is none of that id.
        """
        await views.saw(self.store, review, self.reviewer, ms)

    async def looks(self, review: int) -> list[Look]:
        """Who has seen a review, in order of the first look."""
        return await views.of(self.store, review)

    async def endorsements(self, review: int) -> list[Endorsement]:
        """What people said of actions that need several, as long as it stands; oldest first."""
        return await endorsements.of(self.store, review)

    async def similar(self, review: int) -> list[Past]:
        """The last 20 actions of the same agent and tools that were decided, newest first.

        Raises:
            Refused: there is none of that id.
        """
        found = await self.review(review)
        return await history.similar(self.store, review, found.row.agent, {action.name for action in found.actions})

    # History

    async def history(self, text: str = "", before: int | None = None, limit: int = 50) -> list[Remembered]:
        """Decisions that fit a line of the filter language, newest first; `before` is the last one's number of the page before.

        Raises:
            Refused: the line has a slip.
        """
        from hitl_tui import filter_language
        from hitl_tui.store import search

        return await search.history(self.store, filter_language.parse(text, time.time()), before, limit)

    async def recall(self, text: str = "", before: int | None = None, limit: int = 50) -> list[Recalled]:
        """The same with what was proposed, and what was said of it.

        Raises:
            Refused: the line has a slip.
        """
        return await history.recalled(self.store, await self.history(text, before, limit))

    async def history_rows(self, decisions: Sequence[int]) -> list[Remembered]:
        """These decisions as the history lists them."""
        from hitl_tui.store import search

        return await search.rows(self.store, decisions)

    async def remembered(self, decision: int) -> Entry:
        """A decision of the history with everything around it, as it was.

        Raises:
            Refused: there is none of that number.
        """
        from hitl_tui.store import audit, search

        await search.catch_up(self.store)
        found, rows = await search.decision(self.store, decision), await search.rows(self.store, [decision])
        if found is None or not rows:
            raise Refused(f"there is no decision {decision}", "F3 and `hitl-tui history` list them")
        return Entry(
            rows[0],
            found,
            await self.review(found.review),
            await self.context(found.review),
            await self.looks(found.review),
            await self.endorsements(found.review),
            await self.escalations(found.review),
            await audit.of_review(self.store, found.review),
            [one for one in await self.ratings.of_run(rows[0].run) if one.subject.is_of(found.review, found.slot)],
        )

    # Agents and runs

    async def agents(self) -> list[Agent]:
        """Every agent known here, broken ones included."""
        return await agents.list_agents(self.store)

    async def project_errors(self, targets: Sequence[str]) -> list[tuple[str, str]]:
        """Label and error of those of the projects that cannot be read."""
        return await agents.project_errors(self.store, targets)

    async def launch(
        self,
        agent: str,
        *,
        text: str | None = None,
        given: Json = None,
        count: int = 1,
        thread: str | None = None,
        project: int | None = None,
        options: RunOptions = RunOptions(),
    ) -> list[Run]:
        """Queue runs of an agent. One not known here yet is queued too: it waits for a worker that has it.

        Raises:
            Refused: the agent is broken or ambiguous, or the input does not fit it.
        """
        known = [a for a in await agents.list_agents(self.store, agent) if project in (None, a.project)]
        if len({a.project for a in known}) > 1:
            labels = ", ".join(f"{a.label} ({a.project})" for a in known)
            raise Refused(f"several projects have an agent {agent}: {labels}", "say which with --project ID")
        found = known[0] if known else None
        if found and found.error:
            raise Refused(f"{agent} cannot be loaded: {found.error}", "mend it and restart the worker")
        if thread is not None and not thread.strip():
            raise Refused("the thread's id is empty", "leave --thread out for a new one")
        if thread is not None and count > 1:
            raise Refused(f"{count} runs cannot share the thread {thread}", "leave --thread out, or launch one")
        stored = new_run_input(found, text, given)
        title = canonical_json.one_line(text if text is not None else given, 120)
        from uuid import uuid4

        made = [(found.project if found else project, agent, thread or str(uuid4()), title, stored) for _ in range(count)]
        ids = await runs.insert(self.store, made, options, self.reviewer)
        failpoints.reached(Step.LAUNCHED)
        self._ring()
        return [await self.run(id_) for id_ in ids]

    async def suggestions(self, agent: str) -> list[str]:
        """Names of known agents; empty when this one is known. The closest comes first."""
        import difflib  # only for those who mistype

        names = sorted({a.name for a in await agents.list_agents(self.store)})
        if agent in names:
            return []
        close = difflib.get_close_matches(agent, names, n=3)
        return close + [name for name in names if name not in close]

    async def runs(self, limit: int, states: Sequence[RunState] = ()) -> list[Run]:
        """The newest runs first."""
        return await runs.newest(self.store, limit, states)

    async def run_ids(self) -> array[int]:
        """Ids of all runs, oldest first."""
        return await runs.ids(self.store)

    async def run_rows(self, ids: Sequence[int]) -> list[Run]:
        """These runs, in order of id."""
        return await runs.rows(self.store, ids)

    async def run(self, run: int) -> Run:
        """One run.

        Raises:
            Refused: there is none of that id.
        """
        found = await runs.get(self.store, run)
        if found is None:
            raise Refused(f"there is no run r{run}", "`hitl-tui runs` lists them")
        return found

    async def reviews_of(self, run: int) -> list[ReviewRow]:
        """Every review the run ever opened."""
        return await reviews.of_run(self.store, run)

    async def trace(self, run: int, after: int = 0) -> list[Event]:
        """Lines of the run's trace beyond `after`."""
        return await events.trace(self.store, run, after)

    async def unsent(self) -> int:
        """How many reviews are decided and not yet sent to their graphs."""
        return await decisions.unsent(self.store)

    async def counts(self) -> dict[RunState, int]:
        """How many runs are queued, running and waiting."""
        return await runs.count(self.store)

    async def retry(self, run: int) -> None:
        """Let a failed or cancelled run go on from its checkpoint.

        Raises:
            Stale: it is neither.
        """
        found = await self.run(run)
        self._must_be_with_its_agent(run)
        if not await runs.requeue(self.store, run, self.reviewer):
            if attention_findings.carried(self.store, run):
                raise Stale(f"run r{run} only carried an attention check", "there is nothing to try again")
            raise Stale(f"run r{run} is {found.state}", "only a failed or cancelled run can be tried again")
        self._ring()

    async def cancel(self, run: int) -> None:
        """End a run; what it asked becomes stale.

        Raises:
            Stale: it is over.
        """
        found = await self.run(run)
        if not await runs.ask_cancel(self.store, run, self.reviewer):
            raise Stale(f"run r{run} is {found.state} already", "nothing was changed")
        self._ring()

    # In an agent's place

    async def take_over(self, run: int, reason: str = "") -> TakeOver:
        """Put a run that waits, failed or was cancelled into this reviewer's hands: until it is handed back or discarded, nobody else
        decides what it asks. The same again for who has it already. `reason` takes it from somebody else.

        Raises:
            Refused: it moves, is done, or is in somebody else's hands; or it was an attention check, which this ends.
        """
        await self.run(run)
        made = await takeovers.take(self.store, run, self.reviewer, canonical_json.plain(reason))
        self._ring()
        if made is None:
            found = self.attention_of(run)
            raise Refused(found.told(self.reviewer) if found else f"run r{run} cannot be taken over")
        return made

    async def takeover_of(self, run: int) -> TakeOver | None:
        """The run's last take-over, live or ended (`TakeOver.is_live`); None when there never was one."""
        return await takeovers.newest(self.store, run)

    async def head(self, run: int) -> Head:
        """Where a run stands that waits, failed or was cancelled.

        Raises:
            Refused: nobody knows.
        """
        found = await takeovers.head(self.store, run)
        if found is None:
            raise Refused(f"nobody knows where run r{run} stands", "take it over when it waits or has failed")
        return found

    async def state_schema(self, run: int) -> Json:
        """JSON Schema of the state of a run's graph; None when it is not known."""
        found = await self.run(run)
        known = [a for a in await agents.list_agents(self.store, found.agent) if found.project in (None, a.project)]
        return known[0].state_schema if known else None

    async def save_plan(self, takeover: int, plan: HandBack, typed: Mapping[str, str] | None = None) -> None:
        """Keep what is planned so far, which need not fit yet, and by part the texts that cannot be read yet.

        Raises:
            Refused: there is no such take-over.
            Stale: the run is no longer in this reviewer's hands.
        """
        if not await takeovers.keep(self.store, takeover, self.reviewer, plan, typed or {}):
            await self._gone(takeover)

    async def hand_back(self, takeover: int, plan: HandBack) -> None:
        """Leave the run to its agent again, which goes on once the plan is carried out: `applied`, or `stale` or `failed` with a note.

        Raises:
            Refused: the plan does nothing or does not fit where the run stands.
            Stale: the run is no longer in this reviewer's hands.
        """
        found = await takeovers.get(self.store, takeover)
        handback.check(plan, await self.head(found.run), await self.state_schema(found.run))
        if not await takeovers.hand_back(self.store, takeover, self.reviewer, plan):
            await self._gone(takeover)
        self._ring()

    async def discard(self, takeover: int) -> None:
        """Let the run be as it was before it was taken over.

        Raises:
            Refused: there is no such take-over.
            Stale: it is another's, or over.
        """
        if not await takeovers.discard(self.store, takeover, self.reviewer):
            await self._gone(takeover)
        self._ring()

    def _must_be_with_its_agent(self, run: int) -> None:
        held = takeovers.holder(self.store, run)
        if held:
            mine = held.actor.casefold() == self.reviewer.casefold()
            whose = "your" if mine else f"{held.actor}'s"
            raise Stale(
                f"run r{run} is in {whose} hands",
                "hand it back or give it up first" if mine else "wait until it is handed back, or take it with a reason",
            )

    async def _gone(self, takeover: int) -> None:
        found = await takeovers.get(self.store, takeover)
        why = f": {found.note}" if found.note else ""
        if found.is_live and found.actor.casefold() != self.reviewer.casefold():
            raise Stale(f"run r{found.run} is in {found.actor}'s hands", "take it from them with a reason")
        raise Stale(f"the takeover of run r{found.run} is {found.state.replace('_', ' ')}{why}", "look at the run again")

    async def workers(self) -> list[Worker]:
        """Workers known here; one that was killed stays listed until another recovers its runs."""
        return [worker for worker, _ in await workers.list_workers(self.store)]

    # Policy

    def policy(self, target: str = "") -> Policy | None:
        """The policy in force as its file is now, of a project where one is named; None where there is none. Costs a `stat` or two."""
        return self.policy_now(target).policy

    def policy_now(self, target: str = "") -> PolicyNow:
        """The same with its file and what is wrong with it; the same object while the file does not change."""
        if self._policies is None and self._find_policies:
            self._policies = self._find_policies()
        if self._policies is None:
            from hitl_tui.policy.loader import PolicyNow

            return PolicyNow()
        return self._policies.of(target).now()

    async def policy_of(self, review: int) -> Policy | None:
        """The policy of a review's own project; a home's comes before it. What a name means in it is asked here."""
        return self.policy(await agents.target_of(self.store, review))

    async def rule_counts(self) -> list[RuleCount]:
        """How often each rule of the policy spoke, by outcome."""
        return await policy_log.counts(self.store)

    async def explain(self, review: int) -> Explained:
        """Why the actions of a review are where they are, by the policy as it is now and as of when they were asked.

        Raises:
            Refused: there is none of that id.
        """
        from hitl_tui.policy import facts
        from hitl_tui.policy.explain import Explained, explain
        from hitl_tui.store import autonomy

        found = await self.review(review)
        run = await self.run(found.row.run)
        target = await agents.target_of(self.store, review)
        now = self.policy_now(target)
        note, levels = facts.note_of(found), autonomy.levels(self.store, run.agent)
        walks = {a.slot: explain(facts.stored(run, found, a), now.policy, found.row.opened_at, note, levels) for a in found.actions}
        return Explained(found, target, now, walks)
