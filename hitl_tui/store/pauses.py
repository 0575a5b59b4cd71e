"""Agents that a person has paused, until somebody resumes them. (The pauses of a run are reviews.)

Workers finish the current step of their runs, and start nothing new. Decisions made meanwhile, by people or by policy, are stored and wait.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from hitl_tui.errors import Refused
from hitl_tui.model import Actor, AgentPause
from hitl_tui.store import audit, changefeed
from hitl_tui.store.connection import Store

NOT_PAUSED = "NOT EXISTS (SELECT 1 FROM pauses WHERE pauses.agent IN ('', {agent}))"
"""A condition of every search for work; `{agent}` is the column with the agent's name."""


def active(store: Store) -> list[AgentPause]:
    """The pauses in force, with that of all agents first. Reads at once."""
    return [AgentPause(*row) for row in store.read_now("SELECT agent, actor, at FROM pauses ORDER BY agent")]


async def pause(store: Store, agent: str, actor: str) -> bool:
    """Pause an agent, or all agents if the name is empty. False if that is paused already."""
    now = time.time()
    async with store.transaction() as db:
        insert = "INSERT OR IGNORE INTO pauses (agent, actor, at) VALUES (:agent, :actor, :now)"
        if not db.execute(insert, {"agent": agent, "actor": actor, "now": now}).rowcount:
            return False
        audit.note(db, now, "paused", Actor(actor), {"agent": agent or None})
        changefeed.touch(db)
    return True


async def resume(store: Store, agent: str, actor: str) -> Sequence[str]:
    """End the pause of an agent, or every pause if the name is empty. Returns the agents of the ended pauses; `""` is that of all.

    Raises:
        Refused: all agents are paused, and only one should be resumed.
    """
    now = time.time()
    async with store.transaction() as db:
        paused = [str(name) for (name,) in db.rows("SELECT agent FROM pauses ORDER BY agent")]
        if agent and "" in paused:
            raise Refused(f"all agents are paused, not only {agent}", "resume all of them, then pause the others")
        ended = [name for name in paused if not agent or name == agent]
        for name in ended:
            db.execute("DELETE FROM pauses WHERE agent = ?", (name,))
            audit.note(db, now, "resumed", Actor(actor), {"agent": name or None})
        if ended:
            changefeed.touch(db)
    return ended
