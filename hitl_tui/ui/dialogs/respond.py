"""Answer a question, or answer instead of a tool: with a choice, a form, text or JSON, as the request allows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static, TextArea

from hitl_tui import canonical_json, free_questions, validation
from hitl_tui.argument_text import name_line
from hitl_tui.errors import HitlError, Refused
from hitl_tui.model import Action, Answer, DecisionKind, Json, PauseKind
from hitl_tui.sanitize import one_line
from hitl_tui.ui.dialogs.base import AnswerScreen, question
from hitl_tui.ui.dialogs.choice_list import ChoiceList
from hitl_tui.ui.dialogs.fields import ABSENT, Field, FieldKind, fields_of, filled_in, is_form
from hitl_tui.ui.dialogs.form import Form, FormChanged, FormSent
from hitl_tui.ui.dialogs.text_areas import SendArea
from hitl_tui.ui.text import labels

SENDS = {
    "choices": [("1-9", "pick"), ("enter", "answer")],
    "form": [("enter", "next, answer"), ("ctrl+s", "answer"), ("ctrl+e", "$EDITOR")],
    "text": [("enter", "answer"), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR")],
    "json": [("enter", "answer"), ("ctrl+j", "new line"), ("ctrl+e", "$EDITOR")],
}
NAMES = {"choices": "choices", "form": "form", "text": "text", "json": "JSON"}
"""Names of the forms of an answer, for the key that shows the next one."""
IS_JSON = "this is sent as a text: ctrl+t to enter it as JSON"
MEANS_NO = frozenset({"no", "n", "nope", "false", "reject", "rejected", "deny", "denied", "cancel", "stop"})
IS_TRUE = "{} goes as a text, which a graph that only tests the answer takes for yes: ctrl+t for false, or enter again"
"""Said before such a word is sent to a graph that does not say what it takes."""


class RespondScreen(AnswerScreen):
    """Returns the answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "mode", "other form", show=False, priority=True),
    ]

    def __init__(self, kind: PauseKind, action: Action, draft: str, place: int | None = None) -> None:
        """`place`: the listed answer that is picked at first, from 0."""
        super().__init__(f"Respond to {action.name}", [])
        self._kind = kind
        self._action = action
        self._kept: dict[str, Json] = canonical_json.loads(draft) if draft else {}
        is_free = kind is PauseKind.QUESTION
        self._questions = free_questions.questions_of(action.args) if is_free and not is_form(action.answer_schema) else ()
        self._labels = [free_questions.label_of(choice) if is_free else _plain(choice) for choice in action.choices]
        self._values = [free_questions.answer_of(choice) if is_free else choice for choice in action.choices]
        self._modes = self._possible_modes()
        self._fields = _fields(self._questions) or (fields_of(action.answer_schema, ABSENT) if "form" in self._modes else ())
        kept = self._kept.get("mode")
        self._mode = kept if kept in self._modes and place is None else self._modes[0]
        self._place = place
        self._warned_of = ""
        """The word that was not sent at once."""
        self.draft = draft

    def body(self) -> Iterable[Widget]:
        yield question(self._action)
        yield Static(Content(self._explanation()), classes="label")
        if "choices" in self._modes:
            yield ChoiceList(self._labels, self._place, id="choices")
        if "form" in self._modes:
            blank = [field.write(field.schema.get("default", ABSENT)) for field in self._fields]
            yield Form(self._fields, self._kept.get("form", blank), id="form", sends=True)
        yield SendArea(self._kept.get("text", ""), id="text", placeholder="your answer; enter sends it")
        if "json" in self._modes:
            yield SendArea(self._kept.get("json", ""), id="json", line_numbers=True)

    def field(self) -> Widget | None:
        chosen = self.query_one(f"#{self._mode}")
        return self.query_one(Form).editor(0) if self._mode == "form" else chosen

    def on_mount(self) -> None:
        self._show_mode()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._check()

    def on_form_changed(self, message: FormChanged) -> None:
        self._check()

    async def on_send_area_sent(self, message: SendArea.Sent) -> None:
        await self.action_submit()

    async def on_form_sent(self, message: FormSent) -> None:
        await self.action_submit()

    async def on_choice_list_picked(self, message: ChoiceList.Picked) -> None:
        self._check()
        if message.sent:
            await self.action_submit()

    def action_mode(self) -> None:
        word = self._no_as_text()
        self._mode = self._modes[(self._modes.index(self._mode) + 1) % len(self._modes)]
        if word and self._mode == "json" and not self.query_one("#json", SendArea).text:
            self.query_one("#json", SendArea).text = "false"
        self._show_mode()

    async def action_submit(self) -> None:
        word, answer = self._no_as_text(), self._check(sending=True)
        if answer is None:
            return
        if word and word != self._warned_of:
            self._warned_of = word
            self.complain(IS_TRUE.format(canonical_json.dumps(word)))
        else:
            self.dismiss(answer)

    def _no_as_text(self) -> str:
        """A lone word that means no, typed as the text for a graph that does not say which answers it takes; else empty."""
        is_open = self._kind is PauseKind.QUESTION and self._action.answer_schema is None and not self._action.choices
        text = self.query_one("#text", SendArea).text.strip() if is_open and self._mode == "text" else ""
        return text if text.casefold() in MEANS_NO else ""

    def _possible_modes(self) -> list[str]:
        if self._kind.is_tool_call:
            return ["text"]
        schema = self._action.answer_schema
        modes = ["choices"] if self._action.choices else []
        modes += ["form"] if self._questions or is_form(schema) else []
        text_fits = not isinstance(schema, dict) or schema.get("type") in (None, "string")
        return [*modes, "text", "json"] if text_fits else [*modes, "json", "text"]

    def _explanation(self) -> str:
        means = labels.meaning(self._action, DecisionKind.RESPOND)
        if means:
            return f"It {one_line(means)}."
        if self._kind.is_tool_call:
            return f"{name_line(self._action.name, 60)} does not run; the agent reads this as its result."
        return "The graph continues with this answer."

    def _show_mode(self) -> None:
        for mode in self._modes:
            self.query_one(f"#{mode}").display = mode == self._mode
        self.set_focus(self.field())
        following = self._modes[(self._modes.index(self._mode) + 1) % len(self._modes)]
        other = [("ctrl+t", NAMES[following])] if len(self._modes) > 1 else []
        self.rekey([*SENDS[self._mode], *other, ("esc", "back")])
        self._check()

    def _check(self, sending: bool = False) -> Answer | None:
        self._keep()
        try:
            answer = self._read_answer()
            if answer is not None:
                validation.check(self._kind, self._action, answer)
        except HitlError as error:
            self.complain(error.happened if sending or not self._blank() else "")
            return None
        self.complain("there is no answer yet" if sending and answer is None else IS_JSON if self._is_text_with_json() else "")
        return answer

    def _is_text_with_json(self) -> bool:
        """Whether an object or a list was typed as a text: most graphs that want one fail on a text."""
        text = self.query_one("#text", SendArea).text.strip() if self._mode == "text" and "json" in self._modes else ""
        if not text.startswith(("{", "[")):
            return False
        with contextlib.suppress(HitlError):
            canonical_json.loads(text)
            return True
        return False

    def _read_answer(self) -> Answer | None:
        """The present answer; None without one."""
        match self._mode:
            case "choices":
                picked = self.query_one("#choices", ChoiceList).picked
                return None if picked is None else _as_answer(self._values[picked])
            case "form" if self._questions:
                said = zip(self._questions, self.query_one(Form).texts, strict=True)
                texts = [canonical_json.loads(text) if question.choices and text else text for question, text in said]
                return Answer(DecisionKind.RESPOND, args=free_questions.answers_to(self._questions, texts))
            case "form":
                return Answer(DecisionKind.RESPOND, args=filled_in(self._fields, self.query_one(Form).texts, ABSENT))
            case "json":
                return Answer(DecisionKind.RESPOND, args=canonical_json.loads(self.query_one("#json", SendArea).text, "this"))
            case _:
                text = self.query_one("#text", SendArea).text
                if not text:
                    raise Refused("there is no text yet")
                return Answer(DecisionKind.RESPOND, message=text)

    def _blank(self) -> bool:
        match self._mode:
            case "form":
                return not any(self.query_one(Form).texts)
            case "text" | "json":
                return not self.query_one(f"#{self._mode}", TextArea).text
        return False

    def _keep(self) -> None:
        kept: dict[str, Json] = {"mode": self._mode, "text": self.query_one("#text", SendArea).text}
        if "json" in self._modes:
            kept["json"] = self.query_one("#json", SendArea).text
        if "form" in self._modes:
            kept["form"] = list(self.query_one(Form).texts)
        self.draft = canonical_json.dumps(kept)


def _fields(questions: Sequence[free_questions.Question]) -> tuple[Field, ...]:
    """A field for each of several questions; the values of a choice are its labels."""
    return tuple(
        Field((one.key or str(number),), FieldKind.CHOICE if one.choices else FieldKind.TEXT, {"description": one.text}, bool(one.choices),
              ABSENT, one.labels())
        for number, one in enumerate(questions, 1)
    )  # fmt: skip


def _plain(choice: Json) -> str:
    return choice if isinstance(choice, str) else canonical_json.dumps(choice)


def _as_answer(choice: Json) -> Answer:
    return Answer(DecisionKind.RESPOND, message=choice) if isinstance(choice, str) else Answer(DecisionKind.RESPOND, args=choice)
