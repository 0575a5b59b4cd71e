"""`hitl-tui lessons`: what rejections and corrections come to, judged by people, and written out for who keeps prompts in files."""

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
from hitl_tui.cli.command_group import Group
from hitl_tui.cli.context import tell
from hitl_tui.cli.options import json_option, shared
from hitl_tui.errors import Refused
from hitl_tui.inbox import Inbox
from hitl_tui.model import Lesson, LessonState
from hitl_tui.oversight.statistics import Rates
from hitl_tui.sanitize import spelt, visible
from hitl_tui.store import audit

Effect = tuple[Rates, Rates] | None
"""What became of the tool's calls before, and since."""
INLINE = re.compile(r"[\\`*#\[\]<>&~|]|(?<!\w)_|_(?!\w)")
"""What would mean something to Markdown wherever it stands."""
FIRST = re.compile(r"^([+\-=]|\d+(?=[.)]))")
"""What would mean something at the beginning."""


class Lessons(Group):
    """Lists lessons when it is told nothing else."""

    otherwise = ("list",)


@click.group(cls=Lessons)
def lessons() -> None:
    """What people's rejections and corrections come to: agents read the lessons that somebody accepted.

    Without a command: list what is proposed and accepted.
    """


@lessons.command("list")
@click.option("--all", "all_", is_flag=True, help="Dropped ones too.")
@json_option
@shared
def list_(all_: bool, json_: bool, home: str | None, reviewer: str | None) -> None:
    """List lessons: first what is proposed, then what was accepted, with what became of the tool's calls since."""

    async def work(inbox: Inbox) -> str:
        states = tuple(LessonState) if all_ else (LessonState.PROPOSED, LessonState.ACCEPTED)
        found = [(one, await inbox.lessons.effects(one)) for one in await inbox.lessons.list(states)]
        if json_:
            return printing.as_json([_json(*one) for one in found])
        if not found:
            return "no lessons yet: they are proposed when people correct or reject a tool's calls alike at least twice"
        return "\n".join(visible(line) for one in found for line in _lines(*one))

    tell(work, home, reviewer)


@lessons.command("accept")
@click.argument("lesson", metavar="ID")
@click.option("--text", metavar="TEXT", help="In these words.")
@json_option
@shared
def accept(lesson: str, text: str | None, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Have the agent read a lesson from its next run on."""

    async def work(inbox: Inbox) -> str:
        return _told(await inbox.lessons.accept(_number(lesson), text), json_)

    tell(work, home, reviewer)


@lessons.command("edit")
@click.argument("lesson", metavar="ID")
@click.argument("text", metavar="TEXT")
@json_option
@shared
def edit(lesson: str, text: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Say a lesson in other words; an accepted one is read so from the agent's next run on."""

    async def work(inbox: Inbox) -> str:
        return _told(await inbox.lessons.edit(_number(lesson), text), json_)

    tell(work, home, reviewer)


@lessons.command("drop")
@click.argument("lesson", metavar="ID")
@json_option
@shared
def drop(lesson: str, json_: bool, home: str | None, reviewer: str | None) -> None:
    """Have no agent read a lesson; it is proposed again only when many more decisions say the same."""

    async def work(inbox: Inbox) -> str:
        return _told(await inbox.lessons.drop(_number(lesson)), json_)

    tell(work, home, reviewer)


@lessons.command("export")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file, which must be new; else they are printed.")
@click.option("--force", is_flag=True, help="Replace the file when it is there.")
@shared
def export(output: Path | None, force: bool, home: str | None, reviewer: str | None) -> None:
    """Write the accepted lessons as Markdown, by agent and tool."""

    async def work(inbox: Inbox) -> str:
        found = await inbox.lessons.list([LessonState.ACCEPTED])
        if not found:
            raise Refused("no lesson is accepted", "`hitl-tui lessons` lists what is proposed")
        text = "\n".join(markdown(found)) + "\n"
        if output:
            _write(output, text, force)
        async with inbox.store.transaction() as db:
            await audit.note(db, time.time(), "exported", inbox.reviewer, {"format": "lessons", "lessons": len(found)})
        return visible(f"{_count(len(found))} in {output}") if output else text.rstrip("\n")

    tell(work, home, reviewer)


def markdown(lessons: Sequence[Lesson]) -> Iterator[str]:
    """Lines of Markdown: an agent's name is a heading, and a tool's below it; what they and the lessons say is text and nothing else."""
    yield "# What reviewers have taught"
    ordered = sorted(lessons, key=lambda one: (one.agent, one.tool, one.decided_at or 0.0, one.id))
    for agent, its in groupby(ordered, key=lambda one: one.agent):
        yield from ("", f"## {_plain(agent)}")
        for tool, of_tool in groupby(its, key=lambda one: one.tool):
            yield from ("", f"### {_plain(tool)}", "")
            yield from (f"- {_plain(one.text)}" for one in of_tool)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, in one line."""
    line = INLINE.sub(lambda found: f"\\{found[0]}", " ".join(spelt(text).splitlines()).strip())
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


def _told(lesson: Lesson, json_: bool) -> str:
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
