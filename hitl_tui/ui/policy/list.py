"""The list of the policy view: rules in order, settings of the file, and the tools that have an autonomy level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from hitl_tui.formatting import age, counted, exact_duration
from hitl_tui.model import SOURCES, Grant, Outcome, RuleCount, ToolAutonomy, Verdict
from hitl_tui.policy.notification import Notify, channel_labels
from hitl_tui.policy.parser import RESERVED
from hitl_tui.policy.reader_and_decider import CallProgram
from hitl_tui.policy.schema import Policy, Rule
from hitl_tui.ui.policy import autonomy_levels, grant_rows
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList

STYLES = {Outcome.AUTO: "success", Outcome.ASK: "accent", Outcome.TAKEOVER: "error", Outcome.DENY: "warning"}
NO_POLICY = "no policy"
REMOVED = "removed rules"
"""Rules that matched once and are no longer in the file."""
NUMBER = 3
"""Cells of a rule's number."""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One item of the list."""

    id: int
    name: str
    rule: Rule | None
    """None for a setting or a tool."""
    badge: Piece
    """Outcome or level, at the right of the first line."""
    summary: str
    """What it matches, or its value."""
    terms: str
    """Risk, people and deadline that a rule asks for; a note on a setting."""
    counts: tuple[RuleCount, ...]
    muted: bool = False
    """It does not apply: the file is broken."""
    autonomy: ToolAutonomy | None = None
    """Of a tool with an autonomy level."""
    grant: Grant | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Identifies the row when places change."""
        return (self.name, self.autonomy.agent if self.autonomy else str(self.grant.id) if self.grant else "")


def policy_rows(
    policy: Policy | None, counts: Sequence[RuleCount], tools: Sequence[ToolAutonomy] = (), grants: Sequence[Grant] = (), now: float = 0.0
) -> list[PolicyRow]:
    """All rows; only the counted ones while the file has never been readable, and only grants without a policy."""
    rows = _of_policy(policy, counts, tools) if policy else []
    for one in grant_rows.listed(grants, now):
        row = PolicyRow(len(rows), one.tool, None, grant_rows.badge(one, now), one.scope.told(), grant_rows.note(one), (), grant=one)
        rows.append(row)
    return rows


def _of_policy(policy: Policy, counts: Sequence[RuleCount], tools: Sequence[ToolAutonomy]) -> list[PolicyRow]:
    broken = bool(policy.problem)
    rows = [
        PolicyRow(number, rule.name, rule, _outcome(rule), _matches(rule), _terms(rule), _of(rule.name, counts), broken)
        for number, rule in enumerate(policy.rules)
    ]
    for name, describe in () if broken and _is_blank(policy) else SETTINGS.items():
        value, note = describe(policy)
        if not value:  # it is off, and most homes do without it
            continue
        rows.append(PolicyRow(len(rows), name, None, ("", ""), value, note, _of(name, counts), broken))
    if unusable := _of(NO_POLICY, counts):
        value = "while the file could not be used, everything asked"
        rows.append(PolicyRow(len(rows), NO_POLICY, None, ("", ""), value, "", unusable))
    known = {*(row.name for row in rows), *SETTINGS, *RESERVED}
    if removed := tuple(count for count in counts if count.rule not in known):
        names = ", ".join(dict.fromkeys(count.rule for count in removed))
        rows.append(PolicyRow(len(rows), REMOVED, None, ("", ""), names, "no longer in the file", removed))
    rows += [_tool_row(len(rows) + place, tool_autonomy, broken) for place, tool_autonomy in enumerate(tools)]
    return rows


def _tool_row(id_: int, tool_autonomy: ToolAutonomy, muted: bool) -> PolicyRow:
    badge = f"{tool_autonomy.level} {labels.PROPOSED}" if tool_autonomy.proposed else str(tool_autonomy.level)
    summary = f"of {tool_autonomy.agent} · {autonomy_levels.approved(tool_autonomy.evidence)}"
    note = f"{tool_autonomy.proposed} is proposed" if tool_autonomy.proposed else tool_autonomy.says
    return PolicyRow(
        id_, tool_autonomy.tool, None, (badge, autonomy_levels.STYLES[tool_autonomy.level]), summary, note, (), muted, tool_autonomy
    )


def _is_blank(policy: Policy) -> bool:
    """Whether the policy holds only what is kept of a file that was never readable: who is asked, and how."""
    return replace(policy, problem="", groups={}, chain=(), errors=False, notify=Notify()) == Policy()


def _of(name: str, counts: Sequence[RuleCount]) -> tuple[RuleCount, ...]:
    return tuple(count for count in counts if count.rule == name)


# Rules


def _outcome(rule: Rule) -> Piece:
    return (rule.outcome.value, STYLES[rule.outcome]) if rule.outcome else ("by confidence", "muted")


def _matches(rule: Rule) -> str:
    """What it matches, on one line."""
    parts = ["any tool" if rule.tools == ("*",) else ", ".join(rule.tools)]
    parts += [f"of {', '.join(rule.agents)}"] if rule.agents != ("*",) else []
    parts += [f"tagged {', '.join(rule.tags)}"] if rule.tags else []
    parts += [rule.hours.text] if rule.hours else []
    parts += [f"when {' '.join(rule.when.text.split())}"] if rule.when else []
    return " ".join(parts)


def _terms(rule: Rule) -> str:
    people = requirements(rule)
    return " · ".join(filter(None, [str(rule.risk or ""), people]))


def requirements(of: Rule | Verdict) -> str:
    """How many people must decide, who, how, and by when; empty without any requirement."""
    people = " ".join(
        [*([f"{of.reviewers} people{' blind' if of.blind else ''}"] if of.reviewers > 1 else []), *([f"to {of.to}"] if of.to else [])]
    )
    people += f"{' ' * bool(people)}not who did the {' or '.join(of.separate)} alone" if of.separate and of.reviewers < 2 else ""
    return " · ".join(
        filter(None, [people, "signed" if of.signed else "", "" if of.deadline_s is None else deadline(of.deadline_s, of.then)])
    )


def deadline(seconds: float, then: str) -> str:
    """How long people have, and what happens then."""
    return f"within {exact_duration(seconds)}, else {'rejected' if then == 'reject' else 'escalated'}"


# Settings: value, and a note


def _thresholds(policy: Policy) -> tuple[str, str]:
    limits = policy.thresholds
    return f"auto from {limits.auto:g}, ask from {limits.ask:g}, takeover below", "for calls no rule decides"


def _safety(policy: Policy) -> tuple[str, str]:
    return "suspicious calls, unknown shapes, questions", "always ask, except by [[answer]]"


def _spot_check(policy: Policy) -> tuple[str, str]:
    return f"{100 * policy.spot_check:.3g} % of automatic calls ask first", f"seed {policy.seed}" if policy.seed else ""


def _autonomy(policy: Policy) -> tuple[str, str]:
    needs = policy.autonomy
    if needs is None:
        return "off: no tool earns autonomy", "[autonomy] in the file switches it on"
    value = f"next level after {needs.decisions:,} decisions, {100 * needs.approved:.3g} % approved"
    return value, f"none of the last {needs.quiet:,} rejected or edited"


def _attention(policy: Policy) -> tuple[str, str]:
    if not policy.attention:
        return "off: no attention checks", "[attention] in the file switches it on"
    return f"one check per {policy.attention:,} decisions or so", "clearly wrong, and never run"


def _confidence(policy: Policy) -> tuple[str, str]:
    sources = policy.sources
    return ", ".join(sources.order) or "no source", f"different for {', '.join(sources.agents)}" if sources.agents else ""


def _groups(policy: Policy) -> tuple[str, str]:
    return "; ".join(f"{name}: {', '.join(people)}" for name, people in policy.groups.items()) or "none", ""


def _escalation(policy: Policy) -> tuple[str, str]:
    steps = [f"{step.to} after {exact_duration(step.after_s)}" if step.after_s else step.to for step in policy.chain]
    loops = f"also loops, after {counted(policy.loop_after, 'rejection')}" if policy.loop_after else ""
    return ", then ".join(steps) or "no chain: escalations are unassigned", loops


def _answers(policy: Policy) -> tuple[str, str]:
    if not policy.answers:
        return "none: only a question that takes yes or no is approved", "[[answer]] in the file adds one"
    return "; ".join(rule.about() for rule in policy.answers), "what approve and reject send to a question"


def _notify(policy: Policy) -> tuple[str, str]:
    return ", ".join(channel_labels(policy.notify)) or "the queue only", f"quiet {policy.notify.quiet.text}" if policy.notify.quiet else ""


def _reader(policy: Policy) -> tuple[str, str]:
    reader = policy.reader
    return (f"{reader.name} reads {_calls(reader)}" if reader.name else ""), "it makes things stricter only"


def _decider(policy: Policy) -> tuple[str, str]:
    decider = policy.decider
    name = decider.command[0].rpartition("/")[2] if decider.command else ""
    return (f"{name} decides {_calls(decider)} as {decider.person}" if name else ""), "under all rules of people"


def _calls(program: CallProgram) -> str:
    """Which calls a program is asked about: `send_*, pay · irreversible`."""
    tools = ", ".join(program.tools) if program.tools != ("*",) else "every tool"
    return " · ".join([tools, *([", ".join(program.risks)] if program.risks else [])])


SETTINGS: dict[str, Callable[[Policy], tuple[str, str]]] = {
    "thresholds": _thresholds, "safety": _safety, "spot check": _spot_check, "autonomy": _autonomy, "attention": _attention,
    "answers": _answers, "confidence": _confidence, "groups": _groups, "escalation": _escalation, "notify": _notify,
    "second reader": _reader, "decider": _decider,
}  # fmt: skip
"""What follows the rules in the list."""


def confidence_sources(order: Sequence[str]) -> str:
    """Sources of confidence by their names on screen, in order."""
    return ", then ".join(SOURCES.get(source, source) for source in order) or "none: the confidence is unknown"


# The widget


class PolicyList(VirtualList[PolicyRow]):
    """Three lines per row: name and outcome; what it matches; its terms and how often it matched."""

    BORDER_TITLE = "Policy"
    rows_each = 3

    def __init__(self, moved: Callable[[int | None, bool], None], clock: Callable[[], float]) -> None:
        super().__init__(self._loaded_rows, moved, id="policy-list")
        self._clock = clock
        self.listed: Sequence[PolicyRow] = ()
        """All rows; the id of a row is its place."""

    def put(self, rows: Sequence[PolicyRow]) -> None:
        """Show other rows; the cursor follows its row to its new place."""
        selected = self.chosen
        self.listed = rows
        self.rows = {row.id: row for row in rows}
        self.cursor = next((row.id for row in rows if selected and row.key == selected.key), None)
        self.load(SortedIds(range(len(rows))))

    @property
    def chosen(self) -> PolicyRow | None:
        """The row under the cursor."""
        return self.listed[self.cursor] if self.cursor is not None and self.cursor < len(self.listed) else None

    def key_of(self, row: PolicyRow) -> int:
        return row.id

    def paint(self, row: PolicyRow, part: int, width: int) -> Iterator[Piece]:
        number = f"{row.id + 1:>{NUMBER}} " if row.rule else " " * (NUMBER + 1)
        room = width - len(number) - 1
        if part == 0:
            badge, style = row.badge
            yield number, "muted"
            yield (
                fit(row.name, room - cell_len(badge) - 1),
                "muted" if row.muted else "strong" if row.rule or row.autonomy or row.grant else "title",
            )
            yield f" {badge} ", "muted" if row.muted else style
        elif part == 1:
            yield " " * len(number), ""
            yield fit(row.summary, room), "muted" if row.muted else ""
        else:
            yield " " * len(number), ""
            yield from _third_line(row, room, self._clock())

    async def _loaded_rows(self, ids: Sequence[int]) -> list[PolicyRow]:
        return [self.listed[id_] for id_ in ids if id_ < len(self.listed)]


def _third_line(row: PolicyRow, room: int, now: float) -> Iterator[Piece]:
    """The terms on the left, how often and when it last matched on the right; when room is short, the right side is shortened."""
    short = _match_counts(row.counts) if row.counts else "never" if row.rule else ""
    long = f"{short} · {age(now - max(count.last_at for count in row.counts))} ago" if row.counts else short and f"{short} matched"
    fits = not row.terms or cell_len(row.terms) + 2 + cell_len(long) <= room
    right = long if fits else short
    right = fit(right, room).rstrip() if cell_len(right) > room else right
    left = room - cell_len(right)
    yield fit(row.terms, max(0, left - 2)) + " " * min(2, left), "accent" if row.autonomy and row.autonomy.proposed else "muted"
    yield right, "muted"


def _match_counts(counts: Sequence[RuleCount]) -> str:
    """`42 auto, 2 ask`."""
    total = Counter[Outcome]()
    for count in counts:
        total[count.outcome] += count.actions
    return ", ".join(f"{actions:,} {outcome}" for outcome, actions in total.most_common())
