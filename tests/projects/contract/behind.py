"""Another program on the same checkpoints: `behind.py DATABASE THREAD MODULE:GRAPH (resume|update) JSON`."""

import asyncio
import importlib
import json
import sys
from typing import Any

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command


async def act(database: str, thread: str, where: str, verb: str, value: Any) -> None:
    module, name = where.split(":")
    config: Any = {"configurable": {"thread_id": thread}}
    async with AsyncSqliteSaver.from_conn_string(database) as saver:
        graph = getattr(importlib.import_module(module), name).copy(update={"checkpointer": saver})
        if verb == "update":
            await graph.aupdate_state(config, value)
            return
        first = (await graph.aget_state(config)).interrupts[0]
        await graph.ainvoke(Command(resume={first.id: value}), config)


if __name__ == "__main__":
    asyncio.run(act(*sys.argv[1:5], json.loads(sys.argv[5])))
