"""The kinds of pause: to add one, add it to `PauseKind` here, with how it behaves; also a pause itself and its context.

`agents/interrupt_payloads.py` recognises a kind and answers it, `ui/text/labels.py` names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hitl_tui.model.actions import Action
from hitl_tui.model.values import Json


class PauseKind(StrEnum):
    """The forms in which a graph asks (CONTRACT 1.1). A new kind asks a person and is no tool call, unless a property below says so."""

    TOOL_CALLS = "tool_calls"
    """LangChain's HITL middleware, batched: one interrupt, one action per gated call."""
    TOOL_APPROVAL = "tool_approval"
    """LangChain's HITL middleware, per_call: one interrupt for one call."""
    TOOL_GATE = "tool_gate"
    """A static gate before a node that runs the tool calls of the last message."""
    GATE = "gate"
    """Any other static gate, before or after a node."""
    FRONTEND_TOOLS = "frontend_tools"
    """Tool calls with which the agent ended and which no node runs: a person gives their results."""
    AGENT_INBOX = "agent_inbox"
    """The agent-inbox schema: `action_request` and `config`."""
    MCP_ELICITATION = "mcp_elicitation"
    """What an MCP server asks before it finishes a tool call, by `langchain.mcp`: one action per question."""
    ESCALATION = "escalation"
    """`hitl_tui.patterns.escalate`: the agent asks for a person."""
    DRAFT = "draft"
    """`hitl_tui.patterns.draft`: a text that is revised until somebody accepts it."""
    FAILURE = "failure"
    """A failed run whose error the policy escalates; no graph waits for the answer."""
    QUESTION = "question"
    """Any other interrupt value."""

    @property
    def is_tool_call(self) -> bool:
        """Whether its actions are an agent's tool calls: edits are objects, and a response is the tool's result, as text."""
        return self in (*_CALLS, PauseKind.AGENT_INBOX)

    @property
    def has_tool_results(self) -> bool:
        """Whether its actions are tool calls of the conversation, so that a result in the state shows that the call ran."""
        return self in _CALLS

    @property
    def is_revisable(self) -> bool:
        """Whether the agent reads the reason of a rejection, so that it can revise the action."""
        return self in (*_CALLS, PauseKind.DRAFT)

    @property
    def asks_person(self) -> bool:
        """Whether its graph asks a person about something other than a tool call: policy answers that only by a template."""
        return not self.is_tool_call and self is not PauseKind.FAILURE

    @property
    def acts_on_any_answer(self) -> bool:
        """Whether any answer but a rejection may have an effect, because the graph decides what it does with it."""
        return self in (PauseKind.QUESTION, PauseKind.MCP_ELICITATION, PauseKind.ESCALATION)


_CALLS = (PauseKind.TOOL_CALLS, PauseKind.TOOL_APPROVAL, PauseKind.TOOL_GATE, PauseKind.FRONTEND_TOOLS)
"""Kinds whose actions are tool calls of the conversation."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, as a person reads it."""

    role: str
    """`user`, `agent`, `tool`, `system`, or the message type LangChain gives."""
    text: str
    name: str = ""
    """The tool's or speaker's name."""
    calls: tuple[tuple[str, Json], ...] = ()
    """Tool calls the message makes: name and arguments."""
    failed: bool = False
    """A tool result that reports an error."""
    media: int = 0
    """Images and files in it; the text has a label for each."""

    def as_json(self) -> Json:
        """The message for scripts."""
        calls = [{"name": name, "args": args} for name, args in self.calls]
        return {
            "role": self.role,
            "text": self.text,
            "name": self.name,
            "calls": calls,
            "failed": self.failed,
            **({"media": self.media} if self.media else {}),
        }


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier tool call of the agent, and its result."""

    name: str
    args: Json
    result: str | None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """The context of a pause: what a reviewer needs to know besides the action."""

    conversation: tuple[Message, ...] = ()
    reasoning: str = ""
    """What the agent said right before the pause."""
    attempts: tuple[Attempt, ...] = ()
    error: str = ""
    """An earlier error; empty if there was none."""
    state: Json = None
    """The graph's state without its messages."""
    before: tuple[str, ...] = ()
    """Nodes that lead here."""
    after: tuple[str, ...] = ()
    """Nodes that may come next."""
    model: str = ""
    """Name of the model of the last message, as the message gives it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One thing that a graph waits for, in a form that is the same for all kinds: the content of a review."""

    interrupt: str
    """LangGraph's interrupt id; `gate:<checkpoint id>` for a static gate, `end:<checkpoint id>` for calls of front-end tools."""
    kind: PauseKind
    node: str
    path: tuple[str, ...]
    """Names of the subgraphs around the node, outermost first."""
    value: Json
    """The raw value, JSON-safe."""
    actions: tuple[Action, ...]
    context: Context
    confidence: float | None = None
    risk: str | None = None
    note: str = ""
    """A warning that the reviewer must see, such as that this may have run once."""
    caution: str = ""
    """What is doubtful about the message that proposed it, such as that the model was cut off."""
    may_have_run: bool = False
    """Whether it may have run already; `note` says why."""
    repeats: str | None = None
    """At a gate with a call that may have run: the key of the earlier decisions, which an approval reuses."""

    @property
    def warning(self) -> str:
        """All that the reviewer must see before deciding. With a warning, policy decides nothing without a person."""
        return "; ".join(filter(None, [self.note, self.caution]))
