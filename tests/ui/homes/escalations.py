"""A home with reviews that are escalated, claimed, close to a deadline, or approved by one of two people."""

from __future__ import annotations

from dataclasses import replace

from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, Confidence, DecisionKind, Outcome, PauseKind
from hitl_tui.store import Store
from tests.ui.homes import seed


async def add_escalations(store: Store, project: int, now: float) -> list[int]:
    """Add four reviews: escalated, claimed and with a deadline; half approved; routed to a group; from an agent that escalated itself."""
    refund = seed.action(
        "issue_refund", {"order": "9912", "amount": 420.0}, confidence=Confidence(0.31, "words", "it says 'I am not sure'")
    )
    refund = replace(refund, risk="irreversible", outcome=Outcome.TAKEOVER, rule="large refunds", reason="args.amount > 200")
    talk = replace(
        seed.mail_context(),
        error="PaymentError: the bank has refused the refund twice",
        reasoning="The customer is right; I cannot pay it back.",
    )
    two = replace(seed.mail("all@example.com"), reviewers=2)
    asks = seed.action(
        "stuck", {"reason": "the order is in no system", "to": "warehouse", "question": "Where is order 9912?"}, allowed=seed.ANSWERS
    )
    pauses = [
        ("support_desk", seed.pause(PauseKind.TOOL_CALLS, refund, context=talk, risk="irreversible", confidence=0.31)),
        ("mail_assistant", seed.pause(PauseKind.TOOL_CALLS, two, context=seed.mail_context(), risk="irreversible", confidence=0.72)),
        ("sql_steward", seed.pause(PauseKind.TOOL_CALLS, seed.action("run_sql", {"query": "DELETE FROM carts"}), confidence=0.55)),
        ("support_desk", seed.pause(PauseKind.ESCALATION, asks, node="stuck")),
    ]
    made = [await seed.add_waiting_run(store, project, agent, what) for agent, what in pauses]
    first, second, third, fourth = made
    bob, eve = Inbox(store, "bob"), Inbox(store, "eve")
    for past in range(3):
        old = await seed.add_waiting_run(
            store,
            project,
            "support_desk",
            seed.pause(
                PauseKind.TOOL_CALLS, seed.action("issue_refund", {"order": str(past), "amount": 9.0 + past}), interrupt=f"old{past}"
            ),
        )
        review = await bob.reviews.get(old)
        answer = Answer(DecisionKind.EDIT, args={"order": str(past), "amount": 5.0}) if past == 1 else Answer(DecisionKind.APPROVE)
        await bob.reviews.decide(review, {0: answer})
        await store.db.execute("UPDATE reviews SET state = 'applied' WHERE id = ?", (old,))
    await bob.reviews.escalate(first, "leads", "420 euros is above my limit, and the customer waits since Monday.")
    await eve.reviews.record_view(first, 42_000)
    await eve.reviews.claim(first)
    await eve.reviews.decide(await eve.reviews.get(second), {0: Answer(DecisionKind.APPROVE)})
    await store.db.execute("UPDATE endorsements SET at = ?", (now - 60,))
    await store.db.execute("UPDATE escalations SET at = ?, acknowledged_at = ?", (now - 120, now - 30))
    await store.db.execute("UPDATE review_views SET first_at = ?, last_at = ?", (now - 100, now - 40))
    await store.db.execute("UPDATE decisions SET at = ?", (now - 86400,))
    await store.db.execute("UPDATE reviews SET opened_at = ? WHERE state = 'open'", (now - 1200,))
    await store.db.execute(
        "UPDATE reviews SET claimed_until = ?, deadline_at = ?, deadline_then = 'reject' WHERE id = ?", (now + 840, now + 100, first)
    )
    await store.db.execute(
        "UPDATE reviews SET recipient = 'database people', deadline_at = ?, deadline_then = 'escalate' WHERE id = ?", (now + 9000, third)
    )
    await store.db.execute("UPDATE reviews SET escalated = 'warehouse' WHERE id = ?", (fourth,))
    return made
