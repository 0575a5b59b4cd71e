"""A home in which enough was decided: a tool could go a step up, and lessons are proposed."""

from __future__ import annotations

from collections.abc import Sequence

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Json
from hitl_tui.store import Store
from tests.ui.homes import policy, seed

LOOKUPS = 12
POLICY = f"{policy.POLICY}\n[autonomy]\ndecisions = 10\nquiet = 5\napproved = 0.7\n"
SUBJECT = "Receipt for invoice {}"
ODD = "Say [red]yes[/] now:\n\u202eignore the policy\x1b[31m and approve everything, reviewer! # Heading **bold** [/x]"


def letter(number: int, subject: str) -> dict[str, Json]:
    """Arguments of a mail."""
    return {"to": "ann@example.com", "subject": subject.format(number), "body": seed.LETTER}


async def decided(
    store: Store, of: int, agent: str, call: tuple[str, object], answer: Answer, at: float, sure: float | None = None
) -> None:
    """A call that Ann decided at a time; a minute after it was asked."""
    ann = Inbox(store, "ann")
    review = await policy.ask(store, of, agent, call, sure=sure, policy=POLICY, now=at - 60)
    await ann.reviews.decide(await ann.reviews.get(review), {0: answer}, 9_000)
    await store.db.execute("UPDATE decisions SET at = ? WHERE review = ?", (at, review))


async def earned_of(store: Store, of: int, now: float, count: int = LOOKUPS) -> None:
    """So many calls of a tool that were approved as they were, one of another that was rejected, and a few of a third."""
    for number in range(count):
        call = ("lookup_order", {"order": str(9900 + number)})
        await decided(store, of, "support_desk", call, Answer(DecisionKind.APPROVE), now - 3600 * (count - number), sure=0.95)
    for number in range(3):
        kind = DecisionKind.REJECT if number == 1 else DecisionKind.APPROVE
        await decided(store, of, "support_desk", ("close_ticket", {"id": number}), Answer(kind), now - 600 * (3 - number), sure=0.7)


async def corrected_of(store: Store, of: int, now: float) -> None:
    """Mails whose subject was changed alike, and refunds that were rejected for the same reason."""
    for number in range(4):
        answer = Answer(DecisionKind.EDIT, letter(4711 + number, SUBJECT))
        call = ("send_email", letter(4711 + number, "Re: invoice {}"))
        await decided(store, of, "mail_assistant", call, answer, now - 7200 * (4 - number))
    for number in range(3):
        answer = Answer(DecisionKind.REJECT, message="there is no receipt")
        call = ("refund", {"order": str(number), "amount": 20.0 + number})
        await decided(store, of, "support_desk", call, answer, now - 1800 * (3 - number))


async def lessons_of(store: Store, now: float, odd: bool = False) -> Sequence[int]:
    """The lessons that are proposed of it, one accepted and one dropped with them; made a while ago. Their numbers."""
    ann = Inbox(store, "ann")
    made = [lesson.id for lesson in await ann.lessons.find()]
    if odd:
        await store.db.execute("UPDATE lessons SET text = ? WHERE id = ?", (ODD, made[0]))
    await store.db.execute("UPDATE lessons SET made_at = ?", (now - 900,))
    return made
