"""The last checks before a step or a tool runs: a call that a person refused or has not decided never runs, whatever the graph does, and
nothing runs any more for a worker that has lost the run.

LangChain's middleware evaluates `when` again on resume. If it is false then, the reviewer's answer is ignored and the tool runs as proposed
(CONTRACT 1.5).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from hitl_tui import canonical_json
from hitl_tui.errors import Forbidden, LeaseLost
from hitl_tui.model import BlockedCall, Json


class ToolGuard(BaseCallbackHandler):
    """A callback that stops tool calls, recognised by id and name, right before they run."""

    raise_error = True
    run_inline = True

    def __init__(self, blocked: Iterable[BlockedCall]) -> None:
        self._blocked: dict[tuple[str, str], list[BlockedCall]] = {}
        for one in blocked:
            self._blocked.setdefault((one.tool_call, one.name), []).append(one)
        self._lock = threading.Lock()
        self._started = Counter[str]()
        """How often calls ran that are equal to a blocked one, in canonical form."""
        self._new: set[str | None] = set()

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """Note new calls: some providers number the calls of each message from the start, so a known id may be another call."""
        for generation in (one for several in response.generations for one in several):
            message = generation.message if isinstance(generation, ChatGeneration) else None
            self._new.update(call["id"] for call in (message.tool_calls if isinstance(message, AIMessage) else ()))

    def on_tool_start(
        self, serialized: dict[str, Any] | None, input_str: str, *, inputs: dict[str, Any] | None = None, **more: Any
    ) -> None:
        """Let a call run.

        Raises:
            Forbidden: a person refused it, edited it, or was asked and has not answered.
        """
        call = more.get("tool_call_id")
        known = self._blocked.get((str(call), str((serialized or {}).get("name"))), ())
        args = canonical_json.as_json(inputs or {})
        if found := next((one for one in known if _applies(one, args, call in self._new) and not self._is_equal_one(one, args)), None):
            happened = f"the agent went on to run {found.name} as proposed although {found.why} (review {found.review}), and was stopped"
            raise Forbidden(happened, "see why its graph asks no more; a retry is stopped as well, unless it asks again")

    def _is_equal_one(self, blocked: BlockedCall, args: Json) -> bool:
        """Whether this is another call, equal to the blocked one, that somebody approved: as many may run as were approved."""
        call = canonical_json.canonical([blocked.tool_call, blocked.name, args])
        with self._lock:  # tools of one step run in several threads
            if args != blocked.args or self._started[call] >= sum(_same(args, one) for one in blocked.sent):
                return False
            self._started[call] += 1
            return True


class LeaseGuard(BaseCallbackHandler):
    """A callback that starts no node and no tool once the run's lease is lost."""

    raise_error = True
    run_inline = True

    def __init__(self, run: int, holds: Callable[[], bool]) -> None:
        self._run = run
        self._holds = holds

    def on_chain_start(self, serialized: dict[str, Any] | None, inputs: Any, **more: Any) -> None:
        """Let a node run.

        Raises:
            LeaseLost: another worker may drive the run now.
        """
        node = (more.get("metadata") or {}).get("langgraph_node")
        if node is not None and more.get("name") == node:
            self._require()

    def on_tool_start(self, serialized: dict[str, Any] | None, input_str: str, **more: Any) -> None:
        """Let a tool run.

        Raises:
            LeaseLost: another worker may drive the run now.
        """
        self._require()

    def _require(self) -> None:
        if not self._holds():
            raise LeaseLost(self._run)


def _applies(blocked: BlockedCall, args: Json, is_new: bool) -> bool:
    """Whether these arguments are of the blocked call, and not of another with its id or of the edited call that may run instead."""
    if blocked.instead is not None and _same(args, blocked.instead):
        return False
    if args == blocked.args:
        return True
    if not blocked.is_newest or any(_same(args, one) for one in blocked.allowed):
        return False
    if blocked.instead is not None:
        return _agree(args, blocked.args) and not _agree(args, blocked.instead)
    return not is_new and (_agree(args, blocked.args) or not any(_agree(args, one) for one in blocked.sent))


def _same(args: Json, others: Json) -> bool:
    """Whether arguments are equal as JSON: for Python, 1 equals true."""
    return canonical_json.canonical(args) == canonical_json.canonical(others)


def _agree(ran: Json, args: Json) -> bool:
    """Whether arguments that both have are equal: a graph may add some, and drops those that it fills in itself."""
    return isinstance(args, dict) and all(ran[name] == args[name] for name in ran.keys() & args.keys())
