"""`python -m tests [--all | --slow | --full | --profile] [PYTEST ARGUMENT ...]`: the checks of this project.

Without an option: format, lint, types, import contracts, and every test that is not marked `slow`. This is the gate of every change.
`--all` runs the slow tests too, and property tests with more examples; `--slow` runs only those. `--full` draws fifty times as many
examples, and ends with a soak of 20 minutes.
`--profile` runs the gate's tests and prints the 40 most expensive tests, files and fixtures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from tests.support import recorder

ROOT = Path(__file__).parents[1]
PROCESSES = "6"
"""More than cores: a console under test waits for its own timers most of the time."""
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 2 << 30
"""Bytes that must be free in memory before temporary files go there."""
SLOW = "slow or hypothesis"
"""Marks of the second tier; property tests are in both, and draw more examples here."""
STATIC = {
    "format": ("ruff", "format", "--check", "."),
    "lint": ("ruff", "check", "."),
    "types": ("mypy",),
    "imports": ("lint-imports",),
}


def main() -> int:
    """Run what the arguments ask for; 1 when a check failed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tier = parser.add_mutually_exclusive_group()
    tier.add_argument("--all", action="store_true", help="the gate, then the slow tests")
    tier.add_argument("--slow", action="store_true", help="only the slow tests")
    tier.add_argument("--full", action="store_true", help="the gate, then the slow tests at full size")
    tier.add_argument("--profile", action="store_true", help="what the gate's tests cost")
    chosen, more = parser.parse_known_args()
    with environment() as env:
        if chosen.profile:
            return profile(env, more)
        failed = [] if chosen.slow else gate(env, more)
        if (chosen.all or chosen.slow) and not failed:
            failed = slow_tests({**env, "HYPOTHESIS_PROFILE": "sample"}, more)
        if chosen.full and not failed:
            failed = check("slow tests", pytest(SLOW, ["--timeout", "36000", *more]), {**env, "HYPOTHESIS_PROFILE": "thorough"})
            failed += check("soak", [sys.executable, "-m", "tests.soak", "--minutes", "20"], env)
        return 1 if failed else 0


def gate(env: dict[str, str], more: Sequence[str]) -> list[str]:
    """Run the static checks beside the tests; the names of those that failed."""
    began = time.monotonic()
    with TemporaryFile("w+") as types_output:
        types = subprocess.Popen(tool(STATIC["types"]), cwd=ROOT, env=env, stdout=types_output, stderr=subprocess.STDOUT)
        failed = [name for name in ("format", "lint", "imports") if check(name, STATIC[name], env)]
        failed += check("tests", pytest("not slow", more), env) if not failed else []
        code = types.wait()
        types_output.seek(0)
        print(types_output.read(), end="")
        print(f"── types {'failed' if code else 'passed'}", flush=True)
    failed += ["types"] if code else []
    print(f"── {', '.join(failed) + ' failed' if failed else 'all passed'} in {time.monotonic() - began:.0f} s", flush=True)
    return failed


def slow_tests(env: dict[str, str], more: Sequence[str]) -> list[str]:
    """Run the slow tests, and those that failed once more, one after another, until one fails again.

    What fails beside other tests and passes alone is no reason to refuse a change, but it is a bug of the test or of the product: both
    outputs say its name.
    """
    failed = check("slow tests", pytest(SLOW, more), env)
    if failed:
        again = [*pytest(SLOW, more), "-n", "0", "--maxfail", "1", "--last-failed", "--last-failed-no-failures", "none", "-v"]
        failed = check("slow tests that failed, once more and alone", again, env)
        print("" if failed else "── what failed beside other tests and passed alone is a bug to be found: see both lists above", flush=True)
    return failed


def check(name: str, command: Sequence[str], env: dict[str, str]) -> list[str]:
    """Run one check; its name, if it failed."""
    began = time.monotonic()
    print(f"── {name}", flush=True)
    code = subprocess.run(tool(command), cwd=ROOT, env=env, check=False).returncode
    print(f"── {name} {'failed' if code else 'passed'} in {time.monotonic() - began:.0f} s", flush=True)
    return [name] if code else []


def profile(env: dict[str, str], more: Sequence[str]) -> int:
    """Run the tests with the recorder, and print its tables."""
    with TemporaryDirectory() as folder:
        failed = check("tests", pytest("not slow", [*more, "-p", recorder.__name__]), {**env, recorder.FOLDER: folder})
        print(recorder.report(Path(folder)))
    return 1 if failed else 0


def pytest(marks: str, more: Sequence[str]) -> list[str]:
    """The command that runs the tests with these marks."""
    return [sys.executable, "-m", "pytest", "-n", PROCESSES, "--dist", "loadgroup", "-m", marks, *more]


def tool(command: Sequence[str]) -> list[str]:
    """The command with the tool of this environment, whatever PATH says."""
    path = Path(sys.executable).parent / command[0]
    return [str(path), *command[1:]] if path.exists() else list(command)


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """The environment of the checks.

    Compiled modules are kept, whatever the caller's environment says: hundreds of processes import the same ones. Temporary files are in
    memory where there is room, since most tests wait for nothing but the disk's fsync; tests of the disk itself mount their own.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED:
        folder = tempfile.mkdtemp(prefix="hitl-tests-", dir=MEMORY)
        try:
            yield {**env, "TMPDIR": folder}
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        yield env


if __name__ == "__main__":
    sys.exit(main())
