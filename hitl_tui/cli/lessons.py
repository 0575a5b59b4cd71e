"""`hitl-tui lessons`: lists lessons learned from decisions, accepts, edits and drops them, and exports them as Markdown."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from hitl_tui import atomic_write
from hitl_tui.cli import output as printing
from hitl_tui.cli.command_group import ListByDefault, example
from hitl_tui.cli.context import print_from_inbox
from hitl_tui.cli.options import common_options, completes, json_option
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Actor, Lesson, LessonState, Role
from hitl_tui.oversight.statistics import Rates
from hitl_tui.sanitize import spell_out, visible
from hitl_tui.store import audit

Effect = tuple[Rates, Rates] | None
"""Outcomes of the tool's calls before the lesson was accepted, and since."""
INLINE = re.compile(r"[\\`*#\[\]<>&~|]|(?<![^\W_])_|_(?![^\W_])")
"""Markdown syntax inside a line."""
FIRST = re.compile(r"^([+\-=]|\d+(?=[.)]))")
"""Markdown syntax at the start of a line."""


@click.group(cls=ListByDefault, epilog=example("hitl-tui lessons", "hitl-tui lessons accept 3"))
def lessons() -> None:
    """List, accept and export lessons for the agents.

    A lesson is proposed when people correct or reject a tool's calls in the same way. Agents read the accepted ones. Without a command it
    lists proposed and accepted lessons.
    """


@lessons.command("list", epilog=example("hitl-tui lessons list --all"))
@click.option("--all", "all_", is_flag=True, help="Include dropped lessons.")
@json_option
@common_options
def list_(all_: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List proposed and accepted lessons."""

    async def work(inbox: Inbox) -> str:
        states = tuple(LessonState) if all_ else (LessonState.PROPOSED, LessonState.ACCEPTED)
        found = [(one, await inbox.lessons.effects(one)) for one in await inbox.lessons.find(states)]
        if json_:
            return printing.as_json([_json(*one) for one in found])
        if not found:
            return "no lessons yet: one is proposed when people correct or reject a tool's calls in the same way at least twice"
        return "\n".join(visible(line) for one in found for line in _lines(*one))

    print_from_inbox(work, home, reviewer)


@lessons.command("accept", epilog=example("hitl-tui lessons accept 3"))
@click.argument("lesson", metavar="ID", shell_complete=completes("lessons"))
@click.option("--text", metavar="TEXT", help="Reword the lesson.")
@json_option
@common_options
def accept(lesson: str, text: str | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Accept a lesson: the agent reads it from its next run on."""

    async def work(inbox: Inbox) -> str:
        return _lesson_text(await inbox.lessons.accept(_number(lesson), text), json_)

    print_from_inbox(work, home, reviewer)


@lessons.command("edit", epilog=example("hitl-tui lessons edit 3 'Sign mails with Kim Larsen.'"))
@click.argument("lesson", metavar="ID", shell_complete=completes("lessons"))
@click.argument("text", metavar="TEXT")
@json_option
@common_options
def edit(lesson: str, text: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Reword a lesson."""

    async def work(inbox: Inbox) -> str:
        return _lesson_text(await inbox.lessons.edit(_number(lesson), text), json_)

    print_from_inbox(work, home, reviewer)


@lessons.command("drop", epilog=example("hitl-tui lessons drop 3"))
@click.argument("lesson", metavar="ID", shell_complete=completes("lessons"))
@json_option
@common_options
def drop(lesson: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Drop a lesson: no agent reads it.

    It is proposed again only after many more decisions that support it.
    """

    async def work(inbox: Inbox) -> str:
        return _lesson_text(await inbox.lessons.drop(_number(lesson)), json_)

    print_from_inbox(work, home, reviewer)


@lessons.command("export", epilog=example("hitl-tui lessons export -o lessons.md"))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write, which must not exist; default: standard output."
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option("--tools", "as_tools", is_flag=True, help="As JSON, {agent: {tool: text}}: what to add to the tools' descriptions.")
@common_options
def export(output: Path | None, force: bool, as_tools: bool, home: str | None, reviewer: str | None) -> None:
    """Write the accepted lessons as Markdown, by agent and tool."""

    async def work(inbox: Inbox) -> str:
        await inbox.require(Role.EXPORT, "export lessons")
        found = await inbox.lessons.find([LessonState.ACCEPTED])
        if not found:
            raise Refused("no lesson is accepted", "`hitl-tui lessons` lists the proposed ones")
        text = (printing.as_json(of_tools(found)) if as_tools else "\n".join(markdown(found))) + "\n"
        if output:
            _write(output, text, force)
        async with inbox.store.transaction() as db:
            audit.note(db, time.time(), "exported", Actor(inbox.reviewer), {"format": "lessons", "lessons": len(found)})
        return visible(f"{_count(len(found))} in {output}") if output else text.rstrip("\n")

    print_from_inbox(work, home, reviewer)


def of_tools(lessons: Sequence[Lesson]) -> dict[str, dict[str, str]]:
    """By agent and tool, the text to add to the tool's description: a line for each lesson, in the order in which they were accepted."""
    found: dict[str, dict[str, str]] = {}
    for one in sorted(lessons, key=lambda one: (one.agent, one.tool, one.decided_at or 0.0, one.id)):
        texts = found.setdefault(one.agent, {})
        texts[one.tool] = "\n".join(filter(None, [texts.get(one.tool, ""), f"- {one.text}"]))
    return found


def markdown(lessons: Sequence[Lesson]) -> Iterator[str]:
    """Lines of Markdown, with a heading for each agent and tool. Names and lessons are escaped."""
    yield "# Lessons from reviewers"
    ordered = sorted(lessons, key=lambda one: (one.agent, one.tool, one.decided_at or 0.0, one.id))
    for agent, its in groupby(ordered, key=lambda one: one.agent):
        yield from ("", f"## {_plain(agent)}")
        for tool, of_tool in groupby(its, key=lambda one: one.tool):
            yield from ("", f"### {_plain(tool)}", "")
            yield from (f"- {_plain(one.text)}" for one in of_tool)


def _plain(text: str) -> str:
    """One line of escaped Markdown that shows `text` unchanged."""
    line = INLINE.sub(lambda found: f"\\{found[0]}", " ".join(spell_out(text).splitlines()).strip())
    return FIRST.sub(lambda found: f"{found[0]}\\" if found[0].isdigit() else f"\\{found[0]}", line)


def _write(path: Path, text: str, force: bool) -> None:
    if not force:
        with atomic_write.whole(path) as file:
            file.write(text)
        return
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    with atomic_write.whole(new) as file:
        file.write(text)
    new.replace(path)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refused(f"{text!r} is not a lesson, like 3", "`hitl-tui lessons` lists them")
    return int(text)


def _lesson_text(lesson: Lesson, json_: bool) -> str:
    return printing.as_json(_json(lesson, None)) if json_ else visible(f"lesson {lesson.id} is {lesson.state}: {lesson.text}")


def _json(lesson: Lesson, effect: Effect) -> dict[str, Any]:
    return {
        "lesson": lesson.id, "agent": lesson.agent, "tool": lesson.tool, "topic": lesson.topic, "text": lesson.text,
        "wording": lesson.wording, "state": lesson.state, "examples": list(lesson.examples), "made_at": lesson.made_at,
        "by": lesson.actor or None, "decided_at": lesson.decided_at,
        "effect": effect and {"before": _rates_json(effect[0]), "since": _rates_json(effect[1])},
    }  # fmt: skip


def _rates_json(rates: Rates) -> dict[str, int]:
    return {"approved": rates.approved, "edited": rates.edited, "rejected": rates.rejected, "answered": rates.answered}


def _lines(lesson: Lesson, effect: Effect) -> Iterator[str]:
    by = f" by {lesson.actor}" if lesson.actor else ""
    yield f"{lesson.id}  {lesson.state}{by}  {lesson.agent} {lesson.tool}  ({lesson.topic}, from {len(lesson.examples)} decisions)"
    yield f"   {lesson.text}"
    if effect:
        yield f"   before: {_share(effect[0])}; since: {_share(effect[1])}"


def _share(rates: Rates) -> str:
    if not rates.total:
        return "nothing decided"
    return f"{rates.edited} edited and {rates.rejected} rejected of {rates.total}"


def _count(lessons: int) -> str:
    return f"{lessons} lesson{'s are' if lessons > 1 else ' is'}"
