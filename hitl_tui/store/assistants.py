"""Assistants: named sets of context and configuration with which an agent can be launched, as on LangGraph's server."""

from __future__ import annotations

import json
import time
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.model import Assistant
from hitl_tui.store.connection import Store

COLUMNS = "agent, name, context, config, actor, at"
PUT = """
INSERT INTO assistants (agent, name, context, config, actor, at) VALUES (:agent, :name, :context, :config, :actor, :now)
ON CONFLICT (agent, name) DO UPDATE SET context = excluded.context, config = excluded.config, actor = excluded.actor, at = excluded.at
"""


async def put(store: Store, agent: str, name: str, context: Any, config: Any, actor: str) -> None:
    """Store an assistant; one of the same agent and name is replaced."""
    values = {
        "agent": agent, "name": name, "context": None if context is None else canonical_json.dumps(context),
        "config": None if config is None else canonical_json.dumps(config), "actor": actor, "now": time.time(),
    }  # fmt: skip
    await store.write(PUT, values)


async def remove(store: Store, agent: str, name: str) -> bool:
    """Delete an assistant. False if there is none of that name."""
    gone = await store.write_rows("DELETE FROM assistants WHERE agent = ? AND name = ? RETURNING name", (agent, name))
    return bool(gone)


async def find(store: Store, agent: str | None = None) -> list[Assistant]:
    """Assistants by agent and name: all, or those of one agent."""
    where = "WHERE agent = :agent" if agent is not None else ""
    rows = await store.all(f"SELECT {COLUMNS} FROM assistants {where} ORDER BY agent, name", {"agent": agent})
    return [
        Assistant(of, name, context and json.loads(context), config and json.loads(config), actor, at)
        for of, name, context, config, actor, at in rows
    ]
