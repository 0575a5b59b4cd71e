"""A home with every kind of decision: by people and policy, edited, by two people, and undone."""

from __future__ import annotations

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind
from hitl_tui.store import Store
from tests.ui.homes import policy, seed

FINAL = {"to": "ann@example.com", "subject": "Re: invoice 4711", "body": seed.LETTER.replace("3 March", "4 March")}


async def add_decisions(store: Store, project: int, now: float) -> list[int]:
    """Add decisions of every kind, a minute apart, and return their reviews."""
    ann, bob = Inbox(store, "ann", grace_s=600), Inbox(store, "bob")
    await policy.add_routed_reviews(store, project, now)  # policy approves a reading and refuses a mass change
    made = await seed.add_every_kind(store, project, now)
    letter, sql, _, batch, delete, gate, hotel, _, odd = made
    await bob.reviews.record_view(letter, 7_400)
    await ann.reviews.escalate(letter, "bob", "please look at the date")
    answers = [
        (ann, odd, {0: Answer(DecisionKind.APPROVE)}, 900),
        (bob, hotel, {0: Answer(DecisionKind.RESPOND, message="Astoria")}, 2_100),
        (bob, delete, {0: Answer(DecisionKind.REJECT, message="Keep it: the receipt was asked for.")}, 4_000),
        (ann, batch, {0: Answer(DecisionKind.APPROVE), 1: Answer(DecisionKind.REJECT, message="she left the company")}, 12_000),
        (ann, gate, {0: Answer(DecisionKind.APPROVE)}, 31_000),
        (bob, sql, {0: Answer(DecisionKind.APPROVE)}, None),
        (bob, letter, {0: Answer(DecisionKind.EDIT, FINAL)}, 7_400),
    ]
    for who, review, said, looked in answers:
        await who.reviews.decide(await who.reviews.get(review), said, looked)
    await ann.reviews.undo(gate)
    await store.db.execute("UPDATE decisions SET at = ? - 60 * (SELECT max(id) FROM decisions) + 60 * id", (now,))
    await store.db.execute("UPDATE decisions SET at = ? WHERE id <= 2", (now - 200_000,))
    await store.db.execute("UPDATE reviews SET opened_at = min(opened_at, (SELECT at - 41.0 FROM decisions WHERE review = reviews.id)) "
                           "WHERE id IN (SELECT review FROM decisions)")  # fmt: skip
    return made
