"""The live trace of one run: its events as lines, which grow at the end while the run goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hitl_tui.model import DecisionKind, Event, Feedback, Json
from hitl_tui.sanitize import one_line
from hitl_tui.ui.review.render import call_text
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, json_lines, line, paragraph, value_lines
from hitl_tui.ui.text.ratings import rating_lines
from hitl_tui.ui.widgets.text_view import TextView

REREAD = 30
"""Last events read again each time: a message that streams is rewritten in its place."""


class TracePane(TextView):
    """Events as lines, each with the ratings on it; a view at the end follows, one scrolled back stays."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.run: int | None = None
        self._events: list[Event] = []
        self._firsts: list[int] = []
        self._count = 0
        self._tail: Sequence[Event] = ()
        self._viewer = Viewer("", 0)
        self._ratings: dict[int, list[Feedback]] = {}
        """By the number of the line they are on."""

    @property
    def is_bare(self) -> bool:
        """Whether nothing has happened yet."""
        return not self._events

    @property
    def after(self) -> int:
        """The `seq` beyond which to read again."""
        return self._events[-REREAD].seq - 1 if len(self._events) >= REREAD else 0

    def follow(self, run: int | None) -> None:
        """Watch another run, or none."""
        if run != self.run:
            self.run = run
            self._events, self._firsts, self._count, self._tail, self._ratings = [], [], 0, (), {}
            self.show(())

    def rate(self, feedback: Sequence[Feedback], viewer: Viewer) -> None:
        """The ratings on a run and what is in it, as they are now: those on lines of this trace stand under them."""
        ratings: dict[int, list[Feedback]] = {}
        for one in feedback:
            if one.subject.run == self.run and one.subject.event is not None:
                ratings.setdefault(one.subject.event, []).append(one)
        if ratings != self._ratings:
            self._ratings, self._viewer, self._tail = ratings, viewer, ()
            self.take(self._events)

    def take(self, events: Sequence[Event]) -> None:
        """Events beyond `after`, as they are now."""
        if not events:
            if not self._events:
                self.show([line("nothing yet", "muted")])
            return
        if events == self._tail:
            return
        self._tail = events
        kept = sum(1 for event in self._events if event.seq < events[0].seq)
        keep = self._firsts[kept] if kept < len(self._firsts) else self._count
        self._events = [*self._events[:kept], *events]
        del self._firsts[kept:]
        lines, at = [], keep
        for event in events:
            drawn = [*event_lines(event), *rating_lines(self._ratings.get(event.seq, ()), self._viewer, COLUMN)]
            self._firsts.append(at)
            at += len(drawn)
            lines += drawn
        self._count = at
        self.splice(keep, lines)


COLUMN = 12
"""Cells for the name of the node."""
GLYPHS = {
    "input": ("you", "accent"),
    "start": ("▸", "muted"),
    "end": ("·", "muted"),
    "custom": ("note", "muted"),
    "paused": ("◆", "warning"),
    "decided": ("✓", "success"),
    "error": ("✗", "error"),
    "done": ("✓", "success"),
}
OURS = frozenset({"input", "paused", "decided", "done"})
"""Kinds of lines that no agent or tool wrote."""
SAID = frozenset({"message", "call", "result"})
"""Kinds of lines that are messages: of the agent, calls of its, and what tools came back with."""


def event_lines(event: Event) -> Iterator[Line]:
    """The lines of one event."""
    body: dict[str, Any] = event.body if isinstance(event.body, dict) else {"value": event.body}
    where = one_line(" › ".join([*event.path, event.node]))
    who = one_line(where, COLUMN - 1)
    match event.kind:
        case "message":
            yield from paragraph(_text(body.get("text")), "", who or "agent", COLUMN, "strong", agent=True)
        case "call":
            yield line("→ " + call_text(_text(body.get("name")), body.get("args")), "accent", who, COLUMN, agent=True)
        case "result":
            failed = bool(body.get("failed"))
            yield from paragraph(
                f"← {_text(body.get('text'))}",
                "error" if failed else "muted",
                one_line(_text(body.get("name")), COLUMN - 1),
                COLUMN,
                agent=True,
            )
        case "start":
            yield line(f"▸ {where or 'starts'}", "muted", "", COLUMN)
        case "end":
            took = body.get("ms")
            yield line(f"· {where}" + (f"  {took:g} ms" if isinstance(took, int | float) else ""), "muted", "", COLUMN)
        case "decided" if isinstance(body.get("answers"), list):
            for answer in body["answers"]:
                yield from _answer_lines(answer)
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
    glyph, style = GLYPHS.get(kind, ("·", "muted"))
    lead = glyph if len(glyph) > 1 else f"{glyph} {one_line(kind, COLUMN)}"
    value: Json = next(iter(body.values())) if len(body) == 1 else body
    if not body:
        yield line(where or kind, style, lead, COLUMN, style)
    elif isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        yield from paragraph(", ".join(value), "", lead, COLUMN, style, agent=kind not in OURS)
    elif isinstance(value, str):
        yield from paragraph(value, style if kind == "error" else "", lead, COLUMN, style, agent=kind not in OURS)
    elif kind == "decided" and "reviews" in body and isinstance(value, list):  # written by 0.1.0
        yield line(f"review {', '.join(map(str, value))}", style, lead, COLUMN, style)
    else:
        yield from value_lines(value, lead, COLUMN, style)


def _answer_lines(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Who decided what of a call, and what the agent was told."""
    kind = DecisionKind(answer["kind"])
    glyph, word, style = labels.DECIDED[kind]
    tool, message, args = _text(answer.get("tool")), _text(answer.get("message")), answer.get("args")
    yield line(f"{one_line(tool, 60)} {word} by {one_line(_text(answer.get('by')), 60)}", style, f"{glyph} decided", COLUMN, style)
    if kind is DecisionKind.EDIT:
        yield line("→ " + call_text(tool, args), "accent", "", COLUMN, agent=True)
    elif kind is DecisionKind.RESPOND and args is not None:
        yield from value_lines(args, "", COLUMN)
    if message:
        yield from paragraph(message, "", "", COLUMN)


def _text(value: Json) -> str:
    return value if isinstance(value, str) else "" if value is None else "\n".join(one.text for one in json_lines(value))
