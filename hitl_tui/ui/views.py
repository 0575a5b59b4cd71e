"""The views of the console, one entry each: to add a view, write its class and enter it here.

A view's module is imported, and its style sheet read, when the view is first shown: the first frame waits for the queue alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from textual.screen import Screen

if TYPE_CHECKING:
    from hitl_tui.home import Home
    from hitl_tui.inbox import Inbox
    from hitl_tui.settings import Settings
    from hitl_tui.ui.runtime.worker_pool import WorkerPool
    from hitl_tui.ui.widgets.list_detail import ListDetail


TOO_SMALL = "the terminal is too small: hitl-tui needs 60×16"
"""What a screen shows in place of everything where nothing could be read."""


@dataclass(frozen=True, slots=True)
class ViewContext:
    """What every view is made with."""

    inbox: Inbox
    settings: Settings
    home: Home
    workers: WorkerPool
    clock: Callable[[], float]
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class View:
    """An entry of the registry."""

    name: str
    """The id of the command that shows it."""
    title: str
    location: str
    """`package.module:Class`, a `ListDetail` made with a `ViewContext`."""
    parent: str = ""
    """The view whose title stands for it in the header, if it has none there itself."""
    next: str = "queue"
    """The view that the key bar offers beside it."""

    def load(self) -> type[ListDetail[Any, Any]]:
        """Import its class."""
        module, _, name = self.location.partition(":")
        found: type[ListDetail[Any, Any]] = getattr(import_module(module), name)
        return found


VIEWS = {
    view.name: view
    for view in (
        View("queue", "Queue", "hitl_tui.ui.queue.view:QueueView", next="runs"),
        View("runs", "Runs", "hitl_tui.ui.runs.view:RunsView"),
        View("history", "History", "hitl_tui.ui.history.view:HistoryView"),
        View("insights", "Insights", "hitl_tui.ui.insights.view:InsightsView", next="lessons"),
        View("policy", "Policy", "hitl_tui.ui.policy.view:PolicyView"),
        View("lessons", "Lessons", "hitl_tui.ui.lessons.view:LessonsView", parent="insights", next="insights"),
    )
}
"""By name, in the order of the header."""


class OverlayScreen(Screen[None]):
    """A full screen above the views, with keys of its own. Showing a view leaves it first."""

    GROUP: ClassVar[str]
    """The group of its commands, for the palette."""

    async def leave(self) -> None:
        """Save what was done on it, and close."""
        raise NotImplementedError
