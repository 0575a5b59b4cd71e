"""Start a run: choose an agent and enter its task, as text, in a form or as JSON, and its context, if it takes one.

Enter starts the run, whatever the agent takes; in a form it goes on to the next field first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from textual import events, work
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static, TextArea
from textual.widgets.option_list import Option

from hitl_tui import canonical_json, validation
from hitl_tui.errors import HitlError, Refused
from hitl_tui.home import Home
from hitl_tui.inbox import Inbox
from hitl_tui.model import Agent, Assistant, Json, RunOptions
from hitl_tui.sanitize import one_line, visible
from hitl_tui.ui.dialogs.base import TallScreen
from hitl_tui.ui.dialogs.fields import is_form
from hitl_tui.ui.dialogs.form import Form, FormChanged, FormSent
from hitl_tui.ui.dialogs.run_forms import ContextForm, InputForm
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.runtime.errors import reports_errors, sentence, store_errors
from hitl_tui.ui.runtime.worker_pool import WorkerPool, no_worker, own_targets
from hitl_tui.ui.text.lines import BLANK, Line, agent_name, paragraph
from hitl_tui.ui.widgets.border_notes import BelowNote, lines_below
from hitl_tui.ui.widgets.text_view import TextView

KEYS = {
    "text": [("enter", "start"), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR")],
    "form": [("enter", "next, start"), ("ctrl+s", "start"), ("ctrl+e", "$EDITOR")],
    "json": [("enter", "start"), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR")],
}
"""Mode → its keys."""
NAMES = {"text": "as text", "form": "as a form", "json": "as JSON"}
BROKEN_KEYS = [("esc", "back, then R restarts the worker")]

NO_AGENT = "no agent is known here yet: start `hitl-tui worker TARGET`"
PLACEHOLDER = "the task; enter starts the run"
REREAD_S = 0.5

Draft = dict[tuple[int, str, str], str]
"""Typed texts by project, agent and mode; of a form, its texts as a JSON list."""


class AgentList(OptionList):
    """The agents, with the keys of every list."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G", "last", show=False),
    ]

    MOVING_KEYS: ClassVar = frozenset("jkgG")
    """Keys that only move: they act while held, and when several come at once."""

    def __init__(self) -> None:
        super().__init__(id="agents")
        self._below = BelowNote(self, lines_below)

    def on_mount(self) -> None:
        self._below.begin()

    def on_resize(self) -> None:
        self._below.draw()


class NewRunScreen(TallScreen[int]):
    """Returns the id of the new run. The agent that this reviewer launched last is selected."""

    WIDTH = 120
    FILLED = "#new-run-panes"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "mode", "text, form or JSON", show=False, priority=True),
        Binding("ctrl+o", "context", "context", show=False, priority=True),
    ]

    def __init__(self, inbox: Inbox, drafts: Draft, pool: WorkerPool, home: Home) -> None:
        super().__init__("New run", KEYS["text"])
        self._inbox = inbox
        self._drafts = drafts
        self._pool, self._home = pool, home
        self._unserved: dict[str, str] = {}
        """Agents that no worker runs, with their project's target."""
        self.held_up = ""
        """Why the run that was started stays queued; empty if a worker takes it."""
        self._is_chosen = False
        """The person has chosen an agent, or typed something for one: the selection stays."""
        self._agents: list[Agent] = []
        self._agent: Agent | None = None
        self._assistants: list[Assistant] = []
        self._shows_context = False
        self._modes = ["text"]
        self._mode = "text"
        self._read = False
        self._last: tuple[int | None, str] | None = None
        """Project and name of the agent that was launched last."""

    def body(self) -> Iterable[Widget]:
        right = Vertical(
            Static(id="agent-about", classes="label"),
            Static(id="agent-note"),
            SendArea(id="text", placeholder=PLACEHOLDER),
            InputForm("input-form"),
            SendArea(id="json", line_numbers=True),
            ContextForm("context-form"),
            TextView(id="agent-error"),
            id="new-run-right",
        )
        yield Horizontal(AgentList(), right, id="new-run-panes")

    @property
    def _input_form(self) -> InputForm:
        return self.query_one(InputForm)

    @property
    def _context_form(self) -> ContextForm:
        return self.query_one(ContextForm)

    def content_rows(self) -> int:
        about = sum(one.outer_size.height for one in self.query("#agent-about, #agent-note") if one.display) + 1
        shown = [one.content_rows for one in self.query(Form) if one.size.height]
        shown += [one.wrapped_document.height for one in self.query("#text, #json").results(TextArea) if one.size.height]
        error = self.query_one("#agent-error", TextView)
        shown += [error.virtual_size.height] if error.size.height else []
        return max(len(self._agents), about + max(shown, default=0))

    async def on_mount(self) -> None:
        await self._read_last()
        await self.reread()
        self.set_interval(REREAD_S, self._again)

    @reports_errors
    async def _read_last(self) -> None:
        run = await self._inbox.runs.last_launched()
        self._last = (run.project, run.agent) if run else None

    def field(self) -> Widget | None:
        """Letters go to the task, or to the first text of a form, also while the list of agents has the focus."""
        if self._agent and self._agent.error:
            return None
        field = self._field() if self._mode == "form" or self._shows_context else self.query_one("#text") if self._mode == "text" else None
        return field if isinstance(field, Input | TextArea) else None

    def take(self, key: events.Key) -> bool:
        """On the list its keys move; other letters go into the text."""
        if self.is_shown and isinstance(self.focused, AgentList) and key.character in AgentList.MOVING_KEYS:
            return False
        return super().take(key)

    @work(group="agents", exclusive=True)
    async def _again(self) -> None:
        with contextlib.suppress(NoMatches):  # the dialog is closed while the rows are read
            await self.reread()

    @reports_errors
    async def reread(self) -> None:
        """Read the agents again; the selected one and the typed texts stay."""
        agents, assistants = await self._inbox.agents.all(), await self._inbox.agents.assistants()
        unserved = await self._inbox.agents.unserved(own_targets(self._pool))
        if (agents, assistants, unserved) == (self._agents, self._assistants, self._unserved) and self._read:
            return
        options, are_first = self.query_one("#agents", OptionList), not self._agents
        self._agents, self._assistants, self._unserved, self._read = agents, assistants, unserved, True
        options.clear_options()
        options.add_options([Option(_prompt(agent, agent.name in unserved)) for agent in agents])
        options.highlighted = place = self._place()
        options.display = len(agents) != 1  # a single agent is no choice: its task gets all the room
        self.query_one("#dialog").border_title = f"New run of {agent_name(agents[0].name)}" if len(agents) == 1 else self._heading
        if place is None:
            self._show(None)
        elif agents[place] == self._agent:
            self._tell()
        else:
            self._show(agents[place])
        if agents:
            self.call_after_refresh(self._focus, are_first)

    def _focus(self, are_first: bool) -> None:
        """Give the focus to the list of agents, or to the task where there is no need to choose.

        Agents may come long after the dialog, and the field that had the focus may have gone. What a person types in keeps the focus.
        """
        options = self.query_one("#agents", OptionList)
        if self.focused is None or not self.focused.display or (are_first and self.focused is options):
            known = self._last is not None and self._agent is not None and self._agent.name == self._last[1]
            typed = self._agent is not None and any(self._kept(mode) for mode in KEYS)
            self.set_focus(self._field() if known or typed or not options.display else options)

    def _place(self) -> int | None:
        """Place of the chosen agent, else of the one launched last, else of the first one that loads; rather of one that a worker runs."""
        if not self._agents:
            return None
        names = [(agent.project, agent.name) for agent in self._agents]
        if self._is_chosen and self._agent and (self._agent.project, self._agent.name) in names:
            return names.index((self._agent.project, self._agent.name))
        order = sorted(range(len(names)), key=lambda place: (names[place] != self._last, place))
        runs = [place for place in order if not self._agents[place].error]
        served = [place for place in runs if self._agents[place].name not in self._unserved]
        return (served or runs or order)[0]

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        agent = self._agents[event.option_index] if event.option_index < len(self._agents) else self._agent
        if agent is not None and agent != self._agent:
            self._is_chosen = True
            self._show(agent)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._field().focus()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if event.text_area.has_focus and self._agent:
            self._is_chosen = True
            self._keep(event.text_area.id or "", event.text_area.text)
            self._check()
            self.fit()

    async def on_form_sent(self, message: FormSent) -> None:
        await self.action_submit()

    def on_form_changed(self, message: FormChanged) -> None:
        self._is_chosen = True
        self._keep("form", self._input_form.typed)
        self._keep("context", self._context_form.typed)
        self._check()
        self.fit()

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    def action_mode(self) -> None:
        if self._agent and not self._agent.error:
            self._mode = self._mode if self._shows_context else self._next_mode
            self._shows_context = False
            self._show_mode()
            self._field().focus()

    def action_context(self) -> None:
        """Go to the fields of the context, or back to the task."""
        if self._agent and not self._agent.error:
            self._shows_context = not self._shows_context
            self._show_mode()
            self._field().focus()

    async def action_submit(self) -> None:
        if self._agent is None:
            self.complain("the agents are still loading; what you type stays" if self._pool.labels else NO_AGENT)
        elif not self._agent.error:
            with self.submitting() as may_begin:
                if may_begin:
                    await self._launch(self._agent)

    async def _launch(self, agent: Agent) -> None:
        try:
            text, given = self._entered()
            assistant, context, limits = self._context_form.entered()
            options = RunOptions(context=context, limits=limits)
            (run,) = await self._inbox.runs.launch(
                agent.name, text=text, given=given, project=agent.project, options=options, assistant=assistant
            )
        except store_errors() as error:
            self.complain(sentence(error))
            return
        for mode in (*KEYS, "context"):
            self._drafts.pop((agent.project, agent.name, mode), None)
        self.held_up = self._no_worker(agent) if agent.name in self._unserved else ""
        self.dismiss(run.id)

    def _no_worker(self, agent: Agent) -> str:
        return no_worker(agent.name, self._unserved[agent.name], self._home.path)

    def _entered(self) -> tuple[str | None, Json]:
        """The task as text, or the input as JSON.

        Raises:
            Refused: there is no task, or what is typed is not of its field's type.
        """
        match self._mode:
            case "text":
                text = self.query_one("#text", SendArea).text
                if not text.strip():
                    raise Refused("enter a task")
                return text, None
            case "form":
                return None, self._input_form.value()
            case _:
                return None, canonical_json.loads(self.query_one("#json", SendArea).text, "this")

    def _show(self, agent: Agent | None) -> None:
        """Show another agent: what it is, and what was typed for it."""
        text, error = self.query_one("#text", SendArea), self.query_one("#agent-error", TextView)
        typed = text.text if self._agent is None else ""
        same = self._agent is not None and agent is not None and (self._agent.project, self._agent.name) == (agent.project, agent.name)
        self._agent = agent
        self._tell()
        if agent is None:
            self.query_one("#agent-about", Static).update(Content.styled(*self._loading()))
            self._show_mode()
            return
        self._modes = _modes(agent)
        if not same or self._mode not in self._modes:
            self._mode = self._modes[0]
        about = agent.description or ("it cannot be loaded" if agent.error else "no description")
        self.query_one("#agent-about", Static).update(Content(visible(about)))
        error.show(_failure(agent) if agent.error else ())
        if typed:
            self._drafts.setdefault((agent.project, agent.name, "text"), typed)
        _put(text, self._kept("text"))
        task = "" if agent.takes_text else self._kept("text").strip()  # typed before it was known what the agent takes
        start = skeleton(agent.input_schema)
        _put(self.query_one("#json", SendArea), self._kept("json") or canonical_json.dumps(_with_text(start, task), indent=2))
        self._input_form.show(agent.input_schema if "form" in self._modes else None, task, self._kept("form"))
        self._context_form.show(agent, [one.name for one in self._assistants if one.agent == agent.name], self._kept("context"))
        self._show_mode()

    def _loading(self) -> tuple[str, str]:
        """What is said while no agent is known, and its style."""
        labels = ", ".join(one_line(label, 40) for label in self._pool.labels)
        return (f"◌ loading the agents of {labels} …", "$text-muted") if labels else (NO_AGENT, "$text-warning")

    def _tell(self) -> None:
        """Say how a worker of the agent is started, where none runs it."""
        note = self.query_one("#agent-note", Static)
        note.display = self._agent is not None and self._agent.name in self._unserved
        if self._agent is not None and note.display:
            note.update(Content.styled(f"○ {self._no_worker(self._agent)}", "$text-warning"))
        self.fit()

    def _show_mode(self) -> None:
        agent = self._agent
        broken = agent is not None and bool(agent.error)
        for mode, id_ in (("text", "#text"), ("form", "#input-form"), ("json", "#json")):
            self.query_one(id_).display = not broken and self._mode == mode and not self._shows_context
        self.query_one("#context-form").display = not broken and self._shows_context
        self.query_one("#agent-error").display = broken
        other = [("ctrl+t", NAMES[self._next_mode])] if len(self._modes) > 1 else []
        tab = [("tab", "switch")] if len(self._agents) > 1 or self._mode == "form" else []
        if self._shows_context:
            self.rekey([*KEYS["form"], ("ctrl+o", "the task"), *tab, ("esc", "back")])
        else:
            start, *more = KEYS[self._mode]
            beside = [("ctrl+o", self._context_form.leads_to)] if self._context_form.fields else []
            keys = [start, *beside, *more, *other, *tab, ("esc", "back")]
            self.rekey([*([("↑ ↓", "agents")] if len(self._agents) > 1 else []), *BROKEN_KEYS] if broken else keys)
        self._check()
        self.fit()

    @property
    def _next_mode(self) -> str:
        return self._modes[(self._modes.index(self._mode) + 1) % len(self._modes)]

    def _check(self) -> None:
        """Say what is wrong with the input so far."""
        problem = ""
        if self._agent is None:
            self.complain("")
            return
        if not self._agent.error and self._mode == "json":
            try:
                problem = validation.schema_problem(self._entered()[1], self._agent.input_schema)
            except HitlError as error:
                problem = error.happened
        self.complain(problem)

    def _keep(self, mode: str, text: str) -> None:
        if self._agent:
            self._drafts[self._agent.project, self._agent.name, mode] = text

    def _kept(self, mode: str) -> str:
        return self._drafts.get((self._agent.project, self._agent.name, mode), "") if self._agent else ""

    def _field(self) -> Widget:
        if self._agent and self._agent.error:
            return self.query_one("#agent-error")
        if self._shows_context or self._mode == "form":
            return (self._context_form if self._shows_context else self._input_form).first_editor or self.query_one("#agents")
        return self.query_one(f"#{self._mode}")


def _modes(agent: Agent) -> list[str]:
    """How the agent's input may be entered, the plainest way first."""
    schema = agent.input_schema
    names = set(schema["properties"]) - {"messages"} if isinstance(schema, dict) and is_form(schema) else set()
    return [*(["text"] if agent.takes_text else []), *(["form"] if names else []), "json"]


def _put(area: TextArea, text: str) -> None:
    if area.text != text:  # setting the same text would move the cursor
        area.text = text
        area.move_cursor(area.document.end)


def _prompt(agent: Agent, is_unserved: bool) -> Content:
    name = one_line(agent.name)  # a long one wraps: cut off, it could be taken for another
    if agent.error or is_unserved:
        return Content.styled(f"{'✗' if agent.error else '○'} {name}", "$text-muted")
    return Content(name)


def _failure(agent: Agent) -> Iterator[Line]:
    yield from paragraph(agent.error, "error", "✗", 2, "error", agent=True)
    yield BLANK
    yield from paragraph(agent.traceback, "muted", agent=True)


def _with_text(value: Json, text: str) -> Json:
    """A value with a text in place of the first empty one."""
    if value == "":
        return text
    if isinstance(value, dict) and (name := next((name for name, item in value.items() if item == ""), None)) is not None:
        return {**value, name: text}
    return value


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
