"""People who had to do with reviews lately: whoever escalates something is helped with their names."""

from __future__ import annotations

from hitl_tui.store.connection import Store

BACK = 400
"""So many of the newest looks, decisions and escalations are gone through."""


async def recent(store: Store, limit: int) -> list[tuple[str, float]]:
    """Names, and when each was last here in Unix time; the latest first."""
    found = await store.all(
        "SELECT name, max(at) AS last FROM (SELECT * FROM (SELECT reviewer AS name, last_at AS at FROM looks ORDER BY id DESC LIMIT ?1) "
        "UNION ALL SELECT * FROM (SELECT actor, at FROM decisions ORDER BY id DESC LIMIT ?1) "
        "UNION ALL SELECT * FROM (SELECT acknowledged_by, acknowledged_at FROM escalations ORDER BY id DESC LIMIT ?1)) "
        "WHERE name IS NOT NULL AND instr(name, ':') = 0 GROUP BY name COLLATE NOCASE ORDER BY last DESC, name LIMIT ?2",
        (BACK, limit),
    )
    return [(str(name), float(last)) for name, last in found]
