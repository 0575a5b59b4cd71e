"""Autonomy levels: proposals from scripted histories, limits, lowering, and a real agent that earns a level."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import (
    Agent,
    Answer,
    Facts,
    Level,
    Outcome,
    Pause,
    PauseKind,
    ReviewOutcome,
    ReviewState,
    Risk,
    Routed,
    Subject,
    ToolLevel,
    Verdict,
)
from hitl_tui.oversight.autonomy import WeighedDecision, evidence, proposal, why_barred
from hitl_tui.oversight.statistics import wilson
from hitl_tui.policy.engine import Mark, judge, judge_unsampled
from hitl_tui.policy.explain import explain
from hitl_tui.policy.loader import Policies
from hitl_tui.policy.parser import parse, parse_with_problems
from hitl_tui.policy.schema import AutonomyRules
from hitl_tui.store import Store, agents, audit, lessons, reconcile, runs
from hitl_tui.store import autonomy as autonomy_rows
from hitl_tui.store.autonomy import DECIDED
from hitl_tui.store.migrations import SCHEMA
from tests.policy.test_parser_and_engine import FACTS, NOON, RULES, rule, wrong
from tests.support.empty_database import open_store
from tests.support.harness import Reviewer, SandboxFactory, approve, edit, open_reviewer, reject
from tests.support.properties import examples
from tests.ui.homes import seed

ON = "spot_check = 0\n[autonomy]\n"
DEFAULTS = AutonomyRules()
GOOD, BAD = WeighedDecision(1.0, True), WeighedDecision(1.0, False)
LEVELS = st.sampled_from(Level)


def says(decided: Sequence[WeighedDecision], level: Level = Level.ASK, **more: Any) -> tuple[Level | None, str]:
    """Return the proposal after these decisions, newest first."""
    return proposal(level, evidence(decided, more.get("came_after"), more.get("attention", (0, 0))), more.get("rules", DEFAULTS))


# The policy


def test_autonomy_table_when_missing_is_off_and_when_empty_has_defaults() -> None:
    assert parse("").autonomy is None
    assert parse("[autonomy]").autonomy == DEFAULTS
    found = parse("[autonomy]\ndecisions = 5\nwindow = 50\nwindow_days = 7\napproved = 0.5\nquiet = 3\ncalibration = 0.2").autonomy
    assert found == AutonomyRules(5, 50, 7 * 86_400.0, 0.5, 3, 0.2)


def test_autonomy_without_spot_checks_is_warned_about() -> None:
    (problem,) = parse_with_problems("spot_check = 0\n[autonomy]\n")[1]
    assert (problem.line, problem.is_error) == (1, False)
    assert "nobody checks" in problem.text


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("decision = 3", "line 2: unknown key 'decision' in autonomy; did you mean decisions?"),
        ("approved = 1.5", "line 2: autonomy.approved is not a number from 0 to 1; 0.9 is 90 %"),
        ("quiet = 101", "line 2: quiet = 101 is more than the window of 100 decisions: nothing could ever be proposed; make the window"),
        ("window = 20", "line 2: decisions = 30 is more than the window of 20 decisions"),
        ("approved = 0.97", "line 2: approved = 0.97 is out of reach: 100 decisions that all approve show no more than 0.963"),
    ],
)
def test_autonomy_table_mistakes_are_reported_with_their_line(line: str, told: str) -> None:
    (problem,) = wrong(f"[autonomy]\n{line}\n")
    assert problem.startswith(told)


def test_autonomy_defaults_can_be_reached() -> None:
    for good, total, enough in ((30, 30, True), (29, 30, False), (34, 35, True)):
        bounds = wilson(good, total)
        assert bounds and (bounds[0] >= DEFAULTS.approved) is enough


# What the evidence supports


def test_tool_without_confidence_skips_the_threshold_level() -> None:
    assert says([]) == (None, "0 of 30 decisions")
    assert says([GOOD] * 29) == (None, "29 of 30 decisions")
    supports = "30 of 30 approved unchanged, at least 88 %; none of the last 30 refused"
    assert says([GOOD] * 30) == (Level.SPOT_CHECKS, f"{supports}; it states no confidence to ask by")
    assert says([GOOD] * 30, Level.THRESHOLD) == (Level.SPOT_CHECKS, supports)
    assert says([GOOD] * 30, Level.SPOT_CHECKS) == (Level.ACT, supports)
    assert says([GOOD] * 30, Level.ACT) == (None, "it is at the top")


def test_each_level_needs_evidence_gathered_at_it() -> None:
    decided = [WeighedDecision(1.0, True, spot_check=number > 50, number=number) for number in range(60, 0, -1)]
    assert says(decided, Level.SPOT_CHECKS, came_after=50) == (None, "10 of 20 decisions since it came to spot checks")
    assert says(decided, Level.SPOT_CHECKS, came_after=40)[0] is Level.ACT
    assert evidence(decided, 50).spot_checked == evidence(decided, 50).since_level == 10


def test_missing_evidence_is_named() -> None:
    assert says([GOOD] * 4 + [BAD] + [GOOD] * 40) == (None, "refused 4 decisions ago; 20 since then are wanted")
    assert says([BAD] + [GOOD] * 40) == (None, "refused with the last decision; 20 since then are wanted")
    assert says([GOOD] * 30, rules=AutonomyRules(quiet=40)) == (None, "30 of 40 decisions, none of them refused")
    assert says([GOOD] * 20 + [BAD] * 10) == (None, "20 of 30 approved unchanged shows 48 %, 85 % are wanted")
    assert says([GOOD] * 30, attention=(3, 2)) == (None, "2 of 3 attention checks caught")
    assert says([GOOD] * 30, attention=(3, 3))[0] is Level.SPOT_CHECKS


def test_threshold_level_needs_calibrated_confidence() -> None:
    sure = [WeighedDecision(1.0, True, 0.95)] * 30
    supports = "30 of 30 approved unchanged, at least 88 %; none of the last 30 refused"
    assert says(sure) == (Level.THRESHOLD, f"{supports}; its confidence is off by 0.05")
    assert says([WeighedDecision(1.0, True, 0.6)] * 30) == (Level.THRESHOLD, f"{supports}; its confidence is off by 0.40"), (
        "too low only asks"
    )
    high = [GOOD, *[WeighedDecision(1.0, True, 0.96)] * 30, *[WeighedDecision(1.0, False, 0.96)] * 3]
    assert says(high, rules=AutonomyRules(approved=0.7, calibration=0.05)) == (
        None,
        "its confidence is 0.05 too high on average, 0.05 is the most",
    )
    assert says(sure[:15] + [GOOD] * 15)[0] is Level.THRESHOLD
    assert says(sure[:14] + [GOOD] * 16)[0] is Level.SPOT_CHECKS, "half of the calls would ask for ever"


@pytest.mark.parametrize(
    ("policy", "risk", "told"),
    [
        ("", Risk.READ, ""),
        ("", None, "its risk is unknown: only a rule that says it lets it go on"),
        ("", Risk.IRREVERSIBLE, "irreversible: only a rule that names it lets it go on"),
        (rule(name="sums", tool="pay", when="args.amount > 5", outcome="ask"), Risk.READ, ""),
        (rule(name="pays", tool="pa*", outcome="ask"), Risk.READ, "rule 'pays' decides it"),
        (rule(name="all", outcome="takeover", agent="x"), Risk.READ, ""),
        (rule(name="risky", tool="pay", risk="irreversible"), Risk.READ, "irreversible: only a rule that names it lets it go on"),
        (rule(name="calm", tool="pay", risk="read"), Risk.IRREVERSIBLE, "irreversible: only a rule that names it lets it go on"),
        (rule(name="calm", tool="pay", risk="read"), None, ""),
    ],
)
def test_tool_pinned_by_rule_or_risk_gets_no_proposal(policy: str, risk: Risk | None, told: str) -> None:
    found = why_barred(Facts("desk", "pay", risk=risk), parse(policy))
    assert found == told
    assert proposal(Level.ASK, evidence([GOOD] * 50, None), DEFAULTS, found)[0] == (None if told else Level.SPOT_CHECKS)


@given(
    st.lists(
        st.builds(WeighedDecision, st.just(1.0), st.booleans() | st.just(True), st.none() | st.floats(0, 1), number=st.integers(0, 100)),
        max_size=120,
    ),
    LEVELS, st.none() | st.integers(0, 100), st.integers(0, 3), st.integers(0, 3),
)  # fmt: skip
def test_proposal_is_always_supported_by_decisions(
    decided: list[WeighedDecision], level: Level, came_after: int | None, shown: int, missed: int
) -> None:
    found = evidence(decided, came_after, (shown, max(0, shown - missed)))
    proposed, told = proposal(level, found, DEFAULTS)
    assert told
    if proposed is None:
        return
    assert proposed.rank > level.rank
    assert proposed.rank == level.rank + 1 or (level, proposed) == (Level.ASK, Level.SPOT_CHECKS)
    assert len(decided) >= DEFAULTS.decisions
    assert all(one.unchanged for one in decided[: DEFAULTS.quiet]), "never with a recent refusal"
    assert came_after is None or sum(one.number > came_after for one in decided) >= DEFAULTS.quiet
    assert missed == 0 or shown == 0
    assert found.lower is not None and found.lower >= DEFAULTS.approved


# What runs by itself at a level


def test_each_autonomy_level_has_its_outcome() -> None:
    policy = parse(ON)
    unsure, sure, low = (Facts("desk", "read", risk=Risk.READ, confidence=c) for c in (None, 0.95, 0.3))

    def outcomes(level: Level) -> list[Outcome]:
        held = {("desk", "read"): ToolLevel(level, NOON, "ann")}
        return [judge(facts, policy, NOON, held).outcome for facts in (unsure, sure, low)]

    ask, auto, takeover = Outcome.ASK, Outcome.AUTO, Outcome.TAKEOVER
    assert outcomes(Level.ASK) == [ask, ask, takeover]
    assert outcomes(Level.THRESHOLD) == [ask, auto, takeover]
    assert outcomes(Level.SPOT_CHECKS) == outcomes(Level.ACT) == [auto, auto, takeover]
    assert judge(sure, policy, NOON).reason == "autonomy: desk's read asks until it has earned more"
    held = {("desk", "read"): ToolLevel(Level.SPOT_CHECKS, NOON, "ann")}
    assert judge(unsure, policy, NOON, held).reason == "autonomy: desk's read acts, with spot checks (since 21 Nov 2023, by ann)"
    assert judge(unsure, parse("spot_check = 0"), NOON, held).rule == "thresholds", "without the table the levels mean nothing"


def test_spot_checks_are_drawn_for_automatic_calls_below_the_last_level() -> None:
    policy = parse("spot_check = 1\n[autonomy]\n" + rule(name="pays", tool="pay", outcome="auto"))
    facts = Facts("desk", "read", risk=Risk.READ, confidence=0.95)
    drawn = {level: judge(facts, policy, NOON, {("desk", "read"): ToolLevel(level)}).spot_check for level in Level}
    assert drawn == {Level.ASK: False, Level.THRESHOLD: True, Level.SPOT_CHECKS: True, Level.ACT: False}
    assert judge(Facts("desk", "pay"), policy, NOON, {("desk", "pay"): ToolLevel(Level.ACT)}).spot_check, "a rule speaks for itself"
    left = parse("spot_check = 1\n[autonomy]\n" + rule(tool="read", risk="read"))
    assert judge(facts, left, NOON, {("desk", "read"): ToolLevel(Level.ACT)}).outcome is Outcome.AUTO


@examples(4)
@given(
    st.lists(RULES, max_size=3), FACTS, st.dictionaries(st.sampled_from(["pay", "pay_in", "read", "*", ""]), LEVELS),
    st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(["", "may have run once"]),
)  # fmt: skip
def test_no_autonomy_level_allows_irreversible_unknown_or_suspicious_calls(
    rules: list[dict[str, Any]], facts: Facts, held: dict[str, Level], spot: float, note: str
) -> None:
    tables = [rule(name=f"r{n}", **keys) for n, keys in enumerate(rules) if keys.keys() & {"outcome", "risk"}]
    policy, problems = parse_with_problems(f"spot_check = {spot}\n[autonomy]\n" + "".join(tables))
    assert not [problem for problem in problems if problem.is_error]
    facts = dataclasses.replace(facts, findings=(*facts.findings, *([note] if note else [])))
    levels = {("desk", tool): ToolLevel(level, NOON, "ann") for tool, level in held.items()}
    verdict = judge(facts, policy, NOON, levels)
    walk = explain(facts, policy, NOON, note, levels)
    assert walk.verdict == judge_unsampled(facts, policy, NOON, levels, note)
    assert walk.picked == verdict.spot_check
    levels_step, thresholds = walk.steps[-4], walk.steps[-3]
    assert (levels_step.name, thresholds.name) == ("autonomy", "thresholds")
    assert (levels_step.mark is Mark.MATCHED) + (thresholds.mark is Mark.MATCHED) + any(
        one.mark is Mark.MATCHED for one in walk.steps[:-4]
    ) >= 1
    assert Mark.MATCHED not in (levels_step.mark,) or thresholds.mark is Mark.SKIPPED
    if verdict.outcome is not Outcome.AUTO:
        return
    assert not facts.findings and facts.known_shape
    says_auto = any(one.name == verdict.rule and one.outcome is Outcome.AUTO for one in policy.rules)
    assert says_auto or (verdict.risk in (Risk.READ, Risk.REVERSIBLE) and facts.risk is not Risk.IRREVERSIBLE)
    assert says_auto or held.get(facts.tool, Level.ASK) is not Level.ASK, "nothing goes on that was not earned"


# Rows


class AutonomyHome:
    """A home with autonomy levels in its policy, and two reviewers."""

    def __init__(self, folder: Path, store: Store, project: int) -> None:
        self.folder, self.store, self.project = folder, store, project
        policies = Policies(folder, lambda _: None)
        self.ann, self.bob = (Inbox(store, who, grace_s=60, policies=lambda: policies) for who in ("ann", "bob"))

    async def asked(
        self, *, by_itself: bool = False, spot_check: bool = False, confidence: float | None = None, kind: PauseKind = PauseKind.TOOL_CALLS
    ) -> int:
        """Add a call of `move` that asks, is a spot check, or ran automatically. Returns its review's id."""
        (run,) = await runs.insert(self.store, [runs.NewRun(self.project, "desk", f"t{time.monotonic_ns()}", "", {})])
        outcome = Outcome.AUTO if by_itself else Outcome.ASK
        action = seed.action("move", {"path": "a"}, risk="reversible")

        def route(pause: Pause) -> Routed:
            return Routed({0: Verdict(outcome, "autonomy", "so", Risk.REVERSIBLE, spot_check=spot_check)})

        pause = seed.pause(kind, action, confidence=confidence)
        await reconcile.reconcile(self.store, run, "desk", "w", [pause], {}, judge=route)
        return int((await self.store.one("SELECT max(id) FROM reviews"))[0])

    async def decide(self, answer: Answer, who: Inbox | None = None, **how: Any) -> int:
        review = await self.asked(**how)
        await (who or self.ann).reviews.decide(await self.ann.reviews.get(review), {0: answer})
        return review

    async def level(self) -> Level:
        (one,) = await self.ann.autonomy.tools()
        return one.level

    async def climbed(self, level: Level) -> None:
        """Add one decision, so that the tool is known, and set its level."""
        await self.decide(approve())
        await self.ann.autonomy.set("desk", "move", level, "tried elsewhere")

    async def told(self) -> list[str]:
        """Return the changes of the tool's level, newest first."""
        return [f"{one.was} → {one.level} by {one.actor}: {one.why}" for one in await self.ann.autonomy.changes("desk", "move")]


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[AutonomyHome]:
    (tmp_path / "policy.toml").write_text(ON + "decisions = 4\nquiet = 2\napproved = 0.4\n")
    async with open_store(tmp_path / "hitl.db", "NORMAL") as store:
        yield AutonomyHome(tmp_path, store, await seed.add_project(store))
    assert audit.verify(tmp_path / "hitl.db").problem == ""


async def test_agents_of_one_name_have_separate_levels(home: AutonomyHome) -> None:
    await home.climbed(Level.ACT)
    one, other = [await agents.register_project(home.store, name, name) for name in ("one", "the other")]
    twin = Agent("desk", one, "one", "", None, True)
    assert await agents.replace_agents(home.store, one, [twin]) == {"desk": "desk"}
    assert await agents.replace_agents(home.store, other, [twin]) == {"desk@the-other": "desk"}
    assert [agent.name for agent in await agents.list_agents(home.store) if agent.graph == "desk"] == ["desk", "desk@the-other"]
    assert autonomy_rows.levels(home.store, "desk")["desk", "move"].level is Level.ACT
    assert autonomy_rows.levels(home.store, "desk@the-other") == {}


async def test_agents_of_a_moved_project_keep_names_levels_and_runs(home: AutonomyHome) -> None:
    await home.climbed(Level.ACT)
    one, other = [await agents.register_project(home.store, f"/{name}/desk/langgraph.json", "desk") for name in ("old", "new")]
    twin, helper = [Agent(name, one, "", "", None, True) for name in ("desk", "helper")]
    await agents.replace_agents(home.store, one, [twin])
    assert await agents.namesakes(home.store, other, ["desk"]) == ["/old/desk/langgraph.json"]
    await agents.replace_agents(home.store, other, [twin, helper])
    (run,) = await runs.insert(home.store, [runs.NewRun(other, "desk@desk", "t", "", {})])
    assert await agents.namesakes(home.store, other, ["desk"]) == [], "somebody works with the new names"
    with pytest.raises(Refused, match="no project /nowhere is known"):
        await agents.move_project(home.store, "/nowhere", "/new/desk/langgraph.json", "desk", "ann")
    await agents.move_project(home.store, "/old/desk/langgraph.json", "/new/desk/langgraph.json", "desk", "ann")
    assert await agents.register_project(home.store, "/new/desk/langgraph.json", "desk") == one
    runs_call_it = await agents.replace_agents(home.store, one, [twin, helper])
    assert runs_call_it == {"desk": "desk", "helper": "helper", "desk@desk": "desk"}, "a run that waits has the other name"
    moved = await runs.get(home.store, run)
    assert moved is not None and moved.project == one
    assert autonomy_rows.levels(home.store, "desk")["desk", "move"].level is Level.ACT
    third = await agents.register_project(home.store, "/third/desk/langgraph.json", "desk")
    assert await agents.replace_agents(home.store, third, [twin]) == {f"desk@desk-{third}": "desk"}


async def test_names_of_agents_are_kept_when_their_projects_cannot_be_read(home: AutonomyHome) -> None:
    one, other, third = [await agents.register_project(home.store, name, label) for name, label in (("1", "a"), ("2", "b"), ("3", "b"))]
    twin = Agent("twin", one, "", "", None, True)
    await agents.replace_agents(home.store, one, [twin])
    await agents.replace_agents(home.store, one, [], error="broken")
    assert await agents.replace_agents(home.store, other, [twin]) == {"twin@b": "twin"}
    assert await agents.replace_agents(home.store, third, [twin]) == {f"twin@b-{third}": "twin"}
    assert await agents.replace_agents(home.store, one, [twin]) == {"twin": "twin"}
    odd = dataclasses.replace(twin, name="twin@b")
    assert await agents.replace_agents(home.store, one, [odd]) == {"twin@b@a": "twin@b"}, "the last @ is always ours"


async def test_reviewer_cannot_be_named_autonomy(home: AutonomyHome) -> None:
    with pytest.raises(Refused, match="how policy and agents sign"):
        Inbox(home.store, "Autonomy")


async def test_level_above_the_evidence_needs_a_reason(home: AutonomyHome) -> None:
    for _ in range(3):
        await home.decide(approve())
    autonomy = home.ann.autonomy
    with pytest.raises(Refused, match=r"threshold is more than desk's move has earned \(3 of 4 decisions\)"):
        await autonomy.set("desk", "move", Level.THRESHOLD)
    with pytest.raises(Refused, match="no other level of desk's move is proposed: 3 of 4 decisions"):
        await autonomy.accept("desk", "move")
    await home.decide(approve(), home.bob)
    (one,) = await home.bob.autonomy.tools()
    assert (one.level, one.since, one.by, one.proposed) == (Level.ASK, None, "", Level.SPOT_CHECKS)
    with pytest.raises(Refused, match="act is more than desk's move has earned"):
        await autonomy.set("desk", "move", Level.ACT)
    made = await home.bob.autonomy.accept("desk", "move")
    assert (made.was, made.level, made.actor, made.why) == (Level.ASK, Level.SPOT_CHECKS, "bob", one.says)
    (one,) = await autonomy.tools()
    assert (one.level, one.by, one.proposed, one.says) == (Level.SPOT_CHECKS, "bob", None, "0 of 2 decisions since it came to spot checks")
    with pytest.raises(Refused, match="desk's move is at spot checks already"):
        await autonomy.set("desk", "move", Level.SPOT_CHECKS)
    await autonomy.set("desk", "move", Level.ACT, "  it only\nmoves ")
    await autonomy.set("desk", "move", Level.ASK)
    assert (await home.told())[:2] == ["act → ask by ann: ", "spot checks → act by ann: it only moves"]
    with pytest.raises(Refused, match="nobody has decided any call of a tool 'mvoe' of 'desk'"):
        await autonomy.set("desk", "mvoe", Level.ASK)
    (home.folder / "policy.toml").write_text("")
    assert await autonomy.tools() == []
    with pytest.raises(Refused, match=r"the policy has no \[autonomy\]"):
        await autonomy.set("desk", "move", Level.ACT, "so")
    logged = await home.store.all("SELECT actor, body FROM audit WHERE kind = 'autonomy' ORDER BY seq")
    assert [(who, json.loads(body)["level"]) for who, body in logged] == [("bob", "spot checks"), ("ann", "act"), ("ann", "ask")]
    assert json.loads(logged[0][1])["evidence"]["decisions"] == 4


@pytest.mark.parametrize(
    ("answer", "did"), [(reject(), "rejected a spot check"), (edit(path="b"), "edited a spot check")]
)  # fmt: skip
async def test_rejected_spot_check_lowers_the_level_by_one(home: AutonomyHome, answer: Answer, did: str) -> None:
    await home.climbed(Level.ACT)
    await home.decide(approve(), spot_check=True)
    await home.decide(reject())
    assert await home.level() is Level.ACT, "what was approved, or asked anyway, lowers nothing"
    for level in (Level.SPOT_CHECKS, Level.THRESHOLD, Level.ASK, Level.ASK):
        review = await home.decide(answer, spot_check=True)
        assert await home.level() is level
        if level is Level.SPOT_CHECKS:
            assert (await home.told())[0] == f"act → spot checks by autonomy: ann {did}, review {review}"
    assert len(await home.told()) == 4


async def test_bad_rating_of_an_automatic_call_lowers_the_level_once(home: AutonomyHome) -> None:
    await home.climbed(Level.ACT)
    unchecked, checked, mine = [
        await home.asked(by_itself=True),
        await home.decide(approve(), spot_check=True),
        await home.decide(approve()),
    ]
    subjects = [Subject((await home.ann.reviews.get(review)).row.run, review, 0) for review in (unchecked, checked, mine)]
    await home.ann.feedback.rate(subjects[2], -1)
    await home.ann.feedback.rate(subjects[0], 1)
    assert await home.level() is Level.ACT
    await home.ann.feedback.rate(subjects[0], -1)
    assert (await home.told())[0] == f"act → spot checks by autonomy: ann gave thumbs down to what went on by itself, review {unchecked}"
    await home.ann.feedback.rate(subjects[0], -1, "the wrong folder")
    await home.bob.feedback.rate(subjects[0], -1)
    assert await home.level() is Level.SPOT_CHECKS, "once for each decision"
    await home.bob.feedback.rate(subjects[1], -1)
    assert await home.level() is Level.THRESHOLD
    (one,) = await home.ann.autonomy.tools()
    assert (one.evidence.decisions, one.evidence.unchanged, one.evidence.since_refused) == (3, 1, 0), "what was regretted is no evidence"


async def test_undone_rejection_restores_the_level_unless_a_person_set_it_since(home: AutonomyHome) -> None:
    await home.climbed(Level.ACT)
    for _ in range(3):
        await home.decide(approve())
    before = await home.ann.autonomy.tools()
    first, second = [await home.decide(reject(), spot_check=True) for _ in range(2)]
    assert await home.level() is Level.THRESHOLD
    await home.ann.reviews.undo(first)
    await home.ann.reviews.undo(second)
    assert (await home.told())[:2] == [
        "spot checks → act by autonomy: the decision was taken back", "threshold → spot checks by autonomy: the decision was taken back",
    ]  # fmt: skip
    (after,) = await home.ann.autonomy.tools()
    assert (after.level, after.evidence) == (Level.ACT, before[0].evidence), "as if it had never been"
    third = await home.decide(reject(), spot_check=True)
    await home.bob.autonomy.set("desk", "move", Level.ASK)
    await home.ann.reviews.undo(third)
    assert await home.level() is Level.ASK


async def test_decisions_at_a_level_count_whatever_the_clock_was_set_to(home: AutonomyHome, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)
    await home.decide(approve())
    await home.climbed(Level.THRESHOLD)
    monkeypatch.setattr(time, "time", real)
    await home.decide(approve())
    (one,) = await home.ann.autonomy.tools()
    assert (one.evidence.decisions, one.evidence.since_level) == (3, 1)
    monkeypatch.setattr(time, "time", lambda: real() + 7200)
    await home.ann.autonomy.set("desk", "move", Level.ASK)
    (one,) = await home.ann.autonomy.tools()
    assert one.evidence.since_level == 0


async def test_repeated_rejection_of_one_review_lowers_the_level_once(home: AutonomyHome) -> None:
    await home.climbed(Level.ACT)
    actions = [seed.action("move", {"path": path}, slot, risk="reversible") for slot, path in enumerate("ab")]
    review = await seed.add_waiting_run(home.store, home.project, "desk", seed.pause(PauseKind.TOOL_CALLS, *actions))
    await home.store.write("UPDATE actions SET spot_check = 1 WHERE review = ?", (review,))
    seen = await home.ann.reviews.get(review)
    for answer, level in ((reject(), Level.SPOT_CHECKS), (edit(path="c"), Level.SPOT_CHECKS), (approve(), Level.ACT)):
        await home.ann.reviews.decide(seen, {0: answer})
        assert await home.level() is level, "as if nothing had been said before"
    (one,) = await home.ann.autonomy.tools()
    assert one.evidence.since_level == 1, "the approval counts: none of that was a change of its level"

    sent = await home.decide(reject(), spot_check=True)
    await reconcile.close(home.store, {sent: ReviewOutcome(ReviewState.OPEN, "may have run once", may_have_run=True)})
    assert await home.level() is Level.SPOT_CHECKS, "what was sent is not taken back"
    await home.ann.reviews.decide(await home.ann.reviews.get(sent), {0: reject()})
    assert await home.level() is Level.SPOT_CHECKS


async def test_evidence_is_recent_decisions_and_attention_checks(home: AutonomyHome) -> None:
    await home.decide(approve(), kind=PauseKind.MCP_ELICITATION)
    assert await home.ann.autonomy.tools() == [], "what a tool asks a person is no call of it"
    for _ in range(3):
        await home.decide(approve(), confidence=0.9)
        await home.decide(approve(), kind=PauseKind.MCP_ELICITATION)
    await home.decide(edit(path="b"))
    for _ in range(5):
        await home.asked(by_itself=True)
        await home.decide(approve(), home.bob, confidence=0.95)
    (one,) = await home.ann.autonomy.tools()
    assert one.says == "8 of 9 approved unchanged, at least 56 %; none of the last 5 refused; its confidence is off by 0.07"
    assert (one.proposed, one.evidence.decisions, one.evidence.since_refused) == (Level.THRESHOLD, 9, 5)
    (home.folder / "policy.toml").write_text(ON + "decisions = 4\nquiet = 2\napproved = 0.4\nwindow = 5\n")
    (one,) = await home.ann.autonomy.tools()
    assert (one.evidence.decisions, one.evidence.unchanged) == (5, 5)
    shown = await home.asked()
    await home.store.write(
        "INSERT INTO attention_checks (review, source, correct, last, wrong, made_at, actor, actor_key, said, caught, found_at) "
        "VALUES (?, 1, '{}', 0, 'x', 0, 'Bob', 'bob', 'approved', 0, ?)",
        (shown, time.time()),
    )
    (one,) = await home.ann.autonomy.tools()
    assert (one.proposed, one.says) == (None, "0 of 1 attention checks caught")
    asked = {"agent": "desk", "tool": "move", "before": 2**62, "limit": 5}
    plan = await home.store.all(f"EXPLAIN QUERY PLAN {DECIDED}", asked)
    assert any("USING INDEX history_people (agent=? AND tool=?" in row[3] for row in plan), (
        "a million calls that went on by themselves are not read"
    )


async def test_calls_decided_with_one_key_are_one_judgement(home: AutonomyHome) -> None:
    ids = [await home.asked(confidence=confidence) for confidence in (0.5, 0.7, 0.9)]
    found = [await home.ann.reviews.get(id_) for id_ in ids]
    assert await home.ann.reviews.decide_many([(one, {0: approve()}) for one in found], 100, reading_ms=1000) == {}
    for who in (home.ann, home.bob):
        await home.decide(approve(), who, confidence=0.7)
    (one,) = await home.ann.autonomy.tools()
    assert (one.evidence.decisions, one.evidence.unchanged) == (3, 3), "ann's three are one look, and the other two one each"
    assert one.evidence.calibration_error == pytest.approx(0.3)
    figures = await home.ann.insights.read()
    assert figures.overall.rates.approved == 5, "statistics count calls"
    assert figures.calibration.count == 3
    assert (figures.readers[0].pace.fast, figures.readers[0].pace.streak) == (3, 3), "a pace counts calls"
    await home.ann.feedback.rate(Subject(found[1].row.run, ids[1], 0), -1)
    (one,) = await home.ann.autonomy.tools()
    assert (one.evidence.decisions, one.evidence.unchanged) == (3, 2), "one call was wrong, so the judgement was"


async def test_calibration_of_a_home_from_before_counts_judgements_too(home: AutonomyHome) -> None:
    ids = [await home.asked(confidence=0.7) for _ in range(3)]
    found = [await home.ann.reviews.get(id_) for id_ in ids]
    await home.ann.reviews.decide_many([(one, {0: approve()}) for one in found])
    await home.decide(reject(), confidence=0.7)
    await home.ann.insights.read()
    kept = await home.store.all("SELECT * FROM beliefs ORDER BY 1, 2, 3, 4, 5")
    await home.store.write("UPDATE beliefs SET count = count + 7")
    step = (SCHEMA / "steps" / "20_judgements.sql").read_text("utf-8")
    for statement in step[step.index("DELETE FROM beliefs") :].split(";")[:2]:
        await home.store.write(statement)
    assert await home.store.all("SELECT * FROM beliefs ORDER BY 1, 2, 3, 4, 5") == kept
    assert [row[5] for row in kept if row[0] == "tool"] == [2] * 3


async def test_reason_given_for_several_calls_with_one_key_is_no_lesson(home: AutonomyHome) -> None:
    ids = [await home.asked() for _ in range(3)]
    await home.ann.reviews.decide_many([(await home.ann.reviews.get(id_), {0: reject("wrong folder")}) for id_ in ids])
    await lessons.propose(home.store)
    assert await lessons.listed(home.store) == []
    await home.decide(reject("Wrong folder."))
    await lessons.propose(home.store)
    (lesson,) = await lessons.listed(home.store)
    assert lesson.text.endswith("They gave that reason 2 times.")


# A real agent


CALL = ("move", {"path": "a"})
POLICY = "spot_check = {}\n[autonomy]\ndecisions = 4\nquiet = 2\napproved = 0.4\n"


async def moves(reviewer: Reviewer, confidence: str = "well") -> Any:
    """Add a run that asks to move a file."""
    return (await reviewer.inbox.runs.launch("per_call", text=json.dumps([(confidence, [CALL])])))[0]


async def test_real_agent_rises_acts_and_falls(new_sandbox: SandboxFactory) -> None:
    async with open_reviewer(new_sandbox("policy")) as reviewer:
        sandbox = reviewer.sandbox
        policy = sandbox.home.path / "policy.toml"
        policy.write_text(POLICY.format(0))
        sandbox.start()
        made = [await moves(reviewer) for _ in range(4)]
        for run in made:
            review = await reviewer.open_review(run)
            assert review.actions[0].routed() == "asks: autonomy: per_call's move asks until it has earned more"
            await reviewer.decide(review, approve())
        (listed,) = sandbox.cli_json("autonomy")
        assert (listed["level"], listed["proposed"], listed["evidence"]["decisions"]) == ("ask", "spot checks", 4)
        assert sandbox.cli_json("policy", "replay")["levels"] == {"judged": "now", "above_ask": []}
        proposed = sandbox.cli_json("policy", "replay", "--proposed")
        assert proposed["levels"] == {"judged": "proposed", "above_ask": [{"agent": "per_call", "tool": "move", "level": "spot checks"}]}
        (turn,) = proposed["differences"]
        assert (turn["was"], turn["would"], turn["rule"], turn["count"]) == ("approved", "auto", "autonomy", 4)
        shown = sandbox.cli("policy", "replay", "--proposed").stdout
        assert "autonomy levels with every proposal accepted: per_call's move spot checks" in shown
        assert "per_call's move: ask → spot checks" in sandbox.cli("autonomy", "accept", "per_call", "move").stdout
        run = await moves(reviewer)
        await reviewer.result_of(run)
        (row,) = await reviewer.inbox.reviews.of_run(run.id)
        review = await reviewer.inbox.reviews.get(row.id)
        assert review.decisions[0].actor == "policy:autonomy"
        assert review.actions[0].reason.startswith("autonomy: per_call's move acts, with spot checks (since ")
        policy.write_text(POLICY.format(1))
        review = await reviewer.open_review(await moves(reviewer))
        assert review.actions[0].spot_check and review.actions[0].reason.startswith("spot check: autonomy: per_call's move acts")
        await reviewer.decide(review, reject())
        policy.write_text(POLICY.format(0))
        (listed,) = sandbox.cli_json("autonomy")
        assert (listed["level"], listed["by"], listed["proposed"]) == ("threshold", "autonomy", None)
        review = await reviewer.open_review(await moves(reviewer))
        assert review.actions[0].reason == "its confidence is unknown"
        sandbox.cli("autonomy", "set", "per_call", "move", "ask")
        assert "is more than per_call's move has earned" in sandbox.cli_error("autonomy", "set", "per_call", "move", "spot-checks")
        assert "per_call  move  ask" in sandbox.cli("autonomy").stdout
        steps = [(step.name, step.mark) for step in explain(Facts("per_call", "move"), parse(POLICY.format(0)), NOON).steps]
        assert steps[0] == ("autonomy", Mark.MATCHED)
        policy.write_text("")
        assert "the policy has no [autonomy]" in sandbox.cli_error("autonomy")
        assert "the policy has no [autonomy]" in sandbox.cli_error("policy", "replay", "--proposed")
