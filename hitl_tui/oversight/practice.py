"""Practice for reviewers: good and bad calls in random order, and a reviewer's results. Pure; no call can run."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist, median

from hitl_tui import canonical_json
from hitl_tui.formatting import counted, measured_duration, percent, percent_range
from hitl_tui.model import Json
from hitl_tui.oversight.argument_kinds import READING, leaves, words_of
from hitl_tui.oversight.attention_checks import WrongCall, wrong_calls
from hitl_tui.oversight.statistics import wilson

LEAST, MOST = 0.05, 0.5
"""The share of bad calls that may be chosen."""
CALLS, USUAL, MINUTES = 20, 0.3, 10.0
"""How many calls, which share of them is bad, and when a practice ends, if nobody says otherwise."""
Tool = tuple[str, str, Json, Json]
"""Agent, tool, arguments of a good call, and their JSON Schema."""


@dataclass(frozen=True, slots=True)
class PracticeCall:
    """A call to decide."""

    agent: str
    tool: str
    args: Json
    asked: str
    """What its user asked for."""
    wrong: WrongCall | None = None
    """What is wrong; None for a good call."""


@dataclass(frozen=True, slots=True)
class PracticeAnswer:
    """What somebody decided."""

    call: PracticeCall
    approved: bool
    seconds: float

    @property
    def caught(self) -> bool:
        """Whether it was a bad call that was rejected."""
        return self.call.wrong is not None and not self.approved

    @property
    def missed(self) -> bool:
        """Whether it was a bad call that was approved."""
        return self.call.wrong is not None and self.approved


@dataclass(frozen=True, slots=True)
class PracticeResult:
    """The figures of a practice."""

    good: int
    """Good calls that were decided."""
    bad: int
    caught: int
    false_alarms: int
    """Good calls that were rejected."""
    seconds: float | None
    """Median time of a call; None if none was decided."""
    kinds: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Caught and shown, by kind of the wrong argument."""

    @property
    def detection(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the share caught; None without bad calls."""
        return wilson(self.caught, self.bad)

    @property
    def d_prime(self) -> float | None:
        """How well bad calls are told from good ones, in standard deviations; None unless both were decided.

        Half a call is added to each count, and a whole one to each sum, so that a share of 0 or 1 has a value too (Hautus 1995).
        """
        if not self.good or not self.bad:
            return None
        z = NormalDist().inv_cdf
        return z((self.caught + 0.5) / (self.bad + 1)) - z((self.false_alarms + 0.5) / (self.good + 1))

    def as_json(self) -> dict[str, Json]:
        """`{good, bad, caught, false_alarms, seconds, d_prime, detection: [low, high] | null, kinds: {kind: {caught, shown}}}`."""
        kinds = {kind: {"caught": caught, "shown": shown} for kind, (caught, shown) in sorted(self.kinds.items())}
        found = {"good": self.good, "bad": self.bad, "caught": self.caught, "false_alarms": self.false_alarms}
        bounds = self.detection
        return {**found, "seconds": self.seconds, "d_prime": self.d_prime, "detection": list(bounds) if bounds else None, "kinds": kinds}

    @staticmethod
    def of_json(raw: Json) -> PracticeResult:
        """The figures that `as_json` wrote; what cannot be read counts as nothing."""
        found = raw if isinstance(raw, dict) else {}
        seconds, kinds = found.get("seconds"), found.get("kinds")
        known = kinds if isinstance(kinds, dict) else {}
        return PracticeResult(
            _count(found, "good"), _count(found, "bad"), _count(found, "caught"), _count(found, "false_alarms"),
            float(seconds) if isinstance(seconds, int | float) else None,
            {str(kind): (_count(one, "caught"), _count(one, "shown")) for kind, one in known.items()},
        )  # fmt: skip

    def told(self) -> Iterator[str]:
        """The figures as sentences."""
        bounds = self.detection
        shown = f", {percent_range(*bounds)} (95 % CI)" if bounds else ""
        share = f"{percent(self.caught / self.bad)}{shown}" if self.bad else "no bad call was shown"
        yield f"caught {self.caught:,} of {counted(self.bad, 'bad call')}: {share}"
        yield f"false alarms: {self.false_alarms:,} of {counted(self.good, 'good call')}"
        told = "" if self.d_prime is None else f"; d′ {self.d_prime:.2f} (0 is chance, 2 is good)"
        yield f"time per call: {measured_duration(self.seconds)} (median){told}"
        for kind, (caught, number) in sorted(self.kinds.items()):
            yield f"  {kind}: caught {caught:,} of {number:,}"


def _count(holder: Json, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, int) else 0


@dataclass(frozen=True, slots=True)
class Training:
    """What the practices of one person came to."""

    reviewer: str
    practices: int
    last_at: float
    """Unix time of the last one."""
    result: PracticeResult
    """All of them; its seconds are the median of their medians."""


def summed(results: Iterable[PracticeResult]) -> PracticeResult:
    """Several practices as one."""
    found = list(results)
    kinds = dict[str, tuple[int, int]]()
    for kind, (caught, shown) in (pair for one in found for pair in one.kinds.items()):
        before = kinds.get(kind, (0, 0))
        kinds[kind] = (before[0] + caught, before[1] + shown)
    seconds = [one.seconds for one in found if one.seconds is not None]
    good, bad, caught, alarms = (sum(getattr(one, name) for one in found) for name in ("good", "bad", "caught", "false_alarms"))
    return PracticeResult(good, bad, caught, alarms, median(seconds) if seconds else None, kinds)


def make_queue(tools: Sequence[Tool], count: int, bad_share: float, seed: str) -> list[PracticeCall]:
    """Good and bad calls in random order; the same seed gives the same ones. Empty if no bad call can be made.

    Good and bad ones are of the same tools, each about as often: those of which a bad call can be made, and that change something where
    there are any. No call follows one that is equal to it, unless there are too few.

    Args:
        tools: good calls, from the history or from schemas.
        count: how many calls.
        bad_share: about which share of them is bad, from `LEAST` to `MOST`; at least one is.
    """
    draw = random.Random(seed)
    made = [(tool, wrongs) for tool in tools if (wrongs := _wrongs(tool, seed))]
    worth = [one for one in made if not words_of(one[0][1]) & READING] or made
    if not worth:
        return []
    bad = max(1, round(count * bad_share))
    found = [_bad(*one, draw) for one in _in_turn(worth, bad, draw)]
    found += [PracticeCall(agent, tool, args, asked_for(args)) for (agent, tool, args, _), _ in _in_turn(worth, count - bad, draw)]
    return _mixed(found, draw)


_Material = tuple[Tool, Sequence[WrongCall]]


def _in_turn(worth: Sequence[_Material], count: int, draw: random.Random) -> Iterator[_Material]:
    """Calls of one tool after another, each tool's in an order of its own; from the beginning again when all were there."""
    by_tool = dict[tuple[str, str], list[_Material]]()
    for one in draw.sample(worth, len(worth)):
        by_tool.setdefault(one[0][:2], []).append(one)
    for number in range(count):
        turn, place = divmod(number, len(by_tool))
        listed = list(by_tool.values())[place]
        yield listed[turn % len(listed)]


def _mixed(calls: Sequence[PracticeCall], draw: random.Random) -> list[PracticeCall]:
    """The calls in random order, no two equal ones in a row where that is possible."""
    left, found = [(_key(one), one) for one in draw.sample(calls, len(calls))], list[PracticeCall]()
    last = ""
    while left:
        often, times = Counter(key for key, _ in left).most_common(1)[0]
        must = often if 2 * times > len(left) and often != last else None
        at = next((n for n, (key, _) in enumerate(left) if key == must or (must is None and key != last)), 0)
        last, call = left.pop(at)
        found.append(call)
    return found


def _key(call: PracticeCall) -> str:
    return canonical_json.dumps([call.agent, call.tool, call.args])


def _wrongs(tool: Tool, seed: str) -> list[WrongCall]:
    _, name, args, schema = tool
    return wrong_calls(name, args, schema, "", seed, asked_for(args))


def _bad(tool: Tool, wrongs: Sequence[WrongCall], draw: random.Random) -> PracticeCall:
    agent, name, args, _ = tool
    wrong = draw.choice(wrongs)
    return PracticeCall(agent, name, wrong.args, asked_for(args), wrong)


def asked_for(args: Json) -> str:
    """What a user would have asked for: the values of the good call."""
    return "; ".join(rows_of(args))


def rows_of(args: Json) -> list[str]:
    """Each argument with its value, whole: `to: ann@example.com`."""
    found = ((".".join(map(str, where)), value) for where, value in leaves(args))
    return [f"{name}: {value if isinstance(value, str) else canonical_json.dumps(value)}" for name, value in found]


def result_of(answers: Sequence[PracticeAnswer]) -> PracticeResult:
    """The figures of what was decided."""
    kinds = dict[str, tuple[int, int]]()
    for one in answers:
        if one.call.wrong:
            caught, shown = kinds.get(one.call.wrong.kind, (0, 0))
            kinds[one.call.wrong.kind] = (caught + one.caught, shown + 1)
    bad = sum(one.call.wrong is not None for one in answers)
    return PracticeResult(
        len(answers) - bad, bad, sum(one.caught for one in answers),
        sum(one.call.wrong is None and not one.approved for one in answers),
        median(one.seconds for one in answers) if answers else None, kinds,
    )  # fmt: skip
