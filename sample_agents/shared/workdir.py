"""Where a run keeps its files: a folder per thread, filled with sample data on first use.

It is not the folder of the code: an installed package may be read-only, and two threads must not see each other's files.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from langchain_core.runnables import RunnableConfig


def working_folder(config: RunnableConfig) -> Path:
    """`configurable.hitl_workdir` if the caller passes it, else the thread's folder under the temp folder."""
    configurable = config.get("configurable", {})
    given = configurable.get("hitl_workdir")
    # Clients choose thread ids: quoted, and with a prefix, an id cannot leave the folder.
    name = "thread-" + quote(str(configurable.get("thread_id", "none")), safe="")
    folder = Path(given).absolute() if given else Path(tempfile.gettempdir()) / "hitl-sample-agents" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seeded(folder: Path, fill: Callable[[Path], object]) -> Path:
    """`folder`, filled by `fill` if it does not exist yet.

    Parallel tool calls may all find it missing. Each fills a folder of its own and the first rename wins, so nobody sees a half-filled
    folder.
    """
    if folder.exists():
        return folder
    draft = folder.with_name(f".{folder.name}-{uuid.uuid4().hex}")
    fill(draft)
    try:
        draft.rename(folder)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not folder.exists():
            raise
    return folder


def decision_key(config: RunnableConfig, tool_call_id: str | None) -> str | None:
    """The idempotency key of this call: the same when the same approved call runs again; None without a decision.

    hitl-tui puts the id of the person's decision into the config. After a crash between the side effect and its checkpoint, LangGraph runs
    the tool again with the same id: a tool that remembers its keys acts once.
    """
    given = config.get("configurable", {})
    decision = given.get("hitl_decision_ids", {}).get(tool_call_id) or given.get("hitl_decision_id")
    return f"{decision}/{tool_call_id}" if decision else None
