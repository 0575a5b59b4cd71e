"""The output of `hitl-tui policy`, as text and as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from hitl_tui.argument_text import name_text
from hitl_tui.cli.output import table
from hitl_tui.formatting import counted
from hitl_tui.model import Levels, call_id
from hitl_tui.oversight.suggestions import Effect, Suggestion
from hitl_tui.policy.explain import Explanation, describe_facts, walk_json
from hitl_tui.policy.replay import Replay
from hitl_tui.policy.schema import Policy
from hitl_tui.sanitize import exact_line, visible
from hitl_tui.toml_reader import Problem


def check_json(path: Path, policy: Policy, problems: list[Problem]) -> dict[str, Any]:
    """`{file, good, rules, answers: [{line, agent, node, approve?, reject?}], problems: [{line, level, text, hint}]}`."""
    listed = [{"line": p.line, "level": "error" if p.is_error else "warning", "text": p.text, "hint": p.hint} for p in problems]
    good = not any(p.is_error for p in problems)
    answers = [{"line": one.line, "agent": list(one.agents), "node": list(one.nodes), **one.templates} for one in policy.answers]
    return {"file": str(path), "good": good, "rules": [rule.name for rule in policy.rules], "answers": answers, "problems": listed}


def check_lines(path: Path, policy: Policy, problems: list[Problem]) -> Iterator[str]:
    """The same as text."""
    for problem in problems:
        first, *caret = problem.text.split("\n")
        hint = f"; {problem.hint}" if problem.hint else ""
        yield visible(f"{path}:{problem.line}: {'error' if problem.is_error else 'warning'}: {first}{hint}")
        yield from (f"    {visible(line)}" for line in caret)
    errors = sum(problem.is_error for problem in problems)
    if errors:
        yield f"{errors} mistake{'s' * (errors > 1)}: every call needs a person until they are fixed"
    else:
        count, limits = len(policy.rules), policy.thresholds
        more = ", autonomy levels on" if policy.autonomy else ""
        more += f", {counted(len(policy.answers), 'answer template')}" if policy.answers else ""
        yield visible(f"{path} is valid: {count} rule{'s' * (count != 1)}, auto from {limits.auto:g}, ask from {limits.ask:g}{more}")


def notify_table(results: list[dict[str, Any]]) -> str:
    """The result of `notify-test`, `[{channel, service, sent, error}]`, as text."""
    return table((("sent" if one["sent"] else "FAILED", one["service"], one["error"] or "") for one in results), whole=True)


def replay_json(found: Replay, levels: Levels | None, proposed: bool) -> dict[str, Any]:
    """The replay's result; with autonomy levels, which ones it used: `{judged: "now" | "proposed", above_ask: [{agent, tool, level}]}`."""
    if levels is None:
        return found.as_json()
    above = [{"agent": agent, "tool": tool, "level": held.level} for (agent, tool), held in sorted(levels.items()) if held.level.rank]
    return {**found.as_json(), "levels": {"judged": "proposed" if proposed else "now", "above_ask": above}}


def replay_lines(found: Replay, since: str, levels: Levels | None, proposed: bool) -> Iterator[str]:
    """The same as text."""
    result = replay_json(found, levels, proposed)
    yield f"{found.actions:,} actions decided in the last {visible(since)}: {found.same:,} the same, {result['different']:,} different"
    if levels is not None:
        listed = ", ".join(f"{one['agent']}'s {one['tool']} {one['level']}" for one in result["levels"]["above_ask"])
        which = "with every proposal accepted" if proposed else "as they are now"
        yield visible(f"autonomy levels {which}: {listed or 'all at ask'}")
    if found.by_grant:
        yield f"{found.by_grant:,} would run by a grant that was in force then"
    if result["differences"]:
        yield ""
        yield "decided differently (was → would be):"
        yield table(_cells(one) for one in result["differences"])
    yield ""
    if not result["let_through"]:
        yield "no rejected action would have run"
        return
    count = sum(one["count"] for one in result["let_through"])
    yield f"{count:,} rejected action{'s' * (count > 1)} WOULD HAVE RUN:"
    yield table(_cells(one) for one in result["let_through"])


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    more = " …" if one["count"] > len(one["reviews"]) else ""
    reviews = f"review{'s' * (len(one['reviews']) > 1)} {', '.join(one['reviews'])}{more}"
    return (f"{one['count']:,} ×", f"{one['was']} → {one['would']}", one["tool"], f"by {one['rule']}", reviews)


def explained_json(found: Explanation, slots: Collection[int]) -> dict[str, Any]:
    """`{review, policy, problem, actions: [{slot, name, facts, steps, verdict, spot_check, when_asked}]}`."""
    return {
        "review": str(found.review.row.id),
        "policy": str(found.file.path) if found.file.path else None,
        "problem": (found.file.policy.problem or None) if found.file.policy else None,
        "actions": [
            {
                "slot": action.slot,
                "name": action.name,
                **walk_json(found.walks[action.slot]),
                "when_asked": {"outcome": action.outcome, "rule": action.rule, "reason": action.reason} if action.outcome else None,
            }
            for action in found.review.actions
            if action.slot in slots
        ],
    }


def explained_lines(found: Explanation, slots: Collection[int]) -> Iterator[str]:
    """The same as text."""
    yield visible(f"review {found.review.row.id} · {found.review.row.agent} · by {found.file.path or 'no policy'}")
    for action in found.review.actions:
        if action.slot in slots:
            walk = found.walks[action.slot]
            yield f"\n#{action.number} {name_text(action.name)} · {exact_line(describe_facts(walk.facts))}"
            cells = (("" if one.line is None else f"line {one.line}", one.name, str(one.mark), one.why) for one in walk.steps)
            yield table(cells, indent="  ", whole=True)
            yield exact_line(f"  → {walk.summary()}")
            if changed := walk.changed_since(action):
                yield visible(f"  when the review opened: {changed}")


def suggested_json(path: Path, text: str, found: Sequence[Suggestion], replayed: Effect) -> dict[str, Any]:
    """`{suggestions: [why], diff, replay: {calls, asked_before, asked_after, let_through}}`."""
    before, after = text.splitlines(keepends=True), found[-1].text.splitlines(keepends=True)
    return {
        "suggestions": [one.why for one in found],
        "diff": "".join(difflib.unified_diff(before, after, path.name, f"{path.name}, suggested")),
        "replay": {
            "calls": replayed.calls,
            "asked_before": replayed.asked_before,
            "asked_after": replayed.asked_after,
            "let_through": [call_id(*call) for call in replayed.let_through],
        },
    }


def suggested_lines(said: dict[str, Any], is_written: bool) -> Iterator[str]:
    """The same as text."""
    replayed = said["replay"]
    yield from map(visible, said["suggestions"])
    yield ""
    yield from map(exact_line, said["diff"].splitlines())
    yield ""
    yield f"of {replayed['calls']} calls in 90 days, {replayed['asked_before']} asked before and {replayed['asked_after']} would ask now"
    if replayed["let_through"]:
        yield f"people rejected these, and they would run by themselves: {', '.join(replayed['let_through'])}"
    else:
        yield "none of those that people rejected would run by itself"
    yield "written into policy.toml" if is_written else "accept: hitl-tui policy suggest --write"
