"""The path of a decision from its key to its row, as docs/architecture.md lists it."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import hitl_tui
from hitl_tui import failpoints
from hitl_tui.ui.queue.view import QueueView
from tests.ui.conftest import StartConsole

PACKAGE = Path(hitl_tui.__file__).parent
ARCHITECTURE = PACKAGE.parent / "docs" / "architecture.md"


def listed() -> list[str]:
    """The files of the section "From a key to a row", in its order."""
    section = ARCHITECTURE.read_text("utf-8").partition("## From a key to a row")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `hitl_tui/(\S+)`", section, re.MULTILINE)


class CalledFiles:
    """Profiler that notes the product's files which an approval calls, in order, up to the commit."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._tasks: set[asyncio.Task[Any] | None] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "return" and code is QueueView.action_approve.__code__:
            self._tasks.clear()  # its task goes on with other messages
        if event != "call" or not code.co_filename.startswith(f"{PACKAGE}/"):
            return
        if code is failpoints.reached.__code__:
            sys.setprofile(None)
            return
        if code is QueueView.action_approve.__code__ or code.co_name == "_answer":  # the key, and the worker that it starts
            self._tasks.add(asyncio.current_task())
        file = str(Path(code.co_filename).relative_to(PACKAGE))
        if self._tasks and asyncio.current_task() in self._tasks and file not in self.files:
            self.files.append(file)


async def test_approve_calls_the_files_that_the_architecture_lists(start_console: StartConsole) -> None:
    called = CalledFiles()
    async with start_console() as console:
        before = sys.getprofile()
        sys.setprofile(called)
        try:
            await console.press("a")
        finally:
            sys.setprofile(before)
    assert called.files == [file for file in listed() if file.endswith(".py")], "correct the list in docs/architecture.md"
    assert all((PACKAGE / file).exists() for file in listed())
