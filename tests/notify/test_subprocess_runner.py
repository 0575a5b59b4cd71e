"""Programs that are asked something: what they print comes back, and whatever goes wrong is one sentence."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from hitl_tui.notify.subprocess_runner import MAX_BYTES, Failed, exchange

pytestmark = pytest.mark.slow

LONG_S = 60.0
"""Seconds that none of these programs needs, also on a slow machine."""


async def test_program_answers_what_it_is_given() -> None:
    text = "ä" * 200_000  # more than a pipe holds
    assert await exchange(["cat"], text, LONG_S) == text
    assert await exchange(["sh", "-c", "echo done"], text, LONG_S) == "done\n", "it need not read"


@pytest.mark.parametrize(
    ("command", "said", "code", "lasting"),
    [
        (["sh", "-c", "echo not today >&2; exit 3"], "not today", 3, False),
        (["sh", "-c", "exit 3"], "it ended with exit code 3", 3, False),
        (["sh", "-c", "kill -TERM $$"], "it was ended by SIGTERM", -15, False),
        (["head", "-c", str(2 * MAX_BYTES), "/dev/zero"], f"it printed more than {MAX_BYTES:,} bytes", None, False),
        (["no-such-program"], "no-such-program cannot be run: No such file or directory", None, True),
        (["/"], "/ cannot be run: Permission denied", None, True),
    ],
)
async def test_program_that_fails_is_a_sentence(command: list[str], said: str, code: int | None, lasting: bool) -> None:
    with pytest.raises(Failed) as caught:
        await exchange(command, "", LONG_S)
    assert (str(caught.value), caught.value.code, caught.value.lasting) == (said, code, lasting)


async def test_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    try:
        with pytest.raises(Failed, match="what it started keeps its output open"):
            await exchange(["sh", "-c", f"sleep 600 & echo $! > {pid}"], "", LONG_S)
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
