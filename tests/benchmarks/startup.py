"""Time from process start to the first painted frame, relative to a minimal Textual app; and of `--help`, relative to importing click."""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.ratio import Ratio, median_ratio
from tests.benchmarks.rows import seed_home
from tests.benchmarks.terminal import terminal

PAIRS = 7
MINIMAL = """
from textual.app import App
from textual.widgets import Static
class Minimal(App):
    def compose(self):
        yield Static("first-frame")
Minimal().run()
"""


def console_command(home: Path, *targets: str) -> list[str]:
    """The console on a home."""
    return [str(Path(sys.executable).with_name("hitl-tui")), "--home", str(home), *targets]


def _painted(command: Sequence[str], marker: bytes) -> float:
    with terminal(command) as screen:
        return screen.until(marker) - screen.began


def _seconds(command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def measure() -> list[Ratio]:
    """Three ratios."""
    minimal = [sys.executable, "-c", MINIMAL]
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as full:
        seed_home(Path(full), 10_000)
        found = []
        for what, home in (("empty home", empty), ("10,000 reviews waiting", full)):
            command = console_command(Path(home))
            ours = functools.partial(_painted, command, b"hitl-tui")
            base = functools.partial(_painted, minimal, b"first-frame")
            found.append(median_ratio(f"first painted frame, {what} ÷ a minimal Textual app", 1.25, PAIRS, ours, base))
    help_ = [str(Path(sys.executable).with_name("hitl-tui")), "--help"]
    click = [sys.executable, "-c", "import click"]
    return [*found, median_ratio("hitl-tui --help ÷ import click", 1.5, 15, lambda: _seconds(help_), lambda: _seconds(click))]
