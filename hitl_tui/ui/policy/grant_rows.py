"""Grants in the policy view: a row of the list for each, and its details with the calls that used it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.argument_text import name_line
from hitl_tui.formatting import at_time, counted, remaining
from hitl_tui.model import Grant, GrantUse, call_id
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import Line, agent_name, line, paragraph

STYLES = {"active": "success", "used up": "muted", "expired": "muted", "revoked": "warning"}
ENDED_SHOWN = 10
"""Grants that are over, the newest of which are listed."""
LEAD = 12
"""Cells of the names on the left of the details."""


def listed(grants: Sequence[Grant], now: float) -> list[Grant]:
    """The grants that the list shows: those in force, then the last ones that are over; newest first."""
    active = [one for one in grants if one.state(now) == "active"]
    return [*active, *[one for one in grants if one.state(now) != "active"][:ENDED_SHOWN]]


def badge(grant: Grant, now: float) -> tuple[str, str]:
    """What stands at the right of its first line: uses left and time, or how it ended."""
    state = grant.state(now)
    text = f"{grant.left} left, {remaining(grant.expires_at - now)}" if state == "active" else state
    return text, STYLES[state]


def note(grant: Grant) -> str:
    """Its last line: who made it, and for which runs."""
    where = f"r{grant.run} of {grant.agent}" if grant.run else grant.agent
    return f"grant {grant.id} by {grant.actor} · {where} · used {grant.taken}×"


def grant_lines(grant: Grant, uses: Sequence[GrantUse] | None, reviewer: str, now: float) -> Iterator[Line]:
    """The details of a grant; `uses` are None until they are read."""
    runs = f"run r{grant.run}" if grant.run else "all runs"
    yield line(f"grant {grant.id}: {name_line(grant.tool, 60)} of {agent_name(grant.agent)}", "title")
    yield line("")
    yield from paragraph(grant.scope.told(), "strong", "covers", LEAD)
    state = grant.state(now)
    left = f"{grant.left} of {counted(grant.uses, 'call')}, for {remaining(grant.expires_at - now)}" if state == "active" else state
    yield line(left, STYLES[state], "left", LEAD)
    yield line(runs, "", "of", LEAD)
    by = labels.actor(grant.actor, reviewer)
    yield line(
        f"{by} {at_time(grant.at, now)}, from {call_id(grant.review, grant.slot)}{labels.identified(grant.identified)}", "", "made by", LEAD
    )
    if grant.risk:
        yield line(f"{grant.risk}, as {by} said", "", "at worst", LEAD)
    if grant.revoked_at is not None:
        who = labels.actor(grant.revoked_by, reviewer) if grant.revoked_by else "automatically"
        yield from paragraph(f"{who} {at_time(grant.revoked_at, now)}{': ' + grant.why if grant.why else ''}", "warning", "revoked", LEAD)
    yield line("")
    if uses is None:
        return
    yield line(f"used by {counted(len(uses), 'call')}" if uses else "no call has used it yet", "title")
    for use in uses:
        what = f"spot check, {use.decision or 'waits'}" if use.is_spot_check else "let through"
        yield line(use.args, "", f"{call_id(use.review, use.slot)}  {what}, {at_time(use.at, now)}", 2, agent=True)
