"""Other Python interpreters on this machine, and environments with packages of PyPI."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UV = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}") or ""
UNREACHABLE = ("error sending request", "Failed to fetch", "dns error", "Network connectivity is disabled")
"""What uv says where PyPI cannot be reached."""


def interpreter(version: str) -> str:
    """A Python of that version on this machine; skips the test if there is none, or no uv."""
    if not UV:
        pytest.skip("no uv on this machine")
    installed = sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
    by_uv = subprocess.run([UV, "python", "find", "--no-project", version], capture_output=True, text=True, check=False).stdout.strip()
    for python in filter(None, (shutil.which(f"python{version}"), by_uv, *installed)):
        if subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
            return python
    pytest.skip(f"no Python {version} on this machine")


def make_environment(folder: Path, python: str, *requirements: str) -> Path:
    """Make a virtual environment with packages of PyPI. Returns its interpreter; skips the test if PyPI cannot be reached."""
    own = folder / "bin" / "python"
    subprocess.run([UV, "venv", "-q", "--python", python, folder], check=True)
    done = subprocess.run([UV, "pip", "install", "-q", "--python", own, *requirements], capture_output=True, text=True, check=False)
    if done.returncode and any(text in done.stderr for text in UNREACHABLE):
        pytest.skip("PyPI is not reachable")
    assert done.returncode == 0, done.stderr
    return own
