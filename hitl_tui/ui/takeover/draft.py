"""What a person types in the agent's place, and the plan it makes: read, checked against where the run stands, told in numbers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hitl_tui import canonical_json, handback
from hitl_tui.errors import Refused
from hitl_tui.model import Call, HandBack, Head, Json
from hitl_tui.sanitize import visible


class Way(StrEnum):
    """What a person can do in the agent's place."""

    RESULT = "result"
    REWRITE = "rewrite"
    GUIDANCE = "guidance"
    STATE = "state"
    ANSWER = "answer"
    STOP = "stop"


LABELS = {
    Way.RESULT: "answer for the tool",
    Way.REWRITE: "rewrite its message or calls",
    Way.GUIDANCE: "guide it and let it try again",
    Way.STATE: "edit the state",
    Way.ANSWER: "finish with your own answer",
    Way.STOP: "stop the run",
}
CHECKED = {"state": Way.STATE, "text": Way.REWRITE, "calls": Way.REWRITE}
"""Parts that can be wrong by themselves, and the way on which each is written."""
PROBES = {Way.REWRITE: HandBack(text="x"), Way.GUIDANCE: HandBack(guidance="x"), Way.ANSWER: HandBack(answer="x")}
"""The least that each of these ways does, to see whether it can be gone."""


@dataclass
class Draft:
    """What is typed, as it is typed: it need not be a plan yet."""

    head: Head
    schema: Json
    """JSON Schema of the graph's state, where it is known."""
    ended: str = ""
    """How the run has ended; empty while it waits."""
    results: dict[str, str] = field(default_factory=dict)
    """By tool call."""
    text: str = ""
    calls: str = ""
    """The calls as JSON."""
    guidance: str = ""
    state: str = ""
    """The state as JSON."""
    answer: str = ""

    @classmethod
    def of(cls, head: Head, schema: Json, plan: HandBack, ended: str = "", typed: Mapping[str, str] | None = None) -> Draft:
        """The texts to begin with: the run as it stands, over it what was planned before, and over that what was only typed."""
        made = cls(
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
            if name in CHECKED:
                setattr(made, name, text)
        return made

    # What stands in the way

    def closed(self, way: Way) -> str:
        """Why a way cannot be gone here, as a sentence; empty when it can."""
        if way == Way.RESULT and not self.head.calls:
            return "no tool call of the agent waits for a result here"
        if way == Way.STATE and not self.keyed:
            return "this graph keeps no state beside its messages"
        if way == Way.STOP and self.ended:
            return f"the run is {self.ended} already: give it up, and it stays so"
        if way in PROBES:
            try:
                handback.check(PROBES[way], self.head, self.schema)
            except Refused as refused:
                return str(refused)
        return ""

    @property
    def keyed(self) -> bool:
        """Whether the state has keys besides its messages, or may have."""
        state = self.head.context.state
        return isinstance(state, dict) and bool(state or _keys(self.schema))

    # Reading

    def plan(self) -> HandBack:
        """The whole of it, checked.

        Raises:
            Refused: a part cannot be read or breaks its schema, parts contradict each other, or there is nothing yet.
        """
        plan = HandBack(**{name: read() for name, read in self._parts()})
        if plan == HandBack():
            raise Refused("nothing is done in the agent's place yet", "choose one of the six, or give the run up")
        handback.check(plan, self.head, self.schema)
        return plan

    def kept(self) -> HandBack:
        """As much of it as can be read: what a store can hold of it."""
        return HandBack(**{name: value for name, read in self._parts() if (value := _tried(read)) is not None})

    def unread(self) -> dict[str, str]:
        """The texts that are no part of a plan as they are, by part."""
        return {name: str(getattr(self, name)) for name in self.problems()}

    def problems(self) -> dict[str, str]:
        """What is wrong with a part, as a sentence, by its name; only those that have something wrong."""
        found = {}
        for name, read in self._parts():
            try:
                read()
            except Refused as refused:
                found[name] = refused.happened
        return found

    def _parts(self) -> list[tuple[str, Callable[[], Json]]]:
        """The parts of a plan, in its own order."""
        return [
            ("state", self.changed),
            ("text", self._text),
            ("calls", self.calls_now),
            ("results", lambda: {call: text for call, text in self.results.items() if text.strip()}),
            ("guidance", self.guidance.strip),
            ("answer", lambda: self.answer.strip() or None),
        ]

    def edited_state(self) -> Json:
        """The state as it is typed.

        Raises:
            Refused: it is no JSON.
        """
        return canonical_json.loads(self.state, "the state")

    def changed(self) -> dict[str, Json]:
        """New values of those keys of the state that differ.

        Raises:
            Refused: it cannot be read, a key is gone or unknown, or a value breaks the graph's schema.
        """
        if not self.keyed:
            return {}
        before, after = self.head.context.state, self.edited_state()
        if not isinstance(after, dict):
            raise Refused("the state is not an object", 'write it as {"key": value, …}')
        if gone := next((key for key in before if key not in after), None):
            raise Refused(f"the key {gone!r} is missing: a graph's state cannot lose a key", "give it another value, e.g. null")
        new = {key: value for key, value in after.items() if key not in before or _differ(value, before[key])}
        return dict(self._fits(HandBack(state=new)).state)

    def _text(self) -> str | None:
        return None if self.head.text is None or self.text == visible(self.head.text) else self.text

    def calls_now(self) -> tuple[Call, ...] | None:
        """The calls as they are rewritten; None while they are as proposed.

        Raises:
            Refused: they cannot be read, or a call does not fit its tool.
        """
        given = canonical_json.loads(self.calls, "the list of calls")
        if not isinstance(given, list):
            raise Refused("the calls are not a list", 'write them as [{"name": "tool", "args": {…}}, …]')
        if not _differ(given, _written(self.head.calls)):
            return None
        return self._fits(handback.read({"calls": given})).calls

    def _fits(self, part: HandBack) -> HandBack:
        if part != HandBack():
            handback.check(part, self.head, self.schema)
        return part

    # Telling

    def done(self, way: Way, plan: HandBack) -> str:
        """What a plan does by one way, in a word or two; empty when it is nothing."""
        match way:
            case Way.RESULT:
                return f"{len(plan.results)} of {len(self.head.calls)} answered" if plan.results else ""
            case Way.REWRITE:
                return "rewritten" if plan.text is not None or plan.calls is not None else ""
            case Way.GUIDANCE:
                return "written" if plan.guidance else ""
            case Way.STATE:
                return f"{counted(len(plan.state), 'key')} changed" if plan.state else ""
            case Way.ANSWER:
                return "written" if plan.answer else ""
            case _:
                return ""

    def told(self) -> str:
        """What happens on hand back, in numbers.

        Raises:
            Refused: it cannot be handed back as it is.
        """
        plan = self.plan()
        return f"{', '.join(_deeds(plan, self.head))}; {_outcome(plan, self.head)}"


def _keys(schema: Json) -> set[str]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties) - {"messages"} if isinstance(properties, dict) else set()


def calls_text(calls: tuple[Call, ...]) -> str:
    """Tool calls as the JSON a person edits."""
    return canonical_json.dumps(_written(calls), indent=2)


def _written(calls: tuple[Call, ...]) -> Json:
    return [{**({"id": call.id} if call.id else {}), "name": call.name, "args": call.args} for call in calls]


def _deeds(plan: HandBack, head: Head) -> Iterator[str]:
    if plan.state:
        yield f"{counted(len(plan.state), 'state key')} changed"
    if plan.text is not None:
        yield "the agent's message rewritten"
    if plan.calls is not None:
        yield f"{counted(len(plan.calls), 'call')} in the place of {len(head.calls)}"
    if plan.results:
        yield f"{counted(len(plan.results), 'call')} answered by you"
    if plan.guidance:
        yield "guidance written"
    if plan.answer:
        yield "the last word written"


def _outcome(plan: HandBack, head: Head) -> str:
    left = len([call for call in (head.calls if plan.calls is None else plan.calls) if call.id not in plan.results])
    dropped = f"{counted(left, 'open call')} {'does' if left == 1 else 'do'} not run, and " if left else ""
    asked = f"{'is' if left == 1 else 'are'} asked again before {'it runs' if left == 1 else 'they run'}"
    if plan.answer:
        return f"{dropped}the run ends with your answer"
    if plan.guidance:
        return f"{dropped}the agent reads it and tries again"
    return f"{counted(left, 'call')} {asked}" if left else "the agent goes on"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _differ(a: Json, b: Json) -> bool:
    return canonical_json.canonical(a) != canonical_json.canonical(b)


def _tried(read: Callable[[], Json]) -> Json:
    try:
        return read()
    except Refused:
        return None
