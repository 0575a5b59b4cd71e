"""What the policy screen says in full: a rule, a setting, why an action goes where it goes, what is wrong with the file. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.cells import cell_len

from hitl_tui.model import Action, Outcome, Verdict
from hitl_tui.policy.engine import BROKEN
from hitl_tui.policy.explain import Explained, Mark, Walk, WalkStep, told
from hitl_tui.policy.loader import PolicyNow
from hitl_tui.policy.parser import Problem
from hitl_tui.policy.schema import Policy, Rule
from hitl_tui.ui.policy.autonomy_levels import checked
from hitl_tui.ui.policy.entries import GONE, NO_POLICY, STYLES, Entry, asked_for, deadline, sources_told, ways
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, table

STEP = 24
"""Cells that names of rules have beside what they say."""
SPEAKING = frozenset({"thresholds", "safety", "autonomy", NO_POLICY, GONE})
"""Entries besides rules that verdicts are by."""
MARKS = {Mark.NO: ("·", "muted"), Mark.SPEAKS: ("▶", "accent"), Mark.AGREES: ("✓", "muted"), Mark.UNASKED: ("–", "faint")}
OUTCOMES = {
    Outcome.AUTO: "it goes on by itself",
    Outcome.ASK: "a person decides",
    Outcome.TAKEOVER: "it goes to a person entirely",
    Outcome.DENY: "it is rejected",
}
CONTENTS = {"nothing": "nothing but a line that leads here", "names": "names of agent and tool", "summary": "a summary with the arguments"}
ABSENT = (
    ("There is no policy, so everything asks.", "strong"),
    ("", ""),
    (
        "A policy says what goes on by itself, what asks, what a person takes over and what is denied: "
        "by tool, agent, arguments, risk, confidence and time. It is a file, policy.toml, in the home or in the project.",
        "",
    ),
    ("", ""),
    ("hitl-tui policy init       writes a commented one into the home", ""),
    ("hitl-tui policy replay     tells what it would have decided of what was decided before", ""),
)


def absent_lines() -> Iterator[Line]:
    """The page of a home without a policy."""
    for text, style in ABSENT:
        yield line(text, style)


def problem_lines(now: PolicyNow) -> Iterator[Line]:
    """What is wrong with the file, mistakes first."""
    mistakes = [problem for problem in now.problems if problem.is_error]
    if mistakes:
        yield line("The policy cannot be used: everything asks until it is corrected.", "error", "✗", 2, "error")
    for problem in [*mistakes, *(problem for problem in now.problems if not problem.is_error)]:
        yield from _problem(problem)


def _problem(problem: Problem) -> Iterator[Line]:
    first, *caret = problem.text.split("\n")
    hint = f"; {problem.hint}" if problem.hint else ""
    style = "error" if problem.is_error else "warning"
    yield line(f"line {problem.line}: {first}{hint}", "" if problem.is_error else "muted", "✗" if problem.is_error else "⚠", 2, style)
    for row in caret:
        yield line(row, "muted", "", 4)


def entry_lines(entry: Entry, policy: Policy, now: float) -> Iterator[Line]:
    """All of a rule, or of what is none."""
    yield line(entry.name, "strong")
    yield BLANK
    if entry.rule:
        yield from table(_rule(entry.rule, policy))
    else:
        yield from table(_setting(entry, policy))
    yield from _counted(entry, now)


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
        yield "people", f"{rule.reviewers} different ones must let it happen"
    if rule.to:
        yield "to", _people(rule.to, policy)
    if rule.deadline_s is not None:
        yield "deadline", deadline(rule.deadline_s, rule.then)
    yield "line", str(rule.line)


def _people(to: str, policy: Policy) -> str:
    return f"{to}: {', '.join(policy.groups[to])}" if to in policy.groups else to


def _setting(entry: Entry, policy: Policy) -> Iterator[tuple[str, str]]:
    match entry.name:
        case "thresholds":
            limits = policy.thresholds
            yield "auto", f"confidence from {limits.auto:g} on; not where it is irreversible, or its risk unknown"
            yield "ask", f"from {limits.ask:g} on, and where the confidence is unknown"
            yield "takeover", f"below {limits.ask:g}"
        case "autonomy":
            yield from _autonomy(policy)
        case "confidence":
            yield "everybody", sources_told(policy.sources.order)
            yield from ((agent, sources_told(order)) for agent, order in policy.sources.agents.items())
            yield "state key", policy.sources.state_key
        case "groups" if policy.groups:
            yield from ((name, ", ".join(people)) for name, people in policy.groups.items())
        case "escalation" if policy.chain:
            for number, step in enumerate(policy.chain, 1):
                yield f"step {number}", _people(step.to, policy)
                if step.after_s:
                    yield "", f"when nobody has claimed it for {labels.span(step.after_s)}"
        case "notify":
            yield from _notify(policy)
        case _:
            yield "", f"{entry.about}{f'; {entry.terms}' if entry.terms and entry.name != GONE else ''}"


def _autonomy(policy: Policy) -> Iterator[tuple[str, str]]:
    needs = policy.ladder
    if needs is None:
        yield "off", "Every tool stays where rules and thresholds put it."
        yield "on", "Write [autonomy] on a line of its own into the file. Each tool of an agent then starts with asking for every call,"
        yield "", "and earns step by step to go on by itself: the decisions of people are the evidence, and a person accepts each step."
        return
    yield "decisions", f"{needs.decisions:,} by people at least, among the last {needs.window:,} of {labels.span(needs.window_s)}"
    yield "unchanged", f"{100 * needs.approved:.3g} % at least, by Wilson's lower bound"
    yield "last refused", f"{needs.quiet:,} decisions ago at least"
    yield "confidence", f"{needs.calibration:g} too high at most on average, before it may decide"
    yield "spot checks", f"{checked(policy)} on the step where most goes on by itself"
    yield (
        "never",
        f"what is irreversible, of unknown risk, or below confidence {policy.thresholds.ask:g}: that goes to a person on every step",
    )
    yield "up", "is proposed here, and a person accepts it or not"
    yield "down", "at once and by itself, when somebody rejects or corrects what ran or was spot-checked"


def _notify(policy: Policy) -> Iterator[tuple[str, str]]:
    notify = policy.notify
    yield "told by", ", ".join(ways(policy)) or "nothing but the queue"
    yield "what leaves", CONTENTS[notify.content]
    if notify.quiet:
        yield "quiet", notify.quiet.text
    yield "tried", f"for {labels.span(notify.timeout_s)} each, {notify.retries} time{'s' * (notify.retries != 1)} more when it fails"


def _counted(entry: Entry, now: float) -> Iterator[Line]:
    if entry.rule is None and entry.name not in SPEAKING:
        return
    yield BLANK
    if not entry.counts:
        yield line("it has not spoken yet", "muted")
    for count in sorted(entry.counts, key=lambda one: (one.rule, -one.actions)):
        of = f"{count.rule}: " if entry.name == GONE else ""
        text = f"{of}{count.outcome} {count.actions:,} time{'s' * (count.actions != 1)}, last {labels.ago(now - count.last_at)} ago"
        yield line(text, "", "●", 2, STYLES[count.outcome])


# Why


def walk_lines(found: Explained | None, slot: int) -> Iterator[Line]:
    """Which rule speaks for an action, and why all the others do not."""
    action = next((action for action in found.review.actions if action.slot == slot), None) if found else None
    if found is None or action is None:
        yield line("Put the cursor on a review in the queue and come back: here is which rule speaks for it, and why.", "muted")
        return
    walk = found.walks[slot]
    yield from _verdict(walk, action, bool(found.file.policy and found.file.policy.problem))
    judged = "" if walk.verdict.risk == walk.facts.risk else f" · judged as {walk.verdict.risk}"
    yield from paragraph(told(walk.facts) + judged, "muted", "", 2)
    if walk.steps:
        yield BLANK
    yield from _steps(walk.steps)


def _verdict(walk: Walk, action: Action, is_broken: bool) -> Iterator[Line]:
    text = f"asks: {BROKEN}" if is_broken else walk.said()  # what is wrong with the file stands above
    yield from paragraph(text, "strong", "⚖", 2, STYLES[walk.outcome])
    if terms := _terms(walk.verdict):
        yield from paragraph(terms, "", "", 2)
    if changed := walk.changed_since(action):
        yield from paragraph(f"when it was asked: {changed}", "warning", "", 2)


def _terms(verdict: Verdict) -> str:
    """What the verdict asks of people."""
    if verdict.outcome not in (Outcome.ASK, Outcome.TAKEOVER):
        return ""
    return asked_for(verdict.reviewers, verdict.to, verdict.deadline_s, verdict.then)


def _steps(steps: Iterable[WalkStep]) -> Iterator[Line]:
    listed = list(steps)
    column = min(max((cell_len(one.name) for one in listed), default=0) + 3, STEP)
    for one in listed:
        glyph, style = MARKS[one.mark]
        spoke = one.mark is Mark.SPEAKS
        lead, lead_style = f"{glyph} {one.name}", "accent" if spoke else "muted"
        if cell_len(lead) >= column + 2:
            yield line(lead, lead_style)
            lead = ""
        word = "not asked: " if one.mark is Mark.UNASKED else "speaks: " if spoke else ""
        yield from paragraph(f"{word}{one.why}", "" if spoke else style, lead, column + 2, lead_style)
