"""Remarks on a call: previews by the author of its tool, verdicts of the second reader, and problems of the decider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.values import Json


class RemarkSource(StrEnum):
    """Who made the remark."""

    PREVIEW = "preview"
    """The author of its tool."""
    READER = "reader"
    """The second reader of `[reader]` in policy.toml."""
    DECIDER = "decider"
    """The program of `[decider]`, where it could not decide."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on a call; at most one by each source."""

    slot: int
    source: RemarkSource
    body: Json
    """Of a preview, as `previews.body_of` has it; of a reader, as `Reading.as_json`; null where there is a problem."""
    problem: str
    """Why there is no body, as a clause; empty if there is one."""
    at: float
    """When it was stored, as Unix time in seconds."""


class Opinion(StrEnum):
    """The verdict of the second reader."""

    OK = "ok"
    ASK = "ask"
    SUSPICIOUS = "suspicious"
    TAKEOVER = "takeover"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason for the verdict."""

    text: str
    passage: str = ""
    """The passage that the reader quotes for it."""
    is_found: bool = False
    """Whether the reader's input contains the passage."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The second reader's answer about a call."""

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
