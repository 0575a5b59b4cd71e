"""The figures of a soak, for people."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from tests.soak.invariants import Ledger, explained


def report(ledger: Ledger) -> Iterator[str]:
    """What went on, and what was found."""
    books = ledger.books
    yield f"runs: {len(books.runs)}"
    for agent, runs in _grouped((run["agent"], run["state"]) for run in books.runs.values()):
        yield f"  {agent:14} {runs}"
    yield f"reviews: {_counted(review['state'] for review in books.reviews.values())}"
    yield f"  by kind: {_counted(review['kind'] for review in books.reviews.values())}"
    yield f"decisions: {_counted(row['kind'] for row in books.decisions.values())}"
    yield f"  by {_counted(row['actor'] for row in books.decisions.values())}"
    yield f"  taken back: {sum(row['undone_at'] is not None for row in books.decisions.values())}"
    yield f"what reviewers did: {_counted(line['verb'] + ' ' + line['phase'] for line in books.said if line['phase'] != 'try')}"
    for sentence, count in Counter(_general(line["why"]) for line in books.said if line["phase"] == "lost").most_common(12):
        yield f"  lost {count:4} times: {sentence}"
    yield f"ended: {_counted(f'{stop.who} by {stop.how}' for stop in books.stops)}"
    yield f"done by graphs: {_counted(_name(deed) for deed in books.deeds)}"
    failed = sum("the graph failed" in mark.note for mark in books.marks)
    known = sum(explained(ledger, mark) for mark in books.marks)
    yield f"marked may have run once: {len(books.marks)} ({failed} after a failure and a retry), explained: {known}"
    yield from _repeats(ledger)
    for name, problems in ledger.problems().items():
        yield f"{'FAILED' if problems else 'ok    '} {name}"
        yield from (f"         {problem}" for problem in problems[:20])


def _repeats(ledger: Ledger) -> Iterator[str]:
    asked = [pair for pair in ledger.repeats if ledger.asked_again(*pair)]
    unasked = [pair for pair in ledger.repeats if pair not in asked]
    known = [pair for pair in unasked if ledger.ended(*pair)]
    held = sum(then.again for _, then in ledger.repeats)
    yield f"done again: {len(ledger.repeats)}, of these after another approval: {len(asked)}"
    yield f"  repeated by LangGraph after a worker ended: {len(known)}; after a retry or cancel: {len(unasked) - len(known)}"
    yield f"  held back by an idempotent tool: {held}"


def _name(deed: Any) -> str:
    return str(deed.name or deed.what)


def _general(sentence: str) -> str:
    """The sentence without its numbers, names and times."""
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
