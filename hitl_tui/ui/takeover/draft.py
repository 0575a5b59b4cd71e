"""What a person has typed on the takeover screen, and the plan it makes: parsed, checked against the run, and summed up. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json, takeover_plan
from hitl_tui.errors import Refused
from hitl_tui.model import Call, Json, RunHead, TakeoverPlan
from hitl_tui.sanitize import visible


class Intervention(StrEnum):
    """What a person can do as the agent."""

    RESULT = "result"
    REWRITE = "rewrite"
    GUIDANCE = "guidance"
    STATE = "state"
    ANSWER = "answer"
    STOP = "stop"


LABELS = {
    Intervention.RESULT: "write the tool's result",
    Intervention.REWRITE: "rewrite message or calls",
    Intervention.GUIDANCE: "guide the agent and retry",
    Intervention.STATE: "edit the state",
    Intervention.ANSWER: "finish with your answer",
    Intervention.STOP: "stop the run",
}
PARTS = {"state": Intervention.STATE, "text": Intervention.REWRITE, "calls": Intervention.REWRITE}
"""Parts of a plan that can be invalid, and the intervention that edits each."""
PROBES = {
    Intervention.REWRITE: TakeoverPlan(text="x"),
    Intervention.GUIDANCE: TakeoverPlan(guidance="x"),
    Intervention.ANSWER: TakeoverPlan(answer="x"),
}
"""The smallest plan of each intervention, to test whether it is possible."""


@dataclass
class Draft:
    """The texts as typed; they may not be a valid plan yet."""

    head: RunHead
    schema: Json
    """JSON Schema of the graph's state; None if unknown."""
    ended: str = ""
    """State of a run that has ended; empty while it waits."""
    results: dict[str, str] = field(default_factory=dict)
    """By id of the tool call."""
    text: str = ""
    calls: str = ""
    """Tool calls as JSON."""
    guidance: str = ""
    state: str = ""
    """The state as JSON."""
    answer: str = ""

    @classmethod
    def start(cls, head: RunHead, schema: Json, plan: TakeoverPlan, ended: str = "", typed: Mapping[str, str] | None = None) -> Draft:
        """Begin with the run as it is, changed by a saved plan and by texts that were typed but not valid."""
        draft = cls(
            head,
            schema,
            ended,
            dict(plan.results),
            visible(head.text or "") if plan.text is None else plan.text,
            calls_text(head.calls if plan.calls is None else plan.calls),
            plan.guidance,
            canonical_json.dumps(
                {**head.context.state, **plan.state} if isinstance(head.context.state, dict) else head.context.state, indent=2
            ),
            plan.answer or "",
        )
        for name, text in (typed or {}).items():
            if name in PARTS:
                setattr(draft, name, text)
        return draft

    # What is possible

    def unavailable(self, intervention: Intervention) -> str:
        """Why an intervention is not possible here, as a clause; empty if it is."""
        if intervention == Intervention.RESULT and not self.head.calls:
            return "no tool call waits"
        if intervention == Intervention.STATE and not self.has_state:
            return "no state besides messages"
        if intervention == Intervention.STOP and self.ended:
            return f"the run has {self.ended}" if self.ended == "failed" else f"the run is {self.ended}"
        if intervention in PROBES:
            try:
                takeover_plan.validate(PROBES[intervention], self.head, self.schema)
            except Refused as refused:
                return refused.happened
        return ""

    @property
    def has_state(self) -> bool:
        """Whether the state has, or may have, keys besides messages."""
        state = self.head.context.state
        return isinstance(state, dict) and bool(state or _keys(self.schema))

    # Texts

    def write(self, name: str, text: str) -> None:
        """Change a text: `result-0` is the result of the first call, any other name is that of a part."""
        if name.startswith("result-"):
            self.results[self._call_id(name)] = text
        else:
            setattr(self, name, text)

    def read(self, name: str) -> str:
        """A text by its name."""
        return self.results.get(self._call_id(name), "") if name.startswith("result-") else str(getattr(self, name))

    def _call_id(self, name: str) -> str:
        return self.head.calls[int(name.removeprefix("result-"))].id

    # The plan

    def plan(self) -> TakeoverPlan:
        """The plan, checked.

        Raises:
            Refused: a part is invalid, parts contradict each other, or nothing is planned.
        """
        plan = TakeoverPlan(**{name: read() for name, read in self._parts()})
        if plan == TakeoverPlan():
            raise Refused("nothing to hand back yet", "choose one of the six actions, or discard the takeover")
        takeover_plan.validate(plan, self.head, self.schema)
        return plan

    def valid_plan(self) -> TakeoverPlan:
        """The parts that are valid: what the store can hold."""
        return TakeoverPlan(**{name: value for name, read in self._parts() if (value := _or_none(read)) is not None})

    def invalid_texts(self) -> dict[str, str]:
        """The texts of invalid parts, by part."""
        return {name: str(getattr(self, name)) for name in self.problems()}

    def problems(self) -> dict[str, str]:
        """What is wrong, as a clause, by part; empty if every part is valid."""
        found = {}
        for name, read in self._parts():
            try:
                read()
            except Refused as refused:
                found[name] = refused.happened
        return found

    def _parts(self) -> list[tuple[str, Callable[[], Json]]]:
        """Name and parser of every part of a plan."""
        return [
            ("state", self.changed_state),
            ("text", self._changed_text),
            ("calls", self._changed_calls),
            ("results", lambda: {call: text for call, text in self.results.items() if text.strip()}),
            ("guidance", self.guidance.strip),
            ("answer", lambda: self.answer.strip() or None),
        ]

    def edited_state(self) -> Json:
        """The state as typed.

        Raises:
            Refused: it is not JSON.
        """
        return canonical_json.loads(self.state, "the state")

    def changed_state(self) -> dict[str, Json]:
        """Keys of the state that differ, with their new values.

        Raises:
            Refused: it is not JSON, a key is missing or unknown, or a value does not fit the schema.
        """
        if not self.has_state:
            return {}
        before, after = self.head.context.state, self.edited_state()
        if not isinstance(after, dict):
            raise Refused("the state is not an object", 'write it as {"key": value, …}')
        if gone := next((key for key in before if key not in after), None):
            raise Refused(f"the key {gone!r} is missing: a graph's state cannot lose a key", "give it another value, e.g. null")
        new = {key: value for key, value in after.items() if key not in before or _differ(value, before[key])}
        return dict(self._checked(TakeoverPlan(state=new)).state)

    def _changed_text(self) -> str | None:
        return None if self.head.text is None or self.text == visible(self.head.text) else self.text

    def _changed_calls(self) -> tuple[Call, ...] | None:
        """The rewritten calls; None while they are as proposed.

        Raises:
            Refused: they are not JSON, or a call does not fit its tool.
        """
        given = canonical_json.loads(self.calls, "the list of calls")
        if not isinstance(given, list):
            raise Refused("the calls are not a list", 'write them as [{"name": "tool", "args": {…}}, …]')
        if not _differ(given, _as_json(self.head.calls)):
            return None
        return self._checked(takeover_plan.parse({"calls": given})).calls

    def _checked(self, part: TakeoverPlan) -> TakeoverPlan:
        if part != TakeoverPlan():
            takeover_plan.validate(part, self.head, self.schema)
        return part

    # Words

    def progress(self, intervention: Intervention, plan: TakeoverPlan) -> str:
        """What a plan holds of one intervention, in a word or two; empty for nothing."""
        match intervention:
            case Intervention.RESULT:
                return f"{len(plan.results)} of {len(self.head.calls)} answered" if plan.results else ""
            case Intervention.REWRITE:
                return "rewritten" if plan.text is not None or plan.calls is not None else ""
            case Intervention.GUIDANCE:
                return "written" if plan.guidance else ""
            case Intervention.STATE:
                return f"{counted(len(plan.state), 'key')} changed" if plan.state else ""
            case Intervention.ANSWER:
                return "written" if plan.answer else ""
            case _:
                return ""

    def summary(self) -> str:
        """What happens on hand-back, in numbers.

        Raises:
            Refused: it cannot be handed back.
        """
        plan = self.plan()
        return f"{', '.join(_changes(plan, self.head))}; {_outcome(plan, self.head)}"


def _keys(schema: Json) -> set[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) - {"messages"} if isinstance(properties, dict) else set()


def calls_text(calls: tuple[Call, ...]) -> str:
    """Tool calls as the JSON a person edits."""
    return canonical_json.dumps(_as_json(calls), indent=2)


def _as_json(calls: tuple[Call, ...]) -> Json:
    return [{**({"id": call.id} if call.id else {}), "name": call.name, "args": call.args} for call in calls]


def _changes(plan: TakeoverPlan, head: RunHead) -> Iterator[str]:
    if plan.state:
        yield f"{counted(len(plan.state), 'state key')} changed"
    if plan.text is not None:
        yield "the agent's message rewritten"
    if plan.calls is not None:
        yield f"{counted(len(plan.calls), 'call')} instead of {len(head.calls)}"
    if plan.results:
        yield f"{counted(len(plan.results), 'call')} answered by you"
    if plan.guidance:
        yield "guidance written"
    if plan.answer:
        yield "final answer written"


def _outcome(plan: TakeoverPlan, head: RunHead) -> str:
    left = len([call for call in (head.calls if plan.calls is None else plan.calls) if call.id not in plan.results])
    dropped = f"{counted(left, 'open call')} {'does' if left == 1 else 'do'} not run, and " if left else ""
    asked = "asks again before it runs" if left == 1 else "ask again before they run"
    if plan.answer:
        return f"{dropped}the run ends with your answer"
    if plan.guidance:
        return f"{dropped}the agent reads the guidance and tries again"
    return f"{counted(left, 'call')} {asked}" if left else "the agent goes on"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _differ(a: Json, b: Json) -> bool:
    return canonical_json.canonical(a) != canonical_json.canonical(b)


def _or_none(read: Callable[[], Json]) -> Json:
    try:
        return read()
    except Refused:
        return None
