"""Pages behind the links of notifications: one shows a whole call, and a POST from it approves or rejects exactly that call.

A GET decides nothing and shows nothing: the token stands behind the `#`, which browsers send to nobody. So what fetches the links of
messages to look at them learns nothing.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hitl_tui.argument_text import json_rows, name_text
from hitl_tui.errors import HitlError, Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, Answer, Context, DecisionKind, Identified, People, Review
from hitl_tui.notify import answer_links
from hitl_tui.notify.answer_links import AnswerLink
from hitl_tui.sanitize import visible
from hitl_tui.store import Store

CHANGED = "what the agent asks is no longer what this link is about"


@dataclass(frozen=True, slots=True)
class AnswerPages:
    """What is shown of a call by a link, and what is decided there, under all rules of people."""

    store: Store
    home: Home
    people: Callable[[], People]

    async def page(self, token: str, person: str = "") -> str:
        """The call of a link as HTML, with a form that decides it.

        Args:
            token: of the link.
            person: who opens it, as a proxy says; empty where nobody says.

        Raises:
            Refused: the link is not valid, is another person's, or its call can no longer be decided by it.
        """
        link = answer_links.read(self.home, token)
        review, action, inbox = await self._found(link, person)
        context = await inbox.reviews.context(review.row.id)
        return "\n".join(_page(review, action, context, link, token))

    async def decide(self, token: str, digest: str, decision: str, reason: str, person: str = "") -> str:
        """Approve or reject the call of a link, which then works no more. Returns a sentence.

        Raises:
            Refused: the link is not valid, is another person's, or the call cannot be decided; nothing was stored.
        """
        if decision not in (DecisionKind.APPROVE, DecisionKind.REJECT):
            raise Refused("a link approves or rejects, and nothing else")
        with answer_links.use_up(self.home, token) as link:
            if digest != link.digest:
                raise Refused(CHANGED, "open the console")
            review, action, inbox = await self._found(link, person)
            message = reason.strip()[:2000] or None if decision == DecisionKind.REJECT else None
            try:
                await inbox.reviews.decide(review, {action.slot: Answer(DecisionKind(decision), message=message)})
            except Refused:
                raise
            except HitlError as error:
                raise Refused(error.happened, error.todo) from None
        now = (await inbox.reviews.get(link.review)).row
        return f"Review {link.review} is {now.decided or now.state}."

    async def _found(self, link: AnswerLink, person: str) -> tuple[Review, Action, Inbox]:
        people = self.people()
        if person and not people.same_person(person, link.person):
            raise Refused("this link is another person's", "open the console")
        inbox = Inbox(self.store, link.person, identified=Identified.PINNED, people=self.people)
        review = await inbox.reviews.get(link.review)
        action = next((one for one in review.actions if one.slot == link.slot), None)
        if action is None or action.digest != link.digest:
            raise Refused(CHANGED, "open the console")
        if why := answer_links.obstacle(review, action):
            raise Refused(f"this cannot be decided by a link: {why}", "open the console")
        if refused := inbox.reviews.refusal(review, [action.slot]):
            await inbox.refuse(refused, "decide", review.row.id)
        return review, action, inbox


def _page(review: Review, action: Action, context: Context, link: AnswerLink, token: str) -> Iterator[str]:
    risk = review.risk_of(action) or "unknown"
    yield f"<h1>{_text(name_text(action.name))}</h1>"
    yield f"<p>{_text(review.row.agent)} · review {review.row.id} · risk {_text(risk)} · for {_text(link.person)}</p>"
    yield _block("What it would be called with", "\n".join(json_rows(action.args)))
    if action.reason:
        yield f"<p>Why it asks: {_text(action.reason)}</p>"
    if context.reasoning:
        yield _block("What the agent says", context.reasoning)
    last = next((message.text for message in reversed(context.conversation) if message.role == "user"), "")
    if last:
        yield _block("What it was asked for last", last)
    yield '<form method="post" action="/answer/decide">'
    for name, value in (("token", token), ("digest", action.digest)):
        yield f'<input type="hidden" name="{name}" value="{html.escape(value)}" />'
    yield '<p><label>Reason of a rejection <input name="reason" maxlength="2000" autocomplete="off" /></label></p>'
    yield '<button type="submit" name="decision" value="approve">Approve</button>'
    yield '<button type="submit" name="decision" value="reject">Reject</button></form>'


def _block(title: str, text: str) -> str:
    """A text of the agent, behind a bar of its own, with codes for what cannot be seen."""
    rows = "\n".join(_text(row) for row in text.split("\n"))
    return f'<h2>{html.escape(title)}</h2><pre class="agent">{rows}</pre>'


def _text(text: str) -> str:
    return html.escape(visible(text))
