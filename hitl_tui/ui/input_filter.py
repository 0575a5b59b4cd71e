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
import sys
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from textual import constants, events
from textual._keyboard_protocol import MODIFIER_FUNCTIONAL_KEYS
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.geometry import Size
from textual.message import Message

from hitl_tui.ui.runtime.cell_widths import PlacedOutput
from hitl_tui.ui.runtime.textual_internals import SequenceParser

if TYPE_CHECKING:
    from hitl_tui.ui.runtime.textual_internals import LeavableApp

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
LATE_S = 1.0
"""Time in which a late rest still belongs to its beginning. Such a sequence means nothing, except that a paste begins."""
HELD_S = 0.25
"""The same for a bracket or letter after an escape key, which may be a key of its own: it acts so much later."""
STALLED_S = 5.0
"""Pause in a paste after which the text so far is handed on, and escape ends the paste."""
LEAVING_S = 0.3
"""Pause after such an escape that shows that it was pressed."""
NESTED_TAIL_S = 1.0
"""Like `PASTE_TAIL_S`, after a paste that held the beginning of another: the end of that one may still come."""

POLL_S = 0.1
"""How long a read waits at most, so that the driver can stop."""

WEB_DRIVER = "textual.drivers.web_driver"
"""The module of Textual's driver for browsers. Only a console in a browser imports it."""

REPLACEMENT = "\ufffd"
PASTE_START, PASTE_END = b"\x1b[200~", b"\x1b[201~"
LONGEST_PASTE = 1 << 20
"""Bytes of a paste beyond which none of it is used."""
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
_LATE_SEQUENCE = re.compile(
    rb"""\x1b?\x1b(?:
      \[(?:[A-FHIMO-S]|[<?\d][\d:;]*(?:[ -/]*[@-~]|\Z)|\Z)
    | O(?:[A-DFHP-S]|\Z)
    | \](?:\d|\Z) | P(?:[\d>!$+]|\Z) | _(?:G|\Z)
    )""",
    re.VERBOSE,
)
"""How sequences begin that terminals send; other text after escape was typed."""
_ESCAPE_KEYS = re.compile(rb"(?:\x1b(?!\[)|\x1b\[27(?:;[\d:]*)?u)+")
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


class PasteRefused(events.Event, bubble=False):
    """Pasted text that is not used, or not yet, with the reason."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


TOO_LONG = "ignored: more than 1 MB of text was pasted"
NOT_ENDED = "the terminal has not ended the paste; escape ends it"


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


class OpenPaste:
    """A paste whose end has not come yet. Nothing in it is a key, however long it takes."""

    def __init__(self, now: float) -> None:
        self._text = bytearray()
        self._is_too_long = False
        self._is_stalled = False
        self._escapes = 0
        """Bytes of escape keys at its end."""
        self.is_nested = False
        self.due = now + STALLED_S
        """When to call `expire`, if nothing is read before."""

    def add(self, data: bytes, now: float) -> bytes | None:
        """Add what was read. Returns what comes after the end of the paste, None while it is open."""
        self._escapes = self._escapes + len(data) if self._is_stalled and _ESCAPE_KEYS.fullmatch(data) else 0
        self.due = now + (LEAVING_S if self._escapes else STALLED_S)
        start = max(0, len(self._text) - len(PASTE_END) + 1)
        self._text += data
        end = self._text.find(PASTE_END, start)
        self.is_nested |= self._text.find(PASTE_START, start, end if end >= 0 else None) >= 0
        self._is_too_long |= max(end, len(self._text) if end < 0 else 0) > LONGEST_PASTE
        if end < 0:
            if self._is_too_long:
                del self._text[: -len(PASTE_END)]
            return None
        rest = bytes(self._text[end + len(PASTE_END) :])
        del self._text[end:]
        return rest

    def expire(self) -> bool:
        """Whether a person has ended the paste; otherwise it has stalled."""
        del self._text[len(self._text) - self._escapes :]
        self._is_stalled, self.due = True, math.inf
        return self._escapes > 0

    def take(self, is_ended: bool) -> list[Message]:
        """The text so far as messages. What may be the beginning of the end stays."""
        if self._is_too_long:
            self._is_too_long = not is_ended
            return [PasteRefused(TOO_LONG)] if is_ended else []
        kept = 0 if is_ended else next((size for size in range(len(PASTE_END), 0, -1) if self._text.endswith(PASTE_END[:size])), 0)
        text = plain_text(bytes(self._text[: len(self._text) - kept]).decode("utf-8", "replace"))
        del self._text[: len(self._text) - kept]
        return [events.Paste(text)] if text or (is_ended and not self._is_stalled) else []


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
        self._is_late = False
        """Whether the unfinished sequence took too long to mean anything."""
        self._pressed, self._pressed_until = b"", 0.0
        """A beginning of sequences that was taken for a key, and how long its rest may still come."""
        self._paste: OpenPaste | None = None
        self._paste_tail_until = float("-inf")
        self._tail_s = PASTE_TAIL_S
        """How long after its last key the present tail ends."""

    @property
    def deadline(self) -> float | None:
        """When to call `expire` if nothing is read before; None for never."""
        times = (self._repeats.settles_at, self._unfinished_until if self._unfinished else None, self._paste.due if self._paste else None)
        return min((at for at in times if at is not None and at < math.inf), default=None)

    def feed(self, data: bytes, now: float) -> list[Message]:
        """The messages of one read."""
        found = self._join_late(data, now)
        read = _Read(pasted=now < self._paste_tail_until)
        if not read.pasted:
            self._tail_s = PASTE_TAIL_S
        data, self._unfinished = self._unfinished + data, b""
        while data:
            if self._paste is not None:
                data = self._take_paste(data, read, now)
                continue
            piece, is_whole = _first_piece(data)
            if not piece:
                self._unfinished, self._unfinished_until = data, now + self._patience(data)
                break
            data = data[len(piece) :]
            if piece == PASTE_START:
                self._paste = OpenPaste(now)
            elif piece == PASTE_END:
                self._tail_s = PASTE_TAIL_S
            if piece in (PASTE_START, PASTE_END) or not is_whole or self._is_late:
                read.tail_s = max(read.tail_s, PASTE_TAIL_S)  # the keys of this read are a part of it, or of the broken sequence
            else:
                self._take_piece(piece, read)
            self._is_late, self._pressed = False, b""
        return found + self._messages(read, now)

    def expire(self, now: float) -> list[Message]:
        """The messages due although nothing was read: an escape key, an unsure press that was a tap, or a paste without an end."""
        settled = self._repeats.settle(now)
        found: list[Message] = [settled] if settled else []
        if self._paste and now >= self._paste.due:
            is_ended = self._paste.expire()
            found += [*self._paste.take(is_ended), *([] if is_ended else [PasteRefused(NOT_ENDED)])]
            if is_ended:
                self._paste, self._paste_tail_until = None, now + NESTED_TAIL_S
        if self._unfinished and now >= self._unfinished_until:
            rest, self._unfinished = self._unfinished, b""
            if self._is_late:
                found += self._give_up(rest, now)
            elif rest[0] == 0x1B and len(rest) > 2:
                self._unfinished, self._unfinished_until, self._is_late = rest, now + LATE_S, True
            else:
                read = _Read()
                self._take_piece(rest, read)
                found += self._messages(read, now)
                if rest[0] == 0x1B:
                    self._pressed, self._pressed_until = rest, now + LATE_S
        return found

    def _patience(self, unfinished: bytes) -> float:
        """Seconds in which the rest may come."""
        if not self._is_late:
            return ESCAPE_S
        return HELD_S if self._pressed and len(unfinished) == len(self._pressed) + 1 else LATE_S

    def _join_late(self, data: bytes, now: float) -> list[Message]:
        """Take what was read for the rest of a late sequence, if it can be that. Returns the keys that turn out to be keys."""
        if self._pressed and not self._unfinished and now < self._pressed_until and (self._pressed != b"\x1b" or data[:1] in b"[]OP_"):
            self._unfinished, self._is_late = self._pressed, True
        if self._pressed and self._is_late and not _LATE_SEQUENCE.match(self._unfinished + data):
            rest, self._unfinished = self._unfinished, b""
            return self._give_up(rest, now)
        return []

    def _give_up(self, rest: bytes, now: float) -> list[Message]:
        """Wait no longer for the rest of a late sequence: what came after a key was typed, and the rest of anything else may still come."""
        typed, self._pressed, self._is_late = rest[len(self._pressed) :] if self._pressed else b"", b"", False
        read = _Read(pasted=now < self._paste_tail_until)
        for place in range(len(typed)):
            self._take_piece(typed[place : place + 1], read)
        if not typed and len(rest) > 2:
            self._paste_tail_until = now + PASTE_TAIL_S
        return self._messages(read, now)

    def _take_paste(self, data: bytes, read: _Read, now: float) -> bytes:
        """Add to the paste that has begun. Returns what comes after its end."""
        assert self._paste is not None
        read.tail_s = max(read.tail_s, PASTE_TAIL_S)
        rest = self._paste.add(data, now)
        if rest is None:
            return b""
        read.others += self._paste.take(is_ended=True)
        if self._paste.is_nested:
            read.tail_s = self._tail_s = NESTED_TAIL_S
        self._paste = None
        return rest

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
        """The messages of a read, keys first. A click among pasted keys is a part of the paste."""
        read.pasted |= read.tail_s > 0
        if read.tail_s or len(read.keys) > 1 or (read.keys and read.pasted):
            self._paste_tail_until = max(self._paste_tail_until, now + max(read.tail_s, self._tail_s))
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
        is_typed = not read.pasted and len(keys) < 2
        return found + [message for message in read.others if is_typed or not isinstance(message, events.MouseDown | events.MouseUp)]


@dataclass(slots=True)
class _Read:
    """What was found in one read."""

    pasted: bool = False
    tail_s: float = 0.0
    """Seconds for which what follows belongs to a paste, or to a broken sequence, in this read."""
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
        self._draws_again = False
        """Whether the console is about to be drawn again after a stop."""
        drawn_on = sys.__stderr__ if sys.__stderr__ and sys.__stderr__.isatty() else sys.__stdout__
        self._file = LossyFile(drawn_on)  # type: ignore[assignment]

    def start_application_mode(self) -> None:
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._writer_thread is not None and not constants.DISABLE_KITTY_KEY:
            self.write(ASK_FOR_REPEATS)
            self.flush()
        if self._writer_thread is not None:
            signal.signal(signal.SIGWINCH, self._sigwinch_application)
            self._tell_size()

    def _sigwinch_application(self, *_: object) -> None:
        """Tell the app the size as soon as the loop goes on.

        Textual reads it in the signal's handler. Another signal may interrupt that, and then the older size is told last, and kept.
        """
        if not self._in_band_window_resize:
            self._loop.call_soon_threadsafe(self._tell_size)

    def _tell_size(self) -> None:
        size = Size(*self._get_terminal_size())
        self._app.post_message(events.Resize(size, size))

    def _run_input_thread(self) -> None:
        """Run the thread; an error in it ends the console."""
        try:
            self.run_input_thread()
        except Exception as error:  # noqa: BLE001 - it would end only this thread
            self._app.call_later(cast("LeavableApp", self._app).fail, error)

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
        """Draw everything again, as soon as the loop goes on: once, however many signals come until then."""
        if self._auto_restart and not self._draws_again:
            self._draws_again = True
            self._loop.call_soon_threadsafe(self._draw_again)

    def _draw_again(self) -> None:
        """Start anew, also after a stop that could not be announced. What was typed until now is discarded."""
        self._draws_again = False
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
