"""A policy as a list: every rule in order, what else its file says, and where each tool stands, each in three short rows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from hitl_tui.model import SOURCES, Outcome, RuleCount, Standing
from hitl_tui.policy.schema import Notify, Policy, Rule
from hitl_tui.ui.policy import autonomy_levels
from hitl_tui.ui.text import labels
from hitl_tui.ui.widgets.styled_lines import Piece

STYLES = {Outcome.AUTO: "success", Outcome.ASK: "accent", Outcome.TAKEOVER: "error", Outcome.DENY: "warning"}
SETTINGS = ("thresholds", "safety", "spot check", "autonomy", "attention", "confidence", "groups", "escalation", "notify")
"""What comes after the rules."""
NO_POLICY = "no policy"
GONE = "other rules"
"""Those that spoke once and are no longer in the file."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of the list."""

    id: int
    name: str
    rule: Rule | None
    """None for what is no rule."""
    mark: Piece
    """The outcome, at the right of the first row."""
    about: str
    """What it matches, or says."""
    terms: str
    """What comes with it: risk, people, deadline."""
    counts: tuple[RuleCount, ...]
    muted: bool = False
    """It does not count now: the file is broken."""
    standing: Standing | None = None
    """Of a tool on the ladder."""

    @property
    def same(self) -> tuple[str, str]:
        """What it is known by wherever it stands in the list."""
        return (self.name, self.standing.agent if self.standing else "")


def entries(policy: Policy, counts: Sequence[RuleCount], standings: Sequence[Standing] = ()) -> list[Entry]:
    """The list; of a file that could not be read yet, only what is counted."""
    made = [
        Entry(number, rule.name, rule, outcome(rule), matches(rule), terms(rule), _of(rule.name, counts), bool(policy.problem))
        for number, rule in enumerate(policy.rules)
    ]
    for name in () if policy.problem and _rules_nothing(policy) else SETTINGS:
        about, more = _SETTINGS[name](policy)
        made.append(Entry(len(made), name, None, ("", ""), about, more, _of(name, counts), bool(policy.problem)))
    if unusable := _of(NO_POLICY, counts):
        about = "while the file could not be used, everything asked"
        made.append(Entry(len(made), NO_POLICY, None, ("", ""), about, "", unusable))
    known = {*(entry.name for entry in made), *SETTINGS}
    gone = tuple(count for count in counts if count.rule not in known)
    if gone:
        names = ", ".join(dict.fromkeys(count.rule for count in gone))
        made.append(Entry(len(made), GONE, None, ("", ""), names, "spoke before, and are no longer here", gone))
    made += [_stands(len(made) + place, one, bool(policy.problem)) for place, one in enumerate(standings)]
    return made


def _stands(id_: int, one: Standing, muted: bool) -> Entry:
    up = f" {labels.PROPOSED}" if one.proposed else ""
    about = f"of {one.agent} · {autonomy_levels.approved(one.evidence)}"
    says = f"{one.proposed} is proposed" if one.proposed else one.says
    return Entry(id_, one.tool, None, (f"{one.level}{up}", autonomy_levels.STYLES[one.level]), about, says, (), muted, one)


def _rules_nothing(policy: Policy) -> bool:
    """Whether it says no more than who is asked, as one does whose file was never good."""
    return replace(policy, problem="", groups={}, chain=(), errors=False, notify=Notify()) == Policy()


def _of(name: str, counts: Sequence[RuleCount]) -> tuple[RuleCount, ...]:
    return tuple(count for count in counts if count.rule == name)


def outcome(rule: Rule) -> Piece:
    """The word of the file, and its style."""
    return (rule.outcome.value, STYLES[rule.outcome]) if rule.outcome else ("by confidence", "muted")


def matches(rule: Rule) -> str:
    """What it speaks for, on one line."""
    parts = ["any tool" if rule.tools == ("*",) else ", ".join(rule.tools)]
    parts += [f"of {', '.join(rule.agents)}"] if rule.agents != ("*",) else []
    parts += [f"tagged {', '.join(rule.tags)}"] if rule.tags else []
    parts += [rule.hours.text] if rule.hours else []
    parts += [f"when {' '.join(rule.when.text.split())}"] if rule.when else []
    return " ".join(parts)


def terms(rule: Rule) -> str:
    """What it asks for besides its outcome, on one line."""
    asked = asked_for(rule.reviewers, rule.to, rule.deadline_s, rule.then)
    return " · ".join(filter(None, [str(rule.risk or ""), asked]))


def asked_for(reviewers: int, to: str, deadline_s: float | None, then: str) -> str:
    """What is asked of people: how many, who, and by when; empty where it is nothing in particular."""
    people = " ".join([*([f"{reviewers} people"] if reviewers > 1 else []), *([f"to {to}"] if to else [])])
    return " · ".join(filter(None, [people, "" if deadline_s is None else deadline(deadline_s, then)]))


def deadline(seconds: float, then: str) -> str:
    """How long people have, and what then."""
    return f"within {labels.span(seconds)}, else {'rejected' if then == 'reject' else 'escalated'}"


def spoken(counts: Sequence[RuleCount], now: float) -> str:
    """How often it spoke, by outcome, and when last: `42 auto, 2 ask · 3 h ago`."""
    if not counts:
        return ""
    total = Counter[Outcome]()
    for count in counts:
        total[count.outcome] += count.actions
    each = ", ".join(f"{actions:,} {outcome}" for outcome, actions in total.most_common())
    return f"{each} · {labels.ago(now - max(count.last_at for count in counts))} ago"


def _thresholds(policy: Policy) -> tuple[str, str]:
    limits = policy.thresholds
    return f"auto from {limits.auto:g}, ask from {limits.ask:g}, below takeover", "where no rule says otherwise"


def _safety(policy: Policy) -> tuple[str, str]:
    return "what is suspicious, of unknown shape or a question", "asks, whatever a rule says"


def _spot_check(policy: Policy) -> tuple[str, str]:
    seed = f"drawn by seed {policy.seed}" if policy.seed else ""
    return f"{100 * policy.spot_check:.3g} % of what would go on by itself asks first", seed


def _autonomy(policy: Policy) -> tuple[str, str]:
    needs = policy.ladder
    if needs is None:
        return "off: no tool earns to go on by itself", "[autonomy] in the file switches it on"
    about = f"a step up from {needs.decisions:,} decisions on, {100 * needs.approved:.3g} % approved"
    return about, f"none of the last {needs.quiet:,} refused"


def _attention(policy: Policy) -> tuple[str, str]:
    if not policy.attention:
        return "off: no check whether reviewers read", "[attention] in the file switches it on"
    return f"one check after about {policy.attention:,} decisions", "clearly wrong, and never run"


def _confidence(policy: Policy) -> tuple[str, str]:
    sources = policy.sources
    own = f"otherwise for {', '.join(sources.agents)}" if sources.agents else ""
    return ", ".join(sources.order) or "nobody is believed", own


def _groups(policy: Policy) -> tuple[str, str]:
    listed = (f"{name}: {', '.join(people)}" for name, people in policy.groups.items())
    return "; ".join(listed) or "none", ""


def _escalation(policy: Policy) -> tuple[str, str]:
    steps = [f"{step.to} after {labels.span(step.after_s)}" if step.after_s else step.to for step in policy.chain]
    return ", then ".join(steps) or "to whoever comes first", ""


def _notify(policy: Policy) -> tuple[str, str]:
    return ", ".join(ways(policy)) or "nobody but by the queue", f"quiet {policy.notify.quiet.text}" if policy.notify.quiet else ""


def ways(policy: Policy) -> Iterator[str]:
    """How people are told of an escalation; never an address, which may hold secrets."""
    notify = policy.notify
    yield from ["bell"] * notify.bell + ["desktop"] * notify.desktop
    if notify.command:
        yield f"command {notify.command[0]}"
    if notify.urls:
        yield f"{len(notify.urls)} URL{'s' * (len(notify.urls) > 1)}"


_SETTINGS = {
    "thresholds": _thresholds, "safety": _safety, "spot check": _spot_check, "autonomy": _autonomy, "attention": _attention,
    "confidence": _confidence, "groups": _groups, "escalation": _escalation, "notify": _notify,
}  # fmt: skip


def sources_told(order: Sequence[str]) -> str:
    """Sources of confidence as people read them, in order."""
    return ", then ".join(SOURCES.get(source, source) for source in order) or "nobody: it is unknown"
