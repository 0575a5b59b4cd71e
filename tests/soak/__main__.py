"""`python -m tests.soak --minutes N --seed S`: run a soak, then check its invariants."""

from __future__ import annotations

import argparse
import asyncio
import functools
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.approval_trace import findings
from tests.soak.byte_flips import problems_of_flips
from tests.soak.invariants import Checker
from tests.soak.report import report
from tests.soak.scenario import Size, soak
from tests.support.harness import running_fork_server


def main() -> int:
    """Run a soak. Returns 0 if every invariant holds."""
    options = _options()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    size = Size(options.minutes * 60, seed, console=not options.no_console and shutil.which("tmux") is not None)
    print(f"seed {seed}, {options.minutes:g} minutes, in {folder}", flush=True)
    began = time.monotonic()
    with running_fork_server() as fork_server:
        evidence = asyncio.run(
            soak(folder, fork_server, size, lambda line: print(f"{time.monotonic() - began:6.0f} s  {line}", flush=True))
        )
    checker = Checker(evidence)
    print("\n".join(report(checker)))
    say = functools.partial(print, flush=True)
    flipped = problems_of_flips(folder / "home", options.minutes, seed, say)
    print("\n".join(flipped))
    found = findings(checker)
    print("\n".join(["", "agentack, on the same evidence:", *(found or ["ok"])]))
    failed = any(checker.problems().values()) or bool(flipped) or bool(found)
    print(f"{'FAILED' if failed else 'PASSED'} after {time.monotonic() - began:.0f} s with seed {seed}")
    if not (failed or options.keep):
        shutil.rmtree(folder)
    return int(failed)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long the chaos lasts")
    parser.add_argument("--seed", type=int, help="everything random comes from it; by default another each time")
    parser.add_argument("--no-console", action="store_true", help="without a real console in tmux")
    parser.add_argument("--keep", action="store_true", help="keep the home although all is well")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
