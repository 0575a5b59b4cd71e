"""The console: shows the views, keeps them current, and routes keys to them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual import events, work
from textual.app import ComposeResult, SystemCommand
from textual.content import Content
from textual.dom import DOMNode
from textual.driver import Driver
from textual.notifications import SeverityLevel
from textual.reactive import reactive
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.errors import BadHome, HitlError
from hitl_tui.home import Home
from hitl_tui.pinned_session import is_pinned
from hitl_tui.sanitize import visible
from hitl_tui.settings import Settings
from hitl_tui.ui.commands import BY_ID, COMMANDS, DECIDES, NEEDS, elsewhere, group, is_offered, read_keymap, shown_key
from hitl_tui.ui.input_filter import KeysRead, PasteRefused, Press, PressSettled, filtered
from hitl_tui.ui.runtime.background import start_worker
from hitl_tui.ui.runtime.cell_widths import use_widest_cells
from hitl_tui.ui.runtime.errors import report, reports_errors, store_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, KeyGate, KeyQueueScreen, ask, dialog_ready
from hitl_tui.ui.runtime.textual_internals import LeavableApp
from hitl_tui.ui.runtime.worker_pool import WorkerPool, edited_code, outages_told, own, worker_status
from hitl_tui.ui.theme import THEMES, completed
from hitl_tui.ui.views import TOO_SMALL, VIEWS, OverlayScreen, ViewContext
from hitl_tui.ui.widgets.header import HeaderBar, HeaderStatus
from hitl_tui.ui.widgets.key_bar import Hint, Hints, KeyBar
from hitl_tui.ui.widgets.pause_banner import PauseBanner
from hitl_tui.ui.widgets.status_line import Messages, Said, Status, StatusLine

if TYPE_CHECKING:
    from hitl_tui.inbox import Changes, Inbox
    from hitl_tui.model import Run
    from hitl_tui.ui.history.view import HistoryView
    from hitl_tui.ui.messages import (
        CommandClicked,
        FailuresSeen,
        HintsChanged,
        HistoryShown,
        KeyIgnored,
        ProposalsCounted,
        RowsChanged,
        RunChosen,
        RunShown,
    )
    from hitl_tui.ui.queue.view import QueueView
    from hitl_tui.ui.runs.view import RunsView
    from hitl_tui.ui.runtime.kept_drafts import KeptDrafts
    from hitl_tui.ui.takeover.open import TakeoverDrafts
    from hitl_tui.ui.widgets.list_detail import ListDetail

SMALLEST = (60, 16)
"""Columns and rows below which nothing can be decided."""
LAYOUTS = ((0, "-one"), (100, "-two"), (170, "-three"))
"""Width in columns → class of the layout: one, two or three panes."""
LOW = 30
"""Height in rows below which margins are dropped."""
PROPOSALS_S = 30.0
"""Interval of the search for autonomy proposals: evidence grows slowly, and weighing it costs time."""

LESSONS_S = 1.0
"""How long after a decision new lessons are looked for."""
STARTED_S = 8.0
"""How long it is told which project the console chose by itself, and that a lesson is proposed."""
HELD_UP_S = 20.0
"""How long it is told why a run that was just started stays queued."""
ENDED_S = 20.0
"""How long the line on a run that has ended stays, where there is no other message."""
TEXTUAL_COMMANDS = frozenset({"Theme", "Quit", "Screenshot"})
"""Textual's own commands in the palette. Its keys are replaced by the help; another enlarges a part of a view."""

FILES = frozenset({"Screenshot"})
"""Those of them that write a file."""

DIGITS = frozenset("123456789")

VIEW_STYLES = Path(__file__).with_name("views.tcss")
"""Styles that all views share. The first frame, which has no view, does not wait for them."""

OpenInbox = Callable[[], Awaitable["Inbox"]]
"""Opens the home. Called after the first frame, so that neither database nor model is imported before it."""


class HitlApp(LeavableApp):
    """One reviewer's console on one home."""

    CSS_PATH = Path(__file__).with_name("app.tcss")
    TITLE = "hitl-tui"
    BINDINGS = group("app")

    header: reactive[HeaderStatus] = reactive(HeaderStatus())
    """What the first row shows."""
    key_hints: reactive[Hints] = reactive(((), ()))
    """What the last row shows."""
    status: reactive[Status] = reactive(Status())
    """What the row above it shows."""

    def __init__(
        self, open_inbox: OpenInbox, settings: Settings, pool: WorkerPool, home: Home, clock: Callable[[], float] = time.time
    ) -> None:
        use_widest_cells()
        self._themes: dict[str, Theme | None] = {}
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = list(LAYOUTS)
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW, "-high")]
        self._open_inbox = open_inbox
        self._settings = settings
        self._home = home
        self._pool = pool
        self._clock = clock
        self._began_at = clock()
        self._views: dict[str, ListDetail[Any, Any]] = {}
        """Those that were shown already, by name; the queue is the first."""
        self._shown = VIEWS["queue"]
        self._has_view = asyncio.Event()
        self._is_beginning = False
        self.failure: HitlError | None = None
        """Why the home could not be opened."""
        self._proposed = 0
        self._begun = asyncio.Event()
        self._making = asyncio.Lock()
        self._drafts: dict[tuple[int, str, str], str] = {}
        self._takeover_drafts: TakeoverDrafts = {}
        self._kept_drafts: KeptDrafts | None = None
        self._messages = Messages()
        self._message_due: Timer | None = None
        self._had_focus: list[tuple[Screen[Any], Widget | None]] = []
        """What had the focus on each screen before the terminal became too small."""
        self._lessons_due: Timer | None = None
        self.keymap = read_keymap(settings.keys)
        self._key_gate = KeyGate(self, self._press)
        self._choose_theme(settings.theme)
        self.set_keymap(self.keymap)

    def compose(self) -> ComposeResult:
        titles = [(view.name, view.title) for view in VIEWS.values() if not view.parent]
        yield HeaderBar(titles).data_bind(status=HitlApp.header)
        yield PauseBanner()
        yield StatusLine()
        yield KeyBar(self.keymap).data_bind(hints=HitlApp.key_hints)
        yield Static(TOO_SMALL, id="too-small")

    def on_mount(self) -> None:
        self.call_after_refresh(self._begin_once)  # the first frame waits for no view and no row

    def get_theme(self, theme_name: str) -> Theme | None:
        """Textual asks for it with every line it draws, and merges all themes each time."""
        if theme_name not in self._themes:
            self._themes[theme_name] = super().get_theme(theme_name)
        return self._themes[theme_name]

    def get_css_variables(self) -> dict[str, str]:
        self.theme_variables = completed(super().get_css_variables())
        return self.theme_variables

    @property
    def _view(self) -> ListDetail[Any, Any]:
        """The view that is shown."""
        return self._views[self._shown.name]

    @property
    def _queue(self) -> QueueView:
        return cast("QueueView", self._views["queue"])

    @property
    def _is_up(self) -> bool:
        """Whether the widgets are still there: rows may come in while the console leaves."""
        return self.is_running and bool(self.query("#surroundings"))

    # What others call

    def doorbell(self) -> None:
        """A worker has committed something. From the event loop's thread only."""
        self._updates.ring()

    def worker_died(self, sentence: str) -> None:
        """A worker process ended by itself."""
        self.notify(visible(sentence), severity="error", timeout=8, markup=False)
        self._updates.ring()

    def notify(
        self, message: str, *, title: str = "", severity: SeverityLevel = "information", timeout: float | None = None, markup: bool = True
    ) -> None:
        """Show a message on the status line; Textual's toasts would cover texts, tabs and dialogs."""
        text = Content.from_markup(message).plain if markup else message
        self.post_message(Said(Status(text, severity), self.NOTIFICATION_TIMEOUT if timeout is None else timeout))

    def copy_to_clipboard(self, text: str) -> None:
        """Copy what was selected, if anything was: an empty text would only delete what the clipboard holds."""
        if text:
            self._copy_selected(text)

    @work(group="copy")
    @reports_errors
    async def _copy_selected(self, text: str) -> None:
        from hitl_tui.formatting import counted
        from hitl_tui.ui.runtime.clipboard import copy

        await copy(self, text)
        self.notify(f"copied {counted(len(text), 'character')}", timeout=3, markup=False)

    async def until_begun(self) -> None:
        """Wait until the queue is shown with its rows."""
        await self._begun.wait()

    async def catch_up(self) -> None:
        """Look at the rows now, and wait until they are on the screen."""
        await self.until_begun()
        self._updates.ring()
        await self._updates.look()

    # Keeping new

    def _begin_once(self) -> None:
        """Begin, unless a key came before the first frame: what handles it waits for the queue, and nothing is called meanwhile."""
        if not self._is_beginning:
            self._is_beginning = True
            self._begin()

    @work(group="live")
    async def _begin(self) -> None:
        """Open the home, show the queue, read its rows, and keep everything new."""
        try:
            self._inbox = await self._open_inbox()
        except HitlError as error:
            self.failure = error
            self.exit(return_code=1)
            return
        from hitl_tui.ui.runtime.escalation_alert import EscalationAlert
        from hitl_tui.ui.runtime.hand_back_alert import HandBackAlert
        from hitl_tui.ui.runtime.lesson_alert import LessonAlert
        from hitl_tui.ui.runtime.live_updates import RETRY_S, LiveUpdates
        from hitl_tui.ui.runtime.run_outcomes import RunOutcomes
        from hitl_tui.ui.runtime.terminal_alerts import TerminalStatus

        self._view_context = ViewContext(self._inbox, self._settings, self._home, self._pool, self._clock)
        self._updates = LiveUpdates(self._inbox, self._take, self._report)
        self._escalation_alert = EscalationAlert(self, self._inbox, self._clock)
        self._hand_back_alert = HandBackAlert(self, self._inbox, self._clock)
        self._outcomes = RunOutcomes(self._inbox, self._clock())
        self._lessons = LessonAlert(self._inbox)
        self._terminal = TerminalStatus(self, self._inbox, self._settings, self._clock)
        self._add_styles(VIEW_STYLES)
        await self._show("queue")
        self._load_drafts()
        self._has_view.set()
        if self._pool.told:
            self.notify(self._pool.told, timeout=STARTED_S, markup=False)
        self._pool.start(self.doorbell, self.worker_died)
        while not self._begun.is_set():
            try:
                await self._updates.begin()
                await self._queue.load()
                await self._outcomes.read()
                await self._lessons.begin()
                self._show_failures()
                await self._update_header()
                self._begun.set()
            except store_errors() as error:
                self._report(error)
                await asyncio.sleep(RETRY_S)
        self.set_interval(1, self._update_header_again)
        self.set_interval(PROPOSALS_S, self._look_for_proposals)
        try:
            await self._updates.run()
        finally:
            self._terminal.leave()

    def _load_drafts(self) -> None:
        """In a session that may be cut off: begin with what was typed in the last one."""
        if is_pinned():
            from hitl_tui.ui.runtime.kept_drafts import KeptDrafts

            self._kept_drafts = KeptDrafts(self._home, self._inbox.reviewer)
            texts = self._kept_drafts.load()
            self._queue.drafts.update(texts.reviews)
            self._drafts.update(texts.launches)

    def keep_drafts(self) -> None:
        """Once it has ended: keep what was typed for the next session, if this one may have been cut off."""
        if self._kept_drafts:
            from hitl_tui.ui.runtime.kept_drafts import Texts

            self._kept_drafts.save(Texts(self._queue.drafts, self._drafts))

    def _report(self, error: Exception) -> None:
        report(self, error)

    async def _take(self, changes: Changes) -> None:
        if not self._is_up:
            return
        self._escalation_alert.hear(changes.reviews)
        self._terminal.arrived(changes.reviews)
        if changes.reviews:
            self._look_for_lessons_soon()
        await self._take_outcomes(changes.runs)
        for view in list(self._views.values()):
            await view.take(changes)
        await self._update_header()

    async def _take_outcomes(self, runs: Sequence[Run]) -> None:
        """Tell how runs ended."""
        if failures := await self._outcomes.take(runs):
            self._terminal.failed(failures)
        if ended := self._outcomes.ended(runs, shown_key("runs", self.keymap)):
            self._messages.ended(ended, ENDED_S)
        self._show_failures()

    def _show_failures(self) -> None:
        self._messages.failed = self._outcomes.failed(shown_key("runs", self.keymap))
        self._show_messages()

    @work(group="stand", exclusive=True)
    @reports_errors
    async def _update_header_again(self) -> None:
        await self._update_header()

    @work(group="proposals", exclusive=True)
    @reports_errors
    async def _look_for_proposals(self) -> None:
        self._proposed = sum(one.proposed is not None for one in await self._inbox.autonomy.tools())

    def _look_for_lessons_soon(self) -> None:
        if self._lessons_due is None:
            self._lessons_due = self.set_timer(LESSONS_S, self._look_for_lessons)

    @work(group="lessons", exclusive=True)
    @reports_errors
    async def _look_for_lessons(self) -> None:
        """Tell lessons that are newly proposed."""
        self._lessons_due = None
        if told := await self._lessons.look(shown_key("lessons", self.keymap)):
            self.notify(told, timeout=STARTED_S, markup=False)

    async def _update_header(self) -> None:
        from hitl_tui.ui.text import labels

        workers = await self._inbox.agents.workers()
        worker, style = worker_status(workers, self._pool, self._clock(), self._began_at)
        outages = await self._inbox.agents.outages(self._pool.targets)
        runs, waiting = sum((await self._inbox.runs.counts()).values()), self._queue.waiting
        if not self._is_up:
            return
        self._queue.show_hand_backs(self._hand_back_alert.look())
        counts = {
            "queue": "" if waiting is None else f"{waiting:,}",
            "runs": str(runs or ""),
            "insights": f"{labels.PROPOSED}{self._lessons.count}" if self._lessons.count else "",
            "policy": f"{labels.PROPOSED}{self._proposed}" if self._proposed else "",
        }
        time_ = time.strftime("%H:%M", time.localtime(self._clock()))
        self.query_one(PauseBanner).show(self._inbox.agents.pauses(), shown_key("pause", self.keymap), self._clock())
        view, failed = self._shown.parent or self._shown.name, len(self._outcomes.failures)
        self.header = HeaderStatus(view, counts, failed, worker, style, self._inbox.reviewer, time_, self._inbox.identity())
        self._terminal.show(waiting or 0, failed)
        self._messages.outage = Status(outages_told(outages), "warning", passing=False)
        self._messages.edited = Status(edited_code(workers, self._pool, shown_key("restart", self.keymap)), "warning", passing=False)
        self._show_messages()

    # Keys

    def get_driver_class(self) -> type[Driver]:
        return filtered(super().get_driver_class())

    async def on_event(self, event: events.Event) -> None:
        """Let the keys act that may; everything else is handled by Textual."""
        if self.has_class("-too-small") and isinstance(event, KeysRead | events.Key | events.Paste):
            await self._leave_by(event)
            return
        if isinstance(event, KeysRead | PressSettled | PasteRefused | events.Paste) and not event.is_forwarded:
            if not self._has_view.is_set() and isinstance(event, KeysRead) and self._is_key(event, "quit"):
                self.exit()  # what it still opens may take long
            if not await self._until_view() or await self._key_gate.take(event):
                return
        elif isinstance(event, events.Key) and not event.is_forwarded:
            await self._press(event)
            return
        await super().on_event(event)

    async def _leave_by(self, event: KeysRead | events.Key | events.Paste) -> None:
        """Leave the console, if the key does that: what cannot be seen takes no other keys.

        With a dialog only keys that are no letters leave: those may be meant for a text.
        """
        if not await self._until_view():
            return
        if isinstance(event, KeysRead):
            key = event.keys[0].key if len(event.keys) == 1 and event.keys[0].press == Press.TAP and not event.pasted else ""
        else:
            key = event.key if isinstance(event, events.Key) else ""
        bound = self.screen_stack[0].active_bindings.get(key)
        if bound and bound.binding.id in ("quit", "suspend") and (len(self.screen_stack) == 1 or len(key) > 1):
            await self.run_action(bound.binding.action, bound.node)

    async def _until_view(self) -> bool:
        """Wait until the queue is there to take keys. False if the console ends before, which no key may hold up."""
        if not self._has_view.is_set():
            self._begin_once()
            either = [asyncio.ensure_future(one.wait()) for one in (self._has_view, self.leaving)]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            for one in either:
                one.cancel()
        return self._has_view.is_set()

    def _is_key(self, event: KeysRead | events.Key, *commands: str) -> bool:
        """Whether an event is one key, and that of one of these commands."""
        keys = [event.key] if isinstance(event, events.Key) else [key.key for key in event.keys]
        bound = [key for key, active in self.screen.active_bindings.items() if active.binding.id in commands]
        return len(keys) == 1 and keys[0] in bound

    async def _press(self, key: events.Key) -> None:
        """Keys act one after another: what one has opened gets the next, which is never heard behind it."""
        if not await self._until_view():
            return
        await dialog_ready(self)
        if isinstance(self.screen, KeyQueueScreen):
            if self.screen.take(key) or (self.screen.acts_at_once and await self._act(key.key)):
                return
        elif len(self.screen_stack) == 1 and (await self._act(key.key) or self._explain(key.key)):
            return
        await super().on_event(key)

    def _refusal(self, id_: str | None) -> str:
        """Why this person may not do what a command does, as a sentence; empty if they may."""
        if id_ is None or id_ not in NEEDS or not self._has_view.is_set() or not self._inbox.people().is_checked:
            return ""
        from hitl_tui.model import Role

        refused = [self._inbox.refusal(Role(role)) for role in NEEDS[id_]]
        return visible(refused[0].happened) if refused[0] and all(refused) else ""

    async def _act(self, key: str) -> bool:
        bound = self.active_bindings.get(key)
        if bound is not None and (refused := self._refusal(bound.binding.id)):
            from hitl_tui.ui.messages import KeyIgnored

            self.post_message(KeyIgnored(refused))
            return True
        return bound is not None and bool(await self.run_action(bound.binding.action, bound.node))

    def _explain(self, key: str) -> bool:
        """Take the digit of a listed answer, or say what a key does elsewhere; whether it was one of them."""
        if key in DIGITS and self._view.choose(int(key) - 1):
            return True
        if told := elsewhere(key, self.keymap):
            from hitl_tui.ui.messages import KeyIgnored

            self.post_message(KeyIgnored(told))
        return bool(told)

    async def action_show(self, name: str) -> None:
        if isinstance(self.screen, OverlayScreen):
            await self.screen.leave()
        elif name == self._shown.name and (self._view.focus_target.has_focus or self._view.has_class("-empty")):
            self._view.say_why(f"{self._shown.title} is shown already")
        await self._show(name)
        self._updates.ring()

    async def _show(self, name: str) -> None:
        async with self._making:
            if name not in self._views:
                self._views[name] = await self._make(name)
        self._shown = VIEWS[name]
        for view in self._views.values():
            view.put(view is self._view and not self.has_class("-too-small"))
        self._view.shown(self._queue.selection)
        self.screen_stack[0].set_focus(self._view.focus_target)
        self._hints_changed()

    def _add_styles(self, sheet: Path) -> None:
        self.stylesheet.read(sheet)
        self.stylesheet.parse()

    async def _make(self, name: str) -> ListDetail[Any, Any]:
        """Mount a view; it takes no rows before that is done, for its widgets are not there."""
        view_class = VIEWS[name].load()
        if view_class.SHEET:
            self._add_styles(view_class.SHEET)
        view = view_class(self._view_context)
        await self.mount(view, after=self.query_one(PauseBanner))
        return view

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_take_over(self, run: int) -> None:
        from hitl_tui.ui.takeover.open import open_takeover

        await open_takeover(self, self._inbox, run, self._takeover_drafts, self.keymap, self._clock)
        self._updates.ring()

    @work(group=DIALOG_GROUP)
    async def action_new_run(self) -> None:
        from hitl_tui.ui.dialogs.new_run import NewRunScreen

        screen = NewRunScreen(self._inbox, self._drafts, self._pool, self._home)
        started = await ask(self, screen)
        if started is not None and screen.held_up:
            self.notify(f"run r{started} is queued: {screen.held_up}", severity="warning", timeout=HELD_UP_S, markup=False)
        elif started is not None:
            self.notify(f"run r{started} is queued", timeout=3, markup=False)
        self._updates.ring()

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_pause(self) -> None:
        from hitl_tui.ui.runtime.agent_pauses import choose_pause

        row = self._queue.row
        await choose_pause(self._view, self._inbox, row.agent if row and self._view is self._queue else "")
        self._updates.ring()

    def action_restart(self) -> None:
        if self._pool.served and not own(self._pool):
            self.notify(
                "a service runs the agents: restart it there, as with `systemctl restart hitl-tui`", severity="warning", markup=False
            )
            return
        self.notify("restarting the worker; runs continue from their checkpoint", timeout=3, markup=False)
        self._restart()

    @work(group="restart", exclusive=True)
    async def _restart(self) -> None:
        await self._pool.restart()

    def action_suspend_process(self) -> None:
        """Go back to the shell, which a session without one does not do."""
        if is_pinned():
            self.notify("a session over SSH or in a browser cannot be suspended", severity="warning", markup=False)
        else:
            super().action_suspend_process()

    def action_help(self) -> None:
        from hitl_tui.ui.dialogs.help import HelpScreen

        self.push_screen(HelpScreen(self.keymap, self._groups_here))

    @property
    def _groups_here(self) -> Collection[str]:
        """The groups of commands of the present screen, besides those that work everywhere."""
        if isinstance(self.screen, OverlayScreen):
            return (self.screen.GROUP,)
        return (*self._view.GROUPS, *self._view.items.GROUPS, "text")

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        if isinstance(screen, OverlayScreen):
            here: dict[str, DOMNode] = {"app": self, screen.GROUP: screen}
        else:
            here = {"app": self, **{group: self._view for group in self._view.GROUPS if group != "pane"}}
        for command in COMMANDS:
            node = here.get(command.group)
            is_hidden = command.id == "quit" or command.id in DECIDES or not is_offered(command.id)
            if node is not None and not is_hidden and not self._refusal(command.id):
                action = f"{'app.' if node is self else ''}{command.action}"
                yield SystemCommand(command.label, command.about, lambda action=action, node=node: self.run_action(action, node))
        yield SystemCommand("Keys", BY_ID["help"].about, self.action_help)
        yield from (
            command
            for command in super().get_system_commands(screen)
            if command.title in TEXTUAL_COMMANDS - (FILES if is_pinned() else set())
        )

    # The status line

    @reports_errors
    async def on_failures_seen(self, message: FailuresSeen) -> None:
        """The person has seen failed runs."""
        await self._inbox.runs.mark_failures_seen(message.runs)
        await self._outcomes.read()
        self._show_failures()
        await self._update_header()

    def on_said(self, message: Said) -> None:
        self._messages.add(message.status, message.seconds)
        self._show_messages()

    def _show_messages(self) -> None:
        """Show the message of this moment, and look again when it is over."""
        self.status = self._messages.current
        if self._message_due:
            self._message_due.stop()
        wait = self._messages.next_change_s
        self._message_due = None if wait is None else self.set_timer(wait, self._show_messages)

    # Messages from below

    def on_command_clicked(self, message: CommandClicked) -> None:
        if not self._has_view.is_set():
            return
        command = BY_ID[message.command]
        places: dict[str, DOMNode] = {
            "app": self,
            "list": self._view.items,
            "queue_list": self._view.items,
            "text": self.focused or self._view,
        }
        node = places.get(command.group, self._view)
        start_worker(self, "pressed", self.run_action, command.action, node)

    @reports_errors
    async def on_run_chosen(self, message: RunChosen) -> None:
        from hitl_tui.model import ReviewState

        rows = await self._inbox.reviews.of_run(message.run)
        review = next((row.id for row in rows if row.state == ReviewState.OPEN), None)
        if review is not None:
            await self.action_show("queue")
            self._queue.go_to(review)

    @reports_errors
    async def on_run_shown(self, message: RunShown) -> None:
        await self.action_show("runs")
        cast("RunsView", self._view).go_to(message.run)

    @reports_errors
    async def on_history_shown(self, message: HistoryShown) -> None:
        await self.action_show("history")
        cast("HistoryView", self._view).filter_by(message.filter)

    def on_rows_changed(self, message: RowsChanged) -> None:
        self._updates.ring()
        self._look_for_lessons_soon()

    def _hints_changed(self) -> None:
        from hitl_tui.ui.messages import HintsChanged  # the first frame has no hints

        self.post_message(HintsChanged())

    def on_hints_changed(self, message: HintsChanged) -> None:
        if not self._has_view.is_set():
            return
        other = VIEWS[self._shown.next]
        app_hints = [*self._view.urgent_hints(), (other.name, other.title), ("new", "new run"), ("help", "help")]
        self.key_hints = (self._offered(self._view.hints()), self._offered(app_hints))

    def _offered(self, hints: Sequence[Hint]) -> list[Hint]:
        """The hints without the keys that this person may not use."""
        return [hint for hint in hints if not self._refusal(hint[0])] if self._inbox.people().is_checked else list(hints)

    def on_key_ignored(self, message: KeyIgnored) -> None:
        """Say it where the person looks: in the dialog, or on the border of what has the keys."""
        (self.screen if isinstance(self.screen, KeyQueueScreen) else self._view).remark(message.reason)

    def on_proposals_counted(self, message: ProposalsCounted) -> None:
        self._proposed = message.count

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._hints_changed()

    def on_resize(self, event: events.Resize) -> None:
        small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        if small == self.has_class("-too-small"):
            return
        if small:
            self._had_focus = [(screen, screen.focused) for screen in self.screen_stack]
        else:
            self.call_after_refresh(self._focus_again)
        self.set_class(small, "-too-small")
        if self._has_view.is_set():
            self._view.put(not small)

    def _focus_again(self) -> None:
        """What is hidden loses the focus: give it back."""
        for screen, focused in self._had_focus:
            if focused is not None and focused.is_attached:
                screen.set_focus(focused)

    def _choose_theme(self, name: str) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        self._themes.clear()
        if name and name not in self.available_themes:
            raise BadHome(f"config.toml: there is no theme {name!r}", f"themes: {', '.join(sorted(self.available_themes))}")
        self.theme = name or THEMES[0].name
