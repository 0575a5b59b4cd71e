"""`[reader]` and `[decider]` of policy.toml: programs that are asked about calls, and what a second reader's verdict changes. Pure.

A second reader makes things stricter, never looser; a decider has the rights of a person of its own, and no others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Facts, Json, Opinion, Outcome, Reading, Reason, Verdict
from hitl_tui.policy import globs

READER = "second reader"
"""Stands in verdicts in place of a rule's name."""
UNREAD = "the second reader has not read it"
MOST_REASONS, LONGEST_REASON = 10, 500
LONGEST_CONVERSATION = 60_000
"""Characters of the conversation that a reader gets, the end of it."""
STRICTER = (Outcome.AUTO, Outcome.ASK, Outcome.TAKEOVER, Outcome.DENY)
"""Outcomes from the loosest to the strictest."""


LEAST = {
    Opinion.OK: Outcome.AUTO,
    Opinion.ASK: Outcome.ASK,
    Opinion.SUSPICIOUS: Outcome.ASK,
    Opinion.TAKEOVER: Outcome.TAKEOVER,
    Opinion.DENY: Outcome.DENY,
}
"""The loosest outcome that an opinion leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgram:
    """A program that is asked about calls."""

    command: tuple[str, ...] = ()
    """Program and arguments; no shell. It gets JSON and prints JSON."""
    agents: tuple[str, ...] = ("*",)
    tools: tuple[str, ...] = ("*",)
    """Globs of the calls that it is asked about."""
    risks: tuple[str, ...] = ()
    """Their risks, `unknown` among them; empty for all."""
    timeout_s: float = 20.0

    def covers(self, agent: str, tool: str, risk: str | None) -> bool:
        """Whether it is asked about such a call. `risk` is the one that the policy judges by."""
        if self.risks and (risk or "unknown") not in self.risks:
            return False
        return any(globs.names(one, agent) for one in self.agents) and any(globs.matches(one, tool) for one in self.tools)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSettings(CallProgram):
    """`[reader]`: who reads which calls."""

    model: str = ""
    """`provider:model` in place of a command."""

    @property
    def name(self) -> str:
        """Who reads, for people; empty if nobody does."""
        return self.model or (self.command[0].rpartition("/")[2] if self.command else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeciderSettings(CallProgram):
    """`[decider]`: an external program that decides as a person of its own. It counts only in the home's policy."""

    person: str = ""
    """Its name in people.toml."""
    key: str = ""
    """File of the key with which it signs; empty for one in ssh-agent."""
    again_s: float = 0.0
    """Seconds after which it is asked again about what it left open; 0 for never."""


NO_DECIDER = DeciderSettings()
NO_READER = ReaderSettings()


# The question and the answer


def question(facts: Facts, description: str, verdict: Verdict) -> dict[str, Json]:
    """What a reader is given, as JSON: the call, what the policy says, the task, and the end of the conversation."""
    said: list[Json] = []
    room = LONGEST_CONVERSATION
    for message in reversed(facts.conversation or ()):
        calls: list[Json] = [{"tool": name, "arguments": args} for name, args in message.calls]
        room -= len(message.text) + len(canonical_json.dumps(calls))
        if room < 0:
            break
        said.insert(0, {"role": message.role, "name": message.name, "text": message.text, "calls": calls})
    return {
        "version": 1,
        "agent": facts.agent,
        "tool": facts.tool,
        "description": description,
        "arguments": facts.args,
        "risk": verdict.risk or facts.risk,
        "policy": {"outcome": verdict.outcome.value, "rule": verdict.rule, "reason": verdict.reason},
        "task": facts.launch_input,
        "conversation": said,
        "answer": {"verdict": [one.value for one in Opinion], "confidence": "0 to 1", "reasons": [{"text": "why", "passage": "quoted"}]},
    }


def parse_answer(text: str, asked: Json, by: str) -> Reading:
    """A reader's answer, also with text around its JSON. One that cannot be used has a `problem`. Never raises."""
    raw = _first_object(text)
    if raw is None:
        return Reading(by=by, problem="its answer is no JSON object")
    verdict, sure = raw.get("verdict"), raw.get("confidence")
    if not isinstance(verdict, str) or verdict not in list(Opinion):
        return Reading(by=by, problem=f"its answer has no verdict of {', '.join(Opinion)}")
    known = isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure <= 1
    if sure is not None and not known:
        return Reading(by=by, problem="its confidence is no number from 0 to 1")
    texts = " ".join(_texts(asked))
    reasons = raw.get("reasons")
    listed = reasons if isinstance(reasons, list) else [reasons] if reasons else []
    told = tuple(_reason(one, texts) for one in listed[:MOST_REASONS])
    return Reading(Opinion(verdict), float(sure) if sure is not None else None, told, by)


def _first_object(text: str) -> Mapping[str, Any] | None:
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        return found if isinstance(found, dict) else None
    return None


def _reason(one: Any, texts: str) -> Reason:
    text, passage = (one.get("text", ""), one.get("passage", "")) if isinstance(one, dict) else (one, "")
    quoted = " ".join(str(passage or "").split())[:LONGEST_REASON]
    plain = canonical_json.storable(" ".join(str(text).split())[:LONGEST_REASON])
    return Reason(plain, canonical_json.storable(quoted), bool(quoted) and quoted.casefold() in texts.casefold())


def _texts(value: Json) -> list[str]:
    """Every text of a value, its blanks as one."""
    if isinstance(value, str):
        return [" ".join(value.split())]
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, Sequence):
        return [text for one in value for text in _texts(one)]
    return [] if value is None else [canonical_json.dumps(value)]


# What it changes


def stricter(verdict: Verdict, reading: Reading | None, may_deny: bool = True) -> Verdict:
    """The verdict of the policy, made stricter where a reader says so; otherwise unchanged.

    What the policy demands of people stays as it is.

    Args:
        verdict: of the policy.
        reading: of the second reader; None if there is none, and unchanged too if it failed.
        may_deny: whether the call may be denied without a person; if not, it goes to a takeover instead.
    """
    if reading is None or reading.problem:
        return verdict
    least = LEAST[reading.opinion]
    if least is Outcome.DENY and not may_deny:
        least = Outcome.TAKEOVER
    if STRICTER.index(least) <= STRICTER.index(verdict.outcome):
        return verdict
    return replace(verdict, outcome=least, rule=READER, reason=f"{told(reading)}; {_though(verdict)}", template=None, grant=None)


def unread(verdict: Verdict) -> Verdict:
    """The verdict on a call that would run and that its reader had no chance to read."""
    return replace(verdict, outcome=Outcome.ASK, rule=READER, reason=f"{UNREAD}; {_though(verdict)}", template=None, grant=None)


def _though(verdict: Verdict) -> str:
    return f"though {verdict.reason}"


def told(reading: Reading) -> str:
    """A reading as a clause."""
    sure = f" ({reading.confidence:.0%} sure)" if reading.confidence is not None else ""
    why = f": {reading.reasons[0].text}" if reading.reasons and reading.reasons[0].text else ""
    return f"the second reader says {reading.opinion}{sure}{canonical_json.one_line(why, 200) if why else ''}"
