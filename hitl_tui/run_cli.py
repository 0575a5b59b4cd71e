"""What the commands on runs do that put a person in an agent's place: take a run over, hand it back, give it up."""

from __future__ import annotations

import json
from typing import Any

from hitl_tui import jsontext, plans, printing
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Head, Json, TakeOver
from hitl_tui.safety import visible


async def take_over(inbox: Inbox, run: int, reason: str, as_json: bool) -> str:
    """Have the run, and say where it stands.

    Raises:
        Refused: it moves, is done, or is somebody else's.
    """
    made = await inbox.take_over(run, reason)
    head = await inbox.head(run)
    if as_json:
        return printing.as_json({**_json(made), "head": _head_json(head), "state_schema": await inbox.state_schema(run)})
    return "\n".join(visible(line) for line in _lines(made, head))


async def hand_back(inbox: Inbox, run: int, given: Json) -> str:
    """Do what the plan says and let the agent go on; without one, what was kept of it.

    Raises:
        Refused: it is in nobody's hands, or the plan does not fit.
        Stale: it is in somebody else's.
    """
    found = await _live(inbox, run)
    await inbox.hand_back(found.id, found.plan if given is None else plans.read(given))
    return f"run {printing.run_id(run)} is handed back; `hitl-tui show {printing.run_id(run)}` tells what came of it"


async def give_up(inbox: Inbox, run: int) -> str:
    """Let the run be as it was.

    Raises:
        Refused: it is in nobody's hands.
        Stale: it is in somebody else's.
    """
    await inbox.give_up((await _live(inbox, run)).id)
    return f"run {printing.run_id(run)} is as it was before"


def plan_of(text: str | None) -> Json:
    """A plan as it was written; None where there is none.

    Raises:
        Refused: it is no JSON.
    """
    return None if text is None else jsontext.loads(text, "the plan")


async def _live(inbox: Inbox, run: int) -> TakeOver:
    await inbox.run(run)
    found = await inbox.takeover_of(run)
    if found is None or not found.is_live:
        how = f": the last take-over was {found.state.replace('_', ' ')}" if found else ""
        raise Refused(f"run r{run} is in nobody's hands{how}", f"`hitl-tui take-over r{run}` puts it into yours")
    return found


def _json(made: TakeOver) -> dict[str, Any]:
    return {
        "takeover": made.id, "run": printing.run_id(made.run), "by": made.actor, "at": made.at, "state": made.state,
        "note": made.note or None, "plan": plans.as_json(made.plan),
    }  # fmt: skip


def _head_json(head: Head) -> dict[str, Any]:
    calls = [{"id": call.id, "name": call.name, "args": call.args} for call in head.calls]
    context = printing.context_json(head.context)
    return {"checkpoint": head.checkpoint, "nodes": list(head.nodes), "text": head.text, "calls": calls, "context": context}


def _lines(made: TakeOver, head: Head) -> list[str]:
    lines = [f"run {printing.run_id(made.run)} is in your hands; it stands before {', '.join(head.nodes) or 'its end'}"]
    lines += [f"error: {head.context.error}"] if head.context.error else []
    lines += ["the agent's last message:", *(f"  {line}" for line in head.text.splitlines())] if head.text else []
    lines += [f"call {call.id}: {call.name} {json.dumps(call.args, ensure_ascii=False)}" for call in head.calls]
    state = head.context.state
    lines += ["state:", *(f"  {line}" for line in jsontext.dumps(state, indent=2).splitlines())] if state else []
    return [*lines, f"hand it back with: hitl-tui hand-back {printing.run_id(made.run)} --plan '{plans.SHAPE}'"]
