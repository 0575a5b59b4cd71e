"""`python -m tests.benchmarks [NAME…]`: prints every ratio with its limit. Exits with 1 if one is over its limit."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable

from tests.benchmarks import (
    checkpoints,
    decision,
    export,
    grants,
    history,
    key_latency,
    loading,
    many_waiting,
    past,
    presence,
    provenance,
    queue_list,
    replay,
    resume,
    server,
    signature,
    startup,
)
from tests.benchmarks.ratio import Ratio

ALL: dict[str, Callable[[], Iterable[Ratio]]] = {
    "startup": startup.measure,
    "loading": loading.measure,
    "queue": lambda: asyncio.run(queue_list.measure()),
    "keys": key_latency.measure,
    "waiting": many_waiting.measure,
    "resume": lambda: [asyncio.run(resume.measure())],
    "checkpoints": checkpoints.measure,
    "replay": lambda: [asyncio.run(replay.measure())],
    "grants": grants.measure,
    "past": past.measure,
    "filters": history.measure_filters,
    "provenance": provenance.measure,
    "decision": lambda: [asyncio.run(decision.measure()), asyncio.run(decision.measure_many())],
    "signature": lambda: [asyncio.run(signature.measure())],
    "export": export.measure,
    "presence": presence.measure,
    "server": lambda: asyncio.run(server.measure()),
}


def main() -> int:
    """Measure the named benchmarks, or all. Modules are compiled, as they are after a first start."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    within = True
    for name in sys.argv[1:] or ALL:
        for ratio in ALL[name]():
            print(ratio, flush=True)
            within &= ratio.value <= ratio.limit
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())
