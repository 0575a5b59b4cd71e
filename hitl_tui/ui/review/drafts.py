"""Versions of a draft or of a call's arguments, and the differences between them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.formatting import at_time
from hitl_tui.model import Action, Json, ProposalVersion
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.diff import difference_lines
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, value_lines

TAB = "Versions"


def of(versions: Sequence[ProposalVersion], action: Action | None) -> list[ProposalVersion]:
    """Those of one action, oldest first."""
    return [version for version in versions if action and version.name == action.name]


def titles(versions: Sequence[ProposalVersion]) -> dict[str, str]:
    """The tab and its title, which counts what is proposed now as well; none without earlier versions."""
    return {TAB: f"{TAB} {len(versions) + 1}"} if versions else {}


def lines(versions: Sequence[ProposalVersion], action: Action, reviewer: str, now: float) -> Iterator[Line]:
    """What the agent made of the last version comes first, then what was done before, back to the first proposal."""
    proposal: Json = action.args
    for number in range(len(versions), 0, -1):
        version = versions[number - 1]
        who = labels.actor(version.actor, reviewer)
        mine = "as you left it" if who == "you" else f"as {who} left it"
        yield line(f"version {number + 1} against version {number} {mine}", "accent", "", 0)
        yield from difference_lines(version.left, proposal, "the agent changed nothing")
        yield BLANK
        yield from paragraph(
            f"sent back by {who} {at_time(version.at, now)}" + (f": {version.note}" if version.note else ""), "", "↻", 2, "warning"
        )
        if version.left != version.proposal:
            yield line(f"version {number}, and what {who} changed in it", "accent")
            yield from difference_lines(version.proposal, version.left)
            yield BLANK
        proposal = version.proposal
    yield line("version 1, as it was first proposed", "accent")
    yield from value_lines(proposal)


def choices(versions: Sequence[ProposalVersion], action: Action) -> list[tuple[str, Json]]:
    """Every version there is with a name for people, what is proposed now first, then the newest."""
    found: list[tuple[str, Json]] = [(f"version {len(versions) + 1}, as proposed now", action.args)]
    for number in range(len(versions), 0, -1):
        version = versions[number - 1]
        found += [(f"version {number}, as {version.actor} left it", version.left)] if version.left != version.proposal else []
        found.append((f"version {number}, as proposed", version.proposal))
    return found
