"""The takeover screen: the run on one panel, and on the other what a person does as its agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.cells import cell_len
from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from hitl_tui.errors import Refused, Stale
from hitl_tui.formatting import at_time
from hitl_tui.inbox import Inbox
from hitl_tui.model import Action, RunState, Takeover, TakeoverPlan
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.commands import BY_ID, group
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.confirm import ConfirmScreen
from hitl_tui.ui.messages import CommandClicked, RowsChanged
from hitl_tui.ui.runtime.errors import report, reports_errors, sentence, store_errors
from hitl_tui.ui.runtime.key_queue import DIALOG_GROUP, ask
from hitl_tui.ui.takeover.action_list import InterventionList
from hitl_tui.ui.takeover.action_panel import ActionPanel
from hitl_tui.ui.takeover.draft import Draft, Intervention
from hitl_tui.ui.takeover.run_panel import RunDetails, RunPanel, read_run_details
from hitl_tui.ui.text.lines import agent_name, first_words
from hitl_tui.ui.views import TOO_SMALL, OverlayScreen
from hitl_tui.ui.widgets.key_bar import Hint, KeyBar
from hitl_tui.ui.widgets.status_line import StatusLine
from hitl_tui.ui.widgets.text_view import TextView

POLL_S = 1.0
"""How often the draft is saved, and the takeover is checked for what others did to it."""
HAND_BACK_WAIT_S = 4.0
"""How long to wait for the result of a hand-back before the screen closes anyway."""
HAND_BACK_POLL_S = 0.1
BEFORE_TITLE = "   "
TINY = 20
"""Height in rows below which the list of interventions gives way to the field that is typed in."""
SIGNING = "waiting for your key: touch it, or answer your ssh-agent; escape takes the hand-back back"
EMPTY_HINTS: list[Hint] = [("back", "leave: releases the run"), ("hand_back", "hand back")]
WRITTEN_HINTS: list[Hint] = [("hand_back", "hand back"), ("back", "leave: stays yours"), ("discard", "discard my changes")]
TYPING_HINTS: list[Hint] = [("hand_back", "hand back"), ("back", "list"), ("other_panel", "run"), ("outside", "$EDITOR")]

TakeoverDrafts = dict[int, tuple[int, Draft]]
"""By run: the id of the takeover, and what was typed for it in this console."""


def resume_draft(drafts: TakeoverDrafts, takeover: Takeover, details: RunDetails) -> Draft:
    """The draft of a takeover: the one of this console, unless the run has moved or the stored plan is newer; kept in `drafts`."""
    previous, draft = drafts.get(details.run.id, (0, None))
    if draft is None or draft.head != details.head or (previous == takeover.id and draft.valid_plan() != takeover.plan):
        if draft is None or previous == takeover.id:
            plan, texts = takeover.plan, takeover.typed
        else:  # typed for an earlier takeover of the same run
            plan, texts = draft.valid_plan(), draft.invalid_texts()
        ended = "" if details.run.state == RunState.WAITING else str(details.run.state)
        draft = Draft.start(details.head, details.schema, plan, ended, texts)
    drafts[details.run.id] = (takeover.id, draft)
    return draft


class TakeOverScreen(OverlayScreen):
    """A takeover of one run by this reviewer."""

    CSS_PATH: ClassVar = [DialogScreen.CSS_PATH, Path(__file__).with_name("takeover.tcss")]
    GROUP = "takeover"
    BINDINGS = group("takeover", "pane")

    def __init__(
        self,
        inbox: Inbox,
        details: RunDetails,
        takeover: Takeover,
        drafts: TakeoverDrafts,
        keymap: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self._inbox = inbox
        self._details = details
        self._takeover = takeover
        self._drafts = drafts
        self._keymap = keymap
        self._clock = clock
        self.draft = resume_draft(drafts, takeover, details)
        self._saved = self._tried = (takeover.plan, dict(takeover.typed))
        self._is_finished = False

    def compose(self) -> ComposeResult:
        yield Static(self._header(), id="takeover-header")
        with Horizontal(id="panels"):
            yield RunPanel()
            yield ActionPanel(self.draft, self._keymap)
        yield StatusLine()
        yield KeyBar(self._keymap)
        yield Static(TOO_SMALL, id="too-small")

    def on_mount(self) -> None:
        self._run_panel.show(self._details, self._takeover.note)
        self._fit()
        self.set_focus(self._run_text if self._is_narrow and self._is_tiny else self._panel.interventions)
        self.set_interval(POLL_S, self._poll)

    async def on_unmount(self) -> None:
        """Save or release when the console is left from here."""
        if not self._is_finished:
            await (self._release() if self._is_empty else self._save())

    @property
    def _panel(self) -> ActionPanel:
        return self.query_one(ActionPanel)

    @property
    def _run_panel(self) -> RunPanel:
        return self.query_one(RunPanel)

    @property
    def _run_text(self) -> TextView:
        return self.query_one("#run-panel-text", TextView)

    @property
    def _is_narrow(self) -> bool:
        """Whether there is room for one panel, and the list of the other one."""
        return self.has_class("-one")

    @property
    def _is_tiny(self) -> bool:
        """Whether there is no room for that list beside anything."""
        return self.size.height < TINY

    def _header(self) -> Content:
        run = self._details.run
        since = at_time(self._takeover.at, self._clock())
        what = f"{agent_name(run.agent)} · run r{run.id}"
        muted = f"   taken over by you {since}"
        room = self.app.size.width - cell_len(f" Takeover {what}{muted}") - len(BEFORE_TITLE)
        if title := first_words(run.title, min(room, 120)):
            muted += f"{BEFORE_TITLE}{title}"
        return Content.assemble((" Takeover ", "bold $text-accent"), (what, ""), (muted, "$text-muted"))

    # Focus and hints

    async def on_intervention_list_chosen(self, message: InterventionList.Chosen) -> None:
        message.stop()
        await self._panel.choose(message.intervention)
        if message.entered:
            await self.action_intervene(message.intervention)

    async def action_intervene(self, name: str) -> None:
        intervention = Intervention(name)
        self._show_panel(acting=True)
        await self._panel.choose(intervention)
        if intervention == Intervention.STOP and not self.draft.unavailable(intervention):
            self._stop()
        self.set_focus(self._panel.focus_target)

    def action_other_panel(self) -> None:
        acting = not self.has_class("-acting") if self._is_narrow else not self._panel.has_focus_within
        self._show_panel(acting)
        self.set_focus(self._panel.focus_target if acting else self._run_text)

    def _show_panel(self, acting: bool) -> None:
        """On a narrow screen, show the action panel or the run."""
        self.set_class(acting, "-acting")

    def action_tab(self, by: int) -> None:
        self._run_panel.step_tab(by)

    def action_scroll_details(self, direction: int) -> None:
        self._run_panel.scroll_half(direction)

    @work(group="leave")
    async def action_back(self) -> None:
        if self._inbox.signing.waits:
            self._inbox.signing.take_back()
        elif self._panel.is_typing:
            self._fit()
            self.set_focus(self._panel.interventions)
        else:
            await self.leave()

    def action_outside(self) -> None:
        try:
            self._panel.editor.edit_outside(self.app)
        except store_errors() as error:
            report(self, error)
        self._panel.check()

    async def action_mode(self) -> None:
        try:
            await self._panel.editor.toggle()
        except Refused as refused:
            self._panel.complain(str(refused))
        else:
            self._panel.check()
            self._show_hints()

    def on_descendant_focus(self) -> None:
        self._show_hints()

    def on_descendant_blur(self) -> None:
        self._show_hints()

    def on_resize(self) -> None:
        self._show_hints()
        self.call_after_refresh(self._keep_focus)

    def _keep_focus(self) -> None:
        """A panel that is hidden for want of room loses the focus: the run has it then."""
        if self.focused is None and self.is_current:
            self.set_focus(self._run_text)

    def _fit(self, typing: bool = False) -> None:
        """Give a field that is typed in the rows of what has none left for it."""
        self.set_class(self._is_tiny, "-tiny")
        self._panel.interventions.display = not (self._is_tiny and typing)
        if typing:
            self._show_panel(acting=True)

    def _show_hints(self) -> None:
        if not self.query(InterventionList):  # the panel is made anew after a plan that failed
            return
        is_typing = self._panel.is_typing
        self._fit(is_typing)
        other = self._panel.editor.other_form
        hints: list[Hint] = [*TYPING_HINTS, *([("mode", other)] if other else [])]
        if not is_typing:
            write: list[Hint] = [("open", "write"), ("write_outside", "$EDITOR")] if self._panel.has_focus_within else []
            others: list[Hint] = [("other_panel", "other panel"), ("next_tab", "next tab")]
            hints = [*(EMPTY_HINTS if self._is_empty else WRITTEN_HINTS), *write, *others]
        self.query_one(KeyBar).hints = (hints, [("help", "help")])

    async def on_command_clicked(self, message: CommandClicked) -> None:
        """A key of this screen's key bar was clicked."""
        message.stop()
        command = BY_ID[message.command]
        node = self.app if command.group == "app" else self._panel.interventions if command.group == "list" else self
        await self.app.run_action(command.action, node)

    # Saving

    @work(group="look", exclusive=True)
    async def _poll(self) -> None:
        header = self.query_one("#takeover-header", Static)  # before any wait: the screen may be closed meanwhile
        await self._save()
        try:
            latest = await self._inbox.takeovers.latest(self._details.run.id)
        except store_errors() as error:
            report(self, error)
            return
        is_ours = latest is not None and latest.id == self._takeover.id and latest.is_live
        header.update(self._header() if is_ours else _lost(latest))

    async def _save(self) -> None:
        """Store the valid parts as the plan, and the other texts as typed."""
        state = (self.draft.valid_plan(), self.draft.invalid_texts())
        if self._is_finished or state == self._saved:
            return
        is_new, self._tried = state != self._tried, state
        try:
            await self._inbox.takeovers.save_plan(self._takeover.id, *state)
            self._saved = state
        except Stale:
            self._saved = state  # the header says who has taken it
        except store_errors() as error:
            if is_new:  # report once, retry on every poll
                report(self, error)

    @property
    def _is_empty(self) -> bool:
        """Whether nothing is written."""
        return self.draft.valid_plan() == TakeoverPlan() and not self.draft.invalid_texts()

    async def leave(self) -> None:
        """Close the screen. A takeover with anything written is kept; without, the run is released."""
        run = self._details.run.id
        if self._is_empty:
            self._finish(await self._release())
        else:
            await self._save()
            self._finish(f"run r{run} is still taken over by you; t returns to it", keep_draft=True)

    async def _release(self) -> str:
        """Release the run, for which nothing was written. Returns what became of it, as a sentence."""
        try:
            await self._inbox.takeovers.discard(self._takeover.id)
        except store_errors() as error:
            return sentence(error)
        return f"nothing was written: run r{self._details.run.id} is released, as it was before"

    def _finish(self, text: str, keep_draft: bool = False) -> None:
        self._is_finished = True
        if not keep_draft:
            self._drafts.pop(self._details.run.id, None)
        self.app.notify(visible(text), timeout=4, markup=False)
        self.app.post_message(RowsChanged())
        self.dismiss(None)

    # Discard, stop, hand back

    @property
    def _calls(self) -> list[Action]:
        """What the run waits for."""
        return [action for review in self._details.reviews for action in review.actions]

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def action_discard(self) -> None:
        run = self._details.run
        if not self._is_empty:
            question = f"Discard the takeover of run r{run.id}? What you wrote is deleted; the run stays as it was before."
            if not await ask(self, ConfirmScreen("Discard the takeover", question, yes="discard", no="keep it", calls=self._calls)):
                return
        await self._inbox.takeovers.discard(self._takeover.id)
        self._finish(f"takeover of run r{run.id} discarded: the run is as it was before")

    @work(group=DIALOG_GROUP)
    @reports_errors
    async def _stop(self) -> None:
        run = self._details.run
        question = f"Stop run r{run.id}? Its open requests are closed; what it did stays done."
        about = f"{one_line(run.agent)}: {one_line(run.title, 120)}"
        if await ask(self, ConfirmScreen(f"Stop run r{run.id}", question, about, yes="stop the run", no="keep it", calls=self._calls)):
            await self._inbox.runs.cancel(run.id)
            self._finish(f"run r{run.id} is stopped")

    @work(group="send")
    async def action_hand_back(self) -> None:
        if self._is_finished or self._panel.disabled:  # it is being handed back
            return
        try:
            plan, summary = self.draft.plan(), self.draft.summary()
        except Refused as refused:
            await self._show_invalid(refused)
            return
        self._panel.disabled = True
        try:
            run = self._details.run.id
            self._panel.say(SIGNING if self._inbox.takeovers.must_sign(run) else "handing back …")
            self._saved = (plan, {})
            if (await self._inbox.takeovers.hand_back(self._takeover.id, plan)).is_unconfirmed:
                self._finish(f"run r{run} is handed back once another person has confirmed it; t takes it back until then")
            else:
                await self._wait_for_result(summary)
        except store_errors() as error:
            self._panel.complain(sentence(error))
        finally:
            for panel in self.query(ActionPanel):
                panel.disabled = False

    async def _show_invalid(self, refused: Refused) -> None:
        """Show why the draft cannot be handed back, and focus the text that is invalid."""
        self._show_panel(acting=True)
        for intervention in self.draft.problems():
            await self._panel.choose(intervention)
            self.set_focus(self._panel.focus_target)
            break
        self._panel.check()
        self._panel.complain(str(refused))

    async def _wait_for_result(self, summary: str) -> None:
        """Close the screen once the plan is applied, or after `HAND_BACK_WAIT_S`; if it failed, take the run over again."""
        run, until = self._details.run.id, time.monotonic() + HAND_BACK_WAIT_S
        while (latest := await self._inbox.takeovers.latest(run)) and latest.is_live and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(HAND_BACK_POLL_S)
        if latest and latest.id == self._takeover.id and latest.state in ("stale", "failed"):
            await self._take_again(latest)
        else:
            pending = " (waiting for its worker)" if latest and latest.is_live else ""
            self._finish(f"run r{run} is handed back{pending}: {summary}")

    async def _take_again(self, failed: Takeover) -> None:
        """Take the run over again, with the same plan on the run as it is now."""
        run, plan = self._details.run.id, self.draft.valid_plan()
        try:
            self._takeover = await self._inbox.takeovers.take(run)
            self._details = await read_run_details(self._inbox, run)
        except store_errors() as error:
            self._finish(f"the plan was not applied: {failed.note or failed.state}; {sentence(error)}", keep_draft=True)
            return
        self._saved = (self._takeover.plan, dict(self._takeover.typed))
        del self._drafts[run]
        self.draft = resume_draft(self._drafts, replace(self._takeover, plan=plan), self._details)
        await self._panel.remove()
        await self.query_one("#panels").mount(ActionPanel(self.draft, self._keymap))
        self._run_panel.show(self._details, f"not applied: {failed.note or failed.state}; your plan is kept")


def _lost(latest: Takeover | None) -> Content:
    """The header when the takeover is no longer this reviewer's."""
    if latest and latest.is_live:
        what = f"{one_line(latest.actor, 40)} has taken it over"
    else:
        what = one_line(latest.note, 120) if latest and latest.note else "no longer taken over by you"
    return Content.styled(f" ⚠ {what}; what you wrote is kept while this screen is open", "bold $text-warning")
