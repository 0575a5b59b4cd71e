"""Library for graph authors: confidence routing, escalation to a person, review of drafts, previews of calls, and lessons for prompts.

Needs only LangGraph, not the console: every question is an ordinary `interrupt()` with plain JSON, which any program can answer with
`Command(resume=…)`. Each function documents its answers.
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
from hitl_tui.previews import REGISTRY, USUAL_S, PreviewDifference, PreviewFunction, PreviewTable

if TYPE_CHECKING:
    from langgraph.store.base import BaseStore

__all__ = [
    "Confidence", "PreviewDifference", "PreviewTable", "Reviewed", "Route", "alessons", "arefine", "confidence_router", "draft", "escalate",
    "extract_confidence", "lessons", "preview", "refine", "tool_lessons",
]  # fmt: skip

Route: TypeAlias = Literal["auto", "approve", "takeover"]
Content: TypeAlias = str | dict[str, Any]
"""A draft: a text, or a dict of arguments."""

AGENTS = ("ai", "assistant", "AIMessageChunk")
"""Types and roles of an agent's own messages."""


# Confidence


def extract_confidence(message: Any, order: Sequence[ConfidenceSource] = DEFAULT_ORDER) -> Confidence:
    """Return the agent's confidence by the first source of the order that gives any value; of several tool calls the lowest. Never raises.

    `message` is an `AIMessage`, a message as a dict, an agent's structured answer, or its text. Messages by others have no confidence.

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
    """Make a function for `add_conditional_edges` that routes by confidence: to `"auto"`, `"approve"` or `"takeover"`.

    At `auto` or above the agent goes on by itself, at `approve` or above a person approves, below that a person takes over. Unknown
    confidence goes to `unknown`, and never counts as high. The confidence is read from the state's last message, or from the state's
    `key`: a number from 0 to 1, a text like "85 %", or anything `extract_confidence` reads.

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
        raise ValueError(f"approve is {approve:g} and auto is {auto:g}, so that nothing would ever be asked; approve must be at most auto")
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


# Escalation


def escalate(
    reason: str, *, to: str = "", question: Json = None, context: Json = None, may_decline: bool = True, response_schema: Any = None
) -> Any:
    """Ask a person for help, and return their answer: text or JSON, or None if nobody can help.

    The node runs again from its top when the answer arrives, as after any `interrupt()`.

    Args:
        reason: why a person is needed, as a sentence.
        to: a group or a person; empty for anybody.
        question: the question to answer.
        context: what the person needs to know and is not in the conversation.
        may_decline: the person may say that nobody can help.
        response_schema: the form of an answer, as for `interrupt()`.

        def stuck(state):
            answer = escalate("the order is in no system I can see", to="warehouse", question="Where is order 9912?")
            return {"messages": [AIMessage(answer or "Nobody knows where your order is; we will call you.")]}

    Programs answer with `Command(resume="It is in Kiel")`, or with `Command(resume={interrupt_id: None})` if nobody can help.

    Raises:
        ValueError: there is no reason.
    """
    from langgraph.types import interrupt

    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("an escalation needs a reason; say in a sentence why a person is needed")
    asked = {"reason": reason, "to": to, "question": canonical_json.as_json(question), "context": canonical_json.as_json(context)}
    payload = {"type": "escalation", **{name: value for name, value in asked.items() if value not in (None, "")}}
    return interrupt({**payload, "answers": ["respond", *(["decline"] if may_decline else [])]}, response_schema=response_schema)


# Drafts


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A person's answer to a draft."""

    accepted: bool
    """False if the draft is sent back for revision."""
    draft: Any
    """The draft as the person left it: final if accepted."""
    note: str = ""
    """What to revise."""


def draft(content: Content, *, note: str = "", instructions: str = "", key: str = "draft") -> Reviewed:
    """Show a draft, a text or a dict of arguments, to a person who accepts it, edits it, or sends it back for revision.

    `note` is what the agent says about this version, `instructions` what the person should look at. Versions with the same `key` are
    compared with each other, so that the person sees what changed.

        def review(state):
            found = draft(state["text"], note="shorter, as you asked", key="announcement")
            return {"text": found.draft, "note": found.note, "accepted": found.accepted}

    Programs answer with `Command(resume={"type": "accept"})`, with an edited draft under `draft`, or with
    `Command(resume={"type": "revise", "note": "shorter", "draft": …})`. `True` accepts, and a text is the note of a revision. Any other
    answer is asked for again, and never counts as acceptance.

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
        answer = _read(interrupt({**payload, "problem": "the last answer was neither an acceptance nor a note for a revision"}), shown)
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
    """Revise a draft until a person accepts it, and return what they accepted.

    `revise(draft, note)` returns the next version of the draft as the person left it. It runs once per revision: LangGraph keeps its
    result, although the node runs again from its top after each answer. For the same reason, write the first draft in an earlier node.

        def revise_text(state):
            return {"text": refine(state["text"], lambda text, note: model.invoke(f"{note}\\n\\n{text}").text, key="announcement")}
    """
    once = _kept(revise)
    found = draft(content, note=note, instructions=instructions, key=key)
    while not found.accepted:
        content = once(found.draft, found.note).result()
        found = draft(content, note=f"revised: {found.note}" if found.note else "", instructions=instructions, key=key)
    return found.draft


async def arefine(
    content: Content, revise: Callable[[Any, str], Awaitable[Content]], *, note: str = "", instructions: str = "", key: str = "draft"
) -> Any:
    """`refine` for an `async def` node, whose `revise` is `async` too.

    async def revise_text(state):
        return {"text": await arefine(state["text"], rewrite, key="announcement")}
    """
    once = _kept(revise)
    found = draft(content, note=note, instructions=instructions, key=key)
    while not found.accepted:
        content = await once(found.draft, found.note)
        found = draft(content, note=f"revised: {found.note}" if found.note else "", instructions=instructions, key=key)
    return found.draft


def _kept(revise: Callable[[Any, str], Any]) -> Any:
    """Wrap `revise` as a LangGraph task, whose result is stored before the next question and reused when the node runs again."""
    from langgraph.func import task

    as_task: Any = task(name="revise")
    return as_task(revise)


# Previews


def preview(tool: Any, function: PreviewFunction, *, agent: str = "", timeout_s: float = USUAL_S) -> None:
    """Show reviewers what a call of a tool would do: the worker calls the function when a call waits, and shows what it returns.

    The function gets the call's arguments, and the run's configuration if it takes a second argument or one named `config`. It returns a
    text, a `PreviewTable` or a `PreviewDifference`; it may be `async`. It must change nothing: it also runs for calls that are rejected.
    It runs once a person is asked, in a thread of its own, and not again where arguments are edited. What it shows counts as the agent's
    words, and is cut to 20,000 characters or 100 rows. A preview that fails or takes too long says so in the review.

    Args:
        tool: a LangChain tool, or its name.
        function: makes the preview.
        agent: only for calls of this agent, by its name in `langgraph.json`; empty for every agent of the project.
        timeout_s: seconds that it may take, at most 60.

        def rows(args, config):
            with rolled_back(config) as db:
                return PreviewTable(["id", "name"], db.execute(f"{args['sql']} RETURNING id, name").fetchall())

        preview(execute, rows)

    Raises:
        ValueError: it is no tool, no function, or no time limit.
    """
    REGISTRY.add(tool if isinstance(tool, str) else getattr(tool, "name", ""), function, agent, timeout_s)


# Lessons

PAGE = 100


def lessons(store: BaseStore | None, agent: str, tool: str | None = None) -> str:
    """Return the accepted lessons for an agent, or for one of its tools, as a block of text for its prompt; empty if there are none.

    `store` is LangGraph's store, which the console keeps filled while it runs the agent: `get_store()` or `runtime.store` in a node.
    `agent` is the agent's name in `langgraph.json`. A graph that runs without a store has no lessons.

        def write(state, runtime):
            system = f"{PROMPT}\\n\\n{lessons(runtime.store, 'mail_assistant')}"
            return {"messages": [model.invoke([SystemMessage(system), *state["messages"]])]}

    In `async` code, await `alessons` instead: LangGraph's asynchronous stores cannot be used synchronously there.
    """
    found: list[Any] = []
    while store is not None:
        page = store.search(lessons_namespace(agent), limit=PAGE, offset=len(found))
        found += page
        if len(page) < PAGE:
            break
    return _block(found, agent, tool)


async def alessons(store: BaseStore | None, agent: str, tool: str | None = None) -> str:
    """`lessons` for `async` code, such as middleware that sets the prompt of an agent made by `create_agent`.

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


def tool_lessons(store: BaseStore | None, agent: str, tools: Sequence[Any]) -> list[Any]:
    """Return the tools with the accepted lessons about each at the end of its description, where models read how to call it.

    `tools` are LangChain's, as `@tool` makes them; they are copied, and those without a lesson are returned as they are. For a node, or
    middleware that sets the tools of each model call:

        def call_model(state, runtime):
            tools = tool_lessons(runtime.store, "mail_assistant", TOOLS)
            return {"messages": [model.bind_tools(tools).invoke(state["messages"])]}
    """
    found = []
    for tool in tools:
        said = lessons(store, agent, tool.name)
        found.append(tool.model_copy(update={"description": f"{tool.description}\n\n{said}"}) if said else tool)
    return found


def _block(found: Sequence[Any], agent: str, tool: str | None) -> str:
    """One line per lesson, oldest first. A store's search also returns items of longer namespaces, which are dropped here."""
    own = [item for item in found if item.namespace == lessons_namespace(agent) and isinstance(item.value.get("text"), str)]
    wanted = [item for item in own if tool in (None, item.value.get("tool"))]
    ordered = sorted(wanted, key=lambda item: (item.value.get("accepted_at") or 0.0, item.key))
    lines = [f"- {' '.join(item.value['text'].splitlines())}" for item in ordered]
    return "\n".join(["What reviewers have taught:", *lines]) if lines else ""
