"""Reads the terminal before Textual does: splits bytes into keys and pastes, and tells taps from repeats of a held key.

`InputFilter` is a function of bytes and times; the driver at the end runs it on a terminal, `web_driver.py` on a browser's connection.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import signal
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from textual import constants, events
from textual._keyboard_protocol import MODIFIER_FUNCTIONAL_KEYS
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from hitl_tui.ui.runtime.cell_widths import PlacedOutput
from hitl_tui.ui.runtime.textual_internals import SequenceParser

AGAIN_S = 0.7
"""A press of the same key within this time may be a repeat: keyboards repeat a held key after 250 to 660 ms."""
ALONE_S = 0.11
"""Such a press is a tap if no other follows within this time: keyboards repeat 10 times a second or faster."""
RELEASED_S = 0.25
"""Pause after which a key that was held counts as released."""
PASTE_TAIL_S = 0.05
"""Keys that come so soon after a paste are its end: a terminal may deliver one in several pieces."""
ESCAPE_S = 0.1
"""Time in which the rest of a control sequence arrives; after it an escape is the key."""

POLL_S = 0.1
"""How long a read waits at most, so that the driver can stop."""

WEB_DRIVER = "textual.drivers.web_driver"
"""The module of Textual's driver for browsers. Only a console in a browser imports it."""

REPLACEMENT = "\ufffd"
PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"
LONGEST_PASTE = 1 << 20
LONGEST_SEQUENCE = 64
LONGEST_STRING = 1 << 16
MOST_CELLS = 2000
"""Columns or rows of a terminal beyond which a report of its size is an error."""

_SEQUENCE = re.compile(
    rb"""\x1b?(?:
      \x1b\[M[\x00-\xff]{3}                       # a mouse report in the old form: three raw bytes
    | \x1b\[\[[A-E]                               # F1 to F5 of the Linux console
    | \x1b\[(?![M\[])[0-?]*[ -/]*[@-~]            # CSI
    | \x1bO[ -~]                                  # SS3
    )
    | \x1b[\]P_^X][^\x1b\x07]*(?:\x07|\x1b\\)     # OSC, DCS, APC, PM, SOS: an answer of the terminal, no key
    """,
    re.VERBOSE,
)
_UNFINISHED = re.compile(rb"\x1b?\x1b(?:\[(?:M[\x00-\xff]{0,2}|\[|[0-?]*[ -/]*)?|O|[\]P_^X][^\x1b\x07]*\x1b?)?\Z")
_STRING_STARTS = (b"]", b"P", b"_", b"^", b"X")
_BROKEN = re.compile(rb"\x1b?\x1b\[[0-?]*[ -/]*|\x1b?\x1b[O\]P_^X]")
_KITTY_KEY = re.compile(rb"(\x1b\[[\d:]*;\d*):(\d)((?:;[\d:]*)?[u~A-HPQRS])")
_KITTY_FLAGS = re.compile(rb"\x1b\[\?(\d+)u")
_SIZE_REPORT = re.compile(rb"\x1b\[48;(\d+)[\d:]*;(\d+)[\d:;]*t")
_STYLING = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P_^X][^\x1b\x07]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

ASK_FOR_REPEATS = "\x1b[=2;2u\x1b[?u"
"""Kitty's protocol: report presses, repeats and releases, and say which reports are on. Other terminals ignore it."""


class Press(Enum):
    """What a key is, by the presses before it."""

    TAP = auto()
    REPEAT = auto()
    """The key is held."""
    UNSURE = auto()
    """Either of them: a `PressSettled` follows before any other key."""


@dataclass(frozen=True, slots=True)
class TypedKey:
    """A key as the terminal sent it."""

    key: str
    character: str | None
    press: Press

    def as_event(self) -> events.Key:
        """A new event of this key."""
        return events.Key(self.key, self.character)


class KeysRead(events.Event, bubble=False):
    """The keys of one read. If there are several, or they are `pasted`, nobody typed them one by one."""

    def __init__(self, keys: tuple[TypedKey, ...], pasted: bool = False) -> None:
        super().__init__()
        self.keys = keys
        self.pasted = pasted


class PressSettled(events.Event, bubble=False):
    """What the last key with an unsure press was."""

    def __init__(self, is_tap: bool) -> None:
        super().__init__()
        self.is_tap = is_tap


class RepeatDetector:
    """Tells taps from repeats by the times of presses, where the terminal does not report which they are."""

    def __init__(self) -> None:
        self._key = ""
        self._at = float("-inf")
        self._held = False
        self.settles_at: float | None = None
        """When an unsure press will have been a tap, if there is one."""

    def press(self, key: str, now: float) -> tuple[PressSettled | None, Press]:
        """What an earlier unsure press was, if there is one, and what this one is."""
        gap, is_same = now - self._at, key == self._key
        is_repeat = is_same and gap < (RELEASED_S if self._held else ALONE_S)
        settled = None if self.settles_at is None else PressSettled(is_tap=not is_repeat)
        self._key, self._at, self._held, self.settles_at = key, now, is_repeat, None
        if is_repeat:
            return settled, Press.REPEAT
        if is_same and gap < AGAIN_S:
            self.settles_at = now + ALONE_S
            return settled, Press.UNSURE
        return settled, Press.TAP

    def settle(self, now: float) -> PressSettled | None:
        """The unsure press that is a tap by now, if there is one."""
        if self.settles_at is None or now < self.settles_at:
            return None
        self.settles_at = None
        return PressSettled(is_tap=True)


class InputFilter:
    """Turns what is read from a terminal into messages for Textual.

    Keys come as `KeysRead` and `PressSettled`, pasted text as `Paste`, the mouse and the terminal's answers as Textual's own messages.
    Bytes that are not UTF-8 become U+FFFD; unknown sequences are dropped. Times are seconds of a clock that never goes back.
    """

    def __init__(self) -> None:
        self._parser = SequenceParser()
        self._repeats = RepeatDetector()
        self._reports_repeats = False
        self._unfinished = b""
        self._unfinished_until = 0.0
        self._paste: bytearray | None = None
        self._paste_tail_until = float("-inf")

    @property
    def deadline(self) -> float | None:
        """When to call `expire` if nothing is read before; None for never."""
        times = (self._repeats.settles_at, self._unfinished_until if self._unfinished else None)
        return min((at for at in times if at is not None), default=None)

    def feed(self, data: bytes, now: float) -> list[Message]:
        """The messages of one read."""
        read = _Read(pasted=now < self._paste_tail_until)
        data, self._unfinished = self._unfinished + data, b""
        holds_paste = self._paste is not None
        while data:
            if self._paste is not None:
                data = self._take_paste(data, read)
                continue
            piece, is_whole = _first_piece(data)
            if not piece:
                self._unfinished, self._unfinished_until = data, now + ESCAPE_S
                break
            data = data[len(piece) :]
            if piece == PASTE_START:
                self._paste = bytearray()
            if piece == PASTE_START or not is_whole:
                holds_paste = True  # the keys of this read are a part of it, or of the broken sequence
            else:
                self._take_piece(piece, read)
        read.pasted |= holds_paste
        if holds_paste or len(read.keys) > 1 or (read.keys and read.pasted):
            self._paste_tail_until = now + PASTE_TAIL_S
        return self._messages(read, now)

    def expire(self, now: float) -> list[Message]:
        """The messages due although nothing was read: an escape key, or an unsure press that was a tap."""
        settled = self._repeats.settle(now)
        found: list[Message] = [settled] if settled else []
        if self._unfinished and now >= self._unfinished_until:
            rest, self._unfinished = self._unfinished, b""
            if rest[0] == 0x1B and len(rest) > 2:
                self._paste_tail_until = now + PASTE_TAIL_S  # its end may still come, and is no key
                return found
            read = _Read()
            self._take_piece(rest, read)
            found += self._messages(read, now)
        return found

    def _take_paste(self, data: bytes, read: _Read) -> bytes:
        """Add to the paste that has begun. Returns what comes after its end."""
        paste = self._paste if self._paste is not None else bytearray()
        start = max(0, len(paste) - len(PASTE_END) + 1)
        paste += data
        end = paste.find(PASTE_END, start)
        if end < 0:
            del paste[LONGEST_PASTE : -len(PASTE_END)]
            return b""
        self._paste = None
        read.others.append(events.Paste(plain_text(bytes(paste[:end]).decode("utf-8", "replace"))))
        return bytes(paste[end + len(PASTE_END) :])

    def _take_piece(self, piece: bytes, read: _Read) -> None:
        """Add what one character or sequence means to a read."""
        if flags := _KITTY_FLAGS.fullmatch(piece):
            self._reports_repeats = bool(int(flags[1]) & 2)
            return
        press = None
        if typed := _KITTY_KEY.fullmatch(piece):
            self._reports_repeats = True
            if typed[2] == b"3":  # a release
                return
            press = Press.REPEAT if typed[2] == b"2" else Press.TAP
            piece = typed[1] + typed[3]
        elif self._reports_repeats and piece.startswith(b"\x1b["):
            press = Press.TAP
        if _means_nothing(piece):
            return
        text = piece.decode("utf-8", "replace")
        for message in self._parser.parse(REPLACEMENT if text.startswith(REPLACEMENT) else text):
            if not isinstance(message, events.Key):
                read.others.append(message)
            elif message.key not in MODIFIER_FUNCTIONAL_KEYS:
                read.keys.append((message, press))

    def _messages(self, read: _Read, now: float) -> list[Message]:
        """The messages of a read, keys first."""
        found: list[Message] = []
        keys: list[TypedKey] = []
        for key, reported in read.keys:
            settled, press = self._repeats.press(key.key, now)
            if settled and not keys:  # of an earlier read
                found.append(settled)
            if reported or len(read.keys) > 1 or read.pasted:
                self._repeats.settles_at = None
                press = reported or (Press.TAP if press == Press.TAP else Press.REPEAT)
            keys.append(TypedKey(key.key, key.character, press))
        if keys:
            found.append(KeysRead(tuple(keys), read.pasted))
        return found + read.others


@dataclass(slots=True)
class _Read:
    """What was found in one read."""

    pasted: bool = False
    keys: list[tuple[events.Key, Press | None]] = field(default_factory=list)
    """Keys, with what the terminal reports about the press."""
    others: list[Message] = field(default_factory=list)


def _first_piece(data: bytes) -> tuple[bytes, bool]:
    """The first character or control sequence, and whether it is whole; empty if its rest is still to come."""
    if data[0] != 0x1B:
        return _character(data), True
    if match := _SEQUENCE.match(data):
        return match[0], True
    if _UNFINISHED.match(data):
        longest = LONGEST_STRING if data[1:2] in _STRING_STARTS else LONGEST_SEQUENCE
        return (data, False) if len(data) > longest else (b"", True)
    if match := _BROKEN.match(data):
        return match[0], False
    if data[1] == 0x1B:
        return data[:1], True
    following = _character(data[1:])
    return (data[: 1 + len(following)] if following else b""), True


def _character(data: bytes) -> bytes:
    """The bytes of the first character, or as many as cannot be one; empty if its rest is still to come."""
    size = 1 if not 0xC2 <= data[0] <= 0xF4 else 2 if data[0] < 0xE0 else 3 if data[0] < 0xF0 else 4
    for place in range(1, min(size, len(data))):
        if data[place] & 0xC0 != 0x80:
            return data[:place]
    return data[:size] if len(data) >= size else b""


def _means_nothing(piece: bytes) -> bool:
    """Whether a sequence is no key and no event: an answer, a report that cannot be true, or escape before another sequence."""
    if piece[:1] != b"\x1b" or len(piece) <= 2:
        return False
    if len(piece) > LONGEST_SEQUENCE or piece[1:2] in _STRING_STARTS or piece[1:2] == b"\x1b":
        return True
    size = _SIZE_REPORT.fullmatch(piece)
    return size is not None and not all(0 < int(cells) <= MOST_CELLS for cells in size.groups())


def plain_text(text: str) -> str:
    """Pasted text without colours and control characters, and with line feeds at the ends of lines."""
    return _CONTROLS.sub("", _STYLING.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))


class FilteredLinuxDriver(PlacedOutput, LinuxDriver):
    """Textual's driver for terminals, reading through an `InputFilter`, and writing so that no character shifts another."""

    def __init__(self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._file = LossyFile(self._file)  # type: ignore[assignment]

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None and not constants.DISABLE_KITTY_KEY:
            self.write(ASK_FOR_REPEATS)
            self.flush()

    def run_input_thread(self) -> None:
        """Read until the driver stops; leave the console if the terminal is gone."""
        input_filter = InputFilter()
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                deadline = input_filter.deadline
                ready = selector.select(patience(deadline)) or selector.select(0)  # this thread may have woken late
                if not ready:
                    found = input_filter.expire(time.monotonic())
                elif data := _read_all(self.fileno, selector):
                    found = input_filter.feed(data, arrival(deadline))
                else:
                    leave(self)
                    return
                for message in found:
                    self.process_message(message)

    def _sigtstp_application(self, *_: object) -> None:
        """Stop the process, after the loop has given the terminal back.

        Textual writes to the terminal in the signal's handler. Where that interrupts another write, it waits for the writer's lock forever.
        """
        if self._auto_restart:
            self._loop.call_soon_threadsafe(super()._sigtstp_application)
        else:
            super()._sigtstp_application()

    def _sigcont_application(self, *_: object) -> None:
        """Draw everything again, as soon as the loop goes on."""
        if self._auto_restart:
            self._loop.call_soon_threadsafe(self._draw_again)

    def _draw_again(self) -> None:
        """Start anew, also after a stop that could not be announced."""
        if self._auto_restart and self._writer_thread is not None and self._app.is_running:
            if not self._must_signal_resume:
                self.suspend_application_mode()
            self.resume_application_mode()
            self._app.call_later(self._app.refresh, layout=True)


def filtered(driver: type[Driver]) -> type[Driver]:
    """The driver that reads through an `InputFilter`, for one of Textual's."""
    if driver is LinuxDriver:
        return FilteredLinuxDriver
    if driver.__module__ == WEB_DRIVER:
        from hitl_tui.ui.web_driver import FilteredWebDriver

        return FilteredWebDriver
    return driver


class LossyFile:
    """A terminal to write to that may be closed at any time: what it does not take is lost, and nothing waits for it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write, if the terminal is still there."""
        with contextlib.suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        """Send what was written, if the terminal is still there."""
        with contextlib.suppress(OSError):
            self._file.flush()


def leave(driver: Driver) -> None:
    """Leave the console: its terminal is gone."""
    driver._app.call_later(driver._app.exit, return_code=128 + signal.SIGHUP)


def patience(deadline: float | None) -> float:
    """How long a read may wait, in seconds."""
    return POLL_S if deadline is None else min(POLL_S, max(0.0, deadline - time.monotonic()))


def arrival(deadline: float | None) -> float:
    """The time of what was just read. It was there before the deadline: only this thread may be late."""
    now = time.monotonic()
    return now if deadline is None else min(now, math.nextafter(deadline, 0.0))


def _read_all(fileno: int, selector: selectors.BaseSelector) -> bytes:
    """All bytes that have arrived, so that a paste is one read; empty if the terminal is gone."""
    data = b""
    with contextlib.suppress(OSError):
        while len(data) < LONGEST_PASTE and (not data or selector.select(0)):
            more = os.read(fileno, 1 << 16)
            if not more:
                break
            data += more
    return data
