"""Strict parser of policy.toml, one method per key: reports every error at once, with its line and a hint. Unknown keys are errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hitl_tui.effects.hosts import hosts
from hitl_tui.effects.view import ALL, VIEWS
from hitl_tui.errors import BadExpression, BadPolicy, Refused
from hitl_tui.formatting import parse_duration
from hitl_tui.model import EVERYBODY, DecisionKind, Json, Outcome, People, Risk, person_key
from hitl_tui.policy import answers, expression, lint, schedule
from hitl_tui.policy.confidence import SELF_REPORTED, STATE_KEY, ConfidenceSource
from hitl_tui.policy.notification import CHANNELS, Notify
from hitl_tui.policy.reader_and_decider import CallProgram, DeciderSettings, ReaderSettings
from hitl_tui.policy.schedule import Hours
from hitl_tui.policy.schema import (
    SEPARATE,
    UNKNOWN_RISK,
    AuditSettings,
    AutonomyRules,
    ChainStep,
    ConfidenceSettings,
    Policy,
    ReviewSettings,
    Rule,
    Thresholds,
    Unseen,
)
from hitl_tui.suggest import did_you_mean
from hitl_tui.toml_reader import Path, Problem, TomlReader, first_mistake, key_lines, line_of, load

TOP = ("thresholds", "spot_check", "seed", "confidence", "groups", "rule", "escalation", "notify", "autonomy", "attention", "review",
       "answer", "agents", "organisation", "audit", "reader",
       "decider")  # fmt: skip
RULE = ("name", "agent", "tool", "when", "tags", "hours", "risk", "outcome", "reviewers", "to", "deadline", "then", "signed", "view",
        "separate", "blind", "grants")  # fmt: skip
CALL_PROGRAM = ("command", "agent", "tool", "risk", "timeout")
ANSWER = ("agent", "node", DecisionKind.APPROVE.value, DecisionKind.REJECT.value)
RESERVED = ("thresholds", "autonomy", "grant", "safety", "no policy", "escalation", "errors", "limits", "reject loop", "second reader")
"""Names that appear in verdicts in place of a rule's name; no rule may have one."""
NO_APPROVAL = "a deadline may escalate or reject, never approve: an action that nobody has seen would run"
DAY = 86_400.0
LONGEST_S = 366 * DAY
LONGEST_UNDO_S = 3600.0
MOST_DECISIONS = 10_000
SHORTEST_ANCHOR_S = 10.0
MOST_REJECTIONS = 1000
LONGEST_READ_S = 300.0
LONGEST_LINK_S = DAY
Z_SQUARED = 1.959963984540054**2
"""z² of the 95 % interval. If all of n decisions approve, Wilson's lower bound is n / (n + z²)."""


def parse(text: str, name: str = "policy.toml", people: People = EVERYBODY) -> Policy:
    """Parse a policy.

    Args:
        text: the file's text.
        name: what errors call the file.
        people: those of the home, whose groups rules may name.

    Raises:
        BadPolicy: it has mistakes; the error names the first and says how many more there are.
    """
    policy, problems = parse_with_problems(text, people=people)
    if refused := refusal(problems, name):
        raise refused
    return policy


def refusal(problems: Sequence[Problem], name: str) -> BadPolicy | None:
    """The first mistake as an error that says how many more there are; None if there are only warnings."""
    found = first_mistake(problems, name, "hitl-tui policy check")
    return BadPolicy(*found) if found else None


def parse_with_problems(text: str, in_home: bool = True, people: People = EVERYBODY) -> tuple[Policy, list[Problem]]:
    """Parse as much of a policy as possible, with every mistake, or else every warning, in order of lines. Never raises.

    Args:
        text: the file's text.
        in_home: it is the home's file, or may become it; a project's file is warned of what counts only in the home.
        people: those of the home, whose groups a rule may name. With a people.toml, `[groups]` of a project's file give no rights.
    """
    raw, unreadable = load(text)
    if unreadable:
        return Policy(), [unreadable]
    lines = key_lines(text)
    reader = _PolicyParser(raw, lines, people)
    policy = reader.policy()
    warnings = [*lint.warnings_about(policy, lines), *lint.nobody_decides(policy, lines, people, in_home)]
    problems = reader.problems or [*warnings, *(() if in_home else lint.without_effect(lines))]
    return policy, sorted(problems, key=lambda problem: problem.line)


class _PolicyParser(TomlReader):
    def __init__(self, raw: dict[str, Any], lines: Mapping[Path, int], people: People = EVERYBODY) -> None:
        super().__init__(lines)
        self._raw = raw
        self._names = {name for person in people.persons for name in person.names}
        self._of_home = {group: tuple(one.name for one in people.persons if group in one.groups) for group in people.own_groups}
        self._has_people = people.is_checked
        self._groups: dict[str, tuple[str, ...]] = {}

    def _name(self, path: Path) -> str:
        if path[:1] in (("rule",), ("answer",)) and len(path) > 2:
            return str(path[2])
        return super()._name(path)

    # Values

    def _share(self, path: Path, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self._wrong(path, f"{self._name(path)} is not a number from 0 to 1", "0.9 is 90 %")
        return float(value)

    def _whole(self, least: int, most: int) -> Callable[[Path, Any], int]:
        def read(path: Path, value: Any) -> int:
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise self._wrong(path, f"{self._name(path)} is not a whole number from {least} to {most}")
            return value

        return read

    def _time(self, path: Path, value: Any) -> float:
        try:
            found = parse_duration(value) if isinstance(value, str) and value.strip()[-1:].isalpha() else math.nan
        except Refused:
            found = math.nan
        if not 0 <= found <= LONGEST_S:
            raise self._wrong(path, f"{self._name(path)} is not a duration of up to a year", 'write it like "45s", "30m" or "12h"')
        return found

    def _hours(self, path: Path, value: Any) -> Hours:
        try:
            return schedule.parse(self._texts(path, value))
        except Refused as error:
            raise self._wrong(path, error.happened, error.todo) from None

    def _whom(self, path: Path, value: Any) -> str:
        """Read a recipient: a group, or a member of one. Any other name is a typo that nobody would notice until a review waits."""
        to = self._text(path, value)
        people = {person for members in self._groups.values() for person in members} | self._names
        if to not in self._groups and to not in people:
            hint = did_you_mean(to, {*self._groups, *people})
            raise self._wrong(path, f"there is no group {to!r}, nor is anybody of that name in one", hint)
        return to

    # Tables

    def policy(self) -> Policy:
        raw = self._table((), self._raw, TOP)
        own = self._read((), raw, "groups", self._read_groups, {})
        self._groups = {**self._of_home, **{group: _united(self._of_home.get(group, ()), people) for group, people in own.items()}}
        rules = self._read((), raw, "rule", self._rules, ())
        notify = self._read((), raw, "notify", self._notify, Notify())
        chain, errors, loop_after = self._read((), raw, "escalation", self._escalation, ((), False, Policy().loop_after))
        return Policy(
            rules,
            self._read((), raw, "thresholds", self._thresholds, Thresholds()),
            self._read((), raw, "spot_check", self._share, Policy().spot_check),
            self._read((), raw, "seed", self._text, ""),
            self._groups,
            self._read((), raw, "confidence", self._sources, ConfidenceSettings()),
            chain,
            errors,
            loop_after,
            notify,
            self._read((), raw, "autonomy", self._autonomy, None),
            attention=self._read((), raw, "attention", self._attention, 0),
            review=self._read((), raw, "review", self._review, ReviewSettings()),
            answers=self._read((), raw, "answer", self._answers, ()),
            audit=self._read((), raw, "audit", self._audit, AuditSettings()),
            frontend_tools=self._read((), raw, "agents", self._agents, {}),
            domains=self._read((), raw, "organisation", self._organisation, ()),
            reader=self._read((), raw, "reader", self._reader, ReaderSettings()),
            decider=self._read((), raw, "decider", self._decider, DeciderSettings()),
        )

    def _read_groups(self, path: Path, value: Any) -> dict[str, tuple[str, ...]]:
        groups: dict[str, tuple[str, ...]] = {}
        for name, members in self._table(path, value).items():
            where = (*path, name)
            people = self._read(path, {name: members}, name, self._people, ())
            if len({person_key(person) for person in people}) < len(people):  # two spellings of one person are not two people
                self._wrong(where, f"somebody is in group {name!r} twice", "name everybody once")
            groups[name] = people
        for name in groups:
            if any(name in people for people in groups.values()):
                self._wrong((*path, name), f"{name!r} is a group and a person", "call the group something else")
        return groups

    def _people(self, path: Path, value: Any) -> tuple[str, ...]:
        if value == []:
            raise self._wrong(path, f"nobody is in group {path[-1]!r}", "name its people, or leave it out")
        return self._texts(path, value)

    def _thresholds(self, path: Path, value: Any) -> Thresholds:
        raw = self._table(path, value, ("auto", "ask"))
        usual = Thresholds()
        found = Thresholds(self._read(path, raw, "auto", self._share, usual.auto), self._read(path, raw, "ask", self._share, usual.ask))
        if found.auto == 0:
            raise self._wrong((*path, "auto"), "auto = 0 would let every action run", "set it above 0")
        if found.ask > found.auto:
            text = f"ask = {found.ask:g} is above auto = {found.auto:g}: nothing could ever ask"
            raise self._wrong((*path, "ask" if "ask" in raw else "auto"), text, "make auto the higher one")
        return found

    def _autonomy(self, path: Path, value: Any) -> AutonomyRules:
        raw = self._table(path, value, ("decisions", "window", "window_days", "approved", "quiet", "calibration"))
        usual, many = AutonomyRules(), self._whole(1, MOST_DECISIONS)
        found = AutonomyRules(
            self._read(path, raw, "decisions", many, usual.decisions),
            self._read(path, raw, "window", many, usual.window),
            self._read(path, raw, "window_days", self._whole(1, 3660), usual.window_s / DAY) * DAY,
            self._read(path, raw, "approved", self._share, usual.approved),
            self._read(path, raw, "quiet", self._whole(0, MOST_DECISIONS), usual.quiet),
            self._read(path, raw, "calibration", self._share, usual.calibration),
        )
        for key, wanted in (("decisions", found.decisions), ("quiet", found.quiet)):
            if wanted > found.window:
                text = f"{key} = {wanted} is more than the window of {found.window} decisions: nothing could ever be proposed"
                raise self._wrong((*path, key if key in raw else "window"), text, "make the window the larger one")
        best = found.window / (found.window + Z_SQUARED)
        if found.approved > best:
            text = f"approved = {found.approved:g} is out of reach: {found.window} decisions that all approve show no more than {best:.3f}"
            raise self._wrong((*path, "approved" if "approved" in raw else "window"), text, "ask for less, or look at more decisions")
        return found

    def _sources(self, path: Path, value: Any) -> ConfidenceSettings:
        raw = self._table(path, value, ("sources", "state_key", "agents", "trust"))
        usual = ConfidenceSettings()
        table = self._table((*path, "agents"), raw.get("agents", {}))
        agents = {glob: self._read((*path, "agents"), table, glob, self._order, ()) for glob in table}
        return ConfidenceSettings(
            self._read(path, raw, "sources", self._order, usual.order),
            agents,
            self._read(path, raw, "state_key", self._text, STATE_KEY),
            self._read(path, raw, "trust", self._trust, ()),
        )

    def _trust(self, path: Path, value: Any) -> tuple[ConfidenceSource, ...]:
        found = self._order(path, value)
        if others := [source for source in found if source not in SELF_REPORTED]:
            raise self._wrong(
                path, f"{self._name(path)} cannot hold {others[0]}", f"only {' and '.join(SELF_REPORTED)} are written by the model itself"
            )
        return found

    def _order(self, path: Path, value: Any) -> tuple[ConfidenceSource, ...]:
        names = self._texts(path, value) if value != [] else ()
        for name in names:
            if name not in list(ConfidenceSource):
                raise self._wrong(path, f"there is no source {name!r}", did_you_mean(name, [source.value for source in ConfidenceSource]))
        if len(set(names)) < len(names):
            raise self._wrong(path, f"{self._name(path)} names a source twice", "name each once")
        return tuple(ConfidenceSource(name) for name in names)

    def _agents(self, path: Path, value: Any) -> dict[str, tuple[str, ...]]:
        """Read the tables of single agents, by name or glob. Returns their front-end tools."""
        table = self._table(path, value)
        return {glob: self._read(path, table, glob, self._agent, ()) for glob in table}

    def _agent(self, path: Path, value: Any) -> tuple[str, ...]:
        raw = self._table(path, value, ("frontend_tools",))
        if raw.get("frontend_tools") == []:
            return ()
        return self._read(path, raw, "frontend_tools", self._texts, ())

    def _attention(self, path: Path, value: Any) -> int:
        raw = self._table(path, value, ("every",))
        if "every" not in raw and isinstance(value, dict):
            self._wrong(path, "attention does not say how often", "write every = 50: one check after about so many decisions")
        return self._read(path, raw, "every", self._whole(2, 100_000), 0)

    def _review(self, path: Path, value: Any) -> ReviewSettings:
        raw = self._table(path, value, ("unseen", "undo_s"))
        return ReviewSettings(self._read(path, raw, "unseen", self._unseen, {}), self._read(path, raw, "undo_s", self._undo_s, {}))

    def _unseen(self, path: Path, value: Any) -> dict[str, Unseen]:
        raw = self._table(path, value, (*Risk, UNKNOWN_RISK))
        found = {risk: self._read(path, raw, risk, self._one_of(("never", "confirm", "allow")), None) for risk in raw}
        for risk in (Risk.IRREVERSIBLE, UNKNOWN_RISK):
            if found.get(risk) == "allow":
                raise self._wrong(
                    (*path, risk), f"unseen.{risk} cannot be 'allow': such a call is seen whole first", "write never or confirm"
                )
        return {risk: chosen for risk, chosen in found.items() if chosen}

    def _undo_s(self, path: Path, value: Any) -> dict[str, float]:
        raw = self._table(path, value, (*Risk, UNKNOWN_RISK))
        found = {risk: self._read(path, raw, risk, self._grace, None) for risk in raw}
        return {risk: seconds for risk, seconds in found.items() if seconds is not None}

    def _grace(self, path: Path, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST_UNDO_S:
            raise self._wrong(path, f"{self._name(path)} is not a number of seconds from 0 to {LONGEST_UNDO_S:,.0f}", "10 is ten seconds")
        return float(value)

    def _escalation(self, path: Path, value: Any) -> tuple[tuple[ChainStep, ...], bool, int]:
        raw = self._table(path, value, ("step", "errors", "rejections"))
        errors = self._read(path, raw, "errors", self._truth, False)
        loop_after = self._read(path, raw, "rejections", self._whole(0, MOST_REJECTIONS), Policy().loop_after)
        return self._read(path, raw, "step", self._steps, ()), errors, loop_after

    def _steps(self, path: Path, value: Any) -> tuple[ChainStep, ...]:
        steps = []
        for number, one in enumerate(self._tables(path, value, "[[escalation.step]]")):
            where = (*path, number)
            raw = self._table(where, one, ("to", "after"))
            for key in ("to",) if number == 0 else ("to", "after"):
                if key not in raw:
                    self._wrong(where, f"step {number + 1} of the escalation has no {key!r}", 'write to = "group", after = "10m"')
            after_s = self._read(where, raw, "after", self._time, None)
            if number and after_s == 0:
                self._wrong((*where, "after"), "after cannot be 0", 'write it like "10m"')
            steps.append(ChainStep(self._read(where, raw, "to", self._whom, ""), after_s or 0.0))
        return tuple(steps)

    def _notify(self, path: Path, value: Any) -> Notify:
        raw = self._table(path, value, (*(channel.key for channel in CHANNELS), "quiet", "content", "timeout", "retries", "links",
                                       "links_for"))  # fmt: skip
        usual = Notify()
        readers: dict[str, Callable[[Path, Any], Any]] = {"switch": self._truth, "command": self._command, "urls": self._urls}
        if self._read(path, raw, "timeout", self._time, usual.timeout_s) == 0:
            self._wrong((*path, "timeout"), "timeout cannot be 0", 'write it like "10s"')
        channels: dict[str, Any] = {
            one.key: self._read(path, raw, one.key, readers[one.value], getattr(usual, one.key)) for one in CHANNELS
        }
        return Notify(
            **channels,
            quiet=self._read(path, raw, "quiet", self._hours, None),
            content=self._read(path, raw, "content", self._one_of(("nothing", "names", "summary")), usual.content),
            timeout_s=self._read(path, raw, "timeout", self._time, usual.timeout_s),
            retries=self._read(path, raw, "retries", self._whole(0, 10), usual.retries),
            links=self._read(path, raw, "links", self._text, usual.links),
            links_for_s=self._read(path, raw, "links_for", self._link_time, usual.links_for_s),
        )

    def _link_time(self, path: Path, value: Any) -> float:
        found = self._time(path, value)
        if not 0 < found <= LONGEST_LINK_S:
            raise self._wrong(path, "links_for is not a time of up to a day", 'write it like "30m"')
        return found

    def _audit(self, path: Path, value: Any) -> AuditSettings:
        raw, usual = self._table(path, value, ("anchor", "every", "after")), AuditSettings()
        after_s = self._read(path, raw, "after", self._time, usual.after_s)
        if after_s < SHORTEST_ANCHOR_S:
            self._wrong((*path, "after"), f"after is less than {SHORTEST_ANCHOR_S:g} s", 'write it like "10m"')
        return AuditSettings(
            self._read(path, raw, "anchor", self._anchor, usual.anchor),
            self._read(path, raw, "every", self._whole(1, MOST_DECISIONS), usual.every),
            after_s,
        )

    def _reader(self, path: Path, value: Any) -> ReaderSettings:
        raw = self._table(path, value, (*CALL_PROGRAM, "model"))
        found = ReaderSettings(**self._call_program(path, raw), model=self._read(path, raw, "model", self._model, ""))
        if isinstance(value, dict) and ("command" in raw) == ("model" in raw):
            self._wrong(path, "reader needs a command or a model, and not both", 'write command = ["program"] or model = "provider:model"')
        return found

    def _decider(self, path: Path, value: Any) -> DeciderSettings:
        raw = self._table(path, value, (*CALL_PROGRAM, "person", "key", "again"))
        found = DeciderSettings(
            **self._call_program(path, raw),
            person=self._read(path, raw, "person", self._text, ""),
            key=self._read(path, raw, "key", self._text, ""),
            again_s=self._read(path, raw, "again", self._time, 0.0),
        )
        for key in ("command", "person") if isinstance(value, dict) else ():
            if key not in raw:
                self._wrong(path, f"decider has no {key}", 'write command = ["program"] and person = "its name in people.toml"')
        if found.person and self._has_people and found.person not in self._names:
            hint = did_you_mean(found.person, self._names) or "add it with `hitl-tui people add`: it has the rights of that person"
            self._wrong((*path, "person"), f"people.toml has no {found.person!r}", hint)
        return found

    def _call_program(self, path: Path, raw: Mapping[str, Any]) -> dict[str, Any]:
        """Read the keys that `[reader]` and `[decider]` share."""
        usual = CallProgram()
        found: dict[str, Any] = {
            "command": self._read(path, raw, "command", self._command, ()),
            "agents": self._read(path, raw, "agent", self._texts, usual.agents),
            "tools": self._read(path, raw, "tool", self._texts, usual.tools),
            "risks": self._read(path, raw, "risk", self._risks, usual.risks),
            "timeout_s": self._read(path, raw, "timeout", self._time, usual.timeout_s),
        }
        if not 0 < found["timeout_s"] <= LONGEST_READ_S:
            self._wrong((*path, "timeout"), f"timeout is not from 1 s to {LONGEST_READ_S:g} s", 'write it like "20s"')
        return found

    def _model(self, path: Path, value: Any) -> str:
        found = self._text(path, value)
        if not all(found.partition(":")):
            raise self._wrong(path, f"{found!r} is no model", 'write it like "openai:gpt-5-mini"')
        return found

    def _risks(self, path: Path, value: Any) -> tuple[str, ...]:
        one_risk = self._one_of((*Risk, UNKNOWN_RISK))
        return tuple(one_risk(path, one) for one in self._texts(path, value))

    def _anchor(self, path: Path, value: Any) -> tuple[str, ...]:
        found = self._texts(path, value)
        if isinstance(value, str) and " " in value:
            raise self._wrong(path, "anchor has arguments, and is no list", 'no shell reads it; write ["program", "argument"]')
        return found

    def _command(self, path: Path, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise self._wrong(path, "command is not a list", 'no shell reads it; write ["program", "argument"]')
        return self._texts(path, value)

    def _urls(self, path: Path, value: Any) -> tuple[str, ...]:
        urls = self._texts(path, value) if value != [] else ()
        if any("://" not in url for url in urls):
            raise self._wrong(path, "one of the urls is no URL", "write Apprise URLs, like mailto://… or json://…")
        return urls

    # Answer templates

    def _answers(self, path: Path, value: Any) -> tuple[answers.AnswerRule, ...]:
        return tuple(self._answer((*path, number), one) for number, one in enumerate(self._tables(path, value, "[[answer]]")))

    def _answer(self, path: Path, value: Any) -> answers.AnswerRule:
        raw = self._table(path, value, ANSWER)
        found = {DecisionKind(key): self._read(path, raw, key, self._template, None) for key in raw if key in list(DecisionKind)}
        if not found and isinstance(value, dict):
            self._wrong(path, "the answer has no template", "write approve = …, reject = …, or both: what they send")
        return answers.AnswerRule(
            line_of(self._lines, path),
            self._read(path, raw, "agent", self._texts, ("*",)),
            self._read(path, raw, "node", self._texts, ("*",)),
            found,
        )

    def _template(self, path: Path, value: Any) -> Json:
        if problem := answers.problem_of(value):
            raise self._wrong(path, f"{self._name(path)} {problem[0]}", problem[1])
        return value

    # Rules

    def _rules(self, path: Path, value: Any) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        lines: dict[str, int] = {}
        for number, one in enumerate(self._tables(path, value, "[[rule]]")):
            rule = self._rule((*path, number), one)
            if rule.name in lines:
                self._wrong((*path, number, "name"), f"line {lines[rule.name]} has a rule {rule.name!r} already", "rename one")
            if rule.name:
                lines[rule.name] = rule.line
            rules.append(rule)
        return tuple(rules)

    def _rule(self, path: Path, value: Any) -> Rule:
        raw = self._table(path, value, RULE)
        effects = {"outcome", "risk", "reviewers", "to", "deadline", "signed", "view", "separate", "blind"}
        if not raw.keys() & effects and isinstance(value, dict):
            self._wrong(path, "the rule has no effect", "give it an outcome, a risk, reviewers, to, a deadline, signed, a view or separate")
        risk = self._read(path, raw, "risk", self._one_of(list(Risk)), None)
        outcome = self._read(path, raw, "outcome", self._one_of(list(Outcome)), None)
        reviewers = self._read(path, raw, "reviewers", self._whole(1, 2), 1)
        rule = Rule(
            self._rule_name(path, raw),
            line_of(self._lines, path),
            self._read(path, raw, "agent", self._texts, ("*",)),
            self._read(path, raw, "tool", self._texts, ("*",)),
            self._read(path, raw, "when", self._when, None),
            self._read(path, raw, "tags", self._texts, ()),
            self._read(path, raw, "hours", self._hours, None),
            Risk(risk) if risk else None,
            Outcome(outcome) if outcome else None,
            reviewers,
            self._read(path, raw, "to", self._whom, ""),
            self._read(path, raw, "deadline", self._time, None),
            self._read(path, raw, "then", self._then, "escalate"),
            signed=self._read(path, raw, "signed", self._truth, False),
            views=self._read(path, raw, "view", self._views, {}),
            separate=self._read(path, raw, "separate", self._separate, SEPARATE if reviewers > 1 else ()),
            blind=self._read(path, raw, "blind", self._truth, False),
            grants=self._read(path, raw, "grants", self._truth, False),
        )
        self._check_combinations(path, raw, rule)
        return rule

    def _rule_name(self, path: Path, raw: Mapping[str, Any]) -> str:
        if "name" not in raw:
            self._wrong(path, "the rule has no name", 'its decisions are recorded under its name; write name = "…"')
        name = self._read(path, raw, "name", self._text, "")
        if name in RESERVED or name != name.strip() or len(name) > 60 or ":" in name:
            self._wrong((*path, "name"), f"a rule cannot be called {name[:60]!r}", f"60 characters, no colon, not {', '.join(RESERVED)}")
        return name

    def _when(self, path: Path, value: Any) -> expression.Expression:
        if not isinstance(value, str):
            raise self._wrong(path, "when is not a text", "write when = 'args.amount > 500'")
        try:
            return expression.parse(value)
        except BadExpression as error:
            text = f"when cannot be read: {error.happened}, at character {error.at + 1} of it\n{expression.caret(value, error.at)}"
            raise self._wrong(path, text, error.todo) from None

    def _views(self, path: Path, value: Any) -> dict[str, str]:
        """Read what arguments hold: one view for every text, or one for each argument."""
        one_view = self._one_of(VIEWS)
        if not isinstance(value, dict):
            return {ALL: one_view(path, value)}
        return {name: view for name in value if (view := self._read(path, value, name, one_view, None))}

    def _organisation(self, path: Path, value: Any) -> tuple[str, ...]:
        raw = self._table(path, value, ("domains",))
        names = self._read(path, raw, "domains", self._texts, ())
        for name in names:
            if hosts(name) != (name.lower(),) or "@" in name:
                raise self._wrong((*path, "domains"), f"{name!r} is no domain", 'write it like "example.com"')
        return tuple(name.lower() for name in names)

    def _separate(self, path: Path, value: Any) -> tuple[str, ...]:
        if value == []:
            return ()
        found = self._texts(path, value)
        return tuple(self._one_of(SEPARATE)(path, one) for one in dict.fromkeys(found))

    def _then(self, path: Path, value: Any) -> Any:
        if value in ("approve", "auto"):
            raise self._wrong(path, NO_APPROVAL, "write escalate or reject")
        return self._one_of(("escalate", "reject"))(path, value)

    def _check_combinations(self, path: Path, raw: Mapping[str, Any], rule: Rule) -> None:
        """Refuse combinations of valid keys that mean nothing."""
        if rule.outcome in (Outcome.AUTO, Outcome.DENY) and rule.reviewers > 1:
            self._wrong((*path, "reviewers"), f"{rule.outcome} asks nobody, so there are no reviewers", 'write outcome = "ask"')
        if rule.outcome in (Outcome.AUTO, Outcome.DENY) and rule.signed:
            self._wrong((*path, "signed"), f"{rule.outcome} asks nobody, so nobody signs", 'write outcome = "ask"')
        if rule.outcome in (Outcome.AUTO, Outcome.DENY) and "separate" in raw and rule.separate:
            self._wrong((*path, "separate"), f"{rule.outcome} asks nobody, so nobody approves", 'write outcome = "ask"')
        if rule.grants and rule.outcome is not Outcome.ASK:
            self._wrong((*path, "grants"), "grants lift only what a rule asks about", 'write outcome = "ask"')
        elif rule.grants and (rule.to or rule.reviewers > 1 or rule.signed or rule.separate):
            self._wrong((*path, "grants"), "a rule that says who decides, or how, is not lifted by a grant", "remove grants")
        if rule.blind and rule.reviewers < 2:
            self._wrong((*path, "blind"), "blind needs two reviewers, who do not see each other's answer", "add reviewers = 2")
        if "then" in raw and rule.deadline_s is None:
            self._wrong((*path, "then"), "then without a deadline never happens", 'add deadline = "30m"')
        if rule.deadline_s == 0:
            self._wrong((*path, "deadline"), "deadline cannot be 0", 'write it like "30m"')
        if rule.to and rule.reviewers > len(self._groups.get(rule.to, (rule.to,))):
            self._wrong((*path, "reviewers"), f"{rule.reviewers} people must approve, and {rule.to!r} is one", "name a larger group")


def _united(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Members of a group that both people.toml and the policy name, each once."""
    known = set(map(person_key, some))
    return (*some, *(one for one in others if person_key(one) not in known))
