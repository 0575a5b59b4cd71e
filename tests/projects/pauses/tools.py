import os
import time
from typing import Annotated, Any

from diary import note
from langchain_core.tools import InjectedToolCallId, tool


@tool
def send(to: str, body: str = "", copies: int = 1) -> str:
    """Send a letter."""
    note("send", to=to, body=body, copies=copies)
    return f"sent to {to}"


@tool
def delete(path: str) -> str:
    """Delete a file."""
    note("delete", path=path)
    return f"deleted {path}"


@tool
def look(path: str) -> str:
    """Look at a file, without asking."""
    note("look", path=path)
    return f"saw {path}"


@tool
def store(data: Any) -> str:
    """Store any value."""
    note("store", data=data)
    return "stored"


@tool
def slow(seconds: float, call: Annotated[str, InjectedToolCallId]) -> str:
    """Take a while."""
    note("slow begins", call, pid=os.getpid())
    time.sleep(seconds)
    note("slow ends")
    return "slept"


@tool
def burst(text: str) -> str:
    """Fail on purpose."""
    note("burst")
    raise RuntimeError(text)


@tool
def fork(seconds: float, call: Annotated[str, InjectedToolCallId]) -> str:
    """Leave a forked process behind that does nothing, and take a while."""
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    note("forked", call, pid=child)
    time.sleep(seconds)
    return "forked"


@tool
async def block(seconds: float, call: Annotated[str, InjectedToolCallId]) -> str:
    """Block the event loop, so that LangGraph cannot store earlier steps meanwhile."""
    note("block begins", call)
    time.sleep(seconds)  # noqa: ASYNC251 - that is the point
    return "blocked"


ALL = [send, delete, look, store, slow, burst, fork, block]
