"""`t`: take a run over, with a reason if somebody else has it, and open the takeover screen; or confirm what they handed back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import App
from textual.worker import get_current_worker

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, ReviewRow, ReviewState, Takeover, same_person
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.attention_result import CheckScreen
from hitl_tui.ui.dialogs.reason import ReasonScreen
from hitl_tui.ui.runtime.key_queue import ask
from hitl_tui.ui.takeover.confirmation import confirm_hand_back, is_to_confirm
from hitl_tui.ui.takeover.run_panel import read_run_details
from hitl_tui.ui.takeover.screen import TakeoverDrafts, TakeOverScreen

__all__ = ["TakeoverDrafts", "open_takeover"]


async def open_takeover(
    app: App[None], inbox: Inbox, run: int, drafts: TakeoverDrafts, keymap: Mapping[str, str], clock: Callable[[], float]
) -> None:
    """Take the run over, or return to the reviewer's own takeover. For workers of `DIALOG_GROUP`.

    Raises:
        Refused: the run is running or done, or cannot be taken over.
    """
    rows = [row for row in await inbox.reviews.of_run(run) if row.state == ReviewState.OPEN]
    latest = await inbox.takeovers.latest(run)
    if latest and is_to_confirm(inbox, latest):
        await confirm_hand_back(app, inbox, latest, await _calls(inbox, rows))
        return
    holder = _holder(inbox, latest, rows, clock())
    reason: str | None = ""
    if holder:
        name = one_line(holder, 40)
        question = f"{name} has it. If you take it over, the reason is recorded in its history."
        calls = await _calls(inbox, rows)
        reason = await ask(app, ReasonScreen(f"Take over run r{run}", question, calls=calls))
    if reason is None:
        return
    try:
        takeover = await inbox.takeovers.take(run, reason)
    except Refused:
        if (check := inbox.runs.attention_check(run)) is None or not same_person(check.actor, inbox.reviewer):
            raise
        await app.push_screen(CheckScreen(check))
        get_current_worker().advance()
        return
    details = await read_run_details(inbox, run)
    await app.push_screen(TakeOverScreen(inbox, details, takeover, drafts, keymap, clock))
    get_current_worker().advance()


async def _calls(inbox: Inbox, rows: Sequence[ReviewRow]) -> list[Action]:
    return [action for row in rows for action in (await inbox.reviews.get(row.id)).actions]


def _holder(inbox: Inbox, takeover: Takeover | None, rows: Sequence[ReviewRow], now: float) -> str:
    """Another person who has taken over the run or claimed one of its open reviews; empty for nobody."""
    claimants = [row.claimant(now) for row in rows]
    holders = [takeover.actor if takeover and takeover.state == "open" else None, *claimants]
    return next((name for name in holders if name and not same_person(name, inbox.reviewer)), "")
