"""The workspace: a whole run on one side, and on the other what a person does in its agent's place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static, TextArea

from hitl_tui.errors import Refused, Stale
from hitl_tui.formatting import at_time
from hitl_tui.inbox import Inbox
from hitl_tui.model import HandBack, RunState, TakeOver
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.commands import BY_ID, group
from hitl_tui.ui.dialogs.confirm import ConfirmScreen
from hitl_tui.ui.messages import CommandClicked, RowsChanged
from hitl_tui.ui.runtime.errors import STORE_ERRORS, report, reports_errors, sentence
from hitl_tui.ui.runtime.external_editor import edit_outside
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.takeover.action_list import WaysList
from hitl_tui.ui.takeover.action_panel import Place
from hitl_tui.ui.takeover.draft import CHECKED, Draft, Way
from hitl_tui.ui.takeover.run_panel import Whole, WholeRun, read_whole
from hitl_tui.ui.views import OverlayScreen
from hitl_tui.ui.widgets.key_bar import Hint, KeyBar
from hitl_tui.ui.widgets.text_view import TextView

SAVE_S = 1.0
"""Pause between two looks at what is typed and what others did."""
PATIENCE_S = 4.0
"""How long a hand back is waited for; after that it goes on without being looked at."""
LOOK_S = 0.1
ON = {"hand_back": "hand back", "other_side": "other side", "back": "leave, keeps all", "discard": "discard", "next_tab": "next tab"}
TYPING = {"hand_back": "hand back", "back": "to the list", "outside": "$EDITOR", "other_side": "other side"}


TypedInPlaces = dict[int, tuple[int, Draft]]
"""By run: the take-over, and what was typed into it through this console; it need not be a plan yet."""


def draft_of(typed: TypedInPlaces, over: TakeOver, whole: Whole) -> Draft:
    """What was typed before, as far as the store's plan is no newer; laid over where the run stands now."""
    before, draft = typed.get(whole.run.id, (0, None))
    if draft is None or draft.head != whole.head or (before == over.id and draft.kept() != over.plan):
        is_stored = draft is None or before == over.id
        plan, unread = (over.plan, over.typed) if draft is None or is_stored else (draft.kept(), draft.unread())
        ended = "" if whole.run.state == RunState.WAITING else str(whole.run.state)
        draft = Draft.of(whole.head, whole.schema, plan, ended, unread)
    typed[whole.run.id] = (over.id, draft)
    return draft


class TakeOverScreen(OverlayScreen):
    """One take-over of one run, by this reviewer."""

    CSS_PATH = Path(__file__).with_name("takeover.tcss")
    GROUP = "takeover"
    BINDINGS = group("takeover", "pane")

    def __init__(
        self,
        inbox: Inbox,
        whole: Whole,
        over: TakeOver,
        draft: Draft,
        typed: TypedInPlaces,
        keymap: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self._inbox = inbox
        self._whole = whole
        self._over = over
        self._typed = typed
        self._keymap = keymap
        self._clock = clock
        self.draft = draft
        self._saved = self._tried = (over.plan, dict(over.typed))
        self._left = False

    def compose(self) -> ComposeResult:
        yield Static(self._heading(), id="place-top")
        with Horizontal(id="sides"):
            yield WholeRun()
            yield Place(self.draft, self._keymap)
        yield KeyBar(self._keymap)

    def on_mount(self) -> None:
        self.query_one(WholeRun).show(self._whole, self._over.note)
        self.set_focus(self.query_one("#whole-text", TextView) if self._narrow else self._place.ways)
        self.set_interval(SAVE_S, self._look)

    async def on_unmount(self) -> None:
        """Leaving the console is leaving this, too."""
        await self._save()

    @property
    def _place(self) -> Place:
        return self.query_one(Place)

    @property
    def _narrow(self) -> bool:
        """Whether only one side has room."""
        return self.has_class("-one")

    def _heading(self) -> Content:
        run = self._whole.run
        since = at_time(self._over.at, self._clock())
        what = f"{one_line(run.agent, 40)} · run r{run.id}"
        muted = f"   taken over by you {since}   {one_line(run.title, 120)}"
        return Content.assemble((" Take over ", "bold $text-accent"), (what, ""), (muted, "$foreground 60%"))

    # Moving about

    def on_ways_list_chosen(self, message: WaysList.Chosen) -> None:
        message.stop()
        self._place.choose(message.way)
        if message.entered:
            self.action_way(message.way)

    def action_way(self, name: str) -> None:
        way = Way(name)
        self._turn(True)
        self._place.choose(way)
        if way == Way.STOP and not self.draft.closed(way):
            self._stop()
        self.set_focus(self._place.enter() or self._place.ways)

    def action_other_side(self) -> None:
        to_place = not self.has_class("-place") if self._narrow else not self._place.has_focus_within
        self._turn(to_place)
        whole = self.query_one("#whole-text", TextView)
        self.set_focus((self._place.enter() or self._place.ways) if to_place else whole)

    def _turn(self, to_place: bool) -> None:
        self.set_class(to_place, "-place")

    def action_tab(self, by: int) -> None:
        self.query_one(WholeRun).step_tab(by)

    def action_scroll_details(self, direction: int) -> None:
        self.query_one(WholeRun).scroll_half(direction)

    @work(group="leave")
    async def action_back(self) -> None:
        if self._place.typing:
            self.set_focus(self._place.ways)
        else:
            await self.leave()

    def action_outside(self) -> None:
        at_hand = self._place.chosen_text()
        if at_hand is None:
            self.notify("there is no text here to open in an editor", timeout=3)
            return
        name, text = at_hand
        try:
            self._place.rewrite(name, edit_outside(self.app, text))
        except STORE_ERRORS as error:
            report(self, error)

    def on_descendant_focus(self) -> None:
        self._hint()

    def on_descendant_blur(self) -> None:
        self._hint()

    def on_resize(self) -> None:
        self._hint()

    def _hint(self) -> None:
        hints: list[Hint] = list((TYPING if self._place.typing else ON).items())
        ways: list[Hint] = [] if self._place.typing or not self._place.has_focus_within else [("open", "write")]
        self.query_one(KeyBar).hints = ([*ways, *hints], [("help", "help")])

    async def on_command_clicked(self, message: CommandClicked) -> None:
        """A key of this screen's own key line was clicked."""
        message.stop()
        command = BY_ID[message.command]
        node = self.app if command.group == "app" else self._place.ways if command.group == "list" else self
        await self.app.run_action(command.action, node)

    # Keeping it

    @work(group="look", exclusive=True)
    async def _look(self) -> None:
        await self._save()
        try:
            over = await self._inbox.takeovers.latest(self._whole.run.id)
        except STORE_ERRORS as error:
            report(self, error)
            return
        lost = over is None or over.id != self._over.id or not over.is_live
        self.query_one("#place-top", Static).update(self._lost(over) if lost else self._heading())

    def _lost(self, over: TakeOver | None) -> Content:
        if over and over.is_live:
            what = f"{one_line(over.actor, 40)} has taken it over"
        else:
            what = one_line(over.note, 120) if over and over.note else "it is no longer in your hands"
        return Content.styled(f" ⚠ {what}; what you wrote stays here as long as this is open", "bold $text-warning")

    async def _save(self) -> None:
        """All of it goes to the store: what can be read as the plan, the rest as it is typed."""
        kept = (self.draft.kept(), self.draft.unread())
        if self._left or kept == self._saved:
            return
        is_news, self._tried = kept != self._tried, kept
        try:
            await self._inbox.takeovers.save_plan(self._over.id, *kept)
            self._saved = kept
        except Stale:
            self._saved = kept  # said on the first row
        except STORE_ERRORS as error:
            if is_news:
                report(self, error)

    async def leave(self) -> None:
        """Go, and stay in the agent's place: what was typed is there again."""
        await self._save()
        self._go(f"run r{self._whole.run.id} is still taken over by you; t goes back to it", keep=True)

    def _go(self, text: str, keep: bool = False) -> None:
        self._left = True
        if not keep:
            self._typed.pop(self._whole.run.id, None)
        self.app.notify(visible(text), timeout=4, markup=False)
        self.app.post_message(RowsChanged())
        self.dismiss(None)

    # Ending it

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_discard(self) -> None:
        run = self._whole.run
        if self.draft.kept() != HandBack() or self.draft.unread():
            question = f"Discard the takeover of run r{run.id}? What you wrote is deleted; the run stays as it was before."
            if not await ask(self, ConfirmScreen("Discard the takeover", question, yes="discard", no="keep it")):
                return
        await self._inbox.takeovers.discard(self._over.id)
        self._go(f"takeover of run r{run.id} discarded: the run is as it was before")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def _stop(self) -> None:
        run = self._whole.run
        question = f"Stop run r{run.id}? What it asked is no longer open; what it did stays done."
        about = f"{one_line(run.agent)}: {one_line(run.title, 120)}"
        if await ask(self, ConfirmScreen(f"Stop run r{run.id}", question, about, yes="stop the run", no="let it be")):
            await self._inbox.runs.cancel(run.id)
            self._go(f"run r{run.id} is stopped")

    @work(group="send", exclusive=True)
    async def action_hand_back(self) -> None:
        try:
            plan, told = self.draft.plan(), self.draft.told()
        except Refused as refused:
            self._show_wrong(refused)
            return
        self._place.disabled = True
        try:
            self._place.say("handing back …")
            self._saved = (plan, {})
            await self._inbox.takeovers.hand_back(self._over.id, plan)
            await self._until_done(told)
        except STORE_ERRORS as error:
            self._place.complain(sentence(error))
        finally:
            for place in self.query(Place):
                place.disabled = False

    def _show_wrong(self, refused: Refused) -> None:
        name = next(iter(self.draft.problems()), None)
        self._turn(True)
        if name:
            self._place.choose(CHECKED[name])
            self.set_focus(next(iter(self._place.query(f"#{name}").results(TextArea)), self._place.ways))
        self._place.check()
        self._place.complain(str(refused))

    async def _until_done(self, told: str) -> None:
        """Wait a moment for what comes of it; what stood in its way is said, and the plan is still there."""
        run, until = self._whole.run.id, time.monotonic() + PATIENCE_S
        while (over := await self._inbox.takeovers.latest(run)) and over.is_live and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        if over and over.id == self._over.id and over.state in ("stale", "failed"):
            await self._again(over)
        else:
            waits = "" if over is None or not over.is_live else " (as soon as its worker is there)"
            self._go(f"run r{run} is handed back{waits}: {told}")

    async def _again(self, ended: TakeOver) -> None:
        """Take the run again, with the plan as it was over the run as it stands now."""
        run, plan = self._whole.run.id, self.draft.kept()
        try:
            self._over = await self._inbox.takeovers.take(run)
            self._whole = await read_whole(self._inbox, run)
        except STORE_ERRORS as error:
            self._go(f"the plan was not carried out: {ended.note or ended.state}; {sentence(error)}", keep=True)
            return
        self._saved = (self._over.plan, dict(self._over.typed))
        del self._typed[run]
        self.draft = draft_of(self._typed, replace(self._over, plan=plan), self._whole)
        await self._place.remove()
        await self.query_one("#sides").mount(Place(self.draft, self._keymap))
        self.query_one(WholeRun).show(self._whole, f"not carried out: {ended.note or ended.state}; your plan is still there")
