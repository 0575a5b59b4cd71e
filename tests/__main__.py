"""`python -m tests`: every check of this project, one after another; ends with the first that fails."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = (
    ("format", ("ruff", "format", "--check", ".")),
    ("lint", ("ruff", "check", ".")),
    ("types", ("mypy",)),
    ("imports", ("lint-imports",)),
    ("tests", (sys.executable, "-m", "pytest", "-n", "4", "--dist", "loadgroup", *sys.argv[1:])),
)


def main() -> int:
    """Run the checks; the exit code of the first that fails, else 0."""
    for name, command in CHECKS:
        began = time.monotonic()
        print(f"── {name}", flush=True)
        code = subprocess.run(_here(command), cwd=ROOT, check=False).returncode
        if code:
            print(f"── {name} failed", flush=True)
            return code
        print(f"── {name} passed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


def _here(command: tuple[str, ...]) -> tuple[str, ...]:
    """The tools of this environment, whatever PATH says."""
    tool = Path(sys.executable).parent / command[0]
    return (str(tool), *command[1:]) if tool.exists() else command


if __name__ == "__main__":
    sys.exit(main())
