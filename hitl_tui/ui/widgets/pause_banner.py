"""The row under the header that says which agents are paused, for as long as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from hitl_tui.formatting import age
from hitl_tui.sanitize import one_line, visible

if TYPE_CHECKING:
    from hitl_tui.model import AgentPause  # the first frame needs no model


class PauseBanner(Static):
    """Not there while nothing is paused."""

    def show(self, pauses: Sequence[AgentPause], key: str, now: float) -> None:
        """Name the pauses, and the key that ends them."""
        self.display = bool(pauses)
        if pauses:
            told = "; ".join(f"{one_line(one.told(), 60)} {age(now - one.at)} ago" for one in pauses)
            self.update(Content(visible(f" {told} · {key} resumes · nothing starts, decisions wait")))
