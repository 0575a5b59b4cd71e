"""The list of runs, unseen failures first: state and agent on one row, what it is about or does now on the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

from rich.cells import cell_len, set_cell_size

from hitl_tui.formatting import age
from hitl_tui.model import Run, RunState
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import AGE_CELLS, AGENT_BAR, agent_name, fit
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList


class RunOrder(SortedIds):
    """Some runs on top, then all others; both newest first."""

    def __init__(self, ids: Iterable[int] = (), top: Iterable[int] = ()) -> None:
        """`top` are those of the ids that come first."""
        super().__init__()
        self._top = SortedIds(sorted(top), newest_first=True)
        self._rest = SortedIds((id_ for id_ in ids if id_ not in self._top), newest_first=True)

    def __len__(self) -> int:
        return len(self._top) + len(self._rest)

    def __contains__(self, id_: int) -> bool:
        return id_ in self._top or id_ in self._rest

    def at(self, place: int) -> int:
        return self._top.at(place) if place < len(self._top) else self._rest.at(place - len(self._top))

    def place(self, id_: int) -> int:
        return self._top.place(id_) if id_ in self._top else len(self._top) + self._rest.place(id_)

    def add(self, id_: int) -> bool:
        return id_ not in self._top and self._rest.add(id_)

    def drop(self, id_: int) -> bool:
        return self._top.drop(id_) or self._rest.drop(id_)


class RunsList(VirtualList[Run]):
    """Every run there is."""

    BORDER_TITLE = "Runs"
    noun = "run"

    def __init__(
        self, fetch: Callable[[Sequence[int]], Awaitable[list[Run]]], moved: Callable[[int | None, bool], None], clock: Callable[[], float]
    ) -> None:
        super().__init__(fetch, moved, id="runs-list")
        self._clock = clock
        self.unserved: Mapping[str, str] = {}
        """Agents that no worker runs, with a sentence on how to start one."""

    def key_of(self, row: Run) -> int:
        return row.id

    @property
    def in_view(self) -> list[int]:
        """Ids of the rows on the screen."""
        top = self.scroll_offset.y // self.rows_each
        return self.order.slice(top, top + -(-self.size.height // self.rows_each)) if self.size.height else []

    def paint(self, row: Run, part: int, width: int) -> Iterator[Piece]:
        glyph, style = labels.RUNS[row.state]
        if part == 0:
            state = labels.run_state(row, self._clock())
            name = max(4, width - 3 - cell_len(state) - 1 - AGE_CELLS - 1)
            yield " ", ""
            yield glyph, style
            number = f"r{row.id} "
            yield f" {set_cell_size(number + agent_name(row.agent, name - len(number)), name)} ", "strong"
            yield state, style
            yield f"{age(self._clock() - row.created_at):>{AGE_CELLS}} ", "muted"
        else:
            waits = row.agent in self.unserved and row.state == RunState.QUEUED
            yield f"  {AGENT_BAR if _is_by_agent(row) else ' '}", "muted"
            style = "error" if row.state == RunState.FAILED else "warning" if waits else "muted"
            yield fit(self.unserved[row.agent] if waits else _about(row), width - 4), style
            yield " ", ""


def _is_by_agent(run: Run) -> bool:
    return not run.taken_by and (run.state == RunState.FAILED or (run.state == RunState.RUNNING and bool(run.activity)))


def _about(run: Run) -> str:
    """What a person wants to know of it now."""
    if run.taken_by:
        return f"taken over by {run.taken_by} · {run.activity or run.error or run.title}"
    if run.state == RunState.FAILED:
        return run.error
    if run.state == RunState.RUNNING and run.activity:
        return f"{run.activity} · {run.title}"
    return run.title
