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
    """Copy a text exactly: by OSC 52, and inside tmux, which drops OSC 52 of programs by default, by tmux.

    Raises:
        Refused: the text holds code points that no terminal can be sent.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise Refused("the value holds lone surrogates, which are no text", "copy it as JSON") from None
    App.copy_to_clipboard(app, text)  # the console's own calls this function
    if os.environ.get("TMUX"):
        await _copy_by_tmux(data)


async def _copy_by_tmux(data: bytes) -> None:
    """Set tmux's buffer and the clipboard of the terminal around it."""
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux", "load-buffer", "-w", "-",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return
    try:
        await asyncio.wait_for(process.communicate(data), TMUX_S)
    except TimeoutError:
        process.kill()
        await process.wait()
