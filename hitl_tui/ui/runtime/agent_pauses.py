"""The console's pause key: pauses agents (not runs) and resumes them, as the person chooses in a dialog."""

from __future__ import annotations

from textual.widget import Widget

from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.runtime.key_queue import ask
from hitl_tui.ui.text.lines import agent_name

ABOUT = "Steps under way finish and nothing new starts. Runs, decided reviews and automatic approvals wait; nothing is lost."


async def choose_pause(owner: Widget, inbox: Inbox, agent: str) -> None:
    """Ask what to pause or resume, and do it. `agent` is that of the review or run under the cursor; empty for none."""
    from hitl_tui.ui.dialogs.choice import ChoiceScreen

    paused = {one.agent for one in inbox.agents.pauses()}
    options: list[tuple[str, bool, str]] = []
    if paused:
        options.append(("resume everything", False, ""))
    if "" not in paused:
        options += [(f"resume {one_line(name, 40)}", False, name) for name in sorted(paused)] if len(paused) > 1 else []
        options.append(("pause all agents", True, ""))
        if agent and agent not in paused and not await inbox.agents.suggestions(agent):  # a review may be of an agent that is gone
            options.append((f"pause {agent_name(agent)} only", True, agent))
    place = await ask(owner, ChoiceScreen("Pause agents" if not paused else "Paused agents", ABOUT, [text for text, *_ in options]))
    if place is None:
        return
    _, pauses, name = options[place]
    try:
        await (inbox.agents.pause(name) if pauses else inbox.agents.resume(name))
    except Refused as error:  # somebody else was faster
        owner.notify(visible(str(error)), timeout=3, markup=False)
