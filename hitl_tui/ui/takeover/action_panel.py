"""The panel of the takeover screen where a person acts as the agent: interventions, the editor of one, and the effect of hand-back."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from hitl_tui.errors import Refused
from hitl_tui.model import TakeoverPlan
from hitl_tui.sanitize import visible
from hitl_tui.ui.takeover.action_list import InterventionList, InterventionStatus
from hitl_tui.ui.takeover.draft import LABELS, Draft, Intervention
from hitl_tui.ui.takeover.editors import Editor
from hitl_tui.ui.widgets.tabs import TabBar

CHECK_S = 0.15
"""Pause in typing after which the draft is checked."""


class ActionPanel(Vertical):
    """Writes what is typed into the draft, checks it, and says what hand-back would do."""

    BORDER_TITLE = "Act as the agent"

    def __init__(self, draft: Draft, keymap: Mapping[str, str]) -> None:
        super().__init__(id="action-panel")
        self.draft = draft
        self._keymap = keymap
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield InterventionList(self._keymap)
        yield TabBar({"": ""}, id="intervention-title")
        yield Vertical(*(Editor(intervention, self.draft) for intervention in Intervention), id="editors")
        yield TabBar({"": "When you hand back"}, id="effect-title")
        yield Static(id="effect")

    async def on_mount(self) -> None:
        await self.choose(next((one for one in Intervention if not self.draft.unavailable(one)), Intervention.GUIDANCE))
        self.check()

    @property
    def interventions(self) -> InterventionList:
        """The list of interventions."""
        return self.query_one(InterventionList)

    @property
    def editor(self) -> Editor:
        """The editor of the selected intervention."""
        return self.query_one(f"#edit-{self.interventions.chosen}", Editor)

    @property
    def is_typing(self) -> bool:
        """Whether a field has the focus."""
        return any(editor.has_focus_within for editor in self.query(Editor))

    async def choose(self, intervention: Intervention) -> None:
        """Show an intervention and its editor."""
        self.interventions.choose(intervention)
        for editor in self.query(Editor):
            editor.display = editor.intervention == intervention
        self.query_one("#intervention-title", TabBar).retitle({"": LABELS[intervention].capitalize()})
        await self.editor.open()

    @property
    def focus_target(self) -> Widget:
        """What takes the focus: the first field of the intervention, or the list if it has none."""
        return self.editor.first_field() or self.interventions

    def on_text_area_changed(self) -> None:
        self._check_soon()

    def on_form_changed(self) -> None:
        self._check_soon()

    def _check_soon(self) -> None:
        self.editor.keep()
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_S, self.check)

    def check(self) -> None:
        """Check the draft, and show the progress of each intervention and the effect of hand-back."""
        draft, plan = self.draft, self.draft.valid_plan()
        invalid = draft.problems()
        self.interventions.show(
            {one: InterventionStatus(draft.progress(one, plan), draft.unavailable(one), one in invalid) for one in Intervention}
        )
        self.editor.check()
        self._show_effect(is_empty=plan == TakeoverPlan() and not invalid)

    def say(self, text: str, style: str = "$text-warning") -> None:
        """Show a text as the effect of hand-back."""
        self.query_one("#effect", Static).update(Content.styled(visible(text), style))

    def complain(self, text: str) -> None:
        """Show why it is not handed back."""
        self.say(f"✗ {text}", "$text-error")

    def _show_effect(self, is_empty: bool) -> None:
        try:
            self.say(self.draft.summary(), "$text-success")
        except Refused as refused:
            if is_empty:
                self.say(str(refused), "$text-muted")
            else:
                self.complain(str(refused))
