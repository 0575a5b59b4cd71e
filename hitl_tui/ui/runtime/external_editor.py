"""Hands a text or a file to $VISUAL or $EDITOR, and takes it back."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textual.app import App, SuspendNotSupported

from hitl_tui.errors import Refused
from hitl_tui.pinned_session import refuse_if_pinned
from hitl_tui.ui.text.syntax import suffix_of

EDITORS_SIGNALS = (signal.SIGINT, signal.SIGQUIT)
"""Signals that keys of a terminal send to all of its programs."""
ENDING = (signal.SIGTERM, signal.SIGHUP)


def edit_outside(app: App[object], text: str, name: str = "arguments.json") -> str:
    """The text as the editor left it. The file, whose name tells the editor what it is, is private and removed afterwards.

    Raises:
        Refused: there is no such editor, it failed, or it left no text.
    """
    with tempfile.TemporaryDirectory(prefix="hitl-tui-") as folder:
        path = Path(folder) / name
        path.touch(mode=0o600)
        path.write_text(text + "\n", "utf-8", newline="\n")
        _edit(app, path, "the text is as it was")
        try:
            return path.read_text("utf-8").removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"what the editor left cannot be read: {error}", "the text is as it was") from None


def file_name(name: str, text: str, is_json: bool = False) -> str:
    """A file name for a text, with the suffix of the language it is probably written in: Markdown if nothing says otherwise."""
    suffix = ".json" if is_json else suffix_of(name, text)
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '_', name)[:40].strip('_') or 'text'}{suffix}"


def edit_file(app: App[object], path: Path) -> None:
    """Let the person edit a file where it is.

    Raises:
        Refused: there is no such editor, or it failed.
    """
    _edit(app, path, "the file is as it left it")


def _edit(app: App[object], path: Path, failed: str) -> None:
    refuse_if_pinned("$EDITOR")
    command, code = _command(), 0
    try:
        with app.suspend():  # nothing may be raised in here: the screen would not come back
            try:
                with _terminal_kept(), _signals_kept():
                    code = subprocess.run([*command, str(path)], check=False).returncode
            except OSError:
                code = -1
    except SuspendNotSupported:
        raise Refused("a browser has no room for $EDITOR", "type it here, or use a terminal") from None
    if code == -1:
        raise Refused(f"the editor {command[0]} cannot be started", "set EDITOR")
    if code:
        raise Refused(f"the editor {command[0]} ended with exit code {code}", failed)


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """Give the terminal back its modes, also if the editor was killed."""
    import termios

    modes = None
    with contextlib.suppress(termios.error):
        modes = termios.tcgetattr(0)
    try:
        yield
    finally:
        if modes is not None:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(0, termios.TCSADRAIN, modes)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Leave ctrl+c and ctrl+\\ to the editor, which may take them for its own commands; other ends of the console come after it."""
    came = set[int]()
    wakeup = signal.set_wakeup_fd(-1)  # otherwise asyncio would act on them afterwards
    before = {each: signal.signal(each, lambda number, _: came.add(number)) for each in (*EDITORS_SIGNALS, *ENDING)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        signal.set_wakeup_fd(wakeup)
        for number in came.intersection(ENDING):
            os.kill(os.getpid(), number)


def _command() -> list[str]:
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        return shlex.split(chosen) or ["vi"]
    except ValueError as error:
        raise Refused(f"EDITOR is no command: {error}", "correct it") from None
