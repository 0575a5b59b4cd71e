"""Random sessions of a console in a terminal: bytes, sizes and signals, and how many decisions their keys may make at most."""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import struct
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.terminal import Terminal

LETTERS = [bytes([number]) for number in range(128)]
MOVES = (
    *(LETTERS[key] for key in b"jkgGxXsodhv123[] "), b"\x1b[A", b"\x1b[B", b"\x1b[5~", b"\x1b[6~", b"\t", b"\x1b[Z", b"\x1bOP", b"\x1bOQ",
    b"\x1bOR", b"\x1bOS", b"\x1b[15~",
)  # fmt: skip
"""Keys that decide nothing by themselves: they move, mark, sort, snooze and show."""
OPENS = tuple(LETTERS[key] for key in b"remtn!hcwAp/?PuL")
"""Keys that open dialogs, or take something back."""
DECIDES = (b"a", b"a", b"y", b"\r", b"\x13", b"1")
"""Keys that may decide, in the queue or in a dialog that another key has opened."""
REPLIES = (
    b"\x1b[?2026;2$y", b"\x1b[?2048;0$y", b"\x1b[?0u", b"\x1b[?31u", b"\x1b[?62;4c", b"\x1b[0n", b"\x1b[12;40R",
    b"\x1b]11;rgb:aaaa/aaaa/aaaa\x1b\\",
    b"\x1b]52;c;YWFhYXlyDQ==\x07", b"\x1bP1+r436f=323536\x1b\\", b"\x1bP>|aaa yes\r\x1b\\", b"\x1b_Gi=31;OK\x1b\\",
    b"\x1b[I", b"\x1b[O", b"\x1b[97;1:3u", b"\x1b[13;1:3u", b"\x1b[57441;2u", b"\x1b[1;1:3A",
)  # fmt: skip
"""What terminals send unasked, or asked by somebody else; and keys that are released."""
BROKEN = (
    b"\x1b[", b"\x1b]0;a", b"\x1bP", b"\x1b[12", b"\x1b[<9;9", b"\x1b[99999999999u", b"\x1b[1;1:9u", b"\x1b[M\xe4a\r",
    b"\x1b[" + b"9;" * 3000 + b"u",
    b"\x1b[" + b"a" * 9 + b"\r", b"\x1b]52;c;" + b"YQ" * 40_000 + b"\x07", b"\xe4", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x9b97u", b"\x1b^aaa\r\x1b\\", b"\x1bXaaa\x1b\\",
    b"\x00", b"\x1b\x1b[A", b"\x1ba", b"\x1b\r", b"\x1b[48;0;0;0;0t", b"\x1b[48;99999;99999;1;1t", b"\x1b[201~", b"\x1b[27;5;97~",
)  # fmt: skip
HOSTILE = (
    b"a",
    b"y",
    b"\r",
    b"\n",
    b"\x13",
    b"\x1b",
    b"\x1b[",
    b"\x1b[97u",
    b"\x1b[31m",
    b"\x1b[20",
    b"\x1b[200~",
    b"\xe4",
    b"\x03",
    b"rm -rf /\r",
    b"1",
    b"\t",
)
"""Pieces of pasted text."""
ENDS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)
MODE = re.compile(rb"\x1b\[\?(\d+(?:;\d+)*)([hl])")
NORMALLY_ON = {7, 25}
"""Line wrap and the cursor; every other mode is off in a shell."""
BEGINS = b"\x1b[?1049h"
"""What the console draws first when it begins, and when it goes on after a stop."""
PASTE_END, QUIT = b"\x1b[201~", b"\x11"
ENDS_S = 60.0
UNASKED_QUIET_S = 0.06
"""Longer than what comes after a paste or a burst is still taken for a part of it."""


class RecordedTerminal(Terminal):
    """A terminal that keeps all that was drawn, and knows its first modes."""

    def __init__(self, pid: int, fd: int, began: float) -> None:
        super().__init__(pid, fd, began)
        self.output = bytearray()
        self.first_modes = termios.tcgetattr(fd)

    def _read(self) -> bytes:
        data = super()._read()
        self.output += data
        return data

    def resize(self, columns: int, rows: int) -> None:
        """Change the size, as a window does."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program."""
        os.kill(self.pid, number)

    def go_on(self) -> None:
        """Let the program go on, and wait until it has drawn all again: before, ctrl+c in a paste may be a signal."""
        drawn = self.output.count(BEGINS)
        self.signal(signal.SIGCONT)
        self.drain(0.05)
        self.drain_until(lambda: self.output.count(BEGINS) > drawn and self.is_raw)

    @property
    def is_stopped(self) -> bool:
        """Whether the program was stopped and not continued."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    @property
    def is_raw(self) -> bool:
        """Whether the program reads keys as they come."""
        return not termios.tcgetattr(self._fd)[3] & termios.ICANON

    def drain_until(self, is_so: Callable[[], bool]) -> None:
        """Read what is drawn until something is so."""
        deadline = time.monotonic() + ENDS_S
        while self.runs and not is_so():
            assert time.monotonic() < deadline, f"it waits in vain: {bytes(self.output[-2000:])!r}"
            self.drain(0.02)

    def unrestored(self) -> list[str]:
        """What is not as it was before the program."""
        modes: dict[int, bool] = {}
        for numbers, letter in MODE.findall(bytes(self.output)):
            modes.update({int(number): letter == b"h" for number in numbers.split(b";")})
        found = [f"mode {number}" for number, is_on in modes.items() if is_on != (number in NORMALLY_ON)]
        pushed, popped = len(re.findall(rb"\x1b\[>\d+u", self.output)), self.output.count(b"\x1b[<u")
        found += [] if pushed == popped else [f"{pushed} keyboard modes pushed, {popped} popped"]
        return found + ([] if termios.tcgetattr(self._fd) == self.first_modes else ["echo and line editing"])


@dataclass(frozen=True)
class Step:
    """One thing that happens in a session, and how many decisions it may make at most."""

    reads: tuple[bytes, ...] = ()
    pause_s: float = 0.0
    """Between the reads."""
    act: Callable[[RecordedTerminal], Any] | None = None
    may_decide: int = 0


@dataclass
class Session:
    """The steps of a seed. Every second session has no key that may decide."""

    seed: int
    steps: list[Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        kinds = [self._moves, self._opens, self._paste, self._burst, self._noise, self._mouse, self._resize, self._signal]
        if self.seed % 2:
            kinds += [self._decides, self._held]
        self.steps = [self._random.choice(kinds)() for _ in range(self._random.randrange(4, 14))]
        self.end = self._random.choice([None, None, *ENDS])

    @property
    def may_decide(self) -> int:
        """Decisions, runs and the like that the keys of the session may make at most."""
        return sum(step.may_decide for step in self.steps)

    def _moves(self) -> Step:
        return Step(tuple(self._keys(MOVES, 6)), 0.1)

    def _opens(self) -> Step:
        """Open a dialog, put text into it, and close it."""
        text = self._step_of_paste() if self._random.random() < 0.7 else Step((b"some text",))
        opened, closed = self._keys(OPENS, 2), [b"\x1b"] * self._random.randrange(1, 3)
        return Step((*opened, *text.reads, *closed), max(text.pause_s, UNASKED_QUIET_S))

    def _paste(self) -> Step:
        return self._step_of_paste()

    def _step_of_paste(self) -> Step:
        """A paste, whole, in pieces or byte by byte; in another one; or without an end until the step is over."""
        pieces = self._random.choices(HOSTILE, k=self._random.randrange(1, 12))
        if self._random.random() < 0.02:
            pieces *= 100_000
        text = b"".join(pieces)
        if b"\x1b[201~" in text:
            text = b"a"
        ends = 0 if self._random.random() < 0.05 else 2 if b"\x1b[200~" in text else 1
        whole = b"\x1b[200~" + text + b"\x1b[201~" * ends
        if len(whole) > 2000:
            return Step((whole,))
        pause_s = self._random.choice([0.0, 0.001, 0.05, 0.15])
        return Step(tuple(self._split(whole, pause_s)), pause_s)

    def _burst(self) -> Step:
        """Several keys at once, as an old terminal pastes."""
        letters = self._random.choices((*DECIDES, *OPENS, *MOVES), k=self._random.randrange(2, 30))
        return Step((b"".join((b"bb", *letters, b"b")),))  # enter after a text would send it

    def _noise(self) -> Step:
        """Replies and broken sequences, whole or in pieces. What follows so soon belongs to them."""
        chosen = self._random.choice(REPLIES if self._random.random() < 0.5 else BROKEN)
        pause_s = self._random.choice([0.0, 0.0, 0.02, 0.12])
        return Step(tuple(self._split(chosen, pause_s)) if chosen in REPLIES else (chosen,), pause_s)

    def _mouse(self) -> Step:
        """Reports of the mouse on the upper rows, which decide nothing, and beyond the screen."""
        reports = []
        for _ in range(self._random.randrange(1, 8)):
            button = self._random.choice([0, 0, 1, 2, 32, 35, 64, 65, 128, 999])
            at = self._random.choice([(1, 1), (5, 3), (60, 8), (30, 10), (99_999, 99_999), (0, 0), (-3, 5), (500, 2)])
            reports.append(b"\x1b[<%d;%d;%d%c" % (button, *at, self._random.choice(b"Mm")))
        return Step(tuple(reports), self._random.choice([0.0, 0.01]))

    def _resize(self) -> Step:
        """A storm of sizes; the last one is usual."""
        sizes = [
            self._random.choice([(1, 1), (2, 1), (1, 50), (59, 15), (60, 16), (80, 24), (200, 50), (500, 3), (300, 200)]) for _ in range(20)
        ]

        def storm(screen: RecordedTerminal) -> None:
            for size in sizes[: self.seed % 20 + 1]:
                screen.resize(*size)
                screen.drain(0.004)
            screen.resize(120, 36)

        return Step(act=storm)

    def _signal(self) -> Step:
        """Signals that the console outlives."""
        number = self._random.choice([signal.SIGWINCH, signal.SIGCONT, signal.SIGTSTP, signal.SIGSTOP])

        def send(screen: RecordedTerminal) -> None:
            for _ in range(1 + self.seed % 3):
                screen.signal(number)
                screen.drain(0.05)
                if number in (signal.SIGTSTP, signal.SIGSTOP):
                    screen.drain_until(lambda: screen.is_stopped)
                screen.go_on()

        return Step(act=send)

    def _decides(self) -> Step:
        keys = self._keys((*DECIDES, *OPENS, *MOVES[:4]), 4)
        return Step(tuple(keys), self._random.choice([0.1, 0.5]), may_decide=len(keys))

    def _held(self) -> Step:
        """One key for a while: it may decide once."""
        key = self._random.choice([*DECIDES, *OPENS])
        return Step((key, *[key] * 15), 1 / 30, may_decide=1)

    def _keys(self, keys: tuple[bytes, ...], most: int) -> list[bytes]:
        return self._random.choices(keys, k=self._random.randrange(1, most + 1))

    def _split(self, data: bytes, pause_s: float) -> list[bytes]:
        """Pieces of the data; many if they come quickly."""
        most = len(data) - 1 if pause_s < 0.05 else 12
        cuts = sorted(self._random.sample(range(1, len(data)), min(self._random.randrange(most + 1), len(data) - 1)))
        return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def play(session: Session, screen: RecordedTerminal) -> int:
    """Play a session and its end. Returns the exit code that is expected of the console."""
    for step in session.steps:
        if step.act:
            step.act(screen)
        for data in step.reads:
            _send_all(screen, data)
            screen.drain(step.pause_s)
        screen.drain(UNASKED_QUIET_S * 2)
    if session.end is None:
        screen.send(PASTE_END)
    else:
        screen.signal(session.end)
    deadline = time.monotonic() + ENDS_S
    while screen.runs:
        assert time.monotonic() < deadline, f"it does not end: {bytes(screen.output[-2000:])!r}"
        screen.drain(1.2)  # longer than the rest of a broken sequence is waited for
        if screen.runs and screen.is_stopped:  # its signal came later than the one to go on
            screen.signal(signal.SIGCONT)
        elif screen.runs and session.end is None:
            _send_all(screen, b"\x1b")
            screen.drain(0.3)
            _send_all(screen, QUIT)
    return 128 + session.end if session.end else 0


def _send_all(screen: RecordedTerminal, data: bytes) -> None:
    """Send as much as the terminal takes at a time, and read what is drawn meanwhile."""
    for start in range(0, len(data), 2000):
        if not screen.runs:
            return
        screen.send(data[start : start + 2000])
        if len(data) > 2000:
            screen.drain(0.0005)
