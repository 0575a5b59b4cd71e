"""A home with a few hundred decisions over some weeks; approval rate and speed differ by tool and by person."""

from __future__ import annotations

import math
import random

from hitl_tui import canonical_json
from hitl_tui.inbox import Inbox
from hitl_tui.model import Answer, DecisionKind, Outcome, PauseKind, Routed, Verdict, digest_of, person_key
from hitl_tui.store import Store
from tests.ui.homes import seed

DAY = 86_400
TOOLS = (
    (
        "mail_assistant",
        "send_email",
        "outgoing mail",
        0.84,
        {"to": "ann@example.com", "subject": "Re: invoice", "body": seed.LETTER},
    ),
    ("mail_assistant", "archive_mail", "", 0.98, {"id": "4711"}),
    ("support_desk", "issue_refund", "large refunds", 0.61, {"order": "9912", "amount": 420.0, "note": "as agreed on the phone"}),
    ("sql_steward", "run_sql", "", 0.9, {"query": "UPDATE customers SET country = 'DE' WHERE country = 'Germany'"}),
    ("report_writer", "publish", "", 0.75, {"title": "Sales in March", "pages": 12}),
)
"""Agent, tool, rule, share approved unchanged, arguments."""
CHANGED = {"send_email": "body", "issue_refund": "amount", "run_sql": "query", "publish": "title", "archive_mail": "id"}
REASONS = ("not asked for", "wrong customer", "the amount is not what was agreed", "asks twice: the first one was answered already")
PEOPLE = {"ann": (9.0, 0.0), "bob": (1.2, 0.1), "cleo": (14.0, -0.05)}
"""Seconds each person views 1,000 characters, and how far their approval rate differs from the tool's."""


async def add_past_decisions(store: Store, project: int, now: float, count: int = 320, days: int = 60, policy: int = 40) -> None:
    """Add `count` decisions by people over `days` days, fewer at weekends, and `policy` decisions by policy."""
    chance = random.Random(5)
    await store.db.execute("BEGIN")
    for number in range(count + policy):
        at = now - (1 - (number + 0.5) / (count + policy)) * days * DAY + chance.uniform(-0.3, 0.3) * DAY
        at -= 2 * DAY if int(at // DAY) % 7 in (2, 3) and chance.random() < 0.8 else 0
        await _add_decision(store, project, min(at, now - 60), chance, by_policy=number % (count + policy) < policy * 2 and number % 2 == 0)
    await store.db.execute("COMMIT")


async def _add_decision(store: Store, project: int, at: float, chance: random.Random, by_policy: bool) -> None:
    agent, tool, rule, share, args = chance.choices(TOOLS, (9, 6, 4, 5, 2))[0]
    who = chance.choices(list(PEOPLE), (6, 3, 2))[0]
    pace, kindness = PEOPLE[who]
    sure = round(min(0.99, max(0.02, chance.gauss(share, 0.12))), 2)
    kind, final, message, looked = "approve", None, None, int(1000 * pace * chance.lognormvariate(0, 0.5) * max(60, len(str(args))) / 1000)
    if by_policy:
        who, looked = "policy:thresholds", 0
    elif chance.random() > share + kindness + (sure - share) * 0.8:
        kind = chance.choices(["edit", "reject", "respond"], (5, 4, 1))[0]
        final = args | {CHANGED[tool]: "another"} if kind == "edit" else None
        message = None if kind == "edit" else chance.choices(REASONS, (5, 3, 2, 1))[0]
    waited = 40 * math.exp(chance.gauss(0.5, 1.3))
    digest = digest_of(tool, args)
    run = await _insert(
        store, "runs", project=project, agent=agent, thread=f"t-{at}-{chance.random()}", title="Answer everything.", input="{}",
        state="done", created_at=at - waited - 1, ended_at=at + 1,
    )  # fmt: skip
    review = await _insert(
        store, "reviews", run=run, agent=agent, interrupt="i", kind="tool_calls", node="tools", path="[]", title=tool, summary="", slots=1,
        note="", opened_at=at - waited, confidence=None if by_policy else sure,
    )  # fmt: skip
    context = '{"conversation": [], "reasoning": "", "attempts": [], "error": "", "state": null, "before": [], "after": [], "model": ""}'
    await _insert(store, "details", review=review, value="{}", context=context)
    await _insert(
        store, "actions", review=review, slot=0, name=tool, args=canonical_json.dumps(args), allowed='["approve", "edit", "reject"]',
        description="", args_schema="null", answer_schema="null", choices="[]", means="{}", digest=digest, rule=rule,
        confidence=None if by_policy else sure,
    )  # fmt: skip
    await _insert(
        store, "decisions", review=review, slot=0, kind=kind, args=None if final is None else canonical_json.dumps(final), message=message,
        actor=who, actor_kind="policy" if by_policy else "person", actor_key=person_key(who), digest=digest, at=at, effective_at=at,
        viewed_ms=None if by_policy else looked, effect=digest if final is None else digest_of(tool, final), agent=agent, tool=tool,
    )  # fmt: skip
    await store.db.execute(
        "UPDATE reviews SET state = 'applied', decided_at = :at, effective_at = :at, applied_at = :at, decided_by = :who, "
        "decided_by_kind = :kind WHERE id = :review",
        {"review": review, "at": at, "who": who, "kind": "policy" if by_policy else "person"},
    )


async def _insert(store: Store, table: str, **row: object) -> int:
    names = ", ".join(row)
    made = await store.db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
    return int(made.lastrowid or 0)


async def add_blind_answers(store: Store, project: int, *pairs: str) -> None:
    """Add mails that ann and bob answer blind: `yn` for one that ann approves and bob rejects."""
    verdict = Verdict(Outcome.ASK, "mail", "rule 'mail' says ask", reviewers=2, blind=True)
    answers = {"y": Answer(DecisionKind.APPROVE), "n": Answer(DecisionKind.REJECT)}
    for pair in pairs:
        asked = seed.pause(PauseKind.TOOL_CALLS, seed.mail())
        review = await seed.add_waiting_run(store, project, "mail_assistant", asked, judge=lambda _: Routed({0: verdict}))
        for inbox, word in zip((Inbox(store, "ann"), Inbox(store, "bob")), pair, strict=True):
            await inbox.reviews.decide(await inbox.reviews.get(review), {0: answers[word]})
