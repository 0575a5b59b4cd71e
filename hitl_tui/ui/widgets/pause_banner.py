"""The row under the header that says which agents are paused, for as long as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from hitl_tui.formatting import age
from hitl_tui.sanitize import one_line, visible

if TYPE_CHECKING:
    from hitl_tui.model import AgentPause  # the first frame needs no model


class PauseBanner(Static):
    """Not there while nothing is paused. Where room is short, what a pause does goes first, then pauses but the first."""

    _forms: Sequence[str] = ()
    """What it says, the longest first."""

    def show(self, pauses: Sequence[AgentPause], key: str, now: float) -> None:
        """Name the pauses, and the key that ends them."""
        self.display = bool(pauses)
        if not pauses:
            return
        told = [f"{one_line(one.told(), 60)} {age(now - one.at)} ago" for one in pauses]
        more = f" and {len(told) - 1} more" if len(told) > 1 else ""
        does = ("nothing starts, decisions wait", "decisions wait")
        all_told, first = f"{'; '.join(told)} · {key} resumes", f"{told[0]}{more} · {key} resumes"
        who = f"{pauses[0].agent or 'all agents'}{more} paused · {key} resumes"
        self._forms = [visible(one) for one in (*(f"{all_told} · {one}" for one in does), all_told, first, one_line(who, 60))]
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        room = self.app.size.width - 2
        self.update(Content(f" {next((one for one in self._forms if cell_len(one) <= room), self._forms[-1] if self._forms else '')}"))
