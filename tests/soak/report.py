"""Prints the figures and problems of a soak."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.soak.invariants import Checker, explained


def report(checker: Checker) -> Iterator[str]:
    """Yield the lines of the report."""
    evidence = checker.evidence
    yield f"runs: {len(evidence.runs)}"
    for agent, runs in _grouped((run["agent"], run["state"]) for run in evidence.runs.values()):
        yield f"  {agent:14} {runs}"
    yield f"reviews: {_counted(review['state'] for review in evidence.reviews.values())}"
    yield f"  by kind: {_counted(review['kind'] for review in evidence.reviews.values())}"
    yield f"decisions: {_counted(row['kind'] for row in evidence.decisions.values())}"
    yield f"  by {_counted(row['actor'] for row in evidence.decisions.values())}"
    yield f"  taken back: {sum(row['undone_at'] is not None for row in evidence.decisions.values())}"
    yield f"what reviewers did: {_counted(line['verb'] + ' ' + line['phase'] for line in evidence.said if line['phase'] != 'try')}"
    for sentence, count in Counter(_general(line["why"]) for line in evidence.said if line["phase"] == "lost").most_common(12):
        yield f"  lost {count:4} times: {sentence}"
    yield f"ended: {_counted(f'{stop.who} by {stop.how}' for stop in evidence.stops)}"
    yield f"done by graphs: {_counted(_name(effect) for effect in evidence.effects)}"
    failed = sum("the graph failed" in mark.note for mark in evidence.marks)
    known = sum(explained(checker, mark) for mark in evidence.marks)
    yield f"marked may have run once: {len(evidence.marks)} ({failed} after a failure and a retry), explained: {known}"
    yield from _repeats(checker)
    for name, problems in checker.problems().items():
        yield f"{'FAILED' if problems else 'ok    '} {name}"
        yield from (f"         {problem}" for problem in problems[:20])


def _repeats(checker: Checker) -> Iterator[str]:
    asked = [pair for pair in checker.repeats if checker.asked_again(*pair)]
    unasked = [pair for pair in checker.repeats if pair not in asked]
    known = [pair for pair in unasked if checker.ended(*pair)]
    held = sum(then.again for _, then in checker.repeats)
    yield f"done again: {len(checker.repeats)}, of these after another approval: {len(asked)}"
    yield f"  repeated by LangGraph after a worker ended: {len(known)}; after a retry or cancel: {len(unasked) - len(known)}"
    yield f"  held back by an idempotent tool: {held}"


def _name(effect: Any) -> str:
    return str(effect.name or effect.what)


def _general(sentence: str) -> str:
    """Replace numbers, names and times in a sentence, to group equal problems."""
    sentence = re.sub(r"\b(reviewer\d(-colleague)?|cli|con|boss)\b", "X", re.sub(r"\d\d:\d\d:\d\d", "T", sentence))
    return re.sub(r"\b\d+\b", "N", sentence)


def _counted(items: Iterable[str]) -> str:
    return ", ".join(f"{count} {item}" for item, count in Counter(items).most_common()) or "none"


def _grouped(pairs: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    groups: dict[str, list[str]] = {}
    for name, item in pairs:
        groups.setdefault(name, []).append(item)
    for name in sorted(groups):
        yield name, _counted(groups[name])
