"""Tools of two kinds: those that act whenever they are called, and those that act once per decision."""

import asyncio
import time
import zlib
from typing import Annotated

from deeds import fails_first, ran, ran_once
from langchain_core.tools import InjectedToolCallId, tool

Call = Annotated[str, InjectedToolCallId]


class PanicException(BaseException):
    """What PyO3 raises when Rust code panics."""


ERRORS = (RuntimeError, PanicException, SystemExit, KeyboardInterrupt)


@tool
def send(ref: str, note: str, call: Call) -> str:
    """Send a letter."""
    ran("send", {"ref": ref, "note": note}, call)
    return f"sent {ref}"


@tool
def slow(ref: str, note: str, call: Call, seconds: float = 0.7) -> str:
    """Send a parcel slowly."""
    ran("slow", {"ref": ref, "note": note}, call)
    time.sleep(seconds)
    return f"sent {ref}"


@tool
async def walk(ref: str, note: str, call: Call) -> str:
    """Deliver it in person."""
    ran("walk", {"ref": ref, "note": note}, call)
    await asyncio.sleep(0.4)
    return f"brought {ref}"


@tool
def pay(ref: str, note: str, call: Call) -> str:
    """Pay a bill, once per decision."""
    ran_once("pay", {"ref": ref, "note": note}, call)
    time.sleep(0.2)
    return f"paid {ref}"


@tool
def burst(ref: str, note: str, call: Call) -> str:
    """Act, and raise the first time, also what is no `Exception`."""
    ran("burst", {"ref": ref, "note": note}, call)
    if fails_first(ref):
        raise ERRORS[zlib.crc32(ref.encode()) % len(ERRORS)](f"planned: {ref} broke down")
    return f"mended {ref}"


@tool
def look(ref: str, note: str, call: Call) -> str:
    """Look at something: the middleware does not ask about it, a gate before all tools does."""
    ran("look", {"ref": ref, "note": note}, call)
    return f"saw {ref}"


ALL = [send, slow, walk, pay, burst, look]
GATED = [gated.name for gated in ALL if gated is not look]
