"""Ratings as lines: thumbs up or down, by whom, when, and with what comment. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from hitl_tui.formatting import at_time
from hitl_tui.model import Feedback
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, line, paragraph


def rating_lines(feedback: Iterable[Feedback], viewer: Viewer, indent: int = 2) -> Iterator[Line]:
    """Each rating with its comment, indented by `indent` cells."""
    for one in feedback:
        glyph, _, style = labels.RATINGS[one.rating]
        yield line(said(one, viewer), style, glyph.rjust(indent - 1), indent, style)
        if one.comment:
            yield from paragraph(one.comment, "", "", indent)


def said(one: Feedback, viewer: Viewer) -> str:
    """Rating, reviewer, time and tags."""
    about = " on the whole run" if one.subject.is_whole_run else ""
    tags = "".join(f" · {tag}" for tag in one.tags)
    return f"{labels.RATINGS[one.rating][1]}{about} by {labels.actor(one.actor, viewer.reviewer)} {at_time(one.at, viewer.now)}{tags}"


def counted(feedback: Iterable[Feedback]) -> str:
    """Number of ratings on a run's decisions and messages; empty for none."""
    counts = Counter(one.rating for one in feedback if not one.subject.is_whole_run)
    parts = [f"{counts[rating]} × {word}" for rating, (_, word, _) in labels.RATINGS.items() if counts[rating]]
    return f"{', '.join(parts)} on its decisions and messages" if parts else ""
