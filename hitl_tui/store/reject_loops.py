"""Reject loops: a call that a run proposes again after several rejections, unchanged in what they named, goes to a takeover."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hitl_tui import canonical_json
from hitl_tui.model import Action, DecisionKind, Json, Outcome, Pause, Routed, Verdict
from hitl_tui.store.connection import Transaction

REJECT_LOOP = "reject loop"
"""Stands in verdicts in place of a rule's name."""
KEEPS_PROPOSING = "keeps proposing what was rejected"
LONGEST_NAMED = 200
"""Characters of a value up to which a rejection can name it by quoting it."""
DECIDED = """
SELECT a.name, a.args, d.kind, coalesce(d.message, ''), d.actor, d.at, v.id
FROM reviews v
JOIN actions a ON a.review = v.id
JOIN decisions d ON d.review = a.review AND d.slot = a.slot AND NOT d.superseded
WHERE v.run = :run AND v.state = 'applied' AND a.name IN (SELECT value FROM json_each(:tools))
ORDER BY d.id
"""
"""Decided calls of a run that the agent was told of."""


@dataclass(frozen=True, slots=True)
class Decided:
    """An earlier call of the run with what was decided."""

    tool: str
    args: Json
    kind: DecisionKind
    message: str = ""
    by: str = ""
    at: float = 0.0
    """Unix time of the decision; 0 if unknown."""
    review: int = 0

    def is_with(self, other: Decided) -> bool:
        """Whether the agent was told of both at once: they are of one review, or were decided with one key."""
        return bool(self.review) and (self.review == other.review or (self.at, self.by) == (other.at, other.by))


def applied(db: Transaction, run: int, pause: Pause, routed: Routed, after: int) -> Routed:
    """The verdicts on a new pause, where a call that was rejected `after` times or more goes to a takeover; 0 for never.

    To be called before the pause's own rows are written.
    """
    if not after or not pause.kind.is_tool_call:
        return routed
    tools = json.dumps([canonical_json.storable(action.name) for action in pause.actions])
    earlier = [
        Decided(str(tool), json.loads(args), DecisionKind(kind), message, by, at, review)
        for tool, args, kind, message, by, at, review in db.rows(DECIDED, {"run": run, "tools": tools})
    ]
    if len(earlier) < after:
        return routed
    verdicts = dict(routed.verdicts)
    for action in pause.actions:
        rejections = repeated(action, earlier)
        if len(rejections) >= after:
            verdicts[action.slot] = verdict_on(verdicts.get(action.slot), rejections)
    return replace(routed, verdicts=verdicts)


def repeated(action: Action, earlier: Iterable[Decided]) -> list[Decided]:
    """The rejections of this call since it was last let run; of those that came at once, the first.

    Args:
        earlier: the run's decided calls, oldest first.
    """
    found: list[Decided] = []
    for one in earlier:
        if one.tool != action.name:
            continue
        if one.kind is DecisionKind.REJECT and is_same(action.args, one):
            found += [] if found and one.is_with(found[-1]) else [one]
        elif one.kind in (DecisionKind.APPROVE, DecisionKind.EDIT) and _plain(one.args) == _plain(action.args):
            found.clear()
    return found


def is_same(args: Json, rejected: Decided) -> bool:
    """Whether arguments are those of a rejected call but for case and blanks, or have every argument unchanged that its reason named.

    A reason names an argument by its name or its value. One that names nothing rejects the call as it was.
    """
    if _plain(args) == _plain(rejected.args):
        return True
    if not isinstance(args, Mapping) or not isinstance(rejected.args, Mapping):
        return False
    named = [name for name, value in rejected.args.items() if _is_named(name, value, rejected.message)]
    return bool(named) and all(name in args and _plain(args[name]) == _plain(rejected.args[name]) for name in named)


def verdict_on(verdict: Verdict | None, rejections: Sequence[Decided]) -> Verdict:
    """The verdict on a call that was rejected so often: a takeover, with what the policy demands besides."""
    last = rejections[-1]
    said = f": {canonical_json.one_line(last.message, 80)}" if last.message else ""
    reason = f"{KEEPS_PROPOSING}: {len(rejections)} times, the last by {last.by}{said}"
    if verdict is None:
        return Verdict(Outcome.TAKEOVER, REJECT_LOOP, reason)
    if verdict.outcome is not Outcome.TAKEOVER:
        reason = f"{reason}; a person must look, though {verdict.reason}"
    else:
        reason = f"{reason}; {verdict.reason}"
    changed = replace(verdict, outcome=Outcome.TAKEOVER, rule=REJECT_LOOP, reason=reason, then="escalate", template=None)
    return replace(changed, spot_check=False, grant=None)


def _is_named(name: str, value: Json, message: str) -> bool:
    if not message:
        return False
    words = re.sub(r"[_-]+", " ", name)
    return any(_stands_in(one, message) for one in {name, words}) or any(_stands_in(one, message) for one in _texts(value))


def _texts(value: Json) -> list[str]:
    """A value, or those of a list, as a person would quote them."""
    if isinstance(value, list):
        return [text for one in value[:20] for text in _texts(one)]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return []
    text = str(value).strip()
    return [text] if (3 if isinstance(value, str) else 1) <= len(text) <= LONGEST_NAMED else []


def _stands_in(text: str, message: str) -> bool:
    """Whether a text stands in a message as a whole, and not as a part of a longer word."""
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", message, re.IGNORECASE) is not None


def _plain(value: Json) -> Json:
    """A value without what a reader would not call a difference: case and blanks of its texts."""
    if isinstance(value, str):
        return " ".join(value.split()).casefold()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value
