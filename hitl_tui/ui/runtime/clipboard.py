"""Copies a text to the clipboard of the person's terminal, also over SSH and inside tmux."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from textual.app import App

from hitl_tui.errors import Refused

TMUX_S = 2.0
"""Seconds after which a tmux that does not answer is given up."""


async def copy(app: App[Any], text: str) -> None:
    """Copy a text exactly: by tmux inside tmux, which drops OSC 52 of programs by default, else by OSC 52.

    Raises:
        Refused: the text holds code points that no terminal can be sent.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Refused("the value holds lone surrogates, which are no text", "copy it as JSON") from None
    if not (os.environ.get("TMUX") and await _copy_by_tmux(data)):
        app.copy_to_clipboard(text)


async def _copy_by_tmux(data: bytes) -> bool:
    """Set tmux's buffer and the clipboard of the terminal around it. Returns whether tmux did."""
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux", "load-buffer", "-w", "-",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return False
    try:
        await asyncio.wait_for(process.communicate(data), TMUX_S)
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0
