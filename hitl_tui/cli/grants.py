"""`hitl-tui grant`, `grants` and `revoke`: bounded permissions that are made from a call."""

from __future__ import annotations

import time
from typing import Any

import click

from hitl_tui.cli import output
from hitl_tui.cli.command_group import command
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import call_slot, common_options, completes, json_option, number, review_number
from hitl_tui.errors import Refused
from hitl_tui.formatting import counted, parse_duration, remaining
from hitl_tui.inbox import Inbox
from hitl_tui.inbox.grants import Offer
from hitl_tui.model import Grant, Risk, Scope, call_id
from hitl_tui.oversight.grants import ScopeEvidence
from hitl_tui.policy.grant_scopes import condition_of
from hitl_tui.sanitize import visible

SCOPES = ("call", "values", "tool")


@command("hitl-tui grant 12 --scope values --arg to=*@example.com", "hitl-tui grant 12#2 --scope call")
@click.argument("review", metavar="REVIEW[#CALL]", shell_complete=completes("all reviews"))
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="Exactly this call, calls with these values, or the tool.")
@click.option("--arg", "args_", metavar="NAME=GLOB", multiple=True, help="values: a bound, like to=*@example.com or amount<=100.")
@click.option("--from", "from_", metavar="NAME=TOOL", multiple=True, help="The argument may come from results of this tool.")
@click.option("--uses", type=int, help="Calls at most; default: 20, or 1 for what is irreversible.")
@click.option("--for", "for_", metavar="TIME", default="24h", show_default=True, help="How long, like 30m, 24h or 7d.")
@click.option("--run", "this_run", is_flag=True, help="Only for the run of this review.")
@click.option("--risk", type=click.Choice([risk.value for risk in Risk]), help="What the tool can do at worst, where nobody says it.")
@click.option("--dry-run", is_flag=True, help="Only show the evidence.")
@json_option
@common_options
def grant(
    review: str, scope: str, args_: tuple[str, ...], from_: tuple[str, ...], uses: int | None, for_: str, this_run: bool, risk: str | None,
    dry_run: bool, json_: bool, home: str | None, reviewer: str | None,
) -> None:  # fmt: skip
    """Let calls like one of a review (12#1) run without asking.

    Prints what people decided about past calls that the scope covers.
    """
    id_, _, call = review.partition("#")

    async def work(inbox: Inbox) -> str:
        found = await inbox.reviews.get(review_number(id_))
        slot = call_slot(call, found.row.id, len(found.actions)) if call else _only(found.row.id, len(found.actions))
        offer = await inbox.grants.offer(found.row.id, slot)
        wanted = _scope(scope, args_, from_, offer)
        shown = offer.evidence(wanted)
        if dry_run:
            problem, todo = offer.problem(wanted, uses or 1, Risk(risk) if risk else None)
            said = {"scope": wanted.told(), "evidence": _evidence_json(shown), "problem": problem or None}
            return output.as_json(said) if json_ else "\n".join([*_evidence(wanted, shown), *([f"{problem}: {todo}"] if problem else [])])
        made = await inbox.grants.make(offer, wanted, uses, parse_duration(for_), this_run=this_run, risk=Risk(risk) if risk else None)
        if json_:
            return output.as_json({**grant_json(made), "evidence": _evidence_json(shown)})
        snippet = _snippet(made) if made.risk else []
        return "\n".join([*_evidence(wanted, shown), visible(f"grant {made.id}: {_line(made)}"), *snippet])

    print_from_inbox(work, home, reviewer)


@command("hitl-tui grants", "hitl-tui grants 3 --json")
@click.argument("grant", required=False)
@json_option
@common_options
def grants(grant: str | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List grants, and the calls that used one."""

    async def work(inbox: Inbox) -> str:
        if grant is not None:
            one = await inbox.grants.get(_number(grant))
            uses = await inbox.grants.used_by(one.id)
            said: list[dict[str, Any]] = [
                {"call": call_id(use.review, use.slot), "at": use.at, "args": use.args, "spot_check": use.is_spot_check,
                 "decision": use.decision or None}
                for use in uses
            ]  # fmt: skip
            if json_:
                return output.as_json({**grant_json(one), "used_by": said})
            calls = output.table((use["call"], "spot check" if use["spot_check"] else "let through", use["args"]) for use in said)
            return visible(f"grant {one.id}: {_line(one)}") + (f"\n{calls}" if said else "\nno call has used it")
        found = await inbox.grants.every()
        if json_:
            return output.as_json([grant_json(one) for one in found])
        return output.table(_cells(one) for one in found) if found else "there are no grants: `hitl-tui grant REVIEW --scope …` makes one"

    print_from_inbox(work, home, reviewer)


@command("hitl-tui revoke 3")
@click.argument("grant")
@click.option("--why", metavar="TEXT", default="", help="Reason, for the log.")
@json_option
@common_options
def revoke(grant: str, why: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """End a grant."""

    async def work(inbox: Inbox) -> str:
        made = await inbox.grants.revoke(_number(grant), why)
        return output.as_json(grant_json(made)) if json_ else visible(f"grant {made.id} is revoked: {_line(made)}")

    print_from_inbox(work, home, reviewer)


def _number(text: str) -> int:
    return number(text, "a grant, like 3")


def _only(review: int, calls: int) -> int:
    if calls > 1:
        raise Refused(f"review {review} has {calls} calls", f"name one of them, like {call_id(review, 0)}")
    return 0


def _scope(kind: str, args: tuple[str, ...], sources: tuple[str, ...], offer: Offer) -> Scope:
    if (kind == "values") != bool(args):
        raise Refused("--arg goes with --scope values", "give at least one, like --arg to=*@example.com")
    may: dict[str, str] = {}
    for text in sources:
        name, sign, tool = text.partition("=")
        if not sign or not tool or name not in offer.bounds:
            raise Refused(f"{text!r} names no argument and tool", "write it like --from id=list_mail")
        may[name] = tool
    if kind == "call":
        return Scope(digest=offer.action.digest)
    return Scope(condition=" and ".join(condition_of(text, offer.action.args) for text in args), sources=may)


def _evidence(scope: Scope, found: ScopeEvidence) -> list[str]:
    lines = [found.warning] if found.warning else []
    lines += [scope.told(), found.told()]
    refused = [call_id(*call) for call in found.rejected[:10]]
    lines += [f"rejected: {', '.join(refused)}"] if refused else []
    lines += [f"nobody sees any more: {', '.join(found.unseen)}"] if found.unseen else []
    return [visible(line) for line in lines]


def _evidence_json(found: ScopeEvidence) -> dict[str, Any]:
    def named(calls: tuple[tuple[int, int], ...]) -> list[str]:
        return [call_id(*call) for call in calls]

    return {
        "looked_at": found.looked_at,
        "covered": found.total,
        "approved": named(found.approved),
        "edited": named(found.edited),
        "rejected": named(found.rejected),
        "rated_down": named(found.rated_down),
        "bound": list(found.bound) if found.bound else None,
        "unseen": list(found.unseen),
        "warning": found.warning or None,
    }


def _line(one: Grant) -> str:
    now = time.time()
    where = f"run r{one.run} of {one.agent}" if one.run else one.agent
    state = one.state(now)
    left = f"{one.left} of {counted(one.uses, 'call')} left, for {remaining(one.expires_at - now)}" if state == "active" else state
    risk = f"; {one.risk}, as {one.actor} says" if one.risk else ""
    return f"{where}'s {one.tool}: {one.scope.told()}; {left}; by {one.actor}, from {call_id(one.review, one.slot)}{risk}"


def _snippet(one: Grant) -> list[str]:
    """The risk that was stated, as a rule for policy.toml."""
    name = one.tool.replace('"', "")
    rule = ["[[rule]]", f'name = "risk of {name[:40]}"', f'tool = "{name}"', f'risk = "{one.risk}"']
    return ["to say the risk for good, add to policy.toml:", *(visible(f"  {line}") for line in rule)]


def _cells(one: Grant) -> tuple[str, ...]:
    now = time.time()
    state = one.state(now)
    ends = f"{one.left} of {one.uses} left, {remaining(one.expires_at - now)}" if state == "active" else f"{state}, used {one.taken}×"
    return (str(one.id), f"{one.agent}{f' r{one.run}' if one.run else ''}", one.tool, one.scope.told(), ends, one.actor)


def grant_json(one: Grant) -> dict[str, Any]:
    """A grant for scripts."""
    return {
        "id": one.id,
        "agent": one.agent,
        "run": f"r{one.run}" if one.run else None,
        "tool": one.tool,
        "scope": one.scope.told(),
        "condition": one.scope.condition or None,
        "digest": one.scope.digest,
        "sources": dict(one.scope.sources),
        "risk": one.risk,
        "uses": one.uses,
        "left": one.left,
        "state": one.state(time.time()),
        "at": one.at,
        "expires_at": one.expires_at,
        "by": one.actor,
        "from": call_id(one.review, one.slot),
        "decision": one.decision,
        "revoked_at": one.revoked_at,
        "revoked_by": one.revoked_by or None,
        "why": one.why or None,
    }
