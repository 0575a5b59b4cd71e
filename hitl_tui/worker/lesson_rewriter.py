"""Has a model say proposed lessons better, where one is configured: beside everything else, and each once. Else the plain words stay."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence

from hitl_tui.agents.memory import NotReworded, reworded
from hitl_tui.errors import Storage
from hitl_tui.store import Store, lessons

LOOK_S = 1.0


class LessonRewriter:
    """The lessons of some agents, as a model puts them."""

    def __init__(self, store: Store, agents: Sequence[str], model: str, ring: Callable[[], None]) -> None:
        """Without a model it does nothing."""
        self._store = store
        self._agents = agents
        self._model = model
        self._ring = ring

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work in the background while the block lasts."""
        looking = asyncio.ensure_future(self._serve())
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _serve(self) -> None:
        while self._model:
            with contextlib.suppress(Storage):  # the worker says so, and it is looked at again
                while lesson := lessons.to_word(self._store, self._agents, self._model):
                    try:
                        text = await reworded(self._model, lesson)
                    except NotReworded as error:
                        text = ""
                        print(f"hitl-tui: {error}", file=sys.stderr, flush=True)
                    await lessons.word(self._store, lesson, self._model, text)
                    self._ring()
            await asyncio.sleep(LOOK_S)
