"""Runs a soak launches: every kind of pause in random order, each run with a unique reference."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from hitl_tui.model import RunOptions

GATED_NODES = {"gate_before": ("publish",), "gate_after": ("publish",), "gate_inside": ("fill",)}
"""Nodes behind a gate compiled into the graph."""
ASKING_TOOLS = ("consult", "confirm")
"""Tools whose effect records the answer they got."""
FREE_TOOLS = {"batched": ("look",), "per_call": ("look",)}
"""Tools that need no review."""
SHARED_ID = "same"
"""Id of all calls of some messages, as careless models write them; their effects carry no decision."""
SHARED_SHARE = 0.2
TOOLS = ("send", "slow", "walk", "pay", "burst", "look")
WEIGHTS = (6, 3, 3, 4, 1, 2)
CALLERS = ("batched", "per_call", "gated_agent", "react", "react_free")
ASKERS = ("letters", "anything", "form", "fussy", "thrice", "beside", "nested", "nested_twice", "nested_thrice", "called", "function")
CHAINS = ("gate_before", "gate_after", "gate_free", "gate_inside")
KINDS = (*CALLERS, *CALLERS, *ASKERS, *CHAINS, "fan_out", "fan_out", "asks_in_tool", "asks_behind_gate")


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run to launch."""

    agent: str
    text: str | None = None
    given: Any = None
    options: RunOptions = RunOptions()


class Workload:
    """An endless sequence of runs, all kinds equally often."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"plan {seed}")
        self._left: list[str] = []
        self._number = 0

    def next(self) -> PlannedRun:
        """Return the next run."""
        if not self._left:
            self._left = self._random.sample(KINDS, len(KINDS))
        self._number += 1
        agent, ref = self._left.pop(), f"n{self._number}"
        if agent in CALLERS:
            gates = ("tools",) if agent == "react_free" else ()
            return PlannedRun(agent, text=json.dumps(self._rounds(ref)), options=RunOptions(gates))
        if agent in ("asks_in_tool", "asks_behind_gate"):
            tool = "consult" if agent == "asks_in_tool" else "confirm"
            calls = [[tool, {"ref": f"{ref}-{place}", "note": "please"}] for place in range(self._random.randint(1, 2))]
            return PlannedRun(agent, text=json.dumps([calls]))
        if agent == "fan_out":
            return PlannedRun(agent, given={"ref": ref, "people": ["ann", "bob", "eve", "joe"][: self._random.randint(2, 4)]})
        return PlannedRun(agent, given={"ref": ref}, options=RunOptions(("publish",) if agent == "gate_free" else ()))

    def _rounds(self, ref: str) -> list[list[tuple[Any, ...]]]:
        return [self._calls(f"{ref}-{number}") for number in range(self._random.choice((1, 1, 2)))]

    def _calls(self, ref: str) -> list[tuple[Any, ...]]:
        tools = self._random.choices(TOOLS, WEIGHTS, k=self._random.choice((1, 1, 2, 3)))
        shared = (SHARED_ID,) if len(tools) > 1 and self._random.random() < SHARED_SHARE else ()
        return [
            (tool, {"ref": f"{ref}-{place}", "note": f"note {self._random.randint(1, 99)}"}, *shared) for place, tool in enumerate(tools)
        ]
