"""Start a run: choose an agent and enter its task, as text or as JSON that fits its schema."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import OptionList, Static, TextArea
from textual.widgets.option_list import Option

from hitl_tui import canonical_json, validation
from hitl_tui.errors import HitlError, Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent, Json
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import DialogScreen
from hitl_tui.ui.dialogs.text_areas import JsonArea, SendArea
from hitl_tui.ui.runtime.errors import STORE_ERRORS, reports_errors, sentence
from hitl_tui.ui.text.lines import BLANK, Line, paragraph
from hitl_tui.ui.widgets.text_view import TextView

TEXT_KEYS = [("enter", "start"), ("ctrl+j", "new line"), ("ctrl+t", "as JSON"), ("tab", "switch"), ("esc", "back")]
JSON_KEYS = [("ctrl+s", "start"), ("ctrl+t", "as text"), ("tab", "switch"), ("esc", "back")]
BROKEN_KEYS = [("↑ ↓", "agents"), ("esc", "back, then R restarts the worker")]

NO_AGENT = "no agent is known yet; agents appear here as soon as they are loaded"
PLACEHOLDER = "the task; enter starts the run"
REREAD_S = 0.5

Draft = dict[tuple[int, str, str], str]
"""Typed texts by project, agent and mode."""


class NewRunScreen(DialogScreen[int]):
    """Returns the id of the new run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "mode", "text or JSON", show=False, priority=True),
    ]

    def __init__(self, inbox: Inbox, drafts: Draft) -> None:
        super().__init__("New run", TEXT_KEYS)
        self._inbox = inbox
        self._drafts = drafts
        self._agents: list[Agent] = []
        self._agent: Agent | None = None
        self._as_json = False
        self._read = False

    def body(self) -> Iterable[Widget]:
        right = Vertical(
            Static(id="agent-about", classes="label"),
            SendArea(id="text", placeholder=PLACEHOLDER),
            JsonArea(id="json"),
            TextView(id="agent-error"),
            id="new-run-right",
        )
        yield Horizontal(OptionList(id="agents"), right, id="new-run-panes")

    async def on_mount(self) -> None:
        await self.reread()
        if self._agents:
            self.set_focus(self.query_one("#agents"))
        self.set_interval(REREAD_S, self._again)

    def field(self) -> Widget | None:
        return None if self._as_json or (self._agent and self._agent.error) else self._field()

    @work(group="agents", exclusive=True)
    async def _again(self) -> None:
        with contextlib.suppress(NoMatches):  # the dialog is closed while the rows are read
            await self.reread()

    @reports_errors
    async def reread(self) -> None:
        """Read the agents again; the selected one and the typed texts stay."""
        agents = await self._inbox.agents.all()
        if agents == self._agents and self._read:
            return
        self._agents, self._read = agents, True
        options = self.query_one("#agents", OptionList)
        options.clear_options()
        options.add_options([Option(_prompt(agent)) for agent in agents])
        options.highlighted = self._place()
        if options.highlighted is None:
            self._show(None)
        else:
            self._choose(agents[options.highlighted])

    def _place(self) -> int | None:
        """Place of the selected agent, else of the first one that loads."""
        if not self._agents:
            return None
        chosen = (self._agent.project, self._agent.name) if self._agent else None
        same = next((place for place, agent in enumerate(self._agents) if (agent.project, agent.name) == chosen), None)
        return same if same is not None else next((place for place, agent in enumerate(self._agents) if not agent.error), 0)

    def _choose(self, agent: Agent) -> None:
        if agent != self._agent:
            if self._agent is None or (agent.project, agent.name) != (self._agent.project, self._agent.name):
                self._as_json = not agent.takes_text
            self._show(agent)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index < len(self._agents):
            self._choose(self._agents[event.option_index])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._field().focus()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if event.text_area.has_focus and self._agent:
            self._drafts[self._agent.project, self._agent.name, event.text_area.id or ""] = event.text_area.text
            self._check()

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    def action_mode(self) -> None:
        if self._agent and not self._agent.error and self._agent.takes_text:
            self._as_json = not self._as_json
            self._show(self._agent)
            self._field().focus()

    async def action_submit(self) -> None:
        agent = self._agent
        if self.is_answered:
            return
        if agent is None:
            self.complain(NO_AGENT)
        if agent is None or agent.error:
            return
        text = None if self._as_json else self.query_one("#text", SendArea).text
        try:
            if text is not None and not text.strip():
                raise Refused("enter a task")
            given = canonical_json.loads(self.query_one("#json", JsonArea).text, "this") if text is None else None
            (run,) = await self._inbox.runs.launch(agent.name, text=text, given=given, project=agent.project)
        except STORE_ERRORS as error:
            self.complain(sentence(error))
            return
        for form in ("text", "json"):
            self._drafts.pop((agent.project, agent.name, form), None)
        self.dismiss(run.id)

    def _show(self, agent: Agent | None) -> None:
        text, json, error = self.query_one("#text", SendArea), self.query_one("#json", JsonArea), self.query_one("#agent-error", TextView)
        typed = text.text if self._agent is None else ""
        self._agent = agent
        broken = agent is not None and bool(agent.error)
        text.display, json.display, error.display = not broken and not self._as_json, not broken and self._as_json, broken
        if agent is None:
            self.complain(NO_AGENT)
            return
        about = agent.description or ("it cannot be loaded" if broken else "no description")
        self.query_one("#agent-about", Static).update(Content(visible(about)))
        error.show(_failure(agent) if broken else ())
        if typed:
            self._drafts.setdefault((agent.project, agent.name, "text"), typed)
        _put(text, self._drafts.get((agent.project, agent.name, "text"), ""))
        _put(json, self._drafts.get((agent.project, agent.name, "json"), canonical_json.dumps(skeleton(agent.input_schema), indent=2)))
        keys = JSON_KEYS if self._as_json else TEXT_KEYS
        self.rekey(BROKEN_KEYS if broken else [key for key in keys if agent.takes_text or key[0] != "ctrl+t"])
        self._check()

    def _check(self) -> None:
        if self._agent is None or self._agent.error or not self._as_json:
            self.complain("")
            return
        try:
            self.complain(
                validation.schema_problem(canonical_json.loads(self.query_one("#json", JsonArea).text, "this"), self._agent.input_schema)
            )
        except HitlError as error:
            self.complain(error.happened)

    def _field(self) -> Widget:
        return self.query_one("#agent-error" if self._agent and self._agent.error else "#json" if self._as_json else "#text")


def _put(area: TextArea, text: str) -> None:
    if area.text != text:  # setting the same text would move the cursor
        area.text = text
        area.move_cursor(area.document.end)


def _prompt(agent: Agent) -> Content:
    if agent.error:
        return Content.styled(f"✗ {one_line(agent.name, 40)}", "$foreground 50%")
    return Content(one_line(agent.name, 40))


def _failure(agent: Agent) -> Iterator[Line]:
    yield from paragraph(agent.error, "error", "✗", 2, "error")
    yield BLANK
    yield from paragraph(agent.traceback, "muted")


def skeleton(schema: Json, root: Json = None, depth: int = 6) -> Json:
    """A value to start from: required properties only, each the simplest of its type."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth == 0:
        return {}
    ref = schema.get("$ref")
    if isinstance(ref, str) and ref.startswith("#/$defs/") and isinstance(root, dict):
        return skeleton(root.get("$defs", {}).get(ref.removeprefix("#/$defs/")), root, depth - 1)
    for key in ("default", "const"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if isinstance(schema.get(key), list) and schema[key]:
            return schema[key][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(schema.get(key), list) and schema[key]:
            return skeleton(schema[key][0], root, depth - 1)
    return _simplest(schema, root, depth)


def _simplest(schema: dict[str, Any], root: Json, depth: int) -> Json:
    plain: dict[str, Json] = {
        "string": "",
        "integer": schema.get("minimum", 0),
        "number": schema.get("minimum", 0),
        "boolean": False,
        "array": [],
        "null": None,
    }
    kind = schema.get("type")
    if isinstance(kind, str) and kind in plain:
        return plain[kind]
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, dict):
        return {}
    names = required if isinstance(required, list) and required else list(properties)
    return {name: skeleton(properties.get(name), root, depth - 1) for name in names}
