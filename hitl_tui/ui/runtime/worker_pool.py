"""What the console needs to know of the worker processes beside it; the command line fills it in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol


class Crew(Protocol):
    """The workers this console started."""

    @property
    def labels(self) -> Sequence[str]:
        """Names of the projects they load, for people."""
        ...

    @property
    def targets(self) -> Sequence[str]:
        """The same projects, as they are registered in the store."""
        ...

    @property
    def alive(self) -> int:
        """How many of them live now."""
        ...

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Start them; `heard` is called when one has committed something, `died` with a sentence when one ended by itself."""
        ...

    async def restart(self) -> None:
        """Replace them all."""
        ...


class NoCrew:
    """A console that only watches: others drive the agents."""

    labels: Sequence[str] = ()
    targets: Sequence[str] = ()
    alive = 0

    def start(self, heard: Callable[[], None], died: Callable[[str], None]) -> None:
        """Nothing to start."""

    async def restart(self) -> None:
        """Nothing to replace."""
