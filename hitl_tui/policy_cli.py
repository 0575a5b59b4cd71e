"""What `hitl-tui policy` does: writes a policy to start from, checks one, and replays one over what was decided before."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from hitl_tui import durations, notify
from hitl_tui.errors import BadHome, Refused
from hitl_tui.policy import Policy, Problem, Replay, examine, policy_paths, read_policy, read_text
from hitl_tui.policy.explaining import Explained, told, walk_json
from hitl_tui.policy.places import line_of, places
from hitl_tui.policy.telling import ways
from hitl_tui.printing import table
from hitl_tui.safety import visible
from hitl_tui.settings import Home
from hitl_tui.store import Store, history


def init(home: Home, starter: Path) -> Path:
    """Write the commented policy of the sample agents into the home; the path.

    Raises:
        Refused: there is one already.
        BadHome: it cannot be written.
    """
    path = policy_paths(home.path)[0]
    text = read_text(starter)
    try:
        with path.open("x", encoding="utf-8") as file:
            path.chmod(0o600)
            file.write(text)
    except FileExistsError:
        raise Refused(f"there is a {path} already", "edit it, or move it away") from None
    except OSError as error:
        raise BadHome(f"{path} cannot be written: {error.strerror}", "check the home's permissions") from None
    return path


def check(path: Path) -> tuple[Policy, list[Problem]]:
    """The policy with all that is wrong with it.

    Raises:
        BadPolicy: it cannot be read at all.
    """
    text = read_text(path)
    policy, problems = examine(text)
    later = [] if any(problem.is_error for problem in problems) else list(_untold(text, policy))
    return policy, sorted([*problems, *later], key=lambda problem: problem.line)


def _untold(text: str, policy: Policy) -> Iterator[Problem]:
    """Warnings of channels that cannot work on this machine."""
    lines = places(text)
    for key, what, todo in notify.problems(policy.notify):
        yield Problem(line_of(lines, ("notify", key)), what, todo, is_error=False)


def check_json(path: Path, policy: Policy, problems: list[Problem]) -> dict[str, Any]:
    """`{file, good, rules, problems: [{line, level, text, hint}]}`."""
    listed = [{"line": p.line, "level": "error" if p.is_error else "warning", "text": p.text, "hint": p.hint} for p in problems]
    good = not any(p.is_error for p in problems)
    return {"file": str(path), "good": good, "rules": [rule.name for rule in policy.rules], "problems": listed}


def check_lines(path: Path, policy: Policy, problems: list[Problem]) -> Iterator[str]:
    """The same for people."""
    for problem in problems:
        first, *caret = problem.text.split("\n")
        hint = f"; {problem.hint}" if problem.hint else ""
        yield visible(f"{path}:{problem.line}: {'error' if problem.is_error else 'warning'}: {first}{hint}")
        yield from (f"    {visible(line)}" for line in caret)
    errors = sum(problem.is_error for problem in problems)
    if errors:
        yield f"{errors} mistake{'s' * (errors > 1)}: everything asks until they are corrected"
    else:
        count, limits = len(policy.rules), policy.thresholds
        yield visible(f"{path} is good: {count} rule{'s' * (count != 1)}, auto from {limits.auto:g}, ask from {limits.ask:g}")


def notify_test(path: Path) -> list[dict[str, Any]]:
    """Send a test by every channel of a policy now, however quiet it shall be: `[{channel, service, sent, error}]`.

    Raises:
        BadPolicy: it cannot be used.
        Refused: it has no channel.
    """
    wanted = read_policy(path).notify
    names = ways(wanted)
    if not names:
        raise Refused(f"{path} has no channel by which anybody could be told", "give [notify] a desktop, a command or urls")

    async def work() -> list[notify.Outcome]:
        return await asyncio.gather(*(notify.deliver(name, wanted, notify.trial_message()) for name in names))

    return [
        {"channel": name, "service": notify.service_of(name, wanted), "sent": not outcome.error, "error": outcome.error or None}
        for name, outcome in zip(names, asyncio.run(work()), strict=True)
    ]


def notify_lines(told: list[dict[str, Any]]) -> str:
    """The same for people."""
    return table(("sent" if one["sent"] else "FAILED", one["service"], one["error"] or "") for one in told)


def replay(home: Home, since: str, path: Path | None) -> Replay:
    """Run a policy, by default the home's, over what was decided since that long ago.

    Raises:
        BadPolicy: it cannot be used.
        Refused: `since` is no length of time.
    """
    if since.strip()[-1:].isdigit():
        raise Refused(f"{since!r} has no unit", "write it like 30d, 12h or 2w")
    after = time.time() - durations.seconds(since)
    policy = read_policy(path or policy_paths(home.path)[0])

    async def work() -> Replay:
        found = Replay()
        async with Store.open(home.database) as store, contextlib.aclosing(history.decided_since(store, after)) as batches:
            async for batch in batches:
                found.add(batch, policy)
        return found

    return asyncio.run(work())


def replay_lines(found: Replay, since: str) -> Iterator[str]:
    """What the replay came to, for people."""
    told = found.as_json()
    yield f"{found.actions:,} actions decided in the last {visible(since)}: {found.same:,} the same, {told['different']:,} otherwise"
    if told["differences"]:
        yield ""
        yield "decided otherwise (was → would be):"
        yield table(_cells(one) for one in told["differences"])
    yield ""
    if not told["let_through"]:
        yield "nothing that was rejected would have been let through"
        return
    count = sum(one["count"] for one in told["let_through"])
    yield f"{count:,} rejected action{'s' * (count > 1)} would have been LET THROUGH:"
    yield table(_cells(one) for one in told["let_through"])


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    more = " …" if one["count"] > len(one["reviews"]) else ""
    reviews = f"review{'s' * (len(one['reviews']) > 1)} {', '.join(one['reviews'])}{more}"
    return (f"{one['count']:,} ×", f"{one['was']} → {one['would']}", one["tool"], f"by {one['rule']}", reviews)


def explained_json(found: Explained, slots: Collection[int]) -> dict[str, Any]:
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


def explained_lines(found: Explained, slots: Collection[int]) -> Iterator[str]:
    """The same for people."""
    yield visible(f"review {found.review.row.id} · {found.review.row.agent} · by {found.file.path or 'no policy'}")
    for action in found.review.actions:
        if action.slot in slots:
            walk = found.walks[action.slot]
            yield visible(f"\n#{action.slot} {action.name} · {told(walk.facts)}")
            cells = (("" if one.line is None else f"line {one.line}", one.name, str(one.mark), one.why) for one in walk.steps)
            yield from (f"  {line}" for line in table(cells).splitlines())
            yield visible(f"  → {walk.said()}")
            if changed := walk.changed_since(action):
                yield visible(f"  when it was asked: {changed}")
