"""Links in notifications that decide one call: made for one person, one digest and a short time, and used once.

Links are files in the home, so that only who can write it can make one; only the hash of a link's token is kept. `hitl-tui serve` shows
what a link is about, and takes the answer (`web/answers.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hitl_tui.errors import Refused
from hitl_tui.home import Home
from hitl_tui.model import Action, DecisionKind, Outcome, Review, ReviewState, Risk
from hitl_tui.sanitize import findings

RISKS = (Risk.READ.value, Risk.REVERSIBLE.value)
"""Risks of calls that a link may decide."""
GONE = "this link was used, or its time is over"


@dataclass(frozen=True, slots=True)
class AnswerLink:
    """What a link decides, and for whom."""

    person: str
    review: int
    slot: int
    digest: str
    until: float
    """Unix time, seconds."""


def obstacle(review: Review, action: Action) -> str:
    """Why no link may decide a call, as a clause; empty if one may: a plain tool call that waits, and can be undone if it is wrong."""
    if review.row.state is not ReviewState.OPEN or action.slot not in review.undecided:
        return "it is decided"
    if not review.row.kind.is_tool_call or DecisionKind.APPROVE not in action.allowed or DecisionKind.REJECT not in action.allowed:
        return "it is no call that can be approved and rejected"
    risk = review.risk_of(action)
    if risk not in RISKS:
        return f"its risk is {risk or 'unknown'}"
    if action.outcome is Outcome.TAKEOVER:
        return "it is for a human takeover"
    if action.signed:
        return "it must be signed"
    if review.row.note:
        return f"it has a warning: {review.row.note}"
    found = findings(action.name, action.args)
    return found[0] if found else ""


def make(home: Home, person: str, review: Review, for_s: float) -> str:
    """The address of a page where a person decides the one call of a review; empty if no link may, or no `hitl-tui serve` runs."""
    if len(review.actions) != 1 or obstacle(review, review.actions[0]):
        return ""
    action, token = review.actions[0], secrets.token_urlsafe(32)
    link = {"person": person, "review": review.row.id, "slot": action.slot, "digest": action.digest, "until": time.time() + for_s}
    try:
        base = home.web_address.read_text("utf-8").strip()
        path = _path(home, token)
        path.touch(mode=0o600)
        path.write_text(json.dumps(link), "utf-8")
    except OSError:
        return ""
    return f"{base}/answer#{token}"


def read(home: Home, token: str) -> AnswerLink:
    """What a link is about. It stays valid.

    Raises:
        Refused: there is no such link, it was used, or its time is over.
    """
    return _read(_path(home, token))


@contextlib.contextmanager
def use_up(home: Home, token: str) -> Iterator[AnswerLink]:
    """Use a link for the block; of two requests at once, one gets it. It is valid again if the block raises `Refused`.

    Raises:
        Refused: there is no such link, it was used, or its time is over.
    """
    path = _path(home, token)
    taken = path.with_name(f"used-{secrets.token_hex(8)}")
    try:
        path.rename(taken)
    except OSError:
        raise Refused(GONE) from None
    try:
        yield _read(taken)
    except Refused:
        with contextlib.suppress(OSError):
            taken.rename(path)
        raise
    finally:
        taken.unlink(missing_ok=True)


def forget_old(home: Home) -> None:
    """Delete the links whose time is over."""
    with contextlib.suppress(OSError):
        for path in home.web.glob("answer-*"):
            with contextlib.suppress(Refused):
                _read(path)
                continue
            path.unlink(missing_ok=True)


def _path(home: Home, token: str) -> Path:
    return home.web / f"answer-{hashlib.sha256(token.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _read(path: Path) -> AnswerLink:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        raw = json.loads(path.read_text("utf-8"))
        link = AnswerLink(str(raw["person"]), int(raw["review"]), int(raw["slot"]), str(raw["digest"]), float(raw["until"]))
        if link.until > time.time():
            return link
    raise Refused(GONE)
