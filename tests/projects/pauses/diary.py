"""What really ran, how often, and with which arguments: one JSON line for each side effect."""

import json
import os
from typing import Any

from langgraph.config import get_config


def note(did: str, **what: Any) -> None:
    configurable = get_config()["configurable"]
    line = json.dumps({"thread": configurable["thread_id"], "decision": configurable.get("hitl_decision_id"), "did": did, **what})
    with open(os.environ["HITL_TEST_JOURNAL"], "a") as journal:
        journal.write(line + "\n")
