"""A home with enough decisions to propose a higher autonomy level for a tool, and lessons."""

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


def mail_args(number: int, subject: str) -> dict[str, Json]:
    """Return the arguments of a mail."""
    return {"to": "ann@example.com", "subject": subject.format(number), "body": seed.LETTER}


async def add_decision(
    store: Store, project: int, agent: str, call: tuple[str, object], answer: Answer, at: float, sure: float | None = None
) -> None:
    """Add a call that ann decided at `at`, a minute after it was asked."""
    ann = Inbox(store, "ann")
    review = await policy.add_routed_run(store, project, agent, call, sure=sure, policy=POLICY, now=at - 60)
    await ann.reviews.decide(await ann.reviews.get(review), {0: answer}, 9_000)
    await store.db.execute("UPDATE decisions SET at = ? WHERE review = ?", (at, review))


async def add_autonomy_evidence(store: Store, project: int, now: float, count: int = LOOKUPS) -> None:
    """Add `count` calls of one tool that were approved unchanged, and three of another, one of them rejected."""
    for number in range(count):
        call = ("lookup_order", {"order": str(9900 + number)})
        await add_decision(store, project, "support_desk", call, Answer(DecisionKind.APPROVE), now - 3600 * (count - number), sure=0.95)
    for number in range(3):
        kind = DecisionKind.REJECT if number == 1 else DecisionKind.APPROVE
        await add_decision(
            store, project, "support_desk", ("close_ticket", {"id": number}), Answer(kind), now - 600 * (3 - number), sure=0.7
        )


async def add_corrections(store: Store, project: int, now: float) -> None:
    """Add mails whose subject was edited the same way, and refunds rejected for the same reason."""
    for number in range(4):
        answer = Answer(DecisionKind.EDIT, mail_args(4711 + number, SUBJECT))
        call = ("send_email", mail_args(4711 + number, "Re: invoice {}"))
        await add_decision(store, project, "mail_assistant", call, answer, now - 7200 * (4 - number))
    for number in range(3):
        answer = Answer(DecisionKind.REJECT, message="there is no receipt")
        call = ("refund", {"order": str(number), "amount": 20.0 + number})
        await add_decision(store, project, "support_desk", call, answer, now - 1800 * (3 - number))


async def add_lessons(store: Store, now: float, odd: bool = False) -> Sequence[int]:
    """Let lessons be proposed, date them back, and return their ids. `odd` replaces the first text by control characters and markup."""
    ann = Inbox(store, "ann")
    made = [lesson.id for lesson in await ann.lessons.find()]
    if odd:
        await store.db.execute("UPDATE lessons SET text = ? WHERE id = ?", (ODD, made[0]))
    await store.db.execute("UPDATE lessons SET made_at = ?", (now - 900,))
    return made
