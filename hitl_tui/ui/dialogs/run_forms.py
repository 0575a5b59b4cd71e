"""The forms of a new run: the input by its schema, and what a run is given beside its input."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Vertical
from textual.widget import Widget

from hitl_tui import canonical_json
from hitl_tui.model import Agent, Json
from hitl_tui.ui.dialogs.fields import ABSENT, Field, FieldKind, fields_of, filled_in, is_form
from hitl_tui.ui.dialogs.form import Form

ASSISTANT = "assistant:"
LIMITS = "limits:"
"""Names of fields of the context's form; no field of a schema has a name like these."""


class RunForm(Vertical):
    """A form that is made anew for each agent."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.fields: tuple[Field, ...] = ()

    def put(self, fields: Sequence[Field], blank: Sequence[str], kept: str) -> None:
        """Make the form, as it was typed if that fits: `kept` is `typed` of an earlier time, or empty."""
        self.fields = tuple(fields)
        typed = canonical_json.loads(kept) if kept else blank
        self.remove_children()
        if fields:
            self.mount(Form(self.fields, typed if len(typed) == len(blank) else blank, sends=True))

    @property
    def typed(self) -> str:
        """What the fields say, as a JSON list of texts."""
        return canonical_json.dumps(self._texts)

    @property
    def first_editor(self) -> Widget | None:
        """What takes the focus; None without a form."""
        return next((form.editor(0) for form in self.query(Form) if form.is_attached), None)

    def value(self) -> Json:
        """What the filled in fields make together.

        Raises:
            Refused: what is typed is not of its field's type.
        """
        return filled_in(self.fields, self._texts, ABSENT)

    @property
    def _texts(self) -> list[str]:
        return next((form.texts for form in self.query(Form)), [])


class InputForm(RunForm):
    """The input of an agent, by its schema."""

    def show(self, schema: Json, task: str, kept: str) -> None:
        """Make the form with the schema's defaults, none without a schema; `task` goes into the first field that takes text."""
        fields = () if schema is None else fields_of(schema, ABSENT)
        blank = [field.write(field.schema.get("default", ABSENT)) for field in fields]
        first = next((place for place, field in enumerate(fields) if field.kind is FieldKind.TEXT), None)
        if task and first is not None:
            blank[first] = task
        self.put(fields, blank, kept)


class ContextForm(RunForm):
    """What a run is given beside its input: an assistant to start from, the values of its context, and its limits."""

    def show(self, agent: Agent, assistants: Sequence[str], kept: str) -> None:
        """Make the form; `assistants` are the names that the agent has."""
        choice = Field((ASSISTANT,), FieldKind.CHOICE, {}, False, ABSENT, tuple(assistants), title="assistant to start from")
        fields = fields_of(agent.context_schema, ABSENT) if is_form(agent.context_schema) else ()
        about = "a call outside asks a person, like count(refund) <= 2; several with ;"
        limits = Field((LIMITS,), FieldKind.TEXT, {"type": "string", "description": about}, False, ABSENT, title="limits")
        shown = (*([choice] if assistants else []), *fields, limits)
        self.put(shown, [""] * len(shown), kept)

    @property
    def leads_to(self) -> str:
        """What the key to it is called."""
        return "context" if len(self.fields) > 1 else "limits"

    def entered(self) -> tuple[str | None, Json, tuple[str, ...]]:
        """The assistant to start from, the values of the context that were filled in, None for what was not; and the limits.

        Raises:
            Refused: what is typed is not of its field's type.
        """
        filled = self.value() if self.fields else {}
        assert isinstance(filled, dict)
        assistant, limits = filled.pop(ASSISTANT, None), filled.pop(LIMITS, None) or ""
        return assistant, filled or None, tuple(filter(None, map(str.strip, limits.split(";"))))
