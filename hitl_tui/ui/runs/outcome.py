"""What became of a run, in lines: its last message and result, or its error with the agent's own frames first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import hitl_tui
from hitl_tui import canonical_json
from hitl_tui.formatting import counted
from hitl_tui.model import Json, Message, Run
from hitl_tui.sanitize import shortened
from hitl_tui.ui.review import render
from hitl_tui.ui.text.lines import BLANK, Line, line, paragraph, table, value_lines

FRAME = re.compile(r'^[\s|+-]*File "([^"]+)", line \d+')
"""The first line of a frame of a traceback."""
LONGEST_VALUE = 80
"""Characters of a value of the result, where all of them are on one line."""
PACKAGE = f"{Path(hitl_tui.__file__).parent}/"
LIBRARY = re.compile(r"/(?:site|dist)-packages/([^/]+)")
STANDARD = re.compile(r"^<frozen |/lib/python3[^/]*/(?!(?:site|dist)-packages/)")


def outcome_lines(run: Run) -> Iterator[Line]:
    """The error of a failed run, else what the graph returned."""
    if run.error:
        yield from paragraph(run.error, "error", "✗", 2, "error", agent=True)
    if run.traceback:
        yield BLANK
        yield from _traceback(run.traceback)
    if run.result is not None:
        yield from _result(run.result)
    elif not run.error:
        yield line("not finished yet" if run.ended_at is None else "no result", "muted")


def last_message(run: Run) -> str:
    """What a run said last, or returned where that is one text; of other results the short values that are not those it began with."""
    result = run.result
    if isinstance(result, dict):
        said = [message.text for message in read_messages(result.get("messages")) if message.text]
        texts = [value for value in result.values() if isinstance(value, str) and value]
        return said[-1] if said else texts[-1] if len(texts) == 1 else " · ".join(_new_values(run, result))
    return result if isinstance(result, str) else ""


def _new_values(run: Run, result: Mapping[str, Json]) -> Iterator[str]:
    """Short values of a result that the input did not have: `status: approved`."""
    given = run.input.get("input") if isinstance(run.input, dict) else None
    began = given if isinstance(given, dict) else {}
    for name, value in result.items():
        is_plain = isinstance(value, str | int | float) and value != ""
        if is_plain and (name not in began or began[name] != value):
            yield f"{name}: {shortened(value if isinstance(value, str) else canonical_json.dumps(value), LONGEST_VALUE)}"


def takes_messages(run: Run) -> bool:
    """Whether a finished run may take the next message of a conversation: it began with a text, or its graph keeps messages."""
    began_with_text = isinstance(run.input, dict) and "text" in run.input
    return began_with_text or not isinstance(run.result, dict) or "messages" in run.result


def read_messages(value: Json) -> list[Message]:
    """The conversation a state holds, as workers write it down; empty when it is anything else."""
    try:
        return [Message(**{**one, "calls": tuple((call["name"], call["args"]) for call in one["calls"])}) for one in value]
    except (TypeError, ValueError, KeyError):
        return []


def own_frames(traceback: str) -> Iterator[tuple[str, bool]]:
    """The lines of a traceback, each with whether it is folded: frames of libraries and of this program become one line each."""
    folded: list[str] = []
    in_foreign = False
    for text in traceback.rstrip("\n").split("\n"):
        frame = FRAME.match(text)
        if frame:
            foreign = _library(frame[1])
            in_foreign = bool(foreign)
            if foreign:
                folded.append(foreign)
                continue
        elif in_foreign and text.startswith("    "):  # the frame's code
            continue
        in_foreign = False
        if folded:
            yield _folded(folded), True
            folded = []
        yield text, False
    if folded:
        yield _folded(folded), True


def _library(path: str) -> str:
    """The library a file belongs to; empty for the agent's own code."""
    if library := LIBRARY.search(path):
        return library[1].removesuffix(".py")
    if path.startswith(PACKAGE):
        return "hitl-tui"
    return "Python" if STANDARD.search(path) else ""


def _folded(libraries: list[str]) -> str:
    return f"… {counted(len(libraries), 'frame')} of {', '.join(dict.fromkeys(libraries))}"


def _traceback(text: str) -> Iterator[Line]:
    lines = list(own_frames(text))
    if not any(FRAME.match(shown) for shown, _ in lines) or not any(folded for _, folded in lines):
        yield from paragraph(text, "muted", agent=True)
        return
    for shown, folded in lines:
        yield line(shown, "muted" if folded else "", indent=2, agent=True)
    yield BLANK
    yield line("the whole traceback", "muted")
    yield from paragraph(text, "muted", indent=2, agent=True)


def _result(result: Json) -> Iterator[Line]:
    """What the graph left; of a conversation first what was said last."""
    said = read_messages(result.get("messages")) if isinstance(result, dict) else ()
    if not isinstance(result, dict) or not said:
        yield from table(result.items()) if isinstance(result, dict) and result else value_lines(result)
        return
    rest = {name: value for name, value in result.items() if name != "messages"}
    if said[-1].text:
        yield from paragraph(said[-1].text, agent=True)
        yield BLANK
    if rest:
        yield from table(rest.items())
        yield BLANK
    yield line("the whole conversation", "muted")
    for message in said:
        yield from render.message_lines(message)
