"""Calls that are decided together: what they share, where they differ, and which of them must be decided alone. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hitl_tui import canonical_json
from hitl_tui.model import Action, DecisionKind, Json, Outcome, Review, Risk
from hitl_tui.model.verdicts import severity
from hitl_tui.sanitize import one_line
from hitl_tui.ui.review.reasons import own_reason

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
NOTHING: Mapping[int, Mapping[int, str]] = {}
LONGEST_ADDRESSES = 2000
"""Characters of a value in which addresses are looked for."""


@dataclass(frozen=True, slots=True)
class ReviewCall:
    """One undecided call of a review."""

    review: Review
    action: Action
    reasoning: str = ""
    """What the agent said before it proposed the calls of the review."""
    destroys: str = ""
    """What its commands or statements destroy, in words; empty for nothing, or nothing known."""

    @property
    def reason(self) -> str:
        """Why the agent wants this call: what it said of it alone, or of the only call of its review; empty if it said nothing of it."""
        calls = len(self.review.actions)
        return self.reasoning.strip() if calls == 1 else own_reason(self.action, self.reasoning, calls)

    @property
    def label(self) -> str:
        """Run and, where the review has several calls, the call's number: `r7 call 2`."""
        return f"r{self.review.row.run}" + (f" call {self.action.number}" if len(self.review.actions) > 1 else "")

    @property
    def is_irreversible(self) -> bool:
        """Whether it cannot be taken back once it has run, as somebody states or as its arguments say."""
        return self.review.risk_of(self.action) == Risk.IRREVERSIBLE or bool(self.destroys)


@dataclass(frozen=True, slots=True)
class Variant:
    """Calls of one tool with the same arguments, and so the same digest."""

    calls: tuple[ReviewCall, ...]
    differing: Mapping[str, Json]
    """The arguments in which it differs from other variants, by name; by an empty name where the arguments are no object."""

    @property
    def digest(self) -> str:
        """The digest of each of its calls."""
        return self.calls[0].action.digest


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """All calls of one agent's tool."""

    agent: str
    tool: str
    risk: str | None
    shared: Mapping[str, Json]
    """The arguments that all of them have alike."""
    variants: tuple[Variant, ...]
    """The one whose values are rarest comes first."""
    oddness: float
    """By how much the values of the first are rarer than those of the last: 0 where all are as rare, up to 1 for each argument."""
    destroys: str = ""
    """What one of its calls destroys, in words."""

    @property
    def count(self) -> int:
        """How many calls there are."""
        return sum(len(variant.calls) for variant in self.variants)


def undecided_calls(
    reviews: Iterable[Review], said: Mapping[int, str], destroyed: Mapping[int, Mapping[int, str]] = NOTHING
) -> list[ReviewCall]:
    """Every call of these reviews that has no decision.

    Args:
        said: by review, what its agent said.
        destroyed: by review and slot, what a call destroys.
    """
    return [
        ReviewCall(review, action, said.get(review.row.id, ""), destroyed.get(review.row.id, {}).get(action.slot, ""))
        for review in reviews
        for action in review.actions
        if action.slot in review.undecided
    ]


def compare(calls: Sequence[ReviewCall]) -> list[ToolCalls]:
    """Calls by agent and tool: irreversible ones first, then what stands out, by a rare tool and by one call's rare values."""
    by_tool: dict[tuple[str, str], list[ReviewCall]] = {}
    for call in calls:
        by_tool.setdefault((call.review.row.agent, call.action.name), []).append(call)
    found = [_tool_calls(agent, tool, ones) for (agent, tool), ones in by_tool.items()]
    return sorted(found, key=lambda one: (one.risk != Risk.IRREVERSIBLE and not one.destroys, one.count / len(calls) - one.oddness))


def _tool_calls(agent: str, tool: str, calls: Sequence[ReviewCall]) -> ToolCalls:
    by_digest: dict[str, list[ReviewCall]] = {}
    for call in calls:
        by_digest.setdefault(call.action.digest, []).append(call)
    named = [_named(ones[0].action.args) for ones in by_digest.values()]
    names = list(dict.fromkeys(name for args in named for name in args))
    texts = {name: [canonical_json.canonical(args[name]) if name in args else None for args in named] for name in names}
    differing = [name for name in names if len(set(texts[name])) > 1]
    sizes = [len(ones) for ones in by_digest.values()]
    rarity = [0.0] * len(named)
    for name in differing:
        often: Counter[str | None] = Counter()
        for text, size in zip(texts[name], sizes, strict=True):
            often[text] += size
        for place, text in enumerate(texts[name]):
            rarity[place] += 1 - often[text] / len(calls)
    variants = [
        Variant(tuple(ones), {name: args[name] for name in differing if name in args})
        for ones, args in zip(by_digest.values(), named, strict=True)
    ]
    order = sorted(range(len(variants)), key=lambda place: (-rarity[place], place))
    risk = max((call.review.risk_of(call.action) for call in calls), key=severity)
    shared = {name: value for name, value in named[0].items() if name not in differing}
    destroys = next((call.destroys for call in calls if call.destroys), "")
    return ToolCalls(agent, tool, risk, shared, tuple(variants[place] for place in order), max(rarity) - min(rarity), destroys)


def _named(args: Json) -> Mapping[str, Json]:
    return args if isinstance(args, dict) else {"": args}


def why_alone(call: ReviewCall, of: ToolCalls, kind: DecisionKind, reviewer: str, now: float, left_out: Collection[str] = ()) -> str:
    """Why a call cannot be decided together with others, as a clause; empty when it can. `left_out`: digests that are not decided."""
    row, action = call.review.row, call.action
    if row.is_claimed_by_another(reviewer, now):
        return f"claimed by {one_line(row.claimed_by or '', 24)}"
    if len(call.review.sharing(action)) > 1:
        return "shares its id with another call"
    if Outcome.TAKEOVER in (action.outcome, row.route):
        return "to be taken over"
    template = action.templates.get(kind)
    if not row.kind.is_tool_call and (template is None or template.problem or (template.takes_message and kind is DecisionKind.APPROVE)):
        return "needs an answer of its own"  # a question, a gate or a draft is decided by what it says, and alone
    if kind not in action.allowed:
        return f"cannot be {'approved' if kind is DecisionKind.APPROVE else 'rejected'}"
    if kind is DecisionKind.APPROVE and call.is_irreversible and sum(one.digest not in left_out for one in of.variants) > 1:
        return f"{call.destroys or 'irreversible'}, and the arguments differ"
    return ""


def addresses(calls: Iterable[ReviewCall]) -> set[str]:
    """The e-mail addresses that the calls name."""
    return {found.casefold() for call in calls for text in _texts(call.action.args) for found in ADDRESS.findall(text[:LONGEST_ADDRESSES])}


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
