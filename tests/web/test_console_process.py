"""The process behind a page: what it sends is shown, and what it sends wrongly ends it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from hitl_tui.web import console_process
from hitl_tui.web.console_process import LARGEST, LINES, READY, ConsoleProcess

pytestmark = pytest.mark.slow
SLEEP = "import time; time.sleep(600)"


def packet(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload


@contextlib.asynccontextmanager
async def console(program: str, sends: bytes = b"") -> AsyncIterator[ConsoleProcess]:
    """A process that writes these bytes, and then runs a program of Python."""
    script = f"import sys; sys.stdout.buffer.write({sends!r}); sys.stdout.flush(); {program}"
    made = await ConsoleProcess.start([sys.executable, "-S", "-E", "-c", script], (80, 24), {})
    try:
        yield made
    finally:
        await made.stop()


@pytest.mark.parametrize(
    ("sends", "expected"),
    [
        (READY + packet(b"D", b"one") + packet(b"D", b"two"), [b"one", b"two"]),
        (READY + packet(b"M", b'{"type": "bell"}') + packet(b"D", b"one"), [b"one"]),
        (READY + packet(b"D", b"one") + packet(b"M", b'{"type": "exit"}') + packet(b"D", b"two"), [b"one"]),
        (READY + packet(b"D", b"one") + b"D" + (LARGEST + 1).to_bytes(4, "big") + b"two", [b"one"]),
        (READY + packet(b"M", b"no json") + packet(b"D", b"one"), []),
        (b"a warning\n" + READY + packet(b"D", b"one"), [b"one"]),
    ],
)
async def test_what_a_console_draws_is_passed_on_until_it_ends_or_errs(sends: bytes, expected: list[bytes]) -> None:
    async with console("sys.exit()", sends) as made:
        assert [one async for one in made.drawn()] == expected


@pytest.mark.parametrize(
    ("sends", "program", "told"),
    [
        (b"", "sys.exit('hitl-tui: the home is \\x1b[2J gone')", "hitl-tui: the home is ⟨U+001B⟩[2J gone"),
        (b"", "sys.exit()", "the console has ended"),
        (b"chatter\n" * LINES + READY, "sys.exit('too much')", "too much"),
    ],
)
async def test_console_that_does_not_begin_says_why(sends: bytes, program: str, told: str) -> None:
    async with console(program, sends) as made:
        assert [one.decode().strip() async for one in made.drawn()] == [told]


async def test_console_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_process, "QUIT_S", 0.1)
    async with console(SLEEP, READY) as made:
        pass
    assert [one async for one in made.drawn()] == []
