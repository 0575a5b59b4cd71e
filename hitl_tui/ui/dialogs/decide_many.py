"""Decide calls of several reviews together: a table of what they share and where they differ, the odd one out on top."""

from __future__ import annotations

import json
import re
import time
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from hitl_tui import canonical_json
from hitl_tui.argument_text import is_quoted, name_line, name_text
from hitl_tui.effects.view import risk_told
from hitl_tui.formatting import counted
from hitl_tui.model import Answer, DecisionKind, Json
from hitl_tui.oversight.reading import reading_time_s, words_of
from hitl_tui.sanitize import one_line, shortened, visible
from hitl_tui.ui.dialogs.base import TallScreen
from hitl_tui.ui.queue.call_comparison import ReviewCall, ToolCalls, Variant, addresses, compare, why_alone
from hitl_tui.ui.runtime.key_queue import DEAD_TIME_S
from hitl_tui.ui.text.labels import Viewer
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, line, paragraph, value_lines
from hitl_tui.ui.widgets.text_view import TextView

LONGEST = 600
"""Characters of a value beyond which the table shows only how it begins: it is read in its own review."""
MOST_LABELS, LABELS_BESIDE_VALUES = 6, 3
"""Runs named beside a row, and on one that shows values too; of more it says how many."""
REASON = 200
"""Characters of a reason that the table shows."""
LABEL_CELLS = 26
ROW_CELLS = 24
"""Cells of the runs' names where the values stand on the same row."""
LONGEST_CELL, MOST_COLUMNS = 28, 3
"""Characters of a value, and number of them, up to which they stand on the row itself."""
PLAIN = re.compile(r"[A-Za-z0-9@#./:_+-]+(?: [A-Za-z0-9@#./:_+-]+)*")
UNSEEN = "not all of it has been on the screen"
LEFT_OUT = "left out by you"
SEEN_S = DEAD_TIME_S
"""Seconds a row must have been on the screen to count as seen."""
SETTLE_S = DEAD_TIME_S
"""Seconds after the dialog opens in which no key decides."""


@dataclass
class RowsSeen(Message):
    """More rows of the table have been on the screen for long enough."""


class CallTable(TextView):
    """The rows of the table; a row counts as seen after `SEEN_S` on the screen."""

    PAGES_REPEAT = False

    def __init__(self) -> None:
        super().__init__(id="calls-table")
        self._painted_at: dict[int, float] = {}
        self._seen_rows: set[int] = set()
        self._due: Timer | None = None

    def line_seen(self, index: int) -> bool:
        """Whether a line has been on the screen, whole and for long enough."""
        self._record()
        rows = range(bisect_left(self._row_line, index), bisect_right(self._row_line, index))
        return len(rows) > 0 and (self._whole or rows.stop < len(self._row_line)) and all(row in self._seen_rows for row in rows)

    @property
    def all_seen(self) -> bool:
        """Whether every row has been on the screen for long enough."""
        self._record()
        return self._whole and len(self._seen_rows) >= len(self._row_line) > 0

    def action_page_down(self) -> None:
        """Go a page down; at the end, back to the first row that has not been seen."""
        self._record()
        unseen = next((row for row in range(len(self._row_line)) if row not in self._seen_rows), None)
        if self.scroll_offset.y < self.max_scroll_y or unseen is None:
            super().action_page_down()
        else:
            self.scroll_to(y=unseen, animate=False)

    def forget(self) -> None:
        """Forget what has been seen: other lines follow."""
        self._painted_at.clear()
        self._seen_rows.clear()

    def replace_marks(self, lines: Mapping[int, Line]) -> None:
        """Draw lines anew that differ in their marks only, so that what has been seen still holds."""
        for index, one in lines.items():
            if index < len(self._lines):
                self._lines[index] = one
        self.refresh()

    def reveal(self, index: int) -> None:
        """Scroll as little as needed to see a line's first row."""
        row = bisect_left(self._row_line, index)
        if row < self.scroll_offset.y:
            self.scroll_to(y=row, animate=False)
        elif row >= self.scroll_offset.y + self.text_rows:
            self.scroll_to(y=row - self.text_rows + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        if y < self.text_rows and row < len(self._row_line) and row not in self._painted_at:  # the last row may say what follows
            self._painted_at[row] = time.monotonic()
            if self._due is None:
                self._due = self.set_timer(SEEN_S + 0.01, self._look)
        return super().render_line(y)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._record()
        shown = range(int(new_value), int(new_value) + self.text_rows)
        self._painted_at = {row: at for row, at in self._painted_at.items() if row in shown}

    def on_resize(self, event: events.Resize) -> None:
        if self._room != self._width:  # rows are other ones where the text wraps anew
            self._painted_at.clear()
            self._seen_rows.clear()
        super().on_resize(event)

    def _look(self) -> None:
        """The rows that were painted first have been on the screen for long enough; wait for those painted since."""
        waiting = [left for at in self._painted_at.values() if (left := at + SEEN_S - time.monotonic()) > 0]
        self._due = self.set_timer(max(waiting) + 0.01, self._look) if waiting else None
        self._record()
        self.post_message(RowsSeen())

    def _record(self) -> None:
        """Take in what has been on the screen for long enough."""
        now = time.monotonic()
        self._seen_rows.update(row for row, at in self._painted_at.items() if now - at >= SEEN_S)


@dataclass(frozen=True, slots=True)
class ManyDecision:
    """What a person decided of several calls at once."""

    answer: Answer
    calls: Sequence[ReviewCall]
    viewed_ms: int
    reading_ms: int
    """Milliseconds below which nobody can have read what the calls share and where they differ."""
    seen: Mapping[str, float]
    """By digest: the share of the call's lines that had been on the screen, 0 to 1. Missing where a value is too long for the table."""


class DecideManyScreen(TallScreen[ManyDecision]):
    """Returns the decision and the calls it holds for. Nothing is decided that must be decided alone or was not seen."""

    WIDTH = 140
    FILLED = "#calls-table"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "approve", "approve", show=False),
        Binding("r", "reject", "reject", show=False),
        Binding("x", "leave_out", "leave out", show=False),
        Binding("ctrl+s", "submit", "submit", show=False),
        Binding("j,down", "move(1)", "down", show=False, priority=True),
        Binding("k,up", "move(-1)", "up", show=False, priority=True),
    ]

    def __init__(self, calls: Sequence[ReviewCall], viewer: Viewer, seen: Collection[str] = (), presets: Sequence[str] = ()) -> None:
        """Ask about these calls; `seen`: digests of which every row has been on the screen before; `presets`: reasons for a rejection."""
        super().__init__(f"Decide {counted(len(calls), 'call')} of {counted(len({c.review.row.id for c in calls}), 'review')}", ())
        self._viewer, self._seen, self._presets = viewer, set(seen), presets
        self._tools = compare(calls)
        self._rows = [(tool, variant) for tool in self._tools for variant in tool.variants]
        self._left_out: set[str] = set()
        self._seen_here: set[str] = set()
        """Digests of rows that had been on the screen before the table was built anew."""
        self._row = 0
        self._opened_at = time.monotonic()
        self._lines_of: list[range] = []
        """The lines of each row of the table."""
        self._shared_lines: list[range] = []
        """The lines with what all calls of a tool share."""

    def body(self) -> Iterable[Widget]:
        yield Static(Content(visible(self._about())), classes="label")
        yield CallTable()
        yield Static(id="many-count", classes="gap")
        told = "the reason in your words, or a number" if self._presets else "the reason"
        reason = Input(placeholder=f"{told}; the agent reads it", id="many-reason", select_on_focus=False)
        presets = Static(Content("\n").join(_preset_lines(self._presets)), id="many-presets")
        reason.display = presets.display = False
        yield from (reason, presets)

    def on_mount(self) -> None:
        self._draw()
        self.query_one(CallTable).focus()

    def content_rows(self) -> int:
        return self.query_one(CallTable).virtual_size.height

    def field(self) -> Widget | None:
        reason = self.query_one("#many-reason", Input)
        return reason if reason.display else None

    def _about(self) -> str:
        """The tools with their number of calls, and how many people they reach."""
        tools = ", ".join(f"{name_line(tool.tool, 30)} ×{tool.count}" for tool in self._tools)
        reached = len(addresses(call for _, variant in self._rows for call in variant.calls))
        return f"{tools}{f' · reaches {reached} ' + ('address' if reached == 1 else 'addresses') if reached else ''}"

    # The table

    def _draw(self) -> None:
        """Build the table. Its lines stay as they are; only marks change afterwards."""
        lines = list[Line]()
        for tool in self._tools:
            lines += [BLANK] if lines else []
            begin = len(lines)
            lines += _head(tool)
            self._shared_lines.append(range(begin, len(lines)))
            for variant in tool.variants:
                begin = len(lines)
                lines.append(self._row_line(tool, variant))
                lines += [] if _shared_reasons(tool) else _why(_reasons(variant.calls))
                if not _fits_on_row(tool):
                    lines += [one for name, value in variant.differing.items() for one in _value(name, value)]
                self._lines_of.append(range(begin, len(lines)))
        table = self.query_one(CallTable)
        table.show(lines)
        self._say()

    def _row_line(self, tool: ToolCalls, variant: Variant) -> Line:
        """The calls of a row, with its mark in the gutter: the text is the same whatever the mark is."""
        alone = self._why_alone(variant.calls[0], tool, DecisionKind.APPROVE)
        names = [call.label for call in variant.calls]
        values = _cells(tool, variant) if _fits_on_row(tool) else ""
        most = LABELS_BESIDE_VALUES if values else MOST_LABELS
        told = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
        text = f"×{len(names)}  {told}" if len(names) > 1 else told
        text = f"{text:<{ROW_CELLS - 2}}  {values}" if values else text
        here = "▌" if variant is self._rows[self._row][1] else " "
        out = bool(alone) or variant.digest in self._left_out
        return Line(
            f"{text}   decide alone: {alone}" if alone else text, "warning" if alone else "strong", (),
            f"{here}{'☐' if out else '☑'}", "muted" if out else "success", 3,
        )  # fmt: skip

    # What is decided

    def _chosen(self, kind: DecisionKind) -> tuple[list[ReviewCall], Counter[str]]:
        """The calls a decision would hold for, and why others are left out, counted."""
        chosen: list[ReviewCall] = []
        out: Counter[str] = Counter()
        for number, (tool, variant) in enumerate(self._rows):
            for call in variant.calls:
                why = self._why_alone(call, tool, kind)
                if variant.digest in self._left_out:
                    why = LEFT_OUT
                elif not why and kind is DecisionKind.APPROVE and not self._is_seen(number, tool, variant):
                    why = UNSEEN
                if why:
                    out[why] += 1
                else:
                    chosen.append(call)
        return chosen, out

    def _why_alone(self, call: ReviewCall, tool: ToolCalls, kind: DecisionKind) -> str:
        return why_alone(call, tool, kind, self._viewer.reviewer, self._viewer.now, self._left_out)

    def _is_seen(self, number: int, tool: ToolCalls, variant: Variant) -> bool:
        """Whether every value of a row has been on the screen: here, or in the review of a call with the same digest."""
        return self._seen_share(number, tool, variant) == 1

    def _seen_share(self, number: int, tool: ToolCalls, variant: Variant) -> float | None:
        """The share of a row's lines that have been on the screen, with those it shares; None if a value is too long for the table."""
        if variant.digest in self._seen or variant.digest in self._seen_here:
            return 1.0
        if not all(map(_is_short, (*tool.shared.values(), *variant.differing.values()))):
            return None
        lines = (*self._shared_lines[self._tools.index(tool)], *self._lines_of[number])
        return round(sum(map(self.query_one(CallTable).line_seen, lines)) / len(lines), 4)

    def on_rows_seen(self, message: RowsSeen) -> None:
        message.stop()
        self._say()

    def _say(self) -> None:
        """Say in numbers what the keys would do now."""
        chosen, out = self._chosen(DecisionKind.APPROVE)
        reviews = len({call.review.row.id for call in chosen})
        parts = [(f"approve {counted(len(chosen), 'call')} of {counted(reviews, 'review')}", "$text-success")]
        if not chosen:
            parts = [("nothing can be approved yet" if UNSEEN in out else "nothing here can be approved together", "$text-warning")]
        parts += [(f" · {count} {why if why == LEFT_OUT else f'left out: {why}'}", "$text-warning") for why, count in out.items()]
        self.query_one("#many-count", Static).update(Content.assemble(*((visible(text), style) for text, style in parts)))
        reason, rejected = self.query_one("#many-reason", Input), len(self._chosen(DecisionKind.REJECT)[0])
        if reason.display:
            numbers = [("1-9", "a reason")] if self._presets else []
            self.rekey([*numbers, ("ctrl+s", f"reject {rejected}"), ("esc", "back")])
        else:
            approve = [("a", f"approve {len(chosen)}")] if chosen else []
            reject = [("r", "reject")] if rejected else []
            self.rekey([*approve, *reject, ("x", "leave a row out"), ("space", "read on"), ("esc", "back")])

    @property
    def _accepts_keys(self) -> bool:
        return time.monotonic() - self._opened_at >= SETTLE_S and self.query_one(CallTable).painted

    def action_approve(self) -> None:
        chosen, _ = self._chosen(DecisionKind.APPROVE)
        if not self._accepts_keys:
            self.complain("ignored: the dialog had just opened")
        elif not chosen:
            why = self._chosen(DecisionKind.APPROVE)[1]
            first = "read on, or " if UNSEEN in why else ""
            self.complain(f"no call can be approved here ({'; '.join(why)}): {first}decide each in its own review")
        else:
            self._finish(Answer(DecisionKind.APPROVE), chosen)

    def action_reject(self) -> None:
        chosen, why = self._chosen(DecisionKind.REJECT)
        if chosen:
            self._show_reason(True)
        else:
            self.complain(f"no call can be rejected here ({'; '.join(why)}): decide each in its own review")

    def action_back(self) -> None:
        if self.query_one("#many-reason").display:
            self._show_reason(False)
        else:
            super().action_back()

    def _show_reason(self, shown: bool) -> None:
        """Ask for the reason of a rejection, or go back to the table; what is typed is kept."""
        reason, presets = self.query_one("#many-reason", Input), self.query_one("#many-presets")
        reason.display, presets.display = shown, shown and bool(self._presets)
        (reason if shown else self.query_one(CallTable)).focus()
        self.complain("")
        self._say()
        self.fit()

    def _reason(self) -> str:
        """The preset that was chosen by its number, else the text."""
        typed = self.query_one("#many-reason", Input).value.strip()
        place = int(typed) - 1 if len(typed) == 1 and typed.isdecimal() else -1
        return self._presets[place] if 0 <= place < len(self._presets) else typed

    async def action_submit(self) -> None:
        reason = self.query_one("#many-reason", Input)
        if not reason.display:
            self.complain("press a to approve, or r to reject with a reason")
            return
        chosen, _ = self._chosen(DecisionKind.REJECT)
        if chosen:
            self._finish(Answer(DecisionKind.REJECT, message=self._reason() or None), chosen)
        else:
            self.complain("no call can be rejected here")

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        await self.action_submit()

    def _finish(self, answer: Answer, chosen: Sequence[ReviewCall]) -> None:
        viewed_ms = int((time.monotonic() - self._opened_at) * 1000)
        digests = {call.action.digest for call in chosen}
        rows = [(number, tool, variant) for number, (tool, variant) in enumerate(self._rows) if variant.digest in digests]
        shares = {variant.digest: self._seen_share(number, tool, variant) for number, tool, variant in rows}
        new = [(tool, variant) for _, tool, variant in rows if variant.digest not in self._seen]
        shared = [dict(tool.shared) for tool in self._tools if any(tool is one for one, _ in new)]
        words = words_of([*shared, *(value for _, variant in new for value in variant.differing.values())])
        seen = {digest: share for digest, share in shares.items() if share is not None}
        self.dismiss(ManyDecision(answer, chosen, viewed_ms, int(reading_time_s(words) * 1000), seen))

    def action_leave_out(self) -> None:
        """Leave out the row, or take it back in. Of irreversible calls, those that are left may be alike, and then be decided together."""
        before = self._alone()
        self._left_out ^= {self._rows[self._row][1].digest}
        if self._alone() == before:
            self._redraw()
        else:
            self._rebuild()

    def _alone(self) -> list[str]:
        return [self._why_alone(variant.calls[0], tool, DecisionKind.APPROVE) for tool, variant in self._rows]

    def _rebuild(self) -> None:
        """Build the table anew, where it was scrolled to: rows say other things. What was seen of it has been seen."""
        table = self.query_one(CallTable)
        self._seen_here |= {variant.digest for number, (tool, variant) in enumerate(self._rows) if self._is_seen(number, tool, variant)}
        top = table.scroll_offset.y
        self._lines_of.clear()
        self._shared_lines.clear()
        table.forget()
        self._draw()
        table.scroll_to(y=top, animate=False)
        self.call_after_refresh(table.reveal, self._lines_of[self._row][0])

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A reason may contain the letters that move in the table."""
        return not (action == "move" and any(reason.has_focus for reason in self.query("#many-reason")))

    def action_move(self, by: int) -> None:
        self._row = max(0, min(self._row + by, len(self._rows) - 1))
        self._redraw()
        self.query_one(CallTable).reveal(self._lines_of[self._row][0])

    def _redraw(self) -> None:
        """Draw the marks anew without forgetting what has been seen."""
        marks = {lines[0]: self._row_line(*row) for lines, row in zip(self._lines_of, self._rows, strict=True)}
        self.query_one(CallTable).replace_marks(marks)
        self._say()


def _preset_lines(presets: Sequence[str]) -> Iterator[Content]:
    for number, text in enumerate(presets, 1):
        yield Content.assemble((f" {number}  ", "$text-accent"), one_line(text))


def _head(tool: ToolCalls) -> Iterator[Line]:
    """The tool, and the arguments that all of its calls share."""
    count = f" ×{tool.count}" if tool.count > 1 else ""
    risk = " · ".join(filter(None, risk_told(tool.risk, tool.destroys)))
    yield Line(f"{name_line(tool.tool, 40)}{count} · {agent_name(tool.agent)} · {risk}", "title")
    if len(tool.variants) == 1 and tool.count > 1:
        yield Line("all calls are identical", "muted")
    for name, value in tool.shared.items():
        yield from _value(name, value)
    yield from _why(_shared_reasons(tool))
    for decision, template in tool.variants[0].calls[0].action.templates.items():
        yield from paragraph(canonical_json.dumps(template.value), "", f"   {decision} sends", LABEL_CELLS)


def _reasons(calls: Iterable[ReviewCall]) -> list[str]:
    """The different reasons that the agent gave for these calls."""
    return list(dict.fromkeys(filter(None, (call.reason for call in calls))))


def _shared_reasons(tool: ToolCalls) -> list[str]:
    """The reason that all calls of a tool have alike, if they are several; none where they differ."""
    found = _reasons(call for variant in tool.variants for call in variant.calls)
    return found if len(found) == 1 and tool.count > 1 else []


def _why(reasons: Sequence[str]) -> Iterator[Line]:
    """How the first reason begins, and how many others there are: all of them can be read in their reviews."""
    if reasons:
        more = f"  (+ {counted(len(reasons) - 1, 'other reason')})" if len(reasons) > 1 else ""
        yield line(f"{shortened(reasons[0], REASON)}{more}", "muted", "   why", LABEL_CELLS, agent=True)


def _fits_on_row(tool: ToolCalls) -> bool:
    """Whether the differing values are so short that each variant takes one row of the table."""
    values = [_cell(value) for variant in tool.variants for value in variant.differing.values()]
    return all(len(value) <= LONGEST_CELL for value in values) and len(_names(tool)) <= MOST_COLUMNS


def _cells(tool: ToolCalls, variant: Variant) -> str:
    """The differing values of one variant, each after its name, in columns."""
    cells = []
    for name in _names(tool):
        widest = max(len(_cell(other.differing[name])) for other in tool.variants if name in other.differing)
        value = _cell(variant.differing[name]) if name in variant.differing else "-"
        cells.append(f"{name_text(name)} {value:<{widest}}")
    return "   ".join(cells).rstrip()


def _names(tool: ToolCalls) -> list[str]:
    return list(dict.fromkeys(name for variant in tool.variants for name in variant.differing))


def _cell(value: Json) -> str:
    """A value on one row: plain words as they are, anything else as JSON in ASCII, so that no two values look alike."""
    return value if isinstance(value, str) and PLAIN.fullmatch(value) and not is_quoted(value) else json.dumps(value)


def _value(name: str, value: Json) -> Iterator[Line]:
    shown = name_line(name, 22)
    if _is_short(value):
        yield from value_lines(value, f"   {shown}", LABEL_CELLS)
    else:
        yield line(f"{one_line(str(value), 60)}", "", f"   {shown}", LABEL_CELLS)
        yield Line(f"{len(str(value)):,} characters: read them in the review", "warning", (), "", "muted", LABEL_CELLS)


def _is_short(value: Json) -> bool:
    return len(str(value)) <= LONGEST
