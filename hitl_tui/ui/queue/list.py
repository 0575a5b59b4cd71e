"""The list of reviews that wait: tool, agent and age on one row, what is asked and what is known of it on the other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

from rich.cells import cell_len, set_cell_size

from hitl_tui.argument_text import name_text
from hitl_tui.effects.view import GRAVE
from hitl_tui.formatting import age
from hitl_tui.model import HandBack, Outcome, ReviewRow, ReviewState
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import group
from hitl_tui.ui.messages import HintsChanged, KeyIgnored
from hitl_tui.ui.queue.brief_args import asked
from hitl_tui.ui.queue.queue_order import Groups
from hitl_tui.ui.review import assignment
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.lines import AGE_CELLS, AGENT_BAR, NAME_CELLS, fit, fit_name
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.virtual_list import VirtualList

WORTH = 6
"""Cells below which the beginning of the summary is left out."""
SAME = "same as above"
"""What a row says instead of arguments that are those of the row above it."""


class QueueList(VirtualList[ReviewRow]):
    """A row for each review, or for each group. A decided item stays, greyed, until its view lets it go."""

    BORDER_TITLE = "Waiting"
    noun = "review"
    GROUPS = ("queue_list", "list")
    BINDINGS = group("queue_list")

    def __init__(
        self,
        fetch: Callable[[Sequence[int]], Awaitable[list[ReviewRow]]],
        moved: Callable[[int | None, bool], None],
        clock: Callable[[], float],
        reviewer: str = "",
    ) -> None:
        super().__init__(fetch, moved, id="queue-list")
        self._clock = clock
        self._reviewer = reviewer
        self.marks: set[int] = set()
        """Reviews that the person has marked."""
        self.viewers: Mapping[int, Sequence[str]] = {}
        """The other people who look at a review now, by review."""
        self.hand_backs: Mapping[int, HandBack] = {}
        """Hand-backs that wait for other people, by run."""
        self.groups = Groups()
        self.group_notes: dict[int, str] = {}
        """How the calls of a group differ, by the review that stands for it."""
        self.destroyed: dict[int, str] = {}
        """What a call of a review destroys, in words, by review; empty for nothing."""

    def regroup(self, groups: Groups) -> None:
        """Take in other groups. What was found out of a group stays, where it has the same reviews."""
        kept = {id_: note for id_, note in self.group_notes.items() if groups.members(id_) == self.groups.members(id_)}
        self.groups, self.group_notes = groups, kept

    def action_mark(self) -> None:
        """Mark the item under the cursor, or remove its mark."""
        if self.cursor is not None:
            self._mark(self.cursor, self.cursor not in self.marks)
        else:
            self.post_message(KeyIgnored("the list is empty"))

    def action_mark_all(self) -> None:
        """Mark all that is listed and open; remove all marks where it is marked already."""
        listed = [id_ for id_ in self.order.slice(0, len(self.order)) if id_ not in self.rows or self.rows[id_].state == ReviewState.OPEN]
        reviews = {member for id_ in listed for member in self.groups.members(id_)}
        self.marks = set() if reviews <= self.marks else reviews
        self._marked()

    def action_extend(self, by: int) -> None:
        """Mark the item under the cursor, move, and mark that too."""
        if self.cursor is not None:
            self._mark(self.cursor, True)
            self.action_move(by)
            self._mark(self.cursor, True)
        else:
            self.post_message(KeyIgnored("the list is empty"))

    def unmark(self) -> None:
        """Remove all marks."""
        self.marks.clear()
        self._marked()

    def _mark(self, id_: int, marked: bool) -> None:
        members = self.groups.members(id_)
        if marked:
            self.marks.update(members)
        else:
            self.marks.difference_update(members)
        self._marked()

    def _marked(self) -> None:
        self.notes.put("marks", f"{len(self.marks):,} marked" if self.marks else "")
        self.refresh()
        self.post_message(HintsChanged())

    def _above(self, row: ReviewRow) -> ReviewRow | None:
        place = self.order.place(row.id)
        return self.rows.get(self.order.at(place - 1)) if place > 0 else None

    def key_of(self, row: ReviewRow) -> int:
        return row.id

    def paint(self, row: ReviewRow, part: int, width: int) -> Iterator[Piece]:
        now = self._clock()
        if row.state != ReviewState.OPEN:
            yield from self._decided(row, part, width)
        elif part == 0:
            style = "muted" if row.is_claimed_by_another(self._reviewer, now) else "strong"
            when = age(now - row.opened_at)
            yield from _first(row, width, when, style, self.groups.members(row.id), row.id in self.marks)
        else:
            said = self.group_notes.get(row.id) or asked(row, self._above(row))
            yield from _second(row, width, self._phrases(row, now), said, self.destroyed.get(row.id, ""))

    def _phrases(self, row: ReviewRow, now: float) -> list[assignment.Phrase]:
        return assignment.phrases(row, self._reviewer, now, self.viewers.get(row.id, ()), self.hand_backs.get(row.run))

    def _decided(self, row: ReviewRow, part: int, width: int) -> Iterator[Piece]:
        if part == 0:
            yield from _first(row, width, "", "muted", (row.id,), False)
            return
        glyph, word, style = labels.closing(row, self._reviewer)
        seconds = assignment.undo_seconds(row, self._reviewer, self._clock())
        undo = f" undo {seconds} s" if seconds else ""
        yield " ", ""
        yield glyph, style
        yield f" {fit(word, width - 4 - len(undo))}", "muted"
        yield undo, "title"
        yield " ", ""


def _first(row: ReviewRow, width: int, when: str, style: str, members: Sequence[int], marked: bool) -> Iterator[Piece]:
    tools = {name: count * len(members) for name, count in row.tool_counts.items()}  # all reviews of a group ask for the same tools
    counts = [f"{name_text(name)} ×{count}" if count > 1 else name_text(name) for name, count in tools.items()]
    named = ", ".join(counts) or one_line(row.title)
    is_told = len(members) == 1 or sum(tools.values()) == len(members)
    mark = "" if is_told else f" in {len(members):,} reviews"
    arrow = "☑ " if marked else "↑ " if row.escalated and row.state == ReviewState.OPEN else " "
    source = f"{one_line(row.agent)} r{row.run}{'…' if len(members) > 1 else ''}"
    wanted = cell_len(_tools(counts or [named], max(NAME_CELLS, width * 5 // 8) - len(mark)).rstrip() + mark)
    agent = min(cell_len(source), max(0, width - AGE_CELLS - wanted - cell_len(arrow) - 2))
    name = width - cell_len(arrow) - agent - 1 - AGE_CELLS - 1
    title = _tools(counts or [named], name - len(mark)).rstrip() + mark
    yield arrow, "accent" if marked else "warning"
    yield set_cell_size(title, name), style
    yield f" {_source(source, agent)}", "muted"
    yield f"{when:>{AGE_CELLS}} ", "muted"


def _tools(tools: Sequence[str], cells: int) -> str:
    """The tools of a review, the riskiest first; where room is short, how many more there are: `delete_mail ×2 +1`."""
    for shown in range(len(tools), 0, -1):
        text = ", ".join(tools[:shown]) + (f" +{len(tools) - shown}" if shown < len(tools) else "")
        if cell_len(text) <= cells:
            return text
    more = f" +{len(tools) - 1}" if len(tools) > 1 else ""
    return fit_name(tools[0], cells - len(more)) + more


def _source(source: str, cells: int) -> str:
    """Agent and run; where room is short the agent is cut, and never the run's number."""
    agent, _, run = source.rpartition(" ")
    if cell_len(source) <= cells:
        return fit(source, cells, drawn=True)
    return fit(run, cells) if cells < len(run) + 3 else f"{fit_name(agent, cells - len(run) - 1)} {run}"


def _second(row: ReviewRow, width: int, said: Sequence[assignment.Phrase], asked: str | None, destroys: str) -> Iterator[Piece]:
    known: list[Piece] = [(" take over", "error")] if row.route == Outcome.TAKEOVER else []
    if row.note:
        known.append((" ⚠", "warning"))
    if destroys and row.worst_risk not in GRAVE:
        known.append((f" {destroys}", "error"))
    elif row.worst_risk:
        known.append((f" {one_line(row.worst_risk, 14)}", labels.risk_style(row.worst_risk)))
    elif row.risk:  # of another of its calls
        known.append((" risk unknown", "muted"))
    if row.confidence is not None:
        known.append((f" {row.confidence:.2f}", "warning" if row.confidence < 0.5 else "muted"))
    least = cell_len(said[0].forms[-1]) + len(" · ") if said else 0
    while known and width - 2 - sum(cell_len(text) for text, _ in known) < least:
        known.pop()  # what people have done comes before what is known
    room = width - 2 - sum(cell_len(text) for text, _ in known)
    told = assignment.fitted(said, room)
    bar = " " if asked is None else AGENT_BAR  # the console's own words
    yield (" ", "") if told else (bar, "muted")
    room -= sum(cell_len(text) + len(" · ") for text, _ in told)
    for place, (text, style) in enumerate(told, 1):
        yield text, style
        yield " · " if place < len(told) else f" {bar} " if room >= WORTH else "   ", style
    yield fit((SAME if asked is None else asked) if not told or room >= WORTH else "", room), "muted"
    yield from known
    yield " ", ""
