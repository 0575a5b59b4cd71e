"""Answer templates of a policy (`[[answer]]`): what approve and reject send to a free question in place of true and false. Pure."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hitl_tui import canonical_json
from hitl_tui.errors import Refused
from hitl_tui.model import DecisionKind, Json
from hitl_tui.policy import globs

MESSAGE, PERSON, ARGS = "message", "person", "args"
NAMES = (MESSAGE, PERSON, ARGS)
_NAME = re.compile(r"\$(?:\$|([A-Za-z_]\w*)((?:\.\w+)*))")


@dataclass(frozen=True, slots=True)
class AnswerRule:
    """One `[[answer]]`. The first that matches a question applies."""

    line: int
    agents: tuple[str, ...] = ("*",)
    """Globs of agent names."""
    nodes: tuple[str, ...] = ("*",)
    """Globs of the names of nodes that ask."""
    templates: Mapping[DecisionKind, Json] = field(default_factory=dict)
    """What approve and reject send; `$message`, `$person` and `$args` in their texts are filled in."""

    def matches(self, agent: str, node: str) -> bool:
        """Whether it applies to the questions of a node."""
        return any(globs.names(glob, agent) for glob in self.agents) and any(globs.matches(glob, node) for glob in self.nodes)

    def about(self) -> str:
        """What it matches, in words: `ask of planner`."""
        nodes = "any node" if self.nodes == ("*",) else ", ".join(self.nodes)
        return nodes if self.agents == ("*",) else f"{nodes} of {', '.join(self.agents)}"


def first_match(rules: Sequence[AnswerRule], agent: str, node: str) -> AnswerRule | None:
    """The rule for the questions of a node; None if there is none."""
    return next((rule for rule in rules if rule.matches(agent, node)), None)


def problem_of(template: Any) -> tuple[str, str] | None:
    """Why a value that TOML can hold is no template, and what to do, as clauses; None if it is one."""
    if isinstance(template, datetime.date | datetime.time):
        return "holds a date, which JSON does not have", "write it as text, in quotes"
    if isinstance(template, float) and not math.isfinite(template):
        return "holds a number that JSON does not have", "write it as text, in quotes"
    if isinstance(template, int) and not -(2**63) <= template < 2**64:
        return "holds a whole number of more than 64 bits", "write it as text, in quotes"
    if isinstance(template, str):
        unknown = next((found[0] for found in _NAME.finditer(template) if found[1] and not _is_known(found)), None)
        if unknown:
            known = ", ".join(f"${name}" for name in NAMES)
            return f"holds {unknown}, which nothing is filled in for", f"known are {known} and parts like $args.id; $$ is a dollar sign"
        return None
    parts = template.values() if isinstance(template, dict) else template if isinstance(template, list) else ()
    return next(filter(None, map(problem_of, parts)), None)


def _is_known(found: re.Match[str]) -> bool:
    return found[1] in NAMES and (found[1] == ARGS or not found[2])


def takes(template: Json, name: str) -> bool:
    """Whether `$name` is filled in somewhere in a template."""
    return any(found[1] == name for text in _texts(template) for found in _NAME.finditer(text))


def _texts(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield template
    elif isinstance(template, dict | list):
        for part in template.values() if isinstance(template, dict) else template:
            yield from _texts(part)


def filled(template: Json, message: str, person: str, args: Json) -> Json:
    """A template with its names filled in: a text that is nothing but `$args`, or a part like `$args.id`, becomes that value itself.

    Args:
        template: as it stands in the policy.
        message: what was said with the decision; empty for nothing.
        person: who decides.
        args: the question, as the graph sent it.

    Raises:
        Refused: the question has no part of that name.
    """
    values = {MESSAGE: message, PERSON: person, ARGS: args}
    if isinstance(template, dict):
        return {key: filled(part, message, person, args) for key, part in template.items()}
    if isinstance(template, list):
        return [filled(part, message, person, args) for part in template]
    if not isinstance(template, str):
        return template
    whole = _NAME.fullmatch(template)
    if whole and whole[1]:
        return _part(values, whole)
    return _NAME.sub(lambda found: _as_text(_part(values, found)) if found[1] else "$", template)


def _part(values: Mapping[str, Json], found: re.Match[str]) -> Json:
    value = values[found[1]]
    for key in found[2].split(".")[1:]:
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            raise Refused(f"the question has no {found[0].removeprefix('$args.')!r}", "correct the answer template")
    return value


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else canonical_json.dumps(value)
