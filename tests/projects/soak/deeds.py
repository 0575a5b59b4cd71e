"""The journal of effects, one JSON line each: what, with which arguments, in which thread and process, for which decisions."""

import hashlib
import json
import os
import time
from typing import Any

from langgraph.config import get_config


def write(what: str, **more: Any) -> None:
    """Append a line with one write, so that lines of several processes never mix."""
    configurable = get_config()["configurable"]
    where = {
        "thread": configurable["thread_id"],
        "key": configurable.get("hitl_decision_id"),
        "pid": os.getpid(),
        "at": time.clock_gettime(time.CLOCK_REALTIME),
    }  # the true time, whatever the test sets
    line = json.dumps({"what": what, **where, **more}) + "\n"
    file = os.open(os.environ["HITL_TEST_JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def decision_of(call: str) -> str | None:
    """The decision that let a tool call run; all of the run's if calls are not known separately."""
    configurable = get_config()["configurable"]
    found = configurable.get("hitl_decision_ids", {}).get(call) or configurable.get("hitl_decision_id")
    return None if found is None else str(found)


def ran(name: str, args: dict[str, Any], call: str) -> None:
    """A gated tool acts, whichever node asked."""
    write("tool", name=name, args=args, call=call, key=decision_of(call))


def ran_once(name: str, args: dict[str, Any], call: str) -> None:
    """A gated tool that acts once per decision, as the README advises: the decision's id is its idempotency key."""
    key = json.dumps([decision_of(call), name, args, call])
    again = not _first(hashlib.sha256(key.encode()).hexdigest())
    write("tool", name=name, args=args, call=call, key=decision_of(call), once=True, again=again)


def heard(*pairs: tuple[Any, Any]) -> None:
    """A node acts on answers; pairs of question and answer."""
    write("heard", pairs=pairs)


def passed(node: str) -> None:
    """A node runs that may be behind a gate."""
    write("passed", node=node)


def fails_first(name: str) -> bool:
    """Whether this is the first call, for tools that fail once."""
    return _first(name)


def _first(name: str) -> bool:
    folder = os.environ["HITL_TEST_JOURNAL"] + ".done"
    os.makedirs(folder, exist_ok=True)
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
