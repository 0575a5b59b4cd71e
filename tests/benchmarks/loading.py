"""Time from a worker's start until its agents are listed, relative to importing the graph's module alone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hitl_tui.home import Home, sample_agents
from hitl_tui.supervisor import Supervisor
from tests.benchmarks.ratio import Ratio, median_ratio

PAIRS = 5
MODULE = "mail_assistant.agent"


def _listed() -> float:
    """Seconds from the start until the worker rings: it has stored its agents."""

    async def first_ring(home: Path) -> float:
        rung = asyncio.Event()
        began = time.perf_counter()
        worker = Supervisor(f"{sample_agents()}/{MODULE.replace('.', '/')}.py:agent", "agent", home, 1, rung.set, print)
        task = asyncio.ensure_future(worker.run())
        await rung.wait()
        took = time.perf_counter() - began
        task.cancel()
        await asyncio.wait([task])
        return took

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(first_ring(Home(Path(folder)).prepare().path))


def _imported() -> float:
    """Seconds for a Python that imports the graph's module and does nothing else."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {MODULE}"], cwd=sample_agents(), check=True)
    return time.perf_counter() - began


def measure() -> list[Ratio]:
    """One ratio."""
    return [median_ratio("start of a worker until its agents are listed ÷ import of the graph's module", 1.5, PAIRS, _listed, _imported)]
