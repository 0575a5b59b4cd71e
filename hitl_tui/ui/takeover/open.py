"""`t`: takes a run over, asking for a reason where somebody else has it, and opens the workspace on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from textual.app import App
from textual.worker import get_current_worker

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import ReviewState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.attention_result import CheckScreen
from hitl_tui.ui.dialogs.reason import ReasonScreen
from hitl_tui.ui.review import assignment
from hitl_tui.ui.runtime.key_queue import ask
from hitl_tui.ui.takeover.run_panel import read_whole
from hitl_tui.ui.takeover.screen import TakeOverScreen, TypedInPlaces, draft_of

__all__ = ["TypedInPlaces", "open_workspace"]


async def open_workspace(
    app: App[None], inbox: Inbox, run: int, typed: TypedInPlaces, keymap: Mapping[str, str], clock: Callable[[], float]
) -> None:
    """Take the run over, or go on with a take-over of one's own. For workers of the asking group.

    Raises:
        Refused: the run is moving or done, or cannot be taken.
    """
    holder = await _holder(inbox, run, clock())
    reason: str | None = ""
    if holder:
        name = one_line(holder, 40)
        reason = await ask(
            app, ReasonScreen(f"Take over run r{run}", f"{name} has it. You take it from {name}; the reason stays in its history.")
        )
    if reason is None:
        return
    try:
        over = await inbox.takeovers.take(run, reason)
    except Refused:
        if (check := inbox.runs.attention_check(run)) is None or check.actor != inbox.reviewer:
            raise
        await app.push_screen(CheckScreen(check))
        get_current_worker().advance()
        return
    whole = await read_whole(inbox, run)
    await app.push_screen(TakeOverScreen(inbox, whole, over, draft_of(typed, over, whole), typed, keymap, clock))
    get_current_worker().advance()


async def _holder(inbox: Inbox, run: int, now: float) -> str:
    """Who else has the run or one of its reviews; empty for nobody."""
    over = await inbox.takeovers.latest(run)
    claimants = [row.claimant(now) for row in await inbox.reviews.of_run(run) if row.state == ReviewState.OPEN]
    holders = [over.actor if over and over.state == "open" else None, *claimants]
    return next((name for name in holders if name and not assignment.is_me(name, inbox.reviewer)), "")
