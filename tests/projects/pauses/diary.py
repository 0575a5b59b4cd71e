"""The journal of side effects: one JSON line for each, with its arguments."""

import json
import os
from typing import Any

from langgraph.config import get_config


def note(did: str, call: str | None = None, **what: Any) -> None:
    configurable = get_config()["configurable"]
    decision = configurable.get("hitl_decision_ids", {}).get(call) or configurable.get("hitl_decision_id")
    line = json.dumps({"thread": configurable["thread_id"], "decision": decision, "did": did, **what})
    with open(os.environ["HITL_TEST_JOURNAL"], "a") as journal:
        journal.write(line + "\n")
