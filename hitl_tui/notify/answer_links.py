"""Links in notifications that decide the calls of one review: for one person, the digest of each call, and a short time.

Links are files in the home, so that only who can write it can make one; only the hash of a link's token is kept. `hitl-tui serve` shows
what a link is about, and takes the answer (`web/answers.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Iterator, Mapping
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
    digests: Mapping[int, str]
    """By slot, the digest of each call of the review. Each is decided once, by an answer of its own."""
    until: float
    """Unix time, seconds."""


@dataclass(slots=True)
class UsedLink:
    """A link that nobody else can use now."""

    link: AnswerLink
    is_valid_again: bool = False
    """Whether it can be used afterwards: calls are left that it may decide."""


def obstacle(review: Review, action: Action) -> str:
    """Why no link may decide a call, and those that get one answer with it, as a clause; empty if one may.

    A link decides plain tool calls that wait, and that can be undone if they are wrong.
    """
    return next((why for one in review.sharing(action) if (why := _obstacle(review, one))), "")


def _obstacle(review: Review, action: Action) -> str:
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
    """The address of a page where a person decides calls of a review; empty if a link may decide none, or no `hitl-tui serve` runs."""
    if all(obstacle(review, action) for action in review.actions):
        return ""
    token, digests = secrets.token_urlsafe(32), [[action.slot, action.digest] for action in review.actions]
    link = {"person": person, "review": review.row.id, "digests": digests, "until": time.time() + for_s}
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
def use_up(home: Home, token: str) -> Iterator[UsedLink]:
    """Use a link for the block; of two requests at once, one gets it. It is valid again if the block says so or raises `Refused`.

    Raises:
        Refused: there is no such link, it was used, or its time is over.
    """
    path = _path(home, token)
    taken = path.with_name(f"used-{secrets.token_hex(8)}")
    try:
        path.rename(taken)
    except OSError:
        raise Refused(GONE) from None
    used = None
    try:
        used = UsedLink(_read(taken))
        yield used
    except Refused:
        if used:
            used.is_valid_again = True
        raise
    finally:
        if used and used.is_valid_again:
            with contextlib.suppress(OSError):
                taken.rename(path)
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
        digests = {int(slot): str(digest) for slot, digest in raw["digests"]}
        link = AnswerLink(str(raw["person"]), int(raw["review"]), digests, float(raw["until"]))
        if link.until > time.time():
            return link
    raise Refused(GONE)
