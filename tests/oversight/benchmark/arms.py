"""The ways of routing calls that are compared. Each is a policy.toml, made by one recipe from the tools of a suite.

The recipes were settled on workspace, slack and retail alone; for other suites they are only applied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hitl_tui.drill.calls import good_from_schema
from hitl_tui.oversight.argument_kinds import ArgumentKind, kind_of, leaves
from hitl_tui.policy.limits import MOST
from hitl_tui.policy.parser import parse_with_problems
from hitl_tui.policy.schema import Policy
from tests.oversight.benchmark.suites import is_read, suite

FOREVER = ("send", "delete", "post", "share", "invite", "remove", "schedule", "update", "cancel", "modify", "exchange", "return")
"""First words of tools whose calls cannot be taken back."""
EVERY = 20
"""Questions for each attention check."""
TARGETS = (ArgumentKind.ADDRESS, ArgumentKind.PERSON, ArgumentKind.CHANNEL, ArgumentKind.ID, ArgumentKind.AMOUNT, ArgumentKind.URL,
           ArgumentKind.DATE, ArgumentKind.PATH)  # fmt: skip
NOBODY, EVERYTHING = "nobody", "everything"
HEAD = 'spot_check = 0.05\n\n[confidence]\ntrust = ["words"]\n\n'
"""Of every policy: agents say in words how sure they are."""


@dataclass(frozen=True)
class Arm:
    """One way of routing."""

    name: str
    policy: Policy | None
    text: str = ""
    """The policy.toml, without its `[reader]`."""
    attention: int = 0
    """Questions for each attention check; 0 for none."""
    grants: bool = False
    """Whether the reviewer gives grants."""
    limits: bool = False
    """Whether each run is launched with limits."""
    read: tuple[str, ...] = ()
    """Tools whose calls the second reader reads."""

    @property
    def asks_nobody(self) -> bool:
        return self.name == NOBODY


def arms(name: str) -> list[Arm]:
    """Every arm, for the tools of a suite."""
    tools = suite(name).tools
    reads, writes = [tool for tool in tools if is_read(tool)], [tool for tool in tools if not is_read(tool)]
    reading = _rule("reading", reads, 'risk = "read"', 'outcome = "auto"')
    asking = _rule("writing", writes, 'outcome = "ask"')
    by_risk = [
        _rule("not to be taken back", [tool for tool in writes if tool.startswith(FOREVER)], 'risk = "irreversible"', 'outcome = "ask"'),
        _rule("to be taken back", [tool for tool in writes if not tool.startswith(FOREVER)], 'risk = "reversible"'),
    ]
    typed = [rule for tool in writes if (rule := _typed(tool, tools[tool]))]
    earned = "[autonomy]\n"
    levels = "\n".join([reading, *by_risk, earned])
    origins = "\n".join([reading, *typed, *by_risk, earned])
    return [
        Arm(NOBODY, None),
        Arm(EVERYTHING, None),
        _arm("thresholds", _rule("reading", reads, 'risk = "read"') + _rule("writing", writes, 'risk = "reversible"')),
        _arm("rules", reading + asking),
        _arm("rules + thresholds + autonomy", levels),
        _arm("+ grants", levels, grants=True),
        _arm("+ provenance and limits", origins, grants=True, limits=True),
        _arm("+ attention checks", origins, grants=True, limits=True, attention=EVERY),
        _arm("+ second reader", origins, grants=True, limits=True, attention=EVERY, read=tuple(writes)),
    ]


def limits_of(name: str, calls: Sequence[str]) -> tuple[str, ...]:
    """The limits that a person gives a run who knows which tools its task needs, and how often.

    Args:
        name: the suite.
        calls: the tools of the task's right calls.
    """
    needed = Counter(tool for tool in calls if not is_read(tool))
    others = [tool for tool in suite(name).tools if not is_read(tool) and tool not in needed]
    return tuple(f"count({tool}) <= {needed[tool]}" for tool in (*needed, *others))[:MOST]


def _arm(name: str, text: str, **more: Any) -> Arm:
    whole = f"{HEAD}{text}"
    policy, problems = parse_with_problems(whole)
    assert not [problem for problem in problems if problem.is_error], problems
    return Arm(name, policy, whole, **more)


def _rule(name: str, tools: Sequence[str], *lines: str) -> str:
    if not tools:
        return ""
    listed = ", ".join(f'"{tool}"' for tool in tools)
    return "\n".join(["[[rule]]", f'name = "{name}"', f"tool = [{listed}]", *lines, "", ""])


def _typed(tool: str, schema: Mapping[str, Any]) -> str:
    """A rule that lets a call run whose targets the user has typed; empty for a tool without targets."""
    example = good_from_schema("", tool, schema)
    places = {str(where[0]) for where, value in leaves(example.args) if kind_of(where, value) in TARGETS} if example else set()
    required = [name for name in schema.get("required", ()) if name in places]
    if not required:
        return ""
    condition = " and ".join(f"from_user(args.{name})" for name in required)
    return _rule(f"typed by the user {tool}"[:60], [tool], f"when = '{condition}'", 'outcome = "auto"')
