"""Make a grant from a call: which calls it covers, how many and how long, with what people decided about such calls before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, work
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui import canonical_json
from hitl_tui.argument_text import name_line
from hitl_tui.inbox.grants import Offer
from hitl_tui.model import Risk, Scope, call_id
from hitl_tui.model.grants import USES
from hitl_tui.oversight.grants import PastCall, ScopeEvidence
from hitl_tui.sanitize import visible, visible_line
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.text_page import PageScreen
from hitl_tui.ui.runtime.errors import reports_errors
from hitl_tui.ui.text.lines import Line, fit, line
from hitl_tui.ui.widgets.border_notes import BelowNote, lines_below
from hitl_tui.ui.widgets.styled_lines import Piece, ScrollSurface

HOURS = ((1, "1 hour"), (8, "8 hours"), (24, "24 hours"), (168, "7 days"), (720, "30 days"))
COUNTS = (1, 5, USES, 100, 1000)
EXACT, VALUES, TOOL = range(3)
LABEL = 14
"""Cells of the names on the left."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person chose; the arguments of `inbox.grants.make`."""

    scope: Scope
    uses: int
    for_s: float
    this_run: bool
    risk: Risk | None


@dataclass
class Setting:
    """One row of the dialog: a name and the values that ← and → go through."""

    name: str
    values: Sequence[str]
    place: int = 0

    @property
    def value(self) -> str:
        """The chosen value, for people."""
        return self.values[self.place]


@dataclass(frozen=True, slots=True)
class _Choice:
    """A value of an argument's row."""

    told: str
    condition: str = ""
    source: str = ""


class SettingList(ScrollSurface):
    """Rows of which each has one of several values."""

    MOVING_KEYS: ClassVar = frozenset({"down", "up", "left", "right", "j", "k"})
    """Keys that only choose: they act while held, and when several come at once."""

    class Changed(Message):
        """Another value was chosen."""

    def __init__(self, settings: Sequence[Setting], muted: Sequence[Setting]) -> None:
        super().__init__(id="settings")
        self.settings = settings
        self.muted = muted
        """Rows that have no effect now."""
        self.here = 0
        self._below = BelowNote(self, lines_below)

    def on_mount(self) -> None:
        self._below.begin()

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.settings)

    def on_resize(self) -> None:
        self.measure(len(self.settings))
        self._below.draw()

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        if row >= len(self.settings):
            return self.strip([], self.size.width)
        one, here = self.settings[row], row == self.here
        is_muted = one in self.muted
        more = f" {one.place + 1}/{len(one.values)}" if len(one.values) > 1 and not is_muted else ""
        room = max(1, self.size.width - LABEL - 7 - len(more))  # the scrollbar and the column before it stay free
        value = fit(visible_line(one.value)[0], room).rstrip()
        pieces: list[Piece] = [
            ("▌" if here else " ", "accent"),
            (fit(name_line(one.name, LABEL - 1), LABEL), "muted"),
            ("◂ " if here and one.place and not is_muted else "  ", "accent"),
            (value, "muted" if is_muted else "strong" if here else ""),
            (" ▸" if here and one.place + 1 < len(one.values) and not is_muted else "", "accent"),
            (more, "muted"),
        ]
        return self.strip(pieces, self.size.width, marked=here)

    def on_key(self, event: events.Key) -> None:
        if event.key in ("down", "j", "up", "k"):
            event.stop()
            self._go(self.here + (1 if event.key in ("down", "j") else -1))
        elif event.key in ("right", "left", "space", "l"):
            event.stop()
            self._turn(-1 if event.key == "left" else 1, around=event.key == "space")

    def on_click(self, event: events.Click) -> None:
        inside = event.get_content_offset(self)
        row = -1 if inside is None else inside.y + self.scroll_offset.y
        if 0 <= row < len(self.settings):
            if row == self.here:
                self._turn(1, around=True)
            self._go(row)

    def _go(self, row: int) -> None:
        self.here = max(0, min(len(self.settings) - 1, row))
        if self.here < self.scroll_offset.y:
            self.scroll_to(y=self.here, animate=False)
        elif self.here >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=self.here + 1 - self.size.height, animate=False)
        self.refresh()

    def _turn(self, by: int, around: bool) -> None:
        one = self.settings[self.here]
        if one in self.muted:
            return
        place = one.place + by
        one.place = place % len(one.values) if around else max(0, min(len(one.values) - 1, place))
        self.refresh()
        self.post_message(self.Changed())


class GrantScreen(DialogScreen[Wanted]):
    """Returns what the grant covers. The narrowest scope is chosen at first."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("v", "calls", "past calls", show=False)]

    def __init__(self, offer: Offer) -> None:
        super().__init__(
            f"Allow calls like {name_line(offer.action.name, 40)}",
            [("↑ ↓", "row"), ("← →", "value"), ("v", "past calls"), ("ctrl+s", "make the grant"), ("esc", "back")],
        )
        self._offer = offer
        self._choices = {name: self._choices_of(name) for name in (offer.action.args if isinstance(offer.action.args, dict) else {})}
        self._kind = Setting("covers", ["exactly this call", "calls with these values", f"every call of {offer.action.name}"])
        self._arguments = [
            Setting(name, [one.told for one in choices], min(1, len(choices) - 1)) for name, choices in self._choices.items()
        ]
        risks = ["? nobody says what it can do", "reads", "changes what can be undone", "does what cannot be undone"]
        self._risk = Setting("at worst it", risks)
        self._uses = Setting("calls", [f"{count:,} at most" for count in COUNTS], COUNTS.index(USES))
        self._time = Setting("time", [told for _, told in HOURS], 2)
        self._run = Setting("of", [f"all runs of {offer.run.agent}", f"only this run, r{offer.run.id}"])
        self._list = SettingList(list(self._rows()), [])
        self._found: ScopeEvidence | None = None

    def _rows(self) -> Iterable[Setting]:
        yield self._kind
        yield from self._arguments
        if self._offer.risk is None:
            yield self._risk
        yield from (self._uses, self._time, self._run)

    def _choices_of(self, name: str) -> list[_Choice]:
        """Any value first, then the bounds, the narrowest first; each also with a tool that the value came from."""
        plain = [_Choice("any value"), *(_Choice(one.told, one.condition) for one in self._offer.bounds.get(name, ()))]
        tools = (self._offer.outside or {}).get(name, ())
        if not tools:
            return plain
        return [
            one
            for choice in plain
            for one in (choice, _Choice(f"{choice.told}, also from {tools[0]}", choice.condition, tools[0]))
            if not (one.source and " == " in choice.condition)
        ]

    def body(self) -> Iterable[Widget]:
        yield Static(id="warning")
        yield self._list
        yield Static(id="evidence", classes="gap")

    def field(self) -> Widget | None:
        return self._list

    def on_mount(self) -> None:
        self._list.focus()
        self._look()

    @property
    def wanted(self) -> Wanted:
        """What is chosen now."""
        risks = (None, Risk.READ, Risk.REVERSIBLE, Risk.IRREVERSIBLE)
        risk = risks[self._risk.place] if self._offer.risk is None else None
        uses = 1 if Risk.IRREVERSIBLE in (self._offer.risk, risk) else COUNTS[self._uses.place]
        return Wanted(self._scope(), uses, HOURS[self._time.place][0] * 3600.0, self._run.place == 1, risk)

    def _scope(self) -> Scope:
        if self._kind.place == EXACT:
            return Scope(digest=self._offer.action.digest)
        chosen = {one.name: self._choices[one.name][one.place] for one in self._arguments}
        if self._kind.place == TOOL:
            chosen = {name: _Choice("", "", one.source) for name, one in chosen.items()}
        conditions = [one.condition for one in chosen.values() if one.condition]
        return Scope(condition=" and ".join(conditions), sources={name: one.source for name, one in chosen.items() if one.source})

    def on_setting_list_changed(self) -> None:
        self._look()

    def _look(self) -> None:
        wanted = self.wanted
        is_once = wanted.uses == 1 and COUNTS[self._uses.place] != 1
        self._list.muted = [
            *(self._arguments if self._kind.place != VALUES else ()),
            *([self._uses] if is_once else ()),
        ]
        self._list.refresh()
        self._weigh(wanted)

    @work(exclusive=True, group="evidence")
    @reports_errors
    async def _weigh(self, wanted: Wanted) -> None:
        """Show what people decided about such calls, and what speaks against the grant."""
        found = await asyncio.to_thread(self._offer.evidence, wanted.scope)
        problem, todo = await asyncio.to_thread(self._offer.problem, wanted.scope, wanted.uses, wanted.risk)
        if self.is_answered:
            return
        self._found = found
        self.query_one("#warning", Static).update(Content.styled(visible(found.warning), "$text-error") if found.warning else Content(""))
        self.query_one("#warning", Static).display = bool(found.warning)
        free = ", ".join(name_line(name, 30) for name in found.unseen)
        unseen = f"nobody sees any more: {free}" if free else ""
        is_irreversible = Risk.IRREVERSIBLE in (self._offer.risk, wanted.risk)
        once = "it is irreversible: only exactly this call, and once" if is_irreversible else ""
        lines = [
            Content(visible(wanted.scope.told())),
            Content.styled(visible(found.told()), "$foreground 80%"),
            *(Content.styled(visible(text), "$text-muted") for text in (unseen, once) if text),
            *([Content.styled(visible(f"{problem}; {_in_dialog(todo)}"), "$text-warning")] if problem else []),
        ]
        self.query_one("#evidence", Static).update(Content("\n").join(lines))

    def action_calls(self) -> None:
        """Show the past calls that it would have let through."""
        if self._found is not None:
            self.app.push_screen(PageScreen("Past calls that it would have let through", list(_call_lines(self._found, self._offer.past))))

    async def action_submit(self) -> None:
        wanted = self.wanted
        with self.submitting() as may_begin:
            if not may_begin:
                return
            problem, todo = await asyncio.to_thread(self._offer.problem, wanted.scope, wanted.uses, wanted.risk)
            if problem:
                self.complain(f"{problem}; {_in_dialog(todo)}")
            else:
                self.dismiss(wanted)


def _in_dialog(todo: str) -> str:
    """What to do, in the words of this dialog instead of the command line's options."""
    if todo.startswith("say it with --risk"):
        return "choose what it can do at worst"
    if todo.startswith("only --scope call"):
        return "choose exactly this call"
    if todo.startswith("pin the value"):
        return "choose its value, or one with “also from”"
    return todo


def _call_lines(found: ScopeEvidence, past: Sequence[PastCall]) -> Iterable[Line]:
    args = {(one.review, one.slot): one.facts.args for one in past}
    groups = (("rejected", found.rejected), ("edited", found.edited), ("rated down", found.rated_down), ("approved", found.approved))
    for name, calls in groups:
        for call in calls:
            yield line(canonical_json.one_line(args.get(call), 200), "", f"{name:<11}{call_id(*call)}", 22, agent=True)
    if not found.total:
        yield line("none in the last 90 days")
