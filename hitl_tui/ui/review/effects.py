"""What a call would do, as lines under its arguments. The agent's text stands behind its bar, the words about it before the bar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hitl_tui.argument_text import name_line
from hitl_tui.effects.provenance import Provenance, by_origin
from hitl_tui.effects.view import Effect, Section, problem_of, title_of, worth_showing
from hitl_tui.ui.text.lines import Line, line

NAME = 40
"""Characters of a name."""
MOST_NAMES = 8
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


def origin_lines(origins: Sequence[Provenance]) -> Iterator[Line]:
    """A quiet line for each origin, with the names of the values that come from it; targets from nowhere stand out, and are first."""
    targets = [one for one in origins if one.is_target]
    if targets:
        yield line(f"{'target' if len(targets) == 1 else 'targets'} from nowhere: {_names(targets)}", "warning", "∴", 2, "warning")
    for told, found in by_origin([one for one in origins if not one.is_target]).items():
        yield line(f"{told}: {_names(found)}", "muted", "∴", 2)


def _names(found: Sequence[Provenance]) -> str:
    return ", ".join(name_line(one.path, NAME) for one in found[:MOST_NAMES]) + (" …" if len(found) > MOST_NAMES else "")


def tab_lines(sections: Sequence[Section], origins: Sequence[Provenance]) -> Iterator[Line]:
    """All of it: what the call would do, and where each value comes from, with the passage that holds it."""
    yield from effect_lines(sections)
    for one in origins:
        yield line(f"{name_line(one.path, NAME)}: {one.told()}", "warning" if one.is_target else "muted")
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
