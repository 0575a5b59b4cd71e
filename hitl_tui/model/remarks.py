"""What was told of a call beside its agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.values import Json


class RemarkSource(StrEnum):
    """Who told it."""

    PREVIEW = "preview"
    """The author of its tool."""
    READER = "reader"
    """The second reader of `[reader]` in policy.toml."""
    DECIDER = "decider"
    """The program of `[decider]`, where it could not decide."""


@dataclass(frozen=True, slots=True)
class Remark:
    """What one source told of a call."""

    slot: int
    source: RemarkSource
    body: Json
    """Of a preview, as `previews.body_of` has it; of a reader, as `Reading.as_json`; null where there is a problem."""
    problem: str
    """Why there is none, as a clause; empty if there is."""
    at: float
    """When it was stored, as Unix time in seconds."""


class Opinion(StrEnum):
    """What a second reader says of a call."""

    OK = "ok"
    ASK = "ask"
    SUSPICIOUS = "suspicious"
    TAKEOVER = "takeover"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a reader says what it says."""

    text: str
    passage: str = ""
    """What it rests on, as the reader quotes it."""
    is_found: bool = False
    """Whether the passage stands in what the reader was given."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A second reader's answer on a call."""

    opinion: Opinion = Opinion.OK
    confidence: float | None = None
    """From 0 to 1; None if it does not say."""
    reasons: tuple[Reason, ...] = ()
    by: str = ""
    """Who read it."""
    problem: str = ""
    """Why there is no answer, as a clause; it changes nothing then."""

    def as_json(self) -> Json:
        """`{verdict, confidence, reasons: [{text, passage, found}], by}`."""
        reasons: list[Json] = [{"text": one.text, "passage": one.passage, "found": one.is_found} for one in self.reasons]
        return {"verdict": self.opinion.value, "confidence": self.confidence, "reasons": reasons, "by": self.by}


def reading_of(body: Json, problem: str = "") -> Reading:
    """A stored reading. Never raises."""
    if problem or not isinstance(body, Mapping):
        return Reading(problem=problem or "it cannot be read")
    raw = body.get("reasons")
    reasons = [one for one in raw if isinstance(one, Mapping)] if isinstance(raw, list) else []
    told = tuple(Reason(str(one.get("text", "")), str(one.get("passage", "")), one.get("found") is True) for one in reasons)
    verdict, sure = body.get("verdict"), body.get("confidence")
    opinion = Opinion(verdict) if isinstance(verdict, str) and verdict in list(Opinion) else Opinion.ASK
    return Reading(opinion, sure if isinstance(sure, float | int) else None, told, str(body.get("by", "")))
