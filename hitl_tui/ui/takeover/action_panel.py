"""The side of the workspace where a person acts: the six ways, the one that is chosen, and what happens on hand back."""

from __future__ import annotations

from collections.abc import Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui.errors import Refused
from hitl_tui.model import HandBack
from hitl_tui.sanitize import visible
from hitl_tui.ui.takeover.action_list import Standing, WaysList
from hitl_tui.ui.takeover.draft import CHECKED, LABELS, Draft, Way
from hitl_tui.ui.takeover.editors import Editor, put, taken
from hitl_tui.ui.widgets.tabs import TabBar

CHECK_S = 0.15
"""Pause in the typing after which it is checked."""


class Place(Vertical):
    """Writes into the draft what is typed, and says what it comes to."""

    BORDER_TITLE = "In the agent's place"

    def __init__(self, draft: Draft, keymap: Mapping[str, str]) -> None:
        super().__init__(id="place")
        self.draft = draft
        self._keymap = keymap
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield WaysList(self._keymap)
        yield TabBar({"way": ""}, id="way-rule")
        for way in Way:
            yield Editor(way, self.draft)
        yield TabBar({"told": "On hand back"}, id="told-rule")
        yield Static(id="told")

    def on_mount(self) -> None:
        self.choose(next((way for way in Way if not self.draft.closed(way)), Way.GUIDANCE))
        self.check()

    @property
    def ways(self) -> WaysList:
        """The list of ways."""
        return self.query_one(WaysList)

    @property
    def editor(self) -> Editor:
        """The editor of the chosen way."""
        return self.query_one(f"#edit-{self.ways.chosen}", Editor)

    @property
    def typing(self) -> bool:
        """Whether a text has the focus."""
        return isinstance(self.screen.focused, TextArea)

    def choose(self, way: Way) -> None:
        """Show a way."""
        self.ways.choose(way)
        for editor in self.query(Editor):
            editor.display = editor.way == way
        self.query_one("#way-rule", TabBar).retitle({"way": LABELS[way].capitalize()})
        if way == Way.STATE:
            self.editor.draw_difference()

    def enter(self) -> Widget | None:
        """Where typing begins in the chosen way; None where there is nothing to type."""
        return self.editor.first()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        put(self.draft, str(event.text_area.id), event.text_area.text)
        if self._timer:
            self._timer.stop()
        self._timer = self.set_timer(CHECK_S, self.check)

    def rewrite(self, name: str, text: str) -> None:
        """Another text, from outside."""
        put(self.draft, name, text)
        for area in self.query(f"#{name}").results(TextArea):
            area.text = text
        self.check()

    def chosen_text(self) -> tuple[str, str] | None:
        """Name and content of the text at hand: the one with the focus, else the first of the way."""
        names = self.editor.names()
        focused = str(self.screen.focused.id) if self.screen.focused else ""
        name = focused if focused in names else next(iter(names), None)
        return None if name is None else (name, taken(self.draft, name))

    def check(self) -> None:
        """Say where each way stands, and what it all comes to."""
        kept, wrong = self.draft.kept(), {CHECKED[name] for name in self.draft.problems()}
        self.ways.show({way: Standing(self.draft.done(way, kept), bool(self.draft.closed(way)), way in wrong) for way in Way})
        if self.ways.chosen == Way.STATE:
            self.editor.draw_difference()
        self._tell(nothing=kept == HandBack() and not wrong)

    def say(self, text: str, style: str = "$text-warning") -> None:
        """Say something in the place of what happens on hand back."""
        self.query_one("#told", Static).update(Content.styled(visible(text), style))

    def complain(self, text: str) -> None:
        """Say why it is not handed back."""
        self.say(f"✗ {text}", "$text-error")

    def _tell(self, nothing: bool) -> None:
        try:
            self.say(self.draft.told(), "$text-success")
        except Refused as refused:
            if nothing:
                self.say(str(refused), "$foreground 60%")
            else:
                self.complain(str(refused))
