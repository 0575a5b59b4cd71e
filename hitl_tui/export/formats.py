"""The export formats (SFT, DPO, KTO, OpenAI DPO, JSONL, CSV): to add one, write its function and enter it in `FORMATS` here.

Nothing else knows the formats. A chat format has no example for a case without a conversation, or whose conversation was pruned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hitl_tui.export.chat import conversation_of, prompt_of, proposal_message, tools_of, with_text_arguments
from hitl_tui.export.examples import ExportCase
from hitl_tui.model import DecisionKind

Example = dict[str, Any]


def sft(case: ExportCase) -> Iterator[Example]:
    """TRL's `{messages, tools}`: the conversation, then the calls that ran, with people's corrections."""
    prompt = prompt_of(case)
    if prompt and case.final:
        yield {"messages": [*prompt, proposal_message(case, prompt, case.final)], "tools": tools_of(case)}


def dpo(case: ExportCase) -> Iterator[Example]:
    """TRL's `{prompt, chosen, rejected, tools}`, only from corrections: the corrected calls as chosen, the proposed ones as rejected.

    A call that was refused beside a corrected one is missing among the chosen.
    """
    prompt = prompt_of(case)
    if prompt and case.wanted and case.wanted != case.proposed:
        yield {
            "prompt": prompt,
            "chosen": [proposal_message(case, prompt, case.wanted)],
            "rejected": [proposal_message(case, prompt, case.proposed)],
            "tools": tools_of(case),
        }


def kto(case: ExportCase) -> Iterator[Example]:
    """TRL's `{prompt, completion, label, tools}`: the proposed calls, labelled true if they ran unchanged; then a correction, as true."""
    prompt, tools = prompt_of(case), tools_of(case)
    if not prompt:
        return
    yield {"prompt": prompt, "completion": [proposal_message(case, prompt, case.proposed)], "label": case.good, "tools": tools}
    if case.final and not case.good:
        yield {"prompt": prompt, "completion": [proposal_message(case, prompt, case.final)], "label": True, "tools": tools}


def jsonl(case: ExportCase) -> Iterator[Example]:
    """Every known fact of each decision, for users' own programs."""
    row = case.review.row
    for action in case.review.actions:
        decision = case.review.decisions[action.slot]
        yield {
            **_facts(case, action.slot),
            "args": action.args,
            "final": _final(case, action.slot),
            "conversation": conversation_of(case),
            "reasoning": case.context.reasoning,
            "digest": decision.digest,
            "note": row.note,
        }


def csv(case: ExportCase) -> Iterator[Example]:
    """One flat row per decision."""
    for action in case.review.actions:
        yield {**_facts(case, action.slot), "args": action.args, "final": _final(case, action.slot)}


def _facts(case: ExportCase, slot: int) -> Example:
    row, action, decision = case.review.row, case.review.actions[slot], case.review.decisions[slot]
    return {
        "review": row.id,
        "slot": slot,
        "run": row.run,
        "agent": row.agent,
        "tool": action.name,
        "decision": str(decision.answer.kind),
        "by": decision.actor,
        "identified": decision.identified,
        "reason": decision.answer.message,
        "opened_at": row.opened_at,
        "first_viewed_at": case.first_viewed_at,
        "decided_at": decision.at,
        "viewed_ms": decision.viewed_ms,
        "seen": decision.seen,
        "confidence": action.confidence.value,
        "risk": action.risk,
        "rule": action.rule,
        "disliked": slot in case.disliked,
    }


def _final(case: ExportCase, slot: int) -> Any:
    """The arguments that ran; None if the call did not run."""
    answer = case.review.decisions[slot].answer
    if answer.kind is DecisionKind.APPROVE:
        return case.review.actions[slot].args
    return answer.args if answer.kind is DecisionKind.EDIT else None


def _openai(one: Example) -> Example:
    """OpenAI's `{input: {messages, tools, parallel_tool_calls}, preferred_output, non_preferred_output}`."""
    return {
        "input": {"messages": with_text_arguments(one["prompt"]), "tools": one["tools"], "parallel_tool_calls": True},
        "preferred_output": with_text_arguments(one["chosen"]),
        "non_preferred_output": with_text_arguments(one["rejected"]),
    }


def _flat(one: Example) -> Example:
    return {**one, **{name: json.dumps(one[name], ensure_ascii=False, sort_keys=True) for name in ("args", "final")}}


@dataclass(frozen=True, slots=True)
class Format:
    """A format of training data."""

    examples: Callable[[ExportCase], Iterator[Example]]
    """Yields the examples of a case; there may be none."""
    is_chat: bool = False
    """It contains only tool calls by agents; the others also contain decisions about questions and gates."""
    no_example: str = "no call"
    """Why a case gives no example, as a clause of the manifest."""
    finish: Callable[[Example], Example] = lambda example: example
    """Gives an example its final shape. Called after masking, which could break arguments that are JSON text."""
    pair: tuple[str, str] | None = None
    """The two answers that a trainer compares. A pair that masking made equal teaches nothing, and is left out."""
    objects: tuple[str, ...] = ()
    """Columns of JSON objects that `datasets` needs to be told of."""
    labels: tuple[str, ...] = ()
    """Columns of true and false, beside `objects`."""
    header: tuple[str, ...] = ()
    """Columns of a table with a line each, in order; empty for a file of JSON objects."""

    @property
    def column_types(self) -> Example | None:
        """Column types for `datasets.Features.from_dict`, so that `load_dataset` keeps arguments unchanged; None if not needed.

        Without them the library infers types from the first 10 MB: it may read a text as a time, and fails on tools that occur only later.
        """
        if not self.objects:
            return None
        objects: Example = {name: {"_type": "List", "feature": {"_type": "Json"}} for name in self.objects}
        return {**objects, **{name: {"_type": "Value", "dtype": "bool"} for name in self.labels}}


PAIR = ("chosen", "rejected")
NO_CORRECTION = "no correction, or no conversation"
FORMATS: Mapping[str, Format] = {
    "sft": Format(sft, True, "no call to learn from, or no conversation", objects=("messages", "tools")),
    "dpo": Format(dpo, True, NO_CORRECTION, pair=PAIR, objects=("prompt", "chosen", "rejected", "tools")),
    "kto": Format(kto, True, "no conversation", objects=("prompt", "completion", "tools"), labels=("label",)),
    "openai-dpo": Format(dpo, True, NO_CORRECTION, _openai, pair=PAIR),
    "jsonl": Format(jsonl),
    "csv": Format(
        csv,
        finish=_flat,
        header=(
            "review", "slot", "run", "agent", "tool", "decision", "by", "identified", "reason", "opened_at", "first_viewed_at",
            "decided_at", "viewed_ms", "seen", "confidence", "risk", "rule", "disliked", "args", "final",
        ),
    ),
}  # fmt: skip
"""By name on the command line, which lists them in this order."""


LEAST, MOST = -(2**63), 2**64 - 1
"""Range of whole numbers that `datasets` reads in a column of JSON objects; it refuses a file with others."""


def fit_columns(value: Any) -> tuple[Any, int]:
    """Return a JSON value in which whole numbers outside the range of typed columns are text, and the number of those."""
    count = _count_beyond(value)
    return (_numbers_as_text(value) if count else value), count


def _count_beyond(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(_count_beyond, value.values()))
    if isinstance(value, list):
        return sum(map(_count_beyond, value))
    return isinstance(value, int) and not LEAST <= value <= MOST


def _numbers_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbers_as_text(part) for part in value]
    return str(value) if _count_beyond(value) else value
