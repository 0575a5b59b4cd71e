"""Where a run keeps its files: one folder for each thread, filled from the samples on first use.

Never the folder of the code: an installed package may be read-only, and two threads must not see each other's files.
"""

import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from langchain_core.runnables import RunnableConfig


def working_folder(config: RunnableConfig) -> Path:
    """`configurable.hitl_workdir` if the host of the run gives one, else a folder of the thread in the temp folder."""
    configurable = config.get("configurable", {})
    given = configurable.get("hitl_workdir")
    # A thread id is chosen by a client: quoted, and with letters in front, it cannot climb out of the folder.
    name = "thread-" + quote(str(configurable.get("thread_id", "none")), safe="")
    folder = Path(given).absolute() if given else Path(tempfile.gettempdir()) / "hitl-sample-agents" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def seeded(folder: Path, fill: Callable[[Path], object]) -> Path:
    """`folder`, filled by `fill` if it is not there yet.

    Parallel tool calls may all find it missing. Each fills a folder of its own; the first rename wins, and nobody
    ever sees a folder that is half full.
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
    """What makes this call, approved by this decision, the same call when it is run a second time.

    A host that reviews calls may put the id of the person's decision into the config. After a crash between the act
    and its checkpoint, LangGraph runs the tool again with the same decision: a tool that remembers the key acts once.
    """
    given = config.get("configurable", {})
    decision = given.get("hitl_decision_ids", {}).get(tool_call_id) or given.get("hitl_decision_id")
    return f"{decision}/{tool_call_id}" if decision else None
