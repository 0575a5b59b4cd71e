"""Lessons drawn from decisions: list, accept, edit and drop them, and read their effect and examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hitl_tui.errors import Refused
from hitl_tui.model import HistoryEntry, Lesson, LessonState, Role
from hitl_tui.oversight.lessons import validate_text
from hitl_tui.oversight.statistics import Rates
from hitl_tui.store import lessons as kept

if TYPE_CHECKING:
    from hitl_tui.inbox.inbox import Inbox

EXAMPLES = 20


class Lessons:
    """One reviewer's verbs on lessons."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._store = inbox.store

    async def find(self, states: Sequence[LessonState] = ()) -> list[Lesson]:
        """Update the proposals and read the lessons in these states, or all: proposed, then accepted, then dropped ones."""
        await kept.propose(self._store)
        return await kept.listed(self._store, states)

    async def proposed(self) -> list[Lesson]:
        """Read the proposed lessons as they are stored, without looking for new ones."""
        return await kept.listed(self._store, [LessonState.PROPOSED])

    async def get(self, id: int) -> Lesson:
        """Read one lesson.

        Raises:
            Refused: there is no such lesson.
        """
        found = await kept.get(self._store, id)
        if found is None:
            raise Refused(f"there is no lesson {id}", "`hitl-tui lessons --all` lists them")
        return found

    async def accept(self, id: int, text: str | None = None) -> Lesson:
        """Accept a proposed or dropped lesson, with a new text if one is given. Agents read it from now on.

        Raises:
            Refused: there is no such lesson, or the text is empty or too long.
        """
        found = await self.get(id)
        return await self._decide(found, LessonState.ACCEPTED, text)

    async def edit(self, id: int, text: str) -> Lesson:
        """Change the text of a lesson. Agents read the new text of an accepted lesson from now on.

        Raises:
            Refused: there is no such lesson, it was dropped, or the text is empty or too long.
        """
        found = await self.get(id)
        if found.state is LessonState.DROPPED:
            raise Refused(f"lesson {id} is dropped", "accept it with the text")
        return await self._decide(found, found.state, text)

    async def drop(self, id: int) -> Lesson:
        """Drop a lesson, so that agents no longer read it. It is proposed again only after many more examples.

        Raises:
            Refused: there is no such lesson.
        """
        return await self._decide(await self.get(id), LessonState.DROPPED, None)

    async def effects(self, lesson: Lesson) -> tuple[Rates, Rates] | None:
        """Decisions on the tool's calls before and after the lesson was accepted, up to 200 each; None unless it is accepted."""
        return await kept.effects(self._store, lesson.id)

    async def examples(self, lesson: Lesson) -> list[HistoryEntry]:
        """The last 20 decisions that it was drawn from, the newest first."""
        return [await self._inbox.history.get(decision) for decision in lesson.examples[: -EXAMPLES - 1 : -1]]

    async def _decide(self, found: Lesson, state: LessonState, text: str | None) -> Lesson:
        await self._inbox.require(Role.DECIDE, "decide a lesson")
        said = found.text if text in (None, found.text) else validate_text(text or "")
        if (state, said) != (found.state, found.text):
            await kept.decide(self._store, found.id, state, said, found.wording if said == found.text else "person", self._inbox.reviewer)
            self._inbox.ring()
        return await self.get(found.id)
