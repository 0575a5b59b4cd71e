"""A run's trace as lines: each event with its node, its body as a person reads it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hitl_tui.model import Event, Json
from hitl_tui.sanitize import one_line
from hitl_tui.ui.review.render import call_text
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import Line, json_lines, line, paragraph, value_lines

COLUMN = 12
"""Cells for the name of the node."""
GLYPHS = {
    "input": ("you", "accent"),
    "start": ("▸", "muted"),
    "end": ("·", "faint"),
    "custom": ("note", "muted"),
    "paused": ("◆", "warning"),
    "decided": ("✓", "success"),
    "error": ("✗", "error"),
    "done": ("✓", "success"),
}
SAID = frozenset({"message", "call", "result"})
"""Kinds of lines that are messages: of the agent, calls of its, and what tools came back with."""


def event_lines(event: Event) -> Iterator[Line]:
    """The lines of one event."""
    body: dict[str, Any] = event.body if isinstance(event.body, dict) else {"value": event.body}
    where = one_line(" › ".join([*event.path, event.node]))
    who = one_line(where, COLUMN - 1)
    match event.kind:
        case "message":
            yield from paragraph(_text(body.get("text")), "", who or "agent", COLUMN, "strong")
        case "call":
            yield line("→ " + call_text(_text(body.get("name")), body.get("args")), "accent", who, COLUMN)
        case "result":
            failed = bool(body.get("failed"))
            yield from paragraph(
                f"← {_text(body.get('text'))}", "error" if failed else "muted", one_line(_text(body.get("name")), COLUMN - 1), COLUMN
            )
        case "start":
            yield line(f"▸ {where or 'starts'}", "muted", "", COLUMN)
        case "end":
            took = body.get("ms")
            yield line(f"· {where}" + (f"  {took:g} ms" if isinstance(took, int | float) else ""), "faint", "", COLUMN)
        case _:
            yield from _other(event.kind, where, body)


def said(event: Event) -> tuple[str, str] | None:
    """Who says what, where a line of the trace is a message."""
    body: dict[str, Any] = event.body if isinstance(event.body, dict) else {"value": event.body}
    match event.kind:
        case "message":
            return event.node or "agent", _text(body.get("text"))
        case "call":
            return event.node or "agent", "→ " + call_text(_text(body.get("name")), body.get("args"))
        case "result":
            return _text(body.get("name")), f"← {_text(body.get('text'))}"
    return None


def _other(kind: str, where: str, body: dict[str, Any]) -> Iterator[Line]:
    glyph, ink = GLYPHS.get(kind, ("·", "muted"))
    lead = glyph if len(glyph) > 1 else f"{glyph} {kind}"
    value: Json = next(iter(body.values())) if len(body) == 1 else body
    if not body:
        yield line(where or kind, ink, lead, COLUMN, ink)
    elif isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        yield from paragraph(", ".join(value), "", lead, COLUMN, ink)
    elif isinstance(value, str):
        yield from paragraph(value, ink if kind == "error" else "", lead, COLUMN, ink)
    elif kind == "decided" and isinstance(value, dict) and value.get("kind") in labels.DECIDED:
        yield line(str(value["kind"]), ink, lead, COLUMN, ink)
    else:
        yield from value_lines(value, lead, COLUMN, ink)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else "\n".join(one.text for one in json_lines(value))
