"""Runs a program in a real terminal: tmux starts it, types keys and reads the screen."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None and not os.environ.get("CI"), reason="tmux is not installed")


class Tmux:
    """A window on a tmux server of its own."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def run(self, *args: str) -> str:
        """Run a tmux command, and return its output."""
        own_size = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}  # pytest sets these
        return subprocess.run(["tmux", "-L", self._socket, *args], check=True, capture_output=True, text=True, env=own_size).stdout

    def keys(self, *names: str) -> None:
        """Press keys, given by tmux's names."""
        self.run("send-keys", *names)

    def type(self, text: str) -> None:
        """Type a text literally."""
        self.run("send-keys", "-l", text)

    def screen(self) -> str:
        """Return what the screen shows now."""
        return self.run("capture-pane", "-p")

    def until(self, *texts: str, timeout: float = 40) -> str:
        """Wait until all texts are on the screen, and return the screen."""
        return self.until_true(lambda screen: all(text in screen for text in texts), f"never saw {texts}", timeout)

    def press_until(self, key: str, *texts: str) -> str:
        """Press a key until all texts are on the screen, again if it was ignored because the screen had changed a moment before."""
        for _ in range(8):
            self.keys(key)
            with contextlib.suppress(AssertionError):
                return self.until(*texts, timeout=5)
        raise AssertionError(f"never saw {texts} after {key}; the screen was:\n{self.screen()}")

    def until_true(self, is_so: Callable[[str], bool], otherwise: str, timeout: float = 40) -> str:
        """Wait until something is true of the screen, and return the screen; `otherwise` says what was not."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            screen = self.screen()
            if is_so(screen):
                return screen
            time.sleep(0.2)
        raise AssertionError(f"{otherwise}; the screen was:\n{self.screen()}")


@contextmanager
def tmux(command: Sequence[str], columns: int = 120, rows: int = 36) -> Iterator[Tmux]:
    """Run the command in a terminal of this size; when it has ended, the screen shows `[exit N]`."""
    window = Tmux(f"hitl-{uuid.uuid4().hex[:8]}")
    shell = f'{shlex.join(command)}; echo "[exit $?]"; sleep 600'
    window.run("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), "-e", "LANG=C.UTF-8", shell)
    window.run("set", "-g", "status", "off")
    window.run("resize-window", "-x", str(columns), "-y", str(rows))
    try:
        yield window
    finally:
        subprocess.run(["tmux", "-L", window._socket, "kill-server"], check=False, capture_output=True)
