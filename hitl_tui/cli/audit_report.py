"""The page of `hitl-tui audit report`: one HTML file without links to others, for an auditor who has nothing but a browser or a printer."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.formatting import measured_duration, percent, percent_range, utc_date
from hitl_tui.model.people import People
from hitl_tui.oversight.statistics import Calibration, Figures, Reader, Statistics, reliability, wilson
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import one_line
from hitl_tui.store.audit import Verified
from hitl_tui.store.audit_report import MOST_ENTRIES, AuditFacts, LoggedEntry

GRANTS = ("granted", "grant_revoked", "grant_expired", "grant_used_up")
KINDS = (
    "policy",
    "autonomy",
    "people",
    "people_changed",
    "taken_over",
    "handed_back",
    "discarded",
    "refused",
    "repaired",
    "clock",
    "pruned",
    "exported",
    "practiced",
    *GRANTS,
)
"""Kinds of entries that the report lists."""
DECISIONS = ("approve", "edit", "reject", "respond")
LONGEST = 200
STYLE = """
body { font: 11pt/1.4 sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #111; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 0.5rem 0 1.5rem } caption { text-align: left; font-style: italic }
th, td { border-bottom: 1px solid #bbb; padding: 0.2rem 0.5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere }
td.n { text-align: right; font-variant-numeric: tabular-nums } code { font-size: 10pt } .bad { font-weight: bold; color: #a00 }
@media print { body { margin: 0; max-width: none } h2 { break-after: avoid } tr { break-inside: avoid } }
"""
NORMS = (
    ("EU AI Act, article 12: automatic recording of events", "§ 3, § 5 to § 8; § 9: the log is append-only and hashed",
     "how long the log is kept: nothing deletes entries of it, but a home can be deleted"),
    ("EU AI Act, article 14 (4) a: understand capacities and limits", "", "nothing here: instructions and training are the provider's and the deployer's"),
    ("EU AI Act, article 14 (4) b: awareness of automation bias", "§ 6: attention checks; § 4: time viewed, fatigue", "whether reviewers were told of it"),
    ("EU AI Act, article 14 (4) d and e: decide not to use, override, stop", "§ 3: rejected and edited; § 5: takeovers", "that stopping was possible at every moment"),
    ("EU AI Act, article 14 (5): two persons", "§ 2: rules with two reviewers", "whether the use falls under that paragraph"),
    ("EU AI Act, article 26 (2): persons with competence, training and authority", "§ 1: people, roles and groups; § 6: attention checks, training", "competence and training beyond these"),
    ("EU AI Act, article 26 (5) and (6): monitoring, and logs of at least six months", "§ 7, § 8, § 9", "whether earlier logs exist elsewhere"),
    ("OWASP, agentic applications: overwhelmed or deceived humans in the loop", "§ 4: time viewed, fatigue; § 5: deadlines; § 6: attention checks", "what reviewers were shown outside this program"),
    ("OWASP, agentic applications: misuse of tools, excessive agency", "§ 2: rules; § 3: what ran by rule; § 7: levels", "calls that a graph makes without asking"),
    ("OWASP, agentic applications: repudiation, untraceable acts", "§ 4: identification and signatures; § 9", "what agents did without a call that asks"),
    ("ISO/IEC 42001, A.6.2.8: recording of event logs", "§ 3 to § 9", "logs of the model's provider, and of the systems that tools reach"),
    ("ISO/IEC 42001, A.9.2 and A.9.3: processes and objectives of responsible use", "§ 1, § 2, § 7", "the objectives themselves"),
)  # fmt: skip
"""Requirement in short, facts that speak to it, and what of it they do not show."""


@dataclass(frozen=True, slots=True)
class ReportHead:
    """What the first lines say."""

    home: str
    since: float
    until: float
    agent: str
    """A glob."""
    version: str


def page(
    head: ReportHead,
    facts: AuditFacts,
    people: People,
    policy: Policy | None,
    policy_path: str,
    verified: Verified,
    signed: int,
    figures: Statistics | None,
) -> str:
    """The whole page. `figures` are those of the insights view for the same period and agents; None if they cannot be read."""
    parts = [
        f"<title>Audit report, {_day(head.since)} to {_day(head.until)}</title><style>{STYLE}</style></head><body>",
        "<h1>Audit report</h1>",
        _table((), [
            ("home", head.home), ("period, UTC", f"{_day(head.since)} to {_day(head.until)}"), ("agents", head.agent),
            ("made by", f"hitl-tui {head.version}"), ("end of the log", str(verified.head)),
        ]),
        "<h2>§ 1 Who may decide</h2>", *_people(people),
        "<h2>§ 2 Rules in force</h2>", *_rules(policy, policy_path),
        "<h2>§ 3 Decisions</h2>", *_decisions(facts),
        *(_calibration(figures.calibration) if figures else ()),
        "<h2>§ 4 People</h2>", *_persons(facts), *(_unchanged(figures.reviewers) if figures else ()), *(_fatigue(figures.readers) if figures else ()),
        "<h2>§ 5 Takeovers, deadlines, refusals</h2>", *_takeovers(facts),
        "<h2>§ 6 Attention checks, and training</h2>", *_checks(facts.checks), *_training(facts.entries.get("practiced", ())),
        "<h2>§ 7 Autonomy and grants</h2>", _entries(facts, ("autonomy", *GRANTS)),
        "<h2>§ 8 Changes of policy and people; upkeep</h2>", _entries(facts, ("policy", "people", "people_changed", "repaired", "clock", "pruned", "exported")),
        "<h2>§ 9 Verification of the log</h2>", *_verification(verified, signed, facts),
        "<h2>§ 10 What these facts speak to</h2>",
        "<p>Paraphrased, and no legal advice: each row names the sections above that speak to a requirement, and what of it they do not show.</p>",
        _table(("requirement", "facts", "not shown"), NORMS),
        "</body></html>",
    ]  # fmt: skip
    return '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n' + "\n".join(parts) + "\n"


def _day(at: float) -> str:
    return utc_date(at)


def _text(value: Any) -> str:
    """Text for the page: what cannot be seen is drawn, and nothing of it is markup."""
    return html.escape(one_line(str(value), LONGEST))


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "") -> str:
    """A table; numbers are at the right. A sentence where there are no rows."""
    listed = list(rows)
    if not listed:
        return f"<p>{_text(caption) + ': ' if caption else ''}none.</p>"
    lines = ["<table>", f"<caption>{_text(caption)}</caption>" if caption else ""]
    lines += ["<tr>" + "".join(f"<th>{_text(head)}</th>" for head in heads) + "</tr>"] if heads else []
    for row in listed:
        cells = (f'<td class="n">{one:,}</td>' if isinstance(one, int) else f"<td>{_text(one)}</td>" for one in row)
        lines.append("<tr>" + "".join(cells) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _people(people: People) -> Iterator[str]:
    if not people.is_checked:
        yield "<p>There is no people.toml: everybody who can use the home may decide everything, under the name that they give.</p>"
        return
    if people.problem:
        yield f'<p class="bad">people.toml cannot be used, so nobody has a right: {_text(people.problem)}</p>'
    rows = [
        (one.name, ", ".join(one.aliases), ", ".join(one.groups), ", ".join(one.roles), sum(key.revoked is None for key in one.keys))
        for one in people.persons
    ]
    yield _table(("person", "other names", "groups", "roles", "keys that count"), rows)
    yield _table(("group", "members"), ((name, ", ".join(members)) for name, members in people.groups.items()), "groups of the policy")


def _rules(policy: Policy | None, path: str) -> Iterator[str]:
    if policy is None:
        yield "<p>There is no policy in the home. Those of projects stand in § 8 with their digests, as they were accepted; without any, every call needs a person.</p>"
        return
    if policy.problem:
        yield f'<p class="bad">The policy cannot be used, so every call needs a person: {_text(policy.problem)}</p>'
    yield f"<p>{_text(path)}; auto from {policy.thresholds.auto:g}, ask from {policy.thresholds.ask:g}, spot checks {percent(policy.spot_check)}.</p>"
    yield _table(
        ("rule", "tools", "condition", "risk", "outcome", "reviewers", "to", "signed"),
        ((rule.name, ", ".join(rule.tools), rule.when.text if rule.when else "", rule.risk or "", rule.outcome or "by confidence or level",
          rule.reviewers, rule.to, "yes" if rule.signed else "") for rule in policy.rules),
    )  # fmt: skip


def _decisions(facts: AuditFacts) -> Iterator[str]:
    counted = Counter[tuple[str, str, str]]()
    for risk, kind, actor, count in facts.by_risk:
        counted[risk, actor, kind] += count
    rows = sorted({(risk, actor) for risk, actor, _ in counted})
    yield _table(("risk", "by", *DECISIONS), ((risk, by, *(counted[risk, by, kind] for kind in DECISIONS)) for risk, by in rows), "by risk")
    yield _table(
        ("by", "decision", "count"), ((actor, kind, count) for actor, _, kind, count in facts.by_rule), "without a person, by rule"
    )
    yield _days(facts.by_day)


def _persons(facts: AuditFacts) -> Iterator[str]:
    people = dict[tuple[str, str], dict[str, Any]]()
    for name, identified, kind, count, viewed, signed in facts.by_person:
        one = people.setdefault((name, identified), {"signed": 0, "seconds": 0.0, "viewed": 0})
        one[kind] = count
        one["signed"] += signed or 0
        if viewed is not None:
            one["seconds"], one["viewed"] = one["seconds"] + viewed * count / 1000, one["viewed"] + count
    yield _table(
        ("person", "identified", *DECISIONS, "signed", "mean time viewed"),
        ((name, identified, *(one.get(kind, 0) for kind in DECISIONS), one["signed"],
          measured_duration(one["seconds"] / one["viewed"]) if one["viewed"] else "not measured") for (name, identified), one in people.items()),
    )  # fmt: skip


def _takeovers(facts: AuditFacts) -> Iterator[str]:
    waits = facts.waits_s
    rows: list[tuple[str, Any]] = [
        (kind.replace("_", " "), facts.counts.get(kind, 0)) for kind in ("taken_over", "handed_back", "discarded", "refused")
    ]
    rows.append(("deadlines that passed undecided", facts.overdue))
    for name, share in (("median", 0.5), ("p90", 0.9), ("p99", 0.99)):
        rows.append((f"wait for a person, {name}", measured_duration(waits[int(share * (len(waits) - 1))]) if waits else "no decisions"))
    yield _table((), rows)
    yield _entries(facts, ("taken_over", "handed_back", "discarded", "refused"))


def _checks(checks: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    total = ("all", sum(shown for _, shown, _ in checks), sum(caught for _, _, caught in checks))
    rows = []
    for name, shown, caught in (*checks, total) if checks else ():
        bounds = wilson(caught, shown)
        rows.append((name, shown, caught, percent(caught / shown), f"{percent_range(*bounds)} (95 % CI)" if bounds else ""))
    yield _table(("person", "shown", "caught", "detection rate", "Wilson's interval"), rows)


def _training(entries: Sequence[LoggedEntry]) -> Iterator[str]:
    rows = []
    for one in entries:
        body = one.body if isinstance(one.body, dict) else {}
        told = body.get("d_prime")
        rows.append(
            (
                one.actor,
                _day(one.at),
                *(body.get(name, 0) for name in ("bad", "caught", "good", "false_alarms")),
                f"{told:.2f}" if told is not None else "",
            )
        )
    yield _table(("person", "day", "bad calls", "caught", "good calls", "false alarms", "d′"), rows, "training: hitl-tui practice")


def _entries(facts: AuditFacts, kinds: Sequence[str]) -> str:
    found = sorted((one for kind in kinds for one in facts.entries.get(kind, ())), key=lambda one: -one.seq)
    rows = [(one.seq, _day(one.at), one.kind, one.actor or "the program", _about(one)) for one in found[:MOST_ENTRIES]]
    more = sum(facts.counts.get(kind, 0) for kind in kinds) - len(rows)
    return _table(("entry", "day", "kind", "by", "about"), rows) + (f"<p>and {more:,} more in the log</p>" if more > 0 else "")


def _about(entry: LoggedEntry) -> str:
    where = f"r{entry.run} " if entry.run else ""
    where += f"review {entry.review} " if entry.review else ""
    body = entry.body if isinstance(entry.body, dict) else {}
    kept = {name: value for name, value in body.items() if name not in ("evidence", "plan") and value not in (None, "", [], {})}
    return where + ", ".join(f"{name} {value if isinstance(value, str) else canonical_json.dumps(value)}" for name, value in kept.items())


def _verification(verified: Verified, signed: int, facts: AuditFacts) -> Iterator[str]:
    if verified.problem:
        yield f'<p class="bad">FAILED after {verified.head.seq:,} entries: {_text(verified.problem)}</p>'
    else:
        yield f"<p>Verified: {verified.head.seq:,} entries and {signed:,} signatures. Compare the end with a head that was kept elsewhere: "
        yield f"<code>{_text(verified.head)}</code></p>"
    yield _table(("kind of entry in the period", "count"), facts.counts.items())


# A plot

WIDTH, HEIGHT = 720, 140


def _days(by_day: Sequence[tuple[int, int, int]]) -> str:
    """Decisions by day as bars: people's below, those without a person above."""
    if not by_day:
        return ""
    first, last = by_day[0][0], by_day[-1][0]
    counts = {(day, by_person): count for day, by_person, count in by_day}
    most = max(counts.get((day, 0), 0) + counts.get((day, 1), 0) for day in range(first, last + 1))
    step = WIDTH / (last - first + 1)
    parts = [f'<svg viewBox="0 -16 {WIDTH} {HEIGHT + 40}" width="{WIDTH}" role="img" aria-label="decisions by day" font-size="11">']
    for day in range(first, last + 1):
        base = float(HEIGHT)
        for by_person, colour in ((1, "#447"), (0, "#bbc")):
            tall = counts.get((day, by_person), 0) / most * HEIGHT
            base -= tall
            parts.append(
                f'<rect x="{(day - first) * step:.1f}" y="{base:.1f}" width="{max(1.0, step - 1):.1f}" height="{tall:.1f}" fill="{colour}"/>'
            )
    parts.append(f'<text x="0" y="-4">{most:,} a day; dark: by people, light: by rules and deadlines</text>')
    parts.append(f'<text x="0" y="{HEIGHT + 14}">{_day(first * 86400.0)}</text>')
    parts.append(f'<text x="{WIDTH}" y="{HEIGHT + 14}" text-anchor="end">{_day(last * 86400.0)}</text></svg>')
    return "".join(parts)


SIDE, EDGE = 220, 34
"""Length of an axis of the calibration plot, and room for its numbers."""


def _calibration(found: Calibration) -> Iterator[str]:
    """Share approved unchanged by stated confidence, a circle for each bin, whose area follows its calls; on the line it is calibrated."""
    points = reliability(found.bins)
    if not points:
        yield "<p>Calibration: no agent stated a confidence.</p>"
        return
    most = max(count for *_, count in points)
    size = SIDE + 2 * EDGE
    parts = [f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" aria-label="calibration" font-size="11">']
    parts.append(f'<path d="M{EDGE} {EDGE}V{EDGE + SIDE}H{EDGE + SIDE}" fill="none" stroke="#111"/>')
    parts.append(f'<path d="M{EDGE} {EDGE + SIDE}L{EDGE + SIDE} {EDGE}" stroke="#999" stroke-dasharray="4 4"/>')
    for stated, good, count in points:
        radius = 2 + 8 * (count / most) ** 0.5
        parts.append(
            f'<circle cx="{EDGE + stated * SIDE:.1f}" cy="{EDGE + (1 - good) * SIDE:.1f}" r="{radius:.1f}" fill="#447" opacity="0.7"/>'
        )
    for tick in (0.0, 0.5, 1.0):
        parts.append(f'<text x="{EDGE + tick * SIDE:.0f}" y="{EDGE + SIDE + 14}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{EDGE - 4}" y="{EDGE + (1 - tick) * SIDE + 4:.0f}" text-anchor="end">{percent(tick)}</text>')
    parts.append(f'<text x="{EDGE}" y="14">approved unchanged, by stated confidence</text></svg>')
    yield "".join(parts)
    error = "" if found.error is None else f"; on average it is off by {percent(found.error)}"
    yield f"<p>Calibration of {found.count:,} calls{error}.</p>"


BAR, NAMES = 300, 160
"""Length of a whole bar, and room for names, in pixels."""


def _unchanged(people: Sequence[Figures]) -> Iterator[str]:
    """Share approved unchanged by person as bars, with Wilson's interval as a line."""
    rows = [(one, bounds) for one in people if (bounds := one.rates.unchanged)]
    if not rows:
        return
    height = 20 * len(rows) + 24
    parts = [
        f'<svg viewBox="0 0 {NAMES + BAR + 60} {height}" width="{NAMES + BAR + 60}" role="img" aria-label="approved unchanged by person" font-size="11">'
    ]
    for number, (one, (low, high)) in enumerate(rows):
        y, share = 20 * number + 4, one.rates.share(one.rates.approved) or 0.0
        parts.append(f'<text x="{NAMES - 6}" y="{y + 11}" text-anchor="end">{html.escape(one_line(one.name, 22))}</text>')
        parts.append(f'<rect x="{NAMES}" y="{y}" width="{share * BAR:.1f}" height="14" fill="#bbc"/>')
        parts.append(f'<path d="M{NAMES + low * BAR:.1f} {y + 7}H{NAMES + high * BAR:.1f}" stroke="#111" stroke-width="2"/>')
        parts.append(f'<text x="{NAMES + BAR + 6}" y="{y + 11}">{percent(share)}</text>')
    parts.append(f'<text x="{NAMES}" y="{height - 6}">approved unchanged by person; line: 95 % interval (Wilson)</text></svg>')
    yield "".join(parts)


HALF = 180
"""Length of a whole bar of the fatigue plot, in pixels."""


def _fatigue(readers: Sequence[Reader]) -> Iterator[str]:
    """How long each person looks at 1,000 characters, and which share of their last decisions was faster than reading takes, as bars."""
    readers = [one for one in readers if one.pace.decided]
    if not readers:
        yield "<p>Fatigue: no reading time is known for these decisions.</p>"
        return
    slowest = max((one.per_1000 or 0.0 for one in readers), default=0.0) or 1.0
    column, height = HALF + 60, 20 * len(readers) + 44
    width = NAMES + 2 * column
    parts = [f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="fatigue by person" font-size="11">']
    parts.append(f'<text x="{NAMES}" y="14">time viewed per 1,000 characters</text>')
    parts.append(f'<text x="{NAMES + column}" y="14">decided faster than reading takes</text>')
    for number, one in enumerate(readers):
        y, fast = 20 * number + 22, one.pace.fast / one.pace.decided
        parts.append(f'<text x="{NAMES - 6}" y="{y + 11}" text-anchor="end">{html.escape(one_line(one.reviewer, 22))}</text>')
        for x, share, colour, told in (
            (NAMES, (one.per_1000 or 0.0) / slowest, "#447", measured_duration(one.per_1000)),
            (NAMES + column, fast, "#a00" if one.pace.too_fast else "#bbc", f"{one.pace.fast:,} of {one.pace.decided:,}"),
        ):
            parts.append(f'<rect x="{x}" y="{y}" width="{share * HALF:.1f}" height="14" fill="{colour}"/>')
            parts.append(f'<text x="{x + share * HALF + 4:.1f}" y="{y + 11}">{told}</text>')
    parts.append(
        f'<text x="{NAMES}" y="{height - 6}">fatigue by person, in their last decisions about any agent; red: a warning in F4</text></svg>'
    )
    yield "".join(parts)
    yield _table(
        ("person", "faster than reading takes", "in a row", "median time viewed", "per 1,000 characters", "seen on the screen"),
        ((one.reviewer, f"{one.pace.fast:,} of {one.pace.decided:,}", one.pace.streak, measured_duration(one.viewed.median),
          measured_duration(one.per_1000), percent(one.seen)) for one in readers),
        "fatigue: reading times of the last decisions",
    )  # fmt: skip
