"""What a call would do, as lines under its arguments. The agent's text stands behind its bar, the words about it before the bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.argument_text import name_line, name_text
from hitl_tui.effects.provenance import Origin, Provenance
from hitl_tui.effects.view import Effect, Section, problem_of, title_of, worth_showing
from hitl_tui.model import Json
from hitl_tui.ui.text.lines import Line, line

NAME = 40
"""Characters of a name."""
TAB = "Effects"
"""The tab with what a call would do, and the passages that its values come from."""


def effect_lines(sections: Sequence[Section]) -> Iterator[Line]:
    """The rows of all sections, each with a heading."""
    for section in worth_showing(sections):
        heading = title_of(section, name_line(section.argument, NAME))
        if section.problem:
            yield line(f"{heading}: {problem_of(section)}", "warning", "⚠", 2, "warning")
            continue
        if section.kind == "change" and len(section.effects) == 1 and not section.effects[0].text:
            yield line(f"{heading}: {section.effects[0].detail}", "muted")
            continue
        yield line(heading, "muted")
        for effect in section.effects:
            yield from _effect(effect, section.kind)


MARKS = {
    Origin.USER: "✎",
    Origin.INPUT: "»",
    Origin.TOOL: "←",
    Origin.PROMPT: "¶",
    Origin.COMPUTED: "≈",
    Origin.NOWHERE: "∅",
}
"""Mark of where a value comes from."""


def value_marks(args: Json, origins: Sequence[Provenance]) -> dict[str, tuple[str, str]]:
    """The mark beside each argument with its style, by the argument's name as it is drawn: of a list or object that of its last origin."""
    order, marks = list(Origin), dict[str, tuple[str, str]]()
    for name in args if isinstance(args, dict) else ():
        inside = (f"{name}.", f"{name}[")
        found = [one for one in origins if one.path == name or one.path.startswith(inside)]
        if found:
            last = max(found, key=lambda one: (order.index(one.origin), one.matters))
            marks[name_text(name)] = (MARKS[last.origin], _style(last))
    return marks


def _style(one: Provenance) -> str:
    return "warning" if one.matters else "muted"


def tab_lines(sections: Sequence[Section], origins: Sequence[Provenance]) -> Iterator[Line]:
    """All of it: what the call would do, and where each value comes from, with the passage that holds it."""
    yield from effect_lines(sections)
    for one in origins:
        yield line(f"{name_line(one.path, NAME)}: {one.told()}", _style(one), MARKS[one.origin], 2, _style(one))
        if one.passage:
            yield line(one.passage, "", "", 2, agent=True)


def _effect(effect: Effect, kind: str) -> Iterator[Line]:
    marks = ", ".join(effect.marks)
    if kind in ("change", "preview"):
        sign = {"added": "+", "removed": "-"}.get(marks, " ")
        yield (
            line(effect.text, effect.style, f"  {sign}", 4, effect.style, agent=True)
            if not effect.detail
            else line(effect.detail, "muted", "", 4)
        )
        return
    indent = 2 + 2 * effect.depth
    if effect.text:
        yield line(effect.text, "" if effect.style != "muted" else "muted", "", indent, agent=True)
    if marks:
        yield line(marks, effect.style, "↳", indent + 4, effect.style)
    if effect.detail:
        yield line(effect.detail, "muted", "", indent + 4, agent=True)
