"""Warnings about policies that are valid but probably not what their author means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hitl_tui.model import Facts, Outcome, People, Risk
from hitl_tui.policy.answers import AnswerRule
from hitl_tui.policy.expression import Binary, Constant, Field, Node, Part, Quantified, Unary
from hitl_tui.policy.expression_eval import Undetermined, evaluate, nodes, path_of
from hitl_tui.policy.globs import all_covered, is_plain
from hitl_tui.policy.schema import Policy, Rule
from hitl_tui.toml_reader import Path, Problem, line_of

HOME_ONLY = ("review", "audit", "decider")
"""Sections that count only in the home's policy."""


def warnings_about(policy: Policy, lines: Mapping[Path, int]) -> list[Problem]:
    """Return the warnings about a policy that parsed, and the mistakes that only show when its conditions are evaluated.

    Args:
        policy: as parsed.
        lines: line number of each key in its file, see `toml_reader`.
    """
    rules = policy.rules
    of_rules = [*_unreachable(rules), *_constant(rules), *_denying(rules), *_never_automatic(rules), *_one_sided(rules)]
    return [*of_rules, *_about_commands(rules), *_about_answers(policy.answers), *_without_spot_checks(policy, lines)]


def nobody_decides(policy: Policy, lines: Mapping[Path, int], people: People, in_home: bool) -> list[Problem]:
    """Warn of groups that give no rights because of people.toml, and of rules whose calls nobody could decide."""
    if not people.is_checked or people.problem:
        return []
    known = people.with_groups(policy.groups) if in_home else people
    found = [
        Problem(rule.line, f"people.toml has nobody in {rule.to!r}: nobody can decide what rule {rule.name!r} sends there", hint, False)
        for rule in policy.rules
        if rule.to and rule.outcome is not Outcome.DENY and not known.members(rule.to)
        for hint in (f'write groups = ["{rule.to}"] at a person of people.toml',)
    ]
    if not in_home and ("groups",) in lines:
        hint = "people.toml of the home says who is in which group"
        found.append(Problem(lines[("groups",)], "[groups] of a project's policy gives no rights", hint, False))
    return found


def without_effect(lines: Mapping[Path, int]) -> list[Problem]:
    """Warn of sections of a project's policy that count only in the home's: agents may write in the folder of their project."""
    found = {path[0]: line for path, line in sorted(lines.items(), key=lambda item: -item[1]) if path[0] in HOME_ONLY}
    hint = "move it to the home's policy.toml"
    named = {f"[{name}]": line for name, line in found.items()}
    if ("notify", "links") in lines:
        named["[notify] links"] = lines["notify", "links"]
    return [Problem(line, f"{name} has no effect in a project's policy.toml", hint, is_error=False) for name, line in named.items()]


def _unreachable(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of rules that can never match, because an earlier rule matches everything they do."""
    found = []
    for number, rule in enumerate(rules):
        earlier = next((one for one in rules[:number] if _covers(one, rule)), None)
        if earlier:
            text = f"rule {rule.name!r} can never match: rule {earlier.name!r} on line {earlier.line} matches everything that it does"
            found.append(Problem(rule.line, text, "put the narrower one first", is_error=False))
    return found


def _about_answers(answers: Sequence[AnswerRule]) -> list[Problem]:
    """Warn of answer templates for questions that an earlier one answers, and of those that make approve and reject the same."""
    found = []
    for number, answer in enumerate(answers):
        earlier = next(
            (one for one in answers[:number] if all_covered(one.agents, answer.agents) and all_covered(one.nodes, answer.nodes)), None
        )
        if earlier:
            text = f"the answer can never apply: the one on line {earlier.line} matches every question that it does"
            found.append(Problem(answer.line, text, "put the narrower one first", is_error=False))
        sent = list(answer.templates.values())
        if len(sent) > 1 and sent[0] == sent[1]:
            found.append(Problem(answer.line, "approve and reject send the same", "let the graph tell them apart", is_error=False))
    return found


def _covers(one: Rule, later: Rule) -> bool:
    same_time = one.hours is None or (later.hours is not None and one.hours == later.hours)
    same_when = one.when is None or (later.when is not None and one.when.tree == later.when.tree)
    globs = all_covered(one.agents, later.agents) and all_covered(one.tools, later.tools)
    return globs and same_time and same_when and set(one.tags) <= set(later.tags)


def _constant(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of conditions that read nothing of the action. One that cannot even be evaluated is a mistake."""
    found = []
    for rule in rules:
        if rule.when and rule.when.constant:
            answer = evaluate(rule.when, Facts("", ""))
            if isinstance(answer, Undetermined):
                found.append(Problem(rule.line, f"rule {rule.name!r} can never be judged: {answer.why}", "correct its when"))
            else:
                text = f"the condition of rule {rule.name!r} is always {'true' if answer else 'false'}"
                found.append(Problem(rule.line, text, "let it read something of args, or leave it out", is_error=False))
    return found


def _denying(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of recipients and deadlines in rules that deny and so ask nobody."""
    return [
        Problem(rule.line, f"rule {rule.name!r} denies, which asks nobody: its {what} has no effect", f"leave {what} out", is_error=False)
        for rule in rules
        if rule.outcome is Outcome.DENY
        for what, used in (("deadline", rule.deadline_s is not None), ("to", rule.to))
        if used
    ]


def _never_automatic(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of rules that say auto for irreversible tools which they only name by globs: such a rule always asks."""
    found = []
    for rule in rules:
        if rule.outcome is Outcome.AUTO and rule.risk is Risk.IRREVERSIBLE and not any(map(is_plain, rule.tools)):
            tools = ", ".join(rule.tools)
            text = f"rule {rule.name!r} never lets {tools} run by itself: that is irreversible, and the rule does not name it exactly"
            found.append(Problem(rule.line, text, 'name the tools, or write outcome = "ask"', is_error=False))
    return found


def _one_sided(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of numbers that a rule without a person bounds from above only: `args.amount <= 500` also holds for -1000000."""
    return [
        Problem(
            rule.line, f"rule {rule.name!r} bounds {path} only from above: {path} = -1000000 matches too", f"write {path} >= 0 and …", False
        )
        for rule in rules
        if rule.when and rule.outcome in (Outcome.AUTO, None)
        for path, (below, above) in _bounds(rule.when.tree).items()
        if below is not None and above is None
    ]


def _about_commands(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of rules that look at the commands of a script and let more, or less, through than they seem to."""
    found = []
    for rule in rules:
        for one in nodes(rule.when.tree) if rule.when else ():
            if not isinstance(one, Quantified):
                continue
            function, fields = one.items.function, {node.name for node in nodes(one.condition) if isinstance(node, Field)}
            if rule.outcome in (Outcome.AUTO, None) and one.word == "any":
                text = f"rule {rule.name!r} lets all of {function}(…) run if one of them matches"
                found.append(Problem(rule.line, text, "write all(…)", is_error=False))
            elif rule.outcome is Outcome.AUTO and function == "commands" and not fields & {"writes", "deletes", "arguments", "text"}:
                text = f"rule {rule.name!r} lets its programs run whatever they do: git can push, and find can delete"
                found.append(Problem(rule.line, text, "add: and not writes", is_error=False))
            elif rule.outcome is Outcome.DENY and one.word == "all":
                text = f"rule {rule.name!r} denies only if all of {function}(…) match: one other beside them is enough to pass"
                found.append(Problem(rule.line, text, "write any(…)", is_error=False))
    return found


def missed_below(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of rules that look for large numbers, where nothing keeps negative ones from running. Only for who checks the file."""
    return [
        Problem(
            rule.line, f"rule {rule.name!r} looks for a large {path}: {path} = -1000000 does not match it", f"add: or {path} < 0", False
        )
        for rule in rules
        if rule.when and rule.outcome not in (Outcome.AUTO, None)
        for path, (below, above) in _bounds(rule.when.tree).items()
        if above is not None and above >= 0 and below is None and not _catches_below(rules, rule, path)
    ]


def _catches_below(rules: Sequence[Rule], above: Rule, path: str) -> bool:
    """Whether another rule keeps the small values of a number from running: by a bound of its own, or because it asks about all."""
    asking = [rule for rule in rules if rule is not above and rule.outcome not in (Outcome.AUTO, None)]
    return any(
        _bounds(rule.when.tree).get(path, (None, None))[0] is not None
        if rule.when
        else all_covered(rule.tools, above.tools) and all_covered(rule.agents, above.agents)
        for rule in asking
    )


_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _bounds(node: Node) -> dict[str, tuple[float | None, float | None]]:
    """By fact, the number below which and above which a condition asks it to be; None for none. `confidence` has its own limits."""
    found: dict[str, tuple[float | None, float | None]] = {}
    for one in nodes(node):
        if not isinstance(one, Binary) or one.sign not in _FLIPPED:
            continue
        for fact, number, sign in ((one.left, one.right, one.sign), (one.right, one.left, _FLIPPED[one.sign])):
            limit = _number(number)
            if limit is None or not isinstance(fact, Part):
                continue
            below, above = found.get(path_of(fact), (None, None))
            found[path_of(fact)] = (limit, above) if sign.startswith("<") else (below, limit)
    return found


def _number(node: Node) -> float | None:
    if isinstance(node, Unary) and node.sign == "-" and (inner := _number(node.operand)) is not None:
        return -inner
    is_number = isinstance(node, Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    return float(node.value) if is_number else None  # type: ignore[union-attr,arg-type]


def _without_spot_checks(policy: Policy, lines: Mapping[Path, int]) -> list[Problem]:
    """Warn that tools act with spot checks by their level, while the policy turns spot checks off."""
    if policy.autonomy is None or policy.spot_check > 0:
        return []
    text = "spot_check = 0: nobody checks the tools that have earned to run by themselves, and they can earn no further level"
    return [Problem(line_of(lines, ("spot_check",)), text, "let a share of their calls ask, like 0.05", is_error=False)]
