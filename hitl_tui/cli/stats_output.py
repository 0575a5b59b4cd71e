"""The output of `hitl-tui stats`, as text and as JSON. A figure without enough data is a dash, or null."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hitl_tui.cli.output import table, terminal_cells
from hitl_tui.formatting import UNKNOWN, counted, measured_duration, percent, percent_range, utc_date
from hitl_tui.oversight.statistics import Agreement, Calibration, Figures, Rates, Reader, Statistics, Times, TrendPoint, reliability
from hitl_tui.sanitize import visible

ENOUGH = 2
"""Fewest decisions for a figure."""
ROWS = 20
"""Rows of a table in a terminal; more are only counted."""
RECENT = 14
"""Days, or weeks, of the trend."""
BAR = 40
SPARKS = "▁▂▃▄▅▆▇█"
KINDS = ("approved", "edited", "rejected", "answered")


def as_json(found: Statistics) -> dict[str, Any]:
    """All figures. The shape is the same however much data there is."""
    groups = {"agents": found.agents, "tools": found.tools, "reviewers": found.reviewers, "rules": found.rules}
    return {
        "since": found.since or None,
        "decisions": found.decisions,
        "by_itself": found.by_itself,
        "overall": _figures_json(found.overall),
        **{name: [{"name": _name(one), **_figures_json(one)} for one in group] for name, group in groups.items()},
        "calibration": _calibration_json(found.calibration),
        "readers": [_reader_json(one) for one in found.readers],
        "agreements": [_agreement_json(one) for one in found.agreements],
    }


def _name(of: Figures) -> str:
    return f"{of.agent} {of.name}" if of.agent else of.name


def _figures_json(of: Figures) -> dict[str, Any]:
    enough, bounds = of.rates.total >= ENOUGH, of.rates.unchanged
    return {
        **_rates_json(of.rates),
        "shares": {kind: of.rates.share(getattr(of.rates, kind)) for kind in KINDS} if enough else None,
        "unchanged": {"low": bounds[0], "high": bounds[1]} if enough and bounds else None,
        "waited_s": _times_json(of.waited, enough),
        "viewed_s": _times_json(of.viewed, enough),
        "trend": [{"began": one.began, **_rates_json(one.rates), "waited_s": one.waited} for one in of.trend],
        "edits": [{"argument": name, "count": count} for name, count in of.edited],
        "reasons": [{"reason": reason, "count": count} for reason, count in of.reasons],
    }


def _rates_json(rates: Rates) -> dict[str, Any]:
    return {"decisions": rates.total, **{kind: getattr(rates, kind) for kind in KINDS}}


def _times_json(of: Times, enough: bool) -> dict[str, Any]:
    return {"median": of.median if enough else None, "p90": of.p90 if enough else None}


def _calibration_json(of: Calibration) -> dict[str, Any]:
    enough = of.count >= ENOUGH
    return {
        "decisions": of.count,
        "brier": of.brier if enough else None,
        "error": of.error if enough else None,
        "auto": of.auto,
        "bins": [{"confidence": stated, "approved": good, "decisions": count} for stated, good, count in reliability(of.bins)],
    }


def _reader_json(of: Reader) -> dict[str, Any]:
    enough = of.pace.decided >= ENOUGH
    return {
        "reviewer": of.reviewer,
        "decided": of.pace.decided,
        "fast": of.pace.fast,
        "streak": of.pace.streak,
        "too_fast": of.pace.too_fast,
        "viewed_s": _times_json(of.viewed, enough),
        "per_1000_s": of.per_1000 if enough else None,
        "approved": of.unchanged if enough else None,
        "checks": {"shown": of.shown, "caught": of.caught},
    }


def _agreement_json(of: Agreement) -> dict[str, Any]:
    kappa = of.kappa
    return {
        "name": of.name,
        "calls": of.total,
        "both": of.both,
        "first_only": of.first_only,
        "second_only": of.second_only,
        "neither": of.neither,
        "kappa": {"value": kappa[0], "low": kappa[1], "high": kappa[2]} if kappa else None,
    }


# Text


def lines(found: Statistics, when: str) -> Iterator[str]:
    """The tables; `when` names their time range."""
    beside = f" · {found.by_itself:,} more without a person" if found.by_itself else ""
    yield f"{counted(found.decisions, 'decision')} by people {when}{beside}"
    yield from _titled("outcomes", _rates_rows([(("all",), found.overall)] if found.decisions else []))
    for title, group in (("by agent", found.agents), ("by tool", found.tools), ("by reviewer", found.reviewers), ("by rule", found.rules)):
        if group:
            yield from _titled(title, _rates_rows([(_names(one), one) for one in group]))
    every = [("all", found.overall), *((" ".join(_names(one)), one) for one in (*found.tools, *found.reviewers))]
    yield from _titled("times: median and 90th percentile", _times_rows(every if found.decisions else []))
    yield from _titled("recently", _trend_rows(found.overall.trend[-RECENT:]))
    enough = found.decisions >= ENOUGH
    yield from _titled("what was edited", _counted_rows(found.overall.edited if enough else ()))
    yield from _titled("why it was rejected", _counted_rows(found.overall.reasons if enough else ()))
    yield from _calibration_lines(found.calibration)
    yield from _titled("reviewers, by their latest decisions", _reader_rows(found.readers))
    yield from (f"  {visible(one.reviewer)} approves too fast: faster than anyone can read" for one in found.readers if one.pace.too_fast)
    if found.agreements:
        yield from _titled("agreement of two on the same calls, with kappa (95 % CI)", _agreement_rows(found.agreements))
    yield f"\n{UNKNOWN} means: not enough data."


def _agreement_rows(agreements: Sequence[Agreement]) -> Iterator[tuple[str, ...]]:
    yield ("", "calls", "agree", "kappa")
    for one in agreements:
        kappa = f"{one.kappa[0]:.2f} ({one.kappa[1]:.2f} to {one.kappa[2]:.2f})" if one.kappa else UNKNOWN
        yield (one.name, f"{one.total:,}", f"{one.agreed:,}", kappa)


def _titled(title: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table under its title; "not enough data" if it has only a head."""
    head, *body = rows
    yield f"\n{title}"
    if not body:
        yield "  not enough data"
        return
    shown = body if terminal_cells() is None else body[:ROWS]
    yield table([head, *shown], indent="  ")
    if len(body) > len(shown):
        yield f"  … {len(body) - len(shown):,} more with --json, or in a pipe"


def _names(of: Figures) -> tuple[str, ...]:
    """The cells of a name: of a tool two, so that neither its agent nor the tool hides the other where room is short."""
    return (of.agent, of.name) if of.agent else (of.name,)


def _rates_rows(group: Sequence[tuple[tuple[str, ...], Figures]]) -> Iterator[tuple[str, ...]]:
    yield (*[""] * len(group[0][0] if group else ()), "decided", *KINDS, "95 % CI")
    for names, one in group:
        rates, bounds = one.rates, one.rates.unchanged
        enough = rates.total >= ENOUGH
        shares = (percent(rates.share(getattr(rates, kind))) if enough else UNKNOWN for kind in KINDS)
        sure = percent_range(*bounds) if enough and bounds else UNKNOWN
        yield (*names, f"{rates.total:,}", *shares, sure)


def _times_rows(group: Sequence[tuple[str, Figures]]) -> Iterator[tuple[str, ...]]:
    yield ("", "waited", "p90", "viewed", "p90", "approved")
    for name, one in group:
        enough = one.rates.total >= ENOUGH
        shown = [measured_duration(seconds) if enough else UNKNOWN for of in (one.waited, one.viewed) for seconds in (of.median, of.p90)]
        yield (name, *shown, _sparks([span.rates for span in one.trend[-RECENT:]]) if enough else UNKNOWN)


def _sparks(rates: Sequence[Rates]) -> str:
    shares = [one.share(one.approved) for one in rates]
    return "".join(SPARKS[min(len(SPARKS) - 1, int(share * len(SPARKS)))] for share in shares if share is not None) or UNKNOWN


def _trend_rows(spans: Sequence[TrendPoint]) -> Iterator[tuple[str, ...]]:
    yield ("from", "decisions", *KINDS, "waited")
    for one in spans:
        rates, enough = one.rates, one.rates.total >= ENOUGH
        shares = (percent(rates.share(getattr(rates, kind))) if enough else UNKNOWN for kind in KINDS)
        yield (utc_date(one.began), f"{rates.total:,}", *shares, f"about {measured_duration(one.waited)}" if enough else UNKNOWN)


def _counted_rows(counts: Sequence[tuple[str, int]]) -> Iterator[tuple[str, ...]]:
    yield ("count", "")
    for text, count in counts:
        yield (f"{count:,}", text)


def _calibration_lines(of: Calibration) -> Iterator[str]:
    """A bar per bin: its length is the share approved unchanged, and a mark shows the stated confidence."""
    yield "\ncalibration: stated confidence against decisions"
    if of.count < ENOUGH:
        yield "  not enough data"
        return
    yield "  stated  █ approved unchanged   │ stated confidence"
    for stated, good, count in reliability(of.bins):
        yield f"  {percent(stated):<8}{_bar(stated, good)}  {percent(good):>5} of {count:,}"
    yield f"  of {counted(of.count, 'decision')}: Brier score {of.brier:.3f} (0 is best), calibration error {percent(of.error)}"
    if of.auto is None:
        yield "  not enough data for an auto threshold"
    else:
        yield f"  the decisions support an auto threshold of {of.auto:.2f}"


def _bar(stated: float, good: float) -> str:
    cells = ["█" if cell < round(good * BAR) else "·" for cell in range(BAR)]
    cells[min(BAR - 1, int(stated * BAR))] = "│"
    return "".join(cells)


def _reader_rows(readers: Sequence[Reader]) -> Iterator[tuple[str, ...]]:
    yield ("", "decided", "too fast", "in a row", "1,000 chars", "approved", "checks")
    for one in readers:
        pace, enough = one.pace, one.pace.decided >= ENOUGH
        fast = (f"{pace.fast:,}", f"{pace.streak:,}", measured_duration(one.per_1000)) if enough else (UNKNOWN,) * 3
        caught = f"{one.caught:,} of {one.shown:,}" if one.shown else UNKNOWN
        yield (one.reviewer, f"{pace.decided:,}", *fast, percent(one.unchanged) if enough else UNKNOWN, caught)
