"""A home with a policy, and reviews routed by it as a worker does."""

from __future__ import annotations

import time
from pathlib import Path

from hitl_tui.model import Confidence, PauseKind, Risk, RunOptions
from hitl_tui.policy.parser import parse
from hitl_tui.store import Store, reconcile, runs
from hitl_tui.worker.policy_router import route
from tests.ui.homes import seed

POLICY = """\
spot_check = 0.1
seed = "x"

[thresholds]
auto = 0.9
ask = 0.6
[confidence]
trust = ["words"]
agents = {"sql_*" = ["state", "words"]}

[groups]
finance = ["ann", "bob"]
leads = ["cleo", "dora"]

[[rule]]
name = "reading"
tool = ["read_mail", "search_mail", "list_tables"]
risk = "read"
outcome = "auto"

[[rule]]
name = "no mass changes"
agent = "sql_steward"
tool = "execute"
when = 'lower(args.sql) matches "delete from *" and not (lower(args.sql) contains " where ")'
outcome = "deny"

[[rule]]
name = "large refunds"
tool = "issue_refund"
when = "args.amount > 200"
risk = "irreversible"
outcome = "ask"
reviewers = 2
to = "finance"
deadline = "1h 30m"
then = "reject"

[[rule]]
name = "refunds"
tool = "issue_*"
tags = ["eu"]
hours = "mon-fri 09:00-17:00 UTC"
risk = "reversible"

[[rule]]
name = "outgoing mail"
tool = "send_email"
risk = "irreversible"
outcome = "ask"

[[escalation.step]]
to = "finance"
[[escalation.step]]
to = "leads"
after = "15m"

[notify]
desktop = true
command = ["say-it", "--token", "hush"]
urls = ["mailto://user:hunter2@example.com"]
quiet = "22:00-07:00"
""".replace("1h 30m", "90m")


def write_policy(home: Path, text: str = POLICY) -> None:
    """Write the home's policy.toml."""
    (home / "policy.toml").write_text(text)


async def add_routed_run(
    store: Store, project: int, agent: str, *calls: tuple[str, object], sure: float | None = None, tags: tuple[str, ...] = (),
    policy: str = POLICY, now: float | None = None,
) -> int:  # fmt: skip
    """Add a run that waits with these calls, routed by the policy, and return its review's id."""
    now = time.time() if now is None else now
    (known,) = await store.one("SELECT count(*) FROM runs")  # a thread's name decides whether it is drawn for a spot check
    launched = [runs.NewRun(project, agent, f"thread-{agent}-{known}", "Answer everything.", {"text": "Answer everything."})]
    (id_,) = await runs.insert(store, launched, RunOptions(tags=tags), "ann")
    run = await runs.get(store, id_)
    assert run is not None
    confidence = Confidence(sure, "words" if sure is not None else "")
    actions = [seed.action(name, args, slot, risk=Risk.REVERSIBLE, confidence=confidence) for slot, (name, args) in enumerate(calls)]
    pause = seed.pause(PauseKind.TOOL_CALLS, *actions, confidence=sure, context=seed.mail_context())
    read = parse(policy)
    await reconcile.reconcile(store, id_, agent, "nobody", [pause], {}, judge=lambda paused: route(read, run, paused, now))
    await store.db.execute("UPDATE runs SET state = 'waiting' WHERE id = ?", (id_,))
    review = int((await store.one("SELECT max(id) FROM reviews"))[0])
    await store.db.execute("UPDATE reviews SET opened_at = ? WHERE id = ?", (now, review))
    return review


async def add_routed_reviews(store: Store, project: int, now: float) -> list[int]:
    """Add reviews that each match another rule, opened some minutes ago; policy has decided some of them."""
    mail = {"to": "ann@example.com", "subject": "Re: invoice 4711", "body": seed.LETTER}
    made = [
        await add_routed_run(
            store, project, "support_desk", ("issue_refund", {"order": "9912", "amount": 420.0}), sure=0.72, now=now - 400
        ),
        await add_routed_run(
            store, project, "mail_assistant", ("send_email", mail), ("issue_note", {"text": "x"}), sure=0.95, now=now - 300
        ),
        await add_routed_run(store, project, "mail_assistant", ("read_mail", {"id": "4711"}), sure=0.4, now=now - 200),
        await add_routed_run(store, project, "sql_steward", ("execute", {"sql": "DELETE FROM customers"}), now=now - 100),
        await add_routed_run(store, project, "support_desk", ("close_ticket", {"id": 7}), sure=0.5, now=now - 60),
    ]
    await store.db.execute("UPDATE rule_counts SET last_at = (SELECT max(opened_at) FROM reviews JOIN actions ON review = reviews.id "
                           "WHERE actions.rule = rule_counts.rule)")  # fmt: skip
    return made
