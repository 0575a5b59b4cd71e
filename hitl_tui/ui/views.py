"""The views of the console, and full screens above them."""

from __future__ import annotations

from typing import ClassVar

from textual.screen import Screen


class OverlayScreen(Screen[None]):
    """Whoever goes to another view leaves it first."""

    GROUP: ClassVar[str]
    """The group of its commands, for the palette."""

    async def leave(self) -> None:
        """Keep what was done, and go."""
        raise NotImplementedError
