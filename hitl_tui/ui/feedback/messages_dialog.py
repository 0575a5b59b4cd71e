"""Rate the messages of a run, or the run itself, with the same keys as a decision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.model import Event, Feedback, Subject, same_person
from hitl_tui.sanitize import one_line
from hitl_tui.ui.commands import active_key, group
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.feedback.controller import Step
from hitl_tui.ui.runs.trace import event_lines, said
from hitl_tui.ui.text import labels
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import Line, fit
from hitl_tui.ui.text.ratings import rating_lines
from hitl_tui.ui.widgets.border_notes import GOES_ON
from hitl_tui.ui.widgets.styled_lines import Piece
from hitl_tui.ui.widgets.text_view import TextView
from hitl_tui.ui.widgets.virtual_list import SortedIds, VirtualList

WHOLE_RUN = 2**62
"""Id of the row for the run itself: above every message."""
ROWS = 10
"""Most rows of the list; more are scrolled to."""
SPEAKER = 16
"""Cells for the speaker."""

Press = Callable[[Subject, str, Step], None]
"""Called with the subject, its name, and the rating (0 removes it)."""


class MessageList(VirtualList[Event]):
    """One row per message with the reviewer's own rating, newest first, and one row for the whole run."""

    rows_each = 1
    noun = "message"

    def __init__(self, messages: Sequence[Event], moved: Callable[[int | None, bool], None]) -> None:
        super().__init__(self._loaded_rows, moved, id="messages")
        run = Event(WHOLE_RUN, 0.0, "run", "", (), None)
        self._messages = {event.seq: event for event in [*messages, run]}
        self.mine: dict[int, Feedback] = {}
        """The reviewer's ratings, by row."""

    def on_mount(self) -> None:
        self.rows = dict(self._messages)
        self.set_class(len(self._messages) > ROWS, GOES_ON)
        self.styles.height = min(len(self._messages), ROWS + 1)
        self.load(SortedIds(sorted(self._messages), newest_first=True))
        agents = [seq for seq, event in self._messages.items() if event.kind == "message"]
        self.select(max(agents, default=WHOLE_RUN), by_itself=True)

    @property
    def event(self) -> Event | None:
        """The message under the cursor; None for the whole run."""
        return self._messages[self.cursor] if self.cursor not in (None, WHOLE_RUN) else None

    def key_of(self, row: Event) -> int:
        return row.seq

    def paint(self, row: Event, part: int, width: int) -> Iterator[Piece]:
        mine = self.mine.get(row.seq)
        glyph, _, style = labels.RATINGS[mine.rating] if mine else (" ", "", "")
        yield f"{glyph} ", style
        who, text = said(row) or ("the whole run", "")
        yield f"{fit(who, SPEAKER)} ", "strong" if row.kind == "message" else "muted"
        yield fit(text, max(1, width - SPEAKER - 3)), "" if row.kind == "message" else "muted"

    async def _loaded_rows(self, ids: Sequence[int]) -> list[Event]:
        return [self._messages[id_] for id_ in ids]


class MessagesScreen(DialogScreen[None]):
    """Stays open for any number of ratings; returns nothing."""

    WIDTH = 110
    BINDINGS = group("ratings")
    acts_at_once = True

    def __init__(self, run: int, messages: Sequence[Event], feedback: Sequence[Feedback], viewer: Viewer, press: Press) -> None:
        super().__init__(f"Rate messages of run r{run}", ())
        self._run = run
        self._messages = messages
        self._feedback = feedback
        self._viewer = viewer
        self._press = press

    def body(self) -> Iterable[Widget]:
        if not self._messages:
            yield Static(Content("This run has no messages; you can rate the run itself."), classes="label")
        yield MessageList(self._messages, self._moved)
        yield TextView(id="message", classes="gap")

    def on_mount(self) -> None:
        does = {"rate_up": "thumbs up", "rate_down": "thumbs down", "rate_none": "remove"}
        self.rekey([*((active_key(self.app, id_), what) for id_, what in does.items()), ("esc", "back")])
        self.show_ratings(self._feedback)

    def show_ratings(self, feedback: Sequence[Feedback]) -> None:
        """Show the ratings as they are now."""
        self._feedback = feedback
        own = [one for one in feedback if same_person(one.actor, self._viewer.reviewer) and one.subject.review is None]
        for items in self.query(MessageList):  # none once the dialog is closed
            items.mine = {one.subject.event or WHOLE_RUN: one for one in own}
            items.refresh()
            self._draw(items)

    def action_rate(self, rating: Step) -> None:
        event = self.query_one(MessageList).event
        _, text = (event and said(event)) or ("", "")
        about = f"“{one_line(text, 40)}” of r{self._run}" if event else f"run r{self._run}"
        self._press(Subject(self._run, event=event.seq if event else None), about, rating)

    def _moved(self, id_: int | None, by_itself: bool) -> None:
        for items in self.query(MessageList):
            self._draw(items)

    def _draw(self, items: MessageList) -> None:
        for document in self.query("#message").results(TextView):
            document.show(self._message_lines(items.event))

    def _message_lines(self, event: Event | None) -> Iterator[Line]:
        """Everybody's ratings of a message, and its text."""
        subject = Subject(self._run, event=event.seq if event else None)
        yield from rating_lines([one for one in self._feedback if one.subject == subject], self._viewer)
        if event:
            yield from event_lines(event)
