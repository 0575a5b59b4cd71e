"""Notices lessons that are newly proposed, and tells each once."""

from __future__ import annotations

from hitl_tui.argument_text import name_line
from hitl_tui.formatting import counted
from hitl_tui.inbox import Inbox
from hitl_tui.model import LessonState
from hitl_tui.sanitize import one_line


class LessonAlert:
    """The proposed lessons of a home."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._told: set[int] = set()

    @property
    def count(self) -> int:
        """How many lessons are proposed."""
        return len(self._told)

    async def begin(self) -> None:
        """Count the lessons that are proposed already; they are not told."""
        self._told = {lesson.id for lesson in await self._inbox.lessons.proposed()}

    async def look(self, key: str) -> str:
        """Look for new lessons. Returns a sentence about those that were not told yet, empty if there are none; `key` shows them."""
        proposed = {lesson.id: lesson for lesson in await self._inbox.lessons.find([LessonState.PROPOSED])}
        new = [lesson for id_, lesson in proposed.items() if id_ not in self._told]
        self._told = set(proposed)
        if not new:
            return ""
        if len(new) > 1:
            return f"{counted(len(new), 'lesson')} proposed: {key} shows them"
        return f"a lesson is proposed for {name_line(new[0].tool, 40)} of {one_line(new[0].agent, 40)}: {key} shows it"
