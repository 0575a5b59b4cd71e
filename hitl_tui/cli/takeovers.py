"""Commands on takeovers: take a run over, hand it back, confirm a hand-back of somebody else, discard the takeover."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.argument_text import name_text
from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, completes, json_option, run_number
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Json, RunHead, Takeover, TakeoverPlan
from hitl_tui.sanitize import exact_line
from hitl_tui.store.hand_backs import plan_digest


@command("hitl-tui take-over r3")
@click.argument("run", metavar="RUN", shell_complete=completes("live runs", "stopped runs"))
@click.option("--reason", metavar="TEXT", default="", help="Why you take it, if somebody else has it.")
@json_option
@common_options
def take_over(run: str, reason: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Take a run over and act as the agent.

    The run waits until you hand it back. Until then nobody else can decide its reviews.
    """

    async def work(inbox: Inbox) -> str:
        id_ = run_number(run)
        made = await inbox.takeovers.take(id_, reason)
        head = await inbox.takeovers.head(id_)
        if json_:
            return output.as_json({**_json(made), "head": _head_json(head), "state_schema": await inbox.takeovers.state_schema(id_)})
        return "\n".join(_lines(made, head))

    print_from_inbox(work, home, reviewer)


@command('hitl-tui hand-back r3 --plan \'{"guidance": "ask Ann first"}\'')
@click.argument("run", metavar="RUN", shell_complete=completes("taken runs"))
@click.option("--plan", metavar="JSON", help="What to do as the agent; default: the plan saved so far.")
@click.option("--plan-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the plan.")
@common_options
def hand_back(run: str, plan: str | None, plan_file: Path | None, home: str | None, reviewer: str | None) -> None:
    """Hand a run back to the agent.

    The agent continues from what you did.

    \b
    A plan is an object with any of these keys, carried out in this order:
      "state": {KEY: VALUE}    new values in the graph's state
      "text": TEXT             replaces the agent's last message
      "calls": [{"id", "name", "args"}]
                               replaces its calls; they need approval
      "results": {CALL: TEXT}  your result for a call, which does not run
      "guidance": TEXT         an instruction; the agent tries again
      "answer": TEXT           your final answer; the run ends with it
    """
    if plan is not None and plan_file is not None:
        raise click.UsageError("pass only one of --plan JSON and --plan-file FILE")
    text = plan_file.read_text("utf-8", "replace") if plan_file else plan
    given: Json = None if text is None else canonical_json.loads(text, "the plan")

    async def work(inbox: Inbox) -> str:
        id_ = run_number(run)
        found = await _live(inbox, id_)
        if given is None and found.typed:
            raise Refused(f"what you typed for {' and '.join(found.typed)} is not valid yet", "correct it on screen, or pass --plan JSON")
        made = await inbox.takeovers.hand_back(found.id, found.plan if given is None else takeover_plan.parse(given))
        if made.is_unconfirmed:
            return f"run {output.run_id(id_)} is handed back once another person has confirmed it: hitl-tui confirm {output.run_id(id_)}"
        return f"run {output.run_id(id_)} is handed back; `hitl-tui show {output.run_id(id_)}` shows the outcome"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui confirm r3", "hitl-tui confirm r3 --digest 2:5f0c…")
@click.argument("run", metavar="RUN", shell_complete=completes("taken runs"))
@click.option("--digest", metavar="DIGEST", help="Of the plan that you have read; without it, the plan is printed.")
@common_options
def confirm(run: str, digest: str | None, home: str | None, reviewer: str | None) -> None:
    """Confirm a hand-back of somebody else.

    Where a rule wants two people for what a run asks, a takeover of the run
    needs them, too. Without --digest, prints the plan and changes nothing.
    """

    async def work(inbox: Inbox) -> str:
        id_ = run_number(run)
        found = await _live(inbox, id_)
        if not found.is_unconfirmed:
            raise Refused(f"no hand-back of run r{id_} waits for another person", "nothing was changed")
        plan = takeover_plan.as_json(found.plan)
        shown = plan_digest(plan)
        if digest is None:
            told = f"{found.actor} hands run {output.run_id(id_)} back with this plan:"
            agree = f"if you agree: hitl-tui confirm {output.run_id(id_)} --digest {shown}"
            return "\n".join([exact_line(told), *output.agent_lines(canonical_json.dumps(plan, indent=2)), agree])
        if digest != shown:
            raise Refused("the plan has another digest: it was changed, or is another one", f"`hitl-tui confirm r{id_}` prints it")
        is_enough = await inbox.takeovers.confirm(found)
        return (
            f"the hand-back of run {output.run_id(id_)} is confirmed; {'its agent goes on' if is_enough else 'more people must confirm it'}"
        )

    print_from_inbox(work, home, reviewer)


@command("hitl-tui discard r3")
@click.argument("run", metavar="RUN", shell_complete=completes("taken runs"))
@common_options
def discard(run: str, home: str | None, reviewer: str | None) -> None:
    """Discard a takeover.

    The run stays as it was before, and your changes are deleted.
    """

    async def work(inbox: Inbox) -> str:
        id_ = run_number(run)
        await inbox.takeovers.discard((await _live(inbox, id_)).id)
        return f"run {output.run_id(id_)} stays as it was before the takeover"

    print_from_inbox(work, home, reviewer)


async def _live(inbox: Inbox, run: int) -> Takeover:
    await inbox.runs.get(run)
    found = await inbox.takeovers.latest(run)
    if found is None or not found.is_live:
        how = f": the last takeover was {found.state.replace('_', ' ')}" if found else ""
        raise Refused(f"run r{run} is not taken over{how}", f"`hitl-tui take-over r{run}` takes it over")
    return found


def _json(made: Takeover) -> dict[str, Any]:
    return {
        "takeover": made.id, "run": output.run_id(made.run), "by": made.actor, "at": made.at, "state": made.state,
        "note": made.note or None, "plan": takeover_plan.as_json(made.plan), "typed": dict(made.typed),
    }  # fmt: skip


def _head_json(head: RunHead) -> dict[str, Any]:
    calls = [{"id": call.id, "name": call.name, "args": call.args} for call in head.calls]
    context = output.context_json(head.context)
    return {"checkpoint": head.checkpoint, "nodes": list(head.nodes), "text": head.text, "calls": calls, "context": context}


def _lines(made: Takeover, head: RunHead) -> list[str]:
    lines = [f"run {output.run_id(made.run)} is taken over by you; next: {', '.join(head.nodes) or 'its end'}"]
    lines = list(map(exact_line, lines))
    lines += ["error:", *output.agent_lines(head.context.error)] if head.context.error else []
    lines += ["the agent's last message:", *output.agent_lines(head.text)] if head.text else []
    for call in head.calls:
        lines.append(f"call {exact_line(call.id)}: {name_text(call.name)} {exact_line(json.dumps(call.args, ensure_ascii=False))}")
    state = head.context.state
    lines += ["state:", *output.agent_lines(canonical_json.dumps(state, indent=2))] if state else []
    kept = canonical_json.dumps(takeover_plan.as_json(made.plan))
    lines += [exact_line(f"saved plan: {kept}")] if made.plan != TakeoverPlan() else []
    lines += [exact_line(f"entered for {name}, not valid yet: {text}") for name, text in made.typed.items()]
    return [*lines, f"hand it back with: hitl-tui hand-back {output.run_id(made.run)} --plan '{takeover_plan.SHAPE}'"]
