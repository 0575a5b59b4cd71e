"""Exceptions that code of agents raises, which may be of any class, also beside `Exception`."""

from __future__ import annotations

import asyncio
import traceback


def frames_of(error: BaseException) -> str:
    """The traceback of any exception; empty if it cannot be formatted. Never raises."""
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - attributes of an agent's exception are its code
        return ""


def is_own_cancellation(error: BaseException) -> bool:
    """Whether somebody cancelled this task; else a `CancelledError` was raised by code that it called."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
