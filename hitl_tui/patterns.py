"""For people who write graphs: how sure an agent is, where that sends it, three ways to ask a person, and what people have taught.

Needs LangGraph only.

Nothing here needs the console. What is asked is an ordinary `interrupt()` with plain JSON, which any program can answer with
`Command(resume=…)`; each function says with what.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from hitl_tui import canonical_json
from hitl_tui.model import Confidence, Json
from hitl_tui.model.lessons import lessons_namespace
from hitl_tui.policy.confidence import DEFAULT_ORDER, UNKNOWN, ConfidenceSource, Signals, assess

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

__all__ = [
    "Confidence", "Reviewed", "Route", "alessons", "arefine", "confidence_router", "draft", "escalate", "extract_confidence", "lessons",
    "refine",
]  # fmt: skip

Route: TypeAlias = Literal["auto", "approve", "takeover"]
Content: TypeAlias = str | dict[str, Any]
"""A draft: a text, or the arguments of something."""

AGENTS = ("ai", "assistant", "AIMessageChunk")
"""Types and roles under which an agent's own messages go."""


# How sure


def extract_confidence(message: Any, order: Sequence[ConfidenceSource] = DEFAULT_ORDER) -> Confidence:
    """How sure the agent is, by the first source of the order that says anything; of several tool calls the least sure. Never raises.

    `message` is an `AIMessage`, a message as a dict, an agent's structured answer, or its text. Other people's messages say nothing.

        >>> extract_confidence("The receipt is attached. Confidence: 0.82").value
        0.82
        >>> extract_confidence({"answer": "yes", "confidence": "85 %"}).value
        0.85
        >>> extract_confidence("I am very sure.").value is None
        True
    """
    if isinstance(message, Confidence):
        return message
    plain = canonical_json.as_json(message)
    if isinstance(plain, str):
        return assess(Signals(message={"content": plain}), order)
    if not isinstance(plain, dict):
        return UNKNOWN
    if "content" not in plain:
        return assess(Signals(call={"args": plain}), order)
    if plain.get("type", plain.get("role", "ai")) not in AGENTS and plain.get("role") not in AGENTS:
        return Confidence(None, "", "the message is not the agent's")
    calls = plain.get("tool_calls")
    found = [assess(Signals(call=call, message=plain), order) for call in (calls if isinstance(calls, list) and calls else [None])]
    return next((one for one in found if one.value is None), None) or min(found, key=lambda one: one.value or 0.0)


def confidence_router(
    auto: float = 0.9,
    approve: float = 0.6,
    *,
    key: str = "",
    unknown: Literal["approve", "takeover"] = "approve",
    order: Sequence[ConfidenceSource] = DEFAULT_ORDER,
) -> Callable[[Any], Route]:
    """Where a state goes by the agent's confidence, for `add_conditional_edges`: `"auto"`, `"approve"` or `"takeover"`.

    From `auto` on it goes on by itself, from `approve` on a person approves it, below a person takes it over. Confidence that is unknown
    is never high: it goes to `unknown`. It is read from the state's last message, or from the state's `key`: a number from 0 to 1, a text
    like "85 %", or anything `extract_confidence` reads.

        >>> route = confidence_router(auto=0.9, approve=0.6, key="confidence")
        >>> [route({"confidence": sure}) for sure in (0.95, "85 %", 0.3, "high", None)]
        ['auto', 'approve', 'takeover', 'approve', 'approve']

        builder.add_conditional_edges("answer", route, {"auto": "send", "approve": "ask", "takeover": "escalate"})

    Raises:
        ValueError: the thresholds are impossible.
    """
    for name, limit in (("auto", auto), ("approve", approve)):
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not math.isfinite(limit) or not 0 <= limit <= 1:
            raise ValueError(f"the threshold {name} is {limit!r}; give a number from 0 to 1")
    if approve > auto:
        raise ValueError(f"approve is {approve:g} and auto is {auto:g}, so that nothing would ever be asked; let approve be at most auto")
    if unknown not in ("approve", "takeover"):
        raise ValueError(f"unknown confidence cannot go to {unknown!r}; give 'approve' or 'takeover'")

    def route(state: Any) -> Route:
        value = _sure(state, key, order).value
        if value is None:
            return unknown
        return "auto" if value >= auto else "approve" if value >= approve else "takeover"

    return route


def _sure(state: Any, key: str, order: Sequence[ConfidenceSource]) -> Confidence:
    found = _part(state, key or "messages")
    if key and (found is None or isinstance(found, bool | int | float | str)):
        said = assess(Signals(state={key: canonical_json.as_json(found)}, state_key=key), [ConfidenceSource.STATE])
    elif key:
        said = extract_confidence(found, order)
    else:
        listed = state if isinstance(state, list) else found
        said = extract_confidence(listed[-1], order) if isinstance(listed, list | tuple) and listed else UNKNOWN
    value = said.value
    return said if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1 else Confidence()


def _part(state: Any, name: str) -> Any:
    return state.get(name) if isinstance(state, Mapping) else getattr(state, name, None)


# Asking for help


def escalate(
    reason: str, *, to: str = "", question: Json = None, context: Json = None, may_decline: bool = True, response_schema: Any = None
) -> Any:
    """Ask a person for what the agent cannot do; what they answered, text or JSON, or None when nobody can help.

    `to` is a group or a person, empty for whoever comes first; `question` is what to answer, and `context` whatever they need to know
    that is not in the conversation. A `response_schema` (as for `interrupt()`) says what an answer must look like. The node runs again from
    its top when the answer comes, as after any `interrupt()`.

        def stuck(state):
            answer = escalate("the order is in no system I can see", to="warehouse", question="Where is order 9912?")
            return {"messages": [AIMessage(answer or "Nobody knows where your order is; we will call you.")]}

    Answered from a program by `Command(resume="It is in Kiel")`, and `Command(resume={interrupt_id: None})` when nobody can help.

    Raises:
        ValueError: there is no reason.
    """
    from langgraph.types import interrupt

    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("an escalation needs a reason; say in a sentence why a person is needed")
    asked = {"reason": reason, "to": to, "question": canonical_json.as_json(question), "context": canonical_json.as_json(context)}
    payload = {"type": "escalation", **{name: value for name, value in asked.items() if value not in (None, "")}}
    return interrupt({**payload, "answers": ["respond", *(["decline"] if may_decline else [])]}, response_schema=response_schema)


# Drafts that go to and fro


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person made of a draft."""

    accepted: bool
    """False when another pass is wanted."""
    draft: Any
    """The draft as the person left it: final when accepted."""
    note: str = ""
    """What the next pass shall do."""


def draft(content: Content, *, note: str = "", instructions: str = "", key: str = "draft") -> Reviewed:
    """Show a draft, a text or a dict of arguments, to a person who accepts it, changes it, or asks for another pass.

    `note` is what the agent says about this version, `instructions` what the person shall look at. Versions of the same `key` are kept
    together, so that the person sees what changed from one to the next.

        def review(state):
            found = draft(state["text"], note="shorter, as you asked", key="announcement")
            return {"text": found.draft, "note": found.note, "accepted": found.accepted}

    Answered from a program by `Command(resume={"type": "accept"})`, with the draft to accept in place of this one under `draft`, or by
    `Command(resume={"type": "revise", "note": "shorter", "draft": …})`. `True` accepts, and a text is the note of another pass. Anything
    else is asked again: an answer that fits nothing never counts as an acceptance.

    Raises:
        ValueError: the draft is neither a text nor a dict, or has no key.
    """
    from langgraph.types import interrupt

    if not isinstance(content, str | dict):
        raise ValueError(f"a draft is a text or a dict of arguments, and not a {type(content).__name__}")
    if not isinstance(key, str) or not key:
        raise ValueError("a draft needs a key; give it a name, like 'reply'")
    shown: Content = content if isinstance(content, str) else canonical_json.as_json(content)
    payload = {"type": "draft", "key": key, "draft": shown, "answers": ["accept", "revise"], "note": note, "instructions": instructions}
    answer = _read(interrupt(payload), shown)
    while answer is None:
        answer = _read(interrupt({**payload, "problem": "the last answer was neither an acceptance nor a note for another pass"}), shown)
    return answer


def _read(answer: Any, shown: Content) -> Reviewed | None:
    if answer is True:
        return Reviewed(True, shown)
    if isinstance(answer, str) and answer.strip():
        return Reviewed(False, shown, answer)
    if not isinstance(answer, dict) or answer.get("type") not in ("accept", "revise"):
        return None
    left, note = answer.get("draft", shown), answer.get("note", "")
    if not isinstance(left, str if isinstance(shown, str) else dict) or not isinstance(note, str):
        return None
    return Reviewed(answer["type"] == "accept", left, note)


def refine(content: Content, revise: Callable[[Any, str], Content], *, note: str = "", instructions: str = "", key: str = "draft") -> Any:
    """Let a draft go to and fro until a person accepts it; the text or arguments they accepted.

    `revise(draft, note)` makes the next version of the draft as the person left it. It runs once for each pass: LangGraph keeps its result,
    though the node runs again from its top whenever the person has answered. Write the first draft in a node before this one, for the
    same reason.

        def polish(state):
            return {"text": refine(state["text"], lambda text, note: model.invoke(f"{note}\\n\\n{text}").text, key="announcement")}
    """
    once = _kept(revise)
    found = draft(content, note=note, instructions=instructions, key=key)
    while not found.accepted:
        content = once(found.draft, found.note).result()
        found = draft(content, note=f"another pass: {found.note}" if found.note else "", instructions=instructions, key=key)
    return found.draft


async def arefine(
    content: Content, revise: Callable[[Any, str], Awaitable[Content]], *, note: str = "", instructions: str = "", key: str = "draft"
) -> Any:
    """`refine` for an `async def` node, whose `revise` is `async` too.

    async def polish(state):
        return {"text": await arefine(state["text"], rewrite, key="announcement")}
    """
    once = _kept(revise)
    found = draft(content, note=note, instructions=instructions, key=key)
    while not found.accepted:
        content = await once(found.draft, found.note)
        found = draft(content, note=f"another pass: {found.note}" if found.note else "", instructions=instructions, key=key)
    return found.draft


def _kept(revise: Callable[[Any, str], Any]) -> Any:
    """As a LangGraph task: what it made is stored before the next question, and read from there when the node runs again."""
    from langgraph.func import task

    as_task: Any = task(name="revise")
    return as_task(revise)


# What reviewers have taught

PAGE = 100


def lessons(store: BaseStore | None, agent: str, tool: str | None = None) -> str:
    """The lessons that people accepted for an agent, or for one tool of it, as a block of text for its prompt; empty when there are none.

    `store` is LangGraph's, which the console keeps filled while it runs the agent: `get_store()` or `runtime.store` in a node. Under
    `agent` stands the agent's name in `langgraph.json`. A graph that runs without a store has no lessons.

        def write(state, runtime):
            system = f"{PROMPT}\\n\\n{lessons(runtime.store, 'mail_assistant')}"
            return {"messages": [model.invoke([SystemMessage(system), *state["messages"]])]}

    Where code is `async`, await `alessons`: LangGraph's asynchronous stores refuse to be waited for there.
    """
    found: list[Any] = []
    while store is not None:
        page = store.search(lessons_namespace(agent), limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            break
    return _block(found, agent, tool)


async def alessons(store: BaseStore | None, agent: str, tool: str | None = None) -> str:
    """`lessons` for `async` code, like the middleware that gives an agent of `create_agent` its prompt.

    @dynamic_prompt
    async def prompt(request):
        return f"{PROMPT}\\n\\n{await alessons(request.runtime.store, 'mail_assistant')}"

    agent = create_agent(model, tools, middleware=[prompt, review])
    """
    found: list[Any] = []
    while store is not None:
        page = await store.asearch(lessons_namespace(agent), limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            break
    return _block(found, agent, tool)


def _block(found: Sequence[Any], agent: str, tool: str | None) -> str:
    """A line for each, the oldest first; stores also find what is in namespaces whose names only begin so."""
    own = [item for item in found if item.namespace == lessons_namespace(agent) and isinstance(item.value.get("text"), str)]
    wanted = [item for item in own if tool in (None, item.value.get("tool"))]
    ordered = sorted(wanted, key=lambda item: (item.value.get("accepted_at") or 0.0, item.key))
    lines = [f"- {' '.join(item.value['text'].splitlines())}" for item in ordered]
    return "\n".join(["What reviewers have taught:", *lines]) if lines else ""
