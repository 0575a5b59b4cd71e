"""Pages behind the links of notifications: one shows the calls of a review, and a POST from it approves or rejects exactly one of them.

A GET decides nothing and shows nothing: the token stands behind the `#`, which browsers send to nobody. So what fetches the links of
messages to look at them learns nothing.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hitl_tui.argument_text import json_rows, name_text
from hitl_tui.effects.view import risk_told
from hitl_tui.errors import HitlError, Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Context, DecisionKind, Identified, People, Review, same_person
from hitl_tui.notify import answer_links
from hitl_tui.notify.answer_links import AnswerLink
from hitl_tui.sanitize import visible
from hitl_tui.store import Store

CHANGED = "what the agent asks is no longer what this link is about"


@dataclass(frozen=True, slots=True)
class _Offer:
    """Calls of a review that get one answer: one call, or several with the same id."""

    calls: tuple[Action, ...]
    obstacle: str
    """Why a link may not decide them, as a clause; empty if it may."""

    @property
    def numbers(self) -> str:
        """`call 2`, or `calls 2 and 3`."""
        listed = " and ".join(str(one.number) for one in self.calls)
        return f"call{'s' * (len(self.calls) > 1)} {listed}"


@dataclass(frozen=True, slots=True)
class AnswerPages:
    """What is shown of calls by a link, and what is decided there, under all rules of people."""

    store: Store
    home: Home
    people: Callable[[], People]

    async def page(self, token: str, person: str = "", told: str = "") -> str:
        """The calls of a link as HTML, with a form for each that the link may decide.

        Args:
            token: of the link.
            person: who opens it, as a proxy says; empty where nobody says.
            told: a sentence to begin with.

        Raises:
            Refused: the link is not valid, is another person's, or no call can be decided by it.
        """
        link = answer_links.read(self.home, token)
        review, inbox = await self._found(link, person)
        offers = await _offers(review, inbox)
        if all(one.obstacle for one in offers):
            await _refuse(review, inbox, offers[0])
        context = await inbox.reviews.context(review.row.id)
        destroyed = await inbox.policy.destroyed(review)
        return "\n".join(_page(review, offers, context, link, token, told, destroyed))

    async def decide(self, token: str, call: str, digest: str, decision: str, reason: str, person: str = "") -> tuple[str, bool]:
        """Approve or reject one call of a link. Once none is left that it may decide, the link works no more.

        Args:
            token: of the link.
            call: the call's number, from 1; it may be empty for the only call of a review.
            digest: of the call that was shown.
            decision: `approve` or `reject`.
            reason: of a rejection.
            person: who decides, as a proxy says; empty where nobody says.

        Returns:
            What became of it, as a sentence; and whether calls are left that the link may decide.

        Raises:
            Refused: the link is not valid, is another person's, or the call cannot be decided; nothing was stored.
        """
        if decision not in (DecisionKind.APPROVE, DecisionKind.REJECT):
            raise Refused("a link approves or rejects, and nothing else")
        with answer_links.use_up(self.home, token) as used:
            review, inbox = await self._found(used.link, person)
            offers = await _offers(review, inbox)
            number = call or ("1" if len(review.actions) == 1 else "")
            offer = next((one for one in offers if any(str(action.number) == number for action in one.calls)), None)
            if offer is None or digest != offer.calls[0].digest:
                raise Refused(CHANGED, "open the console")
            if offer.obstacle:
                await _refuse(review, inbox, offer)
            message = reason.strip()[:2000] or None if decision == DecisionKind.REJECT else None
            answer = Answer(DecisionKind(decision), message=message)
            try:
                await inbox.reviews.decide(review, {action.slot: answer for action in offer.calls})
            except Refused:
                raise
            except HitlError as error:
                raise Refused(error.happened, error.todo) from None
            now = await inbox.reviews.get(review.row.id)
            used.is_valid_again = not all(one.obstacle for one in await _offers(now, inbox))
        return _told(now, offer), used.is_valid_again

    async def _found(self, link: AnswerLink, person: str) -> tuple[Review, Inbox]:
        people = self.people()
        if person and not people.same_person(person, link.person):
            raise Refused("this link is another person's", "open the console")
        inbox = Inbox(self.store, link.person, identified=Identified.PINNED, people=self.people)
        review = await inbox.reviews.get(link.review)
        if {action.slot: action.digest for action in review.actions} != link.digests:
            raise Refused(CHANGED, "open the console")
        return review, inbox


async def _offers(review: Review, inbox: Inbox) -> list[_Offer]:
    """The calls of a review in their order, with why a link may not decide them."""
    answered = {one.slot for one in await inbox.reviews.endorsements(review.row.id) if same_person(one.actor, inbox.reviewer)}
    found = dict[int, _Offer]()
    for action in review.actions:
        calls = review.sharing(action)
        found.setdefault(calls[0].slot, _Offer(calls, _obstacle(review, inbox, calls, answered)))
    return list(found.values())


def _obstacle(review: Review, inbox: Inbox, calls: Sequence[Action], answered: Collection[int]) -> str:
    """Why a link may not decide these calls, as a clause."""
    if why := answer_links.obstacle(review, calls[0]):
        return why
    if len(review.actions) > 1 and any(one.slot in answered for one in calls):
        return "you have answered it, and it waits for another person"
    refused = inbox.reviews.refusal(review, [one.slot for one in calls])
    return refused.happened if refused else ""


async def _refuse(review: Review, inbox: Inbox, offer: _Offer) -> None:
    """Raise why a link may not decide calls; that somebody has no right to is logged."""
    refused = inbox.reviews.refusal(review, [one.slot for one in offer.calls])
    if refused and not answer_links.obstacle(review, offer.calls[0]):
        await inbox.refuse(refused, "decide", review.row.id)
    raise Refused(f"this cannot be decided by a link: {offer.obstacle}", "open the console")


def _told(review: Review, offer: _Offer) -> str:
    """What became of an answer, as a sentence."""
    if len(review.actions) == 1:
        return f"Review {review.row.id} is {review.row.decided or review.row.state}."
    made = review.decisions.get(offer.calls[0].slot)
    which = f"{offer.numbers.capitalize()} of review {review.row.id}"
    verb = "are" if len(offer.calls) > 1 else "is"
    if made is None:
        return f"Your answer to {offer.numbers} of review {review.row.id} is stored; another person must answer too."
    return f"{which} {verb} {'rejected' if made.answer.kind is DecisionKind.REJECT else 'approved'} by {made.actor}."


def _page(
    review: Review, offers: Sequence[_Offer], context: Context, link: AnswerLink, token: str, told: str, destroyed: Mapping[int, str]
) -> Iterator[str]:
    several = len(review.actions) > 1
    if told:
        yield f'<p role="status">{_text(told)}</p>'
    if several:
        asks = f"{_text(review.row.agent)} asks about {len(review.actions)} calls"
        yield f"<p>{asks}, each with an answer of its own. It goes on once all are decided.</p>"
    for offer in offers:
        yield from _offered(review, offer, link, token, several, destroyed)
    if context.reasoning:
        yield _block("What the agent says", context.reasoning)
    last = next((message.text for message in reversed(context.conversation) if message.role == "user"), "")
    if last:
        yield _block("What it was asked for last", last)


def _offered(review: Review, offer: _Offer, link: AnswerLink, token: str, several: bool, destroyed: Mapping[int, str]) -> Iterator[str]:
    """Calls that get one answer, and the form that gives it, or why there is none."""
    for action in offer.calls:
        number = f"{action.number} " if several else ""
        told = risk_told(review.risk_of(action), destroyed.get(action.slot, ""))
        risk = " · ".join(filter(None, told)).removeprefix("risk ")
        yield f"<h1>{number}{_text(name_text(action.name))}</h1>"
        yield f"<p>{_text(review.row.agent)} · review {review.row.id} · risk: {_text(risk)} · for {_text(link.person)}</p>"
        yield _block("What it would be called with", "\n".join(json_rows(action.args)))
        if action.reason:
            yield f"<p>Why it asks: {_text(action.reason)}</p>"
    if offer.obstacle:
        yield f"<p>Not decided here: {_text(offer.obstacle)}.</p>"
        return
    if len(offer.calls) > 1:
        yield f"<p>{_text(offer.numbers.capitalize())} share one id, so the graph gives them one answer.</p>"
    yield '<form method="post" action="/answer/decide">'
    for name, value in (("token", token), ("call", str(offer.calls[0].number)), ("digest", offer.calls[0].digest)):
        yield f'<input type="hidden" name="{name}" value="{html.escape(value)}" />'
    yield '<p><label>Reason of a rejection <input name="reason" maxlength="2000" autocomplete="off" /></label></p>'
    what = f" {offer.numbers}" if several else ""
    yield f'<button type="submit" name="decision" value="approve">Approve{what}</button>'
    yield f'<button type="submit" name="decision" value="reject">Reject{what}</button></form>'


def _block(title: str, text: str) -> str:
    """A text of the agent, behind a bar of its own, with codes for what cannot be seen."""
    rows = "\n".join(_text(row) for row in text.split("\n"))
    return f'<h2>{html.escape(title)}</h2><pre class="agent">{rows}</pre>'


def _text(text: str) -> str:
    return html.escape(visible(text))
