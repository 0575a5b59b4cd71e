"""Runs an action once per approval, however often LangGraph runs the tool.

LangGraph runs a node again if the process died before its result was saved, and would send an approved mail twice. A record is created
before the action and completed after it, so a crash in between leaves an incomplete record.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from langchain_core.tools import ToolException

from mail_assistant.delivery import NotDelivered


def run_once(records: Path, key: str, action: Callable[[], str]) -> str:
    """Run `action` unless it ran for this key before. Returns its result.

    Raises:
        ToolException: it was started before, and whether it happened is unknown.
        NotDelivered: `action` certainly did nothing; the key can be used again.
    """
    records.mkdir(exist_ok=True)
    record = records / hashlib.sha256(key.encode()).hexdigest()
    try:
        record.touch(exist_ok=False)
    except FileExistsError:
        return _earlier(record)
    try:
        result = action()
    except NotDelivered:
        record.unlink()
        raise
    record.write_text(result, encoding="utf-8")
    return result


def _earlier(record: Path) -> str:
    if result := record.read_text(encoding="utf-8"):
        return f"Already done for this approval, not repeated: {result}"
    raise ToolException("This was started before, and whether it finished is unknown; check before you try again.")
