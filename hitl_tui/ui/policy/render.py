"""The details of the policy view as lines: a rule, a setting, the walk through the rules for one call, errors in the file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len

from hitl_tui import canonical_json
from hitl_tui.effects.view import ALL
from hitl_tui.formatting import age, exact_duration
from hitl_tui.model import Action, Outcome
from hitl_tui.policy.engine import BROKEN, UNACCEPTED, Mark, WalkStep
from hitl_tui.policy.explain import Explanation, Walk, describe_facts
from hitl_tui.policy.loader import PolicyStatus
from hitl_tui.policy.notification import channel_labels
from hitl_tui.policy.schema import Policy, Rule
from hitl_tui.toml_reader import Problem
from hitl_tui.ui.policy.autonomy_levels import spot_checked
from hitl_tui.ui.policy.list import REMOVED, STYLES, PolicyRow, confidence_sources, deadline, requirements
from hitl_tui.ui.text.lines import BLANK, Line, line, table

LEAD = 24
"""Most cells of the column with the names of rules."""
MARKS = {Mark.NO_MATCH: ("·", "muted"), Mark.MATCHED: ("▶", "accent"), Mark.NO_EFFECT: ("✓", "muted"), Mark.SKIPPED: ("–", "muted")}
OUTCOMES = {
    Outcome.AUTO: "runs without asking",
    Outcome.ASK: "a person decides",
    Outcome.TAKEOVER: "a person takes over",
    Outcome.DENY: "rejected",
}
CONTENTS = {"nothing": "no details", "names": "agent and tool names", "summary": "a summary with the arguments"}
ABSENT = (
    ("There is no policy, so everything asks.", "strong"),
    ("", ""),
    (
        "A policy decides which calls run without asking, which ask, which a person takes over and which are denied, "
        "by tool, agent, arguments, risk, confidence and time. It is a file, policy.toml, in the home or in the project.",
        "",
    ),
    ("", ""),
    ("hitl-tui policy init       write a commented policy into the home", ""),
    ("hitl-tui policy replay     show what a policy would have decided about past calls", ""),
)


def absent_lines() -> Iterator[Line]:
    """The page of a home without a policy."""
    for text, style in ABSENT:
        yield line(text, style)


def problem_lines(now: PolicyStatus) -> Iterator[Line]:
    """Errors in the file, then warnings."""
    errors = [problem for problem in now.problems if problem.is_error]
    if errors:
        yield line("The policy cannot be used: everything asks until it is fixed.", "error", "✗", 2, "error")
    for problem in [*errors, *(problem for problem in now.problems if not problem.is_error)]:
        yield from _problem(problem)


def _problem(problem: Problem) -> Iterator[Line]:
    first, *caret = problem.text.split("\n")
    hint = f"; {problem.hint}" if problem.hint else ""
    style = "error" if problem.is_error else "warning"
    yield line(f"line {problem.line}: {first}{hint}", "" if problem.is_error else "muted", "✗" if problem.is_error else "⚠", 2, style)
    for row in caret:
        yield line(row, "muted", "", 4)


def row_lines(row: PolicyRow, policy: Policy, now: float) -> Iterator[Line]:
    """A rule or a setting in full, and how often it decided."""
    yield line(row.name, "strong")
    yield BLANK
    yield from table(_rule(row.rule, policy) if row.rule else _setting(row, policy), agent=False)
    yield from _counts(row, now)


def _rule(rule: Rule, policy: Policy) -> Iterator[tuple[str, str]]:
    yield "tool", ", ".join(rule.tools) if rule.tools != ("*",) else "any"
    yield "agent", ", ".join(rule.agents) if rule.agents != ("*",) else "any"
    if rule.tags:
        yield "tags", ", ".join(rule.tags)
    if rule.hours:
        yield "hours", rule.hours.text
    if rule.when:
        yield "when", rule.when.text.strip()
    yield "outcome", f"{rule.outcome}: {OUTCOMES[rule.outcome]}" if rule.outcome else "by confidence: the thresholds decide"
    if rule.risk:
        yield "risk", str(rule.risk)
    if rule.reviewers > 1:
        yield "people", f"{rule.reviewers} different people must approve{', without seeing what the other says' if rule.blind else ''}"
    if rule.signed:
        yield "signed", "every decision needs a signature"
    if rule.to:
        yield "to", _people(rule.to, policy)
    if rule.views:
        yield "view", ", ".join(view if name == ALL else f"{name}: {view}" for name, view in rule.views.items())
    if rule.deadline_s is not None:
        yield "deadline", deadline(rule.deadline_s, rule.then)
    yield "line", str(rule.line)


def _people(to: str, policy: Policy) -> str:
    return f"{to}: {', '.join(policy.groups[to])}" if to in policy.groups else to


def _setting(row: PolicyRow, policy: Policy) -> Iterator[tuple[str, str]]:
    match row.name:
        case "thresholds":
            limits = policy.thresholds
            yield "auto", f"confidence from {limits.auto:g}; never for irreversible calls or unknown risk"
            yield "ask", f"confidence from {limits.ask:g}, or unknown"
            yield "takeover", f"confidence below {limits.ask:g}"
        case "autonomy":
            yield from _autonomy(policy)
        case "confidence":
            yield "all agents", confidence_sources(policy.sources.order)
            yield from ((agent, confidence_sources(order)) for agent, order in policy.sources.agents.items())
            yield "state key", policy.sources.state_key
        case "answers" if policy.answers:
            yield from _answers(policy)
        case "groups" if policy.groups:
            yield from ((name, ", ".join(people)) for name, people in policy.groups.items())
        case "escalation" if policy.chain:
            for number, step in enumerate(policy.chain, 1):
                yield f"step {number}", _people(step.to, policy)
                if step.after_s:
                    yield "", f"after {exact_duration(step.after_s)} without a claim"
        case "notify":
            yield from _notify(policy)
        case _:
            yield "", f"{row.summary}{f'; {row.terms}' if row.terms and row.name != REMOVED else ''}"


def _answers(policy: Policy) -> Iterator[tuple[str, str]]:
    for rule in policy.answers:
        yield f"line {rule.line}", rule.about()
        yield from ((f"  {decision}", canonical_json.dumps(sent)) for decision, sent in rule.templates.items())


def _autonomy(policy: Policy) -> Iterator[tuple[str, str]]:
    needs = policy.autonomy
    if needs is None:
        yield "off", "Rules and thresholds alone decide."
        yield (
            "to switch on",
            "Add the line [autonomy] to the file. Every tool of an agent then starts at ask and earns higher levels: "
            "people's decisions are the evidence, and a person accepts each step.",
        )
        return
    yield "decisions", f"at least {needs.decisions:,} by people, among the last {needs.window:,} within {exact_duration(needs.window_s)}"
    yield "unchanged", f"at least {100 * needs.approved:.3g} % (lower end of the 95 % CI)"
    yield "last rejection", f"at least {needs.quiet:,} decisions ago; an edit counts too"
    yield "confidence", f"at most {needs.calibration:g} too high on average, before it decides"
    yield "spot checks", f"{spot_checked(policy)} at the level spot checks"
    yield "never", f"irreversible calls, unknown risk, confidence below {policy.thresholds.ask:g}: a person decides these at every level"
    yield "up", "proposed here; a person accepts it"
    yield "down", "at once, when somebody rejects or corrects a call that ran or was spot-checked"


def _notify(policy: Policy) -> Iterator[tuple[str, str]]:
    notify = policy.notify
    yield "channels", ", ".join(channel_labels(notify)) or "none but the queue"
    yield "content", CONTENTS[notify.content]
    if notify.quiet:
        yield "quiet hours", notify.quiet.text
    yield "timeout", exact_duration(notify.timeout_s)
    yield "retries", str(notify.retries)


def _counts(row: PolicyRow, now: float) -> Iterator[Line]:
    if row.counts or row.rule:
        yield BLANK
    if row.rule and not row.counts:
        yield line("never matched", "muted")
    for count in sorted(row.counts, key=lambda one: (one.rule, -one.actions)):
        rule = f"{count.rule}: " if row.name == REMOVED else ""
        text = f"{rule}{count.outcome} {count.actions:,} time{'s' * (count.actions != 1)}, last {age(now - count.last_at)} ago"
        yield line(text, "", "●", 2, STYLES[count.outcome])


# Why


def walk_lines(found: Explanation | None, slot: int) -> Iterator[Line]:
    """Which rule matched an action, and why the others did not."""
    action = next((action for action in found.review.actions if action.slot == slot), None) if found else None
    if found is None or action is None:
        yield line("Select a review in the queue and press F5: this shows which rule matched it, and why.", "muted")
        return
    walk = found.walks[slot]
    yield from _verdict(walk, action, found.file.policy)
    judged = "" if walk.verdict.risk == walk.facts.risk else f" · treated as {walk.verdict.risk}"
    yield line(describe_facts(walk.facts) + judged, "muted", "", 2)
    if walk.steps:
        yield BLANK
    yield from _steps(walk.steps)


def _verdict(walk: Walk, action: Action, policy: Policy | None) -> Iterator[Line]:
    is_broken = policy is not None and policy.problem  # the errors are shown above
    text = f"asks: {BROKEN if policy.accepted else UNACCEPTED}" if policy and is_broken else walk.summary()
    yield line(text, "strong", "⚖", 2, STYLES[walk.outcome])
    verdict = walk.verdict
    needs_people = verdict.outcome in (Outcome.ASK, Outcome.TAKEOVER)
    if needs_people and (terms := requirements(verdict)):
        yield line(terms, "", "", 2)
    if changed := walk.changed_since(action):
        yield line(f"when it arrived: {changed}", "warning", "", 2)


def _steps(steps: Iterable[WalkStep]) -> Iterator[Line]:
    listed = list(steps)
    column = min(max((cell_len(step.name) for step in listed), default=0) + 3, LEAD)
    for step in listed:
        glyph, style = MARKS[step.mark]
        matched = step.mark is Mark.MATCHED
        lead, lead_style = f"{glyph} {step.name}", "accent" if matched else "muted"
        if cell_len(lead) >= column + 2:
            yield line(lead, lead_style)
            lead = ""
        word = f"{step.mark}: " if step.mark in (Mark.MATCHED, Mark.SKIPPED) else ""
        yield line(f"{word}{step.why}", "" if matched else style, lead, column + 2, lead_style)
