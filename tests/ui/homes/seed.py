"""Fills homes with runs and reviews of every kind, without any agent: for pilot tests, snapshots and benchmarks."""
# ruff: noqa: E501 - tables read best with a row on a line

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Action, Agent, Attempt, Context, DecisionKind, Event, Message, Pause, PauseKind, RunState, Worker, digest_of
from hitl_tui.store import Store, agents, events, reconcile, runs

ALL = tuple(DecisionKind)
ANSWERS = (DecisionKind.RESPOND,)
YES_NO = {"approve": "answers true", "reject": "answers false"}
ODD = "pay \u202eevil\u202c a\u200bb \x1b[31mred\x1b[0m [red]markup[/] [/x] \ud83d"
LETTER = "Dear Ann,\n\nthe invoice was paid on 3 March; the receipt is attached.\n"
LETTER += "If anything is missing, tell me and I send it again.\n\nKind regards"
MAIL_SCHEMA = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "subject": {"type": "string"}, "body": {"type": "string"}},
    "required": ["to", "subject", "body"],
    "additionalProperties": False,
}
TEXT_SCHEMA = {"type": "object", "properties": {"messages": {"type": "array"}}, "required": ["messages"]}
REPORT_SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "pages": {"type": "integer", "minimum": 1}, "draft": {"type": "boolean"}},
    "required": ["topic", "pages"],
}
TARGET = "/srv/sample_agents/langgraph.json"
AGENTS = (
    Agent("mail_assistant", 0, "sample_agents", "Reads a folder of mail, drafts answers and sends them when you agree.", TEXT_SCHEMA, True),
    Agent("report_writer", 0, "sample_agents", "Writes a report about a topic.", REPORT_SCHEMA, False),
    Agent("sql_steward", 0, "sample_agents", "Cleans up a database; reads run by themselves, writes wait.", TEXT_SCHEMA, True),
)
BROKEN = Agent(
    "wrecked", 0, "sample_agents", "", None, False, "ImportError: no module named [bold]nope[/]",
    "Traceback (most recent call last):\n  File \"wrecked.py\", line 1, in <module>\n    import nope\nImportError: no module named [bold]nope[/]",
)  # fmt: skip


def action(name: str, args: Any, slot: int = 0, allowed: Sequence[DecisionKind] = ALL, **more: Any) -> Action:
    """Return an action with its digest."""
    return Action(slot, name, args, tuple(allowed), digest=digest_of(name, args), **more)


def pause(kind: PauseKind, *actions: Action, node: str = "tools", interrupt: str = "i1", **more: Any) -> Pause:
    """Return a pause that asks for these actions."""
    value = more.pop("value", {"asked": [a.args for a in actions]})
    return Pause(interrupt, kind, node, more.pop("path", ()), value, actions, more.pop("context", Context()), **more)


def mail_context() -> Context:
    """Return the context of a mail: conversation, reasoning and earlier calls."""
    return Context(
        conversation=(
            Message("user", "Answer everything from Ann today."),
            Message("agent", "I look for her messages first.", calls=(("search_mail", {"from": "ann"}),)),
            Message("tool", "2 messages: 4711 Re: invoice, 4712 lunch", name="search_mail"),
            Message("agent", "", calls=(("read_mail", {"id": "4711"}),)),
            Message("tool", "Could you please send me the receipt of invoice 4711?\nI asked last week already.", name="read_mail"),
            Message("agent", "Ann asked twice for the receipt of invoice 4711; the ledger shows it paid."),
        ),
        reasoning="Ann asked twice for the receipt of invoice 4711; the ledger shows it paid.",
        attempts=(
            Attempt("search_mail", {"from": "ann"}, "2 messages"),
            Attempt("read_mail", {"id": "4711"}, "Could you please send me the receipt of invoice 4711?"),
            Attempt("read_attachment", {"id": "4711", "name": "receipt.pdf"}, "no such attachment", failed=True),
        ),
        state={"folder": "inbox", "unread": 2},
        before=("agent",),
        after=("agent",),
        model="scripted (offline)",
    )


def mail(to: str = "ann@example.com", slot: int = 0) -> Action:
    """Return an action that sends a mail."""
    args = {"to": to, "subject": "Re: invoice 4711", "body": LETTER}
    return action("send_email", args, slot, args_schema=MAIL_SCHEMA, description="Sends the mail at once; it cannot be taken back.")


def pauses_of_every_kind() -> list[tuple[str, Pause]]:
    """Return (agent, pause) for every kind of pause."""
    refund = {
        "order": "9912",
        "amount": {"value": 420.0, "currency": "EUR"},
        "lines": [{"sku": "A-1", "n": 2}, {"sku": "B-7", "n": None}],
        "notify": True,
    }
    sql = {"query": "UPDATE customers\nSET country = 'DE'\nWHERE country IN ('Germany', 'GER', 'deutschland');"}
    form = {
        "type": "object",
        "properties": {
            "approved_by": {"type": "string", "description": "who agreed"},
            "days": {"type": "integer", "minimum": 1},
            "urgent": {"type": "boolean"},
            "size": {"enum": ["small", "large"]},
        },
        "required": ["approved_by", "days"],
    }
    return [
        ("mail_assistant", pause(PauseKind.TOOL_CALLS, mail(), context=mail_context(), risk="irreversible", confidence=0.72)),
        ("sql_steward", pause(PauseKind.TOOL_GATE, action("run_sql", sql), confidence=0.91, context=Context(reasoning="Three spellings of one country."))),
        ("support_desk", pause(PauseKind.AGENT_INBOX, action("issue_refund", refund), confidence=0.31, risk="high", node="refund", path=("billing",))),
        ("mail_assistant", pause(PauseKind.TOOL_CALLS, mail("bob@example.com"), mail("eve@example.com", 1), context=mail_context())),
        ("mail_assistant", pause(PauseKind.TOOL_APPROVAL, action("delete_mail", {"id": "4712"}, allowed=(DecisionKind.APPROVE, DecisionKind.REJECT)))),
        ("report_writer", pause(PauseKind.GATE, action("publish", {"pages": 12}, allowed=(DecisionKind.APPROVE, DecisionKind.REJECT)), node="publish")),
        ("planner", pause(PauseKind.QUESTION, action("ask", {"question": "Which hotel?"}, allowed=ANSWERS, choices=("Astoria", "Bellevue", {"other": 1})))),
        ("planner", pause(PauseKind.QUESTION, action("ask", "Who agreed, and for how long?", allowed=ANSWERS, answer_schema=form))),
        ("planner", pause(PauseKind.QUESTION, action("confirm", ODD, allowed=ALL[:1] + ALL[2:], means=YES_NO), node="confirm")),
    ]  # fmt: skip


def frontend_pause() -> Pause:
    """Return the pause of an agent that ended with calls of front-end tools."""
    from hitl_tui.agents.interrupts import frontend_actions  # imports LangGraph, which most homes do without

    dates = {"name": "pick_date", "args": {"city": "Kiel", "from": "2026-05-01", "to": "2026-05-31", "nights": 2}, "id": "c1"}
    seats = {"name": "pick_seat", "args": {"coach": 7, "window": True}, "id": "c2"}
    asked = "I book the trip to Kiel once you have picked a date and a seat."
    said = (Message("user", "Two nights in Kiel in May, please."), Message("agent", asked, calls=(("pick_date", {}), ("pick_seat", {}))))
    context = Context(conversation=said, reasoning=asked)
    return pause(PauseKind.FRONTEND_TOOLS, *frontend_actions([dates, seats]), node="__end__", context=context)


async def add_project(store: Store, found: Sequence[Agent] = AGENTS, error: str = "") -> int:
    """Register a project with these agents, and return its id."""
    made = await agents.register_project(store, TARGET, "sample_agents")
    await agents.replace_agents(store, made, found, error)
    return made


async def add_mail_tool(store: Store) -> None:
    """Give the mail assistant a tool that sends mails, with the schema of its arguments."""
    await add_project(store, [replace(one, tools={"send_email": MAIL_SCHEMA}) if one.name == "mail_assistant" else one for one in AGENTS])


async def add_worker(store: Store, project: int) -> None:
    """Register a live worker."""
    await agents.register_worker(store, Worker("w1", project, "sample_agents", 1, 0.0, 8, 0.0, 0), "host")


async def add_waiting_run(
    store: Store,
    project: int,
    agent: str,
    what: Pause,
    title: str = "Answer everything from Ann today.",
    judge: reconcile.Judge | None = None,
) -> int:
    """Add a run that waits with one pause, and return its review's id."""
    (run,) = await runs.insert(store, [runs.NewRun(project, agent, f"thread-{agent}-{time.monotonic_ns()}", title, {"text": title})])
    await reconcile.reconcile(store, run, agent, "nobody", [what], {}, judge=judge)
    await store.db.execute("UPDATE runs SET state = 'waiting' WHERE id = ?", (run,))
    return int((await store.one("SELECT max(id) FROM reviews"))[0])


async def add_every_kind(store: Store, project: int, now: float) -> list[int]:
    """Add one review of every kind, each opened a little later than the one before, and return their ids."""
    made = [await add_waiting_run(store, project, agent, what) for agent, what in pauses_of_every_kind()]
    for place, review in enumerate(made):
        await store.db.execute("UPDATE reviews SET opened_at = ? WHERE id = ?", (now - 4000 / (place * 4 + 1), review))
        await store.db.execute(
            "UPDATE runs SET created_at = ?, started_at = ? WHERE id = (SELECT run FROM reviews WHERE id = ?)",
            (now - 5000 / (place * 4 + 1), now - 5000 / (place * 4 + 1), review),
        )
    await add_trace(store, 1, now)
    return made


async def add_trace(store: Store, run: int, now: float) -> None:
    """Add the trace of a run, as a worker writes it."""
    lines: list[tuple[str, str, Any]] = [
        ("input", "", {"text": "Answer everything from Ann today."}),
        ("start", "agent", {"task": "t1"}),
        ("message", "agent", {"text": "I look for her messages first.", "id": "m1", "model": "scripted (offline)"}),
        ("call", "agent", {"name": "search_mail", "args": {"from": "ann"}}),
        ("end", "agent", {"task": "t1", "ms": 12}),
        ("start", "tools", {"task": "t2"}),
        ("result", "tools", {"name": "search_mail", "text": "2 messages: 4711 Re: invoice, 4712 lunch", "failed": False}),
        ("result", "tools", {"name": "read_attachment", "text": "no such attachment", "failed": True}),
        ("end", "tools", {"task": "t2", "ms": 3}),
        ("custom", "tools", {"value": {"progress": 0.5}}),
        ("message", "agent", {"text": "Ann asked twice for the receipt of invoice 4711; the ledger shows it paid.", "id": "m2"}),
        ("paused", "tools", {"kind": "tool_calls"}),
    ]  # fmt: skip
    await events.append(store, {run: [Event(seq, now, kind, node, (), body) for seq, (kind, node, body) in enumerate(lines, 1)]})


async def add_runs(store: Store, project: int, now: float) -> None:
    """Add one run each that is queued, running, done, failed and cancelled."""
    made = await runs.insert(
        store,
        [
            runs.NewRun(project, "mail_assistant", f"t-{n}", f"Tidy the folder, part {n}", {"text": f"Tidy the folder, part {n}"})
            for n in range(5)
        ],
    )
    states = (RunState.QUEUED, RunState.RUNNING, RunState.DONE, RunState.FAILED, RunState.CANCELLED)
    for run, state in zip(made, states, strict=True):
        over = now - 20 if state in runs.OVER else None
        await store.db.execute(
            "UPDATE runs SET state = ?, created_at = ?, started_at = ?, ended_at = ? WHERE id = ?", (state, now - 100, now - 90, over, run)
        )
    await store.db.execute("UPDATE runs SET activity = 'agent · writing' WHERE id = ?", (made[1],))
    await store.db.execute("UPDATE runs SET result = ? WHERE id = ?", (canonical_json.dumps({"moved": 12, "left": ["4711"]}), made[2]))
    await store.db.execute(
        "UPDATE runs SET error = ?, traceback = ? WHERE id = ?",
        ("ConnectionError: [bold]refused[/]", "Traceback (most recent call last):\n  File \"agent.py\", line 7, in send\n    smtp.connect()\nConnectionError: [bold]refused[/]", made[3]),
    )  # fmt: skip


async def add_many_reviews(store: Store, count: int) -> None:
    """Add `count` open reviews by bulk inserts."""
    project, now = await add_project(store), time.time()
    first = int((await store.one("SELECT coalesce(max(id), 0) FROM runs"))[0]) + 1
    args = canonical_json.dumps({"to": "ann@example.com", "subject": "Re: invoice 4711", "body": LETTER})
    digest = digest_of("send_email", canonical_json.loads(args))
    ids = range(first, first + count)
    await store.db.execute("BEGIN")
    await store.db.executemany(
        "INSERT INTO runs (id, project, agent, thread, title, input, state, created_at) VALUES (?, ?, 'mail_assistant', ?, 'Tidy', '{}', 'waiting', ?)",
        [(n, project, f"many-{n}", now) for n in ids],
    )
    await store.db.executemany(
        "INSERT INTO reviews (id, run, agent, interrupt, kind, node, path, title, summary, slots, note, opened_at) "
        "VALUES (?, ?, 'mail_assistant', 'i', 'tool_calls', 'tools', '[]', 'send_email', ?, 1, '', ?)",
        [(n, n, f"ann{n}@example.com · Re: invoice {n}", now) for n in ids],
    )
    await store.db.executemany(
        "INSERT INTO details (review, value, context) VALUES (?, '{}', ?)",
        [
            (n, '{"conversation": [], "reasoning": "", "attempts": [], "error": "", "state": null, "before": [], "after": [], "model": ""}')
            for n in ids
        ],
    )
    await store.db.executemany(
        "INSERT INTO actions (review, slot, name, args, allowed, description, args_schema, answer_schema, choices, means, digest) "
        "VALUES (?, 0, 'send_email', ?, '[\"approve\", \"reject\"]', '', 'null', 'null', '[]', '{}', ?)",
        [(n, args, digest) for n in ids],
    )
    await store.db.execute("COMMIT")
