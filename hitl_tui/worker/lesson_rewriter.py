"""Has a model reword proposed lessons, each once, in the background. Without a model the plain words stay."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from hitl_tui.errors import HitlError, Storage
from hitl_tui.model import Lesson
from hitl_tui.store import Store, lessons

POLL_S = 1.0

Reword = Callable[[str, Lesson], Awaitable[str]]
"""Gives a lesson in the words of a model, or raises `HitlError`."""


class LessonRewriter:
    """Rewords the lessons of some agents."""

    def __init__(self, store: Store, agents: Sequence[str], model: str, reword: Reword, ring: Callable[[], None]) -> None:
        """With an empty `model` it does nothing."""
        self._store = store
        self._agents = agents
        self._model = model
        self._reword = reword
        self._ring = ring

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background while the block lasts."""
        serving = asyncio.ensure_future(self._serve())
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def _serve(self) -> None:
        while self._model:
            with contextlib.suppress(Storage):  # the worker reports it, and the next round tries again
                while lesson := lessons.to_word(self._store, self._agents, self._model):
                    await self._one(lesson)
            await asyncio.sleep(POLL_S)

    async def _one(self, lesson: Lesson) -> None:
        try:
            text = await self._reword(self._model, lesson)
        except Storage:
            raise
        except HitlError as error:
            text = ""
            print(f"hitl-tui: {error}", file=sys.stderr, flush=True)
        await lessons.word(self._store, lesson, self._model, text)
        self._ring()
