"""Acting once for each approval, however often the tool is run.

LangGraph runs a node again when the process died before the node's result was saved: an approved mail would go out
twice. The note is begun before the act and completed after it, so a crash in between shows as a note without an end.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from langchain_core.tools import ToolException

from mail_assistant.delivery import NotDelivered


def once(notes: Path, key: str, act: Callable[[], str]) -> str:
    notes.mkdir(exist_ok=True)
    note = notes / hashlib.sha256(key.encode()).hexdigest()
    try:
        note.touch(exist_ok=False)
    except FileExistsError:
        return _earlier(note)
    try:
        result = act()
    except NotDelivered:
        note.unlink()  # certainly nothing happened: the same approval may be used again
        raise
    note.write_text(result, encoding="utf-8")
    return result


def _earlier(note: Path) -> str:
    if result := note.read_text(encoding="utf-8"):
        return f"Already done for this approval, not repeated: {result}"
    raise ToolException("This was started once before and its end is not known; look whether it happened.")
