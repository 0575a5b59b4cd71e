"""The offline support desk's steps for a ticket, each with its reason and confidence."""

import json
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A ticket with the facts of its order."""

    ticket: str
    text: str
    order: str
    facts: dict[str, str]
    paid_back: str = ""
    """The refunded amount, once it is: a person may have changed it."""

    @property
    def first_name(self) -> str:
        found = re.search(r"^From: (\S+)", self.text, re.MULTILINE)
        return found[1] if found else "all"

    def says(self, pattern: str) -> bool:
        return bool(re.search(pattern, self.text, re.IGNORECASE))


@dataclass(frozen=True)
class Step:
    """A call with its reason."""

    name: str
    args: dict[str, Any]
    reason: str
    confidence: float


def steps(case: Case) -> list[Step]:
    """The steps for a ticket, in order; each requires that the one before succeeded."""
    if case.says(r"lawyer|liable|insurance|smoke|burn|injur"):
        return [
            _reply(case, "we are sorry to hear this and will look into it.", f"{case.ticket} is about harm and who is liable for it.", 0.15)
        ]
    if case.order and not case.facts:
        return [
            _reply(
                case, "we are looking for your order.", f"{case.ticket} names order {case.order}, which I cannot find in any system.", 0.35
            )
        ]
    if case.says("charged twice|two payments"):
        return _charged_twice(case)
    if case.says("cracked|broken") and case.says("money back|refund"):
        return _broken(case)
    if case.says("no answer needed|thank you for"):
        return [_reply(case, "thank you for writing; we are glad to hear that.", f"{case.ticket} says thank you and asks nothing.", 0.97)]
    if case.says("where is my order|have heard nothing"):
        answer = f"your order {case.order} was {case.facts['status']}. It should reach you within three days."
        return [_reply(case, answer, f"{case.ticket} asks where order {case.order} is, and the order has its status.", 0.96)]
    return [_reply(case, "we have read your message and will come back to you.", f"I do not know what {case.ticket} asks of us.", 0.4)]


def reply_from_person(case: Case, answer: str) -> Step:
    """A reply with the answer of the person who took the ticket over."""
    return _reply(case, answer, f"A person said what to answer to {case.ticket}.", 0.95)


def apology(case: Case) -> Step:
    """A reply for when nobody knows an answer."""
    said = "we could not find an answer yet, and will call you as soon as we have one."
    return _reply(case, said, f"Nobody could help with {case.ticket}; a person should see how I say so.", 0.7)


def _charged_twice(case: Case) -> list[Step]:
    payments = json.loads(case.facts["payments"])
    if len(payments) < 2:
        return [_reply(case, f"we see one payment only for order {case.order}.", f"The order of {case.ticket} was paid once.", 0.7)]
    amount = payments[-1]
    why = f"{case.ticket} was charged twice: order {case.order} has the payments {case.facts['payments']}."
    said = f"you are right: order {case.order} was charged twice. We paid {case.paid_back} EUR back."
    return [_refund(case, amount, "charged twice", why, 0.85), _reply(case, said, "The refund went through.", 0.95)]


def _broken(case: Case) -> list[Step]:
    amount = float(case.facts["total"])
    why = f"{case.ticket} wants the money back for a lamp that came broken; nobody has seen a photo of it yet."
    said = f"we are sorry that it came broken. We paid {case.paid_back} EUR for order {case.order} back; you need not return the lamp."
    return [_refund(case, amount, "arrived broken", why, 0.66), _reply(case, said, "The refund went through.", 0.95)]


def _refund(case: Case, amount: float, reason: str, why: str, confidence: float) -> Step:
    return Step("refund", {"order": case.order, "amount": amount, "reason": reason}, why, confidence)


def _reply(case: Case, said: str, why: str, confidence: float) -> Step:
    said = said if not said[:1].islower() else said[0].upper() + said[1:]
    body = f"Dear {case.first_name},\n\n{said}\n\nKind regards\nNordlicht Lamps"
    return Step("send_reply", {"ticket_id": case.ticket, "body": body}, why, confidence)
